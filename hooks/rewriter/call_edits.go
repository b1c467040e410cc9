package main

import (
	"fmt"
	"go/ast"
	"go/types"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Theory of operation: a call is recorded between the evaluation of its arguments and the call itself, wherever the
// expression stands: f(a, b) becomes f(helper(a, b)), where helper is a function of the sites' file that returns what
// it was given. Its parameters are type parameters, inferred from the arguments; an argument without a type of its own
// (a constant, nil) takes the callee's parameter's. A call without arguments has its receiver or its function passed
// through the helper instead. A replaced call picks its function: Pick(&site, f, g)(a, b).

// expressionHook writes the edits for calls and literals of one package.
type expressionHook struct {
	p       *sourcePackage
	n       *names
	helpers strings.Builder          // for the sites' file
	imports map[string]string        // of the sites' file: path → name
	with    map[*sourceFile][]string // imports of replacements' packages, per file
}

func newExpressionHook(p *sourcePackage, n *names) *expressionHook {
	return &expressionHook{p: p, n: n, imports: map[string]string{}, with: map[*sourceFile][]string{}}
}

func (h *expressionHook) add(s *site, e *expressionPlace, edit *editor) error {
	switch {
	case s.rule.Advice.Kind == "replace":
		s.kind = siteReplace
		h.replace(s, e, edit)
	case e.literal != nil:
		s.kind = siteLiteral
		s.inputs = []input{{name: "value", record: s.rule.Advice.Kind == "record"}}
		h.wrap(s, e.file, edit, e.node(), "Literal")
	case e.callee == nil:
		s.kind = sitePanic
		s.inputs = []input{{name: "value", record: s.rule.Advice.Kind == "record"}}
		h.wrap(s, e.file, edit, e.call.Args[0], "Panic")
	default:
		s.kind = siteCall
		before := maps.Clone(h.imports)
		if err := h.call(s, e, edit); err != nil {
			h.imports = before // an import nothing uses is an error
			return err
		}
	}
	return nil
}

func (h *expressionHook) wrap(s *site, f *sourceFile, edit *editor, expr ast.Expr, function string) {
	before := fmt.Sprintf("%s.%s(&%s, ", h.n.hook, function, h.n.site(s.number))
	edit.wrap(f.offset(expr.Pos()), f.offset(expr.End()), before, ")")
}

func (h *expressionHook) replace(s *site, e *expressionPlace, edit *editor) {
	path, name := s.rule.replacement()
	if path != h.p.importPath && path != h.p.linkPath {
		alias := h.n.with(s.number)
		h.with[e.file] = append(h.with[e.file], fmt.Sprintf("; import %s %q", alias, path))
		name = alias + "." + name
	}
	f := e.file
	before := fmt.Sprintf("%s.Pick(&%s, ", h.n.hook, h.n.site(s.number))
	edit.wrap(f.offset(e.call.Fun.Pos()), f.offset(e.call.Fun.End()), before, ", "+name+")")
}

// cannotRecord says why the arguments of a call cannot pass through a helper; "" if they can.
func (e *expressionPlace) cannotRecord() string {
	h := newExpressionHook(e.p, newNames(""))
	signature, ok := e.p.types.get().info.Types[e.call.Fun].Type.(*types.Signature)
	if e.callee.Pkg() != nil && e.callee.Pkg().Path() == "internal/abi" {
		return "the compiler itself evaluates it"
	}
	if !ok {
		return "the type of the function it calls is not known"
	}
	var err error
	switch {
	case len(e.call.Args) == 0:
	case e.call.Ellipsis.IsValid():
		at := len(e.call.Args) - 1
		_, err = h.argument(e.call.Args[at], signature.Params().At(at), signature.Params().At(at).Type(), at)
	default:
		_, err = h.arguments(e.call, signature)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// argument is what passes through a helper.
type argument struct {
	names []string // what a rule may call it
	typ   string   // "": inferred
}

func (h *expressionHook) call(s *site, e *expressionPlace, edit *editor) error {
	f, call := e.file, e.call
	signature, ok := h.p.types.get().info.Types[call.Fun].Type.(*types.Signature)
	if !ok {
		return fmt.Errorf("the type of the function it calls is not known")
	}
	switch {
	case len(call.Args) == 0:
		expr := call.Fun
		if e.receiver != nil {
			expr = e.receiver
			e.address = h.takesAddress(e)
		}
		helper := h.helper(s, []argument{{names: []string{"recv"}}}, e.receiver != nil)
		edit.wrap(f.offset(expr.Pos()), f.offset(expr.End()), helper+"(", ")")
	case call.Ellipsis.IsValid():
		last := call.Args[len(call.Args)-1]
		at := len(call.Args) - 1
		arg, err := h.argument(last, signature.Params().At(at), signature.Params().At(at).Type(), at)
		if err != nil {
			return err
		}
		edit.wrap(f.offset(last.Pos()), f.offset(last.End()), h.helper(s, []argument{arg}, true)+"(", ")")
	default:
		arguments, err := h.arguments(call, signature)
		if err != nil {
			return err
		}
		first, last := call.Args[0], call.Args[len(call.Args)-1]
		edit.wrap(f.offset(first.Pos()), f.offset(last.End()), h.helper(s, arguments, true)+"(", ")")
	}
	return nil
}

// finish stands inside what all the rules put around an expression.
func (h *expressionHook) finish(e *expressionPlace, edit *editor) {
	if e.address {
		edit.insert(e.file.offset(e.receiver.Pos()), "&")
	}
}

// takesAddress says whether a method call takes the address of its receiver: x.M() for (&x).M().
func (h *expressionHook) takesAddress(e *expressionPlace) bool {
	_, wantsPointer := e.callee.Signature().Recv().Type().(*types.Pointer)
	if !wantsPointer {
		return false
	}
	have := h.p.types.get().info.Types[e.receiver].Type
	if _, isPointer := have.Underlying().(*types.Pointer); isPointer {
		return false
	}
	return true
}

func (h *expressionHook) arguments(call *ast.CallExpr, signature *types.Signature) ([]argument, error) {
	parameters := signature.Params()
	if tuple, ok := h.p.types.get().info.Types[call.Args[0]].Type.(*types.Tuple); ok {
		var list []argument
		for i := range tuple.Len() {
			list = append(list, argument{names: argumentNames(parameters, i)})
		}
		return list, nil
	}
	var list []argument
	for i, arg := range call.Args {
		at := min(i, parameters.Len()-1)
		typ := parameters.At(at).Type()
		if signature.Variadic() && at == parameters.Len()-1 {
			typ = typ.(*types.Slice).Elem()
		}
		one, err := h.argument(arg, parameters.At(at), typ, i)
		if err != nil {
			return nil, err
		}
		if i > at {
			one.names = one.names[:1] // one of several for a variadic parameter
		}
		list = append(list, one)
	}
	return list, nil
}

func argumentNames(parameters *types.Tuple, i int) []string {
	names := []string{"#" + strconv.Itoa(i)}
	if i < parameters.Len() && parameters.At(i).Name() != "" {
		names = append(names, parameters.At(i).Name())
	}
	return names
}

func (h *expressionHook) argument(expr ast.Expr, parameter *types.Var, typ types.Type, i int) (argument, error) {
	arg := argument{names: []string{"#" + strconv.Itoa(i)}}
	if parameter.Name() != "" && parameter.Name() != "_" {
		arg.names = append(arg.names, parameter.Name())
	}
	value := h.p.types.get().info.Types[expr]
	if value.Type == nil {
		return arg, fmt.Errorf("the type of argument %d is not known", i)
	}
	basic, isBasic := value.Type.(*types.Basic)
	if isKind(value.Type, types.Uintptr) && value.Value == nil {
		// What unsafe.Pointer(p) points to is kept for the call only if it is converted in the call's own arguments.
		return arg, fmt.Errorf("argument %d may hold an address as a number", i)
	}
	untyped := isBasic && basic.Info()&types.IsUntyped != 0
	if value.Value == nil && !value.IsNil() && !isBasic && !h.isGeneric(expr) {
		return arg, nil
	}
	// go/types gives an untyped constant, and a shift of one, the type it is converted to; so does the helper.
	if isBasic && !untyped {
		typ = value.Type
	}
	text, ok := h.typeText(typ)
	if !ok {
		return arg, fmt.Errorf("argument %d has a type that cannot be written there", i)
	}
	arg.typ = text
	return arg, nil
}

func isKind(typ types.Type, kind types.BasicKind) bool {
	basic, ok := typ.Underlying().(*types.Basic)
	return ok && basic.Kind() == kind
}

// isGeneric: a generic function as an argument takes its type from the parameter.
func (h *expressionHook) isGeneric(expr ast.Expr) bool {
	switch e := ast.Unparen(expr).(type) {
	case *ast.Ident:
		_, ok := h.p.types.get().info.Instances[e]
		return ok
	case *ast.SelectorExpr:
		_, ok := h.p.types.get().info.Instances[e.Sel]
		return ok
	}
	return false
}

// typeText writes a type in the sites' file, where nothing local is visible.
func (h *expressionHook) typeText(typ types.Type) (string, bool) {
	possible := true
	imported := map[string]bool{}
	for _, f := range h.p.files {
		for _, spec := range f.syntax.Imports {
			if path, err := strconv.Unquote(spec.Path.Value); err == nil {
				imported[path] = true
			}
		}
	}
	text := types.TypeString(typ, func(from *types.Package) string {
		if from == h.p.types.get().pkg {
			return ""
		}
		if !imported[from.Path()] {
			possible = false
			return "_"
		}
		if h.imports[from.Path()] == "" {
			h.imports[from.Path()] = fmt.Sprintf("sandboxWith%sT%d", h.n.suffix, len(h.imports))
		}
		return h.imports[from.Path()]
	})
	return text, possible && h.visible(typ)
}

// visible says whether a type can be written at package level: no type parameter, nothing declared in a function,
// nothing another package keeps to itself.
func (h *expressionHook) visible(typ types.Type) bool {
	switch t := typ.(type) {
	case *types.Basic:
		return t.Kind() != types.Invalid && h.p.types.get().pkg.Scope().Lookup(t.Name()) == nil
	case *types.Pointer:
		return h.visible(t.Elem())
	case *types.Slice:
		return h.visible(t.Elem())
	case *types.Array:
		return h.visible(t.Elem())
	case *types.Map:
		return h.visible(t.Key()) && h.visible(t.Elem())
	case *types.Chan:
		return h.visible(t.Elem())
	case *types.Interface:
		return t.Empty() && h.p.types.get().pkg.Scope().Lookup("any") == nil
	case *types.Signature:
		return t.TypeParams() == nil && h.allVisible(t.Params()) && h.allVisible(t.Results())
	case *types.Alias:
		return h.visibleName(t.Obj()) && t.TypeArgs() == nil
	case *types.Named:
		return h.visibleName(t.Obj()) && t.TypeArgs() == nil
	}
	return false
}

func (h *expressionHook) allVisible(all *types.Tuple) bool {
	for i := range all.Len() {
		if !h.visible(all.At(i).Type()) {
			return false
		}
	}
	return true
}

func (h *expressionHook) visibleName(name *types.TypeName) bool {
	switch {
	case name.Pkg() == nil:
		return h.p.types.get().pkg.Scope().Lookup(name.Name()) == nil
	case name.Parent() != name.Pkg().Scope():
		return false
	}
	return name.Pkg() == h.p.types.get().pkg || name.Exported()
}

// helper writes the function that the arguments pass through and answers its name.
func (h *expressionHook) helper(s *site, arguments []argument, recordable bool) string {
	var parameters, passed, results, kinds []string
	for i, arg := range arguments {
		name := "a" + strconv.Itoa(i)
		typ := arg.typ
		if typ == "" {
			typ = "sandboxT" + h.n.suffix + strconv.Itoa(i)
			kinds = append(kinds, typ)
		}
		parameters = append(parameters, name+" "+typ)
		passed = append(passed, name)
		results = append(results, typ)
	}
	name := "sandboxArgs_" + h.n.suffix + strconv.Itoa(s.number)
	generic := ""
	if len(kinds) > 0 {
		generic = "[" + strings.Join(kinds, ", ") + " interface{}]"
	}
	copies, pointers := h.inputs(s, arguments, recordable)
	fmt.Fprintf(&h.helpers, "func %s%s(%s) (%s) { if %s.Flags[%d] != 0 { %s%s.Point(&%s%s) }; return %s }\n", name, generic,
		strings.Join(parameters, ", "), strings.Join(results, ", "), h.n.hook, s.rule.Index, copies, h.n.hook,
		h.n.site(s.number), pointers, strings.Join(passed, ", "))
	return name
}

// inputs fills the site's inputs in from the arguments and answers how the helper hands them to Point.
func (h *expressionHook) inputs(s *site, arguments []argument, recordable bool) (copies, pointers string) {
	r := s.rule
	used := map[int]bool{}
	var left, right []string
	give := func(at int, name string, record bool) {
		used[at] = true
		s.inputs = append(s.inputs, input{name: name, record: record})
		copied := h.n.copied(len(left))
		left, right = append(left, copied), append(right, "a"+strconv.Itoa(at))
		pointers += ", &" + copied
	}
	for _, name := range r.Inputs {
		if name == "*" {
			for at := 0; recordable && at < len(arguments) && len(s.inputs) < maximumInputs; at++ {
				if !used[at] {
					give(at, arguments[at].names[len(arguments[at].names)-1], true)
				}
			}
			continue
		}
		at := slices.IndexFunc(arguments, func(a argument) bool { return slices.Contains(a.names, name) })
		record := slices.Contains(r.Advice.Arguments, name) || slices.Contains(r.Advice.Arguments, "*")
		if at >= 0 && recordable {
			give(at, name, record)
		} else {
			s.inputs = append(s.inputs, input{name: name, record: record})
			pointers += ", " + h.n.none()
		}
	}
	if len(left) > 0 {
		copies = strings.Join(left, ", ") + " := " + strings.Join(right, ", ") + "; "
	}
	return copies, pointers
}
