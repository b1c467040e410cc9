package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
)

// plan.json: what a build with these rules will hook.
type plan struct {
	Version      int              `json:"version"`
	GoVersion    string           `json:"go_version"`
	Packages     []plannedPackage `json:"packages"`
	Dependencies []string         `json:"dependencies"`
	Linked       []string         `json:"linked,omitempty"` // of a part (parts.go): what the linker was given
	Refused      []refusal        `json:"refused"`
	Errors       []planError      `json:"errors"`
	Rules        []ruleSummary    `json:"rules"`
}

// ruleSummary is what a part of a program has for a rule; those of all parts make out whether the rule is as it should be.
type ruleSummary struct {
	Rule  int  `json:"rule"`
	Sites int  `json:"sites"`
	Doubt bool `json:"doubt"` // something of it may be wrong: only the whole program tells
}

type plannedPackage struct {
	Path     string        `json:"path"`
	Standard bool          `json:"standard"`
	Module   string        `json:"module"`
	Hash     string        `json:"hash"`
	Sites    []plannedSite `json:"sites"`
}

type plannedSite struct {
	Rule     int    `json:"rule"`
	Function string `json:"function"`
	File     string `json:"file"`
	Line     int    `json:"line"`
}

type refusal struct {
	Rule     int    `json:"rule"`
	Line     int    `json:"line"`
	Function string `json:"function"`
	Why      string `json:"why"`
}

type planError struct {
	Rule    int    `json:"rule"`
	Line    int    `json:"line"`
	File    string `json:"file,omitempty"`
	Message string `json:"message"`
	// NotInBuild: the rule names a package of the standard library that the program does not use.
	NotInBuild bool `json:"not_in_build,omitempty"`
}

// planArgs are the flags of plan; what is not its own goes to go list.
type planArgs struct {
	rules, out, runtime string
	clean               string // where the clean standard library's archives are, if they may be used
	list                []string
}

func parsePlanArgs(args []string) (*planArgs, error) {
	a := &planArgs{}
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		target := map[string]*string{"rules": &a.rules, "o": &a.out, "runtime": &a.runtime,
			"clean": &a.clean}[name]
		switch {
		case !strings.HasPrefix(args[i], "-"):
			a.list = append(a.list, args[i:]...)
			return a, nil
		case target == nil:
			a.list = append(a.list, args[i])
			if takesValue[name] && !joined && i+1 < len(args) {
				i++
				a.list = append(a.list, args[i])
			}
			continue
		case !joined:
			i++
			if i == len(args) {
				return nil, usageError("-" + name + " needs a value")
			}
			value = args[i]
		}
		*target = value
	}
	return a, nil
}

// takesValue are the build flags that are written with a separate value.
var takesValue = map[string]bool{"tags": true, "mod": true, "modfile": true, "overlay": true, "C": true, "p": true}

func runPlan(args []string) error {
	a, err := parsePlanArgs(args)
	if err != nil {
		return err
	}
	if a.rules == "" || a.out == "" || len(a.list) == 0 {
		return usageError("plan needs --rules, -o and a package")
	}
	set, err := readRules(a.rules)
	if err != nil {
		return err
	}
	version, err := goVersion()
	if err != nil {
		return err
	}
	listed, err := goList(a.list...)
	if err != nil {
		return err
	}
	key, err := toolHash(a.runtime)
	if err != nil {
		return err
	}
	made := makePlan(set, listed, key)
	made.GoVersion = version
	if a.clean != "" {
		if err := made.addCopies(listed, key, a.clean); err != nil {
			return err
		}
	}
	return made.write(a.out)
}

func newPlan() *plan {
	return &plan{Version: 1, Packages: []plannedPackage{}, Dependencies: []string{}, Refused: []refusal{},
		Errors: []planError{}, Rules: []ruleSummary{}}
}

func (p *plan) write(path string) error {
	data, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o666); err != nil {
		return fmt.Errorf("cannot write the plan: %w", err)
	}
	return nil
}

// ownPath is where this program's file is. A build's sandbox has no /proc, but names programs by their whole path.
func ownPath() string {
	if self, err := os.Executable(); err == nil {
		return self
	}
	return os.Args[0]
}

