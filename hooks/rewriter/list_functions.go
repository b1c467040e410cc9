package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// runListFunctions prints every function whose name matches, with its place and whether it can be hooked. A pattern
// without a dot is looked for anywhere in the names.
func runListFunctions(args []string) error {
	a, err := parsePlanArgs(args)
	if err != nil {
		return err
	}
	flags, rest := splitFlags(a.list)
	if len(rest) == 0 {
		return usageError("list-functions needs a pattern")
	}
	pattern, packages := rest[0], rest[1:]
	if !strings.Contains(pattern, ".") {
		pattern = "**" + pattern + "**"
	}
	if len(packages) == 0 {
		packages = []string{"std"}
		if inModule() {
			packages = append(packages, "./...")
		}
	}
	listed, err := goList(append(flags, packages...)...)
	if err != nil {
		return err
	}
	globs := []glob{compileGlob(pattern)}
	runtimeIs := runtimeDependencies(listed)
	out := bufio.NewWriter(os.Stdout)
	found := false
	var names []string
	for _, l := range listed {
		if !l.names().couldContain(globs) {
			continue
		}
		p, err := l.source()
		if err != nil {
			continue
		}
		why := untouchable(l.path(), l.Standard, runtimeIs)
		for _, fn := range p.functions() {
			names = append(names, fn.name)
			if !matchesFunction(globs, fn) {
				continue
			}
			found = true
			fmt.Fprintf(out, "%s\t%s:%d\t%s\n", fn.name, fn.displayFile(p), fn.line, hookability(fn, why))
		}
	}
	if !found {
		return fmt.Errorf("nothing is called '%s'%s", pattern, didYouMean(pattern, names))
	}
	return out.Flush()
}

func hookability(fn *function, packageWhy string) string {
	switch {
	case packageWhy != "":
		return packageWhy
	case fn.skip != "":
		return fn.skip
	}
	return "hookable"
}

// splitFlags separates build flags from what follows them.
func splitFlags(args []string) (flags, rest []string) {
	for i := 0; i < len(args); i++ {
		if !strings.HasPrefix(args[i], "-") {
			return args[:i:i], args[i:]
		}
		name := strings.TrimLeft(args[i], "-")
		if takesValue[name] {
			i++
		}
	}
	return args, nil
}

func inModule() bool {
	output, err := exec.Command("go", "env", "GOMOD").Output()
	path := strings.TrimSpace(string(output))
	return err == nil && path != "" && path != os.DevNull
}
