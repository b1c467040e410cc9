package main

import (
	"go/ast"
	"go/token"
	"strings"
)

// Theory of operation: what must not be hooked is found from what the source says, not from a list of names.
//   - A directive that makes the compiler treat a function in a special way (nosplit, systemstack, no write barriers, …)
//     promises something an inserted call would break.
//   - A function known to the linker under another name is called from places the source does not show: so is one that
//     assembly refers to, and one that is handed as a value to a function without a body. Such callers may run on the
//     system stack, or with the world stopped.
//   - What a function without race annotations or on the system stack calls may run where it runs: after fork, say,
//     where the stack cannot grow. There Go's own source calls only functions so small that they are inlined, so those
//     that call nothing themselves are the ones to leave alone.

// instructions are functions whose direct calls the compiler turns into instructions of amd64, body or no body: a hook
// there would see calls through function values alone. The source does not say which they are; the compiler does
// (cmd/compile/internal/ssagen/intrinsics.go). What is left alone anyway is not repeated here.
var instructions = map[string]map[string]bool{
	"math":                         {"sqrt": true, "Floor": true, "Ceil": true, "Trunc": true, "RoundToEven": true, "FMA": true},
	"math/big":                     {"mulWW": true},
	"crypto/internal/constanttime": {"Select": true, "boolToUint8": true},
}

// forbidding are the compiler directives (after "//go:") of functions that are left alone.
var forbidding = map[string]bool{
	"nosplit": true, "linkname": true, "noescape": true, "systemstack": true, "norace": true, "nocheckptr": true,
	"nowritebarrier": true, "nowritebarrierrec": true, "yeswritebarrierrec": true, "uintptrescapes": true,
	"uintptrkeepalive": true, "nointerface": true, "wasmexport": true, "wasmimport": true, "notinheap": true,
}

// spreading are those whose smallest callees in the same package are left alone too.
var spreading = map[string]bool{"norace": true, "systemstack": true, "nowritebarrierrec": true}

type restrictions struct {
	p          *sourcePackage
	directives map[*ast.FuncDecl][]string // "nosplit", "cgo_export_static", …; "export" for cgo's //export
	linknamed  map[string]bool
	handed     map[string]bool // package-level functions given to a function without a body
	handedLits map[*ast.FuncLit]bool
	spread     map[string]string // function → the restricted function that calls it; ".Name" for methods
}

func findRestrictions(p *sourcePackage) *restrictions {
	r := &restrictions{p: p, directives: map[*ast.FuncDecl][]string{}, linknamed: map[string]bool{},
		handed: map[string]bool{}, handedLits: map[*ast.FuncLit]bool{}, spread: map[string]string{}}
	declared := map[string]*ast.FuncDecl{}
	for _, file := range p.files {
		r.readDirectives(file)
		for _, decl := range file.syntax.Decls {
			if decl, ok := decl.(*ast.FuncDecl); ok && decl.Recv == nil {
				declared[decl.Name.Name] = decl
			}
		}
	}
	bodiless := map[string]bool{}
	for name, decl := range declared {
		bodiless[name] = decl.Body == nil
	}
	for _, file := range p.files {
		for _, decl := range file.syntax.Decls {
			if decl, ok := decl.(*ast.FuncDecl); ok && decl.Body != nil {
				r.findHanded(decl.Body, bodiless)
				if r.spreads(decl) {
					r.spreadFrom(decl, declared, isLeaf)
				}
			}
		}
	}
	for name := range r.handed {
		if decl := declared[name]; decl != nil && decl.Body != nil {
			r.spreadFrom(decl, declared, func(*ast.FuncDecl) bool { return true })
			r.spreadToMethods(decl)
		}
	}
	return r
}

// spreadToMethods goes by the methods' names: what a handed function calls may run on the system stack.
func (r *restrictions) spreadToMethods(from *ast.FuncDecl) {
	ast.Inspect(from.Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if selector, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok {
				r.spread["."+selector.Sel.Name] = from.Name.Name
			}
		}
		return true
	})
}

// readDirectives gives each function the directives between the declaration before it and itself: the compiler does
// not ask that they stand in its doc comment.
func (r *restrictions) readDirectives(file *sourceFile) {
	decls := file.syntax.Decls
	at := 0
	for _, group := range file.syntax.Comments {
		for _, comment := range group.List {
			name, ok := directiveName(comment.Text)
			if !ok {
				continue
			}
			if fields := strings.Fields(comment.Text); name == "linkname" && len(fields) > 1 {
				r.linknamed[fields[1]] = true
				continue
			}
			for at < len(decls) && decls[at].End() <= comment.Pos() {
				at++
			}
			if at == len(decls) || comment.Pos() > decls[at].Pos() {
				continue
			}
			if decl, ok := decls[at].(*ast.FuncDecl); ok {
				r.directives[decl] = append(r.directives[decl], name)
			}
		}
	}
}

func directiveName(text string) (string, bool) {
	if rest, ok := strings.CutPrefix(text, "//go:"); ok {
		name, _, _ := strings.Cut(rest, " ")
		return strings.TrimSpace(name), true
	}
	if strings.HasPrefix(text, "//export ") {
		return "export", true
	}
	return "", false
}

func (r *restrictions) spreads(decl *ast.FuncDecl) bool {
	for _, name := range r.directives[decl] {
		if spreading[name] {
			return true
		}
	}
	return false
}

