"""Runs the suites one after another and says what happened; started by ./run-tests after everything is built.

usage: run-tests [--yes] [--all] [--list] [SUITE[/NAME]…]

A suite's failing output is printed in full. A skip counts as a failure unless tests/expected-skips.txt names it, and
whatever a suite leaves on the machine (processes, mounts, cgroups, temporary files) counts as one too.
"""
import argparse
import os
import re
import shutil
import sys
import tempfile
import time

import house
import leftovers
import suites


def expected_skips():
    """Lines "SUITE/NAME  # reason"; a * in the name stands for anything. The reason is required."""
    patterns = []
    with open(os.path.join(house.TOP, "tests", "expected-skips.txt")) as lines:
        for line in lines:
            name, mark, reason = line.partition("#")
            if name.strip() and not reason.strip():
                sys.exit("tests/expected-skips.txt: no reason given for %s" % name.strip())
            if name.strip():
                patterns.append(re.compile(re.escape(name.strip()).replace(r"\*", ".*") + "$"))
    return patterns


def run_suite(name, function, context, allowed_skips):
    print("── %s" % name, flush=True)
    begun, before = time.time(), leftovers.Snapshot()
    temporary = tempfile.mkdtemp(prefix="sandbox-run-tests.")
    context.enter(temporary)
    result = house.Result()
    try:
        function(context, result)
    except Exception as error:  # a suite that cannot run has failed, and the others still run
        result.fail(name, "the suite itself broke: %s: %s" % (type(error).__name__, error))
    if not (result.passed or result.failures or result.skipped):
        result.fail(name, "nothing ran: no test is named %s" % " or ".join(context.want))
    for what in context.take_survivors() + leftovers.found_since(before, temporary, context.state):
        result.fail("leftovers", what)
    shutil.rmtree(temporary, ignore_errors=True)
    unexpected = [s for s in result.skipped if not any(p.match("%s/%s" % (name, s[0])) for p in allowed_skips)]
    for test, reason in unexpected:
        result.fail(test, "skipped (%s), and tests/expected-skips.txt does not expect it" % reason)
    print("   %s: %d passed, %d failed, %d skipped, %.1f s" % (
        name, result.passed, len(result.failures), len(result.skipped), time.time() - begun), flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(prog="run-tests", description=__doc__.split("\n\n")[0])
    parser.add_argument("--all", action="store_true",
                        help="long fuzz runs, probes one at a time, the proofs of the hooks (hours)")
    parser.add_argument("--list", action="store_true", help="name the suites and stop")
    parser.add_argument("want", nargs="*", metavar="SUITE[/NAME]")
    arguments = parser.parse_args()
    if arguments.list:
        for name, function in suites.ALL.items():
            print("%-11s %s" % (name, function.__doc__.split("\n")[0]))
        return 0
    for want in arguments.want:
        if want.split("/")[0] not in suites.ALL:
            sys.exit("run-tests: no suite %s; there are: %s" % (want, " ".join(suites.ALL)))
    context = house.Context(everything=arguments.all, want=arguments.want)
    allowed, results, begun = expected_skips(), {}, time.time()
    for name, function in suites.ALL.items():
        if not arguments.want or any(w.split("/")[0] == name for w in arguments.want):
            results[name] = run_suite(name, function, context, allowed)
    print("── failures" if any(r.failures for r in results.values()) else "── no failure")
    for name, result in results.items():
        for test, _ in result.failures:
            print("   %s/%s" % (name, test))
        for test, reason in result.skipped:
            print("   skipped %s/%s: %s" % (name, test, reason))
    total = [sum(r.passed for r in results.values()), sum(len(r.failures) for r in results.values()),
             sum(len(r.skipped) for r in results.values())]
    print("   %.0f s" % (time.time() - begun))
    print("%d passed, %d failed, %d skipped" % tuple(total), flush=True)
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
