"""Traced runs: what rules record, stop and replace, and that the program is otherwise the one that was submitted."""
import json
import os
import re

from harness import HELLO, go
from tracing import SUITE_LIMITS, TraceCase, line_of, rule, rules

OWN = "{package: main}"  # every function and method of package main

FUNCTIONS = '''package main

import (
	"errors"
	"fmt"
	"os"
)

type Account struct{ Name string }

func (a *Account) Rename(to string) (old string) {
	old, a.Name = a.Name, to
	return old
}

func add(a, b int) (sum int) { return a + b }

func parse(text string, limit int) (int, error) {
	if text == "" {
		return 0, errors.New("nothing to parse")
	}
	return len(text) % limit, nil
}

func kinds(f float64, yes bool, data []byte, u uint16, _ ...string) (int8, bool) { return -1, !yes }

func main() {
	account := &Account{Name: "a"}
	account.Rename("b")
	add(2, 40)
	fmt.Println(parse("seven", 3))
	fmt.Println(parse("", 3))
	kinds(1.5, true, []byte("ab"), 65535)
	fmt.Println(os.Getpid() > 0)
}
'''

LOOKUP = '''package main

import "fmt"

func lookup(name string, n int) (int, error) { return n, nil }

func main() {
	for n, name := range []string{"alpha", "beta", "gamma-7", "delta"} {
		value, err := lookup(name, n)
		fmt.Println(name, value, err)
	}
}
'''

REPEAT = '''package main

import "fmt"

func step(n int) int { return n + 1 }

func main() {
	n := 0
	for n < 1000 {
		n = step(n)
	}
	fmt.Println(n)
}
'''


