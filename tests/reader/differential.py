#!/usr/bin/python3
"""The analyzer against the independent reader, on random traces: totals, every row, marks; dump; windows and timeline
against a plain computation over the dump's lines.

    differential.py BUILD [FIRST_SEED N_SEEDS]"""
import bisect
import random
import re
import shlex
import sys

import check
import tmk_read
import tmk_write

FIRST = int(sys.argv[2]) if len(sys.argv) > 2 else 1
SEEDS = range(FIRST, FIRST + (int(sys.argv[3]) if len(sys.argv) > 3 else 80))


def totals():
    events = 0
    for seed in SEEDS:
        synthetic = tmk_write.Synthetic(seed, 1500)
        trace = tmk_read.Trace(synthetic.data())
        file = check.write("totals.tmk", trace.data)
        assert trace.complete, "seed %d: Python says %s" % (seed, trace.damage)
        for name, value in synthetic.totals().items():
            mine = {"events": trace.events, "allocations": trace.next, "frees": trace.ended, "leaked_bytes": trace.heap,
                    "leaked_blocks": len(trace.live), "peak": trace.peak}[name]
            assert mine == value, "seed %d: the writer's %s is %d, Python reads %d" % (seed, name, value, mine)
        difference = check.differ(tmk_read.report(trace), check.lines(check.PRINT, file))
        assert not difference, "seed %d: %s" % (seed, difference)
        events += trace.events
    return "%d traces, %d events, totals, rows and marks equal" % (len(SEEDS), events)


class Dump:
    """The lines of `tidemark dump --events`, as dictionaries."""

    def __init__(self, file):
        self.records = []
        for line in check.lines(check.TIDEMARK, "dump", "--events", file):
            kind, *fields = re.findall(r'(?:[^ "]|"(?:[^"\\]|\\.)*")+', line)
            self.records.append((kind, dict(field.split("=", 1) for field in fields)))

    def of(self, *kinds):
        return [(kind, fields) for kind, fields in self.records if kind in kinds]


def dump_line(event, trace):
    number, tick, thread, born, site, old = event
    if not born:
        return "free tick=%d thread=%d number=%d" % (tick, thread, old)
    node, size, api = site
    names = ("malloc calloc realloc reallocarray posix_memalign aligned_alloc memalign valloc pvalloc new new-array mallocx "
             "rallocx pool").split()
    moved = " old=%d" % old if old is not None else ""
    return "%s tick=%d thread=%d number=%d%s size=%d api=%s node=%d" % (
        "realloc" if moved else "alloc", tick, thread, number, moved, size, names[api], node)


class Recorder(tmk_read.Trace):
    """Keeps what dump should print of the events."""

    def play(self, ops, moves, refs, mode, ticks, threads, rares, sites):
        self.lines = getattr(self, "lines", [])
        number, site = self.next, iter(sites)
        for i, op in enumerate(ops):
            entry = (number, ticks[i], threads[i], op, self.sites[next(site)] if op else None, self.old[i])
            self.lines.append(dump_line(entry, self))
            number += op
        super().play(ops, moves, refs, mode, ticks, threads, rares, sites)


def dumps():
    count = 0
    for seed in SEEDS[:30]:
        trace = Recorder(tmk_write.Synthetic(seed, 600).data())
        file = check.write("dump.tmk", trace.data)
        got = [line for line in check.lines(check.TIDEMARK, "dump", "--events", file)
               if line.split(" ", 1)[0] in ("alloc", "realloc", "free")]
        difference = check.differ(trace.lines, got)
        assert not difference, "seed %d: %s" % (seed, difference)
        defined = len([1 for kind, _ in Dump(file).of("node")]), len([1 for kind, _ in Dump(file).of("frame")])
        assert defined == (len(trace.nodes) - 1, len(trace.frames) - 1), "seed %d: definitions" % seed
        count += len(got)
    return "%d event lines equal" % count


