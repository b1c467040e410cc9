package main

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// Theory of operation: all a function gets is one text behind its opening brace, and names for the parameters and
// results that have none. The text is a block of its own, so a goto over it stays legal and nothing it declares is seen
// by the function. Parameters are copied inside that block: a parameter whose address were taken would have to live in
// memory, and a closure could no longer capture it by value, so that even a dormant hook would allocate.

// functionHook collects what one function gets from all the rules that match it.
type functionHook struct {
	n          *names
	f          *sourceFile
	fn         *function
	parameters []variable
	results    []variable
	receiver   []variable

	nameParameters bool
	nameResults    bool
	nameReceiver   bool
	text           strings.Builder
}

func newFunctionHook(n *names, fn *function) *functionHook {
	return &functionHook{n: n, f: fn.file, fn: fn, parameters: variables(fn.typ.Params),
		results: variables(fn.typ.Results), receiver: variables(fn.receiver)}
}

func (h *functionHook) parameter(index int) string {
	if h.parameters[index].unnamed() {
		h.nameParameters = true
		return h.n.parameter(index)
	}
	return h.parameters[index].ident.Name
}

func (h *functionHook) result(index int) string {
	if h.results[index].unnamed() {
		h.nameResults = true
		return h.n.result(index)
	}
	return h.results[index].ident.Name
}

func (h *functionHook) receiverExpr() string {
	if len(h.receiver) == 0 {
		return ""
	}
	if h.receiver[0].unnamed() {
		h.nameReceiver = true
		return h.n.receiver()
	}
	return h.receiver[0].ident.Name
}

// shown is the name a trace shows for a variable.
func shown(all []variable, index int) string {
	if all[index].unnamed() {
		return fmt.Sprintf("#%d", index)
	}
	return all[index].ident.Name
}

func shownResult(all []variable, index int) string {
	if all[index].unnamed() && index == errorResult(all) {
		return "err"
	}
	return shown(all, index)
}

// inputs are what Enter is called with: first the rule's own list in its order, since condition programs count so.
func (h *functionHook) inputs(r *rule) []input {
	var list []input
	used := map[int]bool{}
	every := slices.Contains(r.Advice.Arguments, "*")
	for _, name := range r.Inputs {
		if name == "*" {
			for i := range h.parameters {
				if !used[i] && len(list) < maximumInputs {
					list = append(list, input{name: shown(h.parameters, i), expr: h.parameter(i), record: true})
				}
			}
			continue
		}
		in := input{name: name, record: slices.Contains(r.Advice.Arguments, name)}
		if name == "recv" && find(h.parameters, name) < 0 {
			in.expr = h.receiverExpr()
		} else if i := find(h.parameters, name); i >= 0 {
			used[i] = true
			in.expr = h.parameter(i)
			in.record = in.record || every
			in.name = shown(h.parameters, i)
		}
		list = append(list, in)
	}
	return list
}

func (h *functionHook) outputs(r *rule) []input {
	var list []input
	if r.Advice.Kind != "record" {
		return nil
	}
	for _, name := range r.Advice.results {
		if name == "*" {
			for i := range h.results {
				list = append(list, input{name: shownResult(h.results, i), expr: h.result(i)})
			}
		} else if i := findResult(h.results, name); i >= 0 {
			list = append(list, input{name: shownResult(h.results, i), expr: h.result(i)})
		} else {
			list = append(list, input{name: name})
		}
	}
	return list
}

// add writes one rule's advice and fills in its site.
func (h *functionHook) add(s *site) {
	s.inputs, s.outputs = h.inputs(s.rule), h.outputs(s.rule)
	n := h.n
	fmt.Fprintf(&h.text, " if %s.Flags[%d] != 0 {", n.hook, s.rule.Index)
	args := h.copies(s.inputs)
	enter := fmt.Sprintf("%s.Enter(&%s, &%s%s)", n.hook, n.site(s.number), n.frame(s.number), args)
	fmt.Fprintf(&h.text, " var %s %s.Frame;", n.frame(s.number), n.hook)
	switch {
	case s.rule.Advice.Kind == "abort":
		fmt.Fprintf(&h.text, " if %s { %s };", enter, h.abort(s))
	case s.rule.needsExit():
		fmt.Fprintf(&h.text, " %s; defer %s.Exit(&%s%s);", enter, n.hook, n.frame(s.number), h.pointers(s.outputs))
	default:
		fmt.Fprintf(&h.text, " %s;", enter)
	}
	h.text.WriteString(" };")
}

// copies declares the block's own copy of every input and answers the arguments that point to them.
func (h *functionHook) copies(inputs []input) string {
	var left, right []string
	args := ""
	for i, in := range inputs {
		if in.expr == "" {
			args += ", " + h.n.none()
			continue
		}
		left = append(left, h.n.copied(i))
		right = append(right, in.expr)
		args += ", &" + h.n.copied(i)
	}
	if len(left) > 0 {
		fmt.Fprintf(&h.text, " %s := %s;", strings.Join(left, ", "), strings.Join(right, ", "))
	}
	return args
}

func (h *functionHook) pointers(outputs []input) string {
	args := ""
	for _, out := range outputs {
		if out.expr == "" {
			args += ", " + h.n.none()
		} else {
			args += ", &" + out.expr
		}
	}
	return args
}

func (h *functionHook) abort(s *site) string {
	advice := s.rule.Advice
	if advice.Error != nil {
		s.text, s.errorVar = *advice.Error, true
		return fmt.Sprintf("%s = &%s; return", h.result(errorResult(h.results)), h.n.err(s.number))
	}
	if len(advice.results) == 0 {
		return "return"
	}
	var left []string
	for i := range h.results {
		left = append(left, h.result(i))
	}
	return fmt.Sprintf("%s = %s; return", strings.Join(left, ", "), strings.Join(advice.results, ", "))
}

// edits are the insertions into the file: names first, then the text behind the brace.
func (h *functionHook) edits(e *editor) {
	if h.nameReceiver {
		h.nameAll(e, h.fn.receiver, h.receiver, func(int) string { return h.n.receiver() })
	}
	if h.nameParameters {
		h.nameAll(e, h.fn.typ.Params, h.parameters, h.n.parameter)
	}
	if h.nameResults {
		h.nameAll(e, h.fn.typ.Results, h.results, h.n.result)
	}
	e.insert(h.f.offset(h.fn.body.Lbrace)+1, h.text.String())
}

// nameAll gives every variable of a list a name, if some have none: Go wants all or none named. Results may stand
// without parentheses.
func (h *functionHook) nameAll(e *editor, fields *ast.FieldList, all []variable, name func(int) string) {
	bare := !fields.Opening.IsValid()
	for i, v := range all {
		if !v.unnamed() {
			continue
		}
		if v.ident != nil {
			e.replace(h.f.offset(v.ident.Pos()), len("_"), name(i))
			continue
		}
		text := name(i) + " "
		if bare {
			text = "(" + text
		}
		e.insert(h.f.offset(v.field.Type.Pos()), text)
		if bare {
			e.insert(h.f.offset(v.field.Type.End()), ")")
		}
	}
}
