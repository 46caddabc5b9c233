"""Block tables of known truth: what programs of every kind leave behind, without a program.

    CASES[name](chance, n_ops) -> (table, truth)

chance is a numpy generator; a table is as in reference.py; truth is the long-run rate in bytes per 100 operations of what is
never freed before the exit handlers, None where it cannot be said. Operation i of one thread lasts from i to i + 1."""
from collections import OrderedDict

import numpy as np

NEVER = np.inf


def blocks(stack, size, birth, death):
    n = len(birth)
    column = lambda value, kind=float: np.broadcast_to(np.asarray(value, kind), (n,)).copy()
    return {"stack": column(stack, int), "size": column(size), "birth": column(birth), "death": column(death)}


def together(*tables):
    return {key: np.concatenate([table[key] for table in tables]) for key in tables[0]}


def left(ops, size, stack=1, at=.5):
    """One block in each of these operations, never freed."""
    return blocks(stack, size, np.asarray(ops) + at, NEVER)


def freed(birth, age, size, stack, n_ops):
    """Blocks that die at some age, unless the run ends before."""
    death = birth + age
    return blocks(stack, size, birth, np.where(death < n_ops, death, NEVER))


def every(n_ops):
    return np.arange(n_ops)


# --- no leak

def clean(chance, n):
    return blocks(0, 0, np.zeros(0), np.zeros(0)), 0


def cache(chance, n):
    return freed(every(n) + .5, 499.9, 1024, 1, n), 0


def history(share):
    """The last so many requests: as many as come in this share of the run."""
    def case(chance, n):
        return freed(every(n) + .5, share * n, 512, 1, n), 0
    case.__name__ = f"history_{share * 100:.0f}"
    return case


def coupons(chance, n, kinds, size, weights=None, stack=1):
    """A cache without eviction: each kind is kept when it is seen for the first time."""
    drawn = chance.integers(0, kinds, n) if weights is None else chance.choice(kinds, n, p=weights)
    first = np.sort(np.unique(drawn, return_index=True)[1])
    return left(first, size, stack)


def fill_20(chance, n):
    return coupons(chance, n, 20, 4096), 0


def fill_1000(chance, n):
    return coupons(chance, n, 1000, 512), 0


def fill_5000(chance, n):
    return coupons(chance, n, 5000, 512), 0


def fill_zipf(chance, n):
    weights = 1 / np.arange(1, 301.) ** 1.1
    return coupons(chance, n, 300, 2048, weights / weights.sum()), 0


def noise(chance, n):
    """Twenty times an operation, one of 4000 slots is emptied, and filled again or not."""
    times = np.repeat(every(n), 20) + np.tile(np.arange(20) / 20 * .9 + .05, n)
    slot = chance.integers(0, 4000, len(times))
    order = np.argsort(slot, kind="stable")
    same, death = slot[order][1:] == slot[order][:-1], np.full(len(times), NEVER)
    death[:-1][same] = times[order][1:][same]
    filled = chance.random(len(times)) < .5
    return blocks(1, chance.integers(1, 8000, len(times))[filled], times[order][filled], death[filled]), 0


def plateau(chance, n):
    return left(np.arange(min(n, 1000)), 200), 0


def saw(chance, n):
    period, phase = 5000, chance.integers(0, 5000)
    age = period - (every(n) + phase) % period
    return freed(every(n) + .5, age - .4, 200, 1, n), 0


def sessions(chance, n, lifetime, size=1000.):
    return freed(every(n) + .5, chance.exponential(lifetime, n), size, 1, n)


def sessions_300(chance, n):
    return sessions(chance, n, 300), 0


def sessions_1000(chance, n):
    return sessions(chance, n, 1000), 0


def sessions_pareto(chance, n):
    return freed(every(n) + .5, 20 * (chance.pareto(1., n) + 1), 1000, 1, n), 0


def bursts_lognormal(chance, n):
    return sessions(chance, n, 100, chance.lognormal(7, 2, n)), 0


