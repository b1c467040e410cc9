// Forks tries to start another program, and itself once more:
//
//	./sandbox-run run examples/forks
//
// One sees both attempts fail with "operation not permitted" and "still one process"; exit 0. The report's `denied`
// names the system call. With --on-denied kill the first attempt ends the run: exit code 159, verdict "syscall_denied".
package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

func main() {
	for _, program := range []string{"/bin/sh", "/dev/fd/0"} {
		_, err := os.StartProcess(program, []string{program}, &os.ProcAttr{})
		if errors.Is(err, syscall.EPERM) {
			fmt.Println("cannot start a process: operation not permitted")
		} else {
			fmt.Println("unexpected:", err)
			os.Exit(1)
		}
	}
	fmt.Println("still one process")
}