class Record(TraceCase):
    def test_a_packages_tests_are_traced_inside_it_and_beside_it(self):
        module = self.module({
            "load.go": 'package load\n\nimport "os"\n\nfunc Load(name string) error {\n\t_, err := os.ReadFile(name)\n'
                       '\treturn err\n}\n',
            "inside_test.go": 'package load\n\nimport "testing"\n\nfunc TestInside(t *testing.T) { check(t, "/inside") }\n\n'
                              'func check(t *testing.T, name string) {\n\tif Load(name) == nil {\n\t\tt.Fatal(name)\n\t}\n}\n',
            "beside_test.go": 'package load_test\n\nimport (\n\t"testing"\n\n\tload "example.test/m"\n)\n\n'
                              'func TestBeside(t *testing.T) { load.Load("/beside") }\n'})
        out, report = os.path.join(self.dir, "t.jsonl"), os.path.join(self.dir, "report.json")
        words = self.rules_file(rules(rule("load", '{function: "**.Load"}', "record"), use="[std:files]"))
        done = self.run_cli("test", "--trace", words, "--trace-out", out, "--report", report, *SUITE_LIMITS, module,
                            "--", "-test.v", timeout=400)
        self.assert_status(done, 0)
        self.assertIn(b"--- PASS: TestBeside", done.out)
        trace = self.read_trace(out)
        self.assertEqual([e["arguments"]["name"] for e in trace.of("example.test/m.Load")], ["/inside", "/beside"])
        self.assertEqual([trace.verdicts(p) for p in ("/inside", "/beside")], [["explained"]] * 2)
        with open(report) as f:
            self.assertTrue(json.load(f)["build"]["instrumented"])

    def test_own_functions_are_recorded_with_line_arguments_and_results(self):
        source = self.file("main.go", FUNCTIONS)
        trace = self.traced(source, rules(rule("own", OWN, "record")))
        self.assertEqual(self.done.out, b"2 <nil>\n0 nothing to parse\ntrue\n")
        (add,), (rename,), (kinds,) = trace.of("main.add"), trace.of("main.(*Account).Rename"), trace.of("main.kinds")
        self.assertEqual((add["arguments"], add["results"]), ({"a": 2, "b": 40}, {"sum": 42}))
        self.assertEqual((rename["arguments"]["to"], rename["results"]), ("b", {"old": "a"}))
        self.assertEqual([kinds["arguments"][name] for name in ("f", "yes", "u")], [1.5, True, 65535])
        self.assertEqual(kinds["arguments"]["data"], {"hex": "6162", "length": 2})
        self.assertEqual(kinds["results"], {"#0": -1, "#1": False})
        first, second = trace.of("main.parse")
        self.assertEqual(first["arguments"], {"text": "seven", "limit": 3})
        self.assertEqual(first["results"], {"#0": 2, "err": None})
        self.assertIn("nothing to parse", second["results"]["err"]["error"])
        for event, text in ((add, "func add"), (rename, "Rename(to"), (first, "func parse"), (kinds, "func kinds")):
            self.assertEqual(event["line"], line_of(FUNCTIONS, text), event)
            self.assertEqual(os.path.basename(event["file"]), "main.go")
            self.assertGreater(event["duration_ns"], 0)
            self.assertGreater(event["goroutine"], 0)
        inner, outer = add, trace.of("main.main")[0]
        self.assertLessEqual(outer["time_ns"], inner["time_ns"])
        self.assertGreater(outer["duration_ns"], inner["duration_ns"])

    def test_only_what_a_rule_names_is_recorded(self):
        trace = self.traced(self.file("main.go", FUNCTIONS), rules(
            rule("a", "main.add", "{record: {arguments: [b]}}"),
            rule("p", "main.parse", '{record: {results: ["#1"], duration: true}}', "active: false")))
        self.assertEqual([(e["function"], e["arguments"]) for e in trace.events], [("main.add", {"b": 40})])
        self.assertNotIn("duration_ns", trace.events[0])

    def test_a_dependencys_functions_are_recorded_with_their_own_lines(self):
        dependency = "package dep\n\n// Twice.\n\nfunc Twice(n int) int {\n\treturn 2 * n\n}\n"
        module = self.module({
            "main.go": go("fmt.Println(dep.Twice(21))", "example.test/dep", "fmt"), "dep/dep.go": dependency,
            "dep/go.mod": "module example.test/dep\n\ngo 1.25\n"}, go_mod=(
                "module example.test/m\n\ngo 1.25\n\nrequire example.test/dep v0.0.0\n\n"
                "replace example.test/dep => ./dep\n"))
        trace = self.traced(module, rules(rule("twice", "example.test/dep.Twice", "record")))
        self.assertEqual(self.done.out, b"42\n")
        (event,) = trace.events
        self.assertEqual((event["line"], event["arguments"], event["results"]), (5, {"n": 21}, {"#0": 42}))
        self.assertTrue(event["file"].endswith("dep.go"), event)

    def test_the_standard_librarys_functions_are_recorded_and_joined_with_what_the_kernel_saw(self):
        source = self.program('_, err := os.ReadFile("/etc/hostname-not-here")\nfmt.Println(err != nil)', "fmt", "os")
        trace = self.traced(source, "std:files")
        self.assertEqual(self.done.out, b"true\n")
        (event,) = trace.of("os.OpenFile")
        self.assertEqual(event["arguments"]["name"], "/etc/hostname-not-here")
        self.assertIn("syscall.Errno 2", event["results"]["err"]["error"])  # ENOENT
        self.assertEqual(event["file"], "os/file.go")
        listed = self.trace_command("list-functions", "os.OpenFile").out.decode()
        self.assertIn("file.go:%d\t" % event["line"], listed)
        self.assertEqual(trace.verdicts("/etc/hostname-not-here"), ["explained"])
        (call,) = [c for c in trace.calls if c.get("path") == "/etc/hostname-not-here"]
        self.assertEqual((call["syscall"], call["lane"], call["frame"]), ("openat", "witnessed", event["frame"]))

    def test_calls_that_the_compiler_would_inline_are_recorded_wherever_they_are(self):
        main = """package main

import (
	"fmt"
	"os"
	"path/filepath"
)

%s
func main() {
	found, _ := filepath.Glob("/dev/nul*") // opens and closes the directory
	file, _ := os.Open("/dev/null")
	finish := file.Close
	fmt.Println(found, finish(), touch("/dev/null"))
}
"""
        touch = """func %s(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	return file.Close()
}
"""
        module = {"main.go": main.replace('"fmt"', '"example.test/m/lib"\n\t"fmt"') % "var touch = lib.Touch\n",
                  "lib/lib.go": 'package lib\n\nimport "os"\n\n' + touch % "Touch"}
        closes = rules(rule("closes", "os.(*File).Close", "record"))
        for source in (self.file("main.go", main % (touch % "touch")), self.module(module)):
            trace = self.traced(source, closes)
            self.assertEqual(self.done.out, b"[/dev/null] <nil> <nil>\n")
            self.assertEqual(len(trace.of("os.(*File).Close")), 3, trace.events)

    def test_an_open_below_package_os_is_explained_where_a_rule_hooks_it(self):
        source = self.program('_, err := syscall.Open("/nowhere", 0, 0)\nfmt.Println(err)', "fmt", "syscall")
        trace = self.traced(source, rules(
            rule("below", "syscall.Open", "{record: {arguments: [path], results: [err], duration: true}}",
                 "explains: {calls: [openat], path: [path]}"), use="[std:files]"))
        (event,) = trace.of("syscall.Open")
        self.assertEqual((event["arguments"], event["line"] > 0), ({"path": "/nowhere"}, True))
        self.assertEqual(trace.verdicts("/nowhere"), ["explained"])
        self.assertEqual(self.traced(source, "std:files").verdicts("/nowhere"), ["unexplained"])  # control

    def test_what_a_refused_command_tried_is_explained_and_the_threads_are_the_runtimes(self):
        trace = self.traced(self.program('''var all sync.WaitGroup
	for range 8 {
		all.Go(func() { runtime.LockOSThread(); time.Sleep(20 * time.Millisecond) })
	}
	all.Wait()
	fmt.Println(exec.Command("/bin/true").Run())''', "fmt", "os/exec", "runtime", "sync", "time"), "std:exec")
        self.assertEqual(self.done.out, b"fork/exec /bin/true: operation not permitted\n")
        clones = {(c["verdict"], c.get("denied", False)) for c in trace.calls if c["syscall"] == "clone"}
        self.assertEqual(clones, {("explained", True), ("runtime", False)})
        verdicts = trace.summary["verdicts"]
        self.assertEqual([verdicts[v] for v in ("uncovered", "unexplained", "contradicted")], [0, 0, 0])

    def test_count_counts_every_call_and_writes_no_event(self):
        trace = self.traced(self.file("main.go", REPEAT), rules(rule("steps", "main.step", "count")))
        self.assertEqual(trace.events, [])
        self.assertEqual(trace.totals("main.step")["calls"], 1000)
        control = self.traced(self.file("main.go", REPEAT), rules(rule("steps", "main.step", "record")))
        self.assertEqual((len(control.events), control.totals("main.step")["calls"]), (1000, 1000))

    def test_a_stack_is_recorded_where_a_rule_asks_for_it(self):
        trace = self.traced(self.file("main.go", LOOKUP), rules(
            rule("with", "main.lookup", "{record: {arguments: [n], stack: true}}", "limit: 1")))
        (event,) = trace.events
        stack = event["arguments"]["stack"]
        self.assertTrue(all(re.match("0x[0-9a-f]+$", frame["pc"]) for frame in stack), stack)
        # As the program's own stack traces have it.
        self.assertEqual([frame["function"] for frame in stack][:3], ["main.lookup", "main.main", "runtime.main"])
        self.assertEqual([os.path.basename(frame["file"]) for frame in stack][:3], ["main.go", "main.go", "proc.go"])
        self.assertEqual([frame["line"] for frame in stack][:2],
                         [line_of(LOOKUP, "func lookup"), line_of(LOOKUP, "= lookup(")])
        control = self.traced(self.file("main.go", LOOKUP), rules(
            rule("without", "main.lookup", "{record: {arguments: [n]}}", "limit: 1")))
        self.assertNotIn("stack", control.events[0]["arguments"])

    def test_both_exports_are_well_formed_and_tell_the_same(self):
        chrome = os.path.join(self.dir, "chrome.json")
        trace = self.traced(self.file("main.go", FUNCTIONS), rules(rule("own", OWN, "record")),
                            "--trace-chrome", chrome)
        self.assertEqual((trace.header["type"], trace.header["schema"]), ("trace", "sandbox-run/trace/v1"))
        self.assertEqual(trace.summary["type"], "summary")
        with open(chrome) as f:
            shown = json.load(f)
        spans = [(s["name"], s["args"]["arguments"]) for s in shown if s["ph"] == "X"]
        self.assertEqual(sorted(map(str, spans)),
                         sorted(str((e["function"], e["arguments"])) for e in trace.events))
        self.assertIn("main.add", self.done.err)  # the summary for the terminal


