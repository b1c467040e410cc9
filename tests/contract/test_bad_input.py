"""Bad input → what happens: every row of the issue's table. Nothing is written outside, nothing weaker is run."""
import gzip
import io
import os
import resource
import signal
import subprocess
import tarfile
import zipfile

from harness import CLI, HELLO, Case, go

MOD = "module example.test/m\n\ngo 1.25\n"


class Sources(Case):
    def test_no_such_path(self):
        self.assert_refused(self.run_cli("run", self.dir + "/absent"), 120, "absent", "No such file")

    def test_an_empty_directory(self):
        os.mkdir(self.dir + "/empty")
        self.assert_refused(self.run_cli("run", self.dir + "/empty"), 120, "holds no files", "go.mod")

    def test_no_main_package(self):
        module = self.module({"lib/lib.go": "package lib\n"})
        self.assert_refused(self.run_cli("run", module), 120, "main")

    def test_several_mains_are_listed(self):
        module = self.module({"cmd/a/main.go": HELLO, "cmd/b/main.go": HELLO})
        self.assert_refused(self.run_cli("run", module), 120, "cmd/a", "cmd/b")

    def test_control_one_of_several_mains_runs_when_named(self):
        module = self.module({"cmd/a/main.go": HELLO, "cmd/b/main.go": go("println(1)")})
        self.assertEqual(self.run_cli("run", module + "/cmd/a").out, b"hello\n")

    def test_a_parent_go_work_is_ignored_and_said(self):
        module = self.module({"main.go": HELLO})
        self.file("go.work", "go 1.25\n\nuse ./elsewhere\n")
        report = self.report("run", module)
        self.assert_verdict(report, "ok", 0)
        self.assertTrue(any("go.work" in note for note in report["notes"]), report)

    def test_symlinks_fifos_and_sockets_are_refused_by_name(self):
        for name, make in (("link.go", lambda p: os.symlink("/etc/passwd", p)), ("pipe.go", os.mkfifo)):
            with self.subTest(name):
                module = self.module({"main.go": HELLO}, name="m-" + name)
                make(os.path.join(module, name))
                done = self.run_cli("run", module)
                self.assert_refused(done, 120, name)
                self.assertNotIn("root:", done.err)

    def test_a_file_that_is_no_go(self):
        self.assert_refused(self.run_cli("run", self.file("main.go", "#!/bin/sh\necho hello\n")), 120, "main.go", "package")

    def test_names_with_control_characters_are_refused_and_escaped(self):
        module = self.module({"main.go": HELLO, "bad\x1b[31m.go": "package main\n"})
        done = self.run_cli("run", module)
        self.assert_refused(done, 120)
        self.assertNotIn("\x1b", done.err)

    def test_caps_on_files_bytes_and_depth(self):
        module = self.module({"main.go": HELLO, **{"d/f%d.txt" % i: "x" for i in range(20)}})
        self.assert_refused(self.run_cli("run", "--max-files", "10", module), 120, "--max-files")
        self.assertEqual(self.run_cli("run", "--max-files", "100", module).out, b"hello\n")
        big = self.module({"main.go": HELLO, "big.bin": b"\0" * (2 << 20)}, name="big")
        self.assert_refused(self.run_cli("run", "--max-bytes", "1MiB", big), 120, "--max-bytes")
        deep = self.module({"main.go": HELLO, "/".join("d" * 70) + "/f.txt": "x"}, name="deep")
        self.assert_refused(self.run_cli("run", deep), 120, "--max-depth")


