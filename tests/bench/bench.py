#!/usr/bin/env python3
"""Benchmarks of recording and of reading, side by side with heaptrack in one run.

usage: bench.py [--build DIR] [--rounds N] [--only NAME[,NAME...]] [--out FILE]

Every round runs each workload bare, under Tidemark and under heaptrack, one after the other, so that a drift of the machine's
speed touches all three alike. Figures are medians over the rounds; added time is per malloc+free pair. The CPU time is that of
all processes together: this script is the reaper of everything its children leave behind. Writes JSON to FILE and a table
in Markdown to FILE with .md; asserts nothing.
"""
import argparse, ctypes, json, math, os, platform, shutil, signal, statistics, subprocess, sys, tempfile, time

PR_SET_CHILD_SUBREAPER = 36
HERE = os.path.dirname(os.path.abspath(__file__))

PYTHON = '''
import json, re
words = [("w%d" % (i * 7919 % 5003)) * (1 + i % 3) for i in range(3000)]
for turn in range(60):
    table = {}
    for i, word in enumerate(words):
        table.setdefault(word, []).append((i, word.upper()))
    text = json.dumps({key: [list(x) for x in value] for key, value in table.items()})
    back = json.loads(text)
    hits = sum(len(re.findall("w[0-9]+", key)) for key in back)
    rows = sorted((str(len(v)) + k for k, v in back.items()), key=lambda s: s[::-1])
print(hits, len(rows))
'''

CPP = '''
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>
template <int N> struct tower { std::map<std::string, std::vector<std::shared_ptr<tower<N - 1>>>> floors; };
template <> struct tower<0> { std::string name; };
int main() {
    std::unordered_map<std::string, std::function<int(int)>> table;
    table["twice"] = [](int x) { return 2 * x; };
    tower<12> t;
    std::regex r("([a-z]+)([0-9]*)");
    std::ostringstream out;
    for (auto &entry : table) out << entry.first << entry.second(21);
    std::cout << out.str() << t.floors.size() << std::regex_match("abc12", r) << std::endl;
}
'''


def sql():
    yield "create table t(id integer primary key, a text, b integer, c real);"
    yield "create index ta on t(a); begin;"
    for i in range(20000):
        yield f"insert into t values({i}, 'name{i * 7919 % 10007}', {i % 97}, {i / 3});"
    yield "commit;"
    for i in range(150):
        yield (f"select b, count(*), group_concat(substr(a, 1, 6)), avg(c) from t where a > 'name{i * 31}' and b < 50 "
               f"group by b order by 2 desc limit 3;")
    yield "select sum(length(upper(a) || hex(c))) from t;"


def make_inputs(work):
    path = lambda name: os.path.join(work, name)
    with open(path("in.sql"), "w") as f:
        f.write("\n".join(sql()))
    with open(path("in.json"), "w") as f:
        json.dump([{"id": i, "name": f"item {i * 7919 % 10007}", "tags": [f"t{j}" for j in range(i % 7)],
                    "nested": {"x": i / 7, "y": [i, str(i)]}} for i in range(60000)], f)
    with open(path("in.py"), "w") as f:
        f.write(PYTHON)
    with open(path("in.cc"), "w") as f:
        f.write(CPP)
    for name in ("churn", "tight"):
        subprocess.check_call(["cc", "-O2", "-g", "-pthread", "-o", path(name), os.path.join(HERE, name + ".c")])


