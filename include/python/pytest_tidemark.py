"""Memory limits for pytest, judged by Tidemark.

    @pytest.mark.limit_leaks("1 MB", per=100)          # what 100 runs of the body may leave behind for good
    def test_upload(client): ...

    @pytest.mark.limit_memory("500 MB")                # the heap's peak while the body runs once
    def test_import(): ...

    pytest -p pytest_tidemark        # pytest 7 or later

A marked test runs in a process of its own under `tidemark record`, which alone is judged, and makes its fixtures there; limit_leaks calls
the body `operations` times (3000 by default: what `tidemark gate` asks for a pass), each time as one operation, with the same
fixtures: what one of these collects over all calls, as capsys and caplog do, counts as left. The peak of limit_memory is that of
the whole process, with Python and pytest themselves (some 20 MB). The verdict is that of `tidemark gate`; a run too short for one
fails too, and says how many operations it wants.

The stacks of a verdict are the interpreter's own functions down to those of extension modules, not lines of Python: that names a leak
in C at once; for one in Python they tell what kind of object is left, and `tracemalloc` tells the line.

That process runs with PYTHONMALLOC=malloc, so that every object is seen, and without pytest's logging and warnings plugins,
which collect what they see (a test that asks for `caplog` keeps logging). Of the command line it takes over the root folder,
the ini file and the plugins; anything else that it needs belongs into the ini option `tidemark_pytest_args`.
"""
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

import tidemark

OPERATIONS = 3000
_FRAMES = 20  # of a stack, from the innermost
_RUN = "TIDEMARK_PYTEST_RUN"  # in the recorded process: the file that its outcome goes into
_UNITS = {"": 1, "b": 1, **{step + unit: base ** power for power, step in enumerate("kmgt", 1)
                            for unit, base in (("", 1024), ("b", 1000), ("ib", 1024))}}


def pytest_addoption(parser):
    group = parser.getgroup("tidemark", "memory limits")
    group.addoption("--require-tidemark", action="store_true", help="fail limit_leaks and limit_memory tests when there is no tidemark command, instead of skipping them")
    parser.addini("tidemark_operations", f"how often limit_leaks calls a test ({OPERATIONS})", default=str(OPERATIONS))
    parser.addini("tidemark_pytest_args", "more arguments for the pytest that runs a limited test", type="args", default=[])


def pytest_configure(config):
    config.addinivalue_line("markers", 'limit_leaks(size, per=100, operations=None): fail when so many runs of the test leave more than `size`, such as "1 MB", behind')
    config.addinivalue_line("markers", 'limit_memory(size): fail when the heap grows beyond `size`, such as "500 MB", while the test runs')


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    """Before the test: here it will only be sent away and judged; where it was sent to, it is looped."""
    limits = _Limits(item)
    if not limits.any or os.environ.get(_RUN):
        return
    item.runtest = lambda: _judge(item, limits)
    if _can_run(item):
        item.setup = lambda: None  # fixtures belong to the recorded process


def _can_run(item):
    return isinstance(item, pytest.Function) and not hasattr(item, "_testcase")


class _Limits:
    """What the marks of a test ask for, the closest mark of each kind. Sizes in bytes, per 100 runs."""

    def __init__(self, item):
        self.leaks, self.memory = item.get_closest_marker("limit_leaks"), item.get_closest_marker("limit_memory")
        self.any = bool(self.leaks or self.memory)

    def operations(self, config):
        if not self.leaks:
            return 1
        count = self.leaks.kwargs.get("operations") or config.getini("tidemark_operations")
        try:
            if int(count) > 0:
                return int(count)
        except ValueError:
            pass
        _refuse(f"'{count}' is no number of operations")

    def gate_options(self):
        options = []
        if self.leaks:
            size, per = _size_of(self.leaks), self.leaks.kwargs.get("per", 100)
            if not isinstance(per, int) or per <= 0:
                _refuse(f"limit_leaks: per={per!r} is no number of runs")
            options += ["--leak-per-100-ops", f"{size * 100 / per:f}"]
        if self.memory:
            options += ["--peak-heap", f"{_size_of(self.memory):f}"]
        return options


def _refuse(why):
    pytest.fail(f"tidemark: {why}", pytrace=False)


def _size_of(mark):
    text = str(mark.args[0]) if len(mark.args) == 1 else ""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]*)", text.lower())
    if not match or match[2] not in _UNITS:
        _refuse(f'{mark.name} wants one size, such as {mark.name}("1 MB")')
    return float(match[1]) * _UNITS[match[2]]


# ---- in the process that pytest was started as

def _command():
    """The tidemark command: in PATH, or where this file is installed with it."""
    beside = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "..", "bin")
    return shutil.which("tidemark") or shutil.which("tidemark", path=beside)


