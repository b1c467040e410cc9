// The rewriter puts hooks into Go packages while they are compiled. See docs/tracing.md.
package main

import (
	"errors"
	"fmt"
	"os"
)

const usage = `usage:
  rewriter plan --rules FILE -o FILE [--runtime FILE] [--clean FILE] [BUILD FLAGS] PACKAGE|FILES…
  rewriter toolexec --rules FILE --runtime FILE [--clean FILE] [--kept DIRECTORY] [--plan FILE] TOOL ARGS…
  rewriter compile --rules FILE --runtime FILE --plan FILE --objects DIRECTORY [--kept DIRECTORY] COMPILER ARGS…
  rewriter runtime --source DIRECTORY -o FILE
  rewriter list-functions [BUILD FLAGS] PATTERN [PACKAGE…]
  rewriter show-source --rules FILE [BUILD FLAGS] PACKAGE
`

// exitStatus ends the program with a tool's own status and nothing more to say.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

type usageError string

func (e usageError) Error() string { return string(e) }

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	commands := map[string]func([]string) error{
		"toolexec": runToolexec, "plan": runPlan, "runtime": runRuntime, "list-functions": runListFunctions,
		"show-source": runShowSource, "compile": runCompile,
	}
	command, ok := commands[os.Args[1]]
	if !ok {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	err := command(os.Args[2:])
	var status exitStatus
	var wrong usageError
	switch {
	case err == nil:
	case errors.As(err, &status):
		os.Exit(int(status))
	case errors.As(err, &wrong):
		fmt.Fprintf(os.Stderr, "%v\n%s", err, usage)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
