package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// function is a place a rule's advice can stand: a declared function or method, or a function literal.
type function struct {
	file      *sourceFile
	name      string   // as runtime.FuncForPC gives it
	aliases   []string // other ways a rule may name it
	receiver  *ast.FieldList
	typ       *ast.FuncType
	body      *ast.BlockStmt // nil: written in assembly, or elsewhere
	directive []string       // the names of its //sandbox:hook directives
	pointer   bool           // method of a pointer receiver
	typeName  string         // receiver type without the star, qualified; "" for no method
	literal   bool
	line      int
	column    int
	skip      string // why it is not hooked; "" if it may be
}

func (f *function) displayFile(p *sourcePackage) string { return p.displayAt(f.file, f.typ.Pos()) }

const initReason = "it is an init function"

// closed says whether nothing in the body may be changed either. There may be several init functions and none can be
// called, so they are no join points; what they do is.
func (f *function) closed() bool { return f.body == nil || f.skip != "" && f.skip != initReason }

// functions lists every function of the package in the order of the source, each with the name runtime.FuncForPC gives
// it and with the reason why it is not hooked, if there is one.
func (p *sourcePackage) functions() []*function {
	restricted := findRestrictions(p)
	var all []*function
	inits := 0
	for _, file := range p.files {
		for _, decl := range file.syntax.Decls {
			if decl, ok := decl.(*ast.FuncDecl); ok {
				fn := p.declared(file, decl)
				if decl.Name.Name == "init" && decl.Recv == nil {
					fn.name = fmt.Sprintf("%s.init.%d", symbolPrefix(p.linkPath), inits)
					inits++
				}
				fn.skip = restricted.reason(decl)
				all = append(all, fn)
				if decl.Name.Name != "_" {
					all = p.appendLiterals(all, file, fn, decl.Body, restricted)
				}
			}
		}
	}
	return p.appendInitializerLiterals(all, restricted)
}

func (p *sourcePackage) declared(file *sourceFile, decl *ast.FuncDecl) *function {
	fn := &function{file: file, typ: decl.Type, receiver: decl.Recv, body: decl.Body}
	fn.line, fn.column = file.position(decl.Pos())
	fn.directive = hookDirectives(decl.Doc)
	generic := ""
	if decl.Type.TypeParams != nil {
		generic = "[...]"
	}
	short := decl.Name.Name
	exact := short + generic
	if decl.Recv != nil && len(decl.Recv.List) == 1 {
		base, pointer, parameterized := receiverType(decl.Recv.List[0].Type)
		fn.pointer = pointer
		fn.typeName = p.linkPath + "." + base
		if parameterized {
			generic = "[...]"
		}
		exact = base + generic + "." + short
		plain := base + "." + short
		if pointer {
			exact = "(*" + base + generic + ")." + short
			fn.aliases = append(fn.aliases, p.linkPath+"."+plain)
			plain = "(*" + base + ")." + short
		}
		short = plain
	}
	fn.name = symbolPrefix(p.linkPath) + "." + exact
	fn.addAliases(p.linkPath+"."+exact, p.linkPath+"."+short)
	if p.linkPath != p.importPath {
		fn.addAliases(p.importPath + "." + short)
	}
	return fn
}

func (f *function) addAliases(names ...string) {
	for _, name := range names {
		if name != f.name {
			f.aliases = append(f.aliases, name)
		}
	}
}

// receiverType takes a receiver's type apart: T, *T, T[P], *T[P, Q], and any of them in parentheses.
func receiverType(expr ast.Expr) (name string, pointer, parameterized bool) {
	for {
		switch e := expr.(type) {
		case *ast.ParenExpr:
			expr = e.X
		case *ast.StarExpr:
			pointer = true
			expr = e.X
		case *ast.IndexExpr:
			parameterized = true
			expr = e.X
		case *ast.IndexListExpr:
			parameterized = true
			expr = e.X
		case *ast.Ident:
			return e.Name, pointer, parameterized
		default:
			return "", pointer, parameterized
		}
	}
}

func hookDirectives(doc *ast.CommentGroup) []string {
	var names []string
	if doc != nil {
		for _, comment := range doc.List {
			if rest, ok := strings.CutPrefix(comment.Text, "//sandbox:hook"); ok {
				names = append(names, strings.Fields(rest+" ")...)
			}
		}
	}
	return names
}

// literalWalk numbers function literals as the compiler does: in the order it writes the syntax down, per enclosing
// function, leaving out code that a constant condition or a terminating statement makes unreachable
// (cmd/compile/internal/noder/writer.go ifStmt, forStmt, stmts; cmd/compile/internal/ir/func.go closureName).
type literalWalk struct {
	p          *sourcePackage
	file       *sourceFile
	outer      *function
	nested     bool
	count      int
	ranges     int  // loops over functions so far
	loops      bool // loops over functions name the literals in them
	restricted *restrictions
	found      []*function
}

