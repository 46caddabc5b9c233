#!/usr/bin/env python3
"""Writes synthetic traces from docs/format.md: random, seeded, with every feature of the format.

    tmk_write.py SEED [EVENTS] > FILE.tmk
    tmk_write.py example > FILE.tmk       the worked example of docs/format.md"""
import random
import struct
import sys
import zlib

import zstd

META, EVENTS, SYMBOLS, FOOTER = 1, 2, 3, 4
U64 = (1 << 64) - 1


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varints(*values):
    return b"".join(varint(v) for v in values)


def zigzag(value):
    return (value << 1 ^ value >> 63) & U64


def wrapped(value):
    """A difference of two unsigned 64-bit numbers as a signed one."""
    value &= U64
    return value - (1 << 64) if value >> 63 else value


def file_header(pid=4242, parent=4241, flags=0, session=bytes(range(16)), version=1, header_bytes=64):
    head = struct.pack("<8sII16sIIQQI", b"TIDEMARK", version, header_bytes, session, pid, parent,
                       1700000000 * 10**9, 12345 * 10**9, flags)
    return head + struct.pack("<I", zlib.crc32(head)) + b"\0" * (header_bytes - 64)


def block(kind, columns, n_events=0, first_alloc=0, start_tick=0, flags=0):
    """columns: [(id, mode, encoding, raw)...]; encoding 1 is zstd."""
    directory, stored = b"", b""
    for number, mode, encoding, raw in columns:
        data = zstd.compress(raw) if encoding == 1 else raw
        directory += struct.pack("<BBBBII", number, encoding, mode, 0, len(raw), len(data))
        stored += data
    return seal(kind, directory + stored, len(columns), n_events, first_alloc, start_tick, flags)


def seal(kind, body, n_columns, n_events=0, first_alloc=0, start_tick=0, flags=0):
    front = struct.pack("<4sBBHI", b"TMBK", kind, flags, n_columns, len(body))
    back = struct.pack("<IIQQ", n_events, 0, first_alloc, start_tick)
    return front + struct.pack("<I", zlib.crc32(front + back + body)) + back + body