// toolHash covers what makes archives besides the rules: this program and the hook runtime.
func toolHash(archive string) (string, error) {
	self := ownPath()
	if archive == "" {
		archive = filepath.Join(filepath.Dir(self), "sandboxhook.a")
	}
	sum := sha256.New()
	for _, path := range []string{self, archive} {
		file, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("cannot read what the packages' keys are made from: %w; say --runtime FILE", err)
		}
		_, err = io.Copy(sum, file)
		file.Close()
		if err != nil {
			return "", fmt.Errorf("cannot read %s: %w", path, err)
		}
	}
	return string(sum.Sum(nil)), nil
}

// planner knows what is asked and what there is.
type planner struct {
	set       *ruleSet
	runtimeIs map[string]bool
	key       string
	goroot    string
	listed    []*listedPackage
	sources   *sourceImporter
}

// packageFinds is what one package gives to the plan. Maps and slices are by a rule's position in the set.
type packageFinds struct {
	sites   []plannedSite
	refused []refusal
	rules   []int // ascending
	names   map[int]*ruleNames
	faults  map[int]string // what the rule itself does wrong here
}

func makePlan(set *ruleSet, listed []*listedPackage, key string) *plan {
	w := &planner{set: set, runtimeIs: runtimeDependencies(listed), key: key, listed: listed, goroot: goroot(),
		sources: newSourceImporter(listed)}
	finds := make([]*packageFinds, len(listed))
	var group sync.WaitGroup
	slots := make(chan bool, runtime.NumCPU())
	for i, l := range listed {
		group.Add(1)
		go func() {
			defer group.Done()
			slots <- true
			finds[i] = w.examine(l)
			<-slots
		}()
	}
	group.Wait()
	made := newPlan()
	places := map[string]*plannedPackage{}
	rules := map[string][]int{}
	broken := false
	for i, l := range listed {
		broken = broken || l.Error != nil
		if l.Standard && !slices.Contains(made.Dependencies, l.path()) {
			made.Dependencies = append(made.Dependencies, l.path())
		}
		found := finds[i]
		if found == nil {
			continue
		}
		made.Refused = append(made.Refused, found.refused...)
		if len(found.sites) == 0 {
			continue
		}
		rules[l.path()] = append(rules[l.path()], found.rules...)
		if place := places[l.path()]; place != nil {
			place.Sites = append(place.Sites, found.sites...)
			continue
		}
		places[l.path()] = &plannedPackage{Path: l.path(), Standard: l.Standard, Module: l.moduleText(), Sites: found.sites}
	}
	for _, path := range slices.Sorted(maps.Keys(places)) {
		slices.Sort(rules[path])
		places[path].Hash = w.packageHash(slices.Compact(rules[path]))
		made.Packages = append(made.Packages, *places[path])
	}
	sort.Strings(made.Dependencies)
	made.Rules = w.set.summaries(finds)
	if !broken {
		made.Errors = append(made.Errors, w.errors(finds)...)
	}
	return made
}

// addCopies adds the standard library's packages that have copies of what is hooked in others of it. They have no sites.
func (p *plan) addCopies(listed []*listedPackage, key, clean string) error {
	files, err := (&earlyCutoff{clean: clean}).cleanArchives()
	if err != nil {
		return fmt.Errorf("cannot read where the clean standard library is: %w", err)
	}
	hooked := inlinedNames{}
	sum := sha256.New()
	io.WriteString(sum, key)
	planned := map[string]bool{}
	for _, place := range p.Packages {
		if !place.Standard {
			continue
		}
		planned[place.Path] = true
		fmt.Fprintf(sum, "%s %s\n", place.Path, place.Hash)
		for _, site := range place.Sites {
			hooked.add(place.Path, site.Function)
		}
	}
	var paths []string
	for _, l := range listed {
		if l.Standard && files[l.path()] != "" {
			paths = append(paths, l.path())
		}
	}
	for _, path := range newCleanLibrary(files).spread(paths, hooked) {
		if !planned[path] {
			p.Packages = append(p.Packages, plannedPackage{Path: path, Standard: true,
				Hash: hex.EncodeToString(sum.Sum(nil)[:16]), Sites: []plannedSite{}})
		}
	}
	sort.Slice(p.Packages, func(i, j int) bool { return p.Packages[i].Path < p.Packages[j].Path })
	return nil
}

