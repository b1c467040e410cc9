package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// ruleSet is rules.json: what sandbox-run made of the rules file.
type ruleSet struct {
	Version int    `json:"version"`
	File    string `json:"file"`
	Rules   []rule `json:"rules"`
}

type rule struct {
	Index  int       `json:"index"`
	Name   string    `json:"name"`
	File   string    `json:"file"`
	Line   int       `json:"line"`
	At     joinPoint `json:"at"`
	Advice advice    `json:"advice"`
	Inputs []string  `json:"inputs"`
	Hash   string    `json:"hash"` // of all that changes what is built, so not of the line
}

type advice struct {
	Kind      string          `json:"kind"` // record, count, abort, replace
	Arguments []string        `json:"arguments"`
	Results   json.RawMessage `json:"results"` // names to record; for abort Go expressions
	Duration  bool            `json:"duration"`
	Stack     bool            `json:"stack"`
	Error     *string         `json:"error"`
	With      string          `json:"with"`
	results   []string
}

const (
	maximumRules  = 1024 // flag words in the control page
	maximumInputs = 64   // bits in Site.Record
)

func readRules(path string) (*ruleSet, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the rules: %w", err)
	}
	set := &ruleSet{}
	if err := json.Unmarshal(data, set); err != nil {
		return nil, fmt.Errorf("%s is not what this rewriter reads: %w", path, err)
	}
	if set.Version != 1 {
		return nil, fmt.Errorf("%s has version %d; this rewriter reads version 1", path, set.Version)
	}
	for i := range set.Rules {
		if err := set.Rules[i].check(); err != nil {
			return nil, set.errorAt(&set.Rules[i], err.Error())
		}
	}
	return set, nil
}

func (s *ruleSet) errorAt(r *rule, message string) error {
	file := r.File
	if file == "" {
		file = s.File
	}
	return fmt.Errorf("%s:%d: rule %s: %s", file, r.Line, r.Name, message)
}

func (r *rule) check() error {
	if r.Hash == "" {
		return fmt.Errorf("it has no hash: what is built could not be told from another rule's")
	}
	if r.Index < 0 || r.Index >= maximumRules {
		return fmt.Errorf("its index %d is outside 0…%d", r.Index, maximumRules-1)
	}
	if len(r.Advice.Results) > 0 {
		if err := json.Unmarshal(r.Advice.Results, &r.Advice.results); err != nil {
			return fmt.Errorf("its results are no list of strings: %w", err)
		}
	}
	for i, name := range r.Inputs {
		if name == "*" && i != len(r.Inputs)-1 {
			return fmt.Errorf("the input * stands for all other parameters and must be the last")
		}
	}
	calls := r.At.kinds()&atCall != 0
	switch r.Advice.Kind {
	case "record", "count":
		return nil
	case "abort":
		if r.Advice.Error == nil && r.Advice.Results == nil {
			return fmt.Errorf("abort needs an error or results to return")
		}
		if r.At.kinds()&^atFunction != 0 {
			return fmt.Errorf("abort stands in a function; at a call or a literal there is nothing to return from")
		}
		return nil
	case "replace":
		if !calls || r.At.kinds()&^atCall != 0 {
			return fmt.Errorf("replace needs a call to replace: say at: {call: NAME}")
		}
		if i := strings.LastIndexByte(r.Advice.With, '.'); i <= strings.LastIndexByte(r.Advice.With, '/') {
			return fmt.Errorf("with: %q names no function; write import/path.Func", r.Advice.With)
		}
		return nil
	}
	return fmt.Errorf("advice %q is not one of record, count, abort, replace", r.Advice.Kind)
}

// needsExit says whether the advice has something to do when the function returns.
func (r *rule) needsExit() bool {
	return r.Advice.Kind == "record" && (r.Advice.Duration || len(r.Advice.results) > 0)
}

