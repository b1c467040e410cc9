"""The suites, in the order they run: cheap ones that fail early first, those that need the whole product last."""
import glob
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree

import house
from house import RELEASE, TOP

# Rooms whose unit tests start sandboxes or touch cgroups: one at a time, so that none sees another's.
ALONE = ("launch", "cgroups", "namespaces", "go-build", "runner", "cli")
# Rooms that parse what strangers wrote, or that say what came of it: their unit tests run under the sanitizers too.
PARSERS = ("base", "ingest", "sum-verify", "seccomp-profiles", "hooks", "report", "store", "runner")
# Undefined in an object of the child after clone: its own room's code, and what the linker itself provides.
CHILD_MAY_REFER_TO = re.compile(r" +U (sandbox_run::launch::|_GLOBAL_OFFSET_TABLE_$|mem(cpy|set)$)")
# Not under the sanitizers: these only start programs that are not instrumented, and `unit` has them.
ONLY_IN_UNIT = {"seccomp-profiles_test": "Everyday.*:*/Executed.*"}
FUZZ_SECONDS = {False: 2, True: 120}


def layers(context, result):
    """Which room may include which, and the check's own self-test."""
    for arguments in ([], ["--self-test"]):
        status, output = context.run([sys.executable, os.path.join(TOP, "cmake", "check-layers")] + arguments, 60)
        result.check("check-layers" + "".join(arguments), status == 0, output)


def form(context, result):
    """clang-format over every C++ file; compiled Python and JSON files parse."""
    formatter = house.tool("clang-format-14", "clang-format-19", "clang-format-18", "clang-format")
    sources = house.tracked(".cc", ".h")
    version = subprocess.run([formatter, "--version"], capture_output=True, text=True).stdout
    if " 14." in version:  # another release formats some constructs differently
        status, output = context.run([formatter, "--dry-run", "-Werror"] + sources, 120, cwd=TOP)
        result.check("clang-format", status == 0, output)
    else:
        result.skip("clang-format", "this is %s; the house is formatted by 14" % version.strip())
    for name in house.tracked(".py") + [n for n in house.tracked("") if is_python(n)]:
        with open(os.path.join(TOP, name), "rb") as source:
            try:
                compile(source.read(), name, "exec")
                result.ok()
            except SyntaxError as error:
                result.fail(name, str(error))


def is_python(name):
    if "." in os.path.basename(name) or not os.path.isfile(os.path.join(TOP, name)):
        return False
    with open(os.path.join(TOP, name), "rb") as source:
        return source.readline().startswith(b"#!/usr/bin/env python3")


def run_gtest(context, result, binary, suite, leave_out=""):
    name = os.path.basename(binary)
    report = os.path.join(context.temporary, name + ".json")
    filters = [w.partition(".")[2] for w in context.want if w.startswith("%s/%s." % (suite, name))]
    pattern = ":".join(filters or ["*"]) + ("-" + leave_out if leave_out else "")
    arguments = ["--gtest_output=json:" + report, "--gtest_filter=" + pattern]
    status, output = context.run([binary] + arguments, 600, cwd=context.temporary)
    house.count_gtest(result, name, status, output, report)
    if os.path.exists(report):
        os.remove(report)


def unit(context, result):
    """The unit tests of every room, release build."""
    binaries = [b for b in sorted(glob.glob(os.path.join(RELEASE, "bin", "*_test")))
                if context.wants("unit", os.path.basename(b))]
    room = lambda b: os.path.basename(b)[:-len("_test")]
    house.in_parallel(lambda b: run_gtest(context, result, b, "unit"), [b for b in binaries if room(b) not in ALONE])
    for binary in binaries:
        if room(binary) in ALONE:
            run_gtest(context, result, binary, "unit")


def build(context, result, preset, targets, *more):
    """Configures and builds; a failure is the suite's."""
    for command in (["cmake", "-S", TOP, "--preset", preset] + list(more),
                    ["ninja", "-C", os.path.join(TOP, "build", preset)] + targets):
        status, output = context.run(command, 1800)
        if status != 0:
            result.fail("build", output[-8000:])
            return False
    return True


