// Runs-out-of-memory keeps every megabyte it allocates:
//
//	./sandbox-run run --memory 64MiB examples/runs-out-of-memory
//
// One sees "allocating" and one line of sandbox-run's with the limit; the exit code is 122 and the verdict
// "memory_exceeded", which comes from the kernel's out-of-memory kill, not from anything the program printed.
package main

import "fmt"

func main() {
	fmt.Println("allocating")
	var kept [][]byte
	for {
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = byte(i)
		}
		kept = append(kept, block)
	}
}