def _judge(item, limits):
    __tracebackhide__ = True
    if not _can_run(item):
        _refuse("limits work on test functions and methods, not on unittest.TestCase")
    options, operations, command = limits.gate_options(), limits.operations(item.config), _command()
    if not command:
        why = "tidemark: no 'tidemark' command in PATH"
        pytest.fail(why, pytrace=False) if item.config.getoption("require_tidemark") else pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="pytest-tidemark-") as folder:
        trace = os.path.join(folder, "test.tmk")
        _run_recorded(item, command, trace, operations)
        # No tidemark.toml: what it asks of the project's benchmarks is not meant for a test.
        gate = subprocess.run([command, "gate", "--config", "/dev/null", "--json", *options, trace], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        if gate.returncode not in (0, 1, 3, 4):
            pytest.fail(f"tidemark gate ended with {gate.returncode}: {gate.stderr.strip()}", pytrace=False)
        verdict = json.loads(gate.stdout)
        if verdict["verdict"] not in ("pass", "warn"):
            pytest.fail(_explain(verdict), pytrace=False)


def _run_recorded(item, command, trace, operations):
    """Run the test under `tidemark record`; whatever ends it there, ends it here."""
    __tracebackhide__ = True
    outcome = trace + ".outcome"
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_") or k == "PYTEST_DEBUG_TEMPROOT"}
    env.update({_RUN: outcome, "TIDEMARK_PYTEST_OPERATIONS": str(operations), "PYTHONMALLOC": "malloc",
                "PYTHONPATH": os.pathsep.join(filter(None, [os.path.dirname(os.path.abspath(__file__)), env.get("PYTHONPATH")]))})
    run = subprocess.run([command, "record", "-q", "--no-children", "-o", trace, "--", *_pytest_command(item)], env=env,
                         cwd=item.config.invocation_params.dir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if not os.path.exists(outcome):
        pytest.fail(f"the recorded test ended with status {run.returncode}:\n{run.stdout.strip()}", pytrace=False)
    with open(outcome, encoding="utf-8") as f:
        said = json.load(f)
    if said["outcome"] == "skipped":
        pytest.skip(said["text"])
    if said["outcome"] == "failed":
        pytest.fail(said["text"] or run.stdout, pytrace=False)


def _pytest_command(item):
    config = item.config
    plugins = [p for p in config.known_args_namespace.plugins if p not in ("pytest_tidemark", "no:pytest_tidemark")]
    plugins += ["pytest_tidemark", "no:cacheprovider", "no:warnings"] + ([] if "caplog" in item.fixturenames else ["no:logging"])
    test = os.fspath(item.path) + item.nodeid[item.nodeid.index("::"):]
    return [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "--runxfail", "--rootdir", os.fspath(config.rootpath),
            *(["-c", os.fspath(config.inipath)] if config.inipath else []), *(word for p in plugins for word in ("-p", p)),
            *config.getini("tidemark_pytest_args"), test]


def _explain(verdict):
    """The reasons, worst first, each with the stack that did most."""
    lines = []
    for check in verdict["checks"]:
        if check["verdict"] not in ("pass", "warn"):
            lines.append(f"{check['verdict']}: {check['reason']}")
            for stack in check["stacks"][:1]:
                lines += [f"    {frame['function']}" + (f" at {frame['file']}:{frame['line']}" if frame["file"] else f" [{frame['module']}]")
                          for frame in stack["frames"][:_FRAMES]]
    return "\n".join(lines + verdict["warnings"])


# ---- in the recorded process

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not os.environ.get(_RUN) or not _Limits(pyfuncitem).any:
        return
    body, name, count = pyfuncitem.obj, pyfuncitem.name, int(os.environ["TIDEMARK_PYTEST_OPERATIONS"])
    operation = tidemark.operation(name)

    def loop(*args, **kwargs):
        __tracebackhide__ = True
        for _ in range(count):
            with operation:
                body(*args, **kwargs)

    async def loop_async(*args, **kwargs):
        __tracebackhide__ = True
        for _ in range(count):
            async with operation:
                await body(*args, **kwargs)

    pyfuncitem.obj = loop_async if inspect.iscoroutinefunction(body) else loop


def pytest_runtest_logreport(report):
    """Tell the first process how the test ended: its body, or what went wrong before or after."""
    path = os.environ.get(_RUN)
    if not path or (report.when != "call" and report.passed):
        return
    text = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else report.longreprtext
    with open(path + ".new", "w", encoding="utf-8") as f:
        json.dump({"outcome": report.outcome, "text": text[9:] if text.startswith("Skipped: ") else text}, f)
    os.rename(f.name, path)  # whole, or not at all
