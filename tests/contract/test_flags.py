"""A bad flag is 125: the message names the flag and shows a value that would do; nothing is built or run."""
from harness import HELLO, Case

BAD = [  # arguments before SOURCE, words of the answer
    (["--memory", "256"], ["--memory", "256MiB"]),
    (["--memory", "0MiB"], ["--memory", "256MiB"]),
    (["--memory", "1KiB"], ["--memory", "256MiB"]),
    (["--memory", "999999999GiB"], ["--memory", "256MiB"]),
    (["--memory", "lots"], ["--memory", "256MiB"]),
    (["--cpu-time", "10"], ["--cpu-time", "10s"]),
    (["--cpu-time", "0s"], ["--cpu-time", "10s"]),
    (["--cpu-time", "-1s"], ["--cpu-time", "10s"]),
    (["--wall-time", "1000h"], ["--wall-time", "20s"]),
    (["--pids", "0"], ["--pids", "64"]),
    (["--pids", "-3"], ["--pids", "64"]),
    (["--pids", "64k"], ["--pids", "64"]),
    (["--cpus", "0"], ["--cpus"]),
    (["--cpus", "nan"], ["--cpus"]),
    (["--output", "0B"], ["--output", "64MiB"]),
    (["--scratch", "64"], ["--scratch", "64MiB"]),
    (["--open-files", "1"], ["--open-files", "256"]),
    (["--capture", "1"], ["--capture", "1MiB"]),
    (["--net", "internet"], ["--net", "loopback"]),
    (["--on-denied", "maybe"], ["--on-denied", "kill"]),
    (["--tier", "cloud"], ["--tier", "namespaces"]),
    (["--env", "NOVALUE"], ["--env", "TZ="]),
    (["--env", "=x"], ["--env", "TZ="]),
    (["--mount-ro", "relative:/x"], ["--mount-ro", "/data/tests:/tests"]),
    (["--mount-ro", "/tmp"], ["--mount-ro", "/data/tests:/tests"]),
    (["--mount-rw", "/tmp:/etc/x"], ["--mount-rw", "/etc"]),
    (["--out", "nodir"], ["--out", "GLOB=DIR"]),
    (["--pin", "h1:short"], ["--pin", "h1:"]),
    (["--tags", "a b"], ["--tags"]),
    (["--profile", "no-such-profile"], ["no-such-profile", "go-run"]),
    (["--stdin", "/no/such/input"], ["--stdin", "/no/such/input"]),
    (["--weaken", "everything"], ["everything"]),
    (["--require", "magic"], ["magic"]),
    (["--build-memory", "2"], ["--build-memory", "2GiB"]),
    (["--build-cpu-time", "60"], ["--build-cpu-time", "60s"]),
    (["--max-files", "0"], ["--max-files", "20000"]),
    (["--max-bytes", "x"], ["--max-bytes", "256MiB"]),
    (["--no-such-flag"], ["no-such-flag", "--help"]),
    (["--memory"], ["memory", "--help"]),
    (["--json=maybe"], ["maybe", "--help"]),
]


class Flags(Case):
    def test_a_bad_value_names_the_flag_and_shows_an_example(self):
        source = self.file("main.go", HELLO)
        for arguments, words in BAD:
            with self.subTest(" ".join(arguments)):
                # A flag that lacks its value must stand last, or it would take SOURCE.
                line = [source] + arguments if arguments == ["--memory"] else arguments + [source]
                self.assert_refused(self.run_cli("run", *line), 125, *words)

    def test_control_good_values_run(self):
        source = self.file("main.go", HELLO)
        good = ["--memory", "128MiB", "--cpu-time", "1.5s", "--wall-time", "1m", "--pids", "32", "--cpus", "0.5",
                "--output", "1KiB", "--scratch", "1MiB", "--open-files", "64", "--env", "A=1,2", "--net", "loopback",
                "--on-denied", "kill", "--tier", "namespaces", "--tags", "a,b", "--stdin", "none"]
        done = self.run_cli("run", *good, source)
        self.assertEqual((done.status, done.out), (0, b"hello\n"), repr(done))

    def test_no_source_and_no_such_command(self):
        self.assert_refused(self.run_cli("run"), 125, "examples/hello")
        self.assert_refused(self.run_cli("fly"), 125, "fly")

    def test_a_bad_flag_with_json_leaves_stdout_to_a_report_or_empty(self):
        done = self.run_cli("run", "--json", "--memory", "1", self.file("main.go", HELLO))
        self.assert_status(done, 125)
        self.assertIn("--memory", done.err + done.out.decode())
