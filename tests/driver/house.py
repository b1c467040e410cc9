"""What every suite stands on: where things are, how a command is run, how results are counted."""
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RELEASE = os.path.join(TOP, "build", "release")
CLI = os.path.join(RELEASE, "bin", "sandbox-run")
WORKERS = min(2, os.cpu_count() or 1)


class Result:
    """Counts of a suite. A failure is printed when it happens, with everything the test said."""

    def __init__(self):
        self.passed, self.failures, self.skipped = 0, [], []

    def ok(self, count=1):
        self.passed += count

    def fail(self, name, output):
        self.failures.append((name, output))
        print("   FAILED %s\n%s" % (name, indent(output)), flush=True)

    def skip(self, name, reason):
        self.skipped.append((name, reason))

    def check(self, name, holds, output=""):
        if holds:
            self.ok()
        else:
            self.fail(name, output)


class Context:
    """The environment the suites run in: a state directory of the tests' own and a temporary directory per suite."""

    def __init__(self, everything, want):
        self.everything, self.want = everything, want
        self.state = os.path.join(TOP, "build", "test-state")
        self.temporary = None
        self.survivors = os.path.join(TOP, "build", "survivors")
        goroot = find_goroot()
        self.environment = dict(os.environ, SANDBOX_RUN_STATE=self.state, SANDBOX_RUN_TEST_STATE=self.state,
                                SANDBOX_RUN=CLI, PYTHONDONTWRITEBYTECODE="1",
                                SANDBOX_RUN_GOROOT=goroot, PATH=os.path.join(goroot, "bin") + ":" + os.environ["PATH"])

    def enter(self, temporary):
        self.temporary = temporary
        self.environment["TMPDIR"] = temporary

    def take_survivors(self):
        """Processes that outlived the command that started them, since the last call."""
        if not os.path.exists(self.survivors):
            return []
        with open(self.survivors) as f:
            lines = f.read().splitlines()
        os.remove(self.survivors)
        return lines

    def wants(self, suite, name):
        """Whether NAME of SUITE is asked for: all of a suite that is named alone, else those with the given prefix."""
        mine = [w.partition("/")[2] for w in self.want if w.split("/")[0] == suite]
        return not mine or any(name.startswith(prefix) for prefix in mine)

    def run(self, command, timeout, **more):
        """(exit status, output of both streams). A timeout is a failure that says so; the whole group is killed."""
        command = [sys.executable, "-B", os.path.join(TOP, "tests", "driver", "reaper.py"), self.survivors] + command
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env=dict(self.environment, **more.pop("env", {})), start_new_session=True, **more)
        try:
            output, _ = process.communicate(timeout=timeout)
            return process.returncode, output.decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, _ = process.communicate()
            return -9, output.decode(errors="replace") + "\n(killed: ran for more than %d s)" % timeout


def find_goroot():
    """The toolchain that sandbox-run itself would take."""
    doctor = subprocess.run([CLI, "doctor", "--json"], capture_output=True, text=True)
    try:
        probes = {p["name"]: p for p in json.loads(doctor.stdout)["probes"]}
        return re.match(r"go\S+ at (/.*)$", probes["go toolchain"]["detail"]).group(1)
    except (ValueError, LookupError, AttributeError):
        sys.exit("run-tests: 'sandbox-run doctor --json' names no Go toolchain: %r %s" % (doctor.stdout, doctor.stderr))


def indent(text):
    return "\n".join("      " + line for line in text.rstrip("\n").split("\n"))


def in_parallel(function, items, workers=WORKERS):
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))


def tool(*names):
    """The first of these that is on PATH. A missing tool is an error, not a pass."""
    for name in names:
        if shutil.which(name):
            return name
    raise FileNotFoundError("none of %s is installed; packaging/set-up tests installs it" % ", ".join(names))


def tracked(*suffixes):
    """Files of the repository by suffix, without what is built."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=TOP, capture_output=True)
    if listed.returncode == 0:
        names = listed.stdout.decode().split("\0")
    else:
        names = [os.path.relpath(os.path.join(root, name), TOP) for root, _, files in os.walk(TOP) for name in files]
        names = [name for name in names if name.split(os.sep)[0] not in ("build", ".git")]
    found = [n for n in names if n.endswith(suffixes) and os.path.exists(os.path.join(TOP, n))]
    if not found:
        raise FileNotFoundError("no file of the repository ends in %s: nothing would be checked" % ", ".join(suffixes))
    return found


def count_gtest(result, name, status, output, report):
    """Adds a GoogleTest executable's counts from its JSON report; a crash has none and counts as one failure."""
    try:
        with open(report) as f:
            suites = json.load(f)["testsuites"]
    except (OSError, ValueError):
        result.fail(name, "exit status %d and no report:\n%s" % (status, output))
        return
    failed = 0
    for suite in suites:
        for test in suite["testsuite"]:
            full = "%s/%s.%s" % (name, suite["name"], test["name"])
            if test.get("failures"):
                failed += 1
                result.fail(full, "\n".join(f["failure"] for f in test["failures"]))
            elif test.get("result") == "SKIPPED":
                result.skip(full, skip_reason(output, "%s.%s" % (suite["name"], test["name"])))
            elif test.get("status") == "RUN":
                result.ok()
    if status != 0 and not failed:
        result.fail(name, "exit status %d:\n%s" % (status, output))


def skip_reason(output, test):
    lines = re.findall(r"Skipped\n(.*)\n(?:.*\n)*?\[  SKIPPED \] %s" % re.escape(test), output)
    return lines[-1].strip() if lines else "no reason given"
