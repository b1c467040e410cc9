"""Runs every example as its first comment says and compares what one sees. An example without a row here fails."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "contract"))
from harness import CLI, TOP, Case, stream  # noqa: E402

PROVERB = b"Don't communicate by sharing memory, share memory by communicating.\n"
TAKEN = b"cannot start a process: operation not permitted\n" * 2 + b"still one process\n"
REFUSED = b"".join(b"%s: socket: operation not permitted\n" % k for k in (b"tcp", b"udp", b"unix")) + b"no way out\n"
PLACES = (b"08:00 EDT America/New_York\n17:30 IST Asia/Kolkata\n%s local\n"
          b"user sandbox, uid 1000, home /tmp, host sandbox, working in /work\nno /proc\nno shell\n"
          b'PATH="" TMPDIR="/tmp"\n')
OPENS = b"config: absent\nsecret: %s\nshadow: refused or absent\n"
UNEXPLAINED = r"openat '/etc/shadow': unexplained"
# example, flags, arguments, stdin → exit status, verdict, stdout, pattern in stderr
ROWS = [
    ("hello", [], [], b"", 0, "ok", b"Hello from inside the sandbox.\n", r"^$"),
    ("reads-stdin", [], [], b"1 2\n39\n", 0, "ok", b"3 numbers, sum 42\n", r"^$"),
    ("reads-stdin", [], [], b"one\n", 1, "runtime_error", b"", r'^not a number: "one"\n'),
    ("with-dependencies", ["--fetch"], [], b"", 0, "ok", PROVERB + b"83 MB in 1,234,567 parts\n", r"(?s)"),
    ("with-dependencies", [], [], b"", 0, "ok", PROVERB + b"83 MB in 1,234,567 parts\n", r"^$"),
    ("several-packages", [], ["Ada", "Grace"], b"", 0, "ok", b"Good day, Ada!\nGood day, Grace!\n2 greeted\n", r"^$"),
    ("loopback-http", ["--net", "loopback"], [], b"", 0, "ok",
     b"200 OK: served inside the sandbox\noutside: no connection\n", r"^$"),
    ("loopback-http", [], [], b"", 1, "runtime_error", None, r"(?s)"),
    ("time-zones-and-users", [], [], b"", 0, "ok", PLACES % b"12:00 UTC", r"^$"),
    ("time-zones-and-users", ["--env", "TZ=Asia/Tokyo"], [], b"", 0, "ok", PLACES % b"21:00 JST", r"^$"),
    ("panics", [], [], b"", 2, "runtime_error", b"2\n3\n5\n7\n",
     r"panic: runtime error: index out of range \[4\] with length 4[\s\S]*main\.go:15[\s\S]*\nsandbox-run: "),
    ("deadlocks", [], [], b"", 2, "runtime_error", b"waiting\n", r"fatal error: all goroutines are asleep - deadlock!"),
    ("runs-out-of-memory", ["--memory", "64MiB"], [], b"", 122, "memory_exceeded", b"allocating\n",
     r"sandbox-run: memory limit exceeded: 64 MiB"),
    ("too-slow", ["--cpu-time", "500ms"], [], b"", 124, "cpu_time_exceeded", b"counting\n", r"sandbox-run: .*--cpu-time"),
    ("forks", [], [], b"", 0, "ok", TAKEN, r"(?s)"),
    ("forks", ["--on-denied", "kill"], [], b"", 159, "syscall_denied", b"", r"sandbox-run: "),
    ("opens-a-socket", [], [], b"", 0, "ok", REFUSED, r"(?s)"),
    ("opens-a-socket", ["--on-denied", "kill"], [], b"", 159, "syscall_denied", b"", r"sandbox-run: .*socket"),
    ("traced", ["--trace", "std:files"], [], b"", 0, "ok", OPENS % b"absent", UNEXPLAINED),
    ("traced", ["--trace", os.path.join(TOP, "examples/traced/rules.yaml")], [], b"", 0, "ok",
     OPENS % b"not in this run", r"main\.read +2 [\s\S]*" + UNEXPLAINED),
    ("uses-cgo", [], [], b"", 120, "verify_failed", b"", r"main\.go:11.*cgo"),
    ("tampered", ["--fetch"], [], b"", 120, "verify_failed", b"", r"rsc\.io/quote@v1\.5\.2[\s\S]*checksum mismatch"),
]


class Examples(Case):
    @classmethod
    def setUpClass(cls):
        # What is compiled once is told on stderr the first time; the examples show what one sees from then on.
        subprocess.run([CLI, "run", "--quiet", os.path.join(TOP, "examples", "hello")], check=True, timeout=900,
                       stdout=subprocess.DEVNULL)

    def check(self, row):
        name, flags, arguments, stdin, status, verdict, out, err = row
        path = os.path.join(TOP, "examples", name)
        line = flags + [path] + (["--"] + arguments if arguments else [])
        done = self.run_cli("run", *line, stdin=stdin, timeout=300)
        self.assert_status(done, status)
        if out is not None:
            self.assertEqual(done.out, out, repr(done))
        self.assertRegex(done.err, err, repr(done))
        report = self.report("run", *line, stdin=stdin)
        self.assert_verdict(report, verdict, status)
        if out is not None:
            self.assertEqual(stream(report, "stdout"), out)
        return report

    def test_every_example_has_a_row_and_says_how_it_is_run(self):
        for name in sorted(os.listdir(os.path.join(TOP, "examples"))):
            if not os.path.isdir(os.path.join(TOP, "examples", name)):
                continue
            with self.subTest(name):
                rows = [row for row in ROWS if row[0] == name]
                self.assertNotEqual(rows, [])
                with open(os.path.join(TOP, "examples", name, "main.go")) as f:
                    comment = f.read().split("\npackage ")[0]
                flags = " ".join(["run"] + rows[0][1] + ["examples/" + name])
                self.assertIn("./sandbox-run " + flags, comment)
                for code in re.findall(r"exit code (\d+)", comment):
                    self.assertIn(int(code), [row[4] for row in rows])

    def test_the_tests_of_an_example_pass(self):
        greet = os.path.join(TOP, "examples", "several-packages", "greet")
        done = self.run_cli("test", greet, "--", "-test.v", timeout=300)
        self.assert_status(done, 0)
        self.assertIn(b"--- PASS: TestGreetingNamesWhoIsGreeted", done.out)

    def test_denied_calls_are_named(self):
        for name, call in (("forks", "clone"), ("opens-a-socket", "socket")):
            with self.subTest(name):
                report = self.report("run", os.path.join(TOP, "examples", name))
                self.assertIn(call, [d["syscall"] for d in report["denied"]])

    def test_failures_are_told_apart(self):
        for name, failure in (("panics", "panic"), ("deadlocks", "deadlock")):
            with self.subTest(name):
                self.assertEqual(self.report("run", os.path.join(TOP, "examples", name))["go"]["failure"], failure)


def add_rows():
    for number, row in enumerate(ROWS):
        name = "test_%02d_%s" % (number, "_".join([row[0].replace("-", "_")] + [f.strip("-") for f in row[1][:1]]))
        setattr(Examples, name, lambda self, row=row: self.check(row))


add_rows()
