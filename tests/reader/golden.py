#!/usr/bin/python3
"""Traces of every format version stay readable: each tests/golden/*.tmk dumps and profiles to the text beside it. And the
worked example of docs/format.md is true, byte by byte.

    golden.py BUILD             compare
    golden.py BUILD --accept    write the texts anew"""
import glob
import os
import re
import sys

import check
import tmk_read
import tmk_write

GOLDEN = os.path.join(check.HERE, "..", "golden")
PAGE = os.path.join(check.HERE, "..", "..", "docs", "format.md")


def texts(file):
    yield "dump", check.lines(check.TIDEMARK, "dump", "--events", file)
    yield "profile", check.lines(check.PRINT, file)


def golden():
    files = sorted(glob.glob(os.path.join(GOLDEN, "*.tmk")))
    assert files, "there is none"
    for file in files:
        for kind, lines in texts(file):
            path = "%s.%s" % (file[:-len(".tmk")], kind)
            if "--accept" in sys.argv:
                with open(path, "w", encoding="utf-8", errors="surrogateescape") as out:
                    out.write("\n".join(lines) + "\n")
            with open(path, encoding="utf-8", errors="surrogateescape") as expected:
                difference = check.differ(expected.read().splitlines(), lines)
            assert not difference, "%s: %s" % (os.path.basename(path), difference)
        with open(file, "rb") as data:
            difference = check.differ(tmk_read.report(tmk_read.Trace(data.read())), lines)
        assert not difference, "%s: the independent reader: %s" % (os.path.basename(file), difference)
    return "%d traces read as they always were" % len(files)


def example():
    """The page's bytes make up the example that the writer builds, and its totals hold."""
    with open(PAGE, encoding="utf-8") as page:
        text = page.read().split("## A worked example")[1]
    front = re.findall(r"^    ((?:[0-9a-f]{2} +)+) ", text, re.M)
    header = bytes.fromhex(" ".join(front))[:40]
    columns = re.findall(r"^    (\d+) +[A-Z]\w*(?:, mode 0)? +((?:[0-9a-f]{2} )+) ", text, re.M)
    block = tmk_write.block(tmk_write.EVENTS, [(int(n), 0, 0, bytes.fromhex(raw)) for n, raw in columns], n_events=4)
    assert block[:40] == header, "header %s, built %s" % (header.hex(" "), block[:40].hex(" "))
    assert len(columns) == 13 and block in tmk_write.example(), "columns"
    file = check.write("example.tmk", tmk_write.example())
    lines = check.lines(check.PRINT, file)
    for line in ("allocations 3", "frees 2", "allocated_bytes 216", "peak 200 2 0", "leaked_bytes 100", "leaked_blocks 1"):
        assert line in lines, line
    return "13 columns, the header and the totals"


check.test("reader/golden", golden)
check.test("reader/format-example", example)
check.end()
