"""A bus with the users and rights of production, and connections of its users."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import nats
from nats.aio.client import Client
from pydantic import SecretStr

from pictor.runtime.bus import connection_options
from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.nats_config import SETUP_USER, bus_users
from pictor.runtime.provision import provision
from pictor.runtime.settings import Settings


@asynccontextmanager
async def open_bus(folder: Path) -> AsyncIterator[Endpoints]:
    """A bus with the users of production, provisioned by the setup user alone."""
    config = EmbeddedConfig(servers=frozenset({ServerName.NATS}), nats_users=bus_users())
    async with Embedded(folder, config) as embedded:
        settings = Settings(**as_user(embedded.endpoints, SETUP_USER))
        client = await nats.connect(**connection_options(settings, SETUP_USER))
        await provision(client.jetstream(), settings)
        await provision(client.jetstream(), settings)
        await client.close()
        yield embedded.endpoints


def as_user(bus: Endpoints, user: str) -> dict[str, object]:
    return {"nats_url": bus.nats_url, "nats_user": user, "nats_password": SecretStr(bus.nats_passwords[user])}


@dataclass
class Heard:
    """A connection of one user and what the server refused it."""

    client: Client
    refused: list[str]

    async def is_refused(self, subject: str, body: bytes = b"") -> bool:
        """Whether a publication never passes the server."""
        before = len(self.refused)
        await self.client.publish(subject, body)
        await self.client.flush()
        await asyncio.sleep(0.05)
        return any(subject.lower() in text.lower() for text in self.refused[before:])


@asynccontextmanager
async def connected(bus: Endpoints, user: str) -> AsyncIterator[Heard]:
    refused: list[str] = []

    async def on_error(error: Exception) -> None:
        refused.append(str(error))

    options = connection_options(Settings(**as_user(bus, user)), user) | {"error_cb": on_error}
    client = await nats.connect(**options)
    try:
        yield Heard(client, refused)
    finally:
        await client.close()
