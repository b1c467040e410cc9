package main

import (
	"fmt"
	"go/ast"
	"slices"
	"strconv"
	"strings"
)

// Kinds and options of a Site, as the hook runtime and the supervisor know them.
const (
	siteFunction = 1
	siteCall     = 2
	siteLiteral  = 3
	sitePanic    = 4
	siteReplace  = 5

	optionStack = 1 << 0
	optionCount = 1 << 1
	optionAbort = 1 << 2
	optionExit  = 1 << 3

	siteMagic = "0x3145544953584253"
)

// site is one place where one rule's advice stands.
type site struct {
	number   int
	rule     *rule
	kind     int
	fn       *function // around it; nil in a package-level variable
	file     string
	line     int
	column   int
	inputs   []input
	outputs  []input
	bareName string // function name to record if fn is nil
	text     string
	errorVar bool
}

// input is something Enter or Exit gets a pointer to.
type input struct {
	name   string
	expr   string // "" if there is nothing of that name here
	record bool
}

func (s *site) functionName() string {
	if s.fn != nil {
		return s.fn.name
	}
	return s.bareName
}

func (s *site) options() int {
	options := 0
	if s.rule.Advice.Stack {
		options |= optionStack
	}
	if s.rule.Advice.Kind == "count" {
		options |= optionCount
	}
	if s.rule.Advice.Kind == "abort" {
		options |= optionAbort
	}
	if s.kind == siteFunction && s.rule.needsExit() {
		options |= optionExit
	}
	return options
}

// declaration is the Go text of the site's variable: constants only, so that it is static data, in place before any
// package is initialized.
func (s *site) declaration(n *names) string {
	record := uint64(0)
	var ins, outs []string
	for i, in := range s.inputs {
		if in.record {
			record |= 1 << i
		}
		ins = append(ins, in.name)
	}
	for _, out := range s.outputs {
		outs = append(outs, out.name)
	}
	text := fmt.Sprintf("var %s = %s.Site{Magic: %s, Rule: %d, Kind: %d, Line: %d, Column: %d, Record: %#x, "+
		"Options: %d, Inputs: %d, Function: %q, File: %q, Names: %q, Text: %q}\n",
		n.site(s.number), n.hook, siteMagic, s.rule.Index, s.kind, s.line, s.column, record,
		s.options(), len(s.inputs), s.functionName(), s.file, strings.Join(ins, ",")+";"+strings.Join(outs, ","), s.text)
	if s.errorVar {
		text += fmt.Sprintf("var %s = %s.Error{Text: %q}\n", n.err(s.number), n.hook, s.text)
	}
	return text
}

// names are the identifiers that get inserted; the suffix keeps them apart from the package's own.
type names struct {
	hook, suffix string
}

func newNames(suffix string) *names         { return &names{hook: "sandboxhook" + suffix, suffix: suffix} }
func (n *names) site(number int) string     { return "sandboxSite_" + n.suffix + strconv.Itoa(number) }
func (n *names) err(number int) string      { return "sandboxErr_" + n.suffix + strconv.Itoa(number) }
func (n *names) frame(number int) string    { return "sandboxF" + n.suffix + strconv.Itoa(number) }
func (n *names) copied(index int) string    { return "sandboxA" + n.suffix + strconv.Itoa(index) }
func (n *names) parameter(index int) string { return "sandboxP" + n.suffix + strconv.Itoa(index) }
func (n *names) result(index int) string    { return "sandboxR" + n.suffix + strconv.Itoa(index) }
func (n *names) receiver() string           { return "sandboxPr" + n.suffix }
func (n *names) none() string               { return "sandboxNil" + n.suffix }
func (n *names) with(number int) string     { return "sandboxWith" + n.suffix + strconv.Itoa(number) }

// variable is a parameter, a result or a receiver.
type variable struct {
	field *ast.Field
	ident *ast.Ident // nil: unnamed
}

// unnamed also covers the blank name: neither can be spoken of.
func (v variable) unnamed() bool { return v.ident == nil || v.ident.Name == "_" }

func variables(fields *ast.FieldList) []variable {
	var all []variable
	if fields == nil {
		return nil
	}
	for _, field := range fields.List {
		if len(field.Names) == 0 {
			all = append(all, variable{field: field})
		}
		for _, id := range field.Names {
			all = append(all, variable{field: field, ident: id})
		}
	}
	return all
}

// find looks a rule's name for a variable up: its own name, or "#0" by position. -1: there is none.
func find(all []variable, name string) int {
	if position, ok := strings.CutPrefix(name, "#"); ok {
		if i, err := strconv.Atoi(position); err == nil && i >= 0 && i < len(all) {
			return i
		}
		return -1
	}
	if name == "_" {
		return -1
	}
	return slices.IndexFunc(all, func(v variable) bool { return v.ident != nil && v.ident.Name == name })
}

// findResult also takes "err" for an unnamed result of type error: so everyone calls it.
func findResult(results []variable, name string) int {
	if i := find(results, name); i >= 0 || name != "err" {
		return i
	}
	if i := errorResult(results); i >= 0 && results[i].unnamed() {
		return i
	}
	return -1
}

// inapplicable says why a rule cannot stand in a function it names; "" if it can.
func inapplicable(r *rule, fn *function) string {
	if fn.skip != "" {
		return fn.skip
	}
	if !fn.file.lines.usable {
		return "a line directive of its file cannot be written again"
	}
	if r.Advice.Kind != "abort" {
		return ""
	}
	results := variables(fn.typ.Results)
	if r.Advice.Error != nil {
		if errorResult(results) < 0 {
			return "abort with an error needs a function that returns error"
		}
	} else if len(results) != len(r.Advice.results) {
		return fmt.Sprintf("abort gives %d results, the function has %d", len(r.Advice.results), len(results))
	}
	return ""
}

// errorResult is the last result of type error: the one a caller looks at.
func errorResult(results []variable) int {
	for i := len(results) - 1; i >= 0; i-- {
		if isIdent(results[i].field.Type, "error") {
			return i
		}
	}
	return -1
}
