"""Rules that cannot be are refused before anything runs, with the place in the file and what to do; and the commands
that show what rules come to."""
import os

from harness import go
from tracing import SUITE_LIMITS, TraceCase, line_of, rule, rules

PROGRAM = '''package main

import (
	"fmt"
	"os"
)

func ratio(a, b int) (int, error) { return a / b, nil }

func quiet(a int) int { return a }

func wrong(a string) (int, error) { return len(a), nil }

//go:nosplit
func pinned(a int) int { return a }

func main() {
	fmt.Println("it ran")
	_, err := os.Open("/nowhere")
	fmt.Println(ratio(4, 2))
	fmt.Println(quiet(1), pinned(2), err != nil)
	_, _ = wrong("")
}
'''


class Refused(TraceCase):
    def refusal(self, text, status):
        done = self.run_cli("run", "--trace", self.rules_file(text), self.file("main.go", PROGRAM), timeout=200)
        self.assert_refused(done, status)
        self.assertNotIn("it ran", done.err)
        return done.err

    def test_what_does_not_read_is_refused_with_its_place(self):
        good = rule("r", "main.ratio", "record")
        cases = {
            "version: 1\nrules: [\n": ["rules.yaml:"],
            "version: 1\n\trules:\n": ["rules.yaml:2:"],
            rules(good, "    wen: {argument: a, is: 1}\n"): ["rules.yaml:6:5: ", "no key 'wen'", "did you mean 'when'?"],
            rules(good, "    when: {argument: a, iss: 1}\n"): ["rules.yaml:6:25: ", "did you mean 'is'?"],
            rules(good, '    when: {argument: a, matches: "(a"}\n'): ["rules.yaml:6:34: ", "regular expression '(a'"],
            rules(use="[std:fiels]"): ["rules.yaml:2:7: ", "no set 'std:fiels'", "did you mean 'std:files'?"],
            rules(rule("a", "main.ratio", "{abort: x}"), rule("b", "main.ratio", "{abort: y}")): [
                "rules.yaml:6:5: ", "rule b and rule a", "rules.yaml:3:5", "both decide"],
            rules(good, rule("r", "main.quiet", "record")): ["rules.yaml:6:5: ", "a rule r already"],
            rules(rule("r", "main.ratio", "recrd")): ["rules.yaml:5:9: ", "did you mean 'record'?"],
            "version: 1\n" + "#" * (1 << 20): ["rules.yaml", "larger than 1 MiB"],
        }
        for text, words in cases.items():
            with self.subTest(text[:80]):
                said = self.refusal(text, 125)
                for word in words:
                    self.assertIn(word, said)

    def test_a_missing_rules_file_and_an_unknown_set_are_refused(self):
        source = self.file("main.go", PROGRAM)
        missing = os.path.join(self.dir, "missing.yaml")
        self.assert_refused(self.run_cli("run", "--trace", missing, source), 125, missing)
        self.assert_refused(self.run_cli("run", "--trace", "std:fiels", source), 125, "std:fiels", "std:files")

    def test_what_the_program_does_not_fit_is_refused_before_anything_is_built(self):
        no_function = "nothing is called"
        cases = {
            rules(rule("r", "os.OpenFil", "record")): ["rules.yaml:3: ", no_function + " 'os.OpenFil'", "os.OpenFile"],
            rules(rule("r", "main.rato", "record")): ["rules.yaml:3: ", "did you mean main.ratio"],
            rules(rule("r", "net/htp.Get", "record")): ["rules.yaml:3: ", no_function, "net/htp"],
            rules(rule("r", "net/http.Get", "record")): ["rules.yaml:3: ", "the program does not use package net/http"],
            rules(rule("r", "main.pinned", "record")): ["rules.yaml:3: ", "main.pinned cannot be hooked"],
            rules(rule("r", "runtime.gopanic", "record")): ["rules.yaml:3: ", "runtime.gopanic"],
            rules(rule("r", "main.ratio", "{record: {arguments: [c]}}")): ["rules.yaml:3: ", "no argument c", "a, b"],
            rules(rule("r", "main.ratio", "record", "when: {argument: z, is: 1}")): ["rules.yaml:3: ", "no argument z"],
            rules(rule("r", "main.quiet", "{abort: no}")): ["rules.yaml:3: ", "error"],
            rules(rule("r", "{directive: nothing}", "record")): ["rules.yaml:3: ", "//sandbox:hook nothing"],
        }
        for text, words in cases.items():
            with self.subTest(text):
                said = self.refusal(text, 121)
                for word in words:
                    self.assertIn(word, said)

    def test_a_replacement_or_results_of_the_wrong_type_are_refused_by_the_compiler_with_the_rules_place(self):
        cases = [rules(rule("swap", "{call: main.ratio}", "{replace: {with: main.wrong}}")),
                 rules(rule("give", "main.ratio", '{abort: {results: ["nil", "nil"]}}')),
                 rules(rule("swap", "{call: main.ratio}", "{replace: {with: main.absent}}"))]
        for text in cases:
            with self.subTest(text):
                said = self.refusal(text, 121)
                self.assertIn("rules.yaml:3: ", said)
                self.assertNotIn("WORK", said)

    def test_results_that_do_not_fit_a_standard_librarys_function_are_the_rules_mistake(self):
        done = self.run_cli("run", "--trace", self.rules_file(rules(
            rule("give", "os.Getwd", '{abort: {results: ["1", "2"]}}'))), *SUITE_LIMITS,
                            self.program("os.Getwd()", "os"), timeout=400)
        self.assert_status(done, 121)
        self.assertRegex(done.err, r"rules.yaml:3: rule give: getwd.go:\d+:\d+: cannot use 1 ")

    def test_control_the_same_program_with_rules_that_fit_runs(self):
        trace = self.traced(self.file("main.go", PROGRAM), rules(rule("r", "main.ratio", "record"),
                                                                rule("q", "{call: main.quiet}", "count")))
        self.assertIn(b"it ran", self.done.out)
        self.assertEqual(len(trace.events), 1)

    def test_what_cannot_be_hooked_beside_what_can_is_a_note(self):
        report = self.traced_report(self.file("main.go", PROGRAM), rules(rule("all", "main.**", "record")))
        (note,) = [note for note in report["notes"] if "main.pinned" in note]
        self.assertTrue(note.startswith("not hooked: ") and "nosplit" in note, note)


