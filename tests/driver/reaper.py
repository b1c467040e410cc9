"""Runs one command as the reaper of everything it starts, and tells what of it outlived it.

usage: reaper.py SURVIVORS-FILE COMMAND…

A process that outlives the command becomes this one's child, whoever started it: it is given a few seconds to end, then
written down (a line each), and killed. Zombies are reaped at once, as an init would. Exit status: the command's, as a
shell gives it.
"""
import ctypes
import glob
import os
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
GRACE_S = 5


def children():
    found = []
    for path in glob.glob("/proc/self/task/*/children"):
        with open(path) as f:
            found += [int(pid) for pid in f.read().split()]
    return found


def command_of(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return "process %d: %s" % (pid, f.read().replace(b"\0", b" ").decode(errors="replace")[:200])
    except OSError:
        return "process %d" % pid


def main(survivors, command):
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    process, status = subprocess.Popen(command), None
    while status is None:
        pid, ended = os.waitpid(-1, 0)
        if pid == process.pid:
            status = process.returncode = os.waitstatus_to_exitcode(ended)
    deadline = time.time() + GRACE_S
    while children() and time.time() < deadline:
        if os.waitpid(-1, os.WNOHANG)[0] == 0:
            time.sleep(0.02)
    left = children()
    if left:
        with open(survivors, "a") as f:
            f.writelines(command_of(pid) + "\n" for pid in left)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
