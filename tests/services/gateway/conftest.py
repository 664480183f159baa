"""A gateway on a real database, a real bus and a folder of frames."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import SecretStr

from pictor.contracts.access import DEFAULT_SCOPES, Role, Scope
from pictor.contracts.modules import Service
from pictor.gateway import credentials
from pictor.gateway.app import create_app
from pictor.gateway.bootstrap import bootstrap
from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.hosting import open_runtime
from pictor.runtime.provision import provision
from pictor.runtime.runtime import Runtime
from pictor.runtime.settings import Settings
from pictor.state import observatories, tokens
from pictor.state.database import migrate, open_pool
from pictor.state.observatories import Observatory, Rig

BLOCK = 2880


def tiny_frame(number: int = 0, kind: str = "LIGHT", *, size: int = 8) -> bytes:
    """The smallest FITS file of its number."""
    cards = [
        f"SIMPLE  = {'T':>20}", f"BITPIX  = {16:>20}", f"NAXIS   = {2:>20}", f"NAXIS1  = {size:>20}",
        f"NAXIS2  = {size:>20}", f"IMAGETYP= '{kind:<8}'", f"NUMBER  = {number:>20}", "END",
    ]  # fmt: skip
    header = "".join(f"{card:<80}" for card in cards).encode()
    data = bytes(2 * size * size)
    return header.ljust(BLOCK, b" ") + data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\x00")


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@dataclass
class Api:
    """A client of the gateway and what stands behind it."""

    runtime: Runtime
    client: httpx.AsyncClient
    admin: str
    home: Observatory
    transport: httpx.ASGITransport
    made: list[str] = field(default_factory=list)

    def as_(self, token: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"} if token else {}

    async def get(self, path: str, token: str | None = None, **options: object) -> httpx.Response:
        return await self.request("GET", path, token, **options)

    async def post(self, path: str, token: str | None = None, **options: object) -> httpx.Response:
        return await self.request("POST", path, token, **options)

    async def request(self, method: str, path: str, token: str | None = None, **options: object) -> httpx.Response:
        headers = {**self.as_(self.admin if token is None else token), **dict(options.pop("headers", {}))}
        return await self.client.request(method, path, headers=headers, **options)

    async def upload(self, body: bytes, token: str | None = None, **options: object) -> httpx.Response:
        return await self.request("PUT", f"/api/v1/frames/{sha(body)}", token, content=body, **options)

    async def token(
        self, role: Role, observatory: UUID | None = None, *, scopes: frozenset[Scope] | None = None, days: int = 1,
        rig: UUID | None = None,
    ) -> str:  # fmt: skip
        """Make a token of a role at an observatory (None: home)."""
        text, credential = credentials.make()
        async with self.runtime.pool.acquire() as db:
            await tokens.create(
                db, credential.id, credential.secret_sha256, name=f"a {role}", role=role,
                scopes=DEFAULT_SCOPES[role] if scopes is None else scopes,
                observatory_id=observatory or self.home.id, rig_id=rig, created_by=None, days=days,
            )  # fmt: skip
        return text

    async def observatory(self, slug: str) -> UUID:
        """Make another observatory with a rig."""
        async with self.runtime.pool.acquire() as db:
            made = await observatories.create(db, uuid4(), slug, slug.title())
            assert made is not None
            await observatories.create_rig(db, Rig(id=uuid4(), observatory_id=made.id, name="rig"))
        return made.id

    async def count(self, table: str) -> int:
        async with self.runtime.pool.acquire() as db:
            return int(await db.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608


@pytest.fixture(scope="session")
async def gateway_bus(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Endpoints]:
    """One nats-server for the tests of the gateway."""
    config = EmbeddedConfig(servers=frozenset({ServerName.NATS}))
    async with Embedded(tmp_path_factory.mktemp("gateway-bus"), config) as embedded:
        yield embedded.endpoints


def settings_of(dsn: str, bus: Endpoints, folder: Path) -> Settings:
    user = next(iter(bus.nats_passwords), None)
    return Settings(
        postgres_dsn=SecretStr(dsn), nats_url=bus.nats_url, nats_user=user,
        nats_password=SecretStr(bus.nats_passwords[user]) if user else None,
        data_dir=folder, max_upload_bytes=1_000_000, allowed_hosts="gateway.test",
    )  # fmt: skip


@pytest.fixture
async def api(database_dsn: str, gateway_bus: Endpoints, tmp_path: Path) -> AsyncIterator[Api]:
    """A gateway with its administrator's token."""
    settings = settings_of(database_dsn, gateway_bus, tmp_path)
    pool = await open_pool(database_dsn, size=2)
    await migrate(pool)
    admin = await bootstrap(pool)
    await pool.close()
    assert admin is not None
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(open_runtime(settings, Service.GATEWAY, pixels=(), slots=1))
        await provision(runtime.bus.js, settings)
        for stream in ("PICTOR_WORK", "PICTOR_EVENTS"):
            await runtime.bus.js.purge_stream(stream)
        transport = httpx.ASGITransport(create_app(runtime), raise_app_exceptions=False)
        client = await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://gateway.test", timeout=30)
        )
        async with runtime.pool.acquire() as db:
            home = await observatories.by_slug(db, "home")
        assert home is not None
        yield Api(runtime, client, admin, home, transport)
    await asyncio.sleep(0)
