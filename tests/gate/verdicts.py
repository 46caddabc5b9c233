"""Tests: verdicts on recordings, of one process and of several, whole and torn, with operations and without."""
import json
import os
import shutil
import struct
import zlib

import harness as h
from bench import test
from gated import Process, check, metric, small


# --- sizes

@test
def sizes_are_exact(b):
    path = b.trace(small())
    for budget, verdict in (("1924", "pass"), ("1923", "fail"), ("1900:2000", "warn"), ("1900:1923", "fail"), ("1924:1924", "pass")):
        d = b.gate(path, "--peak-heap", budget, verdict=verdict)
        b.equal(f"peak with {budget}", check(d, "peak_heap_bytes")["value"], 1924)
    b.gate(path, "--peak-heap", "1.9235k", verdict="pass")  # 1969.664
    for budget, verdict in (("1923.5", "fail"), ("1924.0", "pass"), ("1923.5:1924.5", "warn"), ("1.9239kB", "fail"), ("1.924kB", "pass")):
        b.gate(path, "--peak-heap", budget, verdict=verdict)
    b.equal("a budget is not rounded", check(b.gate(path, "--leaked", "5.5"), "program_bytes")["budget"], 5.5)
    b.true("nor in the text", b.run("gate", path, "--leaked", "5.5", status=1)[0].split("\n")[2].endswith("100 B is over the budget of 5.5 B"))
    d = b.gate(path, "--peak-heap", "1900:2000", verdict="warn")
    c = check(d, "peak_heap_bytes")
    b.equal("budget, critical", (c["budget"], c["critical"]), (1900, 2000))
    b.equal("the largest stack", (c["stacks"][0]["value"], c["stacks"][0]["frames"][0]["function"]), (1024, "_IO_file_doallocate"))
    b.equal("stacks end at main", [s["frames"][-1]["function"] for s in c["stacks"]], ["main"] * 3)
    b.equal("all of the peak", sum(s["value"] for s in c["stacks"]), 1924)


@test
def rss(b):
    """What was seen is there for certain; what was not seen in a short run can be no more than the heap."""
    path = b.trace(small())
    b.gate(path, "--peak-rss", "8999999", verdict="fail")
    d = b.gate(path, "--peak-rss", "9001000", verdict="inconclusive")
    b.true("says why", "too short" in check(d, "peak_rss_bytes")["reason"])
    b.gate(path, "--peak-rss", "9001924", verdict="pass")
    long = small()
    long.free(long.alloc(long.calls("main", "g"), 1))
    long.time(2000)
    b.gate(b.trace(long, "long.tmk"), "--peak-rss", "9MB", verdict="pass")
    b.gate("long.tmk", "--peak-rss", "8MB:9MB", verdict="warn")


@test
def left_at_the_end_is_the_programs(b):
    path = b.trace(small())
    d = b.gate(path, "--leaked", "100", verdict="pass")
    b.equal("as summary says", (metric(d, "leaked_bytes"), metric(d, "program_bytes")), (1124, 100))
    d = b.gate(path, "--leaked", "99", verdict="fail")
    b.equal("who", check(d, "program_bytes")["stacks"][0]["frames"][0]["function"], "f")
    b.equal("runtime's is not blamed", len(check(d, "program_bytes")["stacks"]), 1)
    b.file("known.txt", "leak:^f$\n")
    d = b.gate(path, "--leaked", "0", "--suppressions", "known.txt", verdict="pass")
    b.equal("suppressed", (metric(d, "leaked_bytes"), metric(d, "program_bytes")), (1124, 0))


@test
def metrics_agree_with_summary(b):
    path = b.record("s.tmk", 3000, 64, 3, 100000)
    d = b.gate(path, "--peak-heap", "1G", verdict="pass")
    s = json.loads(b.run("summary", "--json", path)[0])
    for name in ("peak_heap_bytes", "peak_rss_bytes", "leaked_bytes", "program_bytes", "allocations", "allocated_bytes", "temporary_allocations"):
        b.equal(name, metric(d, name), s[name])
    ops = json.loads(b.run("ops", "--json", path)[0])
    for o in ops["operations"]:
        if o["name"] == "request":
            b.equal("the rate", metric(d, "leaked_bytes_per_100/request"), o["leaked_bytes_per_100"]["estimate"])
    # one in three leaves 64 bytes: 33.3 x 64 per 100
    b.true(f"the truth: {metric(d, 'leaked_bytes_per_100/request')}", abs(metric(d, "leaked_bytes_per_100/request") / (6400 / 3) - 1) < 0.02)


# --- several files

