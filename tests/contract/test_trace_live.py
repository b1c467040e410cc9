"""Rules of a running program are switched from outside: at once, without stopping it, and by nobody else."""
import glob
import json
import os
import shutil
import time

from harness import CLI
from tracing import TraceCase, rule, rules

# Says when it sees a change, by its own clock.
LOOP = '''package main

import (
	"errors"
	"fmt"
	"os"
	"time"
)

func gate(name string) error { return nil }

func main() {
	fmt.Println("ready")
	done := make(chan bool)
	go func() { os.Stdin.Read(make([]byte, 1)); close(done) }()
	closed := false
	for {
		select {
		case <-done:
			return
		default:
		}
		if err := gate("front"); (err != nil) != closed {
			closed = !closed
			fmt.Println(time.Now().UnixNano(), errors.Unwrap(err) == nil && closed)
		}
		time.Sleep(100 * time.Microsecond)
	}
}
'''
ABORT = rule("gate", "main.gate", "{abort: closed}", "when: {argument: name, prefix: %s}", "active: %s")
SOON = 1.0  # seconds; the figure itself is printed, and is a thousandth of this on an idle machine


class Live(TraceCase):
    def start_loop(self, prefix="front", active="false"):
        self.process = self.live(self.file("main.go", LOOP), rules(ABORT % (prefix, active)))

    def change_seen(self):
        """(when, whether closed) of the next change that the program prints."""
        when, closed = self.process.stdout.readline().split()
        return int(when) / 1e9, closed == b"true"

    def switch_to_and_fro(self):
        """20 times, each seen by the program; and nothing else seen."""
        self.start_loop()
        delays = []
        for i in range(20):
            wanted = i % 2 == 0
            sent, answer = self.ask_directly("attach gate\n" if wanted else "detach gate\n")
            self.assertEqual(answer, {"ok": True, "rule": "gate", "active": wanted})
            when, closed = self.change_seen()
            self.assertEqual(closed, wanted)
            delays.append(when - sent)
        trace = self.end(self.process)
        print("\nattach/detach: seen by the program after %.2f ms (median), %.2f ms (most)" % (
            sorted(delays)[len(delays) // 2] * 1e3, max(delays) * 1e3))
        self.assertLess(max(delays), SOON)
        self.assertEqual([c["action"] for c in trace.changes], ["attach", "detach"] * 10)
        self.assertEqual(self.rest, b"", "nothing changed that nobody switched")
        return trace


class Switch(Live):
    def test_attach_and_detach_act_at_once_on_a_running_program(self):
        self.switch_to_and_fro()

    def test_the_command_line_switches_by_the_beginning_of_the_runs_id(self):
        self.start_loop()
        self.assertIn(self.run_id, self.trace_command("list").out.decode().split())
        listed = json.loads(self.trace_command("list", self.run_id[:12]).out)["rules"]
        self.assertEqual([(r["name"], r["active"]) for r in listed], [("gate", False)])
        begun = time.time()
        self.trace_command("attach", self.run_id[:12], "gate")
        when, closed = self.change_seen()
        print("\ntrace attach: seen %.1f ms after the command was started" % ((when - begun) * 1e3))
        self.assertTrue(closed)
        self.assertTrue(json.loads(self.trace_command("list", self.run_id).out)["rules"][0]["active"])
        self.trace_command("detach", self.run_id, "gate")
        self.assertFalse(self.change_seen()[1])
        self.assertGreater(self.end(self.process).totals("main.gate")["aborted"], 0)

    def test_reload_replaces_conditions_and_flags(self):
        self.start_loop(prefix="back", active="true")
        time.sleep(0.1)
        for prefix, active, closed in (("front", "true", True), ("back", "true", False), ("fro", "true", True),
                                       ("front", "false", False)):
            begun = time.time()
            self.trace_command("reload", self.run_id, self.rules_file(rules(ABORT % (prefix, active)), "new.yaml"))
            when, now = self.change_seen()
            self.assertEqual(now, closed, (prefix, active))
            self.assertLess(when - begun, 10 * SOON)
        trace = self.end(self.process)
        self.assertEqual([c["action"] for c in trace.changes], ["reload"] * 4)

    def test_what_was_not_built_in_is_refused_with_what_to_do(self):
        self.start_loop()
        refused = lambda *words: self.trace_command(*words, status=125).err
        said = refused("attach", self.run_id, "gaet")
        for word in ("'gaet'", "add it to the rules and rebuild", "did you mean 'gate'"):
            self.assertIn(word, said)
        more = self.rules_file(rules(ABORT % ("front", "true"), rule("new", "main.main", "count")), "more.yaml")
        said = refused("reload", self.run_id, more)
        self.assertIn("more.yaml:8:5: ", said)
        self.assertIn("add it to the rules and rebuild", said)
        other = self.rules_file(rules(rule("gate", "main.main", "count")), "other.yaml")
        self.assertIn("add it to the rules and rebuild", refused("reload", self.run_id, other))
        broken = self.rules_file("version: 1\nrules: [\n", "broken.yaml")
        self.assertIn("broken.yaml:", refused("reload", self.run_id, broken))
        self.assertIn("missing.yaml", refused("reload", self.run_id, os.path.join(self.dir, "missing.yaml")))
        self.trace_command("attach", self.run_id, "gate")  # control: the run still listens, and nothing had changed
        self.assertTrue(self.change_seen()[1])
        self.end(self.process)

    def test_an_unknown_run_is_refused(self):
        said = self.trace_command("attach", "0123456789abcdef", "gate", status=125).err
        self.assertIn("no traced run '0123456789abcdef'", said)
        self.assertIn("trace list", said)

    def test_no_other_user_can_switch_anything(self):
        self.start_loop()
        socket = os.path.join(os.environ["SANDBOX_RUN_STATE"], "run", self.run_id, "trace.sock")
        self.assertEqual(os.stat(socket).st_mode & 0o777, 0o600)
        for garbage in ("\n", "attach\n", "attach gate extra\0\n", "reload 99999999999 x\n", "destroy gate\n",
                        "x" * 5000 + "\n"):
            _, answer = self.ask_directly(garbage)
            self.assertFalse(answer["ok"], garbage)
        _, answer = self.ask_directly("list\n")  # control
        self.assertEqual([r["active"] for r in answer["rules"]], [False])
        self.end(self.process)

    def test_a_run_that_has_ended_can_not_be_switched(self):
        self.start_loop()
        self.end(self.process)
        self.assertNotIn(self.run_id, self.trace_command("list").out.decode())
        self.trace_command("attach", self.run_id, "gate", status=125)


class Rootless(Live):
    NOBODY = 65534

    def test_rules_are_switched_without_root(self):
        hierarchies = [d for d in glob.glob("/sys/fs/cgroup/*") if os.path.exists(os.path.join(d, "cgroup.procs"))]
        if os.geteuid() != 0 or not os.path.isdir("/sys/fs/cgroup/memory"):
            self.skipTest("a group can be handed to another user by root, and in this way on cgroup v1")
        self.let_others_in()
        self.state = os.path.join(self.dir, "state")
        for kept in ("std", "hook-tools"):
            shutil.copytree(os.path.join(TraceCase.state, kept), os.path.join(self.state, kept), symlinks=True)
        top = os.path.dirname(os.path.dirname(CLI))
        product = os.path.join(self.dir, "product")  # where the other user can get at it
        shutil.copytree(os.path.join(top, "libexec"), os.path.join(product, "libexec"))
        os.mkdir(os.path.join(product, "bin"))
        shutil.copy(CLI, os.path.join(product, "bin"))
        name = "rootless-%d" % os.getpid()
        groups = [os.path.join(h, name) for h in hierarchies]
        for group in groups:
            os.mkdir(group)
            self.addCleanup(self.remove_group, group)
        for place in [self.dir] + groups:
            for directory, _, files in os.walk(place):
                for path in [directory] + [os.path.join(directory, f) for f in files]:
                    os.chown(path, self.NOBODY, self.NOBODY, follow_symlinks=False)
        self.started_as = dict(
            user=self.NOBODY, group=self.NOBODY, extra_groups=[], executable=os.path.join(product, "bin/sandbox-run"),
            env={"SANDBOX_RUN_STATE": self.state, "SANDBOX_RUN_CGROUP": "/" + name, "HOME": self.state})
        trace = self.switch_to_and_fro()
        self.assertEqual([(w["name"], w["present"]) for w in trace.summary["witnesses"]],
                         [("seccomp", False), ("uprobe", False), ("tracepoint", False)])
        self.assertIn("it takes root", trace.summary["witnesses"][1]["why"])
        self.assertNotIn("hits", trace.summary)

    @staticmethod
    def remove_group(group):
        for directory, _, _ in os.walk(group, topdown=False):
            os.rmdir(directory)
