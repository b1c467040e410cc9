package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// A rule that hooks nothing is an error: the trace would look as if nothing had happened.

// errors finds the rules that hook nothing, and those that speak of parameters nobody has.
func (w *planner) errors(finds []*packageFinds) []planError {
	var list []planError
	for at := range w.set.Rules {
		r := &w.set.Rules[at]
		e := planError{Rule: r.Index, Line: r.Line, File: r.File}
		sites, refused := 0, []refusal{}
		var fault string
		present, absent := map[string]bool{}, map[string]string{}
		for _, found := range finds {
			if found == nil {
				continue
			}
			for _, s := range found.sites {
				if s.Rule == r.Index {
					sites++
				}
			}
			for _, no := range found.refused {
				if no.Rule == r.Index {
					refused = append(refused, no)
				}
			}
			if fault == "" {
				fault = found.faults[at]
			}
			found.names[at].merge(present, absent)
		}
		switch {
		case fault != "":
			e.Message = fault
		case sites > 0:
			e.Message = missingName(present, absent)
		case len(refused) == 1:
			e.Message = fmt.Sprintf("%s cannot be hooked: %s", refused[0].Function, refused[0].Why)
		case len(refused) > 1:
			e.Message = fmt.Sprintf("none of the %d functions it names can be hooked; %s: %s", len(refused),
				refused[0].Function, refused[0].Why)
		default:
			e.Message, e.NotInBuild = w.nothingFound(&r.At)
		}
		if e.Message != "" {
			list = append(list, e)
		}
	}
	return list
}

// ruleNames are the inputs and results of a rule that some matched function has, and those that one has not.
type ruleNames struct {
	present map[string]bool
	absent  map[string]string // name → what the function has instead
}

func (n *ruleNames) merge(present map[string]bool, absent map[string]string) {
	if n == nil {
		return
	}
	for name := range n.present {
		present[name] = true
	}
	for name, has := range n.absent {
		if absent[name] == "" {
			absent[name] = has
		}
	}
}

func (n *ruleNames) note(name string, found bool, has func() string) {
	if found {
		n.present[name] = true
	} else if n.absent[name] == "" {
		n.absent[name] = has()
	}
}

func missingName(present map[string]bool, absent map[string]string) string {
	message := ""
	for name, has := range absent {
		if !present[name] && (message == "" || has < message) {
			message = has
		}
	}
	return message
}

// look notes which of the names a rule uses a function has.
func (n *ruleNames) look(r *rule, fn *function) {
	parameters, results := variables(fn.typ.Params), variables(fn.typ.Results)
	for _, name := range r.Inputs {
		if name != "*" {
			found := find(parameters, name) >= 0 || name == "recv" && fn.receiver != nil
			n.note("argument "+name, found, func() string {
				return fmt.Sprintf("%s has no argument %s; it has %s", fn.name, name, listNames(parameters, shown))
			})
		}
	}
	if r.Advice.Kind != "record" {
		return
	}
	for _, name := range r.Advice.results {
		if name != "*" {
			n.note("result "+name, findResult(results, name) >= 0, func() string {
				return fmt.Sprintf("%s has no result %s; it has %s", fn.name, name, listNames(results, shownResult))
			})
		}
	}
}

func listNames(all []variable, shown func([]variable, int) string) string {
	var names []string
	for i := range all {
		names = append(names, shown(all, i))
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ", ")
}

// nothingFound explains a join point that matched nothing. notInBuild: it names a package of the standard library that
// this program does without.
func (w *planner) nothingFound(j *joinPoint) (message string, notInBuild bool) {
	for _, leaf := range j.leaves() {
		switch {
		case leaf.Function != nil:
			message, notInBuild = w.noFunction(*leaf.Function, leaf)
		case leaf.Call != nil:
			if *leaf.Call == "panic" {
				return "nothing it speaks of calls panic", false
			}
			message, notInBuild = w.noFunction(*leaf.Call, leaf)
			if message == "" {
				message = fmt.Sprintf("nothing calls '%s'", *leaf.Call)
			}
		case leaf.Package != nil:
			message, notInBuild = w.noPackage(leaf)
		case leaf.Literal != nil:
			message = fmt.Sprintf("no literal of the type '%s' is in this program", *leaf.Literal)
		case leaf.Receiver != nil:
			message = fmt.Sprintf("no method has the receiver '%s'", *leaf.Receiver)
		case leaf.Directive != nil:
			message = fmt.Sprintf("no function has the directive //sandbox:hook %s", *leaf.Directive)
		case leaf.Module != nil:
			message = fmt.Sprintf("no module of this program is '%s'", *leaf.Module)
		}
		if message != "" && len(j.AnyOf) == 0 {
			return message, notInBuild
		}
	}
	if message == "" {
		message = "nothing in this program matches all it asks for"
	}
	return message, notInBuild
}

func (j *joinPoint) leaves() []*joinPoint {
	if len(j.AllOf) == 0 && len(j.AnyOf) == 0 {
		return []*joinPoint{j}
	}
	var all []*joinPoint
	for _, part := range append(append([]*joinPoint{}, j.AllOf...), j.AnyOf...) {
		all = append(all, part.leaves()...)
	}
	return all
}

// noFunction answers "" if the pattern by itself does name something.
func (w *planner) noFunction(pattern string, leaf *joinPoint) (string, bool) {
	var names []string
	known := false
	for _, l := range w.listed {
		if !l.names().couldContain(leaf.globs) && !strings.HasPrefix(pattern, l.ImportPath+".") {
			continue
		}
		known = true
		p, err := l.source()
		if err != nil {
			continue
		}
		for _, fn := range p.functions() {
			if matchesFunction(leaf.globs, fn) {
				return "", false
			}
			names = append(names, fn.name)
		}
	}
	if known {
		return fmt.Sprintf("nothing is called '%s'%s", pattern, didYouMean(pattern, names)), false
	}
	path := packagePart(pattern)
	if w.inGoroot(path) {
		return fmt.Sprintf("nothing is called '%s': the program does not use package %s", pattern, path), true
	}
	var packages []string
	for _, l := range w.listed {
		packages = append(packages, l.linkPath())
	}
	near := ""
	if best := nearest(path, packages); len(best) > 0 {
		near = "; did you mean package " + strings.Join(best, ", ") + "?"
	}
	return fmt.Sprintf("nothing is called '%s': the program has no package %s%s", pattern, path, near), false
}

func (w *planner) noPackage(leaf *joinPoint) (string, bool) {
	var packages []string
	for _, l := range w.listed {
		if matchAny(leaf.globs, l.ImportPath) || matchAny(leaf.globs, l.linkPath()) {
			return "", false
		}
		packages = append(packages, l.linkPath())
	}
	if w.inGoroot(*leaf.Package) {
		return fmt.Sprintf("the program does not use package %s", *leaf.Package), true
	}
	return fmt.Sprintf("no package of this program is called '%s'%s", *leaf.Package,
		didYouMean(*leaf.Package, packages)), false
}

func (w *planner) inGoroot(path string) bool {
	if path == "" || strings.Contains(path, "*") || strings.Contains(path, "..") {
		return false
	}
	matches, err := filepath.Glob(filepath.Join(w.goroot, "src", path, "*.go"))
	return err == nil && len(matches) > 0 && w.goroot != ""
}

// packagePart is what stands before the first dot of the last element.
func packagePart(pattern string) string {
	slash := strings.LastIndexByte(pattern, '/')
	if dot := strings.IndexByte(pattern[slash+1:], '.'); dot >= 0 {
		return pattern[:slash+1+dot]
	}
	return pattern
}
