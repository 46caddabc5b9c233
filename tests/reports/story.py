"""A recording told event by event, so that a test knows every figure a report must print. Builds on the writer that
tests/reader makes from docs/format.md."""
import os
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "reader"))
from tmk_write import EVENTS, FOOTER, META, SYMBOLS, bitmap, block, file_header, planes, varint, varints, wrapped, zigzag  # noqa: E402

EXACT, CUT, BROKEN, EARLY, GUESS = 1, 2, 4, 8, 16
MAIN = 1
NONE, TABLE, DWARF = 0, 1, 2
EXIT, SIGNAL, EXEC, DETACHED = 1, 2, 3, 5
LIBC = "/lib/x86_64-linux-gnu/libc.so.6"
LOADER = "/lib64/ld-linux-x86-64.so.2"


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def offset_of(name):
    """An address that only this function has."""
    return 0x1000 + zlib.crc32(as_bytes(name)) * 64


class Story:
    """Ids as in the format: modules, threads, frames and strings from 1, nodes from 1 with 0 the root."""

    def __init__(self, exe="/opt/app/bin/app", command=("app", "--run"), pid=4242, flags=0, meta=None):
        self.exe, self.command, self.pid, self.flags = as_bytes(exe), [as_bytes(c) for c in command], pid, flags
        self.meta = meta or {}
        self.strings, self.modules, self.frames, self.nodes, self.sites = {}, {}, {}, {}, {}
        self.defs = {n: b"" for n in range(1, 10)}
        self.offset = 0
        self.symbols, self.quality = {}, {}
        self.ops, self.moves, self.site_ids, self.ends, self.runs = [], [], [], [], []
        self.tick, self.steps, self.since = 0, b"", 0
        self.rare, self.position = b"", 0
        self.n_blocks = 0
        self.current = self.thread(self.pid, "main")
        self.main = self.module(self.exe, flags=MAIN)

    # definitions

    def string(self, text):
        text = as_bytes(text)
        if not text:
            return 0
        if text not in self.strings:
            self.strings[text] = len(self.strings) + 1
            self.defs[1] += varint(len(text)) + text
        return self.strings[text]

    def thread(self, tid, name):
        self.defs[3] += varints(tid, self.string(name))
        self.n_threads = getattr(self, "n_threads", 0) + 1
        return self.n_threads

    def module(self, path, flags=0, build_id=b"", quality=DWARF):
        path = as_bytes(path)
        if path not in self.modules:
            self.modules[path] = number = len(self.modules) + 1
            start = 0x7f0000000000 + number * 0x10000000
            self.defs[2] += varints(self.string(path), start, 0x1000000, start, flags, len(build_id)) + build_id
            self.quality[number] = quality
        return self.modules[path]

    def frame(self, module, offset, symbols=(), flags=0):
        """symbols: (function, file, line)..., innermost inlined first."""
        key = (module, offset, flags)
        if key not in self.frames:
            self.frames[key] = len(self.frames) + 1
            self.defs[4] += varints(module, zigzag(wrapped(offset - self.offset)), flags)
            self.offset = offset
            if symbols:
                self.symbols[self.frames[key]] = symbols
        return self.frames[key]

    def stack(self, *frames):
        """Root first. returns: the node of the last."""
        parent = 0
        for frame in frames:
            key = (parent, frame)
            if key not in self.nodes:
                self.nodes[key] = len(self.nodes) + 1
                self.defs[5] += varint(self.nodes[key] - parent)
                self.defs[6] += varint(frame)
            parent = self.nodes[key]
        return parent

    def calls(self, *names):
        """A stack of named functions of the main program, root first; a name may be (name, module path)."""
        frames = []
        for depth, name in enumerate(names):
            name, path = name if isinstance(name, tuple) else (name, self.exe)
            module = self.module(path)
            offset = offset_of(name) + depth
            symbols = [(name, "" if path != self.exe else f"src/{depth}.c", 0 if path != self.exe else 10 + depth)] if name else []
            frames.append(self.frame(module, offset, symbols))
        return self.stack(*frames)

    # events

    def event(self, is_alloc):
        if not self.runs or self.runs[-1][0] != self.current:
            self.runs.append([self.current, 0])
        self.runs[-1][1] += 1
        self.ops.append(1 if is_alloc else 0)
        self.since += 1

    def alloc(self, node, size, api=0, moves=None):
        key = (node, size, api)
        if key not in self.sites:
            self.sites[key] = len(self.sites)
            self.defs[7] += varint(node)
            self.defs[8] += varint(size)
            self.defs[9] += bytes([api])
        if moves is not None:
            self.ends.append((moves, self.n_blocks))
        self.event(True)
        self.moves.append(0 if moves is None else 1)
        self.site_ids.append(self.sites[key])
        self.n_blocks += 1
        return self.n_blocks - 1

    def free(self, number):
        self.ends.append((number, self.n_blocks))
        self.event(False)

    def time(self, ticks):
        """Let that many ticks of 100 us pass."""
        if ticks:
            self.steps += varints(self.since, ticks)
            self.since = 0
            self.tick += ticks

    def rare_event(self, kind, payload):
        self.rare += varint(len(self.ops) - self.position) + bytes([kind]) + varints(zigzag(self.tick), len(payload)) + payload
        self.position = len(self.ops)

    def mark(self, name, operations=0):
        self.rare_event(1, varints(0, self.string(name), operations))

    def rss(self, rss, shared=0, own=0):
        self.rare_event(6, varints(rss, shared, own))

    def smaps(self, *values):
        self.rare_event(7, varints(*values))

    def loss(self, count):
        self.rare_event(14, varints(0, count))

    # the file

    def symbols_block(self):
        previous, raw = 0, b""
        before, self.defs[1] = self.defs[1], b""
        for frame, names in sorted(self.symbols.items()):
            raw += varints(frame - previous, len(names))
            for function, file, line in names:
                raw += varints(self.string(function), self.string(file), line)
            previous = frame
        quality = b"".join(varint(m) + bytes([q]) for m, q in sorted(self.quality.items()))
        strings, self.defs[1] = self.defs[1], before
        return block(SYMBOLS, [(n, mode, 1, data) for n, mode, data in ((1, 0, strings), (40, 0, raw), (41, 0, quality)) if data])

    def events_block(self):
        references = [following - 1 - number for number, following in self.ends]
        columns = [(n, 0, raw) for n, raw in self.defs.items()]
        columns += [(16, 0, bitmap(self.ops)), (17, 0, bitmap(self.moves) if any(self.moves) else b"")]
        columns += planes(18, self.site_ids) + planes(22, references)
        columns += [(30, 0, self.steps), (31, 0, b"".join(varints(*run) for run in self.runs)), (32, 0, self.rare)]
        return block(EVENTS, [(n, mode, 1, raw) for n, mode, raw in columns if raw], n_events=len(self.ops))

    def data(self, end=(EXIT, 0), counters=(), whole=True):
        """counters: more pairs of enum tidemark_counter and value. whole: with a footer."""
        meta = {1: self.exe, 2: b"".join(c + b"\0" for c in self.command), **self.meta}
        out = file_header(pid=self.pid, flags=self.flags)
        out += block(META, [(48, 0, 0, b"".join(varints(k, len(v)) + v for k, v in sorted(meta.items())))])
        out += self.events_block() + self.symbols_block()
        if not whole:
            return out
        values = [1, len(self.ops), 2, self.n_blocks, 3, self.tick, 4, end[0], 5, end[1], *counters]
        return out + block(FOOTER, [(49, 0, 0, varints(*values))])
