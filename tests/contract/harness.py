"""What the contract tests stand on: run the CLI, read its report, check the report against the schema, look for
leftovers after every single test. A test is a sentence about what a user can rely on."""
import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import jsonschema

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "driver"))
import leftovers  # noqa: E402  (found through the path above)

CLI = os.environ.get("SANDBOX_RUN", os.path.join(TOP, "build", "release", "bin", "sandbox-run"))
STATE = os.environ.get("SANDBOX_RUN_STATE") or os.path.join(TOP, "build", "test-state")
os.environ["SANDBOX_RUN_STATE"] = STATE


def validator(name):
    with open(os.path.join(TOP, "docs", name + ".v1.schema.json")) as file:
        schema = json.load(file)
    return jsonschema.validators.validator_for(schema)(schema)


VALIDATORS = {name: validator(name) for name in ("report", "trace", "doctor")}


class Done:
    """A finished command: exit status as a shell would see it, both streams."""

    def __init__(self, status, out, err, seconds):
        self.status, self.out, self.seconds = status if status >= 0 else 128 - status, out, seconds
        self.err = err.decode(errors="replace")

    def __repr__(self):
        return "exit %d\nstdout: %r\nstderr: %s" % (self.status, self.out[-2000:], self.err[-4000:])


def go(body, *imports):
    """A program of package main with these imports, whose main is `body`."""
    return "package main\n\nimport (\n%s)\n\nfunc main() {\n%s\n}\n" % ("".join('\t"%s"\n' % i for i in imports), body)


HELLO = go('fmt.Println("hello")', "fmt")


class Case(unittest.TestCase):
    longMessage = True

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="contract.")
        self.before = leftovers.Snapshot()
        self.empty = tempfile.mkdtemp(prefix="contract-empty.")

    def tearDown(self):
        shutil.rmtree(self.dir)
        left = leftovers.found_since(self.before, self.empty, STATE)
        os.rmdir(self.empty)
        self.assertEqual(left, [], "left behind")

    # ── submissions ──────────────────────────────────────────────────────────────────────────────────────────────────

    def file(self, name, content):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def module(self, files, name="m", go_mod="module example.test/m\n\ngo 1.25\n"):
        """A module directory; `files` maps names to contents."""
        if go_mod is not None:
            self.file(name + "/go.mod", go_mod)
        for path, content in files.items():
            self.file(name + "/" + path, content)
        return os.path.join(self.dir, name)

    def program(self, body, *imports, name="main.go"):
        return self.file(name, go(body, *imports))

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, *arguments, **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        environment = dict(os.environ, **more.pop("env", {}))
        process = subprocess.Popen([CLI] + list(arguments), env=environment, start_new_session=True, **more)
        self.addCleanup(stop, process)
        return process

    def run_cli(self, *arguments, stdin=b"", timeout=90, **more):
        begun = time.time()
        process = self.start(*arguments, stdin=subprocess.PIPE, **more)
        out, err = process.communicate(stdin, timeout=timeout)
        return Done(process.returncode, out or b"", err or b"", time.time() - begun)

    def report(self, *arguments, **more):
        """The report of a --json run: validated, and the only thing on stdout."""
        done = self.run_cli(arguments[0], "--json", *arguments[1:], **more)
        try:
            report = json.loads(done.out)
        except ValueError:
            self.fail("no JSON report: %r" % done)
        self.check_report(report)
        self.done = done
        return report

    def let_others_in(self):
        """Lets other users get at self.dir: the driver's own directory, above it, lets nobody through."""
        os.chmod(self.dir, 0o755)
        above = os.path.dirname(self.dir)
        os.chmod(above, os.stat(above).st_mode | 0o011)

    def check_report(self, report):
        self.check_schema(report, "report")

    def check_schema(self, instance, schema):
        problems = sorted(VALIDATORS[schema].iter_errors(instance), key=lambda e: list(map(str, e.path)))
        self.assertEqual([], ["%s: %s" % ("/".join(map(str, p.path)), p.message) for p in problems],
                         json.dumps(instance))

    # ── assertions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def assert_status(self, done, status):
        self.assertEqual(done.status, status, repr(done))

    def assert_verdict(self, report, verdict, status=None):
        self.assertEqual(report["verdict"], verdict, json.dumps(report, indent=1)[:6000])
        if status is not None:
            self.assert_status(self.done, status)

    def assert_refused(self, done, status, *words):
        """Refused with this status, nothing on stdout, and every one of `words` in the explanation."""
        self.assert_status(done, status)
        self.assertEqual(done.out, b"", repr(done))
        for word in words:
            self.assertIn(word, done.err, repr(done))

    def eventually(self, condition, what, seconds=10):
        deadline = time.time() + seconds
        while not condition():
            self.assertLess(time.time(), deadline, "timed out: " + what)
            time.sleep(0.01)


def stream(report, name):
    data = report[name]
    return base64.b64decode(data) if report[name + "_encoding"] == "base64" else data.encode()


def stop(process):
    """Ends a supervisor that a failed test left running, the polite way first so that it cleans up."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()


def descendants(pid):
    """pids below `pid`, nearest first."""
    found, queue = [], [pid]
    while queue:
        parent = queue.pop(0)
        for task in os.listdir("/proc/%d/task" % parent) if os.path.isdir("/proc/%d" % parent) else []:
            try:
                with open("/proc/%d/task/%s/children" % (parent, task)) as f:
                    below = [int(p) for p in f.read().split()]
            except OSError:
                below = []
            found += below
            queue += below
    return found
