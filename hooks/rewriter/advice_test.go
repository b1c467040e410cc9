package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func eventsContain(t *testing.T, events []string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !slices.ContainsFunc(events, func(e string) bool { return strings.HasPrefix(e, want) }) {
			t.Errorf("no event %q among\n%s", want, strings.Join(events, "\n"))
		}
	}
}

const opener = `package main

import (
	"fmt"
	"os"
)

func open(name string) (*os.File, error) { return os.Open(name) }

func count(string) (n int, ok bool) { return 7, true }

func quiet() { fmt.Println("quiet was called") }

func main() {
	f, err := open("/dev/null")
	fmt.Println(f != nil, err)
	n, ok := count("x")
	fmt.Println(n, ok)
	quiet()
}
`

func TestAnAbortReturnsItsErrorOnlyWhileItIsOn(t *testing.T) {
	p := newProject(t, map[string]string{"main.go": opener},
		ruleText(0, `{"function":"main.open"}`, `{"kind":"abort","error":"not allowed here"}`, "name"),
		ruleText(1, `{"function":"main.count"}`, `{"kind":"abort","results":["9", "len(os.Args) > 9"]}`, "#0"),
		ruleText(2, `{"function":"main.quiet"}`, `{"kind":"abort","results":[]}`))
	clean, hooked := p.build(".")
	want := p.run(clean, nil)
	if got := p.run(hooked, nil); got != want {
		t.Errorf("dormant: got %+v, want %+v", got, want)
	}
	tr := newTracer(t, true)
	defer tr.close()
	got := p.run(hooked, tr)
	if got.stdout != "false not allowed here\n9 false\n" {
		t.Errorf("active: %+v", got)
	}
	eventsContain(t, tr.events(t, hooked), "aborted main.open", "aborted main.count", "aborted main.quiet")
}

func TestACallIsReplacedOnlyWhileItsRuleIsOn(t *testing.T) {
	p := newProject(t, map[string]string{"main.go": `package main

import (
	"fmt"
	"os"

	"example.com/app/safe"
)

func mine(key string) string { return "mine " + key }

func main() {
	fmt.Println(os.Getenv("KEY"), safe.Name)
	fmt.Println(os.ReadFile("/dev/null"))
}
`, "safe/safe.go": `package safe

const Name = "safe"

func ReadFile(name string) ([]byte, error) { return []byte(name), nil }
`}, ruleText(0, `{"call":"os.Getenv","in":"main.main"}`, `{"kind":"replace","with":"example.com/app.mine"}`),
		ruleText(1, `{"call":"os.ReadFile","in":"main.**"}`, `{"kind":"replace","with":"example.com/app/safe.ReadFile"}`))
	p.env = append(p.env, "KEY=value")
	clean, hooked := p.build(".")
	want := p.run(clean, nil)
	if got := p.run(hooked, nil); got != want {
		t.Errorf("dormant: got %+v, want %+v", got, want)
	}
	tr := newTracer(t, true)
	defer tr.close()
	if got := p.run(hooked, tr); got.stdout != "mine KEY safe\n[47 100 101 118 47 110 117 108 108] <nil>\n" {
		t.Errorf("active: %+v", got)
	}
	eventsContain(t, tr.events(t, hooked), "point main.main")
}

const replaceMismatch = `package main

import "os"

func wrong(key string) int { return len(key) }

func main() { println(os.Getenv("KEY") == "") }
`

func TestAReplacementOfAnotherTypeIsAnErrorOfThePlan(t *testing.T) {
	p := newProject(t, map[string]string{"main.go": replaceMismatch},
		ruleText(0, `{"call":"os.Getenv","in":"main.main"}`, `{"kind":"replace","with":"example.com/app.wrong"}`),
		ruleText(1, `{"call":"os.Getenv","in":"main.main"}`, `{"kind":"replace","with":"example.com/app.wrongg"}`),
		ruleText(2, `{"call":"os.Getenv","in":"main.main"}`, `{"kind":"replace","with":"strings.ToUpper"}`))
	wanted := []string{
		"os.Getenv is func(key string) string, but example.com/app.wrong is func(key string) int",
		"package example.com/app has no function wrongg",
		"package example.com/app does not import strings, where the replacement is"}
	var got []string
	for _, e := range p.plan(".").Errors {
		got = append(got, e.Message)
	}
	if !slices.Equal(got, wanted) {
		t.Errorf("got %q\nwant %q", got, wanted)
	}
}