def bitmap(bits):
    out = bytearray((len(bits) + 7) // 8)
    for i, bit in enumerate(bits):
        out[i // 8] |= bit << i % 8
    return bytes(out)


def planes(first, values, mode=0):
    count = max([(v.bit_length() + 7) // 8 for v in values] + [mode]) if values else 0
    return [(first + i, mode, bytes(v >> 8 * i & 0xFF for v in values)) for i in range(count)]


def example():
    """The worked example as a whole file."""
    columns = [(3, "4d00"), (4, "00804000"), (5, "01"), (6, "01"), (7, "010101"), (8, "106464"), (9, "000002"),
               (16, "07"), (17, "04"), (18, "000102"), (22, "0101"), (31, "0104"), (32, "04010003000000")]
    body = block(EVENTS, [(n, 0, 0, bytes.fromhex(raw)) for n, raw in columns], n_events=4)
    footer = block(FOOTER, [(49, 0, 0, varints(1, 4, 2, 3, 3, 0, 4, 1))])
    return file_header() + block(META, [(48, 0, 0, varints(1, 4) + b"/bin")]) + body + footer


class Synthetic:
    """A random process. Its own sums (totals()) are kept apart from what any reader computes."""

    def __init__(self, seed, n_events=2000, implicit=True):
        self.random = random.Random(seed)
        self.n_events = n_events
        self.implicit = implicit
        r = self.random
        self.compress = r.choice([0, 1, 2])
        self.block_events = r.choice([1, 7, 100, 1000, 100000])
        self.max_sites = r.choice([5, 50, 100000])
        self.p_free = r.choice([0.3, 0.49, 0.5, 0.6])
        self.p_move = r.choice([0, 0.02, 0.3])
        self.p_rare = r.choice([0, 0.01, 0.2])
        self.lifo = r.random()
        self.big = r.random() < 0.3
        self.next = self.events = self.ended = self.heap = self.peak = 0
        self.tick = r.choice([0, 3, 100000])
        self.live, self.sizes = [], {}
        self.n_strings = self.n_modules = self.n_threads = self.n_frames = self.n_nodes = 1
        self.n_sites, self.nodes_known = 0, [0]
        self.reset_block()

    def reset_block(self):
        self.defs = {n: b"" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9)}
        self.previous_offset = self.previous_position = 0
        self.flags = 0
        self.ops, self.moves, self.site_ids, self.old = [], [], [], []
        self.runs, self.steps, self.rare, self.since_step = [], b"", b"", 0
        self.block_first, self.block_tick = self.next, self.tick

    # definitions

    def string(self, text):
        self.defs[1] += varint(len(text)) + text
        self.n_strings += 1
        return self.n_strings - 1

    def odd_string(self):
        r = self.random
        return self.string(bytes(r.choice(b"abc/ \"\\\n\t\x01;\xc3\xa9\xff") for _ in range(r.randrange(12))))

    def module(self):
        r = self.random
        build_id = r.randbytes(r.choice([0, 8, 20]))
        path, start = self.odd_string(), r.randrange(1 << 47)
        self.defs[2] += varints(path, start, r.randrange(1 << 24), r.choice([0, start, U64 - 5]), r.randrange(4),
                                len(build_id)) + build_id
        self.n_modules += 1

    def frame(self):
        offset = self.random.choice([self.random.randrange(1 << 20), self.random.getrandbits(64)])
        delta = zigzag(wrapped(offset - self.previous_offset))
        self.defs[4] += varints(self.random.randrange(self.n_modules), delta, self.random.choice([0, 0, 1, 2, 16]))
        self.previous_offset = offset
        self.n_frames += 1
        return self.n_frames - 1

    def node(self):
        parent = self.random.randrange(self.n_nodes)
        self.defs[5] += varint(self.n_nodes - parent)
        self.defs[6] += varint(self.frame() if self.random.random() < 0.7 else self.random.randrange(self.n_frames))
        self.n_nodes += 1
        return self.n_nodes - 1

    def site(self):
        r = self.random
        if self.n_sites >= self.max_sites and not self.ops and not self.flags:
            self.flags, self.n_sites, self.site_sizes = 1, 0, []
            self.defs[7] = self.defs[8] = self.defs[9] = b""
        if self.n_sites and (r.random() < 0.8 or self.n_sites >= self.max_sites):
            return r.randrange(self.n_sites)
        if not self.n_sites:
            self.site_sizes = []
        node = self.node() if r.random() < 0.5 else r.randrange(self.n_nodes)
        size = r.choice([0, 1, 16, 100, r.randrange(5000), r.randrange(5000)])
        if self.big and r.random() < 0.1:
            size = r.choice([0xFFFFFFFE, 0xFFFFFFFF, 1 << 32, 5 << 40])
        self.defs[7] += varint(node)
        self.defs[8] += varint(size)
        self.defs[9] += bytes([r.randrange(14)])
        self.site_sizes.append(size)
        self.n_sites += 1
        return self.n_sites - 1

    def thread(self):
        if self.n_threads == 1 or self.random.random() < 0.02:
            self.defs[3] += varints(self.random.randrange(1 << 22), self.odd_string())
            self.n_threads += 1
        return self.random.randrange(1, self.n_threads)

    # events

    def pick_old(self):
        """Take a live block out; often a young one."""
        at = -1 if self.random.random() < self.lifo else self.random.randrange(len(self.live))
        self.live[at], self.live[-1] = self.live[-1], self.live[at]
        number = self.live.pop()
        self.heap -= self.sizes.pop(number)
        self.ended += 1
        return number

    def event(self):
        r = self.random
        if r.random() < 0.3:
            self.pass_time(r.choice([1, 1, 50]))
        if r.random() < self.p_rare:
            self.rare_event()
        if not self.runs or r.random() < 0.2:
            self.runs.append([self.thread(), 0])
        self.runs[-1][1] += 1
        if self.live and r.random() < self.p_free:
            self.old.append((self.pick_old(), self.next))
            self.ops.append(0)
        else:
            self.allocate(self.live and r.random() < self.p_move)
        self.since_step += 1
        self.events += 1
        self.peak = max(self.peak, self.heap)

    def allocate(self, move):
        site = self.site()
        if move:
            self.old.append((self.pick_old(), self.next))
        self.ops.append(1)
        self.moves.append(1 if move else 0)
        self.site_ids.append(site)
        self.sizes[self.next] = self.site_sizes[site]
        self.heap += self.site_sizes[site]
        self.live.append(self.next)
        self.next += 1

    def pass_time(self, ticks):
        if self.since_step or not self.steps:
            self.steps += varints(self.since_step, ticks)
            self.since_step = 0
            self.tick += ticks

    def rare_event(self):
        r = self.random
        kind = r.choice([1, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 99])
        thread = r.randrange(self.n_threads)
        values = {
            1: lambda: (thread, self.mark_name(), r.choice([0, 0, 100])), 2: lambda: (thread, self.odd_string()),
            3: lambda: (thread,), 4: lambda: (thread, self.odd_string(), r.getrandbits(60)),
            5: lambda: (thread, r.getrandbits(60)), 6: lambda: (r.randrange(1 << 32), r.randrange(1 << 20), 4096),
            7: lambda: [r.randrange(1 << 30) for _ in range(6)], 8: lambda: (r.randrange(self.n_modules),),
            9: lambda: (thread, self.odd_string()), 10: lambda: (thread,), 11: lambda: (thread, r.randrange(5)),
            12: lambda: (thread, r.randrange(5)), 13: self.implicit_free, 14: lambda: (thread, r.randrange(3)),
            15: lambda: (thread, r.randrange(self.n_nodes), r.randrange(64) << 12, r.randrange(20) << 12),
            16: lambda: (thread, r.randrange(64) << 12, r.randrange(20) << 12), 17: lambda: (r.randrange(1 << 22),),
            99: lambda: (1, 2, 3)}[kind]()
        if values is None or kind == 9 and thread == 0:
            return
        payload = varints(*values) + (b"more" if r.random() < 0.1 else b"")
        position = len(self.ops)
        tick = self.tick + (r.choice([0, 0, 2, -2]) if kind in (6, 7) else 0)
        delta = zigzag(max(tick, 0) - self.block_tick)
        self.rare += varint(position - self.previous_position) + bytes([kind]) + varints(delta, len(payload)) + payload
        self.previous_position = position

    def mark_name(self):
        return self.string(self.random.choice([b"start", b"phase", b"phase", b"5", b"caf\xc3\xa9"]))

    def implicit_free(self):
        if not self.live or not self.implicit:
            return None
        return (self.next - 1 - self.pick_old(),)

    # blocks

    def references(self):
        mode, previous, raw = self.random.choice([0, 1]), self.block_first, []
        for number, following in self.old:
            raw.append(following - 1 - number if mode == 0 else zigzag(number - previous))
            previous = number
        return planes(22, raw, mode)

    def flush(self):
        columns = [(n, 0, raw) for n, raw in self.defs.items()]
        columns += [(16, 0, bitmap(self.ops) if any(self.ops) else b"")]
        columns += [(17, 0, bitmap(self.moves) if any(self.moves) else b"")]
        columns += planes(18, self.site_ids) + self.references()
        columns += [(30, 0, self.steps), (31, 0, b"".join(varints(*run) for run in self.runs)), (32, 0, self.rare)]
        if self.random.random() < 0.2:
            columns.append((self.random.choice([60, 63, 64, 255]), 0, b"unknown"))
        out = self.pack(EVENTS, columns, n_events=len(self.ops), first_alloc=self.block_first,
                        start_tick=self.block_tick, flags=self.flags)
        self.reset_block()
        return out

    def pack(self, kind, columns, **header):
        columns = [(n, mode, self.random.randrange(2) if self.compress == 2 else self.compress, raw)
                   for n, mode, raw in columns if raw]
        self.random.shuffle(columns)
        return block(kind, columns, **header)

    def symbols(self):
        """A SYMBOLS block about some frames."""
        r, previous, raw = self.random, 0, b""
        strings, known = b"", self.n_strings
        for frame in sorted(r.sample(range(1, self.n_frames), r.randrange(self.n_frames))):
            n = r.randrange(4)
            raw += varints(frame - previous, n)
            for _ in range(n):
                text = b"f%d(int)" % self.n_strings
                strings += varint(len(text)) + text
                self.n_strings += 1
                raw += varints(self.n_strings - 1, r.randrange(known), r.randrange(1000))
            previous = frame
        quality = b"".join(varint(m) + bytes([r.randrange(4)]) for m in range(1, self.n_modules))
        return self.pack(SYMBOLS, [(1, 0, strings), (40, 0, raw), (41, 0, quality)])

    def data(self):
        out = [file_header(flags=self.random.randrange(4), header_bytes=self.random.choice([64, 64, 72]))]
        meta = {1: b"/bin/prog", 2: b"prog\0-x\0a b\0", 5: b"fast", 77: b"unknown"}
        out.append(self.pack(META, [(48, 0, b"".join(varints(k, len(v)) + v for k, v in meta.items()))]))
        for _ in range(self.random.randrange(3)):
            self.module()
        while self.events < self.n_events:
            self.event()
            if len(self.ops) >= self.block_events or self.random.random() < 0.001:
                out.append(self.flush())
                if self.random.random() < 0.1:
                    out.append(self.symbols())
                if self.random.random() < 0.05:
                    out.append(self.pack(200, [(1, 0, b"unknown block")]))
        self.pass_time(3)
        self.rare_event()
        out.append(self.flush())
        out.append(self.symbols())
        counters = varints(1, self.events, 2, self.next, 3, self.tick + 7, 4, 1, 5, 3, 6, self.random.randrange(3), 1000, 1)
        out.append(self.pack(FOOTER, [(49, 0, counters)]))
        return b"".join(out)

    def totals(self):
        return {"events": self.events, "allocations": self.next, "frees": self.ended, "leaked_bytes": self.heap,
                "leaked_blocks": len(self.live), "peak": self.peak}


def main():
    if sys.argv[1] == "example":
        data = example()
    else:
        data = Synthetic(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2000).data()
    sys.stdout.buffer.write(data)


if __name__ == "__main__":
    main()
