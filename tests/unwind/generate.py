#!/usr/bin/env python3
"""Write random functions that call each other and allocate, one source file a call.

generate.py SEED FIRST COUNT TOTAL LANGUAGE > FILE
The functions are f<FIRST>..f<FIRST+COUNT-1> of TOTAL in the program; LANGUAGE is c or c++. They mix what matters to an
unwinder: frames with and without a frame pointer (by the compiler's flags), alloca, over-aligned locals, large frames,
many values that live across calls (so that rbp is an ordinary register), tail calls, calls through pointers and
exceptions.
"""
import random
import sys


def body(rng, index, total, cxx):
    lines = []
    live = [f"v{i}" for i in range(rng.choice([0, 0, 2, 5, 9, 14]))]
    for i, name in enumerate(live):
        lines.append(f"long {name} = (long)(seed * {2 * rng.randrange(1000) + 1}u + {i});")
    if rng.random() < 0.2:
        lines.append(f"volatile char large[{rng.choice([40, 300, 5000, 70000])}]; large[seed % sizeof(large)] = 1;")
    if rng.random() < 0.2:
        align = rng.choice([32, 64, 128])
        lines.append(f"_Alignas({align}) volatile char wide[{align}]; wide[seed % {align}] = 1; keep((void *)wide);"
                     .replace("_Alignas", "alignas" if cxx else "_Alignas"))
    if rng.random() < 0.2:
        lines.append(f"char *room = (char *)alloca(seed % {rng.choice([16, 500])} + 1); keep(room);")
    allocate = f"allocate{rng.randrange(5)}(seed);"
    tail = rng.random() < 0.25
    n_calls = rng.choice([1, 1, 1, 2])
    calls = []
    for i in range(n_calls):
        if rng.random() < 0.3:
            calls.append(f"functions[(seed >> {rng.randrange(8)}) % {total}](depth - 1, seed * 31 + {i})")
        else:
            calls.append(f"f{rng.randrange(total)}(depth - 1, seed + {rng.randrange(99)})")
    if rng.random() < 0.6:
        lines.append(allocate)
    guard = cxx and rng.random() < 0.4
    if guard:
        lines.append("struct guard { unsigned s; ~guard() { allocate0(s); } } at_exit = {seed};")
    throwing = cxx and rng.random() < 0.3
    lines.append("if (depth == 0) {")
    lines.append("    allocate1(seed);")
    if throwing:
        lines.append("    if (seed % 5 == 0 && may_throw) throw (int)seed;")
    lines.append(f"    return {' + '.join(live) if live else '1'};")
    lines.append("}")
    if tail and not guard:
        for call in calls[1:]:
            lines.append(f"sink += {call};")
        lines.append(f"return {calls[0]};")
        return lines
    lines.append("long sum = 0;")
    for call in calls:
        if cxx and rng.random() < 0.4:
            lines.append(f"try {{ sum += {call}; }} catch (int e) {{ allocate2((unsigned)e); sum++; }}")
        else:
            lines.append(f"sum += {call};")
        if rng.random() < 0.3:
            lines.append(allocate)
    lines.append(f"return sum{''.join(f' + {name}' for name in live)};")
    return lines


def main():
    seed, first, count, total = (int(a) for a in sys.argv[1:5])
    cxx = sys.argv[5] == "c++"
    rng = random.Random(seed)
    print('#include "generated.h"')
    for index in range(first, first + count):
        print(f"\nlong f{index}(unsigned depth, unsigned seed)\n{{")
        for line in body(rng, index, total, cxx):
            print("\t" + line)
        print("}")


main()
