// With-dependencies uses two third-party modules and what they need in turn:
//
//	./sandbox-run run --fetch examples/with-dependencies
//
// Every module is downloaded, compared with go.sum by sandbox-run's own verifier, and only then given to the compiler.
// One sees a Go proverb and "83 MB in 1,234,567 parts", exit 0. A second run needs no --fetch: the modules are in
// the store. Without --fetch, where neither the store nor the host has them, the run is refused (exit 120) and says so.
package main

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"rsc.io/quote"
)

func main() {
	fmt.Println(quote.Go())
	fmt.Printf("%s in %s parts\n", humanize.Bytes(82854982), humanize.Comma(1234567))
}
