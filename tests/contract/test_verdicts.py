"""Every verdict with its exit status, each beside a control: the same program where the limit or the wall is not hit."""
import json
import os
import signal
import time

from harness import Case, go, stream

ALLOCATE_100_MIB = '''
	block := make([]byte, 100<<20)
	for i := 0; i < len(block); i += 4096 { block[i] = 1 }
	fmt.Println("allocated", len(block))'''
BURN_300_MS = '''
	var use syscall.Rusage
	for {
		for i := 0; i < 1000000; i++ { sink += i }
		syscall.Getrusage(syscall.RUSAGE_SELF, &use)
		if use.Utime.Sec > 0 || use.Utime.Usec > 300000 { break }
	}
	fmt.Println("burnt")
}
var sink int
func init() {'''
WRITE_2_MIB = 'os.Stdout.Write(make([]byte, 2<<20))'
THREADS_20 = '''
	var wait sync.WaitGroup
	var ready sync.WaitGroup
	release := make(chan int)
	for i := 0; i < 20; i++ {
		wait.Add(1)
		ready.Add(1)
		go func() {
			runtime.LockOSThread()
			ready.Done()
			<-release
			wait.Done()
		}()
	}
	ready.Wait()
	close(release)
	wait.Wait()
	fmt.Println("20 threads")'''
FILE_8_MIB = '''
	if err := os.WriteFile("/tmp/big", make([]byte, 8<<20), 0o600); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("written")'''
CHURN_OVER_150_MIB = '''
	live := make([][]byte, 150)
	for i := range live {
		live[i] = bytes.Repeat([]byte{1}, 1<<20)
	}
	type node struct {
		next *node
		data [48]byte
	}
	var large []byte
	var list *node
	for i := 0; i < 3000; i++ {
		large = bytes.Repeat([]byte{2}, 1<<19+i<<7)
		list = nil
		for j := 0; j < 2000; j++ {
			list = &node{next: list}
		}
	}
	fmt.Println(len(live), live[149][1], len(large) > 0, list != nil)'''
FILE_ACROSS_4_MIB = '''
	f, _ := os.Create("/tmp/sparse")
	if _, err := f.WriteAt([]byte("ab"), 4<<20-1); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}'''
SOCKET = '''
	_, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	fmt.Println("socket:", err)'''


class Ends(Case):
    def test_exit_0_is_ok(self):
        report = self.report("run", self.program('fmt.Println("hello")', "fmt"))
        self.assert_verdict(report, "ok", 0)
        self.assertEqual((report["stage"], report["exit_code"], report["signal"]), ("run", 0, None))
        self.assertEqual(stream(report, "stdout"), b"hello\n")
        self.assertEqual(report["message"], "")

    def test_another_exit_code_is_runtime_error_and_is_passed_on(self):
        for code in (1, 7, 120, 125, 137, 159, 255):
            with self.subTest(code):
                report = self.report("run", self.program("os.Exit(%d)" % code, "os"))
                self.assert_verdict(report, "runtime_error", code)
                self.assertEqual(report["exit_code"], code)
                self.assertIsNone(report["signal"])

    def test_a_signal_the_program_sends_itself_is_signalled(self):
        for name in ("SIGKILL", "SIGTERM", "SIGSYS"):
            with self.subTest(name):
                body = "syscall.Kill(os.Getpid(), syscall.%s)\n\tselect {}" % name
                report = self.report("run", self.program(body, "os", "syscall"))
                number = getattr(signal, name)
                self.assertIn(report["verdict"], ("signalled", "runtime_error"), report)
                if name != "SIGSYS":  # Go turns SIGSYS into a panic
                    self.assert_verdict(report, "signalled", 128 + number)

    def test_a_panic_is_runtime_error_and_named(self):
        report = self.report("run", self.program("var s []int\n\tprintln(s[len(s)+4])"))
        self.assert_verdict(report, "runtime_error", 2)
        self.assertEqual(report["go"]["failure"], "panic")
        self.assertIn("index out of range [4]", report["go"]["message"])
        self.assertEqual(report["go"]["location"], "main.go:8")

    def test_forged_panic_text_with_exit_0_is_ok(self):
        body = 'println("panic: runtime error: index out of range\\n\\ngoroutine 1 [running]:\\nmain.main()")'
        self.assert_verdict(self.report("run", self.program(body)), "ok", 0)

    def test_deadlock_stack_overflow_and_fatal_error_are_told_apart(self):
        map_race = "m := map[int]int{}\n\tgo func() { for { m[1]++ } }()\n\tfor { m[1]++ }"
        # Go's own limit of 1 GB of stack takes long to fill and to walk.
        recursion = "debug.SetMaxStack(1 << 20)\n\tmain()"
        for body, imports, failure in (("<-make(chan int)", [], "deadlock"), (map_race, [], "fatal_error"),
                                       (recursion, ["runtime/debug"], "stack_overflow")):
            with self.subTest(failure):
                report = self.report("run", "--memory", "1GiB", "--cpus", "2", self.program(body, *imports))
                self.assert_verdict(report, "runtime_error", 2)
                self.assertEqual(report["go"]["failure"], failure)