@test
def processes_are_summed_on_one_axis(b):
    def process(pid, start, size, rss):
        s = Process(start=start, pid=pid)
        s.alloc(s.calls("main", "lose"), 7)
        a = s.alloc(s.calls("main", "hold"), size)
        s.rss(rss)
        s.time(100)
        s.free(a)
        s.time(100)
        return s
    # what a process holds it holds from its start for 100 ticks, 7 bytes for all its 200
    for start, heap, rss in ((0, 3014, 50), (50, 3014, 50), (99, 3014, 50), (101, 2014, 50), (199, 2014, 50), (201, 2007, 30), (5000, 2007, 30)):
        one = b.trace(process(10, 0, 1000, 20), "a.tmk")
        two = b.trace(process(11, start, 2000, 30), "b.tmk")
        for files in ((one, two), (two, one)):
            d = b.gate(*files, "--peak-heap", str(heap), verdict="pass")
            b.equal(f"peak of the sum, {start}", metric(d, "peak_heap_bytes"), heap)
            b.equal(f"RSS of the sum, {start}", metric(d, "peak_rss_bytes"), rss)
            b.equal("leaks", metric(d, "program_bytes"), 14)
            b.equal("one session", len(d["sessions"]), 1)
    d = b.gate(b.trace(process(10, 0, 1000, 20), "a.tmk"), b.trace(process(11, 50, 2000, 30), "b.tmk"), "--peak-heap", "3013", verdict="fail")
    stacks = check(d, "peak_heap_bytes")["stacks"]
    b.equal("both hold it", [(s["value"], s["frames"][0]["function"]) for s in stacks], [(3000, "hold")])
    d = b.gate(b.trace(process(10, 0, 1000, 20), "a.tmk"), b.trace(process(11, 150, 2000, 30), "b.tmk"), "--peak-heap", "2013", verdict="fail")
    b.equal("at the peak of the sum", [s["value"] for s in check(d, "peak_heap_bytes")["stacks"]], [2000])


