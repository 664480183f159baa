"""Steps run in limited child processes, each once: what the journal knows is not done again."""

import asyncio
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Any, Self

from pictor.cli.client import CommandError
from pictor.cli.processing.journal import Done, Journal, content_key
from pictor.imaging.errors import ImagingError
from pictor.runtime.child.errors import ChildCancelled, ChildFailed, ChildTimeout
from pictor.runtime.child.pool import ChildPool

WORK = ".work"
_FULL = frozenset({"scratch-full", "file-limit"})
_WORDS = {"oom": "it needs more memory than a frame may have", "garbage": "the child's answer made no sense"}


class StoppedError(Exception):
    """Somebody asked the run to end."""


@dataclass(frozen=True, slots=True)
class Order:
    """One step: what is called with what, and all its result depends on.

    Parameters
    ----------
    step
        Function of `pictor.cli.compute`.
    arguments
        JSON values; ``scratch`` is added.
    content
        What the result depends on.
    """

    step: str
    arguments: Mapping[str, Any]
    content: Mapping[str, Any] = field(default_factory=dict)


class Crew:
    """Children working for one run.

    Parameters
    ----------
    journal
        Where steps are written down.
    jobs
        Children at a time.
    seconds
        Wall time of one step.
    """

    def __init__(self, journal: Journal, *, jobs: int, seconds: float) -> None:
        self.journal = journal
        self.stop = asyncio.Event()
        self.reused = 0
        self._seconds = seconds
        self._starting, self._started = asyncio.Lock(), False
        self._room = asyncio.Semaphore(jobs)
        self._pool = ChildPool(jobs)
        self._work = journal.folder / WORK
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close()
        shutil.rmtree(self._work, ignore_errors=True)

    async def do(self, order: Order, *, seconds: float | None = None) -> Done:
        """Do a step, or return what the journal knows of it.

        Raises
        ------
        ImagingError
            If the frame is at fault, or its step took too much time or memory.
        StoppedError
            If the run is to end.
        CommandError
            If the disk is full.
        """
        key = content_key(order.step, order.content)
        known = self.journal.known(key)
        if known is not None:
            self.reused += 1
            return known
        async with self._room:
            if self.stop.is_set():
                raise StoppedError
            return await self._do(order, key, seconds or self._seconds)

    async def _do(self, order: Order, key: str, seconds: float) -> Done:
        scratch, begin = self._work / token_hex(6), time.monotonic()
        scratch.mkdir()
        try:
            await self._start()
            arguments = {**order.arguments, "scratch": str(scratch)}
            called = f"pictor.cli.compute:{order.step}"
            result = await self._pool.call(called, arguments, timeout_s=seconds, cancel=self.stop)
        except ChildCancelled as error:
            raise StoppedError from error
        except ChildTimeout as error:
            raise ImagingError(
                f"it took longer than {seconds:g} s; --frame-seconds allows more", reason="timeout"
            ) from error
        except ChildFailed as error:
            raise self._refusal(error) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        outputs = [str(Path(one).relative_to(self.journal.folder)) for one in _outputs(result)]
        return self.journal.keep(key, result, outputs, time.monotonic() - begin)

    async def _start(self) -> None:
        """Start the children when the first step needs one."""
        async with self._starting:
            if not self._started:
                await self._pool.start()
                self._started = True

    def _refusal(self, error: ChildFailed) -> Exception:
        if error.reason in _FULL:
            return CommandError(
                f"{self.journal.folder} is full: {error.message}; make room and run the same command again"
            )
        return ImagingError(_WORDS.get(error.reason, error.message), reason="step-failed")


def _outputs(result: Mapping[str, Any]) -> list[str]:
    found = result.get("outputs", {})
    return list(found.values())