class Limits(Case):
    def test_cpu_time(self):
        source = self.program("for {}")
        report = self.report("run", "--cpu-time", "300ms", source)
        self.assert_verdict(report, "cpu_time_exceeded", 124)
        self.assertIn("cpu_time", report["limits_hit"])
        self.assertGreaterEqual(report["usage"]["cpu_time_us"], 300000)
        self.assertLess(report["usage"]["cpu_time_us"], 450000)

    def test_control_cpu_time_under_the_limit(self):
        report = self.report("run", "--cpu-time", "5s", self.program(BURN_300_MS, "fmt", "syscall"))
        self.assert_verdict(report, "ok", 0)
        self.assertGreaterEqual(report["usage"]["cpu_time_us"], 300000)

    def test_wall_time_uses_no_cpu_time(self):
        report = self.report("run", "--wall-time", "400ms", self.program("time.Sleep(time.Minute)", "time"))
        self.assert_verdict(report, "wall_time_exceeded", 124)
        self.assertLess(report["usage"]["cpu_time_us"], 200000)
        self.assertGreaterEqual(report["usage"]["wall_time_us"], 400000)

    def test_control_wall_time_under_the_limit(self):
        source = self.program("time.Sleep(400 * time.Millisecond)", "time")
        self.assert_verdict(self.report("run", "--wall-time", "10s", source), "ok", 0)

    def test_memory(self):
        report = self.report("run", "--memory", "64MiB", self.program(ALLOCATE_100_MIB, "fmt"))
        self.assert_verdict(report, "memory_exceeded", 122)
        self.assertIn("memory", report["limits_hit"])
        self.assertGreaterEqual(report["usage"]["memory_peak_bytes"], 60 << 20)

    def test_control_memory_under_the_limit(self):
        report = self.report("run", "--memory", "256MiB", self.program(ALLOCATE_100_MIB, "fmt"))
        self.assert_verdict(report, "ok", 0)
        self.assertGreaterEqual(report["usage"]["memory_peak_bytes"], 100 << 20)
        self.assertLess(report["usage"]["memory_peak_bytes"], 130 << 20)

    def test_150_mib_live_with_heavy_churn_fit_into_256(self):
        source = self.program(CHURN_OVER_150_MIB, "bytes", "fmt")
        time = ["--cpu-time", "60s", "--wall-time", "80s"]
        report = self.report("run", "--memory", "256MiB", *time, source)
        self.assert_verdict(report, "ok", 0)
        self.assertGreater(report["usage"]["memory_peak_bytes"], 150 << 20)
        # Control: what makes it fit is the limit that Go is told of.
        report = self.report("run", "--memory", "256MiB", "--env", "GOMEMLIMIT=off", *time, source)
        self.assert_verdict(report, "memory_exceeded", 122)

    def test_output(self):
        report = self.report("run", "--output", "1MiB", self.program(WRITE_2_MIB, "os"))
        self.assert_verdict(report, "output_exceeded", 123)

    def test_control_output_under_the_limit(self):
        report = self.report("run", "--output", "4MiB", self.program(WRITE_2_MIB, "os"))
        self.assert_verdict(report, "ok", 0)
        self.assertEqual(report["usage"]["stdout_bytes"], 2 << 20)

    def test_processes(self):
        report = self.report("run", "--pids", "12", self.program(THREADS_20, "fmt", "runtime", "sync"))
        self.assert_verdict(report, "process_limit_exceeded", 123)
        self.assertIn("pids", report["limits_hit"])

    def test_control_processes_under_the_limit(self):
        report = self.report("run", "--pids", "64", self.program(THREADS_20, "fmt", "runtime", "sync"))
        self.assert_verdict(report, "ok", 0)
        self.assertGreaterEqual(report["usage"]["processes_peak"], 20)

    def test_scratch(self):
        report = self.report("run", "--scratch", "4MiB", self.program(FILE_8_MIB, "fmt", "os"))
        self.assert_verdict(report, "file_limit_exceeded", 123)

    def test_a_file_that_may_not_grow_further(self):
        # The first byte fits, the second does not: EFBIG, with nearly all of the scratch space free.
        report = self.report("run", "--scratch", "4MiB", self.program(FILE_ACROSS_4_MIB, "fmt", "os"))
        self.assert_verdict(report, "file_limit_exceeded", 123)
        self.assertIn("beyond 4 MiB", report["message"])
        self.assertIn("file too large", report["stderr"])

    def test_control_a_file_within_its_limit_is_the_programs_own_failure(self):
        report = self.report("run", "--scratch", "8MiB", self.program(FILE_ACROSS_4_MIB + "\n\tos.Exit(3)", "fmt", "os"))
        self.assert_verdict(report, "runtime_error", 3)

    def test_control_scratch_under_the_limit(self):
        report = self.report("run", "--scratch", "16MiB", self.program(FILE_8_MIB, "fmt", "os"))
        self.assert_verdict(report, "ok", 0)

    def test_exit_0_is_ok_even_if_a_limit_was_touched(self):
        body = 'os.WriteFile("/tmp/big", make([]byte, 8<<20), 0o600)'
        report = self.report("run", "--scratch", "4MiB", self.program(body, "os"))
        self.assert_verdict(report, "ok", 0)
        self.assertIn("file", report["limits_hit"])

    def test_the_message_names_limit_amount_and_remedy(self):
        done = self.run_cli("run", "--memory", "64MiB", self.program(ALLOCATE_100_MIB, "fmt"))
        self.assert_status(done, 122)
        self.assertEqual(done.out, b"")
        self.assertRegex(done.err, r"sandbox-run: memory limit exceeded: 64 MiB.*--memory")