class Plain:
    """Windows and timelines computed from a dump, the obvious way."""

    def __init__(self, file):
        dump = Dump(file)
        self.events, self.marks, self.rss, self.maps, self.before = [], [], [], [], []
        sizes, heap = {}, 0
        pending = []
        for kind, f in dump.of("alloc", "realloc", "free", "mark", "rss", "implicit-free", "map", "unmap"):
            f = {k: shlex.split(v)[0] if v.startswith('"') and k == "name" and v != '""' else v for k, v in f.items()}
            if kind == "mark":
                self.marks.append((f["name"], len(self.events), int(f["tick"])))
            elif kind == "rss":
                self.rss.append((int(f["tick"]), int(f["rss"])))
            elif kind in ("map", "unmap"):
                self.maps.append((len(self.events), kind, int(f["address"], 16), int(f["length"])))
            elif kind == "implicit-free":
                pending.append(int(f["number"]))
            else:
                born = None if kind == "free" else (int(f["number"]), int(f["size"]))
                old = {"free": f["number"], "realloc": f.get("old"), "alloc": None}[kind]
                self.events.append((int(f["tick"]), born, None if old is None else int(old)))
        assert not pending, "made without implicit frees"
        self.end_tick = int(dump.of("footer")[0][1]["end_tick"])

    def place(self, text):
        """(event, tick) of an instant."""
        name, _, number = text.partition("#")
        for wanted, nth in ((text, 1), (name, int(number or 0))):
            found = [(event, tick) for mark, event, tick in self.marks if mark == wanted]
            if 0 < nth <= len(found):
                return found[nth - 1]
        if text in ("start", "end"):
            return (0, 0) if text == "start" else (len(self.events), self.end_tick)
        if text.endswith("%"):
            event = int(len(self.events) * float(text[:-1]) / 100)
            return (event, self.events[event][0]) if event < len(self.events) else (event, self.end_tick)
        tick = round(float(text.rstrip("s")) * 10000)
        event = bisect.bisect_left([event[0] for event in self.events], tick)
        return event, tick

    def window(self, start, end):
        (first, from_tick), (last, to_tick) = self.place(start), self.place(end)
        if from_tick > self.end_tick:
            return None
        to_tick = min(to_tick, self.end_tick)
        if first > last or (first == last and from_tick > to_tick):
            return None
        to_tick = max(to_tick, from_tick)
        sizes, heap, peak, at_start = {}, 0, 0, 0
        born_inside, frees, allocated = set(), 0, 0
        for i, (tick, born, old) in enumerate(self.events[:last]):
            if i == first:
                peak = at_start = heap
            if old is not None:
                heap -= sizes.pop(old)
                born_inside.discard(old)
                frees += i >= first
            if born:
                sizes[born[0]] = born[1]
                heap += born[1]
                if i >= first:
                    born_inside.add(born[0])
                    allocated += born[1]
            if i >= first:
                peak = max(peak, heap)
        if first == last:
            peak = at_start = heap
        births = sum(1 for _, born, _ in self.events[first:last] if born)
        return {"events": last - first, "allocations": births, "frees": frees, "allocated_bytes": allocated,
                "leaked_bytes": sum(sizes[n] for n in born_inside), "leaked_blocks": len(born_inside), "peak": peak,
                "window": "%d %d heap %d %d" % (from_tick, min(to_tick, self.end_tick), at_start, heap)}

    def points(self, n):
        """Lines as profile_print writes them, for the whole recording, without RSS and mapped bytes."""
        span, sizes, heap, rows = max(self.end_tick, 1), {}, 0, []
        ends = [span * (i + 1) // n for i in range(n)]
        top, allocations, frees, at = 0, 0, 0, 0
        for i, end in enumerate(ends):
            while at < len(self.events) and (self.events[at][0] < end or i == n - 1):
                _, born, old = self.events[at]
                heap += (born[1] if born else 0) - (sizes.pop(old) if old is not None else 0)
                if born:
                    sizes[born[0]] = born[1]
                allocations, frees = allocations + bool(born), frees + (old is not None)
                top, at = max(top, heap), at + 1
            rows.append((end, heap, top, allocations, frees))
            top, allocations, frees = heap, 0, 0
        return rows


def instants(plain, r):
    end = plain.end_tick / 10000
    choices = ["start", "end", "0%", "50%", "100%", "33.3%", "%.4f" % (end * r.random()), "%.4fs" % (end * r.random()),
               "phase", "phase#2", "phase#9", "5", "nothing"]
    return r.choice(choices), r.choice(choices)


def windows():
    good = refused = 0
    for seed in SEEDS[:30]:
        r = random.Random(seed)
        file = check.write("window.tmk", tmk_write.Synthetic(seed, 500, implicit=False).data())
        plain = Plain(file)
        for _ in range(12):
            start, end = instants(plain, r)
            try:
                expected = plain.window(start, end)
            except ValueError:
                expected = None
            result = check.run(check.PRINT, file, "--quiet", "--window", start, end)
            text = "seed %d, window %s to %s: " % (seed, start, end)
            if expected is None:
                assert result.returncode == 2, text + "accepted"
                refused += 1
                continue
            assert result.returncode == 0, text + result.stderr.decode()
            got = dict(line.split(" ", 1) for line in result.stdout.decode().splitlines())
            for name, value in expected.items():
                have = got[name].split()[0] if name == "peak" else got[name]
                assert str(value) == have, "%s%s: expected %s, got %s" % (text, name, value, have)
            good += 1
    return "%d windows equal, %d refused as they must be" % (good, refused)


def mapped_at(plain, events):
    pages = set()
    for event, kind, address, length in plain.maps:
        if event <= events:
            change = set(range(address >> 12, address + length >> 12))
            pages = pages | change if kind == "map" else pages - change
    return len(pages) << 12


def timelines():
    count = 0
    for seed in SEEDS[:30]:
        file = check.write("timeline.tmk", tmk_write.Synthetic(seed, 500, implicit=False).data())
        plain = Plain(file)
        for n in (1, 7, 100, 1000):
            got = [line.split() for line in check.lines(check.PRINT, file, "--quiet", "--points", str(n)) if line.startswith("point")]
            expected = plain.points(n)
            assert len(got) == n
            for words, row in zip(got, expected):
                have = tuple(int(words[i]) for i in (1, 3, 4, 11, 12))
                assert have == row, "seed %d, %d points: expected %s, got %s" % (seed, n, row, have)
            assert int(got[-1][9]) == mapped_at(plain, len(plain.events)), "seed %d: mapped bytes" % seed
            samples = [rss for tick, rss in plain.rss if tick <= max(plain.end_tick, 1)]
            highest = max((int(words[7]) for words in got), default=0)
            assert highest == max(samples, default=0), "seed %d: largest RSS" % seed
            count += n
    return "%d points equal" % count


check.test("reader/differential-totals", totals)
check.test("reader/differential-dump", dumps)
check.test("reader/differential-windows", windows)
check.test("reader/differential-timelines", timelines)
check.end()
