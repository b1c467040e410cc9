// Package passthrough makes a tool that needs nothing from the rewriter run at once: in place of this process, before
// the packages that the rewriter is made of are initialized. go build starts hundreds of tools in a build, and nearly
// all of them are to be left alone; what the rewriter imports takes a millisecond to initialize.
//
// It is initialized early because it imports only syscall: since Go 1.21 packages are initialized in the order of their
// paths, each as soon as what it imports is (https://go.dev/ref/spec#Program_initialization), and most of what the
// rewriter imports waits for packages that sort behind this one. Were that to change, only time would be lost: toolexec
// does the same.
package passthrough

import "syscall"

const hookFlag = "-sandbox-hook="

func init() {
	args := commandLine()
	if len(args) < 2 || args[1] != "toolexec" {
		return
	}
	tool, kept := toolAt(args)
	if tool < 0 || !Untouched(kept, args[tool], args[tool+1:]) {
		return
	}
	// On failure the rewriter itself tries again, and reports it.
	_ = syscall.Exec(args[tool], args[tool:], syscall.Environ())
}

// Lists is where in a directory of kept archives it stands what must not be inlined; no package has this path.
const Lists = "/not-inlined"

// Untouched says whether a tool is run as it is: any but the linker, and the compiler where it has no flag of ours and
// there are no lists. A response file may hide the flag. `kept`: the directory, if any.
func Untouched(kept, tool string, args []string) bool {
	if len(args) > 0 && args[len(args)-1] == "-V=full" {
		return true
	}
	switch base(tool) {
	case "link":
		return false
	case "compile":
		for _, arg := range args {
			if len(arg) > 0 && arg[0] == '@' || len(arg) >= len(hookFlag) && arg[:len(hookFlag)] == hookFlag {
				return false
			}
		}
		return kept == "" || syscall.Access(kept+Lists, 0) == syscall.ENOENT
	}
	return true
}

func base(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[i+1:]
		}
	}
	return path
}

// toolAt is the position of the tool, behind flags, each with a value of its own or joined by "="; and the value of
// --kept. -1: there is none.
func toolAt(args []string) (tool int, kept string) {
	const keptFlag = "--kept"
	for at := 2; at < len(args); at++ {
		flag := args[at]
		if flag == "" || flag[0] != '-' {
			return at, kept
		}
		name, value, joined := flag, "", false
		for i := range len(flag) {
			if flag[i] == '=' {
				name, value, joined = flag[:i], flag[i+1:], true
				break
			}
		}
		if !joined {
			at++
			if at < len(args) {
				value = args[at]
			}
		}
		if name == keptFlag {
			kept = value
		}
	}
	return -1, ""
}

// commandLine reads the arguments from the kernel: package os is not initialized yet.
func commandLine() []string {
	file, err := syscall.Open("/proc/self/cmdline", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer syscall.Close(file)
	data := make([]byte, 0, 16<<10)
	for {
		if len(data) == cap(data) {
			data = append(data, make([]byte, cap(data))...)[:len(data)]
		}
		n, err := syscall.Read(file, data[len(data):cap(data)])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil
		}
		if n == 0 {
			break
		}
		data = data[:len(data)+n]
	}
	var args []string
	begin := 0
	for i, c := range data {
		if c == 0 {
			args = append(args, string(data[begin:i]))
			begin = i + 1
		}
	}
	return args
}