class Denials(Case):
    def test_a_denied_call_in_kill_mode_ends_the_run(self):
        report = self.report("run", "--on-denied", "kill", self.program(SOCKET, "fmt", "syscall"))
        self.assert_verdict(report, "syscall_denied", 159)
        self.assertEqual(report["denied"][0]["syscall"], "socket")
        self.assertEqual(stream(report, "stdout"), b"")

    def test_a_denied_call_in_error_mode_fails_with_eperm_and_is_named(self):
        report = self.report("run", self.program(SOCKET, "fmt", "syscall"))
        self.assert_verdict(report, "ok", 0)
        self.assertEqual(stream(report, "stdout"), b"socket: operation not permitted\n")
        denied = report["denied"][0]
        self.assertEqual((denied["syscall"], denied["number"], denied["arch"], denied["count"]), ("socket", 41, "x86_64", 1))

    def test_control_the_same_call_succeeds_with_loopback(self):
        report = self.report("run", "--net", "loopback", self.program(SOCKET, "fmt", "syscall"))
        self.assert_verdict(report, "ok", 0)
        self.assertEqual(stream(report, "stdout"), b"socket: <nil>\n")
        self.assertEqual(report["denied"], [])

    def test_a_flood_of_denied_calls_ends_the_run_in_either_mode(self):
        body = "for { syscall.Socket(1, 1, 0) }"
        report = self.report("run", self.program(body, "syscall"))
        self.assert_verdict(report, "syscall_denied", 159)

    def test_hello_is_denied_nothing(self):
        self.assertEqual(self.report("run", self.program('fmt.Println("hello")', "fmt"))["denied"], [])


class BeforeTheRun(Case):
    def test_a_compile_error_is_build_failed_with_the_submitters_path(self):
        report = self.report("run", self.program("var unused int"))
        self.assert_verdict(report, "build_failed", 121)
        self.assertEqual(report["stage"], "build")
        first = [d for d in report["diagnostics"] if d["severity"] == "error"][0]
        self.assertEqual((first["file"], first["line"]), ("main.go", 7))
        self.assertIn("declared and not used", first["message"])

    def test_a_build_bomb_is_build_limit_exceeded(self):
        body = "type T[P any] struct{ _, _, _, _, _, _, _, _ P }\ntype U " + "T[" * 10 + "int" + "]" * 10
        source = self.file("main.go", "package main\n\n%s\n\nvar u U\n\nfunc main() { println(u) }\n" % body)
        report = self.report("run", "--build-cpu-time", "2s", "--build-wall-time", "8s", source)
        self.assert_verdict(report, "build_limit_exceeded", 121)

    def test_cgo_is_refused_with_file_and_line(self):
        source = self.file("main.go", 'package main\n\n// int x;\nimport "C"\n\nfunc main() { println(C.x) }\n')
        report = self.report("run", source)
        self.assert_verdict(report, "verify_failed", 120)
        self.assertEqual((report["diagnostics"][0]["file"], report["diagnostics"][0]["line"]), ("main.go", 4))

    def test_what_is_no_program_is_rejected(self):
        self.assert_verdict(self.report("run", self.file("lib.go", "package lib\n")), "rejected", 120)

    def test_a_missing_go_sum_is_verify_failed(self):
        module = self.module({"main.go": go("quote.Go()", "rsc.io/quote")},
                             go_mod="module example.test/m\n\ngo 1.25\n\nrequire rsc.io/quote v1.5.2\n")
        report = self.report("run", module)
        self.assert_verdict(report, "verify_failed", 120)
        self.assertIn("missing go.sum entry", report["message"] + str(report["diagnostics"]))

    def test_no_such_toolchain_is_our_own_failure(self):
        done = self.run_cli("run", "--go", "1.99.9", self.program("", name="main.go"))
        self.assert_refused(done, 125, "1.99.9", "toolchain install")


