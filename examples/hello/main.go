// Hello prints one line and exits 0:
//
//	./sandbox-run run examples/hello
//
// One sees that line and nothing else; with --json, one report object with the verdict "ok".
package main

import "fmt"

func main() {
	fmt.Println("Hello from inside the sandbox.")
}
