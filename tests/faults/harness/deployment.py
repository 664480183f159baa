"""An installation as in production, on loopback: servers and services under a test's hand, a line between each two."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import nats
from nats.aio.client import Client

from pictor.cli.attach import write_settings
from pictor.cli.processes import free_port
from pictor.cli.stack import OPERATOR, embedded_config, environment_of, settings_for
from pictor.contracts.modules import Service
from pictor.runtime.embedded.config import Endpoints, NatsUser, ServerName
from pictor.runtime.embedded.folder import Remembered, lock, own_folder
from pictor.runtime.nats_config import SETUP_USER
from pictor.runtime.settings import Settings
from pictor.runtime.store.s3 import S3Store
from pictor.runtime.store.s3_requests import S3Config
from tests.faults.harness.background import Background
from tests.faults.harness.servers import ServerInHand
from tests.faults.harness.services import Services
from tests.support.installation import Api, pictor
from tests.support.proxy import Line

TESTER = "tester"
"""A bus user that may do everything: for messages nobody in the installation would send."""

NO_SOLVER = {"solvers": ""}
"""Settings of an installation whose flow is tested: simulated stars would be searched in the whole sky for seconds."""

LINES = ("nats", "postgres", "store", "gateway")


class Deployment(Api):
    """A whole installation; what a test may do to it.

    Parameters
    ----------
    data
        Folder of all state.
    background
        Where servers, services and lines run.
    settings
        Settings that differ from the defaults, by their names.
    """

    def __init__(self, data: Path, background: Background, settings: Mapping[str, Any]) -> None:
        self.background = background
        own_folder(data)
        self.points = own_folder(data / "points")
        """A file here, named like a crash point, kills the next process that comes by."""
        config = embedded_config(Settings())
        config = replace(config, nats_users=(*config.nats_users, NatsUser(TESTER)))
        remembered = Remembered(data / "secrets.json"), Remembered(data / "ports.json")
        self.servers = {
            name: ServerInHand(name, data, config, remembered=remembered, background=background) for name in ServerName
        }
        self.endpoints = Endpoints()
        for server in self.servers.values():
            self.endpoints = server.describe(self.endpoints)
        self._settings = Settings(
            _env_file=None, data_dir=data, index_dir=data / "indexes", reconcile_seconds=5.0, **settings
        )
        taken = {
            int(port) for port in json.loads((data / "ports.json").read_text()).values()
        }  # not all of them are open
        self._port = free_port("127.0.0.1", taken)
        self.lines: dict[str, Line] = {}
        self.services = Services(self._environment, own_folder(data / "logs"), self._port, background, taken)
        super().__init__(data, f"http://127.0.0.1:{self._port}")

    nats = property(lambda self: self.servers[ServerName.NATS])
    postgres = property(lambda self: self.servers[ServerName.POSTGRES])
    store = property(lambda self: self.servers[ServerName.STORE])

    def start_servers(self) -> None:
        """Start servers and lines, and set everything up."""
        self.background.together(*(server.starting() for server in self.servers.values()))
        self._open_lines()
        direct = settings_for(self._settings, self.endpoints, self.data, user=SETUP_USER)
        done = pictor("setup", "--print-token", **environment_of(direct))
        assert done.returncode == 0, done.stderr
        (self.data / "admin.token").write_text(done.stdout.split()[-1] + "\n")
        write_settings(settings_for(self._settings, self.endpoints, self.data, user=OPERATOR))

    def _open_lines(self) -> None:
        dsn = urlsplit(self.endpoints.postgres_dsns["postgres"])
        behind = {
            "nats": urlsplit(self.endpoints.nats_url).port, "postgres": dsn.port,
            "store": int(self.endpoints.s3_endpoint.rpartition(":")[2]), "gateway": self._port,
        }  # fmt: skip
        for name in LINES:
            self.lines[name] = line = Line("127.0.0.1", int(behind[name] or 0))
            self.background.run(line.start())
        self.far_url = f"http://127.0.0.1:{self.lines['gateway'].listening}"

    def through_lines(self) -> Endpoints:
        """Return the servers' addresses as the services see them."""
        port = self.lines["postgres"].listening
        dsns = {
            role: dsn.replace(f":{urlsplit(dsn).port}/", f":{port}/")
            for role, dsn in self.endpoints.postgres_dsns.items()
        }
        return replace(
            self.endpoints,
            nats_url=f"nats://127.0.0.1:{self.lines['nats'].listening}",
            postgres_dsns=dsns,
            s3_endpoint=f"127.0.0.1:{self.lines['store'].listening}",
        )

    def _environment(self, service: Service) -> Mapping[str, str]:
        own = settings_for(self._settings, self.through_lines(), self.data, user=str(service))
        return {**environment_of(own), "PICTOR_LOG_FORMAT": "json", "PICTOR_CRASHPOINTS": str(self.points)}

    def arm(self, *points: str) -> None:
        """Make the next process that comes by a crash point die there, once each."""
        for point in points:
            (self.points / point).touch()

    def armed(self) -> list[str]:
        """Return crash points nobody came by."""
        return sorted(path.name for path in self.points.iterdir())

    def sql(self, query: str, *arguments: object) -> list[Any]:
        """Ask the database as its administrator, past the line."""

        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self.endpoints.postgres_dsns["postgres"], timeout=10)
            try:
                return list(await connection.fetch(query, *arguments))
            finally:
                await connection.close()

        return self.background.run(ask())

    def on_bus(self, work: Callable[[Client], Any]) -> Any:
        """Call a coroutine function with a bus connection that may do everything, past the line."""

        async def connected() -> Any:
            client = await nats.connect(
                self.endpoints.nats_url, user=TESTER, password=self.endpoints.nats_passwords[TESTER],
                connect_timeout=5, allow_reconnect=False,
            )  # fmt: skip
            try:
                return await work(client)
            finally:
                await client.close()

        return self.background.run(connected())

    def in_store(self, work: Callable[[S3Store], Any]) -> Any:
        """Call a coroutine function with the store, as its administrator, past the line."""

        async def opened() -> Any:
            access, secret = self.servers[ServerName.STORE].recipe._key("admin")
            store = S3Store(S3Config(self.endpoints.s3_endpoint, access, secret, self.endpoints.s3_bucket))
            try:
                return await work(store)
            finally:
                await store.close()

        return self.background.run(opened())

    def cut(self, name: str) -> None:
        """Reset all connections of a line."""
        self.background.run(self.lines[name].cut())

    def heal(self) -> None:
        """Repair every line; whatever hangs on one is reset."""
        for name, line in self.lines.items():
            if line.toxics.black_hole:
                self.cut(name)
            line.heal()

    def far_client(self, **options: Any) -> httpx.Client:
        """Return a client that reaches the gateway through its line."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=f"{self.far_url}/api/v1", headers=headers, **{"timeout": 60, **options})

    def stop(self) -> None:
        """Stop services, lines and servers, whatever state they are in."""
        self.heal()
        for service in Service:
            if self.services.running(service):
                self.services.thaw(service)
        self.services.stop()
        self.close()
        self.background.together(*(line.stop() for line in self.lines.values()))
        self.background.together(*(_end(server) for server in self.servers.values()))


async def _end(server: ServerInHand) -> None:
    if server.running:
        server.thaw()
        await server.ending(server.recipe.stop_signal)


@contextmanager
def deployment(
    data: Path, *, before: Callable[[Deployment], None] | None = None, **settings: Any
) -> Iterator[Deployment]:
    """Run an installation until the block ends.

    Parameters
    ----------
    data
        Folder of all state; a new one or that of an earlier deployment.
    before
        Called before the servers start: to mount or change something.
    settings
        Settings that differ from the defaults, by their names.
    """
    own_folder(data)
    held = lock(data / "run.lock")
    with Background() as background:
        found = Deployment(data, background, settings)
        try:
            if before is not None:
                before(found)
            found.start_servers()
            found.services.start()
            found.services.wait_ready()
            yield found
        finally:
            found.stop()
            os.close(held)
            _let_go(background)


def _let_go(background: Background) -> None:
    """Let transports close before their loop does."""
    background.run(asyncio.sleep(0.05))
