"""Tests: the helper that the collector asks: perf maps, its priority, its protocol."""
import os
import signal
import subprocess
import time

from ask import Session, build_id
from harness import TIDEMARK
from made import DWARF, Program, fresh, test, written


@test
def perf_map():
    path = written(fresh("perf-map"), "perf-1.map",
                   "1000 10 LazyCompile:~first /a b/x.js:1\nnonsense\n2000 20 second\n 3000\n3000 zz bad\n"
                   "2010 10 moved\n4000 0 empty\nffffffffffffffff 10 wraps\n5000 10 tab\there\n6000 8 half")
    session = Session(TIDEMARK).frame(1, 0, 0x1001).line(f"perfmap\t1\t{path}\n")
    places = [0x1001, 0x1010, 0x1011, 0x2001, 0x2011, 0x2012, 0x3001, 0x4001, 0x5001, 0x6001]
    for number, place in enumerate(places, 2):
        session.frame(number, 0, place)
    answers = session.end()
    first, second, moved = "LazyCompile:~first /a b/x.js:1", "second", "moved"
    good = [[], [first], [first], [], [second], [moved], [moved], [], [], ["tab\there"], []]
    got = [[frame[0] for frame in answers.frames[number]] for number in range(1, len(places) + 2)]
    return [] if got == good else [f"{got}"]


