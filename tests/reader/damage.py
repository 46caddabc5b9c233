#!/usr/bin/python3
"""Damaged and hostile files, read under address and undefined-behaviour sanitizers: cut at every byte, one bit flipped
anywhere, flipped with the checksum made right again, and lengths, counts and ids that lie. Every answer equals the
independent reader's, or is an error where that one refuses, too.

    damage.py BUILD"""
import os
import random
import struct
import subprocess
import sys
import threading
import zlib

import check
import tmk_read
import tmk_write
from tmk_write import block, seal, varint, varints

STREAM = os.path.join(check.BUILD, "san", "tests", "profile_stream")
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=0", UBSAN_OPTIONS="halt_on_error=1")


def read_all(variants, points=0):
    """The lines that the analyzer's core prints about each of the files."""
    process = subprocess.Popen([STREAM, str(points)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=ENVIRONMENT)
    answers, errors = [], []
    readers = [threading.Thread(target=lambda: answers.extend(process.stdout.read().splitlines())),
               threading.Thread(target=lambda: errors.append(process.stderr.read()))]
    for reader in readers:
        reader.start()
    try:
        for data in variants:
            process.stdin.write(struct.pack("<I", len(data)) + data)
        process.stdin.close()
    except BrokenPipeError:
        pass
    for reader in readers:
        reader.join()
    status = process.wait()
    assert status == 0, "status %d after variant %d: %s" % (status, len(answers), errors[0].decode()[-3000:])
    assert len(answers) == len(variants)
    return [line.decode("utf-8", "replace") for line in answers]


def python_says(data):
    try:
        trace = tmk_read.Trace(data)
    except tmk_read.NotTrace:
        return "error"
    return summary(trace)


def summary(trace):
    temporary = sum(row.temporary for row in trace.rows.values())
    return "%d %d %d %d %d %d %d %d" % (trace.complete, trace.events, trace.next, trace.ended, trace.heap, len(trace.live),
                                        trace.peak, temporary)


def same(answer, expected):
    if expected == "error":
        return answer.startswith("error ")
    words = answer.split(" ", 8)
    return " ".join(words[:8]) == expected and (words[8] == "-") == (words[0] == "1")


def small(seed=3, events=60):
    """A trace of a few kB with many blocks."""
    synthetic = tmk_write.Synthetic(seed, events)
    synthetic.block_events, synthetic.p_rare, synthetic.p_move = 8, 0.1, 0.1
    return synthetic.data()


def starts(data):
    """Where the blocks begin, and the end."""
    result, at = [], struct.unpack_from("<I", data, 12)[0]
    while at < len(data):
        result.append(at)
        at += 40 + struct.unpack_from("<I", data, at + 8)[0]
    return result + [at]


def cuts():
    data = small()
    variants = [data[:n] for n in range(len(data) + 1)]
    for n, answer in enumerate(read_all(variants)):
        expected = python_says(variants[n])
        assert same(answer, expected), "cut to %d bytes: expected %s, got %s" % (n, expected, answer)
        assert answer.startswith("1 ") == (n == len(data)), "cut to %d bytes: complete" % n
    read_all(variants[::7], points=10)
    return "%d lengths of one trace" % len(variants)


def flips():
    data = small(5, 40)
    variants = []
    for i in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[i // 8] ^= 1 << i % 8
        variants.append(bytes(flipped))
    blocks = starts(data)
    upto = {start: python_says(data[:start]) for start in blocks}
    for i, answer in enumerate(read_all(variants)):
        at = i // 8
        expected = "error" if at < 64 else upto[max(start for start in blocks if start <= max(at, blocks[0]))]
        if 64 <= at < blocks[0]:
            expected = python_says(data)  # spare bytes of a longer header mean nothing
        assert same(answer, expected), "bit %d of byte %d: expected %s, got %s" % (i % 8, at, expected, answer)
    return "%d single bits of one trace" % len(variants)


def sealed(data, changes):
    """data with bytes changed and the checksums of the blocks made right again."""
    changed = bytearray(data)
    for at, value in changes:
        changed[at] = value
    blocks = starts(data)
    for start, end in zip(blocks, blocks[1:]):
        crc = zlib.crc32(changed[start:start + 12] + changed[start + 16:end])
        changed[start + 12:start + 16] = struct.pack("<I", crc)
    changed[60:64] = struct.pack("<I", zlib.crc32(changed[:60]))
    return bytes(changed)


def forgeries():
    r, count, survived = random.Random(1), 0, 0
    for seed in range(12):
        synthetic = tmk_write.Synthetic(seed, 80)
        synthetic.block_events, synthetic.compress = r.choice([8, 100]), seed % 3 // 2
        data = synthetic.data()
        variants = []
        for _ in range(400):
            changes = [(r.randrange(64, len(data)), r.choice([0, 1, 0x7F, 0x80, 0xFF, r.randrange(256)]))
                       for _ in range(r.choice([1, 1, 2, 5]))]
            variants.append(sealed(data, changes))
        for variant, answer in zip(variants, read_all(variants)):
            expected = python_says(variant)
            if not same(answer, expected):
                check.write("forgery.tmk", variant)
                raise AssertionError("seed %d: expected %s, got %s" % (seed, expected, answer))
            survived += answer.startswith("1 ")
        read_all(variants[::5], points=100)
        count += len(variants)
    return "%d forged files; both readers agree on each, %d of them whole" % (count, survived)


def good_columns():
    """The worked example's columns, by id; tests lie in one of them."""
    columns = {3: "4d00", 4: "00804000", 5: "01", 6: "01", 7: "010101", 8: "106464", 9: "000002", 16: "07", 17: "04",
               18: "000102", 22: "0101", 31: "0104", 32: "04010003000000"}
    return {number: bytes.fromhex(raw) for number, raw in columns.items()}


def events(changes, n_events=4, first_alloc=0, start_tick=0, mode=0, encoding=0):
    columns = {**good_columns(), **changes}
    return block(tmk_write.EVENTS, [(n, mode if 22 <= n < 30 else 0, encoding, raw) for n, raw in sorted(columns.items())
                                    if raw is not None], n_events=n_events, first_alloc=first_alloc, start_tick=start_tick)


BIG = (1 << 64) - 1
LIES = {
    "string longer than the column": {1: varint(100) + b"abc"},
    "string longer than allowed": {1: varint(65537) + b"x" * 65537},
    "varint without end": {1: b"\x80"},
    "varint of eleven bytes": {1: b"\x80" * 10 + b"\x01"},
    "module with an unknown path": {2: varints(9, 0, 1, 0, 0, 0)},
    "module beyond the address space": {2: varints(0, BIG, 1, 0, 0, 0)},
    "module with a long build-id": {2: varints(0, 0, 1, 0, 0, 21) + b"x" * 21},
    "module with a cut build-id": {2: varints(0, 0, 1, 0, 0, 20) + b"x" * 19},
    "thread with an unknown name": {3: varints(77, 1)},
    "thread without a name": {3: varints(77)},
    "frame in an unknown module": {4: varints(1, 0, 0)},
    "node above itself": {5: varint(0)},
    "node above the root": {5: varint(2)},
    "node of an unknown frame": {6: varint(2)},
    "more parents than frames": {5: varints(1, 1)},
    "more frames than parents": {6: varints(1, 1)},
    "site of an unknown node": {7: varints(1, 2, 1)},
    "site without a size": {8: varints(1, 2)},
    "too many sizes": {8: varints(1, 2, 3, 4)},
    "site without an entry point": {9: b"\0\0"},
    "unknown entry point": {9: b"\0\0\x0e"},
    "too many entry points": {9: b"\0\0\0\0"},
    "bitmap too short": {16: b""},
    "bitmap too long": {16: b"\7\0"},
    "bits past the events": {16: b"\x17"},
    "moves past the allocations": {17: b"\x08"},
    "moves too long": {17: b"\x04\0"},
    "site plane too short": {18: b"\0\1"},
    "unknown site": {18: b"\0\1\3"},
    "unknown site in a high plane": {21: b"\0\0\1"},
    "reference plane too long": {22: b"\1\1\1"},
    "reference to itself": {22: b"\xff\1"},
    "reference to the dead": {22: b"\1\2"},
    "reference before the first": {22: b"\7\1"},
    "reference far away": {29: b"\x7f\0"},
    "ticks past the events": {30: varints(5, 1)},
    "ticks without events": {30: varints(1, 1, 0, 1)},
    "ticks beyond time": {30: varints(1, 1 << 48)},
    "ticks cut off": {30: varints(1)},
    "no runs": {31: None},
    "runs too short": {31: varints(1, 3)},
    "runs too long": {31: varints(1, 5)},
    "empty run": {31: varints(1, 0, 1, 4)},
    "run of nobody": {31: varints(0, 4)},
    "run of an unknown thread": {31: varints(2, 4)},
    "rare event past the events": {32: bytes.fromhex("05010003000000")},
    "rare event cut off": {32: bytes.fromhex("04010004000000")},
    "rare event with too few values": {32: bytes.fromhex("040100020000")},
    "mark by an unknown thread": {32: bytes.fromhex("04010003020000")},
    "mark with an unknown name": {32: bytes.fromhex("04010003000100")},
    "rare event before time": {32: bytes.fromhex("04010103000000")},
    "module unloaded that never was": {32: bytes.fromhex("0408000101")},
    "mapping by an unknown node": {32: bytes([4, 15, 0, 4, 0, 2, 0, 0])},
    "implicit free of the dead": {32: bytes([4, 13, 0, 1, 1])},
    "implicit free of the unborn": {32: bytes([0, 13, 0, 1, 0])},
    "implicit free of what the event ends, too": {32: bytes([3, 13, 0, 1, 1])},
    "symbols of an unknown frame": {40: varints(2, 0)},
    "symbols of no frame": {40: varints(0, 0)},
    "symbols without end": {40: varints(1, BIG)},
    "symbol with an unknown name": {40: varints(1, 1, 5, 0, 0)},
    "quality of an unknown module": {41: varint(1) + b"\0"},
}


def hostile_blocks(first=0):
    good = events({}, first_alloc=first)
    entry = lambda number, encoding, raw, stored: struct.pack("<BBBBII", number, encoding, 0, 0, raw, stored)
    event_block = lambda body, n_columns: seal(tmk_write.EVENTS, body, n_columns)
    result = {name: events(lie, first_alloc=first) for name, lie in LIES.items()}
    result.update({
        "unknown reference mode": events({}, mode=2, first_alloc=first),
        "too many events": events({}, n_events=1 << 21, first_alloc=first),
        "allocations are missing": events({}, first_alloc=first + 1),
        "start beyond time": events({}, start_tick=(1 << 47) + 1, first_alloc=first),
        "unknown encoding": events({}, encoding=2, first_alloc=first),
        "column twice": event_block(entry(1, 0, 0, 0) + entry(1, 0, 0, 0), 2),
        "column longer than the block": event_block(entry(1, 0, 9, 9) + b"12345678", 1),
        "column shorter than its data": event_block(entry(1, 0, 1, 1) + b"\0x", 1),
        "raw sizes differ": event_block(entry(1, 0, 2, 1) + b"\0", 1),
        "no zstd frame": event_block(entry(1, 1, 4, 4) + b"abcd", 1),
        "zstd frame larger than said": event_block(entry(1, 1, 4, 13) + tmk_write.zstd.compress(bytes(500))[:13], 1),
        "column larger than allowed": event_block(entry(1, 1, (1 << 26) + 1, 4) + b"abcd", 1),
        "huge column": event_block(entry(1, 1, 0xFFFFFFFF, 4) + b"abcd", 1),
        "directory longer than the block": event_block(entry(1, 0, 0, 0), 65535),
        "second meta block": block(tmk_write.META, []),
        "footer that counts wrong": block(tmk_write.FOOTER, [(49, 0, 0, varints(1, 5, 2, 3))]),
        "footer before the end": block(tmk_write.FOOTER, [(49, 0, 0, varints(1, 4, 2, 3))]) + good,
        "footer with a cut counter": block(tmk_write.FOOTER, [(49, 0, 0, varints(1))]),
        "wrong magic": b"TMBL" + good[4:],
        "length beyond the file": good[:8] + struct.pack("<I", 1 << 27) + good[12:],
        "length beyond sense": good[:8] + struct.pack("<I", 0xFFFFFFFF) + good[12:],
    })
    return result


def hostile():
    example = tmk_write.example()
    front = example[:starts(example)[1]]
    good = events({})
    lies = hostile_blocks()
    # The lie stands alone, and behind a good block whose definitions and events must survive it.
    variants = [(name, front + lie) for name, lie in lies.items()]
    variants += [(name + ", later", front + good + lie) for name, lie in hostile_blocks(3).items()]
    for (name, data), answer in zip(variants, read_all([data for _, data in variants])):
        expected = python_says(data)
        assert same(answer, expected), "%s: expected %s, got %s" % (name, expected, answer)
        assert not answer.startswith("1 "), "%s: taken for whole: %s" % (name, answer)
        events_kept = int(answer.split()[1])
        wanted = 4 if name.endswith(", later") else 0
        assert events_kept >= wanted, "%s: %d events kept" % (name, events_kept)
        if name in LIES:
            assert events_kept == 0, "%s: accepted: %s" % (name, answer)
    return "%d lies, each alone and behind a good block" % len(lies)


def headers():
    example = tmk_write.example()[64:]
    head = tmk_write.file_header()
    files = {
        "empty": b"", "one byte": b"T", "another file": b"#!/bin/sh\n" * 50, "magic alone": head[:8],
        "version 2": tmk_write.file_header(version=2) + example, "version 0": tmk_write.file_header(version=0) + example,
        "header too short": tmk_write.file_header(header_bytes=63) + example,
        "header too long": tmk_write.file_header(header_bytes=5000) + example,
        "wrong checksum": head[:63] + b"\0" + example,
    }
    for (name, data), answer in zip(files.items(), read_all(list(files.values()))):
        assert answer.startswith("error -"), "%s: %s" % (name, answer)
    longer = tmk_write.file_header(header_bytes=4096) + example
    assert read_all([longer])[0].startswith("1 4 "), "a longer header is fine"
    return "%d bad headers refused" % len(files)


if len(sys.argv) > 2 and sys.argv[2] == "corpus":
    for i, (name, data) in enumerate(hostile_blocks().items()):
        with open(os.path.join(sys.argv[3], "lie-%02d" % i), "wb") as out:
            out.write(tmk_write.example()[:starts(tmk_write.example())[1]] + data)
    sys.exit(0)

check.test("reader/damage-headers", headers)
check.test("reader/damage-cuts", cuts)
check.test("reader/damage-flips", flips)
check.test("reader/damage-hostile", hostile)
check.test("reader/damage-forgeries", forgeries)
check.end()
