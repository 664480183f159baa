"""A fixed number of warm children, each working on one call at a time."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import structlog

from pictor.runtime.child.child import Child
from pictor.runtime.child.enclosure import Level, Reach
from pictor.runtime.child.errors import ChildCancelled, ChildError, ChildOutOfMemory, ChildTimeout
from pictor.runtime.child.limits import Limits
from pictor.runtime.child.main import ALLOWED

log = structlog.get_logger(__name__)

START_LIMIT_S = 180.0
"""A child that compiles all kernels for the first time may take this long."""


class ChildPool:
    """Children that run pixel functions, replaced when they fail.

    Parameters
    ----------
    size
        Number of children, hence of calls at a time.
    limits
        What each may use.
    recycle_after
        Calls after which a child is replaced by a fresh one.
    warm
        Modules to import in a child before its first call; the ``warm()`` of each is run if it has one.
    environment
        Variables for the children besides those every program needs.
    reach
        Files the children may use, besides the code; with it they are enclosed. None leaves them open.
    """

    def __init__(
        self,
        size: int,
        *,
        limits: Limits | None = None,
        recycle_after: int = 500,
        warm: Sequence[str] = (),
        environment: Mapping[str, str] = MappingProxyType({}),
        reach: Reach | None = None,
    ) -> None:
        self.size = size
        self._limits = limits or Limits()
        self._recycle_after = recycle_after
        self._warm = tuple(warm)
        self._environment = environment
        self._reach = reach
        self.level: Level | None = None
        self._free = asyncio.Semaphore(size)
        self._slots: deque[asyncio.Future[Child]] = deque()
        self._alive: set[Child] = set()
        self._running: set[asyncio.Task[dict[str, object]]] = set()
        self._chores: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """Process ids of the children that live now."""
        return sorted(child.process.pid for child in self._alive)

    async def start(self) -> None:
        """Start all children and wait until they are warm.

        Raises
        ------
        ChildFailed
            If a child cannot start.
        """
        for _ in range(self.size):
            self._refill()
        try:
            await asyncio.gather(*self._slots)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End all children; running calls end as cancelled."""
        self._closed = True
        unfinished: list[asyncio.Future[Any]] = [*self._running, *self._slots]
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await asyncio.gather(*self._chores, *(self._end(child) for child in list(self._alive)))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def call(
        self,
        function: str,
        arguments: Mapping[str, object],
        *,
        timeout_s: float,
        cancel: asyncio.Event | None = None,
    ) -> dict[str, object]:
        """Run ``pictor.<service>.compute:<function>`` in a child.

        Parameters
        ----------
        function
            Module and function, joined by a colon.
        arguments
            Keyword arguments, JSON only.
        timeout_s
            Seconds the function may run; waiting for a free child does not count.
        cancel
            When set, the call ends as cancelled, running or not.

        Raises
        ------
        ImagingError
            If the function found the frame at fault.
        ChildFailed
            If there is no result: timeout, cancelled, crash, memory, or any other exception.
        """
        if not ALLOWED.fullmatch(function):
            raise ValueError(f"{function!r} is not a compute function of a service")
        work = asyncio.create_task(self._work(function, arguments, timeout_s))
        flag = asyncio.create_task((cancel or asyncio.Event()).wait())
        self._running.add(work)
        try:
            await asyncio.wait({work, flag}, return_when=asyncio.FIRST_COMPLETED)
            if work.cancelled() or not work.done():
                raise ChildCancelled(f"{function} was called off")
            return work.result()
        finally:
            self._running.discard(work)
            flag.cancel()
            work.cancel()

    async def _work(self, function: str, arguments: Mapping[str, object], timeout_s: float) -> dict[str, object]:
        async with self._free:
            child = await self._take()
            spoiled = False
            try:
                async with asyncio.timeout(timeout_s):
                    return await child.ask(function, arguments, timeout_s=timeout_s)
            except TimeoutError as error:
                raise ChildTimeout(f"{function} took longer than {timeout_s:g} s") from error
            except ChildOutOfMemory:
                spoiled = True
                raise
            finally:
                self._give_back(child, spoiled=spoiled)

    async def _take(self) -> Child:
        """Wait for the child of a free slot; a slot whose child cannot start is filled anew for the next call."""
        slot = next((slot for slot in self._slots if slot.done()), self._slots[0])
        self._slots.remove(slot)
        try:
            child = await asyncio.shield(slot)
        except asyncio.CancelledError:
            self._slots.append(slot)
            raise
        except Exception:
            self._refill()
            raise
        if child.process.returncode is None:
            return child
        self._refill()
        self._discard(child)
        return await self._take()

    def _give_back(self, child: Child, *, spoiled: bool) -> None:
        if spoiled or child.busy or child.calls >= self._recycle_after:
            self._discard(child)
            self._refill()
        else:
            slot = asyncio.get_running_loop().create_future()
            slot.set_result(child)
            self._slots.appendleft(slot)

    def _refill(self) -> None:
        if not self._closed:
            slot = asyncio.create_task(self._spawn())
            slot.add_done_callback(_report)
            self._slots.append(slot)

    def _discard(self, child: Child) -> None:
        chore = asyncio.create_task(self._end(child))
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    async def _spawn(self) -> Child:
        child = await Child.spawn(self._limits, self._warm, self._environment, reach=self._reach)
        self._alive.add(child)
        try:
            async with asyncio.timeout(START_LIMIT_S):
                self._learn(await child.ready())
        except TimeoutError as error:
            self._discard(child)
            raise ChildError(f"a child was not warm after {START_LIMIT_S:g} s", reason="child-start") from error
        except BaseException:
            self._discard(child)
            raise
        return child

    def _learn(self, level: Level) -> None:
        """Tell once how far children are enclosed."""
        if self._reach is not None and self.level is None:
            tell = log.info if level.whole else log.warning
            tell("pixel children are enclosed", holds=level.sentence, landlock=level.landlock, seccomp=level.seccomp)
        self.level = level

    async def _end(self, child: Child) -> None:
        await child.kill()
        self._alive.discard(child)


def _report(slot: asyncio.Task[Child]) -> None:
    if not slot.cancelled() and (error := slot.exception()) is not None:
        traceback = error.traceback if isinstance(error, ChildError) else ""
        log.error("a child did not start", reason=str(error), traceback=traceback)
