"""The program's streams: byte-exact, in order, read only when there is room, and friendly to shells."""
import json
import os
import random
import signal
import stat
import subprocess
import time

from harness import CLI, HELLO, Case, stream

CAT = "io.Copy(os.Stdout, os.Stdin)"
EVERY_BYTE = '''
	var all [256]byte
	for i := range all { all[i] = byte(i) }
	os.Stdout.Write(all[:])
	os.Stderr.Write(all[:])'''
ALTERNATE = '''
	for i := 0; i < 200; i++ {
		fmt.Fprintf(os.Stdout, "out %d\\n", i)
		fmt.Fprintf(os.Stderr, "err %d\\n", i)
	}'''


class Output(Case):
    def test_hello_prints_what_the_program_prints_and_nothing_else(self):
        done = self.run_cli("run", self.file("main.go", HELLO))
        self.assertEqual((done.status, done.out, done.err), (0, b"hello\n", ""), repr(done))

    def test_every_byte_passes_unchanged_on_both_streams(self):
        process = self.start("run", self.program(EVERY_BYTE, "os"))
        out, err = process.communicate(timeout=60)
        self.assertEqual((out, err), (bytes(range(256)), bytes(range(256))))

    def test_a_pipe_and_a_file_for_both_streams_keep_the_order_of_writes(self):
        source = self.program(ALTERNATE, "fmt", "os")
        expected = "".join("out %d\nerr %d\n" % (i, i) for i in range(200)).encode()
        piped = self.start("run", source, stderr=subprocess.STDOUT).communicate(timeout=60)[0]
        self.assertEqual(piped, expected)
        with open(self.dir + "/log", "wb") as log:
            self.start("run", source, stdout=log, stderr=subprocess.STDOUT).wait(60)
        with open(self.dir + "/log", "rb") as log:
            self.assertEqual(log.read(), expected)

    def test_a_reader_that_leaves_ends_the_program_as_in_a_shell(self):
        source = self.program('for { fmt.Println("y") }', "fmt")
        begun = time.time()
        shell = subprocess.run(["sh", "-c", '"$0" run --output 1GiB "$1" | head -1', CLI, source], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(shell.stdout, b"y\n")
        self.assertLess(time.time() - begun, 8)

    def test_a_slow_reader_gets_everything(self):
        body = 'for i := 0; i < 40000; i++ { fmt.Printf("%09d\\n", i) }'
        process = self.start("run", self.program(body, "fmt"))
        time.sleep(1)  # 400 KB wait: more than a pipe holds
        out = process.communicate(timeout=60)[0]
        self.assertEqual(out, b"".join(b"%09d\n" % i for i in range(40000)))

    def test_a_full_disk_under_our_stdout_is_said(self):
        with open("/dev/full", "wb") as full:
            process = self.start("run", self.file("main.go", HELLO), stdout=full)
            err = process.communicate(timeout=60)[1].decode()
        self.assertEqual(process.returncode, 125, err)
        self.assertIn("No space left on device", err)


class Input(Case):
    def test_stdin_passes_unchanged(self):
        data = random.Random(7).randbytes(3 << 20)
        done = self.run_cli("run", self.program(CAT, "io", "os"), stdin=data)
        self.assertEqual(done.status, 0, done.err)
        self.assertTrue(done.out == data, "%d bytes of %d" % (len(done.out), len(data)))

    def test_end_of_file_reaches_the_program(self):
        done = self.run_cli("run", self.program('n, _ := io.Copy(io.Discard, os.Stdin)\n\tfmt.Println(n)', "fmt", "io", "os"))
        self.assertEqual(done.out, b"0\n", repr(done))

    def test_stdin_none_and_stdin_from_a_file(self):
        source = self.program(CAT, "io", "os")
        self.assertEqual(self.run_cli("run", "--stdin", "none", source, stdin=b"unread").out, b"")
        given = self.file("input.txt", "from the file\n")
        self.assertEqual(self.run_cli("run", "--stdin", given, source, stdin=b"unread").out, b"from the file\n")

    def test_a_while_read_loop_keeps_its_input(self):
        source, lines = self.program(CAT, "io", "os"), self.file("lines", "one\ntwo\nthree\n")
        built = os.path.join(self.dir, "cat")
        self.assert_status(self.run_cli("build", "-o", built, source), 0)
        script = 'while read -r l; do "$0" exec "$1" <<<"$l"; done < "$2"'
        done = subprocess.run(["bash", "-c", script, CLI, built, lines], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              timeout=60)
        self.assertEqual(done.stdout, b"one\ntwo\nthree\n")

    def test_input_the_program_does_not_read_stays_with_the_caller(self):
        # stdin is read only while the program's pipe has room: of 1 MiB at most a pipe's worth is taken.
        with open(self.dir + "/big", "wb") as f:
            f.write(b"x" * (1 << 20))
        with open(self.dir + "/big", "rb") as big:
            process = self.start("run", self.file("main.go", HELLO), stdin=big)
            self.assertEqual(process.communicate(timeout=60)[0], b"hello\n")
            self.assertLessEqual(os.lseek(big.fileno(), 0, os.SEEK_CUR), 256 << 10)

    def test_interactive_exchange_is_not_buffered(self):
        body = 's := bufio.NewScanner(os.Stdin)\n\tfor s.Scan() { fmt.Println("got", s.Text()) }'
        process = self.start("run", self.program(body, "bufio", "fmt", "os"), stdin=subprocess.PIPE)
        for word in (b"a\n", b"b\n"):
            process.stdin.write(word)
            process.stdin.flush()
            self.assertEqual(process.stdout.readline(), b"got " + word)
        process.stdin.close()
        self.assertEqual(process.wait(20), 0)

    def test_dev_stdin_stdout_and_stderr_work(self):
        body = '''
	data, err := os.ReadFile("/dev/stdin")
	if err != nil { panic(err) }
	if err := os.WriteFile("/dev/stdout", data, 0); err != nil { panic(err) }
	if err := os.WriteFile("/dev/stderr", []byte("e"), 0); err != nil { panic(err) }'''
        done = self.run_cli("run", self.program(body, "os"), stdin=b"through /dev")
        self.assertEqual((done.status, done.out, done.err), (0, b"through /dev", "e"), repr(done))


class Json(Case):
    def test_json_prints_one_object_and_nothing_else(self):
        body = 'fmt.Println("{}")\n\tfmt.Fprintln(os.Stderr, "[]")'
        done = self.run_cli("run", "--json", self.program(body, "fmt", "os"))
        report = json.loads(done.out)  # more than one object would not parse
        self.check_report(report)
        self.assertEqual((stream(report, "stdout"), stream(report, "stderr")), (b"{}\n", b"[]\n"))
        self.assertEqual(done.err, "")

    def test_json_of_a_refused_submission_is_a_report_too(self):
        report = self.report("run", os.path.join(self.dir, "absent"))
        self.assert_verdict(report, "rejected", 120)
        self.assertEqual(self.done.err, "")

    def test_what_is_no_text_is_base64(self):
        report = self.report("run", self.program(EVERY_BYTE, "os"))
        self.assertEqual((report["stdout_encoding"], report["stderr_encoding"]), ("base64", "base64"))
        self.assertEqual(stream(report, "stdout"), bytes(range(256)))

    def test_capture_cuts_what_is_kept_and_output_is_what_kills(self):
        report = self.report("run", "--capture", "1KiB", self.program("os.Stdout.Write(make([]byte, 1<<20))", "os"))
        self.assert_verdict(report, "ok", 0)
        self.assertTrue(report["stdout_truncated"])
        self.assertEqual(len(stream(report, "stdout")), 1024)
        self.assertEqual(report["usage"]["stdout_bytes"], 1 << 20)
        self.assertFalse(report["stderr_truncated"])

    def test_what_report_names_stays_a_pipe_or_a_link(self):
        source = self.file("main.go", HELLO)
        pipe, link, target = (os.path.join(self.dir, name) for name in ("pipe", "link", "target"))
        os.mkfifo(pipe)
        self.assert_refused_report(self.run_cli("run", "--report", pipe, source), pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.assert_status(self.run_cli("run", "--report", pipe, source), 0)
        self.assertTrue(stat.S_ISFIFO(os.lstat(pipe).st_mode))
        self.check_report(json.loads(os.read(reader, 65536)))
        os.symlink("target", link)
        self.assert_status(self.run_cli("run", "--report", link, source), 0)
        self.assertTrue(os.path.islink(link))
        with open(target) as f:
            self.check_report(json.load(f))

    def assert_refused_report(self, done, path):
        self.assertEqual((done.status, done.out), (125, b"hello\n"), repr(done))
        self.assertIn("--report: cannot open " + path, done.err)

    def test_report_file_stands_beside_a_normal_run(self):
        path = os.path.join(self.dir, "report.json")
        done = self.run_cli("run", "--report", path, self.file("main.go", HELLO))
        self.assertEqual((done.status, done.out, done.err), (0, b"hello\n", ""), repr(done))
        with open(path) as f:
            report = json.load(f)
        self.check_report(report)
        self.assertEqual(report["verdict"], "ok")

    def test_what_one_reader_leaves_unread_is_nobody_else_s_loss(self):
        """A stderr or stdout that nobody reads any more, a pipe that nobody reads: the other outputs are written."""
        closed, ours = os.pipe()
        os.close(closed)
        self.addCleanup(os.close, ours)
        trace, report, pipe = (os.path.join(self.dir, name) for name in ("trace.jsonl", "report.json", "pipe"))
        os.mkfifo(pipe)
        traced = ("run", "--trace", "go:panics", "--build-wall-time", "300s", "--build-cpu-time", "300s")
        source = self.file("main.go", HELLO)
        for flags, streams, status in ((("--trace-out", trace), {"stderr": ours}, 0),
                                       (("--json",), {"stdout": ours}, 125),
                                       (("--trace-out", pipe), {}, 125)):
            process = self.start(*traced, *flags, "--report", report, source, **streams)
            process.communicate(timeout=90)
            self.assertEqual(process.returncode, status, flags)
            with open(report) as f:
                self.assertEqual(json.load(f)["verdict"], "ok")
            os.remove(report)
        with open(trace) as f:
            self.assertEqual(json.loads(f.readlines()[-1])["type"], "summary")

    def test_sigint_while_json_still_gives_a_report(self):
        process = self.start("run", "--json", "--wall-time", "1m", self.program("time.Sleep(time.Minute)", "time"))
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out = process.communicate(timeout=30)[0]
        report = json.loads(out)
        self.check_report(report)
        self.assertEqual((report["verdict"], process.returncode), ("canceled", 130))
