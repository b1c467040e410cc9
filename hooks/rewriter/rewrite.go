package main

import (
	"fmt"
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
	functions := p.functions()
	for _, fn := range functions {
		hook := newFunctionHook(n, fn)
		for i := range set.Rules {
			r := &set.Rules[i]
			here := &place{kind: atFunction, p: p, fn: fn}
			if !r.At.matches(here, true) || inapplicable(r, fn) != "" {
				continue
			}
			s := &site{number: len(out.sites), rule: r, kind: siteFunction, fn: fn, file: fn.displayFile(p),
				line: fn.line, column: fn.column}
			out.sites = append(out.sites, s)
			hook.add(s)
		}
		if hook.text.Len() > 0 {
			hook.edits(at(fn.file))
		}
	}
	for _, f := range p.files {
		if e := editors[f]; e != nil {
			e.insert(f.offset(f.syntax.Name.End()), fmt.Sprintf("; import %s \"internal/sandboxhook\"", n.hook))
			out.changed[f] = e.apply()
		}
	}
	out.extra = declarations(p, n, out.sites)
	return out, nil
}

// declarations stand in a file of their own that comes first: initialized before any variable of the package, the
// sites cannot change the order in which those are initialized (a variable whose initializer calls a hooked function
// depends on the function's sites).
func declarations(p *sourcePackage, n *names, sites []*site) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s; import %s \"internal/sandboxhook\"\n", p.files[0].syntax.Name.Name, n.hook)
	fmt.Fprintf(&b, "var %s interface{}\n", n.none())
	for _, s := range sites {
		b.WriteString(s.declaration(n))
	}
	return []byte(b.String())
}