def build_instrumented(context, result, targets):
    """The fuzz preset has both sanitizers, so one build of the rooms serves the fuzz targets and the unit tests."""
    compiler = house.tool("clang++-14", "clang++-19", "clang++-18", "clang++")
    optimization = "-O1" if context.everything else "-O0"  # for minutes of fuzzing, or for seconds of it
    return build(context, result, "fuzz", targets, "-DSANDBOX_RUN_TESTS=ON", "-DCMAKE_CXX_COMPILER=" + compiler,
                 "-DCMAKE_C_COMPILER=" + compiler.replace("++", ""), "-DSANDBOX_RUN_FUZZ_OPTIMIZATION=" + optimization)


def sanitizers(context, result):
    """The parsers' unit tests under AddressSanitizer and UndefinedBehaviorSanitizer."""
    targets = [room + "_test" for room in PARSERS if glob.glob(os.path.join(TOP, room, "*_test.cc"))]
    if not build_instrumented(context, result, targets):
        return
    context.environment["ASAN_OPTIONS"] = "detect_stack_use_after_return=1:strict_string_checks=1"
    context.environment["UBSAN_OPTIONS"] = "print_stacktrace=1"
    binaries = [os.path.join(TOP, "build", "fuzz", "bin", t) for t in targets]
    house.in_parallel(lambda b: run_gtest(context, result, b, "sanitizers", ONLY_IN_UNIT.get(os.path.basename(b), "")),
                      [b for b in binaries if context.wants("sanitizers", os.path.basename(b))])


def fuzz(context, result):
    """Every fuzz target for a few seconds, from its corpus (--all: minutes)."""
    if not build_instrumented(context, result, ["fuzzers"]):
        return
    sources = {os.path.basename(s)[:-3]: s for s in glob.glob(os.path.join(TOP, "*", "*_fuzz.cc"))}

    def one(name):
        corpus = os.path.join(os.path.dirname(sources[name]), "corpus", name)
        found = os.path.join(context.temporary, name)
        os.makedirs(found)
        artifacts = os.path.join(TOP, "build", "fuzz", name + "-")
        command = [os.path.join(TOP, "build", "fuzz", "fuzz", name), "-max_total_time=%d" % FUZZ_SECONDS[context.everything],
                   "-timeout=10", "-rss_limit_mb=2048", "-artifact_prefix=" + artifacts, found]
        if os.path.isdir(corpus):
            command.append(corpus)
        else:
            result.fail(name, "no corpus at %s" % corpus)
        status, output = context.run(command, FUZZ_SECONDS[context.everything] + 120)
        runs = re.search(r"Done (\d+) runs", output)
        result.check(name, status == 0 and runs and int(runs.group(1)) > 100, output[-6000:])
        subprocess.run(["rm", "-rf", found], check=True)

    house.in_parallel(one, [n for n in sorted(sources) if context.wants("fuzz", n)])


# Tests of the rewriter that take most of an hour each.
LONG_HOOK_TESTS = ("TestGoTestPrograms", "TestStandardLibrary", "TestPopularModules")


def hooks(context, result):
    """The rewriter's and the hook runtime's own tests, in Go (--all: Go's test programs, std's and modules' tests, hooked)."""
    names = [w.partition("/")[2] for w in context.want if w.startswith("hooks/")]
    # The modules come from where the host gets its own.
    proxy = subprocess.run(["go", "env", "GOPROXY"], env=context.environment, capture_output=True, text=True).stdout.strip()
    for package, more in (("./runtime/...", []), ("./rewriter/...", ["-args", "-long"] if context.everything else [])):
        run_go_tests(context, result, "", ["-run", "|".join(names)] if names else [], package, more,
                     {"GOPROXY": proxy} if context.everything else {})