// isLeaf: conversions look like calls, so a function that converts is no leaf; none of those in question does but by the
// name of a basic type.
func isLeaf(decl *ast.FuncDecl) bool {
	leaf := true
	ast.Inspect(decl, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			id, ok := ast.Unparen(call.Fun).(*ast.Ident)
			leaf = leaf && ok && constantCalls[id.Name]
		}
		return leaf
	})
	return leaf
}

// spreadFrom marks the callees that are wanted, and theirs.
func (r *restrictions) spreadFrom(from *ast.FuncDecl, declared map[string]*ast.FuncDecl, wanted func(*ast.FuncDecl) bool) {
	pending := []*ast.FuncDecl{from}
	for len(pending) > 0 {
		decl := pending[0]
		pending = pending[1:]
		if decl.Body == nil {
			continue
		}
		ast.Inspect(decl.Body, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			id, ok := ast.Unparen(call.Fun).(*ast.Ident)
			if !ok {
				return true
			}
			if callee := declared[id.Name]; callee != nil && r.spread[id.Name] == "" && callee != from && wanted(callee) {
				r.spread[id.Name] = from.Name.Name
				pending = append(pending, callee)
			}
			return true
		})
	}
}

func (r *restrictions) findHanded(body *ast.BlockStmt, bodiless map[string]bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		id, ok := ast.Unparen(call.Fun).(*ast.Ident)
		if !ok || !bodiless[id.Name] {
			return true
		}
		for _, arg := range call.Args {
			switch arg := ast.Unparen(arg).(type) {
			case *ast.Ident:
				r.handed[arg.Name] = true
			case *ast.FuncLit:
				r.handedLits[arg] = true
			}
		}
		return true
	})
}

// reason says why a declared function is not hooked; "" if it may be.
func (r *restrictions) reason(decl *ast.FuncDecl) string {
	name := decl.Name.Name
	switch {
	case decl.Body == nil:
		return "it has no Go body"
	case name == "_":
		return "it has no name"
	case name == "init" && decl.Recv == nil:
		return initReason
	case decl.Recv != nil && receiverName(decl) == "":
		return "its receiver cannot be read"
	}
	for _, directive := range r.directives[decl] {
		if forbidding[directive] || strings.HasPrefix(directive, "cgo_") {
			return "directive //go:" + directive
		}
		if directive == "export" {
			return "directive //export"
		}
	}
	if hidesPointer(decl.Body) {
		return "it hides a pointer from escape analysis"
	}
	if decl.Recv != nil {
		return r.methodReason(decl)
	}
	switch {
	case instructions[r.p.importPath][name]:
		return "the compiler makes its calls instructions"
	case r.linknamed[name]:
		return "directive //go:linkname"
	case r.p.assembly[name]:
		return "assembly code refers to it"
	case r.handed[name]:
		return "it is handed to a function outside Go"
	case r.spread[name] != "":
		return "it is called by " + r.spread[name] + ", which runs under restrictions of the runtime"
	}
	return bareReturnReason(decl.Type, decl.Body)
}

func (r *restrictions) methodReason(decl *ast.FuncDecl) string {
	base, pointer, _ := receiverType(decl.Recv.List[0].Type)
	linked := base + "." + decl.Name.Name
	if pointer {
		linked = "(*" + base + ")." + decl.Name.Name
	}
	if r.linknamed[linked] {
		return "directive //go:linkname"
	}
	if from := r.spread["."+decl.Name.Name]; from != "" {
		return "it is called by " + from + ", which runs under restrictions of the runtime"
	}
	return bareReturnReason(decl.Type, decl.Body)
}

func receiverName(decl *ast.FuncDecl) string {
	if len(decl.Recv.List) != 1 {
		return ""
	}
	name, _, _ := receiverType(decl.Recv.List[0].Type)
	return name
}

// literalReason: a literal inside a restricted function runs where that function runs.
func (r *restrictions) literalReason(lit *ast.FuncLit, outer *function) string {
	switch {
	case r.handedLits[lit]:
		return "it is handed to a function outside Go"
	case strings.HasPrefix(outer.skip, "directive //go:"), strings.HasPrefix(outer.skip, "it is called by"):
		return "it is inside a function that is not hooked: " + outer.skip
	case hidesPointer(lit.Body):
		return "it hides a pointer from escape analysis"
	}
	return bareReturnReason(lit.Type, lit.Body)
}

// hidesPointer finds the idiom `unsafe.Pointer(x ^ 0)`: such a function works only while it is inlined.
func hidesPointer(body *ast.BlockStmt) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		if xor, ok := n.(*ast.BinaryExpr); ok && xor.Op == token.XOR {
			zero, ok := xor.Y.(*ast.BasicLit)
			found = found || ok && zero.Value == "0"
		}
		return !found
	})
	return found
}

// bareReturnReason finds a return without values in a function with unnamed results. That is an error, and naming the
// results would hide it.
func bareReturnReason(typ *ast.FuncType, body *ast.BlockStmt) string {
	if typ.Results == nil || len(typ.Results.List) == 0 || len(typ.Results.List[0].Names) > 0 {
		return ""
	}
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			found = found || len(n.Results) == 0
		}
		return !found
	})
	if found {
		return "it does not compile: a return without values"
	}
	return ""
}
