// Tampered depends on a module whose hash in go.sum is not the hash of what the world downloads under that version:
//
//	./sandbox-run run --fetch examples/tampered
//
// Either go.sum or the download was changed. One sees Go's own words ("checksum mismatch", with both hashes) and exit
// code 120, verdict "verify_failed"; nothing of the module reached the store or the compiler.
package main

import (
	"fmt"

	"rsc.io/quote"
)

func main() {
	fmt.Println(quote.Go())
}
