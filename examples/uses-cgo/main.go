// Uses-cgo imports "C":
//
//	./sandbox-run run examples/uses-cgo
//
// One sees why it is refused, with file and line, before any compiler runs; exit code 120, verdict "verify_failed". A C
// compiler would run the submitter's flags and code at build time; sandbox-run builds with cgo off and has none in view.
package main

// #include <stdio.h>
// static void hello(void) { puts("hello from C"); }
import "C"

func main() {
	C.hello()
}
