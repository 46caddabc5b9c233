"""Recordings for the gate whose every figure is known, and what its tests ask of it."""
import os
import struct
import subprocess
import zlib

import forms
import harness as h
from bench import Bench
from story import LIBC, Story
from tmk_write import varints

HERE = os.path.dirname(os.path.realpath(__file__))
CC = os.environ.get("CC", "cc").split()
STATUS = {"pass": 0, "warn": 0, "fail": 1, "inconclusive": 3, "incomplete": 4}


class Process(Story):
    """One process of a session; starts so many ticks of 100 us after the session."""

    def __init__(self, session=1, start=0, **more):
        super().__init__(**more)
        self.session, self.start = session, start

    def data(self, **how):
        head = struct.pack("<8sII16sIIQQI", b"TIDEMARK", 1, 64, bytes([self.session]) * 16, self.pid, 1, 1700000000 * 10**9,
                           10**12 + self.start * 100000, self.flags)
        return head + struct.pack("<I", zlib.crc32(head)) + super().data(**how)[64:]

    def begin(self, name):
        self.rare_event(2, varints(self.current, self.string(name)))

    def end_operation(self):
        self.rare_event(3, varints(self.current))


class Gate(Bench):
    service = None  # the program made of gated-service.c

    def good(self, what, problems):
        self.failures += [f"{what}: {problem}" for problem in problems[:5]]

    def gate(self, *arguments, verdict=None, **more):
        """The gate's JSON, checked for its form; its status must be that of the verdict."""
        document = self.json("gate", *arguments, status=None if verdict is None else STATUS[verdict], **more)
        if not document:
            return {"verdict": None, "checks": [], "metrics": []}
        self.good("gate's JSON", forms.gate(document))
        if verdict:
            self.equal(f"verdict of {arguments}", document["verdict"], verdict)
        return document

    def record(self, name, *arguments, program=None):
        path = self.path(name)
        done = h.recorded("record", [program or self.service, *map(str, arguments)], path, cwd=self.folder)
        if done.status or done.hung:
            self.failures.append(f"recording {name}: {h.last_words(done)}")
        return path

    def build(self, name, source, *flags):
        path = self.path(name)
        done = subprocess.run([*CC, "-g", "-fno-builtin", "-pthread", "-I", os.path.join(h.SOURCE, "include"),
                               *flags, "-o", path, source], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return path


def check(document, name):
    return next((c for c in document["checks"] if c["name"] == name), {"verdict": "missing", "reason": "", "stacks": [], "value": None})


def metric(document, name):
    return next((m["value"] for m in document["metrics"] if m["name"] == name), "missing")


def small(**more):
    """Peak 1924 bytes, at the end 100 of f and 1024 of stdio; RSS 9 MB."""
    s = Process(**more)
    f, g = s.calls("_start", "main", "f"), s.calls("_start", "main", "g")
    stdio = s.calls("_start", "main", ("puts", LIBC), ("_IO_file_doallocate", LIBC))
    a = [s.alloc(f, 100) for _ in range(3)]
    s.alloc(stdio, 1024)
    t = s.alloc(g, 600)
    s.time(5)
    s.free(t)
    s.free(a[0])
    s.free(a[2])
    s.rss(9_000_000, 3_000_000, 1_000_000)
    s.time(80)
    return s
