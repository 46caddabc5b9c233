"""The leak rate by its definition (docs/metrics.md, "Leak rate"), in the shortest words that numpy allows: what
analyzer/core/estimate.c and batches.c are compared with.

A table has one row for each block: `stack` (any number), `size` in bytes, `birth` and `death` in completed operations; death is
inf for what is alive at the end of the last operation. Where `size` and `birth` make batches of unequal length equal, `bytes` and
`born` are what they were before. `runtime`: the stacks that are the C runtime's own;
`in_flight`: how many operations were open at once, at most.

    estimate(table, n_ops, batch_ops, runtime, in_flight) -> {"rate", "low", "high", "strict_high", "recent", "classes"}

in bytes per 100 operations.
"""
import math
from functools import lru_cache

import numpy as np

Z = 2.3263  # 99 % one-sided
MIN_OPS, MIN_PASS = 1000, 3000
AGEINGS = (16, 8, 4, 2)  # ages n_ops / 16 ...
ELDEST = (2, 4, 8, 16, 32)  # births in the first n_ops / 2 ...
ALWAYS = math.inf


@lru_cache(None)
def student(nu):
    """The 99 % quantile of Student's t by its Cornish-Fisher series."""
    return (Z + (Z**3 + Z) / (4 * nu) + (5 * Z**5 + 16 * Z**3 + 3 * Z) / (96 * nu**2) +
            (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / (384 * nu**3))


def poisson_cdf(count, mean):
    term = total = math.exp(-mean)
    for i in range(1, count + 1):
        term *= mean / i
        total += term
    return total if count >= 0 else 0.


@lru_cache(None)
def poisson_bound(count, upper):
    """Exact 99 % bound of a Poisson mean; the normal one for large counts."""
    if count == 0 and not upper:
        return 0.
    if count > 200:
        return count + (Z if upper else -Z) * math.sqrt(count) + 2
    low, high = 0., count + 10 + 6 * math.sqrt(count + 1)
    for _ in range(60):
        middle = (low + high) / 2
        below = poisson_cdf(count, middle) > .01 if upper else 1 - poisson_cdf(count - 1, middle) < .01
        low, high = (middle, high) if below else (low, middle)
    return (low + high) / 2


# --- series of batch sums

def half_width(y):
    """t times the standard error of the mean; correlated neighbours count as fewer batches."""
    n, deviation = len(y), y.std(ddof=1)
    if deviation == 0:
        return 0.
    centred, effective = y - y.mean(), n
    r = float((centred[1:] * centred[:-1]).sum() / (centred**2).sum())
    if r > 1.65 / math.sqrt(n):
        r = min(.95, r + (1 + 4 * r) / n)
        effective = n * (1 - r) / (1 + r)
    if effective < 3:
        return math.inf
    return student(round(effective, 2) - 1) * deviation / math.sqrt(effective)


def skewness(y, deviation):
    return float(((y - y.mean())**3).mean()) / deviation**3 if deviation > 0 else 0.


def bounds(y):
    m, n, total = len(y), int((y > 0).sum()), float(y.sum())
    if n == 0:
        return 0., 0.
    if m < 4:
        return 0., math.inf
    mean, largest, width = total / m, float(y.max()), half_width(y)
    low = max(0., mean - width, poisson_bound(n, False) / m * (total - largest) / n)
    unlucky = largest + (largest - mean) * min(1, max(0, skewness(y, y.std())) / 1.5)
    x = np.append(y, unlucky)
    deviation, t = x.std(ddof=1), student(m)
    high = x.mean() + max(width, t * deviation / math.sqrt(m + 1))
    high += deviation * max(0, skewness(x, deviation)) * (1 + 2 * t**2) / (6 * (m + 1))
    high = min(high, 2 * largest)
    if n <= m / 2:
        high = max(high, poisson_bound(n, True) / m * total / n)
    return low, high


def difference(a, b):
    """Of the means, and its standard error."""
    if len(a) < 2 or len(b) < 2:
        return 0., 0.
    return float(a.mean() - b.mean()), math.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))


