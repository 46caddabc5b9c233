"""The estimator in C against its definition in Python, on tables of every kind: bounds, rates and the class of each stack."""
import math
import os
import subprocess

import numpy as np

import harness as h
import reference
import simulate

SEEDS = int(os.environ.get("SEEDS") or 1)
# Nothing leaks, and some of it can be seen to die: never a leak for certain
BOUNDED = {"clean", "cache", "sessions_300", "sessions_1000", "threads", "lru_late", "lru_clean"} | {
    name for name in simulate.CASES if name.startswith("history_")}
LENGTHS = (500, 1000, 1999, 3000, 10000)


class Estimator:
    """tests/estimate_stream, kept running."""

    def __init__(self):
        self.process = subprocess.Popen([os.path.join(h.BUILD, "tests", "estimate_stream")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def __call__(self, table, n_ops, batch=0., n_runtime=0, in_flight=0):
        """n_runtime: how many of the stacks, by number, are the C runtime's"""
        order = np.lexsort((table["birth"], table["stack"]))
        stacks, index = np.unique(table["stack"], return_inverse=True)
        rows = zip(index[order], *(table[key][order] for key in ("size", "birth", "death")))
        lines = [f"{n_ops} {batch!r} {in_flight} {len(stacks)} {n_runtime} {len(order)}"]
        lines += [f"{stack} {float(size)!r} {float(birth)!r} {float(death)!r}" for stack, size, birth, death in rows]
        self.process.stdin.write("\n".join(lines) + "\n")
        self.process.stdin.flush()
        words = self.process.stdout.readline().split()
        got = dict(zip(("rate", "low", "high", "strict_high", "recent"), map(float, words)))
        got["classes"] = dict(zip(stacks, words[5:]))
        return got


def close(a, b):
    return a == b or (math.isfinite(a) and abs(a - b) <= 1e-9 * max(1, abs(a), abs(b)))


def differences(got, wanted):
    wrong = [f"{key} {got[key]!r}, wanted {wanted[key]!r}" for key in ("rate", "low", "high", "strict_high", "recent")
             if not close(got[key], wanted[key])]
    # a stack all of whose blocks died young is in no table of the definition
    return wrong + [f"stack {stack} is {kind}, wanted {wanted['classes'].get(stack, 'none')}"
                    for stack, kind in got["classes"].items() if kind != wanted["classes"].get(stack, "none")]


def compare(estimator, name):
    wrong = []
    for n_ops in LENGTHS:
        for seed in range(SEEDS * (8 if name == "mixture" else 1)):
            if name.startswith("noise") and n_ops > 3000 and SEEDS == 1:
                continue
            table, _ = simulate.table(name, seed, n_ops)
            if name in BOUNDED and estimator(table, n_ops)["low"] > 0:
                wrong.append(f"{n_ops} operations, seed {seed}: a leak for certain")
            for batch in (0., 130.):
                found = differences(estimator(table, n_ops, batch), reference.estimate(table, n_ops, batch or None))
                wrong += [f"{n_ops} operations, batches of {batch or 'the usual'}, seed {seed}: {text}" for text in found]
            runtime = np.unique(table["stack"])[::2]
            got = estimator(dict(table, stack=np.where(np.isin(table["stack"], runtime), table["stack"] - 10000, table["stack"])), n_ops, 0., len(runtime))
            found = differences(got | {"classes": {}}, reference.estimate(table, n_ops, None, runtime))
            wrong += [f"{n_ops} operations, half of the stacks the runtime's, seed {seed}: {text}" for text in found]
    return wrong[:3]


def chance_decline(estimator):
    """The first half left more than the second by 2.5 standard errors: in larger blocks, which is chance, and in more blocks. And by
    many errors, but by 1 %: operations in flight grow to eight and fall again."""
    n_ops, ops = 3000, np.arange(3000)
    hundreds = 100 + 10 * (-1) ** np.arange(30) + np.where(np.arange(30) < 14, 5, -5)
    larger = simulate.left(ops, hundreds[ops // 100] * 1.)
    more = simulate.left(np.concatenate([j * 100 + np.linspace(0, 99, n) for j, n in enumerate(hundreds)]), 100.)
    ahead = simulate.left(np.maximum(0, ops - np.floor(8 * (1 - abs(ops - 1500) / 1500))), 100.)
    wrong = []
    for table, in_flight, kind in ((larger, 0, "steady"), (more, 0, "filling"), (ahead, 4, "filling"), (ahead, 8, "steady")):
        got = estimator(table, n_ops, in_flight=in_flight)
        wrong += differences(got, reference.estimate(table, n_ops, in_flight=in_flight))
        if got["classes"] != {1: kind} or (got["low"] > 8000) != (kind == "steady"):
            wrong.append(f"{got['classes'][1]} of at least {got['low']:.0f}, not {kind}")
    return wrong


def across_marks(estimator):
    """Births and deaths are known to a mark: what is in use while one is put looks old, and hides no leak of the same stack."""
    n_ops, ops, marks = 3000, np.arange(3000), lambda x: x // 100 * 100.
    wrong = []
    for period, kind in ((100, "steady"), (400, "sparse"), (2 * n_ops, "once")):
        last = np.where(ops % period == period - 50, simulate.NEVER, marks(ops + 4.))
        table = simulate.blocks(1, 4096, marks(ops), np.where(last >= n_ops, simulate.NEVER, last))
        got = estimator(table, n_ops, 100.)
        if got["classes"] != {1: kind} or (kind == "once" and got["strict_high"] + got["recent"] > 0):
            wrong.append(f"one in {period}: {got['classes'][1]}, {got['strict_high']}, recent {got['recent']}")
    return wrong


def main():
    estimator = Estimator()
    if h.selected("leakrate/in use across marks"):
        h.report("leakrate/in use across marks", across_marks(estimator))
    if h.selected("leakrate/decline by chance"):
        h.report("leakrate/decline by chance", chance_decline(estimator))
    for name in simulate.CASES:
        if h.selected(f"leakrate/{name}"):
            h.report(f"leakrate/{name}", compare(estimator, name))
    huge, _ = simulate.table("random_50", 1, 90000)
    if h.selected("leakrate/huge"):
        h.report("leakrate/huge", differences(estimator(huge, 90000), reference.estimate(huge, 90000)))