class Verification(Case):
    REQUIRE = MOD + "\nrequire rsc.io/quote v1.5.2\n"
    IMPORTING = {"main.go": go("println(quote.Go())", "rsc.io/quote")}

    def test_a_hash_mismatch_has_gos_own_words_and_verify_exits_3(self):
        tampered = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(__file__))), "examples", "tampered")
        tampered = os.path.abspath(tampered)
        self.assert_refused(self.run_cli("run", "--fetch", tampered), 120, "checksum mismatch", "rsc.io/quote@v1.5.2",
                            "(found h1:w5fcysjrx7yqtD/aO+QwRjYZOKnaM9Uh2b40tElTs3Y=, "
                            "go.sum:3 has h1:w5fcysjrx7yqtD/aO+QwRjYaOKnaM9Uh2b40tElTs3Y=)")
        done = self.run_cli("verify", "--fetch", tampered)
        self.assert_status(done, 3)

    def test_a_pin_of_what_has_no_hash_to_hold_it_against_is_refused(self):
        pin = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        self.assert_refused(self.run_cli("run", "--pin", pin, self.file("main.go", HELLO)), 120, "main.go", pin,
                            "module@version")

    def test_a_missing_go_sum_is_4(self):
        module = self.module(self.IMPORTING, go_mod=self.REQUIRE)
        self.assert_refused(self.run_cli("run", module), 120, "missing go.sum entry")
        self.assert_status(self.run_cli("verify", module), 4)

    def test_a_go_mod_beyond_its_cap_is_7_and_not_our_failure(self):
        source = self.module({"main.go": HELLO}, go_mod="module m\n\ngo 1.25\n" + "// padding\n" * (2 << 20))
        self.assert_refused(self.run_cli("verify", source), 7, "go.mod is larger than 16 MiB", "go mod tidy")
        self.assert_verdict(self.report("run", source), "verify_failed", 120)

    def test_a_malformed_go_sum_is_5(self):
        module = self.module(dict(self.IMPORTING, **{"go.sum": "rsc.io/quote v1.5.2\n"}), go_mod=self.REQUIRE)
        self.assert_refused(self.run_cli("run", module), 120, "malformed go.sum", "wrong number of fields 2")
        self.assert_status(self.run_cli("verify", module), 5)

    def test_verified_without_modules_is_0_and_says_so(self):
        done = self.run_cli("verify", self.module({"main.go": HELLO}))
        self.assert_status(done, 0)
        self.assertIn("no modules needed", done.out.decode() + done.err)

    def test_a_replacement_outside_the_root_is_6(self):
        module = self.module(self.IMPORTING, go_mod=self.REQUIRE + "\nreplace rsc.io/quote => ../quote\n")
        self.file("quote/go.mod", "module rsc.io/quote\n")
        self.assert_refused(self.run_cli("run", module), 120, "../quote")
        self.assert_status(self.run_cli("verify", module), 6)


class BeforeTheCompiler(Case):
    def test_cgo_and_syso(self):
        cgo = self.file("cgo.go", 'package main\n\nimport "C"\n\nfunc main() {}\n')
        self.assert_refused(self.run_cli("run", cgo), 120, "cgo.go:3", "cgo")
        syso = self.module({"main.go": HELLO, "x_linux_amd64.syso": b"\x7fELF"})
        self.assert_refused(self.run_cli("run", syso), 120, "x_linux_amd64.syso")

    def test_a_toolchain_line_newer_than_any_installed_downloads_nothing(self):
        module = self.module({"main.go": HELLO}, go_mod="module example.test/m\n\ngo 1.99\n\ntoolchain go1.99.9\n")
        self.assert_refused(self.run_cli("run", module), 120, "1.99")

    def test_goflags_of_the_environment_and_of_env_files_are_ignored(self):
        home = os.path.join(self.dir, "home")
        self.file("home/.config/go/env", "GOFLAGS=-toolexec=/bin/false\n")
        done = self.run_cli("run", self.module({"main.go": HELLO}),
                            env={"GOFLAGS": "-toolexec=/bin/false", "HOME": home, "XDG_CONFIG_HOME": home + "/.config"})
        self.assertEqual((done.status, done.out), (0, b"hello\n"), repr(done))

    def test_a_git_configuration_that_runs_commands_is_dropped(self):
        module = self.module({"main.go": HELLO, ".git/config": "[core]\n\tfsmonitor = touch %s/owned\n" % self.dir,
                              ".git/HEAD": "ref: refs/heads/main\n"})
        self.assertEqual(self.run_cli("run", module).out, b"hello\n")
        self.assertFalse(os.path.exists(self.dir + "/owned"))

    def test_a_package_without_tests_is_named(self):
        done = self.run_cli("test", self.module({"a.go": "package a\n"}))
        self.assert_status(done, 121)
        self.assertIn("has no tests", done.err)

    def test_a_place_for_output_that_is_none_is_refused_before_the_run(self):
        done = self.run_cli("run", "--out", "*=/dev/null", self.program('fmt.Println("it ran")', "fmt"))
        self.assert_status(done, 125)
        self.assertEqual(done.out, b"")
        self.assertIn("--out: cannot write into /dev/null", done.err)

    def test_100_mb_of_compiler_output_is_capped(self):
        lines = "".join("\tundefined%06d.x()\n" % i for i in range(60000))
        source = self.file("main.go", "package main\n\nfunc main() {\n//line /etc/passwd:1\n%s}\n" % lines)
        done = self.run_cli("run", source)
        self.assert_status(done, 121)
        self.assertLess(len(done.err), 1 << 20)
        self.assertNotIn("root:x", done.err)


