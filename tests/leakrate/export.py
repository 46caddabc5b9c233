"""Block tables out of real traces, by the words of docs/metrics.md and with the independent reader: slow and plain.

    read(path) -> {None: Axis, "name": Axis, ...}      None is the total

Operations are told apart by when they open and complete; nothing is decided before the whole file is read."""
from bisect import bisect_left, bisect_right
from itertools import accumulate, takewhile

import numpy as np

import reference
import tmk_read

NEVER = np.inf
MARK, BEGIN, END, START, FINISH, THREAD_END = 1, 2, 3, 4, 5, 10


class Operation:
    def __init__(self, opened, thread, name, begun):
        self.opened, self.thread, self.name, self.begun = opened, thread, name, begun
        self.completed, self.given_up = None, NEVER  # times; given up: its thread ended


class Axis:
    """Positions of completions, and the table of blocks born before the last one."""

    def __init__(self, told=False):
        self.told, self.times, self.ops, self.rows, self.outlived = told, [], [], [], {}

    def complete(self, time, ops=1):
        self.times.append(time)
        self.ops.append(ops)

    def settle(self):
        self.total = np.concatenate([[0], np.cumsum(self.ops)]).astype(int)
        self.n_ops = int(self.total[-1])

    def position(self, time):
        return int(self.total[bisect_left(self.times, time)])

    def add(self, piece, died, by_end):
        """by_end: it was freed as the service ended"""
        if not self.times:
            return
        birth = self.position(piece.born)
        if birth < self.n_ops:
            death = self.position(died) if died is not None and died < self.times[-1] and not by_end else np.inf
            self.rows.append((piece.node, piece.size, birth, death))
            if self.position(died or NEVER) > birth and piece.outlives(died, birth):
                self.outlived.setdefault(piece.node, []).append(piece.size)

    def batches(self):
        """Where the batches of marked operations begin, and where the last one ends: at the first mark that fills it."""
        borders = [0]
        for done in self.total[1:]:
            if done - borders[-1] >= reference.usual_batch(self.n_ops):
                borders.append(int(done))
        return borders

    def made_equal(self):
        """The rows as if all batches were equally long: what lies in a longer one counts for less."""
        borders = self.batches()
        if len(borders) < 2:
            return self.rows
        mean, rows = borders[-1] / (len(borders) - 1), []
        for stack, size, birth, death in self.rows:
            j = bisect_right(borders, birth) - 1
            if j + 1 < len(borders):
                length = borders[j + 1] - borders[j]
                birth, size = (j + (birth - borders[j]) / length) * mean * (1 + 1e-12), size * mean / length
            rows.append((stack, size, birth, death))
        return rows

    def detectable(self, batch_ops):
        """What one block a run would be as a rate, of the stack whose blocks are largest among those that outlived their operation."""
        plan = reference.Plan(self.n_ops, batch_ops)
        largest = max((sum(sizes) / len(sizes) for sizes in self.outlived.values()), default=0)
        batches = plan.end(16) - plan.warm
        return reference.poisson_bound(0, True) * largest / batches * 100 / batch_ops if batches else 0

    def plain(self):
        warm = sum(size for _, size, birth, death in self.rows if 4 * birth < self.n_ops and 4 * death >= self.n_ops)
        return (self.left() - warm) / (.75 * self.n_ops) * 100

    def left(self):
        return sum(size for _, size, _, death in self.rows if death == NEVER)

    def table(self):
        rows = self.made_equal() if self.told else self.rows
        columns = list(zip(*rows)) or [(), (), (), ()]
        table = dict(zip(("stack", "size", "birth", "death"), (np.array(c, t) for c, t in zip(columns, (int, float, float, float)))))
        table["bytes"] = np.array([size for _, size, _, _ in self.rows], float)
        table["born"] = np.array([birth for _, _, birth, _ in self.rows], float)
        return table


class Clock(tmk_read.Trace):
    """A reading in which every event and every call has a time of its own."""

    def __init__(self, data):
        self.time, self.moving = 0, False
        super().__init__(data)

    def play_rare(self, kind, tick, values):
        self.time += 1
        super().play_rare(kind, tick, values)

    def born(self, site, thread, old, move):
        self.time += 1
        self.moving = move
        super().born(site, thread, old, move)
        self.moving = False

    def end(self, number):
        if not self.moving:
            self.time += 1
            self.freed(number)
        return super().end(number)

    def freed(self, number):
        pass


class Operations(Clock):
    """The first reading: what was begun, completed and told."""

    def __init__(self, data):
        self.operations, self.open_begun, self.open_started, self.told = [], {}, {}, []
        super().__init__(data)

    def play_rare(self, kind, tick, values):
        super().play_rare(kind, tick, values)
        if kind == MARK and values[2]:
            self.told.append((self.time, self.strings[values[1]].decode(), values[2]))
        elif kind in (BEGIN, START) and (kind == BEGIN or values[2]):
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
            for op in self.open_begun.pop(values[0], []):
                op.given_up = self.time


