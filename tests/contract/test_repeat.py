"""--repeat: N runs of one artifact, each in a sandbox of its own, one report each; and --fresh-net."""
import json
import os
import re
import signal
import time
import unittest

import leftovers
from harness import HELLO, Case, descendants, go

# Counts what it finds of an earlier run, then leaves traces of its own.
TRACES = go('''	for _, dir := range []string{"/tmp", "/work"} {
		entries, _ := os.ReadDir(dir)
		fmt.Print(len(entries), " ")
	}
	os.WriteFile("/tmp/left", []byte("x"), 0o644)
	os.WriteFile("/work/left-too", []byte("x"), 0o644)
	fmt.Println(os.Getpid())''', "fmt", "os")
ECHO = go('''	data, _ := io.ReadAll(os.Stdin)
	fmt.Printf("%d:%s\\n", len(data), data)''', "fmt", "io", "os")
# Exits with what the n-th byte of its arguments says, where n is the size of a file that outlives the run.
COUNTED = go('''	file, _ := os.OpenFile("/count/file", os.O_APPEND|os.O_WRONLY, 0)
	info, _ := file.Stat()
	file.WriteString("x")
	fmt.Println("run", info.Size())
	os.Exit(int(os.Args[1][info.Size()] - '0'))''', "fmt", "os")