def run_go_tests(context, result, prefix, flags, package, more, environment):
    timeout = 6 * 3600 if "-long" in more else 3600
    command = ["go", "test", "-json", "-vet=off", "-timeout", "%ds" % timeout] + flags + [package] + more
    environment = {"GOCACHE": os.path.join(TOP, "build", "go-cache"), "GOFLAGS": "", "GOENV": "off", "GOWORK": "off",
                   "GOTOOLCHAIN": "local", "GOPROXY": "off", "CGO_ENABLED": "0", **environment}
    status, output = context.run(command, timeout, cwd=os.path.join(TOP, "hooks"), env=environment)
    failures = len(result.failures)
    count_go(result, output, prefix)
    if status != 0 and len(result.failures) == failures:
        result.fail(prefix + package, "exit status %d:\n%s" % (status, output[-6000:]))


def releases(context, result):
    """With --all: the hooks' own tests, and the contract of traces, on the other Go releases of fetch/toolchains.txt."""
    if not context.everything:
        return result.skip("every-release", "each fetches a toolchain and fills its std cache: run with --all")
    with open(os.path.join(context.environment["SANDBOX_RUN_GOROOT"], "VERSION")) as version:
        ours = version.readline().strip()
    with open(os.path.join(TOP, "fetch", "toolchains.txt")) as lines:
        known = [line.split()[0] for line in lines if line.startswith("go")]
    for release in known:
        if release != ours and context.wants("releases", release):
            on_release(context, result, release)


def on_release(context, result, release):
    status, said = context.run([house.CLI, "toolchain", "install", "--quiet", release], 900)
    if status != 0:
        return result.fail(release, said)
    goroot = said.strip().split("\n")[-1]
    chosen = {"SANDBOX_RUN_GOROOT": goroot, "PATH": os.path.join(goroot, "bin") + ":" + context.environment["PATH"]}
    for package in ("./runtime/...", "./rewriter/..."):
        run_go_tests(context, result, release + "/", ["-skip", "|".join(LONG_HOOK_TESTS)], package, [], chosen)
    run_unittests(context, result, "tests/contract", "contract", ["trace"], chosen, release + "/")


def count_go(result, output, prefix=""):
    """Adds what `go test -json` said of each test; one with subtests counts where it was skipped, or failed by itself."""
    said, ended = {}, {}
    for line in output.split("\n"):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        test = event.get("Test")
        if test and event["Action"] == "output":
            said.setdefault(test, []).append(event["Output"])
        elif test and event["Action"] in ("pass", "fail", "skip"):
            ended[test] = event["Action"]
    for test, how in ended.items():
        below = [ended[other] for other in ended if other.startswith(test + "/")]
        if below and (how == "pass" or how == "fail" and "fail" in below):
            continue
        text = "".join(said.get(test, []))
        if how == "pass":
            result.ok()
        elif how == "fail":
            result.fail(prefix + test, text)
        else:
            result.skip(prefix + test, " ".join(text.split())[-200:])


def readelf(context, binary, *what):
    status, output = context.run([house.tool("readelf"), "-W"] + list(what) + [binary], 60)
    return output if status == 0 else "readelf failed: " + output


def binaries(context, result):
    """How our own binaries are linked and hardened."""
    headers, dynamic = readelf(context, house.CLI, "-lh"), readelf(context, house.CLI, "-d")
    result.check("supervisor-is-static", "INTERP" not in headers and "NEEDED" not in dynamic, headers + dynamic)
    helpers = glob.glob(os.path.join(RELEASE, "libexec", "sandbox-run-*"))
    result.check("helpers-exist", len(helpers) >= 2, "found %r" % helpers)
    for binary in [house.CLI] + helpers:
        name = os.path.basename(binary)
        headers, dynamic = readelf(context, binary, "-lh"), readelf(context, binary, "-d")
        result.check(name + "-is-pie", re.search(r"Type:\s+DYN", headers), headers)
        result.check(name + "-relro", "GNU_RELRO" in headers and re.search(r"FLAGS.*NOW|BIND_NOW", dynamic), dynamic)
        result.check(name + "-stack-not-executable", re.search(r"GNU_STACK.* RW ", headers), headers)
        result.check(name + "-no-writable-code", not re.search(r"LOAD.* RWE ", headers), headers)
        result.check(name + "-stack-protector", "__stack_chk_fail" in readelf(context, binary, "-s", "--dyn-syms"),
                     "no reference to __stack_chk_fail")
    child_symbols(context, result)


