package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// expressionPlace is a call or a composite literal that a rule may name.
type expressionPlace struct {
	place
	file     *sourceFile
	call     *ast.CallExpr
	literal  *ast.CompositeLit
	pointer  *ast.UnaryExpr // the & before the literal
	callee   *types.Func    // nil: the builtin panic
	receiver ast.Expr       // of a method call; nil otherwise
	elided   bool           // the literal's type is left out
	address  bool           // the receiver's address is to be taken, as the call would
}

func (e *expressionPlace) node() ast.Expr {
	switch {
	case e.call != nil:
		return e.call
	case e.pointer != nil:
		return e.pointer
	}
	return e.literal
}

// position is what the compiler attributes a call to: its parenthesis.
func (e *expressionPlace) position() token.Pos {
	if e.call != nil {
		return e.call.Lparen
	}
	return e.literal.Pos()
}

// couldHaveExpressions says, from the text, whether types are worth asking for.
func (p *sourcePackage) couldHaveExpressions(set *ruleSet, could []int) bool {
	for _, at := range could {
		j := &set.Rules[at].At
		if j.kinds()&(atCall|atLiteral) == 0 {
			continue
		}
		for _, leaf := range j.leaves() {
			pattern := ""
			if leaf.Call != nil {
				pattern = *leaf.Call
			} else if leaf.Literal != nil {
				pattern = *leaf.Literal
			} else {
				continue
			}
			if p.mentions(pattern[strings.LastIndexAny(pattern, "./*")+1:]) {
				return true
			}
		}
	}
	return false
}

func (p *sourcePackage) mentions(word string) bool {
	for _, f := range p.files {
		if strings.Contains(string(f.data), word) {
			return true
		}
	}
	return false
}

// expressions lists the calls and literals in a function's own body, outer ones before inner ones. Those in function
// literals are found with the literal, which is a function of its own.
func (p *sourcePackage) expressions(fn *function) []*expressionPlace {
	w := &expressionWalk{p: p, t: p.types.get(), file: fn.file, fn: fn}
	ast.Inspect(fn.body, w.visit)
	return w.found
}

// initializerExpressions are the calls in package-level variables. Literals there are data the linker lays out, and
// stay that.
func (p *sourcePackage) initializerExpressions() []*expressionPlace {
	var all []*expressionPlace
	for _, one := range p.initializers() {
		w := &expressionWalk{p: p, t: p.types.get(), file: one.file}
		ast.Inspect(one.expr, w.visit)
		for _, e := range w.found {
			if e.call != nil {
				all = append(all, e)
			}
		}
	}
	return all
}

type expressionWalk struct {
	p        *sourcePackage
	t        *typeInfo
	file     *sourceFile
	fn       *function
	pointers map[*ast.CompositeLit]*ast.UnaryExpr
	found    []*expressionPlace
}

func (w *expressionWalk) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncLit:
		return false
	case *ast.UnaryExpr:
		if literal, ok := ast.Unparen(n.X).(*ast.CompositeLit); ok && n.Op == token.AND {
			if w.pointers == nil {
				w.pointers = map[*ast.CompositeLit]*ast.UnaryExpr{}
			}
			w.pointers[literal] = n
		}
	case *ast.CallExpr:
		w.call(n)
	case *ast.CompositeLit:
		w.literal(n)
	}
	if expr, ok := n.(ast.Expr); ok && w.t.info.Types[expr].Value != nil {
		return false // constant: nothing in it is evaluated
	}
	return true
}

func (w *expressionWalk) add(e *expressionPlace) {
	e.p, e.fn, e.file = w.p, w.fn, w.file
	w.found = append(w.found, e)
}

func (w *expressionWalk) call(n *ast.CallExpr) {
	fun := ast.Unparen(n.Fun)
	switch f := fun.(type) {
	case *ast.IndexExpr:
		fun = ast.Unparen(f.X)
	case *ast.IndexListExpr:
		fun = ast.Unparen(f.X)
	}
	var callee types.Object
	var receiver ast.Expr
	switch f := fun.(type) {
	case *ast.Ident:
		callee = w.t.info.Uses[f]
	case *ast.SelectorExpr:
		callee = w.t.info.Uses[f.Sel]
		if selection := w.t.info.Selections[f]; selection != nil && selection.Kind() == types.MethodVal {
			receiver = f.X
		}
	}
	switch callee := callee.(type) {
	case *types.Builtin:
		if callee.Name() == "panic" && len(n.Args) == 1 {
			w.add(&expressionPlace{place: place{kind: atCall, names: []string{"panic"}}, call: n})
		}
	case *types.Func:
		callee = callee.Origin()
		w.add(&expressionPlace{place: place{kind: atCall, names: calleeNames(callee)}, call: n, callee: callee,
			receiver: receiver})
	}
}