class Repeat(Case):
    def lines(self, done):
        reports = [json.loads(line) for line in done.out.splitlines()]
        for report in reports:
            self.check_report(report)
        return reports

    def counter(self):
        directory = os.path.join(self.dir, "count")
        os.makedirs(directory, exist_ok=True)
        path = self.file("count/file", "")
        os.chmod(directory, 0o777)
        os.chmod(path, 0o666)
        self.let_others_in()
        return directory + ":/count"

    def test_every_run_has_its_own_report_id_and_sandbox_and_the_same_artifact(self):
        source = self.file("traces.go", TRACES)
        done = self.run_cli("run", "--repeat", "5", "--stdin", "none", "--json", source)
        self.assert_status(done, 0)
        reports = self.lines(done)
        self.assertEqual([r["stdout"] for r in reports], ["0 0 2\n"] * 5, "nothing of an earlier run, and pid 2 again")
        self.assertEqual(len({r["id"] for r in reports}), 5)
        self.assertEqual(len({r["build"]["binary_sha256"] for r in reports}), 1)
        self.assertRegex(reports[0]["build"]["binary_sha256"], "^[0-9a-f]{64}$")
        self.assertEqual([t["stage"] for t in reports[1]["timeline"]], ["prepare", "run"])

    def test_streams_come_in_order_run_after_run(self):
        body = 'for i := 0; i < 3; i++ { fmt.Println("out", i); fmt.Fprintln(os.Stderr, "err", i) }'
        source = self.program(body, "fmt", "os")
        done = self.run_cli("run", "--repeat", "4", "--stdin", "none", source)
        self.assertEqual(done.out, b"out 0\nout 1\nout 2\n" * 4, repr(done))
        self.assertEqual(done.err, "err 0\nerr 1\nerr 2\n" * 4)

    def test_exec_repeats_a_prebuilt_program(self):
        program = os.path.join(self.dir, "hello")
        self.assert_status(self.run_cli("build", "-o", program, self.file("hello.go", HELLO)), 0)
        done = self.run_cli("exec", "--repeat", "3", "--stdin", "none", "--json", program)
        reports = self.lines(done)
        self.assertEqual([r["stdout"] for r in reports], ["hello\n"] * 3, repr(done))
        self.assertEqual(len({r["build"]["binary_sha256"] for r in reports}), 1)
        self.assertRegex(reports[0]["build"]["binary_sha256"], "^[0-9a-f]{64}$")

    def test_the_report_file_has_a_line_for_each_run(self):
        path = self.file("reports", "what was there before, and longer than anything\n" * 1000)
        done = self.run_cli("run", "--repeat", "3", "--stdin", "none", "--report", path, self.file("h.go", HELLO))
        self.assertEqual(done.out, b"hello\n" * 3, repr(done))
        with open(path) as file:
            reports = [json.loads(line) for line in file]
        self.assertEqual([r["verdict"] for r in reports], ["ok"] * 3)

    def test_the_exit_status_is_that_of_the_first_run_that_was_not_ok(self):
        source = self.file("counted.go", COUNTED)
        for codes, status in (("0000", 0), ("0370", 3), ("0007", 7)):
            done = self.run_cli("run", "--repeat", "4", "--stdin", "none", "--mount-rw", self.counter(), "--json",
                                source, "--", codes)
            self.assert_status(done, status)
            reports = self.lines(done)
            self.assertEqual([r["exit_code"] for r in reports], [int(c) for c in codes], "all of them ran")
            self.assertEqual([r["stdout"] for r in reports], ["run %d\n" % i for i in range(4)],
                             "what --mount-rw shows is the host's, and the next run sees it")

    def test_each_run_reads_the_file_from_its_start(self):
        source, data = self.file("echo.go", ECHO), self.file("input", "some text")
        done = self.run_cli("run", "--repeat", "3", "--stdin", data, source)
        self.assertEqual(done.out, b"9:some text\n" * 3, repr(done))
        done = self.run_cli("run", "--repeat", "2", "--stdin", "none", source, stdin=b"ours")
        self.assertEqual(done.out, b"0:\n" * 2, repr(done))

    def test_a_single_run_still_reads_our_own(self):
        done = self.run_cli("run", "--repeat", "1", self.file("echo.go", ECHO), stdin=b"ours")
        self.assertEqual(done.out, b"4:ours\n", repr(done))

    def test_what_can_be_had_of_one_run_only_is_refused_with_the_reason(self):
        source = self.file("h.go", HELLO)
        fifo = os.path.join(self.dir, "fifo")
        os.mkfifo(fifo)
        holder = os.open(fifo, os.O_RDWR)
        self.addCleanup(os.close, holder)
        for flags, words in (
                ([], ("--stdin FILE", "once only")),
                (["--stdin", fifo], ("--stdin", "from its start")),
                (["--stdin", "none", "--out", "*=" + self.dir], ("--out", "write over")),
                (["--stdin", "none", "--trace", "std:files"], ("--trace", "one run"))):
            self.assert_refused(self.run_cli("run", "--repeat", "2", *flags, source), 125, *words)
        for value in ("0", "-1", "10001", "x", ""):
            self.assert_refused(self.run_cli("run", "--repeat", value, "--stdin", "none", source), 125, "--repeat")

    def test_control_each_of_them_is_fine_with_one_run(self):
        source = self.file("h.go", HELLO)
        for flags in (["--out", "*=" + self.dir + "/out"], ["--stdin", "none"]):
            done = self.run_cli("run", "--repeat", "1", *flags, source)
            self.assertEqual((done.status, done.out), (0, b"hello\n"), repr(done))

    def test_commands_that_run_once_do_not_take_it(self):
        for command in ("test", "build", "verify"):
            done = self.run_cli(command, "--repeat", "2", self.file("h.go", HELLO))
            self.assertNotEqual(done.status, 0)
            self.assertIn("repeat", done.err)

    def test_a_program_that_does_not_build_has_one_report(self):
        done = self.run_cli("run", "--repeat", "3", "--stdin", "none", "--json", self.file("broken.go", go("x")))
        self.assertEqual([r["verdict"] for r in self.lines(done)], ["build_failed"])
        self.assert_status(done, 121)

    def test_limits_count_for_each_run_anew(self):
        source = self.program("for b := time.Now(); time.Since(b) < 300*time.Millisecond; {}", "time")
        done = self.run_cli("run", "--repeat", "4", "--stdin", "none", "--cpu-time", "800ms", "--wall-time", "2s",
                            "--json", source)
        reports = self.lines(done)
        self.assertEqual([r["verdict"] for r in reports], ["ok"] * 4, done.out.decode())
        for report in reports:
            self.assertGreaterEqual(report["usage"]["wall_time_us"], 300_000)
            self.assertLess(report["usage"]["cpu_time_us"], 600_000)


