package main

import (
	"go/ast"
	"go/token"
)

// constantCalls are what may stand before the parenthesis of a constant expression's call: conversions and built-in
// functions.
var constantCalls = map[string]bool{"len": true, "cap": true, "min": true, "max": true, "bool": true, "string": true,
	"int": true, "int8": true, "int16": true, "int32": true, "int64": true, "uint": true, "uint8": true, "uint16": true,
	"uint32": true, "uint64": true, "uintptr": true, "float32": true, "float64": true, "byte": true, "rune": true,
	"true": true, "false": true, "iota": true}

// couldBeConstant rules out, from the syntax, nearly all conditions that are no constants: types are worth their time
// only for the others.
func (p *sourcePackage) couldBeConstant(file *sourceFile, expr ast.Expr) bool {
	switch e := expr.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return constantCalls[e.Name] || p.constants()[e.Name]
	case *ast.ParenExpr:
		return p.couldBeConstant(file, e.X)
	case *ast.UnaryExpr:
		return e.Op != token.ARROW && e.Op != token.AND && p.couldBeConstant(file, e.X)
	case *ast.BinaryExpr:
		return p.couldBeConstant(file, e.X) && p.couldBeConstant(file, e.Y)
	case *ast.SelectorExpr:
		id, ok := e.X.(*ast.Ident)
		return ok && file.imports[id.Name] != "" && ast.IsExported(e.Sel.Name)
	case *ast.CallExpr:
		if !p.couldBeConstant(file, e.Fun) {
			return false
		}
		for _, arg := range e.Args {
			if !p.couldBeConstant(file, arg) {
				return false
			}
		}
		return true
	}
	return false
}

// constants are all names declared as constants or types anywhere in the package, in functions too.
func (p *sourcePackage) constants() map[string]bool {
	if p.constantNames != nil {
		return p.constantNames
	}
	p.constantNames = map[string]bool{}
	for _, f := range p.files {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			decl, ok := n.(*ast.GenDecl)
			if !ok || decl.Tok != token.CONST && decl.Tok != token.TYPE {
				return true
			}
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						p.constantNames[name.Name] = true
					}
				case *ast.TypeSpec:
					p.constantNames[spec.Name.Name] = true
				}
			}
			return true
		})
	}
	return p.constantNames
}

// orderIsPlain says whether the variables of the package are certainly initialized in the order they are written in: no
// initializer speaks, by way of functions and methods too, of a variable that comes later.
func (p *sourcePackage) orderIsPlain(all []initializer) bool {
	later := map[string]int{} // variable → position
	bodies := map[string][]ast.Node{}
	at := 0
	for _, f := range p.files {
		for _, decl := range f.syntax.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Body != nil {
					bodies[decl.Name.Name] = append(bodies[decl.Name.Name], decl.Body)
				}
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					if spec, ok := spec.(*ast.ValueSpec); ok && decl.Tok == token.VAR && len(spec.Values) > 0 {
						for i, name := range spec.Names {
							later[name.Name] = at + min(i, len(spec.Values)-1)
						}
						at += len(spec.Values)
					}
				}
			}
		}
	}
	for i, one := range all {
		reached := map[string]bool{}
		if !reachesOnly(one.expr, i, later, bodies, reached) {
			return false
		}
	}
	return true
}

// reachesOnly looks through every name in a node; one that is a function or a method is looked into in turn.
func reachesOnly(node ast.Node, limit int, later map[string]int, bodies map[string][]ast.Node,
	reached map[string]bool) bool {
	ok := true
	var names []string
	ast.Inspect(node, func(n ast.Node) bool {
		if id, is := n.(*ast.Ident); is && !reached[id.Name] {
			reached[id.Name] = true
			if at, is := later[id.Name]; is && at > limit {
				ok = false
			}
			names = append(names, id.Name)
		}
		return ok
	})
	for _, name := range names {
		for _, body := range bodies[name] {
			if !ok || !reachesOnly(body, limit, later, bodies, reached) {
				return false
			}
		}
	}
	return ok
}