// calleeNames are the ways a rule may name a function: as in a function join point.
func calleeNames(f *types.Func) []string {
	path := ""
	if f.Pkg() != nil {
		path = f.Pkg().Path()
	}
	signature := f.Signature()
	if signature.Recv() == nil {
		return []string{path + "." + f.Name()}
	}
	receiver := signature.Recv().Type()
	pointer, isPointer := receiver.(*types.Pointer)
	if isPointer {
		receiver = pointer.Elem()
	}
	named, ok := types.Unalias(receiver).(*types.Named)
	if !ok {
		return nil
	}
	if named.Obj().Pkg() == nil {
		return []string{named.Obj().Name() + "." + f.Name()} // error.Error
	}
	plain := path + "." + named.Obj().Name() + "." + f.Name()
	if isPointer {
		return []string{path + ".(*" + named.Obj().Name() + ")." + f.Name(), plain}
	}
	return []string{plain}
}

func (w *expressionWalk) literal(n *ast.CompositeLit) {
	typ := w.t.info.Types[n].Type
	if typ == nil {
		return
	}
	elided := n.Type == nil
	if pointer, ok := typ.Underlying().(*types.Pointer); ok && elided {
		typ = pointer.Elem()
	}
	named, ok := types.Unalias(typ).(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return
	}
	name := named.Obj().Pkg().Path() + "." + named.Obj().Name()
	w.add(&expressionPlace{place: place{kind: atLiteral, names: []string{name}}, literal: n, pointer: w.pointers[n],
		elided: elided})
}

// inapplicable says why a rule cannot stand at a call or a literal it names; "" if it can.
func (e *expressionPlace) inapplicable(r *rule) string {
	switch {
	case e.fn != nil && e.fn.closed():
		return e.fn.skip
	case !e.file.lines.usable:
		return "a line directive of its file cannot be written again"
	case e.elided:
		return "the literal's type is left out"
	case r.Advice.Kind == "replace" && e.callee == nil:
		return "panic is no function that could be replaced"
	case r.Advice.Kind == "replace":
		return e.replaceable(r)
	case e.call != nil && e.callee != nil:
		return e.cannotRecord()
	}
	return ""
}

// replaceable checks that the replacement can be named where the call stands and is of the same type as what it
// replaces. The compiler checks the type once more.
func (e *expressionPlace) replaceable(r *rule) string {
	path, name := r.replacement()
	have := e.p.types.get()
	if have.pkg == nil {
		return ""
	}
	from := have.pkg
	if path != e.p.importPath && path != e.p.linkPath {
		at := slices.IndexFunc(have.pkg.Imports(), func(p *types.Package) bool { return p.Path() == path })
		if at < 0 {
			return "package " + e.p.importPath + " does not import " + path + ", where the replacement is"
		}
		from = have.pkg.Imports()[at]
	}
	with, ok := from.Scope().Lookup(name).(*types.Func)
	if !ok || from != have.pkg && !with.Exported() {
		return "package " + path + " has no function " + name + didYouMean(name, exportedNames(from))
	}
	if inner := have.pkg.Scope().Innermost(e.call.Pos()); inner != nil && from == have.pkg {
		if _, found := inner.LookupParent(name, e.call.Pos()); found != with {
			return "there " + name + " is a local name"
		}
	}
	if original := have.info.Types[e.call.Fun].Type; original != nil && !types.Identical(original, with.Type()) {
		short := types.RelativeTo(have.pkg)
		return e.names[0] + " is " + types.TypeString(original, short) + ", but " + r.Advice.With + " is " +
			types.TypeString(with.Type(), short)
	}
	return ""
}

func exportedNames(p *types.Package) []string {
	return slices.DeleteFunc(p.Scope().Names(), func(name string) bool { return !ast.IsExported(name) })
}

func (r *rule) replacement() (path, name string) {
	dot := strings.LastIndexByte(r.Advice.With, '.')
	return r.Advice.With[:dot], r.Advice.With[dot+1:]
}
