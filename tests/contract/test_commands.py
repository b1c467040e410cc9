"""The other commands: help, doctor, profile, dry-run, build, exec, test, toolchain, cache; and what a program sees."""
import json
import os
import re
import shutil
import socket
import subprocess
import zipfile

from harness import CLI, HELLO, Case, go

COMMANDS = ("run", "build", "verify", "fetch", "exec", "test", "doctor", "profile", "toolchain", "cache", "trace")
RUN_FLAGS = """cpu-time wall-time memory pids cpus output scratch open-files env stdin net profile mount-ro mount-rw out
on-denied tier go tags fetch with-source proc dry-run json report capture root pin unpinned weaken require quiet verbose
build-cpu-time build-wall-time build-memory build-pids build-output max-files max-bytes max-depth trace trace-out
trace-chrome""".split()


class Help(Case):
    def test_help_lists_every_command_and_flag(self):
        top = self.run_cli("--help")
        self.assert_status(top, 0)
        for command in COMMANDS:
            with self.subTest(command):
                self.assertIn(command, top.out.decode())
                done = self.run_cli(command, "--help")
                self.assertEqual((done.status, done.err), (0, ""), repr(done))
                self.assertIn("sandbox-run " + command, done.out.decode())
                self.assertEqual(self.run_cli("help", command).out, done.out)
        text = self.run_cli("run", "--help").out.decode()
        self.assertEqual([f for f in RUN_FLAGS if "--" + f not in text], [])


class Host(Case):
    def test_doctor_says_a_run_would_be_accepted(self):
        done = self.run_cli("doctor")
        self.assert_status(done, 0)
        self.assertIn("a run would be accepted", done.out.decode())

    def test_doctor_json_names_each_wall(self):
        report = json.loads(self.run_cli("doctor", "--json").out)
        self.check_schema(report, "doctor")
        walls = [p for p in report["probes"] if p["kind"] == "wall"]
        self.assertTrue(report["accepted"])
        self.assertGreater(len(walls), 5)
        self.assertTrue(all(p["present"] for p in walls), walls)

    def test_doctor_refuses_where_a_run_would_be_refused_and_says_the_remedy(self):
        done = self.run_cli("doctor", env={"SANDBOX_RUN_STATE": "/proc/nowhere"})
        self.assert_status(done, 125)
        self.assertIn("/proc/nowhere", done.out.decode() + done.err)

    def test_doctor_takes_no_root_owned_toolchain_for_a_strangers(self):
        """An ordinary user's probes end in a user namespace, where root's files belong to nobody."""
        home, goroot, cli = (os.path.join(self.dir, name) for name in ("home", "goroot", "sandbox-run"))
        self.let_others_in()
        for directory in home, goroot:
            os.mkdir(directory)
        os.chown(home, 4242, 4242)
        self.file("goroot/VERSION", "go1.26.8\n")
        shutil.copy(CLI, cli)
        # Not self.run_cli: the checkout may lie where other users cannot look.
        done = subprocess.run([cli, "doctor"], user=4242, group=4242, extra_groups=[], capture_output=True, text=True,
                              env={"SANDBOX_RUN_STATE": home, "SANDBOX_RUN_GOROOT": goroot, "PATH": "/usr/bin:/bin"})
        self.assertIn(goroot, done.stdout)
        self.assertNotIn("belongs to user", done.stdout)

    def test_profiles_argue_for_every_rule(self):
        listed = self.run_cli("profile", "list").out.decode()
        for name in ("go-run", "go-build"):
            self.assertIn(name, listed)
            text, names = "", [name]
            while names:  # profiles include others
                shown = self.run_cli("profile", "show", names.pop()).out.decode()
                names += re.findall(r"^include (\S+)", shown, re.M)
                text += shown
            rules = [l for l in text.split("\n") if re.match(r"(allow|quiet)\b", l)]
            self.assertGreater(len(rules), 30)
            self.assertEqual([l for l in rules if "#" not in l], [])

    def test_toolchain_and_cache_lists(self):
        self.assert_status(self.run_cli("toolchain", "list"), 0)
        empty = self.run_cli("toolchain", "list", env={"SANDBOX_RUN_STATE": os.path.join(self.dir, "state")})
        self.assertEqual((empty.status, empty.out), (0, b""))
        self.assertIn("no toolchain is installed", empty.err)
        self.assert_status(self.run_cli("cache", "list"), 0)


