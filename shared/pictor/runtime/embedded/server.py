"""One embedded server: started, awaited, watched, started again when it dies, stopped."""

import asyncio
import os
import signal
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import structlog

from pictor.runtime.child.process import Process, Program
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.embedded.errors import EmbeddedError
from pictor.runtime.embedded.folder import hold

log = structlog.get_logger(__name__)

START_TRIES = 2
"""A port may be taken between choosing and using it; twice in a row it is something else."""

READY_LIMIT_S = 60.0
READY_POLL_S = 0.02

RESTARTS = 5
RESTARTS_WITHIN_S = 60.0
"""More deaths than this in so short a time are not an accident."""

LOG_LIMIT = 16 << 20
"""A server's log begins anew beyond this size; the one before is kept."""


class Server(Protocol):
    """What differs between servers."""

    name: str
    stop_signal: signal.Signals
    stop_limit_s: float
    """When asked to stop it gets this long; then it is killed, which loses nothing that was acknowledged."""

    async def prepare(self) -> None:
        """Write configuration and make empty state."""

    def choose_ports(self) -> None:
        """Take the ports it used before, or free ones."""

    def forget_ports(self) -> None:
        """Choose other ports next time: one turned out to be taken."""

    def program(self) -> Program:
        """Give the program and its arguments."""

    async def check(self) -> None:
        """Raise unless the server answers as it should."""

    async def settle(self) -> None:
        """Make what clients expect to find: roles, databases, settings."""

    def tidy(self) -> None:
        """Remove what it left outside its folder; it is not running."""

    def describe(self, endpoints: Endpoints) -> Endpoints:
        """Add where the server is and how to reach it."""


class Keeper:
    """Keeps one server running.

    Parameters
    ----------
    server
        What to run.
    run_folder
        Where its lock is.
    log_folder
        Where its log goes.
    """

    def __init__(self, server: Server, run_folder: Path, log_folder: Path) -> None:
        self.server = server
        self.failure: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Set when the server died too often."""
        self._lock = run_folder / f"{server.name}.lock"
        self._log = log_folder / f"{server.name}.log"
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._deaths: deque[float] = deque(maxlen=RESTARTS + 1)

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the server and wait until it answers; another try with other ports if somebody took one."""
        for tries_left in reversed(range(START_TRIES)):
            self.server.choose_ports()
            try:
                await self._launch()
                break
            except EmbeddedError:
                self.server.forget_ports()
                if tries_left == 0:
                    raise
        await self.server.settle()
        self._watch = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Stop the server."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._process is not None:
            await self._process.stop(self.server.stop_signal, self.server.stop_limit_s)
            self.server.tidy()

    async def _launch(self) -> None:
        held = await hold(self._lock)
        try:
            await self.server.prepare()
            self._process = self._spawn(held)
        finally:
            os.close(held)
        await self._answers(self._process)

    def _spawn(self, held: int) -> Process:
        """Run the program; the lock is its own from now on."""
        output = _open_log(self._log)
        try:
            program = self.server.program()
            return Process.start(replace(program, output=output, pass_fds=(*program.pass_fds, held)))
        finally:
            os.close(output)

    async def _answers(self, process: Process) -> None:
        """Wait until the server answers."""
        try:
            async with asyncio.timeout(READY_LIMIT_S):
                while process.returncode is None:
                    try:
                        return await self.server.check()
                    except Exception:  # noqa: BLE001 - whatever keeps it from answering, it has until the limit
                        await asyncio.sleep(READY_POLL_S)
        except TimeoutError:
            await process.kill()
            raise EmbeddedError(
                f"{self.server.name} did not answer within {READY_LIMIT_S:g} s: see {self._log}"
            ) from None
        raise EmbeddedError(
            f"{self.server.name} ended with status {process.returncode} while starting: {last_line(self._log)}"
        )

    async def _keep(self) -> None:
        """Start the server again whenever it dies."""
        loop = asyncio.get_running_loop()
        while self._process is not None:
            await self._process.wait()
            status = await self._process.kill()
            self._deaths.append(loop.time())
            log.warning("an embedded server died", server=self.server.name, status=status)
            if len(self._deaths) > RESTARTS and self._deaths[-1] - self._deaths[0] < RESTARTS_WITHIN_S:
                self.failure.set_result(f"{self.server.name} died {len(self._deaths)} times: see {self._log}")
                return
            await asyncio.sleep(min(0.1 * 2 ** (len(self._deaths) - 1), 2.0))
            try:
                await self._launch()
            except EmbeddedError as error:
                log.warning("an embedded server did not start again", server=self.server.name, reason=str(error))


def _open_log(path: Path) -> int:
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def last_line(path: Path) -> str:
    """Return the last line of a log, for a message."""
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][-300:] if lines else "its log is empty"
