"""What a suite must not leave behind: mounts, cgroups, network namespaces, temporary files, run directories; processes are
reaper.py's. Everything gets a few seconds to go: cgroups and namespaces are torn down asynchronously."""
import glob
import os
import time

GRACE_S = 5


def cgroups():
    """Groups of runs. One whose supervisor (its pid is the name's first part) lives and is not below us is somebody
    else's: a machine may run sandboxes beside the tests."""
    found = set()
    for depth in ("", "*", "*/*"):
        for path in glob.glob(os.path.join("/sys/fs/cgroup", depth, "sandbox-run*", "**/"), recursive=True):
            name = path.rstrip("/").split("/")[-1]
            pid = name.split("-")[0]
            if pid.isdigit() and not (os.path.exists("/proc/" + pid) and not is_below_us(int(pid))):
                found.add(path)
    return found


def is_below_us(pid):
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            with open("/proc/%d/stat" % pid) as f:
                pid = int(f.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            return False
    return False


def mounts():
    with open("/proc/self/mountinfo") as f:
        return {line.split(" ")[4] for line in f}


def network_namespaces():
    """Those with a name. One without lives as long as a process, a mount or a descriptor, which are looked for."""
    return set(glob.glob("/run/netns/*"))


def temporary_files():
    """Of names that only our programs use; the suites themselves have a TMPDIR of their own, looked at in full."""
    return {p for p in glob.glob("/tmp/sandbox-run*") if not p.startswith("/tmp/sandbox-run-tests.")}


class Snapshot:
    def __init__(self):
        self.cgroups, self.mounts, self.temporary = cgroups(), mounts(), temporary_files()
        self.namespaces = network_namespaces()


def current(before, temporary, state):
    left = ["cgroup " + path for path in sorted(cgroups() - before.cgroups)]
    left += ["mount " + path for path in sorted(mounts() - before.mounts)]
    left += ["network namespace " + name for name in sorted(network_namespaces() - before.namespaces)]
    left += ["temporary file " + path for path in sorted(temporary_files() - before.temporary - {temporary})]
    left += ["temporary file " + os.path.join(temporary, name) for name in sorted(os.listdir(temporary))]
    left += ["run directory " + path for path in sorted(glob.glob(os.path.join(state, "run", "*")))]
    return left


def found_since(before, temporary, state):
    deadline = time.time() + GRACE_S
    while True:
        left = current(before, temporary, state)
        if not left or time.time() > deadline:
            return left
        time.sleep(0.05)
