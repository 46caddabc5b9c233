"""A Python program with operations of every form; prints the same whether it is recorded or not."""
import asyncio
import threading

import tidemark


@tidemark.operation("function")
def function(x):
    """Its documentation."""
    return x + 1


@tidemark.operation("coroutine")
async def coroutine(x):
    await asyncio.sleep(0)
    return x + 2


@tidemark.operation("generator")
def generator(n):
    yield from range(n)
    return "end"


@tidemark.operation("async-generator")
async def async_generator(n):
    for i in range(n):
        yield i


@tidemark.operation("async-generator-of-all-ways")
async def answers(log):
    try:
        while True:
            try:
                log.append((yield len(log)))
            except KeyError as error:
                log.append(error.args[0])
                if error.args[0] == "stop":
                    return
    finally:
        await asyncio.sleep(0)
        log.append("closed")


async def all_ways():
    log = []
    a = answers(log)
    assert [await a.asend(None), await a.asend("x"), await a.__anext__(), await a.athrow(KeyError("y"))] == [0, 1, 2, 3]
    await a.aclose()
    assert log == ["x", None, "y", "closed"], log
    for thrown, flies_out in ((KeyError("stop"), StopAsyncIteration), (ValueError("flies through"), ValueError)):
        b = answers(log)
        await b.__anext__()
        try:
            await b.athrow(thrown)
            assert False
        except flies_out:
            pass
    assert log[4:] == ["stop", "closed", "closed"], log


@tidemark.operation("method")
def fails():
    raise KeyError("flies through")


shared = tidemark.operation("task")


async def task(seconds):
    async with shared:
        await asyncio.sleep(seconds)


async def many():
    await asyncio.gather(*(task(.001 * (i % 3)) for i in range(10)), *(coroutine(i) for i in range(5)))
    return [i async for i in async_generator(3)]


def main():
    assert function(1) == 2 and function.__doc__ == "Its documentation."
    assert list(generator(3)) == [0, 1, 2]
    assert asyncio.run(many()) == [0, 1, 2]
    asyncio.run(all_ways())
    with tidemark.operation("half \ud800"), tidemark.operation("byte \udcff"):
        tidemark.mark("\udcfe")
        tidemark.finish(tidemark.start("\udfff"))
    try:
        fails()
    except KeyError:
        pass
    with tidemark.operation("outer"), tidemark.operation("inner"):
        pass
    thread = threading.Thread(target=tidemark.finish, args=(tidemark.start("job"),))
    thread.start()
    thread.join()
    operation = tidemark.operation("repeated")
    tidemark.mark("before")
    for _ in range(2000):
        with operation:
            pass
        tidemark.finish(tidemark.start("by-id"))
    tidemark.mark("after")
    print("done", isinstance(tidemark.recording, bool))


main()
