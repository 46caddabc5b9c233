"""One trace as the tests see it: totals, stacks, and on demand every event, all taken from the tool's own reports.

Totals come from `summary --json` and the footer in `dump`, stacks from `top --json`, events from `dump --events`. Where two
of them say the same thing they must agree; a difference raises ValueError.
"""
import functools
import os
import re

import harness as h

FIELD = re.compile(r' ([a-z_]+)=("(?:[^"\\]|\\.)*"|\S+)')
END_REASONS = {0: "unknown", 1: "exit", 2: "signal", 3: "exec", 5: "detached"}


def plain_name(function):
    """A function's name without its parameters: `Holder::Holder()` is Holder::Holder."""
    if function.startswith("operator"):
        return function
    depth = 0
    for i, c in enumerate(function):
        if c == "(" and depth == 0 and not function.startswith("(anonymous", i):
            return function[:i]
        depth += (c == "<") - (c == ">")
    return function


class Stack:
    def __init__(self, row):
        # A frame without a module is a marker: where the stack was cut, broken, or taken before the recorder was ready.
        self.frames = [(plain_name(f["function"]), os.path.basename(f["module"]), f["offset"], f["line"]) for f in row["frames"]]
        self.names = [f[0] for f in self.frames]
        self.functions = set(self.names)
        self.leaf = self.names[0] if self.names else ""
        self.leaf_module = self.frames[0][1] if self.frames else ""
        self.cut = "[cut]" in self.functions
        self.allocations, self.bytes = row["allocations"], row["allocated_bytes"]
        self.leaked_blocks, self.leaked_bytes = row["leaked_blocks"], row["leaked_bytes"]
        self.peak_blocks, self.peak_bytes = row["peak_blocks"], row["peak_bytes"]


def unquote(text):
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(x[0-9a-f]{2}|.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1]) or
                  (chr(int(m[1][1:], 16)) if m[1][0] == "x" and len(m[1]) == 3 else m[1]), text[1:-1])


def records(text):
    """The lines of `dump` as (kind, {key: value}); numbers are integers."""
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        fields = {k: unquote(v) for k, v in FIELD.findall(" " + rest)}
        yield kind, {k: int(v) if v.isdigit() and k not in ("name", "path", "value", "text", "function") else v for k, v in fields.items()}