class Archives(Case):
    def zip(self, entries, name="s.zip"):
        path = os.path.join(self.dir, name)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
            for entry, content in entries:
                z.writestr(entry, content)
        return path

    def tar(self, members, name="s.tar"):
        path = os.path.join(self.dir, name)
        with tarfile.open(path, "w:gz" if name.endswith("gz") else "w") as t:
            for info, content in members:
                info = tarfile.TarInfo(info) if isinstance(info, str) else info
                info.size = len(content)
                t.addfile(info, io.BytesIO(content))
        return path

    GOOD = [("go.mod", MOD), ("main.go", HELLO)]

    def test_control_good_archives_run(self):
        members = [(n, c.encode()) for n, c in self.GOOD]
        for path in (self.zip(self.GOOD), self.tar(members), self.tar(members, "s.tar.gz"),
                     self.file("s.txtar", "".join("-- %s --\n%s" % e for e in self.GOOD))):
            with self.subTest(path):
                done = self.run_cli("run", path)
                self.assertEqual((done.status, done.out), (0, b"hello\n"), repr(done))

    def test_traversal_writes_nothing_outside(self):
        outside = "../" * 12 + self.dir.lstrip("/") + "/owned"
        for path in (self.zip(self.GOOD + [(outside, "x")]), self.zip(self.GOOD + [(self.dir + "/owned", "x")], "abs.zip"),
                     self.tar([(n, c.encode()) for n, c in self.GOOD] + [(outside, b"x")]),
                     self.file("s.txtar", "-- go.mod --\n%s-- %s --\nx\n" % (MOD, outside))):
            with self.subTest(path):
                self.assert_refused(self.run_cli("run", path), 120)
                self.assertFalse(os.path.exists(self.dir + "/owned"))

    def test_links_and_devices_are_refused_by_name(self):
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            with self.subTest(kind):
                info = tarfile.TarInfo("evil.go")
                info.type, info.linkname = kind, "/etc/passwd"
                path = self.tar([(n, c.encode()) for n, c in self.GOOD] + [(info, b"")])
                self.assert_refused(self.run_cli("run", path), 120, "evil.go")

    def test_duplicate_and_colliding_names(self):
        members = [(n, c.encode()) for n, c in self.GOOD]
        self.assert_refused(self.run_cli("run", self.tar(members + [("main.go", b"package main\n")])), 120, "main.go")
        self.assert_refused(self.run_cli("run", self.tar(members + [("Main.go", b"package main\n")])), 120, "Main.go")

    def test_bombs_stop_at_the_cap(self):
        bomb = self.zip(self.GOOD + [("zeros", b"\0" * (300 << 20))])
        done = self.run_cli("run", bomb)
        self.assert_refused(done, 120, "--max-bytes")
        self.assertLess(done.seconds, 20)
        many = self.zip(self.GOOD + [("f/%d" % i, "") for i in range(20001)], "many.zip")
        self.assert_refused(self.run_cli("run", many), 120, "--max-files")

    def test_truncated_and_wrong_type(self):
        with open(self.zip(self.GOOD), "rb") as f:
            whole = f.read()
        self.assert_refused(self.run_cli("run", self.file("cut.zip", whole[:len(whole) // 2])), 120, "cut.zip")
        packed = gzip.compress(b"not a tar " * 1000)
        self.assert_refused(self.run_cli("run", self.file("s.tar.gz", packed)), 120, "s.tar.gz")
        self.assert_refused(self.run_cli("run", self.file("s.zip", os.urandom(4096))), 120, "s.zip")

    def test_a_submission_on_stdin_may_be_source_or_archive(self):
        self.assertEqual(self.run_cli("run", "-", stdin=HELLO.encode()).out, b"hello\n")
        with open(self.zip(self.GOOD), "rb") as f:
            self.assertEqual(self.run_cli("run", "-", stdin=f.read()).out, b"hello\n")
        self.assert_refused(self.run_cli("run", "-", stdin=b""), 120)


class Host(Case):
    def test_a_state_directory_that_cannot_be_written_is_125(self):
        done = self.run_cli("run", self.file("main.go", HELLO), env={"SANDBOX_RUN_STATE": "/proc/nowhere"})
        self.assert_refused(done, 125, "/proc/nowhere")

    def test_no_cgroup_write_access_is_125_and_never_a_weaker_run(self):
        script = 'mount --bind -o ro /sys/fs/cgroup /sys/fs/cgroup && for m in $(awk \'$5 ~ "^/sys/fs/cgroup/" {print $5}\' ' \
                 '/proc/self/mountinfo); do mount --bind "$m" "$m" && mount -o remount,bind,ro "$m"; done; ' \
                 'mount -o remount,bind,ro /sys/fs/cgroup; exec "$0" run "$1"'
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, CLI,
                               self.file("main.go", HELLO)], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (125, b""), done.stderr)
        self.assertIn(b"cgroup", done.stderr)
        self.assertIn(b"doctor", done.stderr)

    def test_a_proc_of_another_pid_namespace_is_125_and_no_other_process_is_touched(self):
        for more, expected in ((), (125, b"")), (("--mount-proc",), (0, b"hello\n")):
            done = subprocess.run(["unshare", "--pid", "--fork", "--mount", *more, CLI, "run",
                                   self.file("main.go", HELLO)], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout), expected, done.stderr)
            if expected[0]:
                self.assertIn(b"/proc", done.stderr)

    def test_the_callers_umask_holds_for_what_it_asked_for_and_for_nothing_else(self):
        source = self.file("main.go", go('fmt.Println("%s")' % os.urandom(8).hex(), "fmt"))
        report = os.path.join(self.dir, "report.json")
        done = self.run_cli("run", "--report", report, source, preexec_fn=lambda: os.umask(0o077))
        self.assert_status(done, 0)
        self.assertEqual(os.stat(report).st_mode & 0o777, 0o600)
        self.assertEqual(self.run_cli("run", source).out, done.out)

    def test_signals_that_the_caller_ignores_change_nothing(self):
        ignore = lambda: [signal.signal(number, signal.SIG_IGN) for number in (signal.SIGCHLD, signal.SIGPIPE)]  # noqa
        source = self.file("main.go", go("os.Exit(3)", "os"))
        self.assert_status(self.run_cli("run", source, preexec_fn=ignore), 3)

    def test_a_hard_core_limit_of_0_changes_nothing(self):
        def limit():
            for which in (resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK):
                resource.setrlimit(which, (0, 0))
        self.assertEqual(self.run_cli("run", self.file("main.go", HELLO), preexec_fn=limit).out, b"hello\n")

    def test_a_memory_rlimit_of_the_callers_is_lifted_or_in_the_way_and_never_the_programs_failure(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))  # noqa: E731
        source = self.program("held := make([]byte, 1100<<20)\n\tfmt.Println(len(held)>>20)", "fmt")
        done = self.run_cli("run", "--memory", "1500MiB", source, preexec_fn=limit)
        with open("/proc/self/status") as f:
            capabilities = int(next(line for line in f if line.startswith("CapEff")).split()[1], 16)
        if capabilities >> 24 & 1:  # CAP_SYS_RESOURCE
            self.assertEqual((done.status, done.out), (0, b"1100\n"), repr(done))
        else:
            self.assert_refused(done, 125, "limit.set", "data unlimited", "ulimit")

    def test_a_small_stack_limit_of_the_callers_is_lifted_or_refused_and_never_a_crash(self):
        source = self.file("main.go", HELLO)
        for kib in (16, 64, 512):
            size = kib << 10
            soft = lambda: resource.setrlimit(resource.RLIMIT_STACK, (size, resource.RLIM_INFINITY))  # noqa: E731
            self.assertEqual(self.run_cli("run", source, preexec_fn=soft).out, b"hello\n", kib)
            traced = self.run_cli("run", "--trace", "std:files", source, preexec_fn=soft)
            self.assertEqual(traced.out, b"hello\n", repr(traced))
        hard = lambda: resource.setrlimit(resource.RLIMIT_STACK, (1 << 16, 1 << 16))  # noqa: E731
        done = self.run_cli("run", source, preexec_fn=hard)
        if done.status == 125:  # no CAP_SYS_RESOURCE
            self.assert_refused(done, 125, "stack is limited to 65536 bytes", "ulimit")
        else:
            self.assertEqual((done.status, done.out), (0, b"hello\n"), repr(done))

    def test_the_file_descriptor_limit_is_125_and_leaves_nothing(self):
        script = 'ulimit -n 12; exec "$0" run "$1"'
        done = subprocess.run(["sh", "-c", script, CLI, self.file("main.go", HELLO)], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (125, b""), done.stderr)
        self.assertIn(b"Too many open files", done.stderr)

    def test_a_full_disk_under_the_state_directory_is_125_and_leaves_nothing(self):
        state = os.path.join(self.dir, "state")
        os.mkdir(state)
        script = 'mount -t tmpfs -o size=64k,mode=755 none "$2" && SANDBOX_RUN_STATE="$2" exec "$0" run "$1"'
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, CLI,
                               self.module({"main.go": HELLO, "big.bin": os.urandom(256 << 10)}), state],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        self.assertEqual((done.returncode, done.stdout), (125, b""), done.stderr)
        self.assertIn(b"No space left on device", done.stderr)