class Stop(TraceCase):
    REFUSE = rule("refuse", "main.lookup", "{abort: not today}", "when: {argument: name, is: beta}")

    def outputs(self, *parts):
        self.trace = self.traced(self.file("main.go", LOOKUP), rules(*parts))
        return self.done.out.decode().split("\n")[:-1]

    def test_an_abort_is_an_error_the_program_sees(self):
        lines = self.outputs(self.REFUSE)
        self.assertEqual(lines, ["alpha 0 <nil>", "beta 0 not today", "gamma-7 2 <nil>", "delta 3 <nil>"])
        self.assertEqual([e["kind"] for e in self.trace.events], ["aborted"])
        self.assertEqual(self.trace.totals("main.lookup")["aborted"], 1)

    def test_a_dormant_abort_stops_nothing(self):
        lines = self.outputs(self.REFUSE + "    active: false\n")
        self.assertEqual(lines[1], "beta 1 <nil>")
        self.assertEqual(self.trace.events, [])

    def test_an_abort_gives_the_results_it_is_told_to(self):
        lines = self.outputs(rule("give", "main.lookup", '{abort: {results: ["-7", "nil"]}}',
                                  "when: {argument: n, greater: 1}"))
        self.assertEqual(lines, ["alpha 0 <nil>", "beta 1 <nil>", "gamma-7 -7 <nil>", "delta -7 <nil>"])

    def test_a_std_function_is_refused_by_path_and_the_file_is_never_opened(self):
        body = 'for _, p := range []string{"/etc/passwd", "/etc/group"} {\n_, err := os.Open(p)\nfmt.Println(err)\n}'
        trace = self.traced(self.program(body, "fmt", "os"), rules(
            rule("refuse", "os.OpenFile", "{abort: refused by rule}", "when: {argument: name, is: /etc/passwd}"),
            use="[std:files]"))
        self.assertTrue(self.done.out.startswith(b"refused by rule\n"), self.done)
        self.assertEqual(self.done.out.count(b"refused"), 1)
        self.assertEqual(trace.verdicts("/etc/passwd"), [])
        self.assertEqual(trace.verdicts("/etc/group"), ["explained"])

    def test_a_call_is_replaced_by_another_function_of_its_type(self):
        source = LOOKUP + "\nfunc other(name string, n int) (int, error) { return 100 + n, nil }\n"
        at, do = "{call: main.lookup, in: main.main}", "{replace: {with: main.other}}"
        self.traced(self.file("main.go", source), rules(rule("swap", at, do)))
        self.assertTrue(self.done.out.startswith(b"alpha 100 <nil>\nbeta 101 <nil>\n"), self.done)
        self.traced(self.file("main.go", source), rules(rule("swap", at, do, "active: false")))
        self.assertTrue(self.done.out.startswith(b"alpha 0 <nil>\nbeta 1 <nil>\n"), self.done)


