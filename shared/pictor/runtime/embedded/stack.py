"""The three servers of ``pictor up`` as one thing that starts, runs and stops."""

import asyncio
import os
from pathlib import Path
from typing import Self

from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints, ServerName
from pictor.runtime.embedded.errors import EmbeddedError
from pictor.runtime.embedded.folder import Remembered, lock, own_folder
from pictor.runtime.embedded.nats import NatsServer
from pictor.runtime.embedded.postgres import PostgresServer
from pictor.runtime.embedded.seaweed import SeaweedServer
from pictor.runtime.embedded.server import Keeper


class Embedded:
    """NATS, PostgreSQL and SeaweedFS on the loopback address, with all their state in one folder.

    Use it as an asynchronous context. The servers die with this process, however it dies.

    Parameters
    ----------
    data
        Folder of all state; made if missing, private.
    config
        What the servers are for.
    """

    def __init__(self, data: Path, config: EmbeddedConfig | None = None) -> None:
        self.folder = data.absolute()
        self._config = config or EmbeddedConfig()
        self._keepers: dict[ServerName, Keeper] = {}
        self._lock = -1
        self.endpoints = Endpoints()

    @property
    def pids(self) -> dict[ServerName, int | None]:
        """Process id of each server; None while it is down."""
        return {name: keeper.pid for name, keeper in self._keepers.items()}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start all servers at once and wait until each answers.

        Raises
        ------
        AlreadyRunningError
            If another run uses the folder.
        EmbeddedError
            If a server cannot run; the message says why and what to do.
        """
        own_folder(self.folder)
        self._lock = lock(self.folder / "run.lock")
        try:
            self._make_keepers()
            async with asyncio.TaskGroup() as group:
                for keeper in self._keepers.values():
                    group.create_task(keeper.start())
        except BaseExceptionGroup as errors:
            await self.stop()
            raise errors.exceptions[0] from None
        except BaseException:
            await self.stop()
            raise
        for keeper in self._keepers.values():
            self.endpoints = keeper.server.describe(self.endpoints)

    async def stop(self) -> None:
        """Stop all servers at once."""
        await asyncio.gather(*(keeper.stop() for keeper in self._keepers.values()))
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def failure(self) -> str:
        """Wait until a server has died too often to be started again; returns what happened."""
        if not self._keepers:
            raise EmbeddedError("no server is running")
        waits = [keeper.failure for keeper in self._keepers.values()]
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()

    def _make_keepers(self) -> None:
        secrets = Remembered(self.folder / "secrets.json")
        ports = Remembered(self.folder / "ports.json")
        runs, logs = own_folder(self.folder / "run"), own_folder(self.folder / "logs")
        kinds: dict[ServerName, type[NatsServer | PostgresServer | SeaweedServer]] = {
            ServerName.NATS: NatsServer,
            ServerName.POSTGRES: PostgresServer,
            ServerName.STORE: SeaweedServer,
        }
        self._keepers = {
            name: Keeper(kind(self.folder, self._config, secrets, ports), runs, logs)
            for name, kind in kinds.items()
            if name in self._config.servers
        }
