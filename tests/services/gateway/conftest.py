"""A gateway on a real database, a real bus and a folder of frames."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from litestar import Litestar
from litestar.types import ASGIApp
from nats.js import JetStreamContext
from pydantic import SecretStr

from pictor.cli.setup import set_up
from pictor.cli.web import serve
from pictor.contracts.access import DEFAULT_SCOPES, Role, Scope
from pictor.contracts.modules import Service
from pictor.gateway import credentials
from pictor.gateway.app import guarded, known_to, routed
from pictor.gateway.bootstrap import bootstrap
from pictor.runtime.bus import Bus
from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.hosting import open_runtime
from pictor.runtime.nats_config import SETUP_USER, bus_users
from pictor.runtime.runtime import Runtime
from pictor.runtime.settings import Settings
from pictor.state import observatories, tokens
from pictor.state.database import Connection, Pool, open_pool
from pictor.state.observatories import Observatory, Rig
from pictor.state.rights import ROLE_OF
from tests.support.emptying import empty
from tests.support.servers import dsn_to, make_database

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
    js: JetStreamContext
    client: httpx.AsyncClient
    admin: str
    home: Observatory
    app: Litestar

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


def settings_of(dsn: str, bus: Endpoints, folder: Path) -> Settings:
    user = str(Service.GATEWAY)
    return Settings(
        postgres_dsn=SecretStr(dsn), nats_url=bus.nats_url, nats_user=user,
        nats_password=SecretStr(bus.nats_passwords[user]),
        data_dir=folder, max_upload_bytes=1_000_000, allowed_hosts="gateway.test",
    )  # fmt: skip


@pytest.fixture(scope="session")
async def gateway_runtime(
    database_server: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Runtime, JetStreamContext]]:
    """One runtime for all tests of the gateway, with the rights of its own bus user; and a look at the whole bus."""
    folder = tmp_path_factory.mktemp("gateway")
    dsn = await make_database(database_server, "gateway")
    config = EmbeddedConfig(servers=frozenset({ServerName.NATS}), nats_users=bus_users())
    async with AsyncExitStack() as stack:
        embedded = await stack.enter_async_context(Embedded(folder / "bus", config))
        settings = settings_of(dsn, embedded.endpoints, folder)
        password = SecretStr(embedded.endpoints.nats_passwords[SETUP_USER])
        setup = settings.model_copy(update={"nats_user": SETUP_USER, "nats_password": password})
        await set_up(setup)
        runtime = await stack.enter_async_context(open_runtime(settings, Service.GATEWAY, pixels=(), slots=1))
        eyes = await Bus.connect(setup, runtime.pool, name="setup")
        stack.push_async_callback(eyes.close)
        yield runtime, eyes.js


@pytest.fixture(scope="session")
async def gateway_pool(
    database_server: Endpoints, gateway_runtime: tuple[Runtime, JetStreamContext]
) -> AsyncIterator[Pool]:
    """The gateway's own role, as in production: it may do what it must, and sees the rows of whoever asks."""
    assert gateway_runtime
    pool = await open_pool(dsn_to(database_server, "gateway", ROLE_OF[Service.GATEWAY]), size=8)
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
async def gateway_admin(
    database_server: Endpoints, gateway_runtime: tuple[Runtime, JetStreamContext]
) -> AsyncIterator[Connection]:
    """A connection that may do anything to the gateway's database."""
    assert gateway_runtime
    admin = await asyncpg.connect(dsn_to(database_server, "gateway", "postgres"))
    yield admin
    await admin.close()


async def emptied(admin: Connection, runtime: Runtime, js: JetStreamContext) -> None:
    """Take back everything an earlier test left."""
    await empty(admin)
    for stream in ("PICTOR_WORK", "PICTOR_EVENTS"):
        await js.purge_stream(stream)
    for key in [stored.key async for stored in runtime.store.list()]:
        await runtime.store.delete(key)


@pytest.fixture(scope="session")
def routes(gateway_runtime: tuple[Runtime, JetStreamContext], gateway_pool: Pool) -> tuple[Litestar, ASGIApp, Runtime]:
    """The gateway's routes, put together once, unguarded; and the runtime they work on."""
    runtime, _ = gateway_runtime
    as_itself = replace(runtime, pool=gateway_pool, bus=replace(runtime.bus, pool=gateway_pool))
    app = routed(as_itself)
    return app, app.asgi_handler, as_itself


@pytest.fixture
async def api(
    gateway_runtime: tuple[Runtime, JetStreamContext],
    gateway_admin: Connection,
    routes: tuple[Litestar, ASGIApp, Runtime],
) -> AsyncIterator[Api]:
    """An empty gateway with its administrator's token; tests see its database as the owner, the gateway as itself."""
    runtime, js = gateway_runtime
    await emptied(gateway_admin, runtime, js)
    admin = await bootstrap(runtime.pool)
    assert admin is not None
    async with runtime.pool.acquire() as db:
        home = await observatories.by_slug(db, "home")
    assert home is not None
    app, handler, as_itself = routes
    app.state.update(known_to(as_itself))
    app.asgi_handler = guarded(handler, as_itself)
    async with client_of(app) as client:
        yield Api(runtime, js, client, admin, home, app)


async def uploaded(api: Api, number: int = 0, token: str | None = None) -> dict[str, str]:
    """Upload the frame of a number, which must be accepted."""
    answer = await api.upload(tiny_frame(number), token)
    assert answer.status_code in {200, 201}, answer.text
    return dict(answer.json())


def client_of(app: Litestar) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://gateway.test", timeout=30)


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[int]:
    """Serve the gateway on a real socket, guarded as in production; yields its port."""
    async with serve(api.app, api.runtime.settings.model_copy(update={"port": 0})) as port:
        yield port
