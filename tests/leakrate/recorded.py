"""`tidemark ops` on real traces against the definition, on block tables that the independent reader makes of the same files."""
import json
import math
import os

import differential
import export
import harness as h
import reference

PLANTED = os.path.join(h.BUILD, "tests", "planted", "planted")
MODES = ("clean", "steady", "steady-varied", "sparse-50", "cache", "filling-steady", "sessions-300", "vector", "table", "rebuilt", "append", "regrow", "freed-at-exit",
         "replaced", "starts-late", "noise-steady", "heavy-pareto", "several", "threads", "threads-leak", "threads-keep")


def ops(*arguments):
    got = h.tool("ops", *arguments, "--json", "--limit", "0")
    if got.status != 0:
        raise ValueError(f"ops ended with {got.status}: {h.last_words(got)}")
    return json.loads(got.stdout)


def compare_entry(entry, axis):
    wanted = reference.estimate(axis.table(), axis.n_ops, entry["batch_operations"] if axis.told else None, in_flight=axis.in_flight)
    rate = entry["leaked_bytes_per_100"]
    got = {"rate": rate["estimate"], "low": rate["low"], "high": math.inf if rate["high"] is None else rate["high"],
           "strict_high": wanted["strict_high"], "recent": entry["recent_bytes_per_100"], "classes": {}}
    wrong = [] if entry["count"] == axis.n_ops else [f"{entry['count']} operations, wanted {axis.n_ops}"]
    left = sum(stack["bytes"] for stack in entry["stacks"])
    if left != axis.left():
        wrong.append(f"{left} bytes left, wanted {axis.left()}")
    if axis.n_ops >= 20 and not differential.close(entry["plain_bytes_per_100"], axis.plain()):
        wrong.append(f"plain {entry['plain_bytes_per_100']}, wanted {axis.plain()}")
    if axis.n_ops >= reference.MIN_OPS and not differential.close(entry["detectable_bytes_per_100"], axis.detectable(entry["batch_operations"])):
        wrong.append(f"detectable {entry['detectable_bytes_per_100']}, wanted {axis.detectable(entry['batch_operations'])}")
    wrong += differential.differences(got, wanted)
    return [f"{entry['name'] or 'total'}: {text}" for text in wrong]


def compare(path):
    report, axes = ops(path), export.read(path)
    names = {entry["name"] for entry in report["operations"]}
    wrong = [] if names == {name for name, axis in axes.items() if name is not None and axis.n_ops} else [f"operations are {sorted(names)}"]
    for entry in [report["total"]] + report["operations"]:
        wrong += compare_entry(entry, axes[entry["name"]])
    return wrong


def record(folder, name, command):
    output = os.path.join(folder, name + ".tmk")
    got = h.recorded("record", command, output)
    if got.status:
        raise ValueError(f"{command[0]} ended with {got.status}: {h.last_words(got)}")
    return output


def planted(folder, mode):
    return compare(record(folder, mode, [PLANTED, mode, "7", "2400"]))


def target(folder, name):
    return compare(record(folder, name, [os.path.join(h.BUILD, "tests", "leakrate", name), "4000"]))


def test(name, run, *arguments):
    if not h.selected(name):
        return
    try:
        h.report(name, run(*arguments)[:3])
    except (OSError, ValueError, KeyError, IndexError) as e:
        h.report(name, [f"{type(e).__name__} {e}"])


def main(folder):
    for mode in MODES:
        test(f"leakrate/planted {mode}", planted, folder, mode)