class Canceled(Case):
    READY = 'fmt.Println("ready")\n\ttime.Sleep(time.Minute)'

    def interrupted(self, number):
        process = self.start("run", "--report", self.dir + "/report.json", self.program(self.READY, "fmt", "time"))
        self.assertEqual(process.stdout.readline(), b"ready\n")
        process.send_signal(number)
        begun = time.time()
        process.wait(20)
        return process, time.time() - begun

    def test_sigint_and_sigterm_cancel(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                process, seconds = self.interrupted(number)
                self.assertEqual(process.returncode, 130, process.stderr.read())
                self.assertLess(seconds, 3)

    def test_a_signal_is_not_forgotten_whenever_it_comes(self):
        for delay_ms, flags in [(ms, ()) for ms in range(60, 460, 50)] + [(ms, ("--trace", "std:files")) for ms in (200, 500)]:
            with self.subTest((delay_ms, flags)):
                body = 'fmt.Println("%s")\n\ttime.Sleep(time.Minute)' % os.urandom(8).hex()
                process = self.start("run", *flags, self.program(body, "fmt", "time"))
                time.sleep(delay_ms / 1000)
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(10), 130, process.stderr.read())

    def test_a_program_that_handles_the_signal_may_end_by_itself(self):
        body = '''
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, os.Interrupt)
	fmt.Println("ready")
	<-caught
	fmt.Println("caught")'''
        process = self.start("run", self.program(body, "fmt", "os", "os/signal"))
        self.assertEqual(process.stdout.readline(), b"ready\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.communicate(timeout=20)[0], b"caught\n")

    def test_sigquit_shows_where_the_program_is_as_in_a_shell(self):
        process, _ = self.interrupted(signal.SIGQUIT)
        self.assertEqual(process.returncode, 2)
        said = process.stderr.read()
        self.assertIn(b"SIGQUIT: quit", said)
        self.assertIn(b"main.main()", said)

    def test_a_program_that_ignores_the_signal_is_ended_after_2_seconds(self):
        body = 'signal.Ignore(os.Interrupt)\n\tfmt.Println("ready")\n\ttime.Sleep(time.Minute)'
        process = self.start("run", self.program(body, "fmt", "os", "os/signal", "time"))
        self.assertEqual(process.stdout.readline(), b"ready\n")
        begun = time.time()
        process.send_signal(signal.SIGINT)
        process.wait(20)
        self.assertEqual(process.returncode, 130)
        self.assertGreater(time.time() - begun, 1.8)
        self.assertLess(time.time() - begun, 4)

    def test_the_first_compilation_of_the_standard_library_can_be_canceled(self):
        state = self.dir + "/state"
        for flags in ([], ["--trace", "std:files"]):
            with self.subTest(flags):
                process = self.start("run", "--verbose", "--report", self.dir + "/report.json", *flags,
                                     self.program('fmt.Println("ran")', "fmt"), env={"SANDBOX_RUN_STATE": state})
                while b"compiling the standard library" not in (line := process.stderr.readline()):
                    self.assertNotEqual(line, b"")
                time.sleep(0.5)
                begun = time.time()
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.communicate(timeout=60)[0], b"")
                self.assertEqual(process.returncode, 130)
                self.assertLess(time.time() - begun, 5)
                with open(self.dir + "/report.json") as file:
                    report = json.load(file)
                self.assertEqual((report["verdict"], report["stage"]), ("canceled", "build"), report["message"])
                self.assertEqual(os.listdir(state + "/run"), [])

    def test_a_second_signal_ends_it_at_once(self):
        body = 'signal.Ignore(os.Interrupt)\n\tfmt.Println("ready")\n\ttime.Sleep(time.Minute)'
        process = self.start("run", self.program(body, "fmt", "os", "os/signal", "time"))
        self.assertEqual(process.stdout.readline(), b"ready\n")
        begun = time.time()
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        process.wait(20)
        self.assertEqual(process.returncode, 130)
        self.assertLess(time.time() - begun, 1.5)