class Conditions(TraceCase):
    """Each holds for some of four calls and not for the others."""
    CASES = {
        "{argument: name, prefix: al}": ["alpha"],
        "{argument: name, suffix: ta}": ["beta", "delta"],
        "{argument: name, contains: mm}": ["gamma-7"],
        '{argument: name, matches: "^[a-z]+-[0-9]$"}': ["gamma-7"],
        "{argument: name, in: [alpha, delta, epsilon]}": ["alpha", "delta"],
        "{argument: name, is-not: beta}": ["alpha", "gamma-7", "delta"],
        "{argument: name, length: {greater: 4}}": ["alpha", "gamma-7", "delta"],
        "{argument: n, at-least: 2}": ["gamma-7", "delta"],
        "{argument: n, in: [0, 3]}": ["alpha", "delta"],
        "{any-of: [{argument: n, is: 0}, {argument: name, is: beta}]}": ["alpha", "beta"],
        "{not: {argument: n, less: 3}}": ["delta"],
        "[{argument: n, greater: 0}, {argument: name, suffix: ta}]": ["beta", "delta"],
    }

    def test_only_the_calls_for_which_a_condition_holds_are_recorded(self):
        parts = [rule("c%d" % i, "main.lookup", "{record: {arguments: [name]}}", "when: " + when)
                 for i, when in enumerate(self.CASES)]
        trace = self.traced(self.file("main.go", LOOKUP), rules(*parts))
        for i, (when, names) in enumerate(self.CASES.items()):
            with self.subTest(when):
                held = [e["arguments"]["name"] for e in trace.events if e["rule"] == "c%d" % i]
                self.assertEqual(held, names)

    def test_sampling_and_limits_bound_the_events_and_not_the_counts(self):
        record = "{record: {arguments: [n]}}"
        trace = self.traced(self.file("main.go", REPEAT), rules(
            rule("all", "main.step", record), rule("one-in-100", "main.step", record, "sample: 100"),
            rule("first-7", "main.step", record, "limit: 7"), rule("paced", "main.step", record, "limit: 20/s"),
            rule("rate", "main.step", record, "when: {rate: 30/s}")))
        of = {name: [e["arguments"]["n"] for e in trace.events if e["rule"] == name] for name in trace.header["rules"]}
        self.assertEqual(of["all"], list(range(1000)))
        self.assertEqual(of["one-in-100"], list(range(0, 1000, 100)))
        self.assertEqual(of["first-7"], list(range(7)))
        # Both let one second's worth through at once; the loop may take longer than it should on a busy machine.
        for name, rate in (("paced", 20), ("rate", 30)):
            self.assertTrue(rate <= len(of[name]) <= 10 * rate, (name, len(of[name])))


