package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// A package's tests, clean and hooked, by what `go test -json` says of each.

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

// Some tests are named after what they are about, addresses included.
var address = regexp.MustCompile(`0x[0-9a-f]+`)

// What tells the time, or an address that is another each time.
var passing = regexp.MustCompile(`0x[0-9a-f]+|goroutine \d+|\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d\S*|` +
	`\d+(\.\d+)?(ns|µs|ms|s|m)\b|(127\.0\.0\.1|\[::1?\]):\d+|/tmp/\S+`)

// runTests runs the tests of packages in the project's directory.
func (p *project) runTests(flags []string, packages ...string) testRun {
	args := append([]string{"test", "-json", "-short", "-timeout", "20m", "-vet=off"}, flags...)
	command := p.command("go", append(args, packages...)...)
	// What those tests leave behind is theirs. A short path: they put sockets there.
	temporary, err := os.MkdirTemp("", "t")
	if err != nil {
		p.t.Fatal(err)
	}
	defer os.RemoveAll(temporary)
	command.Env = append(slices.Clone(command.Env), "TMPDIR="+temporary)
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
		name := testName{event.Package, address.ReplaceAllString(event.Test, "0x…")}
		switch {
		case event.Test == "":
		case event.Action == "pass", event.Action == "fail", event.Action == "skip":
			output := normalized(result{stdout: said[name]}).stdout
			run.outcomes[name] = testOutcome{event.Action, passing.ReplaceAllString(output, "…")}
		case event.Action == "output":
			if line := strings.TrimSpace(event.Output); !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
				said[name] += event.Output
			}
		}
	}
	run.text = text.String()
	return run
}

// comparison runs tests clean, clean once more, and hooked with every hook active. What the two clean runs disagree on
// proves nothing and is counted apart.
type comparison struct {
	p      *project
	hooks  []string // the flags of a hooked build
	found  *differences
	prints bool // what a test prints counts too
}

type difference struct {
	clean, again testOutcome
	how          string
}

func (c *comparison) hooked(packages []string) testRun {
	c.p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		c.p.t.Fatal(err)
	}
	flags := append([]string{"-count=1", "-exec", "env " + actAsWrapper + "=1 " + self}, c.hooks...)
	run := c.p.runTests(flags, packages...)
	if strings.Contains(run.text, "unhooked") {
		c.found.add(strings.Join(packages, " ")+".unhooked", relevant(run.text, "unhooked"))
	}
	return run
}

// run answers how many tests came to what.
func (c *comparison) run(packages ...string) map[string]int {
	c.p.t.Helper()
	clean, again := c.p.runTests([]string{"-count=1"}, packages...), c.p.runTests([]string{"-count=1"}, packages...)
	hooked := c.hooked(packages)
	counts, differ := map[string]int{}, map[testName]difference{}
	for _, name := range slices.SortedFunc(maps.Keys(clean.outcomes), testName.compare) {
		want := difference{clean: clean.outcomes[name], again: again.outcomes[name]}
		want.how = c.differs(want, hooked.outcomes[name])
		switch {
		case want.again.action != want.clean.action:
			counts[unstable]++
		case want.how != "":
			differ[name] = want
		default:
			counts[want.clean.action]++
		}
	}
	if len(clean.outcomes) == 0 {
		c.p.t.Errorf("the clean test of %s did not run:\n%s", strings.Join(packages, " "), clean.text[max(0, len(clean.text)-2000):])
	}
	if len(differ) > 0 {
		c.confirm(packages, differ, counts)
	}
	return counts
}

const unstable = "not the same each time"

// confirm runs hooked once more what differs, and clean without inlining: a hooked function is not inlined. A difference
// that does not show again counts as none; the log has it.
func (c *comparison) confirm(packages []string, differ map[testName]difference, counts map[string]int) {
	c.p.t.Helper()
	plain, hooked := c.p.runTests([]string{"-count=1", "-gcflags=all=-l"}, packages...), c.hooked(packages)
	for _, name := range slices.SortedFunc(maps.Keys(differ), testName.compare) {
		want, got := differ[name], hooked.outcomes[name]
		if c.differs(want, got) == "" {
			counts[unstable]++
			c.p.t.Logf("%s.%s differed once: %s", name.path, name.test, want.how)
			continue
		}
		counts["differ"]++
		uninlined, ok := plain.outcomes[name]
		if ok && c.differs(difference{clean: uninlined, again: uninlined}, got) == "" {
			want.how += "\nas does a clean build without inlining"
		}
		c.found.add(name.top(), name.test+" "+want.how)
	}
}

// differs says how a hooked test differs from two clean ones; what it prints counts if those agree on it.
func (c *comparison) differs(want difference, got testOutcome) string {
	switch {
	case got.action != want.clean.action:
		return fmt.Sprintf("%q became %q\n%s", want.clean.action, got.action, got.output)
	case c.prints && want.again.output == want.clean.output && got.output != want.clean.output:
		return fmt.Sprintf("prints\n%snot\n%s", got.output, want.clean.output)
	}
	return ""
}

// relevant picks the lines that speak of something.
func relevant(output, what string) string {
	lines := strings.Split(output, "\n")
	at := max(0, slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, what) }))
	return strings.Join(lines[max(0, at-6):min(at+4, len(lines))], "\n")
}