def halves(y):
    return y[:len(y) // 2], y[len(y) // 2:]


def declines(y, warm, errors, in_flight):
    """The whole, or what came after the warm-up. in_flight: in batches"""
    for part in (y, y[warm:]):
        d, error = difference(*halves(part))
        if d > errors * error and d > max(.005, 4 * in_flight / len(part)) * part.mean():  # less is nobody's decline
            return True
    return False


def fewer(times, middle):
    """Whether fewer came after the middle than before, by more than chance explains."""
    first = int((times < middle).sum())
    second = len(times) - first
    return first - second > Z * math.sqrt(first + second)


# --- time

class Plan:
    def __init__(self, n_ops, batch_ops=None, in_flight=0):
        self.n_ops, self.fuzzy = n_ops, batch_ops or 0  # known to a batch, because marks tell the operations
        self.batch_ops = batch_ops or usual_batch(n_ops)
        self.in_flight = in_flight / self.batch_ops
        self.n_batches = int(n_ops / self.batch_ops + 1e-9)
        self.warm = math.ceil(n_ops / 4 / self.batch_ops - 1e-9)

    def end(self, ageing):
        """The first batch that is too young."""
        return max(self.warm, int((self.n_ops - self.n_ops / ageing) / self.batch_ops + 1e-9))

    def batch(self, birth):
        return np.minimum((birth / self.batch_ops).astype(int), self.n_batches - 1)


def usual_batch(n_ops):
    return n_ops / 20 if n_ops < 2000 else 100. * math.ceil(n_ops / 40000)


# --- groups of stacks

class Group:
    def __init__(self, n):
        self.bytes, self.blocks, self.events = np.zeros(n), np.zeros(n), 0

    def add(self, batches, sizes, births):
        n = len(self.bytes)
        self.bytes += np.bincount(batches, sizes, n)
        self.blocks += np.bincount(batches, minlength=n)
        self.events += len(np.unique(births.astype(int)))

    def join(self, other):
        self.bytes += other.bytes
        self.blocks += other.blocks
        self.events += other.events


class Levels:
    """Bytes that stacks had alive at instants: early and late in what follows the warm-up."""
    EARLY, LATE = np.arange(8, 13) / 32, np.arange(24, 33) / 32

    def __init__(self, table, n_ops):
        self.table, self.n_ops = table, n_ops

    def level(self, stack, part):
        t, at = self.table, self.n_ops * part
        alive = (t["stack"] == stack) & (t.get("born", t["birth"]) < at) & (t["death"] >= at)
        return float(t.get("bytes", t["size"])[alive].sum())

    def growth(self, stack):
        """Bytes per 100 operations, if the level is never again as low as it was."""
        early, late = ([self.level(stack, part) for part in parts] for parts in (self.EARLY, self.LATE))
        if min(late) <= 0 or min(late) < 1.5 * max(early):
            return 0.
        return (late[-1] - early[0]) / (.75 * self.n_ops) * 100


class Reading:
    """One table, cut to the blocks that lived longer than n_ops / 32."""

    def __init__(self, table, plan, runtime):
        self.plan, self.runtime = plan, set(runtime)
        self.levels, self.grown = Levels(table, plan.n_ops), 0.
        age = table["death"] - table.get("born", table["birth"]) - plan.fuzzy
        old = age > plan.n_ops / 32
        self.stack, self.size, self.birth, self.age = (x[old] for x in (table["stack"], table["size"], table["birth"], age))
        self.alive = np.isinf(table["death"])[old]
        self.batch = plan.batch(self.birth)
        self.groups, self.recent, self.classes = {}, 0., {}
        self.pool = Group(plan.end(16))

    def still_to_die(self, stack):
        """Whether the oldest blocks died, and few are as old as they became: a list with room for most of the run."""
        for part in ELDEST:
            eldest = stack & (self.birth < self.plan.n_ops / part)
            died = int((eldest & ~self.alive & (self.age > self.plan.n_ops / 2)).sum())
            if died >= 3 and int((eldest & self.alive).sum()) < 8 * died:
                return True
        return False

    def ageing(self, stack):
        """Smallest age beyond which deaths are rare beside survivors: (divisor, whether it was found, survivors)."""
        plan, doomed = self.plan, self.still_to_die(stack)
        for a in AGEINGS:
            window = stack & (self.batch >= plan.warm) & (self.batch < plan.end(a))
            survivors = int((window & self.alive).sum())
            late = int((window & ~self.alive & (self.age > plan.n_ops / a / 2)).sum())
            if not doomed and ((a == 16 and late == 0) or survivors >= 8 * (late + 2)):
                return a, True, survivors
        return a, False, survivors

    def look_at_youngest(self, stack):
        n = self.plan.n_ops
        young = stack & self.alive & (self.birth >= n * 7 / 8) & (self.birth < n * 31 / 32 - self.plan.fuzzy)
        count = int(young.sum())
        if count:
            self.recent += poisson_bound(count, False) * float(self.size[young].mean()) / (n * 3 / 32) * 100

    def series(self, chosen, n):
        group = Group(n)
        group.add(self.batch[chosen], self.size[chosen], self.birth[chosen])
        return group

    def classify(self, chosen, group, end):
        warm = self.plan.warm
        if int((group.bytes[warm:] > 0).sum()) < 3:
            return "once"
        ops, middle = self.birth[chosen].astype(int), end * self.plan.batch_ops / 2
        rarer = fewer(ops, middle) or declines(group.blocks, warm, 2, self.plan.in_flight)
        fills = declines(group.bytes, warm, 2 if rarer else 3, self.plan.in_flight)
        if fills or (fewer(ops, middle) and fewer(np.unique(ops), middle)):
            return "filling"
        return "steady"

    def take(self, number):
        counted = self.count(number)
        nothing_counts = self.classes[number] == "none" or (self.classes[number] == "once" and counted == 0)
        if number not in self.runtime and (nothing_counts or self.classes[number] == "turnover"):
            grown = max(0., self.levels.growth(number) - counted)
            self.grown += grown
            self.classes[number] = "turnover" if grown else self.classes[number]

    def count(self, number):
        """Let a stack join its group. returns: bytes per 100 operations of it"""
        plan, stack = self.plan, self.stack == number
        a, settled, survivors = self.ageing(stack)
        once = self.alive[stack].all() and len(set(self.batch[stack])) < 3
        if once and number in self.runtime:
            self.classes[number] = "once"
            return 0.
        if a == 16:
            self.look_at_youngest(stack)
        if once:
            self.classes[number] = "once"
            chosen = stack & (self.batch < plan.end(16))
            self.pool.add(self.batch[chosen], self.size[chosen], self.birth[chosen])
            return self.rate(self.series(chosen, plan.end(16)), "once")
        self.classes[number] = "none"
        if survivors == 0:
            return 0.
        end = plan.end(a)
        chosen = stack & self.alive & (self.batch < end)
        group = self.series(chosen, end)
        kind = self.classify(chosen, group, end) if settled else "turnover"
        y = group.bytes[plan.warm:]
        self.classes[number] = "sparse" if kind == "steady" and (y > 0).sum() <= len(y) / 2 else kind
        self.groups.setdefault((a, kind), Group(end)).join(group)
        return self.rate(group, kind)

    def rate(self, group, kind):
        y = group.bytes[self.plan.warm:]
        y = halves(y)[1] if kind == "filling" else y
        return float(y.mean()) * 100 / self.plan.batch_ops if len(y) else 0.

    def settle_pool(self):
        pool = self.pool
        first, second = (float(x.sum()) for x in halves(pool.blocks))
        n = int((pool.bytes[self.plan.warm:] > 0).sum())
        if n == 0:
            return
        kind = "filling" if first - second > 2 * math.sqrt(first + second) else "once" if n < 3 else "steady"
        self.groups.setdefault((16, kind), Group(len(pool.bytes))).join(pool)


# --- bounds of a group

def filling(group, y):
    later = halves(y)[1]
    low, high = bounds(later)
    high = max(high, poisson_bound(0, True) / len(later) * group.bytes.sum() / group.events)
    decline = max(0., difference(*halves(later))[0] + 6 * later.std(ddof=1) / math.sqrt(len(later)))
    flat = len(later) >= 8 and 8 * decline <= difference(*halves(group.bytes))[0]
    return (max(0., low - 3 * decline) if flat else 0.), high, float(later.mean())


def steady(y):
    low, high = bounds(y)
    d, error = difference(*halves(y))
    penalty, later = 3.5 * max(0., d - error), halves(y)[1]
    return max(0., low - penalty, bounds(later)[0] * len(later) / len(y) - penalty), high, float(y.mean())


def rising(y, high):
    for part in (2, 4):
        cut = len(y) - len(y) // part
        late, early = y[cut:], y[:cut]
        d, error = difference(late, early)
        if len(late) >= 4 and d > 2 * error and d > 0:
            high = max(high, bounds(late)[1])
    return high


def judge(kind, group, warm):
    y = group.bytes[warm:]
    if kind == "filling":
        low, high, mean = filling(group, y)
    elif kind == "steady":
        low, high, mean = steady(y)
    else:
        low, high, mean = 0., bounds(y)[1], float(y.mean())
    return low, rising(y, high), mean


def estimate(table, n_ops, batch_ops=None, runtime=(), in_flight=0):
    # coarse marks can make too few batches
    if n_ops < MIN_OPS or Plan(n_ops, batch_ops).end(16) < Plan(n_ops, batch_ops).warm + 4:
        return {"rate": 0., "low": 0., "high": ALWAYS, "strict_high": ALWAYS, "recent": 0., "classes": {}}
    reading = Reading(table, Plan(n_ops, batch_ops, in_flight), runtime)
    for number in np.unique(table["stack"][np.isinf(table["death"])]):
        reading.take(number)
    reading.settle_pool()
    scale = 100 / reading.plan.batch_ops
    sums = [judge(kind, group, reading.plan.warm) for (_, kind), group in reading.groups.items()]
    low, high, rate = (scale * sum(x[i] for x in sums) for i in range(3))
    high += reading.grown
    return {"rate": rate, "low": low, "high": high if n_ops >= MIN_PASS else ALWAYS, "strict_high": high,
            "recent": reading.recent, "classes": reading.classes}