class Places(TraceCase):
    SOURCE = '''package main

import "fmt"

type Point struct{ X, Y int }

//sandbox:hook checkout
func pay(amount int) int { return amount }

func other(amount int) int { return -amount }

func twice() int { return pay(3) + pay(4) }

func grow() Point { return Point{X: 5, Y: 6} }

func main() {
	defer func() { fmt.Println(recover()) }()
	fmt.Println(pay(1), other(2), twice(), grow(), Point{7, 8})
	panic(fmt.Sprint("the", " end"))
}
'''
    OUT = b"1 -2 7 {5 6} {7 8}\nthe end\n"

    def places(self, *parts, use=None):
        trace = self.traced(self.file("main.go", self.SOURCE), rules(*parts, use=use))
        self.assertEqual(self.done.out, self.OUT)
        return trace

    def test_a_directive_hooks_the_function_below_it(self):
        trace = self.places(rule("d", "{directive: checkout}", "record"))
        self.assertEqual([e["function"] for e in trace.events], ["main.pay"] * 3)
        self.assertEqual({e["line"] for e in trace.events}, {line_of(self.SOURCE, "func pay")})

    def test_call_sites_are_hooked_by_what_is_called_and_by_whom(self):
        trace = self.places(rule("any", "{call: main.pay}", '{record: {arguments: ["*"]}}'),
                            rule("twice", "{call: main.pay, in: main.twice}", '{record: {arguments: ["*"]}}'))
        lines = lambda name: [e["line"] for e in trace.events if e["rule"] == name]
        inside, main = line_of(self.SOURCE, "func twice"), line_of(self.SOURCE, "fmt.Println(pay(1)")
        self.assertEqual(lines("any"), [main, inside, inside])
        self.assertEqual(lines("twice"), [inside, inside])
        self.assertEqual([list(e["arguments"].values()) for e in trace.events if e["rule"] == "any"], [[1], [3], [4]])

    def test_struct_literals_are_hooked(self):
        trace = self.places(rule("all", "{literal: main.Point}", "count"),
                            rule("one", "{literal: main.Point, in: main.grow}", '{record: {arguments: ["*"]}}'))
        self.assertEqual([e["line"] for e in trace.events], [line_of(self.SOURCE, "func grow")])
        self.assertEqual(sum(f["calls"] for f in trace.summary["functions"]), 3, trace.summary["functions"])

    def test_globs_receivers_signatures_and_combinations_choose_functions(self):
        source = self.file("main.go", FUNCTIONS)
        chosen = {
            "{function: main.*}": {"add", "parse", "kinds", "main", "init"},
            '{receiver: "*main.Account"}': {"(*Account).Rename"},
            "{all-of: [{package: main}, {signature: {returns: [error]}}]}": {"parse"},
            "{all-of: [{function: main.**}, {not: {function: main.*a*}}]}": {"parse", "kinds", "(*Account).Rename"},
            "{any-of: [{function: main.add}, {function: main.kinds}]}": {"add", "kinds"},
        }
        trace = self.traced(source, rules(*(rule("r%d" % i, at, "record") for i, at in enumerate(chosen))))
        for i, (at, names) in enumerate(chosen.items()):
            with self.subTest(at):
                hooked = {e["function"][len("main."):] for e in trace.events if e["rule"] == "r%d" % i}
                self.assertLessEqual(hooked, names)
                self.assertTrue(hooked)
        self.assertEqual({e["function"] for e in trace.events if e["rule"] == "r4"}, {"main.add", "main.kinds"})

    def test_the_set_go_panics_records_panics_with_their_value_and_stack(self):
        trace = self.places(use="[go:panics]")
        panics = [e for e in trace.events if e["rule"] == "go:panics/panic"]
        self.assertEqual([e["line"] for e in panics], [line_of(self.SOURCE, "panic(fmt.Sprint")])
        self.assertIn("the end", json.dumps(panics[0]["arguments"]))
        self.assertGreaterEqual(len(panics[0]["arguments"]["stack"]), 1)

    def test_the_set_app_all_records_every_function_of_the_module_and_no_other(self):
        trace = self.places(use="[app:all]")
        self.assertEqual({e["function"] for e in trace.events} - {"main.main.func1"},
                         {"main.pay", "main.other", "main.twice", "main.grow", "main.main"})