func (p *sourcePackage) appendLiterals(all []*function, file *sourceFile, outer *function, body *ast.BlockStmt,
	restricted *restrictions) []*function {
	if body == nil || !containsLiteral(body) {
		return all
	}
	walk := &literalWalk{p: p, file: file, outer: outer, restricted: restricted,
		loops: rangeBodiesAreNamed() && literalInRange(body)}
	ast.Walk(walk, body)
	return append(all, walk.found...)
}

// Literals of package-level variables belong to the package's own init, in the order of initialization.
func (p *sourcePackage) appendInitializerLiterals(all []*function, restricted *restrictions) []*function {
	outer := &function{name: symbolPrefix(p.linkPath) + ".init", aliases: []string{p.linkPath + ".init"}}
	walk := &literalWalk{p: p, outer: outer, restricted: restricted}
	for _, initializer := range p.initializers() {
		walk.file = initializer.file
		walk.loops = rangeBodiesAreNamed() && literalInRange(initializer.expr)
		ast.Walk(walk, initializer.expr)
	}
	return append(all, walk.found...)
}

type initializer struct {
	file *sourceFile
	expr ast.Expr
}

func (p *sourcePackage) initializers() []initializer {
	var found []initializer
	literals := false
	for _, file := range p.files {
		for _, decl := range file.syntax.Decls {
			decl, ok := decl.(*ast.GenDecl)
			if !ok || decl.Tok != token.VAR {
				continue
			}
			for _, spec := range decl.Specs {
				for _, value := range spec.(*ast.ValueSpec).Values {
					found = append(found, initializer{file, value})
					literals = literals || containsLiteral(value)
				}
			}
		}
	}
	if literals && p.exact && !p.orderIsPlain(found) {
		return p.types.get().initOrder(found)
	}
	return found
}

func (w *literalWalk) Visit(node ast.Node) ast.Visitor {
	switch n := node.(type) {
	case *ast.FuncLit:
		w.literal(n)
		return nil
	case *ast.IfStmt:
		if containsLiteral(n) {
			w.ifStmt(n)
			return nil
		}
	case *ast.ForStmt:
		if n.Cond != nil && containsLiteral(n) && w.p.staticBool(w.file, n.Cond) < 0 {
			w.walk(n.Init)
			ast.Walk(w, n.Cond)
			return nil
		}
	case *ast.RangeStmt:
		if w.loops && w.p.rangesOverFunction(n) {
			w.rangeOverFunction(n)
			return nil
		}
	case *ast.BlockStmt:
		w.statements(n.List)
		return nil
	case *ast.CaseClause:
		for _, expr := range n.List {
			ast.Walk(w, expr)
		}
		w.statements(n.Body)
		return nil
	case *ast.CommClause:
		w.walk(n.Comm)
		w.statements(n.Body)
		return nil
	}
	return w
}

// rangeBodiesAreNamed: since Go 1.27 a function literal in the body of a loop over a function is named after that body,
// itself a function; before, after the function around the loop. This program is built by the toolchain it serves.
var rangeBodiesAreNamed = sync.OnceValue(func() bool { return minorVersion(runtime.Version()) >= 27 })

func (w *literalWalk) rangeOverFunction(n *ast.RangeStmt) {
	ast.Walk(w, n.X)
	w.ranges++
	suffix := "-range" + strconv.Itoa(w.ranges)
	body := &function{file: w.file, name: w.outer.name + suffix, skip: w.outer.skip}
	for _, alias := range w.outer.aliases {
		body.aliases = append(body.aliases, alias+suffix)
	}
	inner := &literalWalk{p: w.p, file: w.file, outer: body, nested: true, restricted: w.restricted, loops: true}
	ast.Walk(inner, n.Body)
	w.found = append(w.found, inner.found...)
}

// rangesOverFunction asks the types. Without them a loop counts as one over something else.
func (p *sourcePackage) rangesOverFunction(n *ast.RangeStmt) bool {
	switch x := ast.Unparen(n.X).(type) {
	case *ast.BasicLit, *ast.CompositeLit, *ast.SliceExpr, *ast.BinaryExpr:
		return false
	case *ast.FuncLit:
		return true
	default:
		if !p.exact || p.types.get().info.Types[x].Type == nil {
			return false
		}
		_, ok := p.types.get().info.Types[x].Type.Underlying().(*types.Signature)
		return ok
	}
}

