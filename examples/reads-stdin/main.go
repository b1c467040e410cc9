// Reads-stdin adds up the numbers on standard input, one or more a line:
//
//	printf '1 2\n39\n' | ./sandbox-run run examples/reads-stdin
//
// One sees "3 numbers, sum 42". A word that is no number ends it with exit code 1 and a message on stderr.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
)

func main() {
	words := bufio.NewScanner(os.Stdin)
	words.Split(bufio.ScanWords)
	count, sum := 0, 0
	for words.Scan() {
		n, err := strconv.Atoi(words.Text())
		if err != nil {
			fmt.Fprintf(os.Stderr, "not a number: %q\n", words.Text())
			os.Exit(1)
		}
		count++
		sum += n
	}
	fmt.Printf("%d numbers, sum %d\n", count, sum)
}
