"""A folder for each test of tidemark drive, a server in it, and what a run of drive must say."""
import json
import os
import re
import shutil
import socket
import time

import harness as h

TOOLSERVER = os.path.join(h.BUILD, "toolserver")


class Place:
    """A folder of a test. Its path stands in every command line, so that what is left running is found by it."""

    def __init__(self):
        self.top = h.scratch("drive")
        self.trace = os.path.join(self.top, "x.tmk")
        self.port = free_port()
        self.server = [self.link(TOOLSERVER), "serve", str(self.port)]
        self.helper = f"exec {self.server[0]} client {self.port}"

    def link(self, program):
        """A name of the program in this folder."""
        name = os.path.join(self.top, os.path.basename(program))
        if not os.path.exists(name):
            os.symlink(program, name)
        return name

    def write(self, name, text):
        path = os.path.join(self.top, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o755)
        return path

    def left(self, patience=5.0):
        """{pid: command line} of what still runs here, after a while; collectors may take a moment."""
        end = time.monotonic() + patience
        while True:
            found = {}
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as f:
                        line = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
                except OSError:
                    continue
                if self.top in line and int(pid) != os.getpid():
                    found[int(pid)] = line
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.05)

    def release(self, failed):
        if os.environ.get("KEEP") and failed:
            print(f"# kept: {self.top}", flush=True)
        else:
            shutil.rmtree(self.top, ignore_errors=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def drive(place, *arguments, **more):
    return h.tool("drive", "-o", place.trace, *arguments, cwd=place.top, **more)


def text(run):
    return run.stderr.decode(errors="replace")


def expect(run, status, *patterns):
    """Sentences about what differs from a status and from patterns that stderr must match."""
    if run.hung:
        return ["hangs"]
    wrong = [] if run.status == status else [f"status {run.status}, not {status}: {h.last_words(run)}"]
    return wrong + [f"does not say {p!r}: {h.last_words(run)}" for p in patterns if not re.search(p, text(run), re.M)]


def marks(path):
    """(name, operations) of the marks in a trace."""
    got = h.tool("dump", "--events", path)
    return [(m.group(1), int(m.group(2)))
            for m in re.finditer(r'^mark .*name="([^"]*)" ops=(\d+)', got.stdout.decode(), re.M)]


def judged(place, *arguments, gate, server=None):
    """Drive and gate. returns: the run, the gate's JSON document (None when there is none)"""
    report = os.path.join(place.top, "gate.json")
    got = drive(place, "--log", os.path.join(place.top, "log"), *arguments, "--gate", f"--json={report}", *gate, "--", *(server or place.server))
    try:
        with open(report, encoding="utf-8") as f:
            return got, json.load(f)
    except (OSError, ValueError):
        return got, None


def rate_of(document, name="leaked_bytes_per_100/operation"):
    return next((m for m in document["metrics"] if m["name"] == name), {"value": float("nan"), "low": 0, "high": 0})