// strict says whether a package this rule touches must not silently be left alone: the program would behave otherwise
// than the rule says.
func (r *rule) strict() bool {
	return r.Advice.Kind == "replace" || r.Advice.Kind == "abort" && r.Advice.Error == nil
}

// joinPoint is a rule's "at": exactly one of its fields is set.
type joinPoint struct {
	Function  *string      `json:"function"`
	Package   *string      `json:"package"`
	Module    *string      `json:"module"`
	Receiver  *string      `json:"receiver"`
	Signature *signature   `json:"signature"`
	Call      *string      `json:"call"`
	In        *string      `json:"in"`
	Literal   *string      `json:"literal"`
	Directive *string      `json:"directive"`
	AllOf     []*joinPoint `json:"all_of"`
	AnyOf     []*joinPoint `json:"any_of"`
	Not       *joinPoint   `json:"not"`

	globs  []glob // of the pattern, compiled
	within []glob // of In
	modver []glob // of a module's version
}

type signature struct {
	Has     []string `json:"has"`
	Returns []string `json:"returns"`
}

// The kinds of place a join point can name.
const (
	atFunction = 1 << iota
	atCall
	atLiteral
)

func (j *joinPoint) UnmarshalJSON(data []byte) error {
	type plain joinPoint
	if err := json.Unmarshal(data, (*plain)(j)); err != nil {
		return err
	}
	switch {
	case j.Function != nil:
		j.globs = []glob{compileGlob(*j.Function)}
	case j.Package != nil:
		j.globs = compilePackageGlob(*j.Package)
	case j.Module != nil:
		path, version, _ := strings.Cut(*j.Module, "@")
		j.globs = compilePackageGlob(path)
		if version != "" {
			j.modver = []glob{compileGlob(version)}
		}
	case j.Receiver != nil:
		j.globs = []glob{compileGlob(withoutStar(*j.Receiver))}
	case j.Call != nil:
		j.globs = []glob{compileGlob(*j.Call)}
	case j.Literal != nil:
		j.globs = []glob{compileGlob(withoutStar(*j.Literal))}
	case j.Signature != nil, j.Directive != nil, len(j.AllOf) > 0, len(j.AnyOf) > 0, j.Not != nil:
	default:
		return fmt.Errorf("a join point names nothing: %s", data)
	}
	if j.In != nil {
		j.within = []glob{compileGlob(*j.In)}
	}
	return nil
}

// withoutStar takes the star of a pointer type off; one of a pattern stays.
func withoutStar(pattern string) string {
	if rest, ok := strings.CutPrefix(pattern, "*"); ok && rest != "" && !strings.ContainsAny(rest[:1], "*./") {
		return rest
	}
	return pattern
}

// kinds: a call or a literal anywhere in an all_of makes the other conditions speak of the function around it.
func (j *joinPoint) kinds() int {
	switch {
	case j.Call != nil:
		return atCall
	case j.Literal != nil:
		return atLiteral
	case len(j.AnyOf) > 0:
		kinds := 0
		for _, branch := range j.AnyOf {
			kinds |= branch.kinds()
		}
		return kinds
	case len(j.AllOf) > 0:
		kinds := 0
		for _, part := range j.AllOf {
			if part.Not == nil {
				kinds |= part.kinds() &^ atFunction
			}
		}
		if kinds != 0 {
			return kinds
		}
	}
	return atFunction
}

// place is a candidate: a function, or a call or a literal inside one.
type place struct {
	kind    int
	p       *sourcePackage
	fn      *function // nil for what stands in a package-level variable
	names   []string  // call: the callee's names. Literal: the type's
	pointer bool
}