def child_symbols(context, result):
    """What runs between clone and exec brings along all it calls: no library, no allocator, no exception."""
    launch = os.path.join(RELEASE, "launch", "CMakeFiles")
    objects = glob.glob(os.path.join(launch, "sandbox-init.dir", "init", "*.o"))
    objects.append(os.path.join(launch, "room_launch.dir", "entry.cc.o"))
    result.check("child-objects-exist", len(objects) >= 3, "found %r" % objects)
    for path in objects:
        status, output = context.run([house.tool("nm"), "-uC", path], 60)
        foreign = [l for l in output.split("\n") if l.strip() and not CHILD_MAY_REFER_TO.match(l)]
        result.check("nm-u-" + os.path.basename(path), status == 0 and not foreign, "\n".join(foreign) or output)


def run_unittests(context, result, directory, suite, names=(), environment=None, prefix=""):
    """Runs a directory of Python unittest files in one process and adds its counts by the names of its tests."""
    report = os.path.join(context.temporary, "unittest.xml")
    names = list(names) or [w.partition("/")[2] for w in context.want if w.startswith(suite + "/")]
    status, output = context.run([sys.executable, "-B", os.path.join(TOP, "tests", "driver", "unittests.py"),
                                  os.path.join(TOP, directory), report] + names, 1500, env=environment or {})
    try:
        cases = xml.etree.ElementTree.parse(report).getroot()
    except (OSError, xml.etree.ElementTree.ParseError):
        result.fail(prefix + suite, "exit status %d and no report:\n%s" % (status, output))
        return
    for case in cases:
        name, kind = prefix + case.get("name"), case.get("result")
        if kind == "passed":
            result.ok()
        elif kind == "skipped":
            result.skip(name, case.text or "no reason given")
        else:
            result.fail(name, case.text or "")
    os.remove(report)


def contract(context, result):
    """The CLI's contract: verdicts, exit codes, streams, report, bad input."""
    run_unittests(context, result, "tests/contract", "contract")


def examples(context, result):
    """Every example does what its first comment says."""
    run_unittests(context, result, "tests/examples", "examples")


def probes(context, result):
    """Hostile programs against the walls, in both modes of --on-denied (--all: one at a time)."""
    command = [sys.executable, "-B", os.path.join(TOP, "tests", "probes", "run"), "--sandbox-run", house.CLI, "--verbose",
               "--jobs", "1" if context.everything else str(house.WORKERS)]
    wanted = [w.partition("/")[2] for w in context.want if w.startswith("probes/")]
    status, output = context.run(command + wanted, 1200)
    for line in output.split("\n"):
        match = re.match(r"(\w+)\s+(kill|error)\s+(\S+)\s*(.*)", line)
        if not match:
            continue
        outcome, mode, name, note = match.groups()
        if outcome == "pass":
            result.ok()
        elif outcome == "SKIPPED":
            result.skip("%s-%s" % (name, mode), note)
        else:
            result.fail("%s-%s" % (name, mode), line)
    if status not in (0, 1) or not result.passed:
        result.fail("driver", "exit status %d:\n%s" % (status, output[-4000:]))


def vm(context, result):
    """cgroup v2 on an older kernel, in an emulated machine."""
    status, output = context.run([os.path.join(TOP, "tests", "vm", "run"), "--sandbox-run", house.CLI], 900)
    match = re.search(r"(\d+) passed, (\d+) failed, (\d+) skipped\s*$", output)
    if not match or status not in (0, 1):
        result.fail("vm", "exit status %d:\n%s" % (status, output[-8000:]))
        return
    result.ok(int(match.group(1)))
    if int(match.group(2)) or status:
        result.fail("vm", output)
    for name, reason in re.findall(r"^skipped (\S+): (.*)$", output, re.M):
        result.skip(name, reason)


ALL = {"layers": layers, "form": form, "unit": unit, "sanitizers": sanitizers, "fuzz": fuzz, "hooks": hooks,
       "releases": releases, "binaries": binaries, "examples": examples, "contract": contract, "probes": probes, "vm": vm}
