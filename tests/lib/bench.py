"""Tests that each get a folder of their own and note what they find wrong: what the scripts of reports, gate and history share.

    @test
    def name_of_the_test(b): ...        b: a Bench
    run_all("piece")
"""
import json
import os
import subprocess
import tempfile

import harness as h

TESTS = []


def test(function):
    TESTS.append(function)
    return function


class Bench:
    """A folder for one test, and what it found wrong."""

    def __init__(self, folder):
        self.folder, self.failures, self.skip = folder, [], None
        self.env = h.clean_environment({"LC_ALL": "C.UTF-8"})

    def equal(self, what, got, expected):
        if got != expected:
            self.failures.append(f"{what} is {got!r}, not {expected!r}")

    def true(self, what, condition):
        if not condition:
            self.failures.append(f"{what} does not hold")

    def path(self, name):
        return os.path.join(self.folder, name)

    def file(self, name, data):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as out:
            out.write(data if isinstance(data, bytes) else data.encode())
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def trace(self, story, name="t.tmk", **how):
        return self.file(name, story.data(**how))

    def raw(self, *arguments, status=0, cwd=None, env=()):
        """(stdout, stderr) of tidemark as bytes; its status is checked, unless None."""
        done = subprocess.run([h.TIDEMARK, *arguments], capture_output=True, cwd=cwd or self.folder, timeout=h.HANG,
                              env={**self.env, **dict(env)})
        if status not in (None, done.returncode):
            self.failures.append(f"{' '.join(map(os.fsdecode, arguments))}: status {done.returncode}, not {status}: "
                                 f"{done.stderr[-300:]!r} {done.stdout[-300:]!r}")
        return done.stdout, done.stderr

    def run(self, *arguments, **how):
        """The same as text, which must be UTF-8."""
        texts = []
        for what, data in zip(("stdout", "stderr"), self.raw(*arguments, **how)):
            try:
                data.decode()
            except UnicodeDecodeError as error:
                self.failures.append(f"{arguments}: {what} is no UTF-8: {data[max(0, error.start - 60):error.end]!r}")
            texts.append(data.decode(errors="replace"))
        return texts

    def text(self, *arguments, **how):
        return self.run(*arguments, **how)[0]

    def json(self, *arguments, **how):
        out = self.text(*arguments, "--json", **how)
        try:
            return json.loads(out)
        except ValueError as error:
            self.failures.append(f"{' '.join(map(os.fsdecode, arguments))}: no JSON: {error}: {out[:200]!r}")
            return {}

    def refused(self, says, *arguments, status=2, lines=1, **how):
        """Trouble: nothing on standard output, and one line that says what is wrong; lines=None: some."""
        out, err = self.run(*arguments, status=status, **how)
        self.equal(f"output of {arguments}", out, "")
        self.true(f"{says!r} in {err!r}", says in err and err.startswith("tidemark: ") and lines in (None, err.count("\n")))


def run_all(piece, make=Bench, needs=()):
    missing = h.installed(*needs)
    for function in TESTS:
        name = f"{piece}/{function.__name__}"
        if not h.selected(name):
            continue
        with tempfile.TemporaryDirectory(prefix=f"tidemark-{piece}-") as folder:
            bench = make(os.path.realpath(folder))
            try:
                if missing:
                    bench.skip = f"no {missing}"
                else:
                    function(bench)
            except Exception as error:  # a test that breaks is one that failed
                bench.failures.append(f"{type(error).__name__}: {error}")
            h.report(name, bench.failures, bench.skip)
    h.finish()
