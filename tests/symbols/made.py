"""Programs made on the spot, which know what their own addresses are called, and the tests that ask for it."""
import os
import re
import shutil
import subprocess
import tempfile

from ask import look_up
from harness import TIDEMARK

PROGRAMS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "programs")
SEED = int(os.environ.get("SEED", "1"))
NONE, TABLE, DWARF, PERF_MAP = range(4)
WORK = tempfile.mkdtemp(prefix="tidemark-symbols-")
TESTS = []


class Skip(Exception):
    pass


def test(function):
    TESTS.append((function.__name__.replace("_", "-"), function))
    return function


def tool(*names):
    for name in names:
        if not shutil.which(name):
            raise Skip(f"{name} is not installed")


def run(*command, **how):
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=300, **how)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()[:400]}")
    return done.stdout


def fresh(name):
    folder = os.path.join(WORK, name)
    os.makedirs(folder)
    return folder


def written(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text)
    return path


class Program:
    """A program of tests/symbols/programs, compiled; where its probes stand and what must be found there."""

    def __init__(self, folder, source, *command, name="program"):
        self.source = os.path.join(PROGRAMS, source)
        self.path = os.path.join(folder, name)
        run(*command, "-I", PROGRAMS, "-o", self.path, self.source, cwd=folder)
        self.probes = {}
        for line in run(self.path).split("\n"):
            if line:
                label, address = line.split()
                self.probes[label] = int(address, 16)
        self.expected = dict(self.read_expected())

    def read_expected(self):
        texts = {}
        for file in (self.source, os.path.join(PROGRAMS, "header.h")):
            with open(file) as source:
                for number, line in enumerate(source, 1):
                    tag = re.search(r"(?:/\*|//) @([\w-]+)", line)
                    if tag:
                        texts[tag[1] + (".h" if file.endswith("header.h") else "")] = (os.path.basename(file), number)
        texts["header.h"] = ("header.h", next(n for n, line in enumerate(open(os.path.join(PROGRAMS, "header.h")), 1)
                                             if "@header" in line))
        for line in open(self.source):
            match = re.match(r"(?: \*|//) EXPECT ([\w-]+): (.*)", line)
            if match:
                levels = [level.rsplit(" @", 1) for level in match[2].split(" < ")]
                yield match[1], [(name, *texts[tag]) for name, tag in levels]

    def wrong(self, answers, with_lines=True):
        """Sentences about answers (by label) that are not what they must be."""
        sentences = []
        for label, levels in self.expected.items():
            got = answers[label]
            if len(got) != len(levels) or not all(level_fits(*pair, with_lines) for pair in zip(got, levels)):
                sentences.append(f"{label}: {got} instead of {levels}")
        return sentences

    def ask(self, *options, path=None, **how):
        labels = list(self.expected)
        answers, quality = look_up(TIDEMARK, path or self.path, [self.probes[label] for label in labels], *options, **how)
        return dict(zip(labels, answers)), quality

    def check(self, *options, quality=DWARF, **how):
        answers, found = self.ask(*options, **how)
        return self.wrong(answers) + ([f"quality {found} instead of {quality}"] if found != quality else [])


def level_fits(got, expected, with_lines):
    name, file, line = expected
    if name.startswith("/") and name.endswith("/"):
        named = re.fullmatch(name[1:-1], got[0])
    else:
        named = got[0] == name
    if not named:
        return False
    return not with_lines or (os.path.basename(got[1]) == file and os.path.isabs(got[1]) and got[2] == line)
