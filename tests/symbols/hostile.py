"""Tests: files that are cut, forged, or change while they are read."""
import os
import random
import subprocess

from ask import Session, build_id
from harness import TIDEMARK
from made import Program, SEED, fresh, test


def hostile_ask(path, places):
    """What libelf and libdw do to a forged file ends in the helper: it may die of it, but not hang or answer nonsense."""
    session = Session(TIDEMARK).module(1, path, build="-" if build_id(path) == "-" else None)
    for number, place in enumerate(places):
        session.frame(number, 1, place)
    done = subprocess.run(session.command, input="".join(session.requests).encode(), capture_output=True, timeout=60)
    return done.returncode != 0


@test
def hostile_cut_short():
    folder = fresh("cut")
    program = Program(folder, "names.cc", "g++", "-std=c++17", "-g", "-O2", "-Wl,--build-id=none")
    whole = open(program.path, "rb").read()
    crashes = []
    for part in range(1, 60):
        path = os.path.join(folder, "part")
        with open(path, "wb") as file:
            file.write(whole[:len(whole) * part // 60])
        if hostile_ask(path, program.probes.values()):
            crashes.append(part)
    return [f"died at cuts {crashes}"] if crashes else []


@test
def hostile_bytes():
    folder = fresh("forged")
    generator = random.Random(SEED)
    crashes, rounds = 0, 60
    for version in "4", "5":
        program = Program(folder, "names.cc", "g++", "-std=c++17", "-g", "-O2", "-gdwarf-" + version, "-Wl,--build-id=none")
        whole = bytearray(open(program.path, "rb").read())
        for _ in range(rounds):
            forged = bytearray(whole)
            for _ in range(generator.choice((1, 10, 200))):
                forged[generator.randrange(len(forged))] = generator.randrange(256)
            path = os.path.join(folder, "forged")
            with open(path, "wb") as file:
                file.write(forged)
            crashes += hostile_ask(path, program.probes.values())
    print(f"# seed {SEED}: {crashes} of {2 * rounds} forged files ended the helper", flush=True)
    return [f"{crashes} of {2 * rounds} forged files ended it"] if crashes > rounds // 4 else []


@test
def hostile_file_shrinks():
    """A mapped file that is cut while it is read kills the helper; what it had answered before must not be lost."""
    folder = fresh("shrinks")
    good = Program(folder, "chain.c", "gcc", "-g", "-O2", name="good")
    bad = Program(folder, "chain.c", "gcc", "-g", "-O2", "-no-pie", name="bad")
    number, place = build_id(bad.path), good.probes["main"]
    service = subprocess.Popen([TIDEMARK, "symbolize"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    service.stdin.write(f"module\t1\t{build_id(good.path)}\t{good.path}\tx\nmodule\t2\t{number}\t{bad.path}\ty\n"
                        f"frame\t1\t1\t{place:x}\t0\n")
    service.stdin.flush()
    first = [service.stdout.readline() for _ in range(3)]
    os.truncate(bad.path, 0)
    rest, _ = service.communicate(f"frame\t2\t1\t{place:x}\t0\nframe\t3\t2\t{bad.probes['main']:x}\t0\n"
                                  f"frame\t4\t1\t{place:x}\t0\n", timeout=60)
    wrong = [] if rest.startswith("frame\t2\t1\nmain\t") else [f"{first}, then {rest!r}"]
    return wrong + ([] if "frame\t3\t1" not in rest else ["names from a file that is gone"])


@test
def hostile_kinds_of_file():
    folder = fresh("kinds")
    fifo = os.path.join(folder, "fifo")
    os.mkfifo(fifo)
    empty = os.path.join(folder, "empty")
    open(empty, "w").close()
    session = Session(TIDEMARK)
    for number, path in enumerate((fifo, empty, folder, "/dev/zero", "/dev/null", "/proc/self/mem", "/nonexistent", "")):
        session.module(number + 1, path, build="-").frame(number, number + 1, 0x1000)
    answers = session.end()
    return [f"{answers.frames}"] if any(answers.frames.values()) or len(answers.frames) != 8 else []