class Plan(Case):
    def test_dry_run_prints_the_plan_and_runs_nothing(self):
        body = 'panic("it ran")'
        done = self.run_cli("run", "--dry-run", "--memory", "123MiB", self.program(body))
        self.assert_status(done, 0)
        self.assertIn("123 MiB", done.out.decode())
        for step in ("root.pivot", "identity.drop", "filter.install"):
            self.assertIn(step, done.out.decode())
        self.assertNotIn("it ran", done.out.decode() + done.err)

    def test_dry_run_names_the_calls_that_a_trace_watches(self):
        source = self.program('panic("it ran")')
        watched = lambda *flags: re.findall(r"^watched +(.*)$", self.run_cli(  # noqa: E731
            "run", "--dry-run", *flags, source).out.decode(), re.M)
        (calls,) = watched("--trace", "std:files")
        self.assertIn("openat", calls.split(", "))
        self.assertEqual(watched(), [])  # control

    def test_a_wall_that_is_given_up_is_named_once(self):
        weakened = lambda *flags: re.findall(r"^weakened +(.*)$", self.run_cli(
            "exec", "--dry-run", *flags, "/bin/true").out.decode(), re.M)
        self.assertEqual(weakened("--weaken", "uts"), ["uts"])
        self.assertEqual(weakened("--weaken", "uts", "--weaken", "uts"), ["uts"])
        self.assertEqual(weakened("--weaken", "uts", "--weaken", "ipc"), ["uts, ipc"])
        self.assertEqual(weakened(), ["nothing"])  # control


