#!/usr/bin/env python3
"""A reader of Tidemark traces, written from docs/format.md alone, that recomputes the totals the slow and plain way.

    tmk_read.py FILE        totals, leaks and temporaries per node, marks, as lines of text

It shares no code with the analyzer: what both say alike is what the page says."""
import struct
import sys
import zlib

import zstd

MAX_BODY, MAX_COLUMN, MAX_EVENTS, MAX_RARES = 1 << 28, 1 << 26, 1 << 20, 1 << 20
MAX_SITES, MAX_STRING, MAX_TICK = 1 << 20, 1 << 16, 1 << 47
META, EVENTS, SYMBOLS, FOOTER = 1, 2, 3, 4
U64 = (1 << 64) - 1


class Damage(Exception):
    """Reading ends here; what came before stands."""


class NotTrace(Exception):
    """No trace, or one that cannot be read at all."""


def need(condition, text):
    if not condition:
        raise Damage(text)


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def more(self):
        return self.at < len(self.data)

    def byte(self):
        need(self.more(), "cut off")
        self.at += 1
        return self.data[self.at - 1]

    def number(self, below=1 << 64):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
            need(shift < 70, "varint too long")
        need(value < 1 << 64 and value < below, "out of range")
        return value

    def signed(self):
        value = self.number()
        return value >> 1 ^ -(value & 1)

    def bytes(self, count):
        need(count <= len(self.data) - self.at, "cut off")
        self.at += count
        return self.data[self.at - count:self.at]


class Row:
    def __init__(self):
        self.allocations = self.allocated_bytes = self.temporary = 0
        self.live_blocks = self.live_bytes = 0
        self.peak_blocks = self.peak_bytes = 0


# what the payload of each rare event holds: thread, string, module, node, number
RARE = {1: "tsn", 2: "ts", 3: "t", 4: "tsn", 5: "tn", 6: "nnn", 7: "nnnnnn", 8: "m", 9: "ts", 10: "t", 11: "tn",
        12: "tn", 13: "n", 14: "tn", 15: "tdnn", 16: "tnn", 17: "n"}
MARK, RSS, UNKNOWN_FREE, INHERITED_FREE, IMPLICIT_FREE, LOSS = 1, 6, 11, 12, 13, 14


