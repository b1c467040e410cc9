package main

import "go/ast"

// typeSource answers what the syntax alone does not tell.
type typeSource interface {
	// constantBool is +1 for a constant that is true, -1 for one that is false, else 0.
	constantBool(expr ast.Expr) int
	// initOrder sorts initializers of package-level variables into the order of initialization.
	initOrder(all []initializer) []initializer
}