class Build(Case):
    def test_build_writes_a_static_binary_that_exec_runs(self):
        out = os.path.join(self.dir, "prog")
        done = self.run_cli("build", "-o", out, self.file("main.go", HELLO))
        self.assert_status(done, 0)
        with open(out, "rb") as f:
            self.assertEqual(f.read(4), b"\x7fELF")
        self.assertEqual(self.run_cli("exec", out).out, b"hello\n")

    def test_what_is_no_program_is_not_written_over(self):
        notes, source = self.file("notes", "keep me\n"), self.file("main.go", HELLO)
        self.assert_refused(self.run_cli("build", "-o", notes, source), 125, notes, "no program", "-o")
        with open(notes) as f:
            self.assertEqual(f.read(), "keep me\n")
        out = os.path.join(self.dir, "prog")
        for _ in range(2):  # control: a program is
            self.assert_status(self.run_cli("build", "-o", out, source), 0)

    def test_a_program_does_not_take_the_name_of_its_archive(self):
        path = os.path.join(self.dir, "prog.zip")
        with zipfile.ZipFile(path, "w") as z:
            z.writestr("go.mod", "module example.test/m\n\ngo 1.25\n")
            z.writestr("main.go", HELLO)
        self.assert_status(self.run_cli("build", path, cwd=self.dir), 0)
        self.assertTrue(zipfile.is_zipfile(path))
        self.assertEqual(self.run_cli("exec", os.path.join(self.dir, "prog")).out, b"hello\n")

    def test_exec_refuses_what_is_no_elf_and_reports_like_run(self):
        script = self.file("script", "#!/bin/sh\necho hello\n")
        os.chmod(script, 0o755)
        self.assert_refused(self.run_cli("exec", script), 120, "script")
        out = os.path.join(self.dir, "prog")
        self.assert_status(self.run_cli("build", "-o", out, self.file("main.go", go("os.Exit(3)", "os"))), 0)
        report = self.report("exec", out)
        self.assert_verdict(report, "runtime_error", 3)

    def test_the_same_source_again_comes_from_the_cache(self):
        source = self.file("main.go", go('fmt.Println("%s")' % os.urandom(8).hex(), "fmt"))
        first, second = self.report("run", source), self.report("run", source)
        self.assertEqual((first["build"]["cached"], second["build"]["cached"]), (False, True))
        self.assertEqual(first["build"]["binary_sha256"], second["build"]["binary_sha256"])

    def test_a_damaged_cache_entry_is_built_again(self):
        source = self.file("main.go", go('fmt.Println("%s")' % os.urandom(8).hex(), "fmt"))
        first = self.report("run", source)
        sha, damaged = first["build"]["binary_sha256"], 0
        size = first["build"]["binary_bytes"]
        for root, _, names in os.walk(os.path.join(os.environ["SANDBOX_RUN_STATE"], "artifacts")):
            for name in names:
                path = os.path.join(root, name)
                if os.path.getsize(path) >= size and os.path.getmtime(path) >= os.path.getmtime(source):
                    os.chmod(path, 0o644)
                    with open(path, "r+b") as f:
                        f.seek(size // 2)
                        f.write(b"damaged")
                    damaged += 1
        self.assertGreater(damaged, 0)
        second = self.report("run", source)
        self.assert_verdict(second, "ok", 0)
        self.assertEqual((second["build"]["cached"], second["build"]["binary_sha256"]), (False, sha))

    def test_tags_choose_files(self):
        module = self.module({"main.go": go("println(word)"), "a.go": '//go:build loud\n\npackage main\n\nconst word = "LOUD"\n',
                              "b.go": '//go:build !loud\n\npackage main\n\nconst word = "quiet"\n'})
        self.assertEqual(self.run_cli("run", module).err, "quiet\n")
        self.assertEqual(self.run_cli("run", "--tags", "loud", module).err, "LOUD\n")

    def test_test_runs_a_packages_tests(self):
        test = 'package main\n\nimport "testing"\n\nfunc TestSum(t *testing.T) {\n\tif 1+1 != %d {\n\t\tt.Fatal("no")\n\t}\n}\n'
        good = self.module({"main.go": HELLO, "main_test.go": test % 2})
        bad = self.module({"main.go": HELLO, "main_test.go": test % 3}, name="bad")
        self.assert_status(self.run_cli("test", good), 0)
        done = self.run_cli("test", bad)
        self.assert_status(done, 1)
        self.assertIn(b"--- FAIL: TestSum", done.out)
        none = self.module({"main.go": HELLO}, name="none")
        self.assert_refused(self.run_cli("test", none), 121, "no _test.go files")


class Inside(Case):
    def test_the_environment_is_exactly_this_and_what_env_adds(self):
        source = self.program('for _, e := range os.Environ() { fmt.Println(e) }', "fmt", "os")
        done = self.run_cli("run", "--env", "A=b c", source, env={"SECRET": "x", "TZ": "Asia/Tokyo"})
        names = sorted(l.split("=")[0] for l in done.out.decode().split("\n") if l)
        self.assertEqual(names, sorted("HOME TMPDIR USER PATH LANG GOMAXPROCS GOMEMLIMIT A".split()))
        self.assertIn(b"A=b c\n", done.out)

    def test_arguments_reach_the_program(self):
        source = self.program('fmt.Printf("%q\\n", os.Args[1:])', "fmt", "os")
        self.assertEqual(self.run_cli("run", source, "--", "a", "--json", "", "b c").out, b'["a" "--json" "" "b c"]\n')

    def test_the_host_is_out_of_sight(self):
        body = '''
	for _, path := range []string{"/proc/self", "/sys", "/bin/sh", "/root", "/var", "/home", "/run"} {
		if _, err := os.Stat(path); err == nil { fmt.Println("sees", path) }
	}
	if err := os.WriteFile("/x", nil, 0o600); err == nil { fmt.Println("writes /") }
	fmt.Println(os.Getpid(), os.Getuid(), os.Getgid())'''
        self.assertEqual(self.run_cli("run", self.program(body, "fmt", "os")).out, b"2 1000 1000\n")

    def test_with_source_shows_the_snapshot_read_only(self):
        body = '''
	data, err := os.ReadFile("data.txt")
	fmt.Printf("%s %v\\n", data, err == nil)
	fmt.Println(os.WriteFile("data.txt", nil, 0o600) != nil)'''
        module = self.module({"main.go": go(body, "fmt", "os"), "data.txt": "shown"})
        self.assertEqual(self.run_cli("run", "--with-source", module).out, b"shown true\ntrue\n")
        self.assertEqual(self.run_cli("run", module).out, b" false\nfalse\n")

    def test_mounts_and_collected_files(self):
        data, out = os.path.join(self.dir, "data"), os.path.join(self.dir, "out")
        os.mkdir(data)
        self.file("data/in.txt", "given")
        os.chmod(data, 0o777)
        body = '''
	in, err := os.ReadFile("/data/in.txt")
	fmt.Println(string(in), err)
	fmt.Println(os.WriteFile("/data/new.txt", []byte("new"), 0o644) == nil)
	os.WriteFile("/work/result.txt", []byte("result"), 0o644)
	os.Symlink("/etc/passwd", "/work/link.txt")'''
        source = self.program(body, "fmt", "os")
        done = self.run_cli("run", "--mount-ro", data + ":/data", "--out", "*.txt=" + out, source)
        self.assertEqual(done.out, b"given <nil>\nfalse\n", repr(done))
        self.assertEqual(os.listdir(out), ["result.txt"])
        done = self.run_cli("run", "--mount-rw", data + ":/data", source)
        self.assertEqual(done.out, b"given <nil>\ntrue\n", repr(done))

    def test_fsync_reaches_the_host_only_where_its_files_may_be_written(self):
        # Each one the kernel carries out flushes the cache of the disk below, whether or not the file may be written.
        source = self.program('fmt.Println(syscall.Fsync(99), syscall.Fdatasync(99))', "fmt", "syscall")
        self.assertEqual(self.run_cli("run", source).out, b"<nil> <nil>\n")
        control = self.run_cli("run", "--mount-rw", self.dir + ":/data", source)
        self.assertEqual(control.out, b"bad file descriptor bad file descriptor\n", repr(control))
        traced = self.run_cli("run", "--trace", "std:files", "--mount-rw", self.dir + ":/data", source)
        self.assertEqual(traced.out, control.out, repr(traced))

    def test_a_required_hardening_is_in_force(self):
        held = self.report("run", self.file("main.go", HELLO))["sandbox"]["hardening"]
        self.assertIn("landlock", held)
        flags = [word for name in held for word in ("--require", name)]
        self.assertEqual(self.report("run", *flags, self.file("main.go", HELLO))["sandbox"]["hardening"], held)

    def test_weaken_is_recorded(self):
        listed = self.run_cli("run", "--weaken", "everything", self.file("main.go", HELLO)).err
        names = re.findall(r"[a-z]+", listed.split("there are: ", 1)[1].split(";", 1)[0].split("\n", 1)[0])
        self.assertIn("cgroup", names)
        for name in names:
            with self.subTest(name):
                report = self.report("run", "--weaken", name, self.file("main.go", HELLO))
                self.assertEqual(report["sandbox"]["weakened"], [name])
        self.assertEqual(self.report("run", self.file("main.go", HELLO))["sandbox"]["weakened"], [])

    def test_the_hosts_network_is_reached_only_where_the_profile_has_sockets(self):
        source = self.program('c, err := net.Dial("tcp", os.Args[1])\n\tfmt.Println(c != nil, err)', "fmt", "net", "os")
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            address = "127.0.0.1:%d" % server.getsockname()[1]
            for flags, reached in ((("--weaken", "network"), "false"),
                                   (("--profile", "go-run-loopback"), "false"),
                                   (("--weaken", "network", "--profile", "go-run-loopback"), "true")):
                done = self.run_cli("run", *flags, source, "--", address)
                self.assertEqual(done.out.decode().split()[0], reached, repr(done))

    def test_verbose_narrates_on_stderr_only(self):
        done = self.run_cli("run", "--verbose", self.file("main.go", HELLO))
        self.assertEqual(done.out, b"hello\n")
        self.assertGreater(len(done.err.split("\n")), 4)
