"""Block tables out of real traces, by the words of docs/metrics.md and with the independent reader: slow and plain.

    read(path) -> {None: Axis, "name": Axis, ...}      None is the total

Operations are told apart by when they open and complete; nothing is decided before the whole file is read."""
import numpy as np

import tmk_read

MARK, BEGIN, END, START, FINISH, THREAD_END = 1, 2, 3, 4, 5, 10


class Operation:
    def __init__(self, opened, thread, name, begun):
        self.opened, self.thread, self.name, self.begun = opened, thread, name, begun
        self.completed = None  # position among all events and calls of the file


class Axis:
    """Positions of completions, and the table of blocks born before the last one."""

    def __init__(self):
        self.times, self.ops, self.rows = [], [], []

    def complete(self, time, ops=1):
        self.times.append(time)
        self.ops.append(ops)

    def settle(self):
        self.total = np.concatenate([[0], np.cumsum(self.ops)]).astype(int)
        self.n_ops = int(self.total[-1])

    def position(self, time):
        return int(self.total[np.searchsorted(self.times, time)])

    def add(self, piece, died):
        birth = self.position(piece.born)
        if birth < self.n_ops:
            death = self.position(died) if died is not None and died < self.times[-1] else np.inf
            self.rows.append((piece.node, piece.size, birth, death))

    def table(self):
        columns = list(zip(*self.rows)) or [(), (), (), ()]
        return dict(zip(("stack", "size", "birth", "death"), (np.array(c, t) for c, t in zip(columns, (int, float, float, float)))))


class Piece:
    """A block, or what a realloc added to one. during: the operation, and how many were completed before."""

    def __init__(self, node, size, born, thread, during):
        self.node, self.size, self.born, self.thread, self.during = node, size, born, thread, during


class Story(tmk_read.Trace):
    """Everything that happened, each thing at a time of its own."""

    def __init__(self, data):
        self.time, self.operations, self.open_begun, self.open_started, self.completions = 0, [], {}, {}, 0
        self.blocks, self.ended_pieces, self.told = {}, [], []
        super().__init__(data)

    def play_rare(self, kind, tick, values):
        self.time += 1
        self.completions += kind in (MARK, END, FINISH)
        if kind == MARK and values[2]:
            self.told.append((self.time, self.strings[values[1]].decode(), values[2]))
        elif kind in (BEGIN, START):
            op = Operation(self.time, values[0], self.strings[values[1]].decode(), kind == BEGIN)
            self.operations.append(op)
            if kind == BEGIN:
                self.open_begun.setdefault(values[0], []).append(op)
            else:
                self.open_started[values[2]] = op
        elif kind == END and self.open_begun.get(values[0]):
            self.open_begun[values[0]].pop().completed = self.time
        elif kind == FINISH and values[1] in self.open_started:
            self.open_started.pop(values[1]).completed = self.time
        elif kind == THREAD_END:
            self.open_begun.pop(values[0], None)
        super().play_rare(kind, tick, values)

    def innermost(self, thread):
        still_open = self.open_begun.get(thread, [])[-1:] + [op for op in self.open_started.values() if op.thread == thread]
        return max(still_open, key=lambda op: op.opened, default=None)

    def born(self, site, thread, old, move):
        self.time += 1
        node, size, _ = self.sites[site]
        pile = self.blocks.pop(old) if move else []
        self.moving = True
        super().born(site, thread, old, move)
        self.moving = False
        held = sum(piece.size for piece in pile)
        during = self.innermost(thread), self.completions
        if pile and size > held and (pile[-1].node, pile[-1].during) == (node, during):
            pile[-1].size += size - held
        elif not pile or size > held:
            pile.append(Piece(node, size - held, self.time, thread, during))
        while size < held:
            last = pile[-1]
            if len(pile) > 1 and last.size <= held - size:
                self.ended_pieces.append((pile.pop(), self.time))
                held -= last.size
            else:
                gone = Piece(last.node, held - size, last.born, last.thread, last.during)
                self.ended_pieces.append((gone, self.time))
                last.size -= held - size
                held = size
        self.blocks[self.next - 1] = pile

    def end(self, number):
        if not getattr(self, "moving", False):
            self.time += 1
            self.ended_pieces += [(piece, self.time) for piece in self.blocks.pop(number)]
        return super().end(number)


def is_nested(op, begun):
    return any(other.opened < op.opened and other.completed > op.completed for other in begun)


def completions(story):
    """All axes with their completions."""
    axes, completed = {None: Axis()}, [op for op in story.operations if op.completed]
    begun = {}
    for op in completed:
        if op.begun:
            begun.setdefault(op.thread, []).append(op)
    marked = {name for _, name, _ in story.told}
    for time, name, ops in story.told:
        axes[None].complete(time, ops)
        axes.setdefault(name, Axis()).complete(time, ops)
    for op in sorted(completed, key=lambda op: op.completed):
        if op.name not in marked:
            axes.setdefault(op.name, Axis()).complete(op.completed)
        # an operation that is long over cannot lie around this one
        around = begun.get(op.thread, [])
        while around and around[0].completed < op.opened:
            around.pop(0)
        if not marked and not is_nested(op, [o for o in around if o.opened < op.opened]):
            axes[None].complete(op.completed)
    for axis in axes.values():
        axis.settle()
    return axes


class Owners:
    """Whose a block is: the innermost operation open on its thread then, else the next mark's."""

    def __init__(self, story):
        self.by_thread, self.told = {}, story.told
        for op in story.operations:
            self.by_thread.setdefault(op.thread, []).append(op)
        self.ends = {}
        for thread, ops in self.by_thread.items():
            self.ends[thread] = [op.opened for op in ops]

    def name(self, piece):
        ops = self.by_thread.get(piece.thread, [])
        for i in range(int(np.searchsorted(self.ends[piece.thread], piece.born)) if ops else 0, 0, -1):
            if not ops[i - 1].completed or ops[i - 1].completed > piece.born:
                return ops[i - 1].name
        return next((name for time, name, _ in self.told if time > piece.born), None)


def read(path):
    with open(path, "rb") as f:
        story = Story(f.read())
    axes, owners = completions(story), Owners(story)
    pieces = story.ended_pieces + [(piece, None) for pile in story.blocks.values() for piece in pile]
    for piece, died in pieces:
        axes[None].add(piece, died)
        name = owners.name(piece)
        if name is not None and name in axes:
            axes[name].add(piece, died)
    return axes