class Same(TraceCase):
    """A traced program is the program that was submitted."""
    SOURCE = '''package main

import (
	"fmt"
	"os"
	"runtime"
)

func where(skip int) string {
	pc, file, line, _ := runtime.Caller(skip)
	return fmt.Sprint(runtime.FuncForPC(pc).Name(), " ", file, ":", line)
}

type Tree[T any] struct{ value T }

func (t *Tree[T]) Get() (v T, err error) { fmt.Println(where(1)); return t.value, nil }

func variadic(words ...string) (n int) { defer func() { n = len(words) }(); fmt.Println(where(2)); return -1 }

func guarded() (err error) {
	defer func() { err = fmt.Errorf("recovered %v", recover()) }()
	var none []int
	return fmt.Errorf("%d", none[3])
}

func main() {
	v, err := (&Tree[string]{"leaf"}).Get()
	fmt.Println(v, err, variadic("a", "b"), guarded())
	func() { fmt.Println(where(1)) }()
	fmt.Fprintln(os.Stderr, "to stderr")
	if len(os.Args) > 1 { deep(3) }
	os.Exit(7)
}

func deep(n int) {
	if n == 0 {
		panic("at the bottom")
	}
	deep(n - 1)
}
'''
    EVERYTHING = rules(rule("own", OWN, "record"), rule("fmt", "fmt.*", "record"))

    @staticmethod
    def normal(stderr):
        """Without our own words, and what differs between any two builds: addresses and arguments in stack traces."""
        stderr = stderr.split("sandbox-run: ")[0].split("trace: ")[0]
        return re.sub(r"\(.*\)$| ?\+0x[0-9a-f]+$", "", stderr, flags=re.M)

    def test_exit_code_streams_and_callers_are_those_of_the_plain_run(self):
        source = self.file("main.go", self.SOURCE)
        plain = self.run_cli("run", source)
        trace = self.traced(source, self.EVERYTHING, status=7)
        self.assert_status(plain, 7)
        self.assertEqual(self.done.out, plain.out)
        self.assertIn(b"main.go:%d" % line_of(self.SOURCE, "Get() (v T"), plain.out)
        self.assertEqual(self.normal(self.done.err), self.normal(plain.err))
        self.assertGreater(len(trace.events), 10)

    def test_a_panics_stack_has_the_plain_runs_functions_and_lines(self):
        source = self.file("main.go", self.SOURCE)
        plain = self.run_cli("run", source, "--", "deep")
        done = self.run_cli("run", "--trace", self.rules_file(self.EVERYTHING), source, "--", "deep")
        self.assertEqual((plain.status, done.status), (2, 2))
        self.assertIn("main.go:%d" % line_of(self.SOURCE, 'panic("at the bottom")'), self.normal(plain.err))
        self.assertEqual(self.normal(done.err), self.normal(plain.err))

    def test_limits_end_a_traced_program_with_the_plain_runs_verdict(self):
        step = "\n\n//go:noinline\nfunc step(n int) int { return n + 1 }\n"
        cases = {
            "cpu_time_exceeded": ("for n := 0; ; n = step(n) {\n}", [], ["--cpu-time", "500ms"]),
            "wall_time_exceeded": ("time.Sleep(time.Minute + time.Duration(step(0)))", ["time"], ["--wall-time", "1s"]),
            "memory_exceeded": ("var all [][]byte\nfor n := 0; ; n = step(n) {\nb := make([]byte, 1<<20)\n"
                                "for i := range b {\nb[i] = 1\n}\nall = append(all, b)\n}", [], ["--memory", "64MiB"]),
            "output_exceeded": ("for n := 0; ; n = step(n) {\nos.Stdout.Write(make([]byte, 1<<16))\n}", ["os"],
                                ["--output", "1MiB"]),
        }
        for verdict, (body, imports, flags) in cases.items():
            with self.subTest(verdict):
                source = self.file("main.go", go(body, *imports) + step)
                traced = self.traced_report(source, rules(rule("s", "main.step", "record")), *flags)
                self.assert_verdict(self.report("run", *flags, source), verdict)
                self.assert_verdict(traced, verdict)
                self.assertGreater(traced["trace"]["claimed"]["events"], 0)

    def test_an_earlier_trace_is_not_left_for_one_of_a_run_that_never_began(self):
        out = self.file("trace.jsonl", "an earlier one\n")
        nowhere = os.path.join(self.dir, "nowhere", "trace.json")
        done = self.run_cli("run", "--trace", "std:files", "--trace-out", out, "--trace-chrome", nowhere, self.dir)
        self.assert_status(done, 125)
        self.assertGreater(os.path.getsize(out), 0)  # the control: a mistaken command touches nothing
        done = self.run_cli("run", "--trace", "std:files", "--trace-out", out, *SUITE_LIMITS,
                            self.program('fmt.Println(undefined)', "fmt"), timeout=400)
        self.assert_status(done, 121)
        self.assertEqual(os.path.getsize(out), 0)

    def test_a_compile_error_has_the_same_text_with_and_without_hooks(self):
        source = self.file("main.go", FUNCTIONS.replace("add(2, 40)", "add(2, undefined)"))
        plain = self.run_cli("run", source)
        done = self.run_cli("run", "--trace", self.rules_file(rules(rule("own", OWN, "record"))), source)
        self.assert_status(plain, 121)
        self.assert_status(done, 121)
        self.assertIn("undefined: undefined", plain.err)
        self.assertEqual(done.err, plain.err)

    def test_the_report_says_that_the_build_was_instrumented_and_only_then(self):
        source = self.file("main.go", HELLO)
        traced = self.traced_report(source, rules(rule("m", "main.main", "record")))
        plain = self.report("run", source)
        self.assertTrue(traced["build"]["instrumented"])
        self.assertEqual((traced["trace"]["rules"], traced["trace"]["claimed"]["events"]), (["m"], 1))
        self.assertFalse(plain["build"]["instrumented"])
        self.assertNotIn("trace", plain)
        self.assertNotEqual(traced["build"]["binary_sha256"], plain["build"]["binary_sha256"])

    def test_both_artifacts_are_cached_beside_each_other(self):
        source = self.file("main.go", go('fmt.Println("%s")' % os.urandom(8).hex(), "fmt"))
        hooked = rules(rule("m", "main.main", "record"))
        cached = lambda report: report["build"]["cached"]
        built = [self.traced_report(source, hooked), self.report("run", source), self.traced_report(source, hooked),
                 self.report("run", source)]
        self.assertEqual([cached(b) for b in built], [False, False, True, True])
        self.assertEqual(built[0]["build"]["binary_sha256"], built[2]["build"]["binary_sha256"])
        # Conditions and flags are no part of the program; other advice is.
        self.assertTrue(cached(self.traced_report(source, hooked + "    when: {rate: 5/s}\n    active: false\n")))
        self.assertFalse(cached(self.traced_report(source, rules(rule("m", "main.main", "count")))))