// matches: strict asks that the join point be of the place's own kind; inside an all_of that names a call, the others
// speak of the function around it.
func (j *joinPoint) matches(at *place, strict bool) bool {
	if strict && j.kinds()&at.kind == 0 {
		return false
	}
	switch {
	case len(j.AnyOf) > 0:
		for _, branch := range j.AnyOf {
			if branch.matches(at, strict) {
				return true
			}
		}
		return false
	case len(j.AllOf) > 0:
		for _, part := range j.AllOf {
			if !part.matches(at, strict && at.kind == atFunction) {
				return false
			}
		}
		return true
	case j.Not != nil:
		return !j.Not.matches(at, false)
	case j.Call != nil:
		return at.kind == atCall && j.matchesAnyName(at.names) && (j.In == nil || matchesFunction(j.within, at.fn))
	case j.Literal != nil:
		return at.kind == atLiteral && j.matchesAnyName(at.names) && (j.In == nil || matchesFunction(j.within, at.fn))
	case j.Package != nil:
		return matchAny(j.globs, at.p.importPath) || matchAny(j.globs, at.p.linkPath)
	case j.Module != nil:
		return at.p.module.matches(j)
	}
	return at.fn != nil && j.matchesEnclosing(at.p, at.fn)
}

func (j *joinPoint) matchesEnclosing(p *sourcePackage, fn *function) bool {
	switch {
	case j.Function != nil:
		return matchesFunction(j.globs, fn)
	case j.Receiver != nil:
		if fn.typeName == "" || withoutStar(*j.Receiver) != *j.Receiver && !fn.pointer {
			return false
		}
		return matchAny(j.globs, fn.typeName)
	case j.Directive != nil:
		for _, name := range fn.directive {
			if name == *j.Directive {
				return true
			}
		}
		return false
	case j.Signature != nil:
		return j.Signature.matches(p, fn)
	}
	return false
}

func (j *joinPoint) matchesAnyName(names []string) bool {
	for _, name := range names {
		if matchAny(j.globs, name) {
			return true
		}
	}
	return false
}

func matchesFunction(globs []glob, fn *function) bool {
	if fn == nil {
		return false
	}
	if matchAny(globs, fn.name) {
		return true
	}
	for _, alias := range fn.aliases {
		if matchAny(globs, alias) {
			return true
		}
	}
	return false
}

// couldTouch answers for a package of which only the names are known. false is certain.
func (j *joinPoint) couldTouch(p *packageNames) bool {
	switch {
	case len(j.AnyOf) > 0:
		for _, branch := range j.AnyOf {
			if branch.couldTouch(p) {
				return true
			}
		}
		return false
	case len(j.AllOf) > 0:
		for _, part := range j.AllOf {
			if !part.couldTouch(p) {
				return false
			}
		}
		return true
	case j.Function != nil:
		return p.couldContain(j.globs)
	case j.Package != nil:
		return matchAny(j.globs, p.importPath) || matchAny(j.globs, p.linkPath)
	case j.Module != nil:
		return p.module.matches(j)
	case j.Receiver != nil:
		return p.couldContain(j.globs)
	case j.Directive != nil:
		return !p.standard
	case j.Call != nil:
		return (j.In == nil || p.couldContain(j.within)) && p.couldUse(j.globs, j.matchesAnyName([]string{"panic"}))
	case j.Literal != nil:
		return (j.In == nil || p.couldContain(j.within)) && p.couldUse(j.globs, false)
	}
	return true
}

// packageNames is what go list says of a package: enough to leave most of them unread.
type packageNames struct {
	importPath string
	linkPath   string
	module     moduleID
	standard   bool
	uses       []string // packages it could mention: itself and all it depends on
}

func (p *packageNames) couldContain(globs []glob) bool {
	for _, g := range globs {
		if g.matchesSomeExtensionOf(p.linkPath+".") || g.matchesSomeExtensionOf(p.importPath+".") ||
			g.matchesSomeExtensionOf(symbolPrefix(p.linkPath)+".") {
			return true
		}
	}
	return false
}

func (p *packageNames) couldUse(globs []glob, builtin bool) bool {
	if builtin || p.couldContain(globs) {
		return true
	}
	for _, used := range p.uses {
		for _, g := range globs {
			if g.matchesSomeExtensionOf(used + ".") {
				return true
			}
		}
	}
	return false
}
