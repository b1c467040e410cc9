package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// hookFlag is given to go build per package (-gcflags=PKG=-sandbox-hook=HASH), so that it enters the cache key of just
// the packages of the standard library that a rule touches, and of a program's own: those that a plan names or, without
// one, all. The compiler never sees it. Package passthrough has it too.
const hookFlag = "-sandbox-hook="

// isHooked looks for the flag. It may stand in a response file.
func isHooked(args []string) bool {
	for _, arg := range args {
		if strings.HasPrefix(arg, hookFlag) {
			return true
		}
		if strings.HasPrefix(arg, "@") {
			expanded, err := readResponseFile(arg[1:])
			return err == nil && isHooked(expanded)
		}
	}
	return false
}

// readResponseFile undoes cmd/go/internal/work.encodeArg: an argument a line, with \n and \\ escaped.
func readResponseFile(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var args []string
	for _, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		line = strings.TrimSuffix(line, "\r")
		args = append(args, strings.NewReplacer(`\\`, `\`, `\n`, "\n").Replace(line))
	}
	return args, nil
}

// compileArgs is a compiler's command line taken apart as far as needed.
type compileArgs struct {
	flags []string // without the files and without hookFlag
	files []string
}

func parseCompileArgs(args []string) (*compileArgs, error) {
	c := &compileArgs{}
	for _, arg := range args {
		if strings.HasPrefix(arg, "@") {
			expanded, err := readResponseFile(arg[1:])
			if err != nil {
				return nil, fmt.Errorf("cannot read the compiler's arguments: %w", err)
			}
			return parseCompileArgs(expanded)
		}
		if !strings.HasPrefix(arg, hookFlag) {
			c.flags = append(c.flags, arg)
		}
	}
	end := len(c.flags)
	for end > 0 && strings.HasSuffix(c.flags[end-1], ".go") && !strings.HasPrefix(c.flags[end-1], "-") {
		end--
	}
	c.files = c.flags[end:]
	c.flags = c.flags[:end:end]
	return c, nil
}

// all is the command line again.
func (c *compileArgs) all() []string { return append(append([]string{}, c.flags...), c.files...) }

// value finds -name VALUE or -name=VALUE; the last one counts.
func (c *compileArgs) value(name string) string {
	value := ""
	for i, flag := range c.flags {
		if joined, ok := strings.CutPrefix(flag, "-"+name+"="); ok {
			value = joined
		} else if flag == "-"+name && i+1 < len(c.flags) {
			value = c.flags[i+1]
		}
	}
	return value
}

func (c *compileArgs) has(flag string) bool {
	for _, have := range c.flags {
		if have == flag {
			return true
		}
	}
	return false
}

// set replaces a flag's value, wherever and however it was given, or adds it.
func (c *compileArgs) set(name, value string) {
	var flags []string
	for i := 0; i < len(c.flags); i++ {
		if c.flags[i] == "-"+name {
			i++
		} else if !strings.HasPrefix(c.flags[i], "-"+name+"=") {
			flags = append(flags, c.flags[i])
		}
	}
	c.flags = append(flags, "-"+name+"="+value)
}

// sourcePath is where the compiler believes a file lies (cmd/internal/objabi.AbsFile), before $GOROOT is expanded by
// the linker.
func sourcePath(path, rewrites string) string {
	for _, rewrite := range strings.Split(rewrites, ";") {
		prefix, replacement := rewrite, ""
		if i := strings.LastIndex(rewrite, "=>"); i >= 0 {
			prefix, replacement = rewrite[:i], rewrite[i+len("=>"):]
		}
		rest, ok := cutPathPrefix(path, prefix)
		switch {
		case !ok:
			continue
		case rest == "":
			return replacement
		case replacement == "":
			return rest[1:]
		}
		return replacement + rest
	}
	if goroot := os.Getenv("GOROOT"); goroot != "" {
		if rest, ok := cutPathPrefix(path, goroot); ok {
			return "$GOROOT" + rest
		}
	}
	return path
}

// cutPathPrefix cuts whole elements only; what is left is "" or begins with a slash.
func cutPathPrefix(path, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(path, prefix)
	return rest, ok && prefix != "" && (rest == "" || rest[0] == '/' || strings.HasSuffix(prefix, "/"))
}

// expandGoroot does what the linker does with a name the compiler shortened.
func expandGoroot(path string) string {
	if rest, ok := strings.CutPrefix(path, "$GOROOT"); ok {
		return filepath.Join(os.Getenv("GOROOT"), rest)
	}
	return path
}
