package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"regexp"
	"strings"
)

// What `go test -json` says.

type testName struct{ path, test string }

func (n testName) compare(other testName) int {
	return cmp.Or(cmp.Compare(n.path, other.path), cmp.Compare(n.test, other.test))
}

// top names the test whose subtest this is, or itself.
func (n testName) top() string {
	test, _, _ := strings.Cut(n.test, "/")
	return n.path + "." + test
}

type testOutcome struct{ action, output string }

type testRun struct {
	outcomes map[testName]testOutcome
	text     string
}

// What tells the time, or an address that is another each time.
var passing = regexp.MustCompile(`0x[0-9a-f]+|goroutine \d+|\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d\S*|` +
	`\d+(\.\d+)?(ns|µs|ms|s|m)\b|(127\.0\.0\.1|\[::1?\]):\d+|/tmp/\S+`)

// runTests runs the tests of packages in the project's directory.
func (p *project) runTests(flags []string, packages ...string) testRun {
	args := append([]string{"test", "-json", "-short", "-timeout", "5m", "-vet=off"}, flags...)
	command := p.command("go", append(args, packages...)...)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	command.Run()
	run := testRun{outcomes: map[testName]testOutcome{}}
	said := map[testName]string{}
	var text strings.Builder
	lines := bufio.NewScanner(&output)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var event struct{ Action, Package, Test, Output string }
		if json.Unmarshal(lines.Bytes(), &event) != nil {
			text.WriteString(lines.Text() + "\n")
			continue
		}
		text.WriteString(event.Output)
		name := testName{event.Package, event.Test}
		switch {
		case event.Test == "":
		case event.Action == "pass", event.Action == "fail", event.Action == "skip":
			run.outcomes[name] = testOutcome{event.Action, said[name]}
		case event.Action == "output":
			if line := strings.TrimSpace(event.Output); !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
				said[name] += passing.ReplaceAllString(event.Output, "…")
			}
		}
	}
	run.text = text.String()
	return run
}