class Model:
    def __init__(self, path):
        self.path = path

    @functools.cached_property
    def footer(self):
        got = h.tool("dump", self.path)
        if got.status != 0:
            raise ValueError(f"dump ended with {got.status}: {h.last_words(got)}")
        for kind, fields in records(got.stdout.decode(errors="replace")):
            if kind == "footer":
                return fields
            if kind == "damage":
                raise ValueError(f"incomplete: {fields['reason']}")
        raise ValueError("dump shows no footer")

    @functools.cached_property
    def end(self):
        reason, value = END_REASONS.get(self.footer["end_reason"], "?"), self.footer["end_value"]
        return f"{reason}:{value}" if reason in ("exit", "signal") else reason

    @functools.cached_property
    def summary(self):
        return h.tool_json("summary", self.path)

    @functools.cached_property
    def totals(self):
        summary = self.summary
        footer = {k: v for k, v in self.footer.items() if k not in ("end_reason", "end_value", "end_tick")}
        footer.pop("lost_events", None)  # summary counts the losses inside the file too
        for key in footer:
            if isinstance(summary.get(key), int) and not isinstance(summary[key], bool) and summary[key] != footer[key]:
                raise ValueError(f"{key} is {summary[key]} in summary, {footer[key]} in the footer")
        return {**footer, "lost_events": summary["lost_events"], **{k: v for k, v in summary.items() if isinstance(v, int)}}

    @functools.cached_property
    def stacks(self):
        rows = h.tool_json("top", self.path, "--cost", "allocations")["stacks"]
        stacks = [Stack(row) for row in rows]
        born = sum(s.allocations for s in stacks)
        if born != self.totals["allocations"]:
            raise ValueError(f"top shows {born} allocations, summary {self.totals['allocations']}")
        return stacks

    def sums(self, wanted):
        keys = ("allocations", "bytes", "leaked_blocks", "leaked_bytes", "peak_blocks", "peak_bytes")
        chosen = [s for s in self.stacks if wanted(s)]
        result = {key: sum(getattr(s, key) for s in chosen) for key in keys}
        result["frees"] = result["allocations"] - result["leaked_blocks"]
        return result

    @functools.cached_property
    def events(self):
        got = h.tool("dump", "--events", self.path)
        if got.status != 0:
            raise ValueError(f"dump ended with {got.status}: {h.last_words(got)}")
        return list(records(got.stdout.decode(errors="replace")))

    def births(self):
        return [f for kind, f in self.events if kind in ("alloc", "realloc")]

    def api(self, name):
        return self.summary["apis"].get(name, {"allocations": 0, "bytes": 0})

    @functools.cached_property
    def marks(self):
        """Marks with what was alive then, counted here from the events before them."""
        size_of, live_bytes, marks = {}, 0, []
        for kind, f in self.events:
            if kind in ("alloc", "realloc"):
                live_bytes += f["size"] - (size_of.pop(f["old"]) if kind == "realloc" else 0)
                size_of[f["number"]] = f["size"]
            elif kind == "free":
                live_bytes -= size_of.pop(f["number"])
            elif kind == "mark":
                marks.append({"name": f["name"], "heap_bytes": live_bytes, "live_blocks": len(size_of), "ops": f["ops"]})
        return marks

    @functools.cached_property
    def operations(self):
        """How many operations of each name were completed."""
        open_of, started, counts = {}, {}, {}
        for kind, f in self.events:
            if kind == "op-begin":
                open_of.setdefault(f["thread"], []).append(f["name"])
            elif kind == "op-end" and open_of.get(f["thread"]):
                name = open_of[f["thread"]].pop()
                counts[name] = counts.get(name, 0) + 1
            elif kind == "op-start":
                started[f["id"]] = f["name"]
            elif kind == "op-finish" and f["id"] in started:
                name = started.pop(f["id"])
                counts[name] = counts.get(name, 0) + 1
        return counts

    @functools.cached_property
    def calls(self):
        """What the API told and the blocks, in the file's order, as words."""
        size_of, started, words = {}, {}, []
        for kind, f in self.events:
            if kind == "op-start":
                started[f["id"]] = f["name"]
            if kind in ("alloc", "realloc"):
                size_of[f["number"]] = f["size"]
                words.append(f"{'~' if kind == 'realloc' else '+'}{f['size']}")
            elif kind == "free":
                words.append(f"-{size_of[f['number']]}")
            elif kind == "op-finish":
                words.append(f"finish:{started.pop(f['id'], '?')}")
            elif kind in ("op-begin", "op-start", "mark"):
                words.append(f"{kind.removeprefix('op-')}:{f['name']}")
            elif kind == "op-end":
                words.append("end")
        return words

    @functools.cached_property
    def threads(self):
        """Latest name of each thread by id."""
        names = {}
        for kind, f in self.events:
            if kind == "thread":
                names.setdefault(f["id"], f["name"])
            elif kind == "thread-name":
                names[f["thread"]] = f["name"]
        return names

    def thread_allocations(self, name):
        ids = {i for i, n in self.threads.items() if n == name}
        return sum(f["thread"] in ids for f in self.births())

    def functions_at(self, node):
        """Names of the functions of a node's stack, from the events' definitions."""
        nodes = {f["id"]: f for kind, f in self.events if kind == "node"}
        names = {}
        for kind, f in self.events:
            if kind == "symbol":
                names.setdefault(f["frame"], []).append(f["function"])
        found = []
        while node:
            found += names.get(nodes[node]["frame"], [])
            node = nodes[node]["parent"]
        return found

    def maps(self, function):
        rows = [f for kind, f in self.events if kind == "map" and function in self.functions_at(f["node"])]
        return len(rows), sum(f["length"] for f in rows)

    @property
    def unmaps(self):
        return sum(kind == "unmap" for kind, f in self.events)
