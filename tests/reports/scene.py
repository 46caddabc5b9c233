#!/usr/bin/python3
"""scene.py > FILE.tmk: a recording with a life like a real server's, for looking at reports and pictures."""
import random
import sys

from story import LIBC, LOADER, Story


def tell(seconds=12.0):
    r = random.Random(7)
    s = Story(exe="/usr/local/bin/shopd", command=["shopd", "--config", "/etc/shopd.conf", "--workers", "4"])
    start = [("_start", s.exe), ("__libc_start_main", LIBC), ("main", s.exe)]
    load = s.calls(*start, "load_catalogue", "parse_json", "json_new")
    index = s.calls(*start, "load_catalogue", "build_index(int, char const*)")
    work = s.calls(*start, "serve", "handle_request", "render_page", "string_append")
    cache = s.calls(*start, "serve", "handle_request", "cache_put")
    leak = s.calls(*start, "serve", "handle_request", "log_error", "strdup_or_die")
    stdio = s.calls(*start, ("puts", LIBC), ("_IO_file_doallocate", LIBC))
    early = s.calls(*start, ("dlopen", LIBC), ("_dl_new_object", LOADER))
    s.alloc(stdio, 1024)
    s.alloc(early, 1200)
    heap, live_work, live_cache, catalogue = 0, [], [], []
    resident = 0
    steps = int(seconds * 100)
    for step in range(steps):
        t = step / 100
        for _ in range(12):
            if t < 2:
                size = r.choice([400, 800, 3000, 12000])
                catalogue.append((s.alloc(load, size), size))
                heap += size
                if r.random() < 0.1:
                    s.alloc(index, 640)
                    heap += 640
            else:
                size = r.choice([64, 900, 5000, 20000])
                live_work.append((s.alloc(work, size), size))
                heap += size
                if len(live_work) > (60 if t < 7 or t > 9 else 900):
                    for _ in range(2):
                        number, old = live_work.pop(r.randrange(len(live_work)))
                        s.free(number)
                        heap -= old
        if t > 3 and step % 4 == 0:
            s.alloc(cache, 9000)
            heap += 9000
        if t > 3 and step % 3 == 0:
            s.alloc(leak, 180)
            heap += 180
        resident = max(resident * 0.9985, heap * 1.12)
        if step >= 2:
            s.rss(int(resident) + 2_600_000 + 5_800_000, 4_000_000 + 1_800_000, 1_800_000)
        for at, name in ((0.3, "config read"), (2.0, "catalogue ready"), (2.2, "listening"), (7.0, "black friday"), (9.0, "calm again"), (11.6, "shutdown")):
            if abs(t - at) < 1e-9:
                s.mark(name)
        if t == 11.7:
            for number, old in catalogue:
                s.free(number)
                heap -= old
        s.time(100)
    return s


if __name__ == "__main__":
    sys.stdout.buffer.write(tell().data(counters=(8, 3, 9, 1, 11, 4, 12, 2_300_000, 18, 1_800_000, 19, 9_400_000)))