@test
def perf_map_grows():
    path = written(fresh("perf-map-grows"), "perf-2.map", "1000 10 early\n")
    service = subprocess.Popen([TIDEMARK, "symbolize"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    service.stdin.write(f"perfmap\t2\t{path}\nframe\t1\t0\t1001\t0\nframe\t2\t0\t2001\t0\n")
    got = [service.stdout.readline() for _ in range(3)]
    with open(path, "a") as file:
        file.write("2000 10 late\n")
    service.stdin.write("frame\t3\t0\t2001\t0\n")
    got += [service.stdout.readline() for _ in range(2)]
    service.stdin.close()
    status = service.wait(timeout=30)
    good = ["frame\t1\t1\n", "early\t\t0\n", "frame\t2\t0\n", "frame\t3\t1\n", "late\t\t0\n"]
    return [] if got == good and status == 0 else [f"{got}, status {status}"]


@test
def perf_map_of_somebody_else():
    folder = fresh("perf-map-link")
    link = os.path.join(folder, "perf-3.map")
    os.symlink(written(folder, "real", "1000 10 planted\n"), link)
    answers = Session(TIDEMARK).line(f"perfmap\t3\t{link}\n").frame(1, 0, 0x1001).end()
    return [] if answers.frames[1] == [] else [f"followed a link: {answers.frames[1]}"]


def nice_values(pid, expected):
    """Of the threads of a process, sorted. One that has ended may be seen for a moment longer."""
    for _ in range(500):
        try:
            found = sorted(int(open(f"/proc/{pid}/task/{tid}/stat").read().rsplit(")", 1)[1].split()[16])
                           for tid in os.listdir(f"/proc/{pid}/task"))
        except OSError:
            continue
        if found == expected:
            break
        time.sleep(0.01)
    return found


def answer(service, first, n):
    """Ask for frames first to first + n - 1 in one go. returns: whether all answers came, in order"""
    service.stdin.write("".join(f"frame\t{i}\t0\t1001\t0\n" for i in range(first, first + n)).encode())
    expected = [line for i in range(first, first + n) for line in (f"frame\t{i}\t1\n", "early\t\t0\n")]
    return [service.stdout.readline().decode() for _ in expected] == expected


def called_service(path, early):
    def call_early():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCONT])
        os.kill(os.getpid(), signal.SIGCONT)

    service = subprocess.Popen([TIDEMARK, "symbolize"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                               preexec_fn=call_early if early else None)
    service.stdout = os.fdopen(os.dup(service.stdout.fileno()), "rb")
    service.stdin.write(f"perfmap\t1\t{path}\n".encode())
    return service


@test
def called_to_hurry():
    """The thread of low priority hands over where it stands, and nothing is lost; a call before the start counts, too."""
    path = written(fresh("hurry"), "perf-1.map", "1000 10 early\n")
    base, wrong = os.getpriority(os.PRIO_PROCESS, 0), []
    for early, before in (False, [base, min(base + 10, 19)]), (True, [base]):
        service = called_service(path, early)
        answered, found = answer(service, 1, 1), nice_values(service.pid, before)
        if not answered or found != before:
            wrong.append(f"early={early}: {found} before the call")
        service.send_signal(signal.SIGCONT)
        for first in range(2, 2002, 200):
            if not answer(service, first, 200):
                wrong.append(f"early={early}: wrong answers from {first}")
        found = nice_values(service.pid, [base])
        if found != [base]:
            wrong.append(f"early={early}: {found} after the call")
        service.stdin.close()
        if service.wait(timeout=60) != 0:
            wrong.append(f"early={early}: exit status {service.returncode}")
    return wrong


# --- the protocol ----------------------------------------------------------------------------------------------------


@test
def protocol_garbage():
    program = Program(fresh("garbage"), "chain.c", "gcc", "-g", "-O2")
    place = program.probes["plain"]
    session = Session(TIDEMARK)
    for line in ("\n", "\t\t\t\n", "frame\n", "frame\tx\n", "module\n", "module\t1\tzz\t/\t/\n", "module\t-1\t-\ta\tb\n",
                 "perfmap\n", "perfmap\t1\n", "quit\n", "x" * 700000 + "\n", "frame\t" + "9" * 40 + "\t1\t1\t1\n",
                 "module\t2\t-\t\\x00\t\\q\n", "module\t3\t" + "ab" * 100 + "\tx\ty\n", "\\xff\udcff\udcfe\n", "frame 1 2 3\n"):
        session.line(line)
    session.module(7, program.path)
    session.line("frame\t1\t7\n").line(f"frame\t2\t7\tzz\t0\n").line(f"frame\t3\t99\t{place:x}\t0\n")
    session.frame(4, 7, place).line(f"frame\t5\t7\t{place:x}\t0\textra\n").frame(6, 7, 0).frame(7, 7, 0xffffffffffffffff)
    session.frame(8, 7, place, 2).frame(9, 7, place, 4).frame(10, 7, place, 8).frame(11, 7, place, 16)
    answers = session.line(f"frame\t12\t7\t{place:x}\t0").end()
    wrong = []
    if answers.order != list(range(1, 12)):
        wrong.append(f"answers {answers.order}")
    named = [number for number, frames in answers.frames.items() if frames]
    if named != [4, 5, 11]:
        wrong.append(f"named {named}")
    if answers.status:
        wrong.append(f"status {answers.status}")
    return wrong


@test
def protocol_odd_paths():
    folder = os.path.join(fresh("odd"), "tab\there new\nline back\\slash \x01")
    os.mkdir(folder)
    program = Program(folder, "chain.c", "gcc", "-g", "-O2")
    return program.check()


@test
def protocol_flushes_when_input_pauses():
    program = Program(fresh("pauses"), "chain.c", "gcc", "-g", "-O2")
    service = subprocess.Popen([TIDEMARK, "symbolize"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    service.stdin.write(f"module\t1\t{build_id(program.path)}\t{program.path}\t{program.path}\n")
    wrong = []
    for number in range(1, 20):
        service.stdin.write(f"frame\t{number}\t1\t{program.probes['plain']:x}\t0\n")
        if number == 1 and service.stdout.readline() != "quality\t1\t2\n":
            wrong.append("no quality first")
        if service.stdout.readline() != f"frame\t{number}\t1\n" or not service.stdout.readline().startswith("plain\t"):
            wrong.append(f"answer {number}")
            break
    service.stdin.close()
    return wrong + ([] if service.wait(timeout=30) == 0 else ["status"])


@test
def protocol_nobody_reads():
    """All requests go in before an answer is fetched: neither side may wait for the other."""
    program = Program(fresh("nobody"), "chain.c", "gcc", "-g", "-O2")
    service = subprocess.Popen([TIDEMARK, "symbolize"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    service.stdin.write(f"module\t1\t{build_id(program.path)}\t{program.path}\t{program.path}\n".encode())
    for number in range(50000):
        service.stdin.write(f"frame\t{number}\t1\t{program.probes['chain']:x}\t0\n".encode())
    service.stdin.close()
    text = service.stdout.read().decode()
    count = text.count("\nframe\t")
    gone = subprocess.Popen([TIDEMARK, "symbolize"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    gone.stdout.close()
    try:
        gone.stdin.write(b"frame\t1\t1\t1\t0\n" * 100)
        gone.stdin.close()
    except BrokenPipeError:
        pass
    ended = gone.wait(timeout=30) >= 0
    wrong = [] if count == 50000 else [f"{count} answers"]
    return wrong + ([] if ended else ["killed by a signal when its reader left"])


@test
def protocol_same_module_twice():
    program = Program(fresh("twice"), "chain.c", "gcc", "-g", "-O2")
    session = Session(TIDEMARK).module(1, program.path).module(2, "/nowhere", name=program.path, build=build_id(program.path))
    answers = session.frame(1, 1, program.probes["main"]).frame(2, 2, program.probes["main"]).end()
    good = answers.frames[1] and answers.frames[1] == answers.frames[2] and answers.quality == {1: DWARF, 2: DWARF}
    return [] if good else [f"{answers.frames} {answers.quality}"]
