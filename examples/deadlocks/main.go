// Deadlocks waits for a message that nobody sends:
//
//	./sandbox-run run examples/deadlocks
//
// One sees "waiting", then Go's "fatal error: all goroutines are asleep - deadlock!" on stderr and exit code 2. In the
// report: verdict "runtime_error", go.failure "deadlock".
package main

import "fmt"

func main() {
	fmt.Println("waiting")
	fmt.Println(<-make(chan string))
}
