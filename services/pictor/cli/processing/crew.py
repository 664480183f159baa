"""Steps run in limited child processes, each once: what the journal knows is not done again."""

import asyncio
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from textwrap import shorten
from types import TracebackType
from typing import Any, Self

from pictor.cli.client import CommandError
from pictor.cli.processing.journal import Done, Journal, content_key
from pictor.imaging.errors import ImagingError
from pictor.runtime.child.errors import ChildCancelled, ChildError, ChildFailed, ChildTimeout
from pictor.runtime.child.pool import ChildPool

WORK = ".work"
ERRORS = "errors.log"
"""What steps that failed told, whole; written only when one did."""

FAILED = frozenset({"step-failed", "timeout"})
"""Reasons of steps that failed, not of frames that are unfit."""

_SHOWN = 200
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
        (journal.folder / ERRORS).unlink(missing_ok=True)

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
            raise self.refusal(order.step, error) from error
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

    def refusal(self, step: str, error: ChildFailed) -> Exception:
        """Turn what a step failed with into what is told of its files."""
        if error.reason in _FULL:
            return CommandError(
                f"{self.journal.folder} is full: {error.message}; make room and run the same command again"
            )
        if isinstance(error, ChildError) and error.reason not in _WORDS:
            with (self.journal.folder / ERRORS).open("a", encoding="utf-8") as file:
                file.write(f"{step}: {error.message}\n{error.traceback}\n")
            short = shorten(error.message, _SHOWN, placeholder=" ...")
            return ImagingError(f"a fault of the program, told whole in {ERRORS}: {short}", reason="step-failed")
        return ImagingError(_WORDS.get(error.reason, error.message), reason="step-failed")


def _outputs(result: Mapping[str, Any]) -> list[str]:
    found = result.get("outputs", {})
    return list(found.values())