class Scrubbing(TraceCase):
    SECRETS = ("4111111111111111", "4111-1111-1111-1111", "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
               "someone@mail.example.test", "hunter2-swordfish", "ORDER-4711")
    SOURCE = '''package main

func show(text string, password string) string { return text }

func main() {
	for _, text := range []string{"pay 4111111111111111 now", "4111-1111-1111-1111",
		"ghp_abcdefghijklmnopqrstuvwxyz0123456789", "mail someone@mail.example.test", "plain words", "ORDER-4711"} {
		show(text, "hunter2-swordfish")
	}
}
'''

    def exports(self, *more):
        chrome = os.path.join(self.dir, "chrome.json")
        self.trace = self.traced(self.file("main.go", self.SOURCE), rules(rule("s", "main.show", "record", *more)),
                                 "--trace-chrome", chrome)
        with open(chrome) as f:
            return self.trace.text + f.read() + self.done.err

    def test_secrets_are_masked_before_they_leave_the_process(self):
        shown = self.exports("scrub: {builtin: [cards, tokens, mails, keys], patterns: ['ORDER-[0-9]+']}")
        self.assertEqual([s for s in self.SECRETS if s in shown], [])
        self.assertIn("plain words", shown)
        self.assertIn("masked", str([e.get("flags") for e in self.trace.events]))

    def test_cards_tokens_and_mails_are_masked_by_default_and_arguments_by_name(self):
        shown = self.exports("scrub: {arguments: [password]}")
        self.assertEqual([s for s in self.SECRETS if s in shown], ["ORDER-4711"])

    def test_control_without_scrubbing_the_secrets_are_there(self):
        shown = self.exports("scrub: []")
        self.assertEqual([s for s in self.SECRETS if s not in shown], [])

    def test_texts_are_captured_up_to_their_limit(self):
        shown = self.exports("capture: 5")
        self.assertNotIn("plain words", shown)
        texts = [e["arguments"]["text"] for e in self.trace.events]
        self.assertIn({"text": "plain", "length": 11}, texts)
