package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// rewritten is a package with hooks: the files that changed, and one more that declares the sites.
type rewritten struct {
	sites   []*site
	changed map[*sourceFile][]byte
	extra   []byte // the sites' declarations; a file to be given to the compiler before all others
}

// rewrite applies every rule to the package. An error is the rules' fault.
func rewrite(p *sourcePackage, set *ruleSet) (*rewritten, error) {
	out := &rewritten{changed: map[*sourceFile][]byte{}}
	n := newNames(p.freeSuffix())
	editors := map[*sourceFile]*editor{}
	at := func(f *sourceFile) *editor {
		if editors[f] == nil {
			editors[f] = &editor{f: f}
		}
		return editors[f]
	}
	expressions := newExpressionHook(p, n)
	typed := p.couldHaveExpressions(set, everyRule(set))
	for _, fn := range p.functions() {
		hook := newFunctionHook(n, fn)
		for i := range set.Rules {
			r := &set.Rules[i]
			here := &place{kind: atFunction, p: p, fn: fn}
			if !r.At.matches(here, true) || inapplicable(r, fn) != "" {
				continue
			}
			s := out.newSite(r, siteFunction, fn, p.displayAt(fn.file, fn.typ.Pos()))
			s.line, s.column = fn.line, fn.column
			hook.add(s)
		}
		if hook.text.Len() > 0 {
			hook.edits(at(fn.file))
		}
		if typed && !fn.closed() {
			if err := out.addExpressions(set, expressions, p.expressions(fn), at); err != nil {
				return nil, err
			}
		}
	}
	if typed {
		if err := out.addExpressions(set, expressions, p.initializerExpressions(), at); err != nil {
			return nil, err
		}
	}
	for _, f := range p.files {
		if e := editors[f]; e != nil && len(e.edits) > 0 {
			imports := strings.Join(expressions.with[f], "")
			if e.mentions(n.hook + ".") {
				imports = fmt.Sprintf("; import %s \"internal/sandboxhook\"", n.hook) + imports
			}
			if imports != "" {
				e.insert(f.offset(f.syntax.Name.End()), imports)
			}
			out.changed[f] = e.apply()
		}
	}
	out.extra = declarations(p, n, out.sites, expressions)
	return out, nil
}

func everyRule(set *ruleSet) []int {
	var all []int
	for i := range set.Rules {
		all = append(all, i)
	}
	return all
}

func (out *rewritten) newSite(r *rule, kind int, fn *function, file string) *site {
	s := &site{number: len(out.sites), rule: r, kind: kind, fn: fn, file: file}
	out.sites = append(out.sites, s)
	return s
}

// addExpressions applies the rules to calls and literals. A rule that cannot stand at one of them is passed over, but
// for one that must.
func (out *rewritten) addExpressions(set *ruleSet, h *expressionHook, all []*expressionPlace,
	at func(*sourceFile) *editor) error {
	for _, e := range all {
		edit := at(e.file)
		for i := range set.Rules {
			r := &set.Rules[i]
			if !r.At.matches(&e.place, true) {
				continue
			}
			if why := e.inapplicable(r); why != "" {
				if r.strict() {
					return set.errorAt(r, why)
				}
				continue
			}
			pos := e.position()
			s := out.newSite(r, 0, e.fn, h.p.displayAt(e.file, pos))
			s.line, s.column = e.file.position(pos)
			s.bareName = symbolPrefix(h.p.linkPath) + ".init"
			if err := h.add(s, e, edit); err != nil {
				out.sites = out.sites[:len(out.sites)-1]
			}
		}
		h.finish(e, edit)
	}
	return nil
}

// declarations stand in a file of their own that comes first: initialized before any variable of the package, the
// sites cannot change the order in which those are initialized (a variable whose initializer calls a hooked function
// depends on the function's sites).
func declarations(p *sourcePackage, n *names, sites []*site, h *expressionHook) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s; import %s \"internal/sandboxhook\"\n", p.files[0].syntax.Name.Name, n.hook)
	for _, path := range slices.Sorted(maps.Keys(h.imports)) {
		fmt.Fprintf(&b, "import %s %q\n", h.imports[path], path)
	}
	fmt.Fprintf(&b, "var %s interface{}\n", n.none())
	for _, s := range sites {
		b.WriteString(s.declaration(n))
	}
	b.WriteString(h.helpers.String())
	return []byte(b.String())
}
