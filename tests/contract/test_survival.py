"""Killed supervisors, killed inits, stopped supervisors, many at once: nothing is left, and the next run is correct."""
import concurrent.futures
import json
import os
import signal
import time
import unittest

import leftovers
from harness import HELLO, Case, descendants, stop

SLEEP = 'fmt.Println("ready")\n\ttime.Sleep(time.Minute)'


class Killed(Case):
    def sleeping(self, *flags):
        """A run whose program waits: the supervisor's process, once the program has said so."""
        process = self.start("run", "--wall-time", "1m", *flags, self.program(SLEEP, "fmt", "time"))
        self.assertEqual(process.stdout.readline(), b"ready\n")
        return process

    def cgroups_of_runs(self):
        return sorted(leftovers.cgroups() - self.before.cgroups)

    def test_kill_9_of_the_supervisor_kills_the_run_and_the_next_start_removes_the_rest(self):
        process = self.sleeping()
        below = descendants(process.pid)
        self.assertGreaterEqual(len(below), 2, "an init and a program")
        self.assertNotEqual(self.cgroups_of_runs(), [])
        process.kill()
        process.wait()
        self.eventually(lambda: not any(os.path.exists("/proc/%d" % pid) and not zombie(pid) for pid in below),
                        "the run's processes end with their supervisor", 3)
        done = self.run_cli("run", self.file("next.go", HELLO))
        self.assertEqual((done.status, done.out), (0, b"hello\n"), repr(done))
        self.eventually(lambda: not self.cgroups_of_runs(), "the next start removes its orphans' cgroups", 3)

    def test_control_a_live_run_is_no_orphan(self):
        process = self.sleeping()
        groups = self.cgroups_of_runs()
        self.assertEqual(self.run_cli("run", self.file("next.go", HELLO)).out, b"hello\n")
        self.assertEqual(self.cgroups_of_runs(), groups)
        self.assertIsNone(process.poll())
        stop(process)

    def test_kill_9_of_the_supervisor_at_any_moment(self):
        source = self.program("for i := 0; i < 1000; i++ { fmt.Println(i) }", "fmt")
        self.assert_status(self.run_cli("run", source), 0)  # so that no build is in the way
        for delay_ms in range(0, 40, 2):
            process = self.start("run", source)
            time.sleep(delay_ms / 1000)
            process.kill()
            process.communicate()
        self.assertEqual(self.run_cli("run", self.file("next.go", HELLO)).out, b"hello\n")
        self.eventually(lambda: not self.cgroups_of_runs(), "orphans are removed", 3)

    def test_kill_9_while_building_heals(self):
        for delay_ms in (50, 150, 250):
            source = self.program('fmt.Println("%s")' % os.urandom(8).hex(), "fmt")
            process = self.start("run", source)
            time.sleep(delay_ms / 1000)
            process.kill()
            process.communicate()
            done = self.run_cli("run", source)
            self.assert_status(done, 0)

    def test_kill_9_of_init_is_an_internal_error_and_leaves_nothing(self):
        """The kernel kills the program with its pid 1, so nobody is left to say how it ended; and since neither a limit
        nor a deed of the program's explains the end, the verdict must not be one about the program."""
        for _ in range(5):
            process = self.sleeping("--report", self.dir + "/report.json")
            os.kill(descendants(process.pid)[0], signal.SIGKILL)
            process.wait(10)
            with open(self.dir + "/report.json") as f:
                report = json.load(f)
            self.assertEqual((report["verdict"], report["signal"]), ("internal_error", None), json.dumps(report))
            self.assertEqual(process.returncode, 125)

    def test_kill_9_of_the_program_is_signalled(self):
        process = self.sleeping("--report", self.dir + "/report.json")
        os.kill(descendants(process.pid)[-1], signal.SIGKILL)
        process.wait(10)
        with open(self.dir + "/report.json") as f:
            report = json.load(f)
        self.assertEqual((report["verdict"], report["signal"]), ("signalled", "SIGKILL"))
        self.assertEqual(process.returncode, 137)

    def test_a_supervisor_stopped_past_the_deadline_still_judges_by_the_kernels_counters(self):
        source = self.program('fmt.Println("ready")\n\tfor {}', "fmt")
        process = self.start("run", "--cpu-time", "500ms", "--report", self.dir + "/report.json", source)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        process.send_signal(signal.SIGSTOP)
        time.sleep(2.5)
        process.send_signal(signal.SIGCONT)
        process.wait(10)
        self.assertEqual(process.returncode, 124)
        with open(self.dir + "/report.json") as f:
            self.assertEqual(json.load(f)["verdict"], "cpu_time_exceeded")


class Many(Case):
    def test_64_runs_at_once_each_get_their_own_end(self):
        denied = self.program("syscall.Socket(2, 1, 0)", "syscall", name="denied.go")
        fine = self.program('fmt.Println("fine")', "fmt", name="fine.go")
        for source in (denied, fine):
            self.run_cli("run", source)
        run = lambda i: self.run_cli("run", "--on-denied", "kill", denied if i % 2 else fine, timeout=180)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            ends = list(pool.map(run, range(64)))
        self.assertEqual([d.status for d in ends], [159 if i % 2 else 0 for i in range(64)])
        self.assertTrue(all(d.out == b"fine\n" for d in ends[::2]))

    def test_20_first_runs_fill_the_caches_once_and_one_killed_midway_heals(self):
        state = os.path.join(self.dir, "state")
        source = self.program('fmt.Println("first")', "fmt")
        killed = self.start("run", source, env={"SANDBOX_RUN_STATE": state})
        time.sleep(2)
        killed.kill()
        killed.communicate()
        run = lambda _: self.run_cli("run", source, env={"SANDBOX_RUN_STATE": state}, timeout=300)
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            ends = list(pool.map(run, range(20)))
        self.assertEqual([(d.status, d.out) for d in ends], [(0, b"first\n")] * 20, [d for d in ends if d.status][:1])
        caches = [d for d in os.listdir(os.path.join(state, "std")) if not d.startswith(".") and
                  os.path.isdir(os.path.join(state, "std", d))] if os.path.isdir(os.path.join(state, "std")) else None
        self.assertEqual(len(caches or []), 1, os.listdir(state))
        self.assertEqual(os.listdir(os.path.join(state, "run")), [])


def zombie(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


if __name__ == "__main__":
    unittest.main()
