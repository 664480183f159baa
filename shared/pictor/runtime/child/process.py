"""A program that cannot outlive us: own session, killed as a group, gone when we are gone.

A child holds the reading end of a pipe whose writing end is ours alone. The kernel is asked to signal the child's
whole process group when that pipe changes, and it only ever changes when our end closes: at ``kill -9`` of this
process too. Nothing has to run in the child for that, so any program can be held this way.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

GRACE_POLL_S = 0.02
"""Interval of the check for the end of a process where the kernel has no process descriptors."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to start, and how it wants to be told that its parent is gone."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    output: int = 2
    """File descriptor that takes standard output and standard error."""
    orphan_signal: signal.Signals = signal.SIGKILL
    pass_fds: Sequence[int] = ()
    folder: Path | None = None
    user: int | None = None
    """User and group id to run as; None keeps ours."""


@dataclass(eq=False)
class Process:
    """A running program with its lifeline."""

    popen: subprocess.Popen[bytes]
    _lifeline: int
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(cls, program: Program) -> "Process":
        """Start a program in a session of its own."""
        reading, writing = os.pipe()
        try:
            popen = subprocess.Popen(
                list(program.argv),
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=program.output,
                stderr=program.output,
                pass_fds=(*program.pass_fds, reading),
                cwd=program.folder,
                start_new_session=True,
                user=program.user,
                group=program.user,
                extra_groups=None if program.user is None else [],
            )
            _signal_group_on_close(reading, popen.pid, program.orphan_signal)
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        return cls(popen, writing)

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its group."""
        return self.popen.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        with self._lock:
            return self.popen.poll()

    def send_group(self, number: signal.Signals) -> None:
        """Send a signal to the program and everything it started in its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program alone."""
        with self._lock:
            self.popen.send_signal(number)

    async def wait(self) -> int:
        """Wait for the end of the program; returns its exit status."""
        while (status := self.returncode) is None:
            await _ended(self.pid)
        return status

    async def stop(self, number: signal.Signals, grace_s: float) -> int:
        """Ask the program to end, then kill what is left of its group."""
        self.send(number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), grace_s)
        return await self.kill()

    async def kill(self) -> int:
        """Kill the group and wait for the program; a second time does nothing."""
        if self._lifeline < 0:
            return await self.wait()
        self.send_group(signal.SIGKILL)
        status = await self.wait()
        self._close_lifeline()
        return status

    def _close_lifeline(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1


def _signal_group_on_close(reading: int, group: int, number: signal.Signals) -> None:
    """Have the kernel signal a process group when the other end of a pipe is closed."""
    if not hasattr(fcntl, "F_SETSIG"):  # only Linux has it; elsewhere children notice the end of their channel
        return
    fcntl.fcntl(reading, fcntl.F_SETOWN, -group)
    fcntl.fcntl(reading, fcntl.F_SETSIG, number)
    fcntl.fcntl(reading, fcntl.F_SETFL, fcntl.fcntl(reading, fcntl.F_GETFL) | os.O_ASYNC)


async def _ended(pid: int) -> None:
    """Return soon after a process of ours has ended."""
    if not hasattr(os, "pidfd_open"):
        await asyncio.sleep(GRACE_POLL_S)
        return
    loop = asyncio.get_running_loop()
    descriptor = os.pidfd_open(pid)
    ended: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(descriptor, end)
    try:
        await ended
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
