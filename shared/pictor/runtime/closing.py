"""Ending what was started: always within a time, and what would not end is named in the log."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog
from nats.aio.client import Client
from nats.errors import Error

log = structlog.get_logger()

T = TypeVar("T")

REPEAT_S = 0.1
"""Python 3.11's ``wait_for``, on which every request to the bus rests, forgets a cancellation that meets the answer."""

FLUSH_S = 1.0
"""A bus that does not take the last acknowledgements within this time is taken for dead."""

LEFT_S = 2.0
"""Time for tasks and threads nobody owns to end with the program."""

THREADS = "pictor-blocking"
"""How threads of blocking calls are named."""


async def end(task: asyncio.Future[Any], *, within_s: float = 5.0, repeat_s: float = REPEAT_S) -> bool:
    """Cancel a task, again and again until it has ended; False when it would not end in time."""
    return not await end_all([task], within_s=within_s, repeat_s=repeat_s)


async def end_all(
    tasks: Iterable[asyncio.Future[Any]], *, within_s: float, repeat_s: float = REPEAT_S
) -> set[asyncio.Future[Any]]:
    """Cancel tasks until they have ended; return and name in the log those that would not."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    left = {task for task in tasks if not task.done()}
    while left and loop.time() < deadline:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=repeat_s)
    for task in left:
        log.warning("left behind, it would not end", task=_name(task), at=_where(task))
    return left


@asynccontextmanager
async def beside(work: Callable[[], Coroutine[Any, Any, None]], *, after_s: float, name: str) -> AsyncIterator[None]:
    """Run something beside a block that takes longer than some time; most blocks end before, and cost no task."""
    tasks: list[asyncio.Task[None]] = []
    timer = asyncio.get_running_loop().call_later(
        after_s, lambda: tasks.append(asyncio.create_task(work(), name=name))
    )  # fmt: skip
    try:
        yield
    finally:
        timer.cancel()
        for task in tasks:
            await end(task)


async def close(what: str, closing: Awaitable[object], *, within_s: float) -> bool:
    """Wait for something to be closed, at most so long; False when it was left as it is, by name in the log."""
    task = asyncio.ensure_future(closing)
    await asyncio.wait({task}, timeout=within_s)
    if not task.done():
        log.warning("left behind, it did not close in time", what=what, within_s=within_s, at=_where(task))
        await end(task, within_s=LEFT_S)
        return False
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.warning("closed with an error", what=what, reason=repr(error))
    return error is None


async def close_client(client: Client, what: str) -> None:
    """Close a connection to the bus; a broker that does not answer is not waited for."""
    if client.is_closed:
        return
    answered = False
    if client.is_connected:
        try:
            await client.flush(timeout=1)  # only here: the late answer to one that timed out ends the client's reading
            answered = True
        except (Error, OSError, TimeoutError) as error:
            log.warning("the bus did not take the last messages", what=what, reason=repr(error))
    if not answered:
        _abort(client)
    await close(what, client.close(), within_s=FLUSH_S)


def _abort(client: Client) -> None:
    """Drop the line: closing it in good order would wait until the broker has read everything."""
    writer = getattr(client._transport, "_io_writer", None)  # noqa: SLF001 - the client has no way to do it
    if writer is not None:
        writer.transport.abort()


def _name(task: asyncio.Future[Any]) -> str:
    return task.get_name() if isinstance(task, asyncio.Task) else repr(task)


def _where(task: asyncio.Future[Any]) -> str:
    """Say where a task waits: the innermost frame of its own."""
    if not isinstance(task, asyncio.Task):
        return ""
    frames = task.get_stack(limit=1)
    return " < ".join(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}" for frame in frames)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a program's main coroutine to its end; nothing it leaves behind keeps the process alive.

    ``asyncio.run`` waits for ever for a task that lost its cancellation and for a thread that waits for a frozen
    server; here both are named in the log, and the process ends without them.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(thread_name_prefix=THREADS)
    loop.set_default_executor(executor)
    code = 1
    try:
        result = loop.run_until_complete(main)
        code = 0
        return result
    finally:
        if loop.run_until_complete(_leave()) and _threads_end(executor):
            asyncio.set_event_loop(None)
            loop.close()
        else:
            _die_soon(code)


async def _leave() -> bool:
    """End every task that is left; say whether all of them did."""
    mine = asyncio.current_task()
    left = await end_all([task for task in asyncio.all_tasks() if task is not mine], within_s=LEFT_S)
    await close("generators", asyncio.get_running_loop().shutdown_asyncgens(), within_s=LEFT_S)
    return not left


def _threads_end(executor: ThreadPoolExecutor) -> bool:
    """Let the threads of blocking calls end; say whether they did."""
    executor.shutdown(wait=False, cancel_futures=True)
    deadline = time.monotonic() + LEFT_S
    while time.monotonic() < deadline:
        busy = [thread.name for thread in threading.enumerate() if thread.name.startswith(THREADS)]
        if not busy:
            return True
        time.sleep(0.01)
    log.warning("left behind, it still waits for a server", threads=busy)
    return False


def _die_soon(code: int) -> None:
    """End the process even if the interpreter waits for a thread."""

    def die() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    timer = threading.Timer(LEFT_S, die)
    timer.daemon = True
    timer.start()