@test
def forked_workers_are_one_service(b):
    path = os.path.join(b.folder, "w.%p.tmk")
    program = b.build("workers", b.file("workers.c", r"""
        #include <stdlib.h>
        #include <string.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int main(void) {
            int ready[2], go[2];
            char c;
            if (pipe(ready) || pipe(go)) return 2;
            for (int i = 0; i < 3; i++)
                if (!fork()) {
                    char *p = malloc(1000000);
                    memset(p, 1, 1000000);
                    if (write(ready[1], "x", 1) != 1 || read(go[0], &c, 1) != 1) return 2;
                    free(p);
                    return 0;
                }
            for (int i = 0; i < 3; i++) if (read(ready[0], &c, 1) != 1) return 2;
            if (write(go[1], "xxx", 3) != 3) return 2;
            while (wait(NULL) > 0);
            return 0;
        }"""))
    done = h.recorded("record", [program], path, cwd=b.folder)
    b.equal("recorded", done.status, 0)
    h.session_ends(path)
    files = sorted(os.path.join(b.folder, f) for f in os.listdir(b.folder) if f.endswith(".tmk"))
    d = b.gate(*files, "--peak-heap", "10MB", verdict="pass")
    b.equal("three at once", metric(d, "peak_heap_bytes") // 1000000, 3)
    b.equal("nothing is missing", (d["warnings"], d["sessions"][0]["others_of_session"]), ([], []))
    # a leak of a worker is not judged by the recording of its parent, and that is said
    d = b.gate(files[2], files[0], "--peak-heap", "10MB", verdict="pass")
    b.equal("the others", d["sessions"][0]["others_of_session"], [files[1], files[3]])
    b.equal("said", d["warnings"], [f"beside '{files[2]}' the same session left 2 more recordings, not given: '{files[1]}' and '{files[3]}'"])
    names = [os.path.basename(f) for f in files]
    out, _ = b.run("gate", names[1], "--peak-heap", "10MB")
    b.true(f"in the text {out!r}", out.endswith(f"\nnote: beside '{names[1]}' the same session left 3 more recordings, not given: "
                                            f"'{names[0]}', '{names[2]}' and '{names[3]}'\n"))
    shutil.copy(files[0], b.path("copy"))
    b.equal("a copy is none", b.gate(*files, "--peak-heap", "10MB", verdict="pass")["sessions"][0]["others_of_session"], [])


def holding(session, size):
    """One run of a benchmark: a process that holds a block to its end."""
    s = Process(session=session)
    s.alloc(s.calls("main", "hold"), size)
    return s


@test
def runs_are_medians(b):
    files = [b.trace(holding(i, size), f"{i}.tmk") for i, size in enumerate((900, 100, 200))]
    d = b.gate(*files, "--peak-heap", "200", "--leaked", "200", verdict="pass")
    b.equal("peak", metric(d, "peak_heap_bytes"), 200)
    b.equal("runs", next(m["runs"] for m in d["metrics"] if m["name"] == "peak_heap_bytes"), [900, 100, 200])
    d = b.gate(*files[:2], "--peak-heap", "499", verdict="fail")
    b.equal("of an even number", metric(d, "peak_heap_bytes"), 500)


@test
def wrong_files_are_refused(b):
    path = b.trace(small())
    b.refused("no recording named", "gate", "--peak-heap", "1k")
    b.refused("nothing to judge by", "gate", path)
    b.refused("/nonexistent.tmk", "gate", "/nonexistent.tmk", "--peak-heap", "1k")
    b.refused("text.txt", "gate", b.file("text.txt", "no trace"), "--peak-heap", "1k")
    b.refused("same recording", "gate", path, path, "--peak-heap", "1k")
    data = bytearray(small().data())
    data[8:12] = struct.pack("<I", 2)
    data[60:64] = struct.pack("<I", zlib.crc32(data[:60]))
    b.refused("version 2", "gate", path, b.file("v2.tmk", bytes(data)), "--peak-heap", "1k")
    other = b.trace(small(session=2, exe="/opt/other", command=("other",)), "other.tmk")
    d = b.gate(path, other, "--peak-heap", "1M", verdict="pass")
    b.true("different programs are told", any("different programs" in w for w in d["warnings"]))
    _, err = b.run("gate", path, "--peak-heap", "1M", "--junit", "/nonexistent/x.xml", status=2)
    b.true("an output that cannot be written", "/nonexistent/x.xml" in err)
    b.refused("standard output", "gate", path, "--peak-heap", "1M", "--json", "--markdown", "-")


# --- what cannot be judged

@test
def torn_recordings(b):
    """A torn tail may fail by what is surely there, but not pass; what was alive then need not have been left."""
    path = b.trace(small(), whole=False)
    b.gate(path, "--peak-heap", "1923", verdict="fail")
    d = b.gate(path, "--peak-heap", "1M", verdict="incomplete")
    b.true("says so", "incomplete" in check(d, "peak_heap_bytes")["reason"])
    b.gate(path, "--peak-rss", "8MB", verdict="fail")
    b.gate(path, "--peak-rss", "10MB", verdict="incomplete")
    b.gate(path, "--leaked", "1", verdict="incomplete")
    b.gate(path, "--peak-heap", "1M", "--leaked", "1", "--peak-rss", "8MB", verdict="fail")
    torn = b.record("torn.tmk", 4000, 0, 1, 1000)
    with open(torn, "r+b") as file:
        file.truncate(os.path.getsize(torn) - 20)
    b.gate(torn, "--leak-per-100-ops", "1M", verdict="incomplete")
    os.truncate(torn, 600)
    d = b.gate(torn, "--leak-per-100-ops", "1M", verdict="incomplete")
    b.true("without an operation too", "none of them" in check(d, "leaked_bytes_per_100")["reason"])


@test
def early_ends_are_noted(b):
    """What was recorded is judged; that the program did not get to its end is said."""
    for signal, notes in ((11, 1), (9, 1), (15, 0)):
        path = b.trace(small(), end=(2, signal))
        d = b.gate(path, "--peak-heap", "1M", verdict="pass")
        b.equal(f"notes of signal {signal}", len(d["warnings"]), notes)
        b.equal(f"lines of signal {signal}", b.run("gate", path, "--peak-heap", "1M")[0].count(f"was killed by signal {signal}"), notes)


@test
def lost_events(b):
    """A lost free is a false leak, a lost allocation a false pass: of the heap nothing may be said; RSS is not concerned."""
    s = small()
    s.loss(3)
    path = b.trace(s, counters=(6, 3))
    for option in ("--peak-heap", "--leaked"):
        for budget in ("1", "1M"):
            d = b.gate(path, option, budget, verdict="incomplete")
            b.true(f"counts them: {d['checks'][0]['reason']}", "lost 3 events" in d["checks"][0]["reason"])
    b.gate(path, "--peak-rss", "10MB", verdict="pass")
    b.gate(path, "--peak-rss", "8MB", verdict="fail")
    b.gate(path, "--peak-rss", "10MB", "--strict", verdict="incomplete")
    b.gate(path, "--peak-rss", "8MB", "--peak-heap", "1M", verdict="fail")


@test
def one_bad_run_among_many(b):
    bad = holding(9, 10)
    bad.loss(1)
    files = [b.trace(holding(1, 500), "1.tmk"), b.trace(holding(2, 500), "2.tmk"), b.trace(bad, "bad.tmk", counters=(6, 1))]
    b.gate(*files, "--peak-heap", "400", verdict="fail")  # whatever the third was
    b.gate(*files, "--peak-heap", "600", verdict="incomplete")


@test
def nothing_seen(b):
    path = b.trace(Process())
    d = b.gate(path, "--peak-heap", "1k", verdict="inconclusive")
    b.true("says why", "not one allocation" in check(d, "peak_heap_bytes")["reason"])
    d = b.gate(path, "--peak-rss", "1k", verdict="inconclusive")
    b.true("says why", "never sampled" in check(d, "peak_rss_bytes")["reason"])


# --- operations

@test
def rates(b):
    clean, leaky = b.record("clean.tmk", 4000, 0, 1, 1000), b.record("leaky.tmk", 4000, 100, 1, 1000)
    few = b.record("few.tmk", 200, 100, 1, 1000)
    d = b.gate(clean, "--leak-per-100-ops", "0", "--op", "request=0", verdict="pass")
    b.true("what it could see", "one of 597 operations" in check(d, "leaked_bytes_per_100/request")["reason"])  # 4000 / 6.7
    b.equal("nothing outlives an operation", check(d, "leaked_bytes_per_100/request")["detectable"], 0)
    d = b.gate(leaky, "--leak-per-100-ops", "5kB", verdict="fail")
    c = check(d, "leaked_bytes_per_100")
    # every request of 4000 leaves 100 bytes; 400 logins leave none: 4000 x 100 / 44
    b.true(f"the rate: {c['value']}", abs(c["value"] / (4000 * 100 / 44) - 1) < 0.02)
    b.true(f"its interval: {c['low']}, {c['high']}", 5000 < c["low"] <= c["value"] <= c["high"] < 10000)
    b.equal("who", [f["function"] for f in c["stacks"][0]["frames"]], ["forget_session", "serve", "main"])
    b.gate(leaky, "--op", "request=10.1kB", verdict="pass")
    b.gate(leaky, "--op", "request=9.9kB", verdict="fail")
    d = b.gate(leaky, "--op", "login=0", "--op", "request=1M", verdict="inconclusive")
    b.equal("needed", check(d, "leaked_bytes_per_100/login")["needed_operations"], 3000)
    b.true("400 are too few", "400 operations are too few" in check(d, "leaked_bytes_per_100/login")["reason"])
    d = b.gate(few, "--leak-per-100-ops", "1", verdict="inconclusive")
    b.equal("nothing is known", (check(d, "leaked_bytes_per_100")["value"], metric(d, "leaked_bytes_per_100")), (None, None))
    d = b.gate(few, "--leak-per-100-ops", "1", "--method", "plain", verdict="fail")
    c = check(d, "leaked_bytes_per_100")
    b.equal("who, by plain growth", [s["frames"][0]["function"] for s in c["stacks"]], ["forget_session"])
    b.equal("how much", c["stacks"][0]["value"], c["value"])
    b.gate(few, "--leak-per-100-ops", "1M", "--method", "plain", verdict="pass")
    d = b.gate(leaky, "--op", "chekout=1k", verdict="inconclusive")
    b.true("names those there are", "'request', 'login'" in check(d, "leaked_bytes_per_100/chekout")["reason"])
    d = b.gate(b.trace(small()), "--leak-per-100-ops", "1k", verdict="inconclusive")
    b.true("tells how to mark", "tidemark mark" in check(d, "leaked_bytes_per_100")["reason"])
    b.file("known.txt", "leak:forget_session\n")
    d = b.gate(leaky, "--leak-per-100-ops", "0", "--suppressions", "known.txt", verdict="pass")
    for policy, verdict in (("fail", "fail"), ("warn", "warn"), ("pass", "pass")):
        d = b.gate(few, "--leak-per-100-ops", "1", "--on-inconclusive", policy, verdict=verdict)
        b.equal("the check stays what it is", d["checks"][0]["verdict"], "inconclusive")


@test
def runs_of_a_leak(b):
    files = [b.record(f"{i}.tmk", 4000, 100, 1, 1000) for i in range(2)] + [b.record("c.tmk", 4000, 0, 1, 1000)]
    b.gate(*files, "--op", "request=5k", verdict="fail")
    b.gate(*files[1:], "--op", "request=5k", verdict="inconclusive")
    b.gate(files[2], "--op", "request=5k", verdict="pass")


@test
def precedence(b):
    whole, torn = b.trace(small()), b.trace(small(session=2), "torn.tmk", whole=False)
    b.gate(whole, "--peak-heap", "1:2", "--leak-per-100-ops", "1", verdict="fail")
    b.gate(torn, "--peak-heap", "1M", "--leak-per-100-ops", "1", verdict="incomplete")
    b.gate(whole, "--peak-heap", "1:1M", "--leak-per-100-ops", "1", verdict="inconclusive")
    b.gate(whole, "--peak-heap", "1:1M", "--peak-rss", "1G", verdict="warn")