def in_flight(chance, n, leak):
    """Four threads with a large buffer each while they work; rarely one is stuck for long."""
    duration = chance.lognormal(0, .6, (4, n))
    duration[0, chance.integers(0, n, max(1, n // 300))] *= 200
    end = np.cumsum(duration, 1)
    start, done = (end - duration).ravel(), np.sort(end.ravel())[:n]
    end = end.ravel()
    start, end = start[end <= done[-1]], end[end <= done[-1]]
    completed = lambda share: np.searchsorted(done, start + share * (end - start))
    table = blocks(1, 1 << 20, completed(.05) + .3, completed(.95) + .6)
    return together(table, blocks(2, 100, completed(.5) + .4, NEVER)) if leak else table


def threads(chance, n):
    return in_flight(chance, n, False), 0


def threads_leak(chance, n):
    return in_flight(chance, n, True), 10000


def threads_in_step(chance, n):
    """Threads whose blocks often fall between the same two completions; how often drifts."""
    ops, share = np.arange(n), np.interp(np.arange(n // 3 + 1), np.linspace(0, n / 3, 6), chance.uniform(0, .9, 6))
    hit = chance.random(n // 3 + 1) < share
    return blocks(1, 100, np.where(hit[ops // 3], ops // 3 * 3 + .5, ops + .5), NEVER), 10000


def lru(chance, n, forgets=0.):
    """Least recently used, Zipf keys, sizes that differ, 512 kB; an eviction may forget to free."""
    weights = 1 / np.arange(1, 4001.) ** .8
    keys, sizes = chance.choice(4000, n, p=weights / weights.sum()), chance.lognormal(7, 1, 4000)
    kept, held, birth, death, size = OrderedDict(), 0, [], [], []
    for i in range(n):
        key = int(keys[i])
        if key in kept:
            kept.move_to_end(key)
            continue
        kept[key] = len(birth)
        birth.append(i + .5)
        death.append(NEVER)
        size.append(sizes[key])
        held += sizes[key]
        while held > 524288 and len(kept) > 1:
            block = kept.popitem(last=False)[1]
            held -= size[block]
            if chance.random() >= forgets:
                death[block] = i + .6
    return blocks(1, size, np.array(birth), np.array(death))


def lru_late(chance, n):
    """Full for the last fifth of the run only."""
    room, entries, birth, death = n // 5, OrderedDict(), [], []
    for i, key in enumerate(chance.zipf(1.2, n) % (4 * room)):
        if key in entries:
            entries.move_to_end(key)
            continue
        entries[key] = len(birth)
        birth.append(i + .3)
        death.append(NEVER)
        if len(entries) > room:
            death[entries.popitem(False)[1]] = i + .6
    return blocks(1, 800, birth, death), 0


def lru_clean(chance, n):
    return lru(chance, n), 0


def lru_forgets(chance, n):
    return lru(chance, n, .1), None


def lazy(chance, n):
    """Sixty stacks that allocate once each, sooner or later."""
    when = chance.exponential(np.exp(chance.uniform(np.log(3), np.log(5000), 60)))
    return left(np.floor(when[when < n]), 2000, 100 + np.flatnonzero(when < n)), 0


def many_clean(chance, n):
    return together(*[freed((lambda ops: ops + .5)(np.flatnonzero(chance.random(n) < .3)), chance.exponential(5 * 1.1**k), 300., k, n)
                      for k in range(40)]), 0


def second_phase(chance, n):
    ops = every(n)
    return left(ops[(ops >= n / 2) & (ops < n / 2 + 300)], 1024), 0


# --- leaks

def steady(chance, n):
    return left(every(n), 100), 10000


def one_in(chance, n, odds, size, stack=1):
    return left(np.flatnonzero(chance.random(n) < 1 / odds), size, stack)


def regular_50(chance, n):
    return left(every(n)[every(n) % 50 == 7], 4096), 8192


def regular_400(chance, n):
    return left(every(n)[every(n) % 400 == 399], 65536), 16384


def random_50(chance, n):
    return one_in(chance, n, 50, 4096), 8192


def random_400(chance, n):
    return one_in(chance, n, 400, 65536), 16384


def random_2000(chance, n):
    return one_in(chance, n, 2000, 65536), 3276.8


def clusters(chance, n):
    """One operation in 100 leaves a whole structure: three stacks that rise together."""
    ops = np.flatnonzero(chance.random(n) < .01)
    many = np.repeat(ops, chance.geometric(1 / 50, len(ops)))
    return together(left(ops, 1000, 1), left(many, 64, 2, .6), left(many, 40, 3, .7)), 1000 + 50 * 104


def heavy_pareto(chance, n):
    ops = np.flatnonzero(chance.random(n) < .1)
    return left(ops, 200 * (chance.pareto(1.5, len(ops)) + 1)), 6000


def heavy_lognormal(chance, n):
    ops = np.flatnonzero(chance.random(n) < .1)
    return left(ops, chance.lognormal(6, 2, len(ops))), 10 * np.exp(8)


def starts_late(chance, n):
    return left(every(n)[every(n) >= .6 * n], 200), 20000


def starts_last(chance, n):
    return left(every(n)[every(n) >= .85 * n], 200), 20000


def stops(chance, n):
    return left(every(n)[every(n) < .6 * n], 200), 0


def on_and_off(chance, n):
    on, ops, at = bool(chance.random() < .5), [], 0
    while at < n:
        length = int(chance.exponential(300)) + 1
        if on:
            ops += range(at, min(n, at + length))
        on, at = not on, at + length
    return left(np.array(ops, int), 200), 10000


def vector(chance, n):
    """Doubles by realloc: each growth is a piece of its own."""
    capacity, birth, size = 0, [], []
    for i in range(n):
        while 16 * (i + 1) > capacity:
            grown = 2 * capacity or 1024
            birth.append(i + .5)
            size.append(grown - capacity)
            capacity = grown
    return blocks(1, size, np.array(birth), NEVER), 1600


def table_copied(chance, n):
    """Doubles by a larger copy: the new table, then the old one's end."""
    capacity, birth, size = 0, [], []
    for i in range(n):
        while 16 * (i + 1) > capacity:
            capacity = 2 * capacity or 1024
            birth.append(i + .5)
            size.append(capacity)
    birth = np.array(birth)
    return blocks(1, size, birth, np.append(birth[1:] + .1, NEVER)), 1600


def state_rebuilt(chance, n):
    """Every operation makes a new state, a little larger, and frees the old one."""
    birth = every(n) + .5
    return blocks(1, 16. * every(n) + 16, birth, np.append(birth[1:] + .1, NEVER)), 1600


def regrow(chance, n):
    """A block that is made larger for a moment and smaller again, and left."""
    ops = every(n)
    return together(left(ops, 10, 1, .2), left(ops, 40, 2, .3), blocks(2, 4950, ops + .3, ops + .5)), 5000


def split(chance, n):
    """Recursion or JIT: every leak has a stack of its own."""
    ops = np.flatnonzero(chance.random(n) < .1)
    return left(ops, 500, 1000 + np.arange(len(ops))), 5000


def many_stacks(chance, n):
    return together(*[left(np.sort(chance.choice(n, chance.poisson(n / 500), replace=False)), 200, k) for k in range(40)]), 1600


def fill_and_steady(chance, n):
    return together(coupons(chance, n, 1000, 512), left(every(n), 100, 2)), 10000


def fill_same_stack(chance, n):
    return together(coupons(chance, n, 1000, 512), left(every(n), 100, 1)), 10000


def noise_and_steady(chance, n):
    return together(noise(chance, n)[0], left(every(n), 100, 2)), 10000


def noise_same_stack(chance, n):
    return together(noise(chance, n)[0], left(every(n), 1000, 1)), 100000


def sessions_same_stack(chance, n):
    return together(sessions(chance, n, 300), one_in(chance, n, 20, 1000.)), 5000


def cache_and_sparse(chance, n):
    return together(cache(chance, n)[0], one_in(chance, n, 50, 4096, 2)), 8192


# --- anything

def mixture(chance, n):
    """A few behaviours drawn at random, with sizes, lifetimes and borders of every kind, ties and blocks of 0 bytes."""
    parts = []
    for stack in range(int(chance.integers(1, 8))):
        ops = np.flatnonzero(chance.random(n) < 10 ** chance.uniform(-3.5, 0))
        lo, hi = np.sort(chance.random(2)) if chance.random() < .4 else (0, 1)
        ops = ops[(ops >= lo * n) & (ops < hi * n)]
        if chance.random() < .3:
            ops = np.repeat(ops, chance.geometric(.3, len(ops)))
        size = [lambda k: float(chance.integers(0, 100)), lambda k: chance.integers(0, 5000, k).astype(float),
                lambda k: chance.lognormal(5, 2, k), lambda k: 8. * np.floor(10 * (chance.pareto(1.2, k) + 1))][chance.integers(4)](len(ops))
        age = [lambda k: np.full(k, NEVER), lambda k: chance.exponential(10 ** chance.uniform(0, 4), k),
               lambda k: np.where(chance.random(k) < .05, NEVER, chance.exponential(n / 40, k)),
               lambda k: np.full(k, float(chance.integers(0, n)))][chance.integers(4)](len(ops))
        parts.append(freed(ops + chance.random() * (chance.random() < .5), age, size, int(chance.integers(0, 5)), n))
    return together(*parts), None


CASES = {f.__name__: f for f in (
    clean, cache, fill_20, fill_1000, fill_5000, fill_zipf, noise, plateau, saw, sessions_300, sessions_1000, sessions_pareto, bursts_lognormal,
    *(history(share) for share in (.5, .7, .8, .9, .95, .99)), threads, threads_leak, threads_in_step, lru_late, lru_clean, lru_forgets, lazy, many_clean, second_phase, steady, regular_50, regular_400, random_50, random_400,
    random_2000, clusters, heavy_pareto, heavy_lognormal, starts_late, starts_last, stops, on_and_off, vector, table_copied, state_rebuilt, regrow,
    split, many_stacks,
    fill_and_steady, fill_same_stack, noise_and_steady, noise_same_stack, sessions_same_stack, cache_and_sparse, mixture)}


def table(name, seed, n_ops):
    """returns: (table, truth)"""
    made, truth = CASES[name](np.random.default_rng([seed, n_ops, sum(map(ord, name))]), n_ops)
    inside = made["birth"] < n_ops
    return {key: column[inside] for key, column in made.items()}, truth
