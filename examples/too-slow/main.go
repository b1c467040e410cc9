// Too-slow counts and never ends:
//
//	./sandbox-run run --cpu-time 500ms examples/too-slow
//
// One sees "counting" and, half a second of processor time later, one line of sandbox-run's; the exit code is 124 and
// the verdict "cpu_time_exceeded". (A program that sleeps instead uses no processor time and meets --wall-time.)
package main

import "fmt"

func main() {
	fmt.Println("counting")
	for n := uint64(0); ; n++ {
		if n == 1<<63 {
			fmt.Println("counted")
		}
	}
}
