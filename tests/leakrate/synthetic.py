"""Random traces with operations of every kind: nested, never ended, across threads, ended twice, told by marks, on threads that end;
`tidemark ops` against the definition on all of them."""
import os

import harness as h
import recorded
import tmk_read
import tmk_write

SEEDS = int(os.environ.get("SEEDS") or 1) * 24
NAMES = (b"get", b"put", b"list", b"", b"caf\xc3\xa9")
BEGIN_TO_FINISH = (2, 3, 4, 5)


class Synthetic(tmk_write.Synthetic):
    """marks: shares of the rare events that are marks with operations"""

    def __init__(self, seed, n_events, marks):
        super().__init__(seed, n_events, implicit=seed % 3 == 0)
        self.marks, self.p_rare = marks, .7
        self.block_events = max(self.block_events, 100)
        self.p_free, self.nesting = self.random.choice([.45, .49]), self.random.choice([.2, .5, .8])
        self.p_thread_end, self.started, self.names = self.random.choice([0, .001]), [], {}

    def thread(self):
        """A few threads, so that operations nest."""
        while self.n_threads < 5:
            self.defs[3] += tmk_write.varints(100 + self.n_threads, 0)
            self.n_threads += 1
        return self.random.randrange(1, self.n_threads)

    def name(self):
        text = self.random.choice(NAMES[:self.random.choice([1, 3, 5])])
        if text not in self.names:
            self.names[text] = self.string(text)
        return self.names[text]

    def operation(self, thread):
        """A kind and its values. Begins and ends balance, about; an end is sometimes missing or one too many."""
        r = self.random
        if r.random() < self.marks:
            return 1, (0, self.name(), r.choice([1, 1, 7, 100, 250]))
        if r.random() < .7:
            return (2, (thread, self.name())) if r.random() < .497 else (3, (thread,))
        if r.random() < .5 or not self.started:
            self.started.append(r.getrandbits(60) | 1)
            return 4, (thread, self.name(), self.started[-1])
        known = self.started.pop(r.randrange(len(self.started)))
        return 5, (thread, r.choice([known, known, known, 12345]))

    def other(self):
        """Rare events that are none of operations'. returns: None when there is nothing to end"""
        kind = self.random.choice([6, 13, 17, 99])
        return kind, {6: lambda: (5, 3, 1), 13: self.implicit_free, 17: lambda: (4711,), 99: lambda: (1, 2, 3)}[kind]()

    def rare_event(self):
        r, thread = self.random, self.thread()
        if r.random() < .05:
            kind, values = self.other()
        elif r.random() < self.p_thread_end:
            kind, values = 10, (thread,)
        else:
            kind, values = self.operation(thread)
        if values is None:
            return
        payload, position = tmk_write.varints(*values), len(self.ops)
        delta = tmk_write.zigzag(self.tick - self.block_tick)
        self.rare += tmk_write.varint(position - self.previous_position) + bytes([kind]) + tmk_write.varints(delta, len(payload)) + payload
        self.previous_position = position


def compare(folder, seed):
    data = Synthetic(seed, 12000 if seed % 4 else 30000, (0, 0, .01, .2)[seed // 2 % 4]).data()
    path = os.path.join(folder, f"{seed}.tmk")
    cut = len(data) if seed % 5 else len(data) * 2 // 3
    with open(path, "wb") as f:
        f.write(data[:cut])
    wrong = recorded.compare(path)
    os.remove(path)
    return [f"seed {seed}: {why}" for why in wrong]


def main(folder):
    if h.selected("leakrate/synthetic"):
        wrong = []
        for seed in range(1, SEEDS + 1):
            try:
                wrong += compare(folder, seed)
            except (ValueError, KeyError, IndexError, tmk_read.NotTrace) as e:
                wrong.append(f"seed {seed}: {type(e).__name__} {e}")
        h.report("leakrate/synthetic", wrong[:3])