class Trace:
    """Replays a file on construction. stop: the index of a block before which to stop."""

    def __init__(self, data, stop=None):
        self.strings, self.modules, self.threads, self.frames = [b""], [None], [None], [None]
        self.nodes, self.sites = [None], []
        self.symbols, self.quality, self.meta, self.counters = {}, {}, {}, {}
        self.events = self.next = self.ended = self.moves = self.implicit = 0
        self.unknown = self.inherited = self.lost = 0
        self.last_tick = self.heap = self.peak = self.peak_tick = self.peak_blocks = 0
        self.peak_rss = 0
        self.live, self.rows, self.latest, self.marks = {}, {}, {}, []
        self.apis = {}
        self.complete, self.damage = False, ""
        self.block_index = 0
        self.data, self.stop = data, stop
        self.read()

    def read(self):
        data = self.data
        if len(data) < 64 or data[:8] != b"TIDEMARK":
            raise NotTrace("no trace")
        version, header_bytes = struct.unpack_from("<II", data, 8)
        if version != 1:
            raise NotTrace("version")
        if struct.unpack_from("<I", data, 60)[0] != zlib.crc32(data[:60]) or not 64 <= header_bytes <= 4096:
            raise NotTrace("header")
        at = header_bytes
        try:
            while not self.complete:
                need(self.block_index != self.stop, "stopped")
                need(at < len(data), "no footer")
                at = self.block(at)
                self.block_index += 1
            if at != len(data):
                self.complete = False
                raise Damage("bytes after the footer")
        except Damage as damage:
            self.damage = str(damage)

    def block(self, at):
        data = self.data
        need(len(data) - at >= 40, "cut in a block header")
        magic, kind, flags, n_columns, body_bytes, crc, n_events, _, first_alloc, start_tick = struct.unpack_from(
            "<4sBBHIIIIQQ", data, at)
        need(magic == b"TMBK" and body_bytes <= MAX_BODY, "block header")
        need(len(data) - at - 40 >= body_bytes, "cut in a block")
        body = data[at + 40:at + 40 + body_bytes]
        need(zlib.crc32(data[at:at + 12] + data[at + 16:at + 40] + body) == crc, "checksum")
        need((kind == META) == (self.block_index == 0), "meta first")
        if META <= kind <= FOOTER:
            self.columns = self.directory(body, n_columns)
            self.definitions(kind == EVENTS and flags & 1)
            if kind == META:
                self.take_meta()
            elif kind == EVENTS:
                self.take_events(n_events, first_alloc, start_tick)
            elif kind == FOOTER:
                self.take_footer()
        return at + 40 + body_bytes

    def directory(self, body, n_columns):
        need(n_columns * 12 <= len(body), "directory")
        at, columns = n_columns * 12, {}
        for i in range(n_columns):
            number, encoding, mode, _, raw, stored = struct.unpack_from("<BBBBII", body, i * 12)
            need(stored <= len(body) - at, "column length")
            if number < 64:
                need(number not in columns and raw <= MAX_COLUMN, "column")
                columns[number] = (encoding, mode, raw, body[at:at + stored])
            at += stored
        need(at == len(body), "body not filled")
        return columns

    def get(self, number, size=None):
        if number not in self.columns:
            return None
        encoding, _, raw, stored = self.columns[number]
        need(size is None or raw == size, "column size")
        need(encoding <= 1, "encoding")
        data = stored if encoding == 0 else zstd.decompress(stored, raw)
        need(data is not None and len(data) == raw, "unpacking")
        return data

    def walk(self, number):
        return Cursor(self.get(number) or b"")

    def definitions(self, reset):
        if reset:
            self.sites = []
        c = self.walk(1)
        while c.more():
            self.strings.append(c.bytes(c.number(MAX_STRING + 1)))
        c = self.walk(2)
        while c.more():
            path, start, length = c.number(len(self.strings)), c.number(), c.number()
            need(start + length <= U64, "module end")
            bias, flags, id_bytes = c.number(), c.number(0xFFFFFFFF), c.number(21)
            self.modules.append((path, start, start + length, bias, flags, c.bytes(id_bytes)))
        c = self.walk(3)
        while c.more():
            self.threads.append([c.number(0xFFFFFFFF), c.number(len(self.strings))])
        c, offset = self.walk(4), 0
        while c.more():
            module = c.number(len(self.modules))
            offset = offset + c.signed() & U64
            self.frames.append((module, offset, c.number(0xFFFFFFFF)))
        c, frame = self.walk(40), 0
        while c.more():
            frame += c.number()
            need(0 < frame < len(self.frames), "symbol's frame")
            n, known = c.number(), len(self.strings)
            need(n <= len(c.data), "symbols")
            self.symbols[frame] = [(c.number(known), c.number(known), c.number(0xFFFFFFFF)) for _ in range(n)]
        c = self.walk(41)
        while c.more():
            module = c.number(len(self.modules))
            self.quality[module] = c.byte()
        c, f = self.walk(5), self.walk(6)
        while c.more():
            up = c.number()
            need(1 <= up <= len(self.nodes), "parent")
            self.nodes.append((len(self.nodes) - up, f.number(len(self.frames))))
        need(not f.more(), "nodes")
        c, sizes, apis = self.walk(7), self.walk(8), self.walk(9)
        while c.more():
            site = (c.number(len(self.nodes)), sizes.number(), apis.byte())
            need(site[2] < 14 and len(self.sites) < MAX_SITES, "site")
            self.sites.append(site)
        need(not sizes.more() and not apis.more(), "sites")

    def take_meta(self):
        c = self.walk(48)
        while c.more():
            key, length = c.number(), c.number()
            self.meta[key] = c.bytes(length)

    def take_footer(self):
        c = self.walk(49)
        while c.more():
            key, value = c.number(), c.number()
            self.counters[key] = value
        get = lambda key: self.counters.get(key, 0)
        need(get(1) == self.events and get(2) == self.next, "footer's counts")
        need(self.last_tick <= get(3) <= MAX_TICK, "footer's end")
        self.complete = True

    def bitmap(self, number, n):
        data = self.get(number, (n + 7) // 8)
        if data is None:
            return [0] * n
        bits = [data[i // 8] >> i % 8 & 1 for i in range(len(data) * 8)]
        need(not any(bits[n:]), "spare bits")
        return bits[:n]

    def planes(self, first, count, n):
        values, mode = [0] * n, 0
        for i in range(count):
            plane = self.get(first + i, n)
            if plane is not None:
                mode = self.columns[first + i][1]
                need(first != 22 or mode <= 1, "reference mode")
                values = [v | b << 8 * i for v, b in zip(values, plane)]
        return values, mode

    def ticks(self, n, start_tick):
        """The tick of each event, and the last one."""
        result, tick, now = [], start_tick, max(self.last_tick, start_tick)
        c, first = self.walk(30), True
        while c.more():
            events, ticks = c.number(), c.number()
            need(events <= n - len(result) and (events or first), "ticks")
            need(ticks <= MAX_TICK - tick, "tick")
            result += [now] * events
            tick += ticks
            now, first = max(now, tick), False
        return result + [now] * (n - len(result)), now

    def runs(self, n):
        result, c = [], self.walk(31)
        while c.more():
            thread, events = c.number(len(self.threads)), c.number()
            need(thread and events and events <= n - len(result), "runs")
            result += [thread] * events
        need(len(result) == n, "runs")
        return result

    def rares(self, n, start_tick):
        result, position, c = [], 0, self.walk(32)
        limits = {"t": len(self.threads), "s": len(self.strings), "m": len(self.modules), "d": len(self.nodes),
                  "n": 1 << 64}
        while c.more():
            need(len(result) < MAX_RARES, "rare events")
            position += c.number()
            need(position <= n, "position")
            kind, tick = c.byte(), start_tick + c.signed() & U64
            payload = Cursor(c.bytes(c.number()))
            need(tick <= MAX_TICK, "rare tick")
            values = [payload.number(limits[what]) for what in RARE.get(kind, "")]
            result.append((position, kind, tick, values))
        return result

    def take_events(self, n, first_alloc, start_tick):
        need(n <= MAX_EVENTS and start_tick <= MAX_TICK, "block header")
        need(first_alloc == self.next, "first_alloc")
        ops = self.bitmap(16, n)
        n_allocs = sum(ops)
        moves = self.bitmap(17, n_allocs)
        ticks, last_tick = self.ticks(n, start_tick)
        threads, rares = self.runs(n), self.rares(n, start_tick)
        sites, _ = self.planes(18, 4, n_allocs)
        need(all(site < len(self.sites) for site in sites), "site id")
        refs, mode = self.planes(22, 8, n - n_allocs + sum(moves))
        self.check_references(ops, moves, refs, mode, rares)
        self.play(ops, moves, refs, mode, ticks, threads, rares, sites)
        self.last_tick = last_tick

    def numbers(self, ops, moves, refs, mode):
        """The old block's number for each event, None for plain allocations."""
        previous, following, refs, moves, result = self.next, self.next, iter(refs), iter(moves), []
        for op in ops:
            number = None
            if not op or next(moves):
                raw = next(refs)
                number = following - 1 - raw if mode == 0 else previous + (raw >> 1 ^ -(raw & 1))
                number = previous = number & U64
            following += op
            result.append(number)
        return result

    def check_references(self, ops, moves, refs, mode, rares):
        """Nothing of a block counts unless all its references are alive."""
        self.old = self.numbers(ops, moves, refs, mode)
        dead, following, at = set(), self.next, 0
        rares = [r for r in rares if r[1] == IMPLICIT_FREE]
        for i in range(len(ops) + 1):
            ends = []
            while at < len(rares) and rares[at][0] == i:
                ends.append(following - 1 - rares[at][3][0] & U64)
                at += 1
            if i < len(ops) and self.old[i] is not None:
                ends.append(self.old[i])
            for number in ends:
                born = self.next <= number < following or number in self.live
                need(born and number not in dead, "block %d is not alive" % number)
                dead.add(number)
            if i < len(ops):
                following += ops[i]

    def row(self, node):
        return self.rows.setdefault(node, Row())

    def end(self, number):
        node, size, owner = self.live.pop(number)
        row = self.row(node)
        row.live_blocks -= 1
        row.live_bytes -= size
        self.heap -= size
        self.ended += 1
        return row, owner

    def play_rare(self, kind, tick, values):
        if kind == MARK:
            self.marks.append((tick, values[0], self.strings[values[1]], values[2], self.events, self.heap))
        elif kind == RSS:
            self.peak_rss = max(self.peak_rss, values[0])
        elif kind == UNKNOWN_FREE:
            self.unknown += values[1]
        elif kind == INHERITED_FREE:
            self.inherited += values[1]
        elif kind == LOSS:
            self.lost += values[1]
        elif kind == IMPLICIT_FREE:
            self.implicit += 1
            self.end(self.next - 1 - values[0] & U64)

    def play(self, ops, moves, refs, mode, ticks, threads, rares, sites):
        moves, sites, at = iter(moves), iter(sites), 0
        for i in range(len(ops) + 1):
            self.thread = None
            while at < len(rares) and rares[at][0] == i:
                self.play_rare(*rares[at][1:])
                at += 1
            if i == len(ops):
                break
            self.thread = thread = threads[i]
            old = self.old[i]
            if ops[i]:
                self.born(next(sites), thread, old, next(moves))
            else:
                row, owner = self.end(old)
                if self.latest.get(thread) == old:
                    row.temporary += 1
            self.events += 1
            if self.heap > self.peak:
                self.new_peak(ticks[i])

    def born(self, site, thread, old, move):
        node, size, api = self.sites[site]
        if move:
            self.end(old)
            self.moves += 1
        self.live[self.next] = (node, size, thread)
        self.latest[thread] = self.next
        row = self.row(node)
        row.allocations += 1
        row.allocated_bytes += size
        row.live_blocks += 1
        row.live_bytes += size
        count = self.apis.setdefault(api, [0, 0])
        count[0] += 1
        count[1] += size
        self.heap += size
        self.next += 1

    def new_peak(self, tick):
        self.peak, self.peak_tick, self.peak_blocks = self.heap, tick, self.next - self.ended
        for row in self.rows.values():
            row.peak_blocks, row.peak_bytes = row.live_blocks, row.live_bytes


def report(trace):
    """The lines that tests/reader/profile_print.c prints, too."""
    rows = sorted(trace.rows.items())
    total = lambda name: sum(getattr(row, name) for _, row in rows)
    lines = ["complete %d" % trace.complete,
             "events %d" % trace.events,
             "allocations %d" % trace.next,
             "frees %d" % trace.ended,
             "allocated_bytes %d" % total("allocated_bytes"),
             "reallocations %d" % trace.moves,
             "leaked_bytes %d" % trace.heap,
             "leaked_blocks %d" % len(trace.live),
             "peak %d %d %d" % (trace.peak, trace.peak_blocks, trace.peak_tick),
             "peak_rss %d" % max(trace.peak_rss, trace.counters.get(20, 0)),
             "temporary %d" % total("temporary"),
             "unknown %d inherited %d implicit %d lost %d" % (
                 trace.unknown, trace.inherited, trace.implicit, max(trace.lost, trace.counters.get(6, 0)))]
    for api, (count, size) in sorted(trace.apis.items()):
        lines.append("api %d %d %d" % (api, count, size))
    for node, row in rows:
        lines.append("row %d: %d %d live %d %d peak %d %d temporary %d" % (
            node, row.allocations, row.allocated_bytes, row.live_blocks, row.live_bytes, row.peak_blocks,
            row.peak_bytes, row.temporary))
    for tick, thread, name, ops, event, heap in trace.marks:
        lines.append("mark %d %d %s %d %d %d" % (tick, thread, name.split(b"\0")[0].hex(), ops, event, heap))
    return lines


def main():
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    try:
        trace = Trace(data)
    except NotTrace as error:
        sys.exit("%s: %s" % (sys.argv[1], error))
    print("\n".join(report(trace)))
    if trace.damage:
        print("damage: " + trace.damage, file=sys.stderr)


if __name__ == "__main__":
    main()
