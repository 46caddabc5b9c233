"""Marks and operations for a Python program that is recorded by Tidemark.

    import tidemark

    with tidemark.operation("request"):         # on this thread
        handle()

    async with tidemark.operation("request"):   # across awaits: tasks on one thread do not mix
        await handle()

    @tidemark.operation("request")              # of a function, coroutine function or generator function
    def handle(): ...

    tidemark.mark("warm")                       # a named instant
    id = tidemark.start("job")                  # an operation that ends elsewhere, on any thread
    tidemark.finish(id)

One file, standard library only, Python 3.8 or later. Without a recording every call does nothing; `recording` tells. Run the
recorded program with PYTHONMALLOC=malloc: else Python cuts small objects out of arenas, and Tidemark sees the arenas only.
The calls leave nothing behind on the heap; what they take for a moment is freed before they return.
"""
import contextlib
import functools
import inspect

__all__ = ["finish", "mark", "operation", "recording", "start"]

_API_VERSION = 1  # of include/tidemark.h


def _functions():
    """The functions of the library that is preloaded into this process, by name; None when it is not."""
    try:
        import ctypes
        library = ctypes.PyDLL(None)  # the calls take nanoseconds: giving up the interpreter's lock for them would cost more
        if ctypes.c_uint32.in_dll(library, "tidemark_api").value != _API_VERSION:
            return None
        text, number = ctypes.c_char_p, ctypes.c_uint64
        signatures = {"mark": ((text,), None), "op_begin": ((text,), None), "op_end": ((), None),
                      "op_start": ((text,), number), "op_finish": ((number,), None)}
        found = {}
        for name, (arguments, result) in signatures.items():
            function = getattr(library, "tidemark_" + name)
            function.argtypes, function.restype = arguments, result
            found[name] = function
        return found
    except (ImportError, OSError, TypeError, ValueError, AttributeError):
        return None


_api = _functions()
recording = _api is not None


def _nothing(*_):
    return 0


_mark, _begin, _end, _start, _finish = (
    (_api[name] if _api else _nothing) for name in ("mark", "op_begin", "op_end", "op_start", "op_finish"))


def _bytes(name):
    """A name as it is recorded. No name raises: bytes that came from elsewhere (os.fsdecode) are those bytes again."""
    try:
        return name.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # other halves of surrogate pairs
        return name.encode(errors="backslashreplace")


def mark(name):
    """Put a named instant into the recording."""
    _mark(_bytes(name))


def start(name):
    """Start an operation that may be finished on another thread or in another task. Returns its id, 0 without a recording."""
    return _start(_bytes(name))


def finish(id):
    """Finish the operation with this id; 0 and one that is finished already are ignored."""
    _finish(id)


@contextlib.contextmanager
def _started(name):
    id = _start(name)
    try:
        yield
    finally:
        _finish(id)


class operation:
    """An operation with a name: a context manager, plain or asynchronous, and a decorator. May be kept and used again, nested
    and by several threads or tasks at once."""

    def __init__(self, name):
        self._name = _bytes(name)
        self._ids = []

    def __enter__(self):
        _begin(self._name)
        return self

    def __exit__(self, *_):
        _end()

    async def __aenter__(self):
        # Of two tasks that share this object each finishes an operation of this name; which of the two does not matter.
        self._ids.append(_start(self._name))
        return self

    async def __aexit__(self, *_):
        _finish(self._ids.pop())

    def __call__(self, function):
        name = self._name
        if inspect.isasyncgenfunction(function):
            async def wrapper(*args, **kwargs):
                with _started(name):  # what "yield from" does, which there is not for these
                    inner = function(*args, **kwargs)
                    step = inner.__anext__()
                    while True:
                        try:
                            value = await step
                        except StopAsyncIteration:
                            return
                        try:
                            step = inner.asend((yield value))
                        except GeneratorExit:
                            await inner.aclose()
                            raise
                        except BaseException as error:
                            step = inner.athrow(error)
        elif inspect.iscoroutinefunction(function):
            async def wrapper(*args, **kwargs):
                with _started(name):
                    return await function(*args, **kwargs)
        elif inspect.isgeneratorfunction(function):
            def wrapper(*args, **kwargs):
                with _started(name):
                    return (yield from function(*args, **kwargs))
        else:
            def wrapper(*args, **kwargs):
                _begin(name)
                try:
                    return function(*args, **kwargs)
                finally:
                    _end()
        return functools.wraps(function)(wrapper)
