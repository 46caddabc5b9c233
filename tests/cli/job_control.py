#!/usr/bin/python3
"""Drive an interactive bash in a terminal of its own, with a recorded program as its job: job_control.py TIDEMARK [ROUND...]

It works in a folder of its own. Prints "ok ROUND" for each; ends with 1 and what the terminal showed when something did not come within ten seconds.
"""
import os
import pty
import re
import select
import shlex
import sys
import tempfile
import termios
import time

PROMPT = "ready> "


class Terminal:
    def __init__(self):
        self.seen = b""
        pid, self.fd = pty.fork()
        if pid == 0:
            os.environ.update(PS1=PROMPT, TERM="dumb")
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        self.expect(PROMPT)

    def send(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern):
        """Read until the pattern is there; take away everything up to its end."""
        end = time.monotonic() + 10
        while not (match := re.search(pattern.encode(), self.seen)):
            ready, _, _ = select.select([self.fd], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                sys.exit(f"'{pattern}' never came; the terminal shows {self.seen!r}")
            self.seen += os.read(self.fd, 65536)
        self.seen = self.seen[match.end():]

    def key(self, control):
        """Press a control key, after the job has settled: what it says comes before it sleeps."""
        time.sleep(0.2)
        self.send(control)

    def type(self, line):
        """Type a line for the job: once the shell has put the terminal back into the mode that echoes and edits lines."""
        end = time.monotonic() + 10
        while not termios.tcgetattr(self.fd)[3] & termios.ICANON and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.2)
        self.send(line + "\n")
        self.expect(f"{line}\r\n{line}\r\n")

    def run(self, line, *patterns):
        self.send(line + "\n")
        for pattern in patterns:
            self.expect(pattern)


def stop_and_continue(term, record):
    term.run(f"{record} sh -c 'echo up; exec cat'", "up\r\n")
    term.type("one")
    term.key("\x1a")
    term.expect(r"Stopped +\S.* cat'\r\n" + PROMPT)
    term.run("fg", "fg\r\n", "cat'\r\n")
    term.type("two")
    term.key("\x04")
    term.expect(PROMPT)
    term.run("echo status=$?", "status=0", PROMPT)


def background_read(term, record):
    """A job in the background that reads the terminal stops; in the foreground it goes on."""
    term.run(f"{record} cat &", PROMPT)
    term.run("sleep 1", PROMPT)
    term.run("jobs", r"Stopped.* cat", PROMPT)
    term.run("fg", "fg\r\n", "cat\r\n")
    term.type("three")
    term.key("\x04")
    term.expect(PROMPT)


def ended_by_key(term, record, control, status):
    term.run(f"{record} sh -c 'ulimit -c 0; echo up; sleep 100'", "up\r\n")
    term.key(control)
    term.expect(PROMPT)
    term.run("echo status=$?", f"status={status}", PROMPT)


def interrupt(term, record):
    ended_by_key(term, record, "\x03", 130)


def quit_signal(term, record):
    ended_by_key(term, record, "\x1c", 131)


def interrupt_handled(term, record):
    """A program that handles the interrupt goes on, and gets it once."""
    term.run(f"{record} bash -c 'trap \"echo got\" INT; echo up; for i in 1 2 3; do sleep 0.3; done; echo end'", "up\r\n")
    term.key("\x03")
    term.expect("got\r\n")
    term.expect("end\r\n")
    term.expect(PROMPT)
    term.run("echo status=$?", "status=0", PROMPT)


def stop_ignored(term, record):
    """A program that ignores the stop key is not stopped behind its back."""
    term.run(f"{record} sh -c 'trap \"\" TSTP; echo up; sleep 0.5; echo still here'", "up\r\n")
    term.key("\x1a")
    term.expect("still here\r\n")
    term.expect(PROMPT)


def inner_shell(term, record):
    """A shell with jobs of its own: it takes the terminal, stops its job, and gives the terminal back."""
    term.run(f"{record} bash --norc --noprofile -i", PROMPT)
    term.run("sh -c 'echo up; sleep 100'", "up\r\n")
    term.key("\x1a")
    term.expect("Stopped")
    term.expect(PROMPT)
    term.run("suspend", r"Stopped.* -i\r\n", PROMPT)
    term.run("fg", "fg\r\n")
    term.run("echo back", r"back\r\n", PROMPT)
    term.run("kill -9 %1; disown -a", PROMPT)
    term.run("exit 4", PROMPT)
    term.run("echo status=$?", "status=4", PROMPT)


def continued_alone(term, record):
    """Only the program is continued, by its pid: the job must not stay stopped."""
    term.run(f"{record} sh -c 'echo $$ >pid; echo up; exec sleep 1'", "up\r\n")
    term.key("\x1a")
    term.expect("Stopped")
    term.expect(PROMPT)
    term.run("kill -CONT $(cat pid); wait; echo done=$?", "done=0", PROMPT)


ROUNDS = [stop_and_continue, background_read, interrupt, quit_signal, interrupt_handled, stop_ignored, inner_shell, continued_alone]


def main():
    record = f"{shlex.quote(os.path.abspath(sys.argv[1]))} record -q"
    with tempfile.TemporaryDirectory(prefix="tidemark-job-control-") as folder:
        os.chdir(folder)
        term = Terminal()
        for work in ROUNDS:
            if len(sys.argv) < 3 or work.__name__ in sys.argv[2:]:
                work(term, record)
                print(f"ok {work.__name__}", flush=True)
        os.chdir("/")


main()
