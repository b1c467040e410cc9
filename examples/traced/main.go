// Traced reads two files through package os, and looks at a third below it, where no hook of package os stands:
//
//	./sandbox-run run --trace std:files examples/traced
//
// One sees "config: absent" and "shadow: refused or absent", and the trace's summary: two calls of os.OpenFile that
// explain what the kernel saw, and one open of /etc/shadow that nothing accounts for. With the rules beside this file,
//
//	./sandbox-run run --trace examples/traced/rules.yaml examples/traced
//
// os.OpenFile refuses what is below /etc/secrets: the second line becomes "secret: not in this run", and the kernel is
// never asked for that file.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

func main() {
	fmt.Println("config:", outcome(read("/etc/app/config.json")))
	fmt.Println("secret:", outcome(read("/etc/secrets/key")))
	if _, err := syscall.Open("/etc/shadow", syscall.O_RDONLY, 0); err != nil {
		fmt.Println("shadow: refused or absent")
	}
}

func read(name string) error {
	_, err := os.ReadFile(name)
	return err
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "read"
	case errors.Is(err, fs.ErrNotExist):
		return "absent"
	}
	return err.Error()
}
