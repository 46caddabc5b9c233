"""What the reader's tests share: where programs are, how results are told."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
BUILD = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "..", "..", "build")
TIDEMARK = os.path.join(BUILD, "tidemark")
PRINT = os.path.join(BUILD, "tests", "profile_print")
BIG = os.path.join(BUILD, "tests", "big_trace")
SCRATCH = tempfile.TemporaryDirectory(prefix="tidemark-reader-")

_failures = 0


def path(name):
    return os.path.join(SCRATCH.name, name)


def write(name, data):
    with open(path(name), "wb") as file:
        file.write(data)
    return path(name)


def run(*command, timeout=120):
    return subprocess.run(command, capture_output=True, timeout=timeout)


def lines(*command):
    result = run(*command)
    if result.returncode != 0:
        raise AssertionError("%s: status %d: %s" % (" ".join(command), result.returncode, result.stderr.decode()[-2000:]))
    return result.stdout.decode("utf-8", "surrogateescape").splitlines()


def differ(expected, got):
    """The first difference of two lists of lines, None when equal."""
    for i in range(max(len(expected), len(got))):
        a = expected[i] if i < len(expected) else "(nothing)"
        b = got[i] if i < len(got) else "(nothing)"
        if a != b:
            return "line %d: expected %r, got %r" % (i + 1, a, b)
    return None


def test(name, function):
    """Run one test: it returns what it checked, or raises."""
    global _failures
    try:
        print("ok %s: %s" % (name, function()), flush=True)
    except Exception as error:  # a test that cannot run has failed
        _failures += 1
        print("FAIL %s: %s: %s" % (name, type(error).__name__, error), flush=True)


def end():
    sys.exit(1 if _failures else 0)