class Shown(TraceCase):
    def test_explain_places_a_sets_rule_in_the_set_and_ones_own_in_its_file(self):
        path = self.rules_file(rules(rule("own", "main.main", "record"), use="[std:exec]"))
        said = self.trace_command("explain", path, self.file("main.go", PROGRAM)).out.decode()
        self.assertRegex(said, r"(?m)^own \(\S*rules.yaml:4\)")
        self.assertRegex(said, r"(?m)^std:exec/\S+ \(std:exec:\d+\)")

    def test_explain_says_what_each_rule_hooks_cannot_hook_and_explains(self):
        text = rules(rule("open", "os.OpenFile", "{record: {arguments: [name], duration: true}}", "explains: [openat]"),
                     rule("all", "main.**", "count", "active: false"))
        said = self.trace_command("explain", self.rules_file(text), self.file("main.go", PROGRAM)).out.decode()
        self.assertIn("hooks os.OpenFile at ", said)
        self.assertIn("explains openat", said)
        self.assertIn("hooks main.ratio at ", said)
        self.assertIn("main.go:%d\n" % line_of(PROGRAM, "func ratio"), said)
        self.assertIn("cannot hook main.pinned", said)
        self.assertIn("all (%s:7), off at first" % os.path.join(self.dir, "rules.yaml"), said)

    def test_show_source_prints_the_lines_that_are_compiled(self):
        source = self.file("main.go", PROGRAM)
        shown = self.trace_command("show-source", self.rules_file(rules(rule("r", "main.ratio", "record"))), "main",
                                   source).out.decode()
        self.assertIn("Enter(", shown)
        hooked = [line for line in shown.split("\n") if "func ratio" in line and "Enter(" in line]
        self.assertEqual(len(hooked), 1, shown)
        untouched = [line for line in PROGRAM.split("\n") if line and "ratio(a" not in line and line != "package main"]
        self.assertEqual([line for line in untouched if line not in shown.split("\n")], [])

    def test_show_source_of_the_program_goes_by_main_and_of_no_package_says_so(self):
        rules_file = self.rules_file(rules(rule("r", "main.ratio", "record")))
        self.file("program/go.mod", "module example.test/program\n\ngo 1.25\n")
        source = os.path.dirname(self.file("program/main.go", PROGRAM))
        for name in ("main", "example.test/program"):
            self.assertIn("Enter(", self.trace_command("show-source", rules_file, name, source).out.decode())
        done = self.run_cli("trace", "show-source", rules_file, "example.test/none", source)
        self.assertEqual(done.status, 125)
        self.assertIn("trace: no package 'example.test/none' with Go files", done.err)

    def test_list_functions_says_what_can_be_hooked_and_why_not(self):
        said = self.trace_command("list-functions", "main.*", self.file("main.go", PROGRAM)).out.decode()
        lines = {line.split("\t")[0]: line.split("\t") for line in said.splitlines()}
        self.assertEqual(set(lines), {"main.ratio", "main.quiet", "main.wrong", "main.pinned", "main.main"})
        self.assertEqual(lines["main.ratio"][1:], ["main.go:%d" % line_of(PROGRAM, "func ratio"), "hookable"])
        self.assertIn("nosplit", lines["main.pinned"][2])

    def test_sets_are_named_and_printed(self):
        named = self.trace_command("sets").out.decode().split()
        self.assertEqual(sorted(named), ["app:all", "go:panics", "std:exec", "std:files", "std:http", "std:net",
                                         "std:sql"])
        for name in named:
            shown = self.trace_command("sets", name).out.decode()
            self.assertTrue(shown.startswith("# %s: " % name) and "version: 1" in shown, shown)
        self.trace_command("sets", "std:nothing", status=125)

    def test_a_set_printed_is_a_rules_file(self):
        shown = self.trace_command("sets", "std:files").out.decode()
        trace = self.traced(self.program('os.Open("/nowhere")', "os"), shown)
        self.assertEqual([e["rule"] for e in trace.of("os.OpenFile")], ["open"])

    def test_mistaken_commands_are_told_what_there_is(self):
        for words in ((), ("atach",), ("attach",), ("attach", "x"), ("reload", "x"), ("explain",)):
            with self.subTest(words):
                self.assertIn("sandbox-run", self.trace_command(*words, status=125).err)
        done = self.run_cli("trace", "--help")
        self.assert_status(done, 0)
        for name in ("list", "attach", "detach", "reload", "explain", "list-functions", "show-source", "sets"):
            self.assertIn(name, done.out.decode())
            self.assert_status(self.run_cli("trace", name, "--help"), 0)
