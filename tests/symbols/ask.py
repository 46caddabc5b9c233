"""One conversation with `tidemark symbolize`: modules, perf maps and frames asked for, answers by frame.

Frames are asked by address, as they are (TIDEMARK_NODE_EXACT) or as return addresses.
"""
import re
import subprocess

EXACT = 1
ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n"}


def escape(text):
    return "".join(ESCAPES.get(c, c if c >= " " else f"\\x{ord(c):02x}") for c in text)


def unescape(text):
    return re.sub(r"\\(x[0-9a-f]{2}|.)", lambda m: {"t": "\t", "n": "\n"}.get(m[1]) or
                  (chr(int(m[1][1:], 16)) if m[1][0] == "x" else m[1]), text)


def build_id(path):
    notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, errors="replace").stdout
    match = re.search(r"Build ID: (\w+)", notes)
    return match[1] if match else "-"


class Answers:
    def __init__(self, text, errors, status):
        self.frames, self.quality, self.order, self.errors, self.status = {}, {}, [], errors, status
        left, current = 0, None
        for line in text.split("\n")[:-1]:
            fields = line.split("\t")
            if left:
                current.append((unescape(fields[0]), unescape(fields[1]), int(fields[2])))
                left -= 1
            elif fields[0] == "frame":
                current = self.frames[int(fields[1])] = []
                self.order.append(int(fields[1]))
                left = int(fields[2])
            elif fields[0] == "quality":
                assert int(fields[1]) not in self.quality, "quality told twice"
                self.quality[int(fields[1])] = int(fields[2])
            else:
                raise AssertionError(f"neither frame nor quality: {line!r}")
        assert not left, "an answer is cut short"


class Session:
    def __init__(self, tidemark, *options):
        self.command = [tidemark, "symbolize", *options]
        self.requests = []

    def module(self, number, path, name=None, build=None):
        build = build_id(path) if build is None else build
        self.requests.append(f"module\t{number}\t{build}\t{escape(path)}\t{escape(name or path)}\n")
        return self

    def frame(self, number, module, address, flags=0):
        self.requests.append(f"frame\t{number}\t{module}\t{address:x}\t{flags}\n")
        return self

    def line(self, text):
        self.requests.append(text)
        return self

    def end(self, timeout=60):
        done = subprocess.run(self.command, input="".join(self.requests).encode(errors="surrogateescape"),
                              capture_output=True, timeout=timeout)
        return Answers(done.stdout.decode(errors="surrogateescape"), done.stderr.decode(errors="replace"), done.returncode)


def look_up(tidemark, path, addresses, *options, flags=0, build=None, name=None):
    """Answers for a list of addresses of one file, in their order; and the quality of its symbols."""
    session = Session(tidemark, *options).module(1, path, build=build, name=name)
    for number, address in enumerate(addresses):
        session.frame(number, 1, address, flags)
    answers = session.end()
    return [answers.frames[number] for number in range(len(addresses))], answers.quality.get(1)
