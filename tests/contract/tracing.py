"""What the tests of traced runs stand on: rules as text in, the trace as it is exported out."""
import json
import os
import socket
import subprocess
import time

from harness import STATE, Case

SUITE_LIMITS = ("--build-cpu-time", "300s", "--build-wall-time", "300s")  # a first build with hooks on a busy machine


def rule(name, at, do, *more):
    """One rule, each of whose values is written in YAML's flow form."""
    return "  - name: %s\n    at: %s\n    do: %s\n" % (name, at, do) + "".join("    %s\n" % line for line in more)


def rules(*parts, use=None):
    return "version: 1\n" + ("use: %s\n" % use if use else "") + ("rules:\n" + "".join(parts) if parts else "")


def line_of(source, text):
    """The number of the only line of `source` with `text` in it."""
    found = [number for number, line in enumerate(source.split("\n"), 1) if text in line]
    assert len(found) == 1, (text, found)
    return found[0]


class Trace:
    """An export of --trace-out, each line parsed."""

    def __init__(self, text):
        self.text = text
        self.lines = [json.loads(line) for line in text.splitlines()]
        self.header, self.summary = self.lines[0], self.lines[-1]
        self.events = [line for line in self.lines if line["type"] == "event"]
        self.calls = [line for line in self.lines if line["type"] == "call"]
        self.changes = [line for line in self.lines if line["type"] == "change"]

    def of(self, function, kind=None):
        return [e for e in self.events if e["function"] == function and kind in (None, e["kind"])]

    def verdicts(self, path):
        """What the join says of the witnessed calls about `path`."""
        return [c["verdict"] for c in self.calls if c.get("path") == path]

    def forgeries(self):
        return {one["kind"]: one["count"] for one in self.summary["forgeries"]}

    def totals(self, function):
        return next((f for f in self.summary["functions"] if f["function"] == function), None)


class TraceCase(Case):
    state = STATE
    started_as = {}  # for Popen: another user, another state directory

    def start(self, *arguments, **more):
        return super().start(*arguments, **dict(self.started_as, **more))

    def rules_file(self, text, name="rules.yaml"):
        return self.file(name, text)

    def traced(self, source, rules_or_sets, *flags, status=0, **more):
        """Runs `source` traced. `rules_or_sets`: a rules file's text, or the names of sets."""
        words = self.rules_file(rules_or_sets) if "\n" in rules_or_sets else rules_or_sets
        out = os.path.join(self.dir, "trace.jsonl")
        self.done = self.run_cli("run", "--trace", words, "--trace-out", out, *SUITE_LIMITS, *flags, source,
                                 timeout=400, **more)
        self.assert_status(self.done, status)
        return self.read_trace(out)

    def read_trace(self, path):
        """An export, held against its schema: all kinds of line, not all of a hundred thousand."""
        with open(path) as f:
            trace = Trace(f.read())
        for line in trace.lines[:200] + trace.lines[-50:]:
            self.check_schema(line, "trace")
        return trace

    def traced_report(self, source, rules_or_sets, *flags):
        words = self.rules_file(rules_or_sets) if "\n" in rules_or_sets else rules_or_sets
        return self.report("run", "--trace", words, *SUITE_LIMITS, *flags, source, timeout=400)

    def live(self, source, rules_text, *flags):
        """Starts `source` traced and waits for its first line; the run's id is self.run_id."""
        runs = os.path.join(self.state, "run")
        known = set(os.listdir(runs)) if os.path.isdir(runs) else set()
        out = os.path.join(self.dir, "trace.jsonl")
        process = self.start("run", "--trace", self.rules_file(rules_text), "--trace-out", out, "--wall-time", "120s",
                             "--cpu-time", "60s", *SUITE_LIMITS, *flags, source, stdin=subprocess.PIPE)
        first = process.stdout.readline()
        self.assertEqual(first, b"ready\n", process.stderr.read() if not first else first)
        mine = [i for i in os.listdir(runs) if i not in known and os.path.exists(os.path.join(runs, i, "trace.sock"))]
        self.assertEqual(len(mine), 1, mine)
        self.run_id = mine[0]
        return process

    def end(self, process):
        """Lets a live program end, and reads its trace."""
        out, err = process.communicate(b"\n", timeout=60)
        self.assertEqual(process.returncode, 0, err)
        self.rest = out
        return self.read_trace(os.path.join(self.dir, "trace.jsonl"))

    def trace_command(self, *words, status=0):
        done = self.run_cli("trace", *words)
        self.assert_status(done, status)
        return done

    def ask_directly(self, request):
        """One request over the run's socket, without the time that a new process takes to start."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(self.state, "run", self.run_id, "trace.sock"))
            sent = time.time()
            s.sendall(request.encode())
            answer = s.makefile().readline()
        return sent, json.loads(answer)