// The compiler has the last word: here the plan's errors are passed over.
func TestAReplacementOfAnotherTypeIsAnErrorOfTheBuildThatNamesTheRule(t *testing.T) {
	p := newProject(t, map[string]string{"main.go": replaceMismatch},
		ruleText(0, `{"call":"os.Getenv","in":"main.main"}`, `{"kind":"replace","with":"example.com/app.wrong"}`))
	args := append([]string{"build", "-o", "hooked"}, p.hookFlags(&plan{Packages: []plannedPackage{
		{Path: "example.com/app", Hash: "1"}}})...)
	output, err := p.command("go", append(args, ".")...).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "rules.yaml:10: rule rule-0: ") {
		t.Errorf("%v: %s", err, output)
	}
}

func TestAbortResultsOfAnotherTypeAreAnErrorThatNamesTheRule(t *testing.T) {
	p := newProject(t, map[string]string{"main.go": opener},
		ruleText(3, `{"function":"main.count"}`, `{"kind":"abort","results":["\"text\"", "true"]}`))
	output, err := p.buildHooked(filepath.Join(p.directory, "hooked"), ".")
	if err == nil || !strings.Contains(output, "rules.yaml:13: rule rule-3: ") || !strings.Contains(output, "main.go:10:") {
		t.Errorf("%v: %s", err, output)
	}
}

func TestCallsLiteralsAndPanicsAreRecorded(t *testing.T) {
	p := newProject(t, map[string]string{"main.go": `package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

type point struct{ x, y int }

func (p *point) move(by int) *point { p.x += by; return p }

func two() (string, int) { return "two", 2 }

func take(s string, i int) string { return s + fmt.Sprint(i) }

var started = strings.ToUpper("start")

func main() {
	var lock sync.Mutex
	lock.Lock()
	defer lock.Unlock()
	fmt.Println(take(two()), started)
	time.Sleep(10)
	for i := 0; i < len(strings.Repeat("x", 2)) && strings.HasPrefix("ab", "a"); i++ {
		p := &point{1, 2}
		fmt.Println(p.move(i).x, point{3, 4}.y, []point{{1, 2}}[0])
	}
	fmt.Fprintln(os.Stdout, append([]any{nil}, 3, 'x')...)
	if _, err := os.Getwd(); err != nil {
		panic(err)
	}
	defer func() { fmt.Println("recovered", recover()) }()
	panic(fmt.Sprint("boom", 1))
}
`}, ruleText(0, `{"all_of":[{"call":"**"},{"package":"example.com/**"},{"not":{"call":"panic"}}]}`, `{"kind":"record","arguments":["*"]}`, "*"),
		ruleText(1, `{"literal":"main.point"}`, `{"kind":"record","arguments":["*"]}`, "*"),
		ruleText(2, `{"call":"panic","in":"main.*"}`, `{"kind":"record","arguments":["#0"]}`, "#0"),
		ruleText(3, `{"call":"sync.(*Mutex).*","in":"main.main"}`, `{"kind":"count"}`))
	clean, hooked := p.build(".")
	events := p.same(clean, hooked)
	eventsContain(t, events, "point main.main 0=two 1=2", "point main.init 0=start", "point main.main 0=10",
		"point main.main 0=x 1=2", "point main.main 0=boom1")
	kinds := map[uint32]int{}
	for _, s := range builtSites(t, hooked) {
		kinds[s.kind]++
	}
	if kinds[siteCall] < 15 || kinds[siteLiteral] != 2 || kinds[sitePanic] != 2 {
		t.Errorf("sites by kind: %v", kinds)
	}
}