// summaries has every rule once.
func (s *ruleSet) summaries(finds []*packageFinds) []ruleSummary {
	all := []ruleSummary{}
	for at := range s.Rules {
		r := &s.Rules[at]
		summary := ruleSummary{Rule: r.Index}
		for _, found := range finds {
			if found == nil {
				continue
			}
			for _, site := range found.sites {
				if site.Rule == r.Index {
					summary.Sites++
				}
			}
			summary.Doubt = summary.Doubt || found.faults[at] != "" || found.names[at] != nil && len(found.names[at].absent) > 0
		}
		all = append(all, summary)
	}
	return all
}

// packageHash: the same hash means the same archive from the same sources.
func (w *planner) packageHash(rules []int) string {
	sum := sha256.New()
	io.WriteString(sum, w.key)
	for _, at := range rules {
		fmt.Fprintf(sum, "%d %s\n", w.set.Rules[at].Index, w.set.Rules[at].Hash)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// examine parses the package only if a rule could touch it.
func (w *planner) examine(l *listedPackage) *packageFinds {
	names := l.names()
	var could []int
	for i := range w.set.Rules {
		if w.set.Rules[i].At.couldTouch(names) {
			could = append(could, i)
		}
	}
	if len(could) == 0 || l.path() == "unsafe" {
		return nil
	}
	p, err := l.source()
	if err != nil {
		return nil // a syntax error: the build says it better
	}
	p.types = &typeLoader{load: func() *typeInfo { return checkTypes(p, p.linkPath, "", w.sources.of(l)) }}
	return w.set.find(p, could, untouchable(l.path(), l.Standard, w.runtimeIs))
}

// find holds the rules of `could` against all there is in a package; why: nothing of the package may be hooked.
func (s *ruleSet) find(p *sourcePackage, could []int, why string) *packageFinds {
	found := &packageFinds{names: map[int]*ruleNames{}, faults: map[int]string{}}
	functions := p.functions()
	for _, fn := range functions {
		if why != "" {
			fn.skip = why
		}
		for _, at := range could {
			r := &s.Rules[at]
			if r.At.matches(&place{kind: atFunction, p: p, fn: fn}, true) {
				found.add(r, at, p, fn)
			}
		}
	}
	if why == "" && p.couldHaveExpressions(s, could) {
		for _, fn := range functions {
			if !fn.closed() {
				found.addExpressions(s, could, p.expressions(fn))
			}
		}
		found.addExpressions(s, could, p.initializerExpressions())
	}
	return found
}

func (f *packageFinds) addExpressions(set *ruleSet, could []int, all []*expressionPlace) {
	for _, e := range all {
		for _, at := range could {
			r := &set.Rules[at]
			if !r.At.matches(&e.place, true) {
				continue
			}
			name := symbolPrefix(e.p.linkPath) + ".init"
			if e.fn != nil {
				name = e.fn.name
			}
			if why := e.inapplicable(r); why != "" {
				if r.strict() && f.faults[at] == "" {
					f.faults[at] = why
				}
				f.refused = append(f.refused, refusal{Rule: r.Index, Line: r.Line, Function: name, Why: why})
				continue
			}
			line, _ := e.file.position(e.position())
			f.sites = append(f.sites, plannedSite{Rule: r.Index, Function: name,
				File: e.p.displayAt(e.file, e.position()), Line: line})
			f.touch(at)
		}
	}
}

func (f *packageFinds) add(r *rule, at int, p *sourcePackage, fn *function) {
	if why := inapplicable(r, fn); why != "" {
		f.refused = append(f.refused, refusal{Rule: r.Index, Line: r.Line, Function: fn.name, Why: why})
		return
	}
	f.sites = append(f.sites, plannedSite{Rule: r.Index, Function: fn.name, File: fn.displayFile(p), Line: fn.line})
	if f.names[at] == nil {
		f.names[at] = &ruleNames{present: map[string]bool{}, absent: map[string]string{}}
	}
	f.names[at].look(r, fn)
	f.touch(at)
}

func (f *packageFinds) touch(at int) {
	if !slices.Contains(f.rules, at) {
		f.rules = append(f.rules, at)
		slices.Sort(f.rules)
	}
}
