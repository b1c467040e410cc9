"""The post: checks of expect.txt that need only one run's report and the host. README.md beside this file lists them."""
import glob
import os
import re
import stat
import subprocess
import tempfile
import time

SLEEPER = 'package main\n\nimport "time"\n\nfunc main() { time.Sleep(3 * time.Second) }\n'


def state_directory():
    if "SANDBOX_RUN_STATE" in os.environ:
        return os.environ["SANDBOX_RUN_STATE"]
    if os.geteuid() == 0:
        return "/var/lib/sandbox-run"
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sandbox-run")


def outside_names():
    """Places that a traversal aims at; in the shared /tmp only what is named like a probe's target."""
    found = set(os.listdir("/")) | set(os.listdir("/etc"))
    for pattern in ("/etc/cron.d/*", "/tmp/*probe*", "/tmp/*slip*"):
        found |= {p for p in glob.glob(pattern) if not p.startswith("/tmp/probe.")}
    return found


class Watch:
    """Made before a run, asked after it."""

    def __init__(self, cli, checks, source_directory):
        self.cli, self.checks, self.directory = cli, checks.split(), source_directory
        self.outside, self.inside = outside_names(), sorted(os.listdir(source_directory))
        self.began = time.time()
        self.neighbour = self.collected = None
        if "other-runs-alive" in self.checks:
            path = os.path.join(tempfile.mkdtemp(prefix="probe."), "sleeper.go")
            with open(path, "w") as f:
                f.write(SLEEPER)
            self.neighbour = path, subprocess.Popen([cli, "run", path], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if any(c.startswith("copyout-") for c in self.checks):
            self.collected = tempfile.mkdtemp(prefix="probe.")

    def flags(self):
        traced = ["--trace", "std:files", "--proc"] if "trace-parser-survives" in self.checks else []
        return traced + (["--out", "*=" + self.collected] if self.collected else [])

    def problems(self, run, again):
        """`run` is the finished run (see Run in ./run), `again` runs the same once more without --json."""
        found = []
        for check in self.checks:
            match = re.match(r"([\w-]+)(?:(<=|=)(.*))?$", check)
            method = getattr(self, "check_" + match.group(1).replace("-", "_"), None) if match else None
            if method is None:
                found.append("no such check: " + check)
                continue
            problem = method(run, match.group(3), again)
            if problem:
                found.append("%s: %s" % (check, problem))
        return found

    def close(self):
        if self.neighbour:
            self.neighbour[1].wait()
            subprocess.run(["rm", "-rf", os.path.dirname(self.neighbour[0])], check=True)
        if self.collected:
            subprocess.run(["rm", "-rf", self.collected], check=True)

    # ── one method per check: None, or what is wrong ──────────────────────────────────────────────────────────────────

    def check_verdict_correct(self, run, value, again):
        """The verdict agrees with the wait status and counters in the same report."""
        report = run.report
        if report["verdict"] == "ok" and report["exit_code"] != 0:
            return "ok with exit code %s" % report["exit_code"]
        if report["verdict"] == "signalled" and not report["signal"]:
            return "signalled without a signal"
        if report["verdict"].endswith("_exceeded") and not report["limits_hit"]:
            return "%s without a limit hit" % report["verdict"]
        return None

    def check_supervisor_alive(self, run, value, again):
        return None if run.report and run.status >= 0 else "the supervisor was killed by signal %d" % -run.status

    def check_trace_parser_survives(self, run, value, again):
        """It was traced, and what it did to the trace's memory is told beside what the kernel saw of it."""
        trace = run.report and run.report.get("trace")
        if not trace:
            return "no trace in the report: %r" % (run.report and run.report["verdict"])
        if trace["witnessed"]["calls"] == 0:
            return "the kernel saw nothing"
        return None if trace["claimed"]["forgeries"] else "nothing was found forged"

    def check_other_runs_alive(self, run, value, again):
        status = self.neighbour[1].wait()
        return None if status == 0 else "a run beside it ended with %d" % status

    def check_no_processes_left(self, run, value, again):
        """No cgroup of that supervisor's is left: its groups carry its pid, and a group with a process cannot go."""
        left = glob.glob("/sys/fs/cgroup/**/sandbox-run/%d-*" % run.pid, recursive=True)
        return "left %s" % left if left else None

    def check_workdir_removed(self, run, value, again):
        path = os.path.join(state_directory(), "run", run.report["id"])
        return "%s is there" % path if os.path.exists(path) else None

    def check_nothing_outside_workdir(self, run, value, again):
        new = sorted(outside_names() - self.outside)
        inside = sorted(os.listdir(self.directory))
        return "new: %s %s" % (new, inside) if new or inside != self.inside else None

    def check_output_lacks(self, run, value, again):
        return "it is there" if value in run.text else None

    def check_host_content_absent(self, run, value, again):
        return "a line of /etc/passwd is there" if "root:x:0:0" in run.text else None

    def check_absent(self, run, value, again):
        return "it exists" if os.path.exists(value) else None

    def check_verdict_within(self, run, value, again):
        return "took %.1f s" % run.seconds if run.seconds > seconds(value) + 1 else None

    def check_output_length(self, run, value, again):
        got = (len(run.stdout), run.report["usage"]["stdout_bytes"])
        return None if got == (int(value), int(value)) else "captured %d, counted %d" % got

    def check_stdout(self, run, value, again):
        return None if run.stdout.decode(errors="replace").strip() == value.strip('"') else "it is %r" % run.stdout[:100]

    def check_output_bytes_exact(self, run, value, again):
        return None if again().stdout == run.stdout else "--json and a plain run differ"

    def check_overshoot(self, run, value, again):
        over = run.report["usage"]["cpu_time_us"] - run.report["limits"]["cpu_time_us"]
        return None if 0 <= over <= seconds(value) * 1e6 else "%d µs" % over

    def check_cleanup(self, run, value, again):
        """What the run's stage took beyond the program's own time."""
        stage = [t for t in run.report["timeline"] if t["stage"] == "run"]
        over = stage[0]["duration_us"] - run.report["usage"]["wall_time_us"] if stage else 1e12
        return None if over <= seconds(value) * 1e6 else "%.0f ms" % (over / 1000)

    def check_supervisor_rss(self, run, value, again):
        """Of the second run, which builds nothing: a compiler's memory would count otherwise (getrusage of children)."""
        peak = again().max_rss_bytes
        return None if peak <= int(value.rstrip("M")) << 20 else "%d MiB" % (peak >> 20)

    # Each of the next three says nothing where nothing was collected: then the check itself has failed.

    def check_copyout_refuses_special(self, run, value, again):
        """The plain file is taken, and each thing that stands beside it is named as not taken."""
        files = self.collected_files()
        special = [p for p in files if not stat.S_ISREG(os.lstat(p).st_mode)]
        if special or [os.path.basename(p) for p in files] != ["plain.txt"]:
            return "collected %s" % (special or files)
        skipped = [n for n in run.report["notes"] if n.startswith("--out: skipped ")]
        return None if skipped else "nothing special stood there: %s" % run.report["notes"]

    def check_copyout_strips_suid(self, run, value, again):
        files = self.collected_files()
        marked = [p for p in files if os.lstat(p).st_mode & 0o7000]
        return "collected with such bits: %s" % marked if marked else None if files else "nothing was collected"

    def check_copyout_bounded(self, run, value, again):
        files = self.collected_files()
        total = sum(os.lstat(p).st_size for p in files)
        if total > run.report["limits"]["scratch_bytes"]:
            return "collected %d bytes" % total
        return None if files else "nothing was collected"

    def check_run_twice(self, run, value, again):
        return None  # ./run itself does it

    def check_json_valid(self, run, value, again):
        return None if run.report else "no JSON"

    def collected_files(self):
        return [os.path.join(root, name) for root, _, names in os.walk(self.collected) for name in names]


def seconds(text):
    match = re.match(r"([\d.]+)(ms|s)$", text)
    return float(match.group(1)) / (1000 if match.group(2) == "ms" else 1)
