#!/usr/bin/python3
"""The reader's memory follows the live set and the stacks, not the length of the trace: ten times as many events with the
same live set take at most a tenth more. And a trickle of leaks among short-lived blocks costs little more than its blocks.

    memory.py BUILD"""
import check


def peak_kb(events, live, churn, leak_every=0):
    """The peak memory of a reader of such a trace."""
    file = check.path("big.tmk")
    made = check.run(check.BIG, file, str(events), str(live), "2000", str(churn), str(leak_every))
    assert made.returncode == 0, made.stderr
    lines = check.lines(check.PRINT, file, "--quiet", "--memory")
    assert "events %d" % events in lines and "complete 1" in lines
    return int(lines[-1].split()[1])


def flat():
    found = []
    for live, churn in ((1000, 100), (20000, 100), (200000, 0)):
        small, large = (peak_kb(events, live, churn) for events in (2000000, 20000000))
        found.append("%d live: %d and %d kB" % (live, small, large))
        assert large <= small * 1.1, found[-1]
    return "2 M and 20 M events, " + ", ".join(found)


def trickle():
    plain, leaking = peak_kb(20000000, 1000, 50), peak_kb(20000000, 1000, 50, leak_every=4000)
    assert leaking <= plain + 1024, "%d kB without, %d kB with one leak in 4000 blocks" % (plain, leaking)
    return "%d kB without, %d kB with 2500 leaks spread over 10 M blocks" % (plain, leaking)


check.test("reader/memory-flat", flat)
check.test("reader/memory-trickle", trickle)
check.end()
