"""The embedded servers under a test's own hand: nobody starts them again unless the test does."""

import asyncio
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

from pictor.runtime.child.process import Process
from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints, ServerName
from pictor.runtime.embedded.folder import Remembered, hold, own_folder
from pictor.runtime.embedded.nats import NatsServer
from pictor.runtime.embedded.postgres import PostgresServer
from pictor.runtime.embedded.seaweed import SeaweedServer
from tests.faults.harness.background import Background
from tests.support.processes import signal_family

KINDS = {ServerName.NATS: NatsServer, ServerName.POSTGRES: PostgresServer, ServerName.STORE: SeaweedServer}
ANSWERS_WITHIN_S = 90.0


class ServerInHand:
    """One server: started, killed, frozen, thawed and started again on the same ports.

    Parameters
    ----------
    name
        Which server.
    data
        Folder of the installation.
    config
        What the servers are for.
    remembered
        Secrets and ports of the installation.
    background
        Where its coroutines run.
    """

    def __init__(
        self, name: ServerName, data: Path, config: EmbeddedConfig, *,
        remembered: tuple[Remembered, Remembered], background: Background,
    ) -> None:  # fmt: skip
        self.name = name
        self.data = data
        self.recipe = KINDS[name](data, config, *remembered)
        self.recipe.choose_ports()
        self._background = background
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """Process id of the server."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it runs (frozen counts as running)."""
        return self._process is not None and self._process.returncode is None

    @property
    def folder(self) -> Path:
        """Where its state is."""
        return {
            ServerName.NATS: self.data / "nats" / "jetstream",
            ServerName.POSTGRES: self.data / "postgres",
            ServerName.STORE: self.data / "store" / "data",
        }[self.name]

    @property
    def log(self) -> str:
        """What it logged."""
        return (self.data / "logs" / f"{self.name}.log").read_text(encoding="utf-8", errors="replace")

    def describe(self, endpoints: Endpoints) -> Endpoints:
        """Add where the server is and how to reach it."""
        return self.recipe.describe(endpoints)

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it answers."""
        self._background.run(self.starting(wait=wait))

    async def starting(self, *, wait: bool = True) -> None:
        """Start it."""
        own_folder(self.data / "run")
        held = await hold(self.data / "run" / f"{self.name}.lock")
        output = os.open(own_folder(self.data / "logs") / f"{self.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            await self.recipe.prepare()
            program = self.recipe.program()
            self._process = Process.start(replace(program, output=output, pass_fds=(*program.pass_fds, held)))
        finally:
            os.close(output)
            os.close(held)
        if wait:
            await self._answers()
            await self.recipe.settle()

    async def _answers(self) -> None:
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            while self.running:
                try:
                    return await self.recipe.check()
                except Exception:  # noqa: BLE001 - whatever keeps it from answering, it has until the limit
                    await asyncio.sleep(0.05)
        raise AssertionError(f"{self.name} did not start: {self.log[-600:]}")

    def kill(self) -> None:
        """End it and all of its processes with -9."""
        self._background.run(self.ending(signal.SIGKILL))

    def stop(self) -> None:
        """Ask it to end, as an operator would."""
        self._background.run(self.ending(self.recipe.stop_signal))

    async def ending(self, number: signal.Signals) -> None:
        """End it."""
        if self._process is None:
            return
        if self.running and number is not signal.SIGKILL:
            self.thaw()
            await self._process.stop(number, self.recipe.stop_limit_s)
        else:
            if self.running:
                signal_family(self.pid, signal.SIGKILL)
            await self._process.kill()
        self.recipe.tidy()

    def freeze(self) -> None:
        """Stop it and all of its processes in their tracks."""
        signal_family(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        signal_family(self.pid, signal.SIGCONT)

    def erase(self) -> None:
        """Remove all its state; it must not run."""
        assert not self.running
        for entry in self.folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
