"""What the test scripts share: the build under test, programs run bare and recorded, the files they leave, result lines.

Standard library only. A script prints one line per test through report(); tests/all counts them.
"""
import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.realpath(os.environ.get("BUILD", os.path.join(SOURCE, "build")))
TIDEMARK = os.path.join(BUILD, "tidemark")
LIBRARY = os.path.join(BUILD, "libtidemark.so")
TARGETS = os.path.join(BUILD, "tests", "targets")
WAYS = ("record", "preload")
HANG = float(os.environ.get("HANG_SECONDS", "120"))  # a detector of hangs, never a measure of speed

_lock = threading.Lock()
_failed = 0


def report(name, failures=(), skip=None):
    """Print the line of one test; failures: sentences, none when it passed."""
    global _failed
    with _lock:
        if skip:
            print(f"skip {name}: {skip}", flush=True)
        elif failures:
            _failed += 1
            print(f"FAIL {name}: {'; '.join(failures)}", flush=True)
        else:
            print(f"ok   {name}", flush=True)


def finish():
    sys.exit(1 if _failed else 0)


def selected(name):
    """Whether this test was asked for: ONLY holds words, each a part of the names to run."""
    only = os.environ.get("ONLY", "").split()
    return not only or any(word in name for word in only)


def installed(*programs):
    """The first program of these that is missing, or None. Debian's own folders come first."""
    return next((p for p in programs if not find(p)), None)


def find(program):
    return shutil.which(program, path="/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin:" + os.environ.get("PATH", ""))


def scratch(prefix):
    return tempfile.mkdtemp(prefix=f"tidemark-{prefix}-")


class Run:
    """A program that ended: status as subprocess gives it (negative: signal), stdout, stderr, whether it hung."""

    def __init__(self, status, stdout, stderr, hung=False):
        self.status, self.stdout, self.stderr, self.hung = status, stdout, stderr, hung


def clean_environment(extra=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith("TIDEMARK_") and k not in ("LD_PRELOAD", "ONLY", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    env.update(extra or {})
    return env


def run(command, cwd=None, env=None, stdin=b"", timeout=None, before=None):
    """Run to the end. Output goes to files, so that a daemon that keeps a descriptor open delays nobody."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as inp:
        inp.write(stdin)
        inp.seek(0)
        process = subprocess.Popen(command, cwd=cwd, env=env or clean_environment(), stdin=inp, stdout=out, stderr=err,
                                   start_new_session=True, preexec_fn=before)
        hung = False
        try:
            process.wait(timeout or HANG)
        except subprocess.TimeoutExpired:
            hung = True
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        err.seek(0)
        return Run(process.returncode, out.read(), err.read(), hung)


def recorded(way, command, output, cwd=None, env=None, **more):
    """Run under Tidemark, by `tidemark record` or by the environment alone."""
    env = dict(env or clean_environment())
    if way == "record":
        return run([TIDEMARK, "record", "-o", output, "--"] + command, cwd=cwd, env=env, **more)
    env["LD_PRELOAD"] = LIBRARY
    env["TIDEMARK_OUTPUT"] = output
    # The library must not be preloaded into this script's own helpers: `command` is executed directly.
    return run(command, cwd=cwd, env=env, **more)


class File:
    """One trace file: the fields of its header, read here and not by the tool under test (include/tidemark/trace.h)."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as f:
            head = f.read(64)
        if len(head) < 64 or head[:8] != b"TIDEMARK":
            raise ValueError(f"{path} is no trace")
        self.session = head[16:32]
        self.pid, self.parent, self.start_real, self.start = struct.unpack("<IIQQ", head[32:56])


def settle(folder, at_least=1, patience=20.0):
    """Wait until the folder holds that many traces and nobody writes to them. returns: File list, oldest first"""
    end = time.monotonic() + patience
    while True:
        files, busy = [], False
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            try:
                with open(path, "rb") as f:
                    fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
                files.append(File(path))
            except BlockingIOError:
                busy = True
            except (ValueError, FileNotFoundError):
                pass
        if (len(files) >= at_least and not busy) or time.monotonic() > end:
            return sorted(files, key=lambda f: (f.start, f.path))
        time.sleep(0.02)


def collectors_of(output):
    """Pids of collectors that write to this output: ours alone, since the path is."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                line = f.read().split(b"\0")
        except OSError:
            continue
        if line and os.path.basename(line[0]) == b"tidemark-collector" and output.encode() in line:
            found.append(int(pid))
    return found


def session_ends(output, patience=10.0):
    """Wait until no collector writes to this output. returns: False when one stays, with nobody left to record"""
    end = time.monotonic() + patience
    while collectors_of(output):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def tool(*arguments, **more):
    return run([TIDEMARK] + list(arguments), **more)


def tool_json(*arguments):
    """Run a report with --json. returns: the parsed answer; raises ValueError with the tool's own words"""
    got = tool(*arguments, "--json")
    if got.hung or got.status not in (0, 4):
        raise ValueError(f"tidemark {arguments[0]} ended with {got.status}: {got.stderr.decode(errors='replace').strip()}")
    return json.loads(got.stdout)


def same_behaviour(bare, got, ignore=lambda text: text):
    """Sentences about what differs between a bare and a recorded run; none when they agree."""
    wrong = []
    if got.hung:
        wrong.append("hangs when recorded")
    if got.status != bare.status:
        wrong.append(f"status {got.status}, bare {bare.status}")
    if ignore(got.stdout) != ignore(bare.stdout):
        wrong.append("stdout differs: " + first_difference(ignore(bare.stdout), ignore(got.stdout)))
    return wrong


def first_difference(a, b):
    for x, y in zip(a.splitlines() + [b"(end)"], b.splitlines() + [b"(end)"]):
        if x != y:
            return f"{x[:80].decode(errors='replace')!r} became {y[:80].decode(errors='replace')!r}"
    return "line ends"


def last_words(run_):
    """What a program said on stderr, shortened, for a failure's sentence."""
    text = run_.stderr.decode(errors="replace").strip().splitlines()
    return " | ".join(text[-3:])[:300]
