#!/usr/bin/python3
"""Print what a program inherits: everything here must be the same with and without `tidemark record`."""
import os
import resource
import signal


def descriptors():
    for fd in sorted(int(name) for name in os.listdir("/proc/self/fd")):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue  # the descriptor of the listing itself
        yield fd, target


def main():
    lines = [f"fd {fd} -> {target}" for fd, target in descriptors() if f"/proc/{os.getpid()}/fd" != target]
    with open("/proc/self/status") as status:
        lines += [line.strip() for line in status if line.startswith(("SigBlk", "SigIgn", "NoNewPrivs", "Cpus_allowed:"))]
    lines.append(f"group {os.getpgrp()} session {os.getsid(0)}")
    lines.append(f"umask {os.umask(0):o} cwd {os.getcwd()} nice {os.nice(0)}")
    lines += [f"limit {name} {resource.getrlimit(getattr(resource, name))}" for name in dir(resource) if name.startswith("RLIMIT_")]
    lines.append(f"timer {signal.getitimer(signal.ITIMER_REAL)[0] > 0}")
    lines += [f"{k}={v}" for k, v in sorted(os.environ.items()) if k not in ("LD_PRELOAD", "_") and not k.startswith("TIDEMARK")]
    print("\n".join(lines))


main()