func TestFunctionsAreFoundByDirectiveSignatureReceiverAndModule(t *testing.T) {
	p := newProject(t, map[string]string{"main.go": `package main

import (
	"context"
	"net/http"
)

type server struct{}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}
func (s server) name() string                                      { return "" }

//sandbox:hook important
func marked() {}

func withContext(ctx context.Context, n int) error { return nil }

func main() {}
`}, ruleText(0, `{"directive":"important"}`, `{"kind":"count"}`),
		ruleText(1, `{"signature":{"has":["context.Context"],"returns":["error"]}}`, `{"kind":"count"}`),
		ruleText(2, `{"receiver":"*main.server"}`, `{"kind":"count"}`),
		ruleText(3, `{"all_of":[{"module":"example.com/app"},{"not":{"function":"main.main"}}]}`, `{"kind":"count"}`),
		ruleText(4, `{"all_of":[{"module":"std"},{"function":"**.Getenv"}]}`, `{"kind":"count"}`),
		ruleText(5, `{"signature":{"has":["http.ResponseWriter"]}}`, `{"kind":"count"}`))
	found := map[int][]string{}
	made := p.plan(".")
	for _, planned := range made.Packages {
		for _, s := range planned.Sites {
			found[s.Rule] = append(found[s.Rule], s.Function)
		}
	}
	for rule, want := range map[int]string{0: "main.marked", 2: "main.(*server).ServeHTTP",
		3: "main.(*server).ServeHTTP main.server.name main.marked main.withContext", 4: "internal/testlog.Getenv os.Getenv syscall.Getenv"} {
		if got := strings.Join(found[rule], " "); got != want {
			t.Errorf("rule %d: got %s, want %s", rule, got, want)
		}
	}
	if !slices.Contains(found[1], "main.withContext") || !slices.Contains(found[1], "net.(*Dialer).dialParallel.func1") &&
		!slices.ContainsFunc(found[1], func(name string) bool { return strings.HasPrefix(name, "net.(*Resolver).") }) {
		t.Errorf("by signature: %v", found[1])
	}
	if !slices.Contains(found[5], "net/http.NotFound") || !slices.Contains(found[5], "main.(*server).ServeHTTP") {
		t.Errorf("by parameter: %v", found[5])
	}
	if len(made.Errors) > 0 {
		t.Errorf("errors: %+v", made.Errors)
	}
}

func TestARuleThatHooksNothingIsAnErrorWithNearNames(t *testing.T) {
	p := newProject(t, map[string]string{"main.go": opener},
		ruleText(0, `{"function":"os.OpenFil"}`, `{"kind":"count"}`),
		ruleText(1, `{"function":"net/http.Get"}`, `{"kind":"count"}`),
		ruleText(2, `{"function":"oss.OpenFile"}`, `{"kind":"count"}`),
		ruleText(3, `{"function":"os.OpenFile"}`, `{"kind":"record","arguments":["nme"],"results":["err"]}`, "nme"),
		ruleText(4, `{"function":"runtime.gopanic"}`, `{"kind":"count"}`),
		ruleText(5, `{"function":"main.quiet"}`, `{"kind":"abort","error":"x"}`),
		ruleText(6, `{"package":"io/fss"}`, `{"kind":"count"}`),
		ruleText(7, `{"function":"syscall.Syscall"}`, `{"kind":"count"}`))
	wanted := []string{
		"nothing is called 'os.OpenFil'; did you mean os.OpenFile, os.Open?",
		"nothing is called 'net/http.Get': the program does not use package net/http",
		"nothing is called 'oss.OpenFile': the program has no package oss; did you mean package os, cmp, fmt?",
		"os.OpenFile has no argument nme; it has name, flag, perm",
		"runtime.gopanic cannot be hooked: the runtime itself is not hooked",
		"main.quiet cannot be hooked: abort with an error needs a function that returns error",
		"no package of this program is called 'io/fss'; did you mean io/fs?",
		"syscall.Syscall cannot be hooked: directive //go:uintptrkeepalive"}
	for i, e := range p.plan(".").Errors {
		if i >= len(wanted) || e.Message != wanted[i] || e.Rule != i || e.Line != 10+i || e.NotInBuild != (i == 1) {
			t.Errorf("rule %d: %+v", i, e)
		}
	}
}