def is_nested(op, begun):
    return any(other.completed > op.completed for other in takewhile(lambda other: other.opened < op.opened, begun))


def completions(story):
    """All axes with their completions."""
    axes, completed = {None: Axis(bool(story.told))}, [op for op in story.operations if op.completed]
    begun = {}
    for op in completed:
        if op.begun:
            begun.setdefault(op.thread, []).append(op)
    marked = {name for _, name, _ in story.told}
    for time, name, ops in story.told:
        axes[None].complete(time, ops)
        axes.setdefault(name, Axis(True)).complete(time, ops)
    for op in sorted(completed, key=lambda op: op.completed):
        if op.name not in marked:
            axes.setdefault(op.name, Axis()).complete(op.completed)
        # an operation that is long over cannot lie around this one
        around = begun.get(op.thread, [])
        while around and around[0].completed < op.opened:
            around.pop(0)
        if not marked and not is_nested(op, around):
            axes[None].complete(op.completed)
    for axis in axes.values():
        axis.settle()
    return axes


class Owners:
    """Whose a block is: the innermost operation open on its thread then, else the next mark's."""

    def __init__(self, story):
        self.told, self.by_thread = story.told, {}
        for op in story.operations:
            self.by_thread.setdefault(op.thread, []).append(op)
        self.opened = {thread: [op.opened for op in ops] for thread, ops in self.by_thread.items()}

    def operation(self, thread, time):
        ops = self.by_thread.get(thread, [])
        for i in range(bisect_left(self.opened.get(thread, []), time), 0, -1):
            if min(ops[i - 1].completed or NEVER, ops[i - 1].given_up) > time:
                return ops[i - 1]
        return None

    def name(self, operation, time):
        return operation.name if operation else next((name for told, name, _ in self.told if told > time), None)


class Piece:
    """A block, or what a realloc added to one. place: where on the axes, and in which operation."""

    def __init__(self, node, size, born, name, place):
        self.node, self.size, self.born, self.name, self.place = node, size, born, name, place

    def outlives(self, died, birth):
        """Its operation; what stood before the first one belongs to none."""
        operation = self.place[0]
        return birth > 0 if operation is None else min(operation.completed or NEVER, operation.given_up) < (died or NEVER)


class Pieces(Clock):
    """The second reading: births and deaths of pieces."""

    def __init__(self, data, axes, owners):
        self.axes, self.owners, self.blocks, self.ended_pieces = axes, owners, {}, []
        super().__init__(data)

    def piece(self, node, size, thread):
        operation = self.owners.operation(thread, self.time)
        name = self.owners.name(operation, self.time)
        place = (operation, self.axes[None].position(self.time), name, self.axes[name].position(self.time) if name in self.axes else 0)
        return Piece(node, size, self.time, name, place)

    def born(self, site, thread, old, move):
        node, size, _ = self.sites[site]
        pile = self.blocks.pop(old) if move else []
        super().born(site, thread, old, move)
        held = sum(piece.size for piece in pile)
        if not pile or size > held:
            grown = self.piece(node, size - held, thread)
            if pile and (pile[-1].node, pile[-1].place) == (node, grown.place):
                pile[-1].size += grown.size
            else:
                pile.append(grown)
        while size < held:
            held -= self.shrink(pile, held - size)
        self.blocks[self.next - 1] = pile

    def shrink(self, pile, excess):
        """End the newest piece, or part of it. returns: bytes that ended"""
        last = pile[-1]
        if len(pile) > 1 and last.size <= excess:
            self.end_piece(pile.pop())
            return last.size
        self.end_piece(Piece(last.node, excess, last.born, last.name, last.place))
        last.size -= excess
        return excess

    def freed(self, number):
        for piece in self.blocks.pop(number):
            self.end_piece(piece)

    def end_piece(self, piece):
        self.ended_pieces.append((piece, self.time, self.is_closing()))

    def is_closing(self):
        """A thread without an operation frees while the last 64th of them is performed."""
        total = self.axes[None]
        if total.told or not total.times or self.thread is None or total.position(self.time) < total.n_ops - total.n_ops // 64:
            return False
        return self.owners.operation(self.thread, self.time) is None


def most_open(operations):
    steps = [(op.opened, 1) for op in operations] + [(min(op.completed or NEVER, op.given_up), -1) for op in operations]
    return max(accumulate(step for _, step in sorted(steps)), default=0)


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    story = Operations(data)
    axes = completions(story)
    for axis in axes.values():
        axis.in_flight = most_open(story.operations)
    trace = Pieces(data, axes, Owners(story))
    pieces = trace.ended_pieces + [(piece, None, False) for pile in trace.blocks.values() for piece in pile]
    for piece, died, by_end in pieces:
        axes[None].add(piece, died, by_end)
        if piece.name is not None and piece.name in axes:
            axes[piece.name].add(piece, died, by_end)
    return axes
