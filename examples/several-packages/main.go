// Several-packages is a module of three packages, one of them internal, with a file embedded into the binary:
//
//	./sandbox-run run examples/several-packages -- Ada Grace
//
// One sees a greeting for each argument, in the embedded words, then "2 greeted"; exit 0. One of the packages has a test:
//
//	./sandbox-run test examples/several-packages/greet
package main

import (
	"fmt"
	"os"

	"example.test/several-packages/greet"
	"example.test/several-packages/internal/count"
)

func main() {
	var greeted count.Counter
	for _, name := range os.Args[1:] {
		fmt.Println(greet.Greeting(name))
		greeted.Add()
	}
	fmt.Printf("%d greeted\n", greeted.Value())
}