func TestRulesThatAreNoneAreRefused(t *testing.T) {
	for rule, want := range map[string]string{
		ruleText(0, `{"function":"a.b"}`, `{"kind":"replace","with":"a.b"}`):                 "replace needs a call",
		ruleText(0, `{"call":"a.b"}`, `{"kind":"replace","with":"b"}`):                       "names no function",
		ruleText(0, `{"call":"a.b"}`, `{"kind":"abort","error":"x"}`):                        "nothing to return from",
		ruleText(0, `{"function":"a.b"}`, `{"kind":"abort"}`):                                "needs an error or results",
		ruleText(0, `{"function":"a.b"}`, `{"kind":"explode"}`):                              "is not one of",
		ruleText(0, `{}`, `{"kind":"count"}`):                                                "names nothing",
		ruleText(1024, `{"function":"a.b"}`, `{"kind":"count"}`):                             "outside 0…1023",
		ruleText(0, `{"function":"a.b"}`, `{"kind":"record"}`, "*", "x"):                     "must be the last",
		`{"index":0,"at":{"function":"a"},"advice":{"kind":"count"},"inputs":[],"name":"x"}`: "has no hash",
	} {
		p := newProject(t, nil, rule)
		output, err := p.command(built.rewriter, "plan", "--rules", p.rules, "-o", "plan.json", "fmt").CombinedOutput()
		if err == nil || !strings.Contains(string(output), want) || strings.Count(string(output), "\n") != 1 {
			t.Errorf("%s\ngot %v: %s\nwant %s", rule, err, output, want)
		}
	}
}

func TestFunctionsAreListedWithTheReasonWhyNotHookable(t *testing.T) {
	p := newProject(t, map[string]string{"main.go": opener})
	output, err := p.command(built.rewriter, "list-functions", "os.*xit", ".").CombinedOutput()
	place := "\t" + filepath.Join(goroot(), "src/os/proc.go") + ":"
	if err != nil || !strings.Contains(string(output), "os.Exit"+place) || !strings.Contains(string(output), "\thookable\n") ||
		!strings.Contains(string(output), "os.runtime_beforeExit"+place) ||
		!strings.Contains(string(output), "\tit has no Go body\n") {
		t.Errorf("%v: %s", err, output)
	}
	if output, err := p.command(built.rewriter, "list-functions", "os.Exitt", ".").CombinedOutput(); err == nil ||
		!strings.Contains(string(output), "did you mean os.Exit") {
		t.Errorf("%v: %s", err, output)
	}
}

func TestTheHashOfAPackageChangesWithItsRulesOnly(t *testing.T) {
	mine := ruleText(0, `{"function":"main.open"}`, `{"kind":"count"}`)
	p := newProject(t, map[string]string{"main.go": opener}, mine)
	hash := func() string {
		for _, planned := range p.plan(".").Packages {
			if planned.Path == "example.com/app" {
				return planned.Hash
			}
		}
		return ""
	}
	before := hash()
	p.setRules(strings.Replace(mine, `"line":10`, `"line":99`, 1), ruleText(1, `{"function":"os.Open"}`, `{"kind":"count"}`))
	if after := hash(); after != before || before == "" {
		t.Errorf("another package's rule and a moved line changed it: %s, then %s", before, after)
	}
	p.setRules(strings.Replace(mine, `"hash":"0`, `"hash":"1`, 1))
	if after := hash(); after == before {
		t.Error("a changed rule did not change it")
	}
}

func TestThePlanIsTheDocumentedOne(t *testing.T) {
	p := newProject(t, map[string]string{"main.go": opener}, ruleText(0, `{"function":"main.open"}`, `{"kind":"count"}`))
	p.plan(".")
	data, err := os.ReadFile(filepath.Join(p.directory, "plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"version", "go_version", "packages", "dependencies", "refused", "errors"} {
		if fields[name] == nil {
			t.Errorf("there is no %s", name)
		}
	}
}