// literalInRange says whether a loop has a function literal in its body: only then do the kinds of the loops matter.
func literalInRange(body ast.Node) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		if loop, ok := n.(*ast.RangeStmt); ok {
			found = found || containsLiteral(loop.Body)
		}
		return !found
	})
	return found
}

func (w *literalWalk) walk(stmt ast.Stmt) {
	if stmt != nil {
		ast.Walk(w, stmt)
	}
}

func (w *literalWalk) ifStmt(n *ast.IfStmt) {
	cond := w.p.staticBool(w.file, n.Cond)
	w.walk(n.Init)
	ast.Walk(w, n.Cond)
	if cond >= 0 {
		ast.Walk(w, n.Body)
	}
	if cond <= 0 {
		w.walk(n.Else)
	}
}

func (w *literalWalk) statements(list []ast.Stmt) {
	lastLabel := -1
	for i, stmt := range list {
		if _, ok := stmt.(*ast.LabeledStmt); ok {
			lastLabel = i
		}
	}
	dead := false
	for i, stmt := range list {
		if dead && i > lastLabel {
			continue
		}
		ast.Walk(w, stmt)
		dead = w.p.terminates(w.file, stmt)
	}
}

func (w *literalWalk) literal(n *ast.FuncLit) {
	w.count++
	suffix := ".func" + strconv.Itoa(w.count)
	if w.nested {
		suffix = "." + strconv.Itoa(w.count)
	}
	fn := &function{file: w.file, typ: n.Type, body: n.Body, literal: true, name: w.outer.name + suffix}
	for _, alias := range w.outer.aliases {
		fn.aliases = append(fn.aliases, alias+suffix)
	}
	fn.line, fn.column = w.file.position(n.Pos())
	fn.skip = w.restricted.literalReason(n, w.outer)
	inner := &literalWalk{p: w.p, file: w.file, outer: fn, nested: true, restricted: w.restricted, loops: w.loops}
	ast.Walk(inner, n.Body)
	w.found = append(append(w.found, fn), inner.found...)
}

func containsLiteral(node ast.Node) bool {
	found := false
	ast.Inspect(node, func(n ast.Node) bool {
		_, ok := n.(*ast.FuncLit)
		found = found || ok
		return !found
	})
	return found
}

// terminates says what pkgWriter.terminates says.
func (p *sourcePackage) terminates(file *sourceFile, stmt ast.Stmt) bool {
	switch s := stmt.(type) {
	case *ast.BranchStmt:
		return s.Tok == token.GOTO
	case *ast.ReturnStmt:
		return true
	case *ast.ExprStmt:
		call, ok := ast.Unparen(s.X).(*ast.CallExpr)
		return ok && isIdent(call.Fun, "panic")
	case *ast.IfStmt:
		cond := p.staticBool(file, s.Cond)
		return (cond < 0 || p.terminates(file, s.Body)) && (cond > 0 || s.Else != nil && p.terminates(file, s.Else))
	case *ast.BlockStmt:
		for i := len(s.List) - 1; i >= 0; i-- {
			if _, ok := s.List[i].(*ast.EmptyStmt); !ok {
				return p.terminates(file, s.List[i])
			}
		}
	}
	return false
}

func isIdent(expr ast.Expr, name string) bool {
	id, ok := ast.Unparen(expr).(*ast.Ident)
	return ok && id.Name == name
}

// staticBool is +1 for a condition that is always true, -1 for one that is always false, else 0.
func (p *sourcePackage) staticBool(file *sourceFile, cond ast.Expr) int {
	if value := p.constantBool(file, cond); value != 0 {
		return value
	}
	switch e := cond.(type) {
	case *ast.ParenExpr:
		return p.staticBool(file, e.X)
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			return p.staticBool(file, e.X) // the sign is the compiler's own
		}
	case *ast.BinaryExpr:
		if e.Op != token.LAND && e.Op != token.LOR {
			return 0
		}
		decides := -1
		if e.Op == token.LOR {
			decides = +1
		}
		x := p.staticBool(file, e.X)
		if x == decides {
			return x
		}
		if y := p.staticBool(file, e.Y); x == -decides || y == decides {
			return y
		}
	}
	return 0
}

// constantBool asks the types, if the condition could be a constant at all. Without types only `true` and `false` are
// known.
func (p *sourcePackage) constantBool(file *sourceFile, cond ast.Expr) int {
	switch {
	case isIdent(cond, "false") && !p.constants()["false"]:
		return -1
	case isIdent(cond, "true") && !p.constants()["true"]:
		return +1
	case !p.exact || !p.couldBeConstant(file, cond):
		return 0
	}
	return p.types.get().constantBool(cond)
}