def workloads(work):
    path = lambda name: os.path.join(work, name)
    yield "sqlite3", ["sqlite3", ":memory:", ".read " + path("in.sql")], {}
    yield "jq", ["jq", "-c", "[.[] | select(.id % 3 == 0) | {name, n: (.tags | length), s: (.nested.y[1] + .name)}] | "
                 "group_by(.n) | map({n: .[0].n, c: length})", path("in.json")], {}
    yield "python3", ["/usr/bin/python3", path("in.py")], {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"}
    yield "clang++", ["clang++", "-O1", "-c", "-o", "/dev/null", path("in.cc")], {}
    for depth, pairs in ((4, 6000000), (16, 4000000), (40, 2000000)):
        yield f"churn-{depth}", [path("churn"), "1", str(depth), str(pairs)], {}
        yield f"churn-{depth}-2t", [path("churn"), "2", str(depth), str(pairs // 2)], {}
    yield "tight", [path("tight"), "20000000"], {}


class Result:
    """One finished command with all that it left behind: wall and CPU seconds."""

    def __init__(self, argv, env, cwd):
        start = time.monotonic()
        child = subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        self.cpu, self.wall, self.status = 0.0, None, None
        while True:
            try:
                pid, status, usage = os.wait4(-1, 0)
            except ChildProcessError:
                break
            self.cpu += usage.ru_utime + usage.ru_stime
            if pid == child.pid:
                self.wall, self.status = time.monotonic() - start, status
                child.returncode = status


def peak_rss(argv, env, cwd):
    """The largest resident set among a command's processes. A process remembers that of whoever started it, so a small
    shell does, and leaves the command to us."""
    shell = subprocess.Popen(["sh", "-c", '"$@" >/dev/null 2>&1 &', "sh"] + argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL)
    largest = 0
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return largest
        if pid == shell.pid:
            shell.returncode = status
        else:
            largest = max(largest, usage.ru_maxrss * 1024)


def median(values):
    return statistics.median(values)


def measure(name, argv, env, args, work, results):
    run_env = dict(os.environ, **env)
    trace, heap = os.path.join(work, name + ".tmk"), os.path.join(work, name + ".heap")
    kinds = {
        "bare": argv,
        "tidemark": [os.path.join(args.build, "tidemark"), "record", "-o", trace, "--"] + argv,
        "heaptrack": ["heaptrack", "-o", heap] + argv,
    }
    runs = {kind: [] for kind in kinds}
    for turn in range(args.rounds + 1):
        for kind, command in kinds.items():
            result = Result(command, run_env, work)
            if turn:
                runs[kind].append(result)
    summary = json.loads(subprocess.check_output([os.path.join(args.build, "tidemark"), "summary", "--json", trace]))
    heap_file = next((heap + end for end in (".zst", ".gz") if os.path.exists(heap + end)), None)
    pairs = max(1, summary["frees"])
    row = {"name": name, "pairs": pairs, "statuses": sorted({r.status for kind in runs for r in runs[kind]}),
           "complete": summary["complete"], "lost_events": summary["lost_events"], "stalls": summary["stalls"],
           "shim_bytes": summary["shim_bytes"], "collector_peak_rss": summary["collector_peak_rss_bytes"],
           "tidemark_bytes": os.path.getsize(trace), "heaptrack_bytes": os.path.getsize(heap_file) if heap_file else None}
    for kind in kinds:
        row[kind + "_wall_s"] = median([r.wall for r in runs[kind]])
        row[kind + "_cpu_s"] = median([r.cpu for r in runs[kind]])
        row[kind + "_max_rss"] = peak_rss(kinds[kind], run_env, work)
    for kind in ("tidemark", "heaptrack"):
        for what in ("wall", "cpu"):
            added = [getattr(r, what) - getattr(b, what) for r, b in zip(runs[kind], runs["bare"])]
            row[f"{kind}_added_{what}_ns"] = median(added) / pairs * 1e9
    for what in ("wall", "cpu"):
        row[f"{what}_ratio"] = row[f"tidemark_added_{what}_ns"] / row[f"heaptrack_added_{what}_ns"]
    row["size_ratio"] = row["tidemark_bytes"] / row["heaptrack_bytes"] if heap_file else None
    results.append(row)
    print(f"{name:14} pairs {pairs:>9}  wall added ns {row['tidemark_added_wall_ns']:8.1f} / {row['heaptrack_added_wall_ns']:8.1f}"
          f" = {row['wall_ratio']:.3f}  cpu {row['tidemark_added_cpu_ns']:8.1f} / {row['heaptrack_added_cpu_ns']:8.1f}"
          f" = {row['cpu_ratio']:.3f}  bytes {row['tidemark_bytes'] / pairs:.3f} / "
          f"{(row['heaptrack_bytes'] or 0) / pairs:.3f}", flush=True)
    return trace, heap_file


def measure_reading(work, args, results):
    """20 M events: `tidemark summary` against heaptrack_print; memory of the analyzer at 2 M and 20 M events."""
    row = {"name": "read"}
    for events, key in ((2000000, "2m"), (20000000, "20m")):
        trace, heap = os.path.join(work, f"read-{key}.tmk"), os.path.join(work, f"read-{key}.heap")
        argv = [os.path.join(work, "churn"), "1", "8", str(events // 2)]
        Result([os.path.join(args.build, "tidemark"), "record", "-o", trace, "--"] + argv, os.environ, work)
        ours = [Result([os.path.join(args.build, "tidemark"), "summary", trace], os.environ, work) for _ in range(args.rounds)]
        row[f"summary_{key}_wall_s"] = median([r.wall for r in ours])
        row[f"summary_{key}_rss"] = peak_rss([os.path.join(args.build, "tidemark"), "summary", trace], os.environ, work)
        if key == "20m":
            Result(["heaptrack", "-o", heap] + argv, os.environ, work)
            file = next(heap + end for end in (".zst", ".gz") if os.path.exists(heap + end))
            theirs = [Result(["heaptrack_print", file], os.environ, work) for _ in range(args.rounds)]
            row["heaptrack_print_wall_s"] = median([r.wall for r in theirs])
            row["heaptrack_print_rss"] = peak_rss(["heaptrack_print", file], os.environ, work)
            row["ratio"] = row["summary_20m_wall_s"] / row["heaptrack_print_wall_s"]
            row["events_per_s"] = events / row["summary_20m_wall_s"]
    print("reading", json.dumps(row), flush=True)
    results.append(row)


def table(results, machine):
    rows = [r for r in results if "pairs" in r]
    lines = [f"Machine: {machine}", "",
             "| workload | pairs | added ns per pair (wall) | heaptrack | ratio | CPU, all processes | heaptrack | ratio | bytes per pair | heaptrack | ratio |",
             "|---|---|---|---|---|---|---|---|---|---|---|"]
    for r in rows:
        lines.append(f"| {r['name']} | {r['pairs']} | {r['tidemark_added_wall_ns']:.0f} | {r['heaptrack_added_wall_ns']:.0f} | "
                     f"{r['wall_ratio']:.2f} | {r['tidemark_added_cpu_ns']:.0f} | {r['heaptrack_added_cpu_ns']:.0f} | {r['cpu_ratio']:.2f} | "
                     f"{r['tidemark_bytes'] / r['pairs']:.3f} | {(r['heaptrack_bytes'] or 0) / r['pairs']:.3f} | {r['size_ratio'] or 0:.2f} |")
    if rows:
        sizes = [r["size_ratio"] for r in rows if r["size_ratio"]]
        mean = math.exp(sum(map(math.log, sizes)) / len(sizes))
        lines += ["", f"Bytes per pair against heaptrack, geometric mean: {mean:.2f}.", "",
                  "| workload | shim, MB in the target | collector, MB | largest process bare, MB | under heaptrack, MB |", "|---|---|---|---|---|"]
    for r in rows:
        lines.append(f"| {r['name']} | {r['shim_bytes'] / 1e6:.1f} | {r['collector_peak_rss'] / 1e6:.1f} | {r['bare_max_rss'] / 1e6:.1f} | "
                     f"{r['heaptrack_max_rss'] / 1e6:.1f} |")
    for r in results:
        if r["name"] == "read":
            lines += ["", f"`tidemark summary` on 20 M events: {r['summary_20m_wall_s']:.2f} s ({r['events_per_s'] / 1e6:.0f} M events/s, everything"
                      f" included), heaptrack_print {r['heaptrack_print_wall_s']:.2f} s: {r['ratio']:.3f}. Memory at 2 M and 20 M events:"
                      f" {r['summary_2m_rss'] / 1e6:.1f} MB and {r['summary_20m_rss'] / 1e6:.1f} MB; heaptrack_print {r['heaptrack_print_rss'] / 1e6:.1f} MB."]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", default=None)
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    out = args.out or os.path.join(args.build, "bench", "results.json")
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    if not shutil.which("heaptrack"):
        sys.exit("bench: heaptrack is not installed")
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    work = tempfile.mkdtemp(prefix="tidemark-bench-")
    try:
        make_inputs(work)
        only, results = set(filter(None, args.only.split(","))), []
        for name, argv, env in workloads(work):
            if not only or name in only:
                measure(name, argv, env, args, work, results)
        if not only or "read" in only:
            measure_reading(work, args, results)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    machine = f"{cpu}, {os.cpu_count()} processors, Linux {platform.release().split('-')[0]}, {args.rounds} rounds"
    with open(out, "w") as f:
        json.dump({"machine": machine, "results": results}, f, indent=1)
    with open(out + ".md", "w") as f:
        f.write(table(results, machine))
    print(f"written: {out}, {out}.md")


main()