class Canceled(Case):
    def waiting(self, *flags, body='fmt.Println("ready")\n\ttime.Sleep(time.Minute)', imports=("fmt", "time")):
        process = self.start("run", "--repeat", "5", "--stdin", "none", "--wall-time", "1m", "--report",
                             self.dir + "/reports", *flags, self.program(body, *imports))
        self.assertEqual(process.stdout.readline(), b"ready\n")
        return process

    def reports(self):
        with open(self.dir + "/reports") as file:
            return [json.loads(line) for line in file]

    def test_an_interrupt_ends_the_run_and_those_that_were_to_follow(self):
        process = self.waiting()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
        self.assertEqual((process.returncode, out), (130, b""))
        self.assertEqual([r["verdict"] for r in self.reports()], ["canceled"])

    def test_a_program_that_survives_the_interrupt_ends_the_rest_all_the_same(self):
        process = self.waiting(
            body='c := make(chan os.Signal, 1)\n\tsignal.Notify(c, os.Interrupt)\n\tfmt.Println("ready")\n\t<-c',
            imports=("fmt", "os", "os/signal"))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        reports = self.reports()
        self.assertEqual([r["verdict"] for r in reports], ["ok", "canceled"])
        self.assertIn("1 of 5", reports[1]["message"])
        self.assertEqual(process.returncode, 130)

    def test_kill_9_midway_leaves_no_process_and_the_next_start_removes_the_rest(self):
        process = self.waiting()
        self.eventually(lambda: len(descendants(process.pid)) >= 4, "the next ones are prepared")
        below = descendants(process.pid)
        process.kill()
        process.communicate()
        self.eventually(lambda: not any(alive(pid) for pid in below), "all of them end with their supervisor", 3)
        self.assertEqual(self.run_cli("run", self.file("next.go", HELLO)).out, b"hello\n")
        groups = lambda: leftovers.cgroups() - self.before.cgroups
        self.eventually(lambda: not groups(), "the next start removes their cgroups", 3)

    def test_kill_9_at_any_moment(self):
        source = self.file("h.go", HELLO)
        self.run_cli("run", source)
        for delay_ms in range(0, 60, 4):
            process = self.start("run", "--repeat", "1000", "--stdin", "none", source)
            time.sleep(delay_ms / 1000)
            process.kill()
            process.communicate()
        self.assertEqual(self.run_cli("run", source).out, b"hello\n")
        groups = lambda: leftovers.cgroups() - self.before.cgroups
        self.eventually(lambda: not groups(), "orphans are removed", 3)


class Network(Case):
    def networks(self, *flags):
        done = self.run_cli("run", "--repeat", "3", "--stdin", "none", "--json", *flags, self.file("h.go", HELLO))
        self.assert_status(done, 0)
        reports = [json.loads(line) for line in done.out.splitlines()]
        for report in reports:
            self.check_report(report)
        return {report["sandbox"]["net"] for report in reports}

    def test_roots_runs_share_an_empty_one_unless_told_otherwise(self):
        self.assertEqual(os.geteuid(), 0, "the suite runs as root")
        self.assertEqual(self.networks(), {"none/shared-empty"})
        self.assertEqual(self.networks("--fresh-net"), {"none/fresh"})

    def test_it_is_fresh_wherever_a_socket_could_be_made(self):
        self.assertEqual(self.networks("--net", "loopback"), {"loopback/fresh"})
        self.assertEqual(self.networks("--weaken", "seccomp"), {"none/fresh"})
        profile = self.run_cli("profile", "show", "go-run").out.decode()
        for rule, network in (("", "none/shared-empty"), ("allow socketpair  # for a test\n", "none/fresh")):
            path = self.file("own.profile", profile + "\n" + rule)
            self.assertEqual(self.networks("--profile", path), {network})

    def test_a_single_run_has_a_fresh_one(self):
        report = self.report("run", "--fresh-net", self.file("h.go", HELLO))
        self.assertEqual(report["sandbox"]["net"], "none/fresh")
        self.assertEqual(self.report("run", self.file("h.go", HELLO))["sandbox"]["net"], "none/fresh")

    def test_sockets_stay_denied_and_named(self):
        source = self.program("_, err := syscall.Socket(1, 1, 0)\n\tfmt.Println(err)", "fmt", "syscall")
        done = self.run_cli("run", "--repeat", "2", "--stdin", "none", "--json", source)
        for line in done.out.splitlines():
            report = json.loads(line)
            self.assertEqual(report["stdout"], "operation not permitted\n")
            self.assertEqual([d["syscall"] for d in report["denied"]], ["socket"])

    def test_the_dry_run_says_which(self):
        source = self.file("h.go", HELLO)
        shared = self.run_cli("run", "--dry-run", "--repeat", "2", "--stdin", "none", source).out.decode()
        self.assertRegex(shared, re.compile(r"^network +none, an empty one that the runs share", re.M))
        for flags in (["--repeat", "2", "--stdin", "none", "--fresh-net"], []):
            fresh = self.run_cli("run", "--dry-run", *flags, source).out.decode()
            self.assertRegex(fresh, re.compile(r"^network +none, fresh", re.M))


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    unittest.main()
