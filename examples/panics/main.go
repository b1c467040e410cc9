// Panics indexes past the end of a slice:
//
//	./sandbox-run run examples/panics
//
// One sees Go's own panic text with the goroutine's trace on stderr, a line of sandbox-run's below it, and exit code 2,
// the program's own. In the report: verdict "runtime_error", go.failure "panic", go.location "main.go:15".
package main

import "fmt"

func main() {
	primes := []int{2, 3, 5, 7}
	for i := 0; ; i++ {
		// The fifth turn is one too many.
		fmt.Println(primes[i])
	}
}
