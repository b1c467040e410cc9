package main

import (
	"go/ast"
	"go/token"
	"strings"
)

// matches: every type in has is among the parameters, every one in returns among the results.
func (s *signature) matches(p *sourcePackage, fn *function) bool {
	return containsTypes(p, fn, fn.typ.Params, s.Has) && containsTypes(p, fn, fn.typ.Results, s.Returns)
}

func containsTypes(p *sourcePackage, fn *function, fields *ast.FieldList, wanted []string) bool {
	for _, want := range wanted {
		found := false
		if fields != nil {
			for _, field := range fields.List {
				found = found || sameType(p.typeName(fn.file, field.Type), want)
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// sameType lets a rule leave out the directory of a package: http.Handler for net/http.Handler.
func sameType(have, want string) bool {
	if have == want {
		return true
	}
	prefix := have[:len(have)-len(strings.TrimLeft(have, "*[]."))]
	rest := have[len(prefix):]
	return prefix+rest[strings.LastIndexByte(rest, '/')+1:] == want
}

// typeName writes a type with the import paths of the packages it names, as a rule does.
func (p *sourcePackage) typeName(file *sourceFile, expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.Ident:
		if p.declaresType(e.Name) {
			return p.linkPath + "." + e.Name
		}
		return e.Name
	case *ast.SelectorExpr:
		if id, ok := e.X.(*ast.Ident); ok {
			if path := file.imports[id.Name]; path != "" {
				return path + "." + e.Sel.Name
			}
			return id.Name + "." + e.Sel.Name
		}
	case *ast.ParenExpr:
		return p.typeName(file, e.X)
	case *ast.StarExpr:
		return "*" + p.typeName(file, e.X)
	case *ast.ArrayType:
		if e.Len == nil {
			return "[]" + p.typeName(file, e.Elt)
		}
		if size, ok := e.Len.(*ast.BasicLit); ok {
			return "[" + size.Value + "]" + p.typeName(file, e.Elt)
		}
	case *ast.MapType:
		return "map[" + p.typeName(file, e.Key) + "]" + p.typeName(file, e.Value)
	case *ast.Ellipsis:
		return "..." + p.typeName(file, e.Elt)
	case *ast.IndexExpr:
		return p.typeName(file, e.X)
	case *ast.IndexListExpr:
		return p.typeName(file, e.X)
	case *ast.InterfaceType:
		if e.Methods == nil || len(e.Methods.List) == 0 {
			return "any"
		}
	}
	return "?"
}

func (p *sourcePackage) declaresType(name string) bool {
	if p.declaredTypes == nil {
		p.declaredTypes = map[string]bool{}
		for _, file := range p.files {
			for _, decl := range file.syntax.Decls {
				if decl, ok := decl.(*ast.GenDecl); ok && decl.Tok == token.TYPE {
					for _, spec := range decl.Specs {
						p.declaredTypes[spec.(*ast.TypeSpec).Name.Name] = true
					}
				}
			}
		}
	}
	return p.declaredTypes[name]
}
