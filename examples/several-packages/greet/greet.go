// Package greet holds the words of a greeting.
package greet

import (
	_ "embed"
	"strings"
)

//go:embed words.txt
var words string

// Greeting greets name in the words of words.txt.
func Greeting(name string) string {
	return strings.ReplaceAll(strings.TrimSpace(words), "NAME", name)
}
