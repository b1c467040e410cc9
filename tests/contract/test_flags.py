"""A bad flag is 125: the message names the flag and shows a value that would do; nothing is built or run."""
import json
import os
import stat

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
    (["--stdin", "/"], ["--stdin: / cannot be read"]),
    (["--weaken", "everything"], ["everything"]),
    (["--require", "magic"], ["magic"]),
    (["--build-memory", "2"], ["--build-memory", "2GiB"]),
    (["--build-cpu-time", "60"], ["--build-cpu-time", "60s"]),
    (["--max-files", "0"], ["--max-files", "20000"]),
    (["--max-bytes", "x"], ["--max-bytes", "256MiB"]),
    (["--trace-out", "trace.jsonl"], ["--trace-out", "--trace std:files"]),
    (["--trace", "std:files", "--trace-chrome", "/no/such/directory/trace"], ["--trace-chrome", "/no/such/directory"]),
    (["--trace-probes", "require"], ["--trace-probes", "--trace std:files"]),
    (["--trace", "std:files", "--trace", "std:net"], ["--trace", "std:files,std:net"]),
    (["--trace", "std:nothing"], ["std:nothing", "std:files"]),
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

    def test_a_flag_that_would_do_nothing_is_refused(self):
        source = self.file("main.go", HELLO)
        for command in "verify", "fetch":
            for flag in (["--symbols"], ["--build-memory", "2GiB"], ["--build-wall-time", "60s"]):
                self.assert_refused(self.run_cli(command, *flag, source), 2, flag[0].strip("-"), "--help")
        self.assert_status(self.run_cli("verify", "--tags", "a", source), 0)  # control

    def test_verbose_says_what_was_left_out(self):
        source = self.module({"main.go": HELLO, ".git/config": "[core]\n"})
        self.assertIn("dropped .git", self.run_cli("run", "--verbose", source).err)
        self.assertEqual(self.run_cli("run", source).err, "")  # control

    def test_words_behind_the_double_dash_need_a_program(self):
        source = self.file("main.go", HELLO)
        for command, status in ("build", 125), ("verify", 2), ("fetch", 2), ("doctor", 125), ("cache", 125):
            self.assert_refused(self.run_cli(command, source, "--", "unheard"), status, "unheard", command)
        self.assert_status(self.run_cli("run", source, "--", "heard"), 0)  # control

    def test_nothing_is_mounted_into_a_source_that_is_shown(self):
        source = self.file("main.go", HELLO)
        for kind in "ro", "rw":
            mount = ["--mount-" + kind, "%s:/work/data" % self.dir]
            self.assert_refused(self.run_cli("run", "--with-source", *mount, source), 125, mount[0], "--with-source",
                                "/work/data")
            self.assert_status(self.run_cli("run", *mount, source), 0)  # control
        self.assert_status(self.run_cli("run", "--with-source", "--mount-ro", "%s:/workshop" % self.dir, source), 0)

    def test_what_cannot_be_written_is_said_before_anything_runs(self):
        source, nowhere = self.file("main.go", HELLO), os.path.join(self.dir, "missing", "file")
        for line, status in ((["run", "--report", nowhere], 125), (["build", "-o", nowhere], 125),
                             (["build", "-o", self.dir, "--report", nowhere], 125), (["verify", "--report", nowhere], 2)):
            done = self.run_cli(*line, source)
            self.assert_refused(done, status, nowhere, "No such file or directory")
            self.assertNotIn(".tmp.", done.err)
        self.assert_refused(self.run_cli("run", "--mount-ro", nowhere + ":/data", source), 125, "--mount-ro", nowhere)
        self.assert_status(self.run_cli("run", "--report", os.path.join(self.dir, "file"), source), 0)  # control

    def test_a_device_or_pipe_is_written_to_and_stays(self):
        source, null = self.file("main.go", HELLO), os.path.join(self.dir, "null")
        os.mknod(null, stat.S_IFIFO | 0o600)
        reader = os.open(null, os.O_RDONLY | os.O_NONBLOCK)
        self.assert_status(self.run_cli("run", "--report", null, source), 0)
        self.assertEqual(json.loads(os.read(reader, 65536))["verdict"], "ok")
        os.close(reader)
        self.assertTrue(stat.S_ISFIFO(os.stat(null).st_mode))
        link = os.path.join(self.dir, "link")
        os.symlink("/dev/null", link)
        self.assert_status(self.run_cli("build", "-o", link, source), 0)
        self.assertTrue(os.path.islink(link))

    def test_no_source_and_no_such_command(self):
        self.assert_refused(self.run_cli("run"), 125, "examples/hello")
        self.assert_refused(self.run_cli("exec"), 125, "./program")
        self.assert_refused(self.run_cli("doctor", "twice"), 125, "twice")
        two = [self.file("a.go", HELLO), "word"]
        os.mkdir(os.path.join(self.dir, "word"))
        self.assert_refused(self.run_cli("run", *two, cwd=self.dir), 120, "behind --")
        self.assert_refused(self.run_cli("fly"), 125, "fly")

    def test_a_bad_flag_with_json_leaves_stdout_to_a_report_or_empty(self):
        done = self.run_cli("run", "--json", "--memory", "1", self.file("main.go", HELLO))
        self.assert_status(done, 125)
        self.assertIn("--memory", done.err + done.out.decode())
