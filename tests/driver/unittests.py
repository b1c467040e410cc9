"""Runs the unittest files of one directory and writes what came of each test as XML for the driver.

usage: unittests.py DIRECTORY REPORT [NAME-PREFIX…]      a test's name is File.Class.test_name without the file's test_
"""
import os
import sys
import time
import unittest
import xml.etree.ElementTree as tree


class Recorder(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.root, self.begun = tree.Element("tests"), 0

    def startTest(self, test):
        self.begun = time.time()
        super().startTest(test)

    def record(self, test, result, text=""):
        node = tree.SubElement(self.root, "test", name=short(test), result=result)
        # XML 1.0 has no way to write most control characters, and a program's output may hold any.
        node.text = "".join(c if c >= " " or c in "\n\t" else "\\x%02x" % ord(c) for c in text)
        node.set("seconds", "%.2f" % (time.time() - self.begun))
        print("%-7s %6s s %s" % (result, node.get("seconds"), short(test)), flush=True)

    def addSuccess(self, test):
        self.record(test, "passed")

    def addSkip(self, test, reason):
        self.record(test, "skipped", reason)

    def addFailure(self, test, error):
        self.record(test, "failed", self._exc_info_to_string(error, test))

    def addError(self, test, error):
        self.record(test, "failed", self._exc_info_to_string(error, test))

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.record(subtest, "failed", self._exc_info_to_string(error, test))

    def addExpectedFailure(self, test, error):
        self.record(test, "failed", "expected failures are not allowed here")

    def addUnexpectedSuccess(self, test):
        self.record(test, "failed", "unexpected success")


def short(test):
    return test.id()[len("test_"):] if test.id().startswith("test_") else test.id()


def every(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from every(test)
        else:
            yield test


def main(directory, report, *prefixes):
    sys.path.insert(0, directory)
    os.chdir(directory)
    tests = unittest.defaultTestLoader.discover(directory, top_level_dir=directory)
    chosen = unittest.TestSuite(t for t in every(tests) if not prefixes or short(t).startswith(prefixes))
    if chosen.countTestCases() == 0:
        sys.exit("no test in %s begins with %s" % (directory, " or ".join(prefixes) or "anything"))
    recorder = Recorder()
    chosen.run(recorder)
    tree.ElementTree(recorder.root).write(report)
    return 1 if any(n.get("result") == "failed" for n in recorder.root) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
