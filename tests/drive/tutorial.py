#!/usr/bin/python3
"""docs/tutorial.md, run: every command in its order, in one shell; what it prints is compared with what the page shows.

usage: tutorial.py [--update]       --update writes the outputs into the page

Numbers, times and process ids may differ, and frames of the C library, whose names depend on what is installed.
"""
import os
import re
import shutil
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import harness as h  # noqa: E402

PAGE = os.path.join(h.SOURCE, "docs", "tutorial.md")
BLOCK = re.compile(r"^```sh\n(.*?)^```\n(?:^```text\n(.*?)^```\n)?", re.M | re.S)
SEPARATOR = "@@@ next block"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def shape(text):
    """The lines without what may differ from run to run."""
    lines = [re.sub(r"\s+", " ", re.sub(r"\d[\d,.]*( ?(B|kB|MB|ms|s)\b)?", "#", line)).rstrip() for line in text.splitlines()]
    return [line for line in lines if not line.endswith("[libc.so.#]") and not line.startswith(" libc.so.#")]


def run(blocks, top):
    """What each block prints, with the page's names of folder and port."""
    tour, port = os.path.join(top, "tour"), free_port()
    clone = os.path.join(top, "clone")
    os.mkdir(clone)
    for name in ("scripts", "include", "docs"):
        os.symlink(os.path.join(h.SOURCE, name), os.path.join(clone, name))
    os.symlink(h.BUILD, os.path.join(clone, "build"))
    script = "".join(f"{block.replace('/tmp/tour', tour).replace('8080', port)}\necho '{SEPARATOR}'\n" for block in blocks)
    got = subprocess.run(["bash", "-c", f"exec 2>&1\n{script}"], cwd=clone, env=h.clean_environment(), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, timeout=h.HANG, check=False, text=True, errors="replace")
    return [part.lstrip("\n").replace(tour, "/tmp/tour").replace(port, "8080") for part in got.stdout.split(SEPARATOR)[:-1]]


def main():
    if b"Sanitizer" in h.tool("selftest").stdout:
        h.report("drive/tutorial", skip="the command is built with a sanitizer, and cannot record itself")
        h.finish()
    with open(PAGE, encoding="utf-8") as f:
        page = f.read()
    blocks = list(BLOCK.finditer(page))
    top = h.scratch("tutorial")
    try:
        outputs = run([b.group(1) for b in blocks], top)
    finally:
        shutil.rmtree(top)
    if sys.argv[1:] == ["--update"]:
        for block, output in reversed(list(zip(blocks, outputs))):
            if block.group(2) is not None:
                page = page[:block.start(2)] + output + page[block.end(2):]
        with open(PAGE, "w", encoding="utf-8") as f:
            f.write(page)
        return
    wrong = [] if len(outputs) == len(blocks) else [f"{len(blocks)} blocks, {len(outputs)} ran"]
    for block, output in zip(blocks, outputs):
        wanted, got = shape(block.group(2) or ""), shape(output)
        wrong += [f"{block.group(1).splitlines()[0][:60]!r} prints {a!r}, the page says {b!r}"
                  for a, b in zip(got + ["(end)"], wanted + ["(end)"]) if a != b][:1]
    h.report("drive/tutorial", wrong)
    h.finish()


main()
