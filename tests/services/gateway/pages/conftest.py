"""The pages on a real database, asked over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace

import asyncpg
import httpx
import pytest
from litestar import Litestar
from litestar.datastructures import State

from pictor.contracts.access import DEFAULT_SCOPES, Role
from pictor.contracts.modules import Module
from pictor.gateway import credentials
from pictor.gateway.identity import Access
from pictor.gateway.limits import GatewayLimits
from pictor.gateway.pages.router import pages_router
from pictor.gateway.problems import answer
from pictor.gateway.wiring import DEPENDENCIES
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.settings import Settings
from pictor.runtime.store.file import FileStore
from pictor.state import tokens
from pictor.state.database import Connection, Pool, open_pool
from tests.support.emptying import empty
from tests.support.nights import Place, make_place
from tests.support.servers import dsn_to, make_database

Client = httpx.AsyncClient


@pytest.fixture(scope="session")
async def shared_pool(database_server: Endpoints) -> AsyncIterator[Pool]:
    """A database of this version for all tests of the pages."""
    pool = await open_pool(await make_database(database_server, "pages"), size=4)
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
async def pages_admin(database_server: Endpoints, shared_pool: Pool) -> AsyncIterator[Connection]:
    """A connection that may do anything to the pages' database."""
    assert shared_pool
    admin = await asyncpg.connect(dsn_to(database_server, "pages", "postgres"))
    yield admin
    await admin.close()


@pytest.fixture
async def pool(shared_pool: Pool, pages_admin: Connection) -> Pool:
    """The database, empty."""
    await empty(pages_admin)
    return shared_pool


@pytest.fixture
async def db(pool: Pool) -> AsyncIterator[Connection]:
    """One connection."""
    async with pool.acquire() as connection:
        yield connection


@pytest.fixture
async def place(db: Connection) -> Place:
    """An observatory with one rig."""
    return await make_place(db)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> FileStore:
    """A folder for products."""
    return FileStore(tmp_path_factory.mktemp("pages") / "store")


@pytest.fixture(scope="session")
def app(shared_pool: Pool, store: FileStore) -> Litestar:
    """The pages as an application."""
    paused = SimpleNamespace(paused={Module.QUALITY})
    runtime = SimpleNamespace(settings=Settings(), pool=shared_pool, control=paused, store=store)
    known = {"runtime": runtime, "access": Access(shared_pool), "limits": GatewayLimits.of(Settings())}
    state = State(known, deep_copy=False)
    return Litestar(
        [pages_router()],
        dependencies=DEPENDENCIES,
        exception_handlers={Exception: answer},
        state=state,
        openapi_config=None,
    )


@pytest.fixture
async def stranger(app: Litestar) -> AsyncIterator[Client]:
    """A browser without a session."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://pictor.local") as client:
        yield client


@dataclass(frozen=True, slots=True)
class Keys:
    """A token of each kind, as text."""

    member: str
    admin: str


async def make_token(db: Connection, role: Role, place: Place) -> str:
    """Make a token of a role."""
    text, credential = credentials.make()
    await tokens.create(
        db,
        credential.id,
        credential.secret_sha256,
        name=f"the {role}",
        role=role,
        scopes=DEFAULT_SCOPES[role],
        observatory_id=place.observatory_id,
        rig_id=None,
        created_by="test",
        days=1,
    )
    return text


@pytest.fixture
async def keys(db: Connection, place: Place) -> Keys:
    """Tokens of a member and of the server's administrator."""
    return Keys(await make_token(db, Role.MEMBER, place), await make_token(db, Role.SERVER_ADMIN, place))


@pytest.fixture
async def browser(stranger: Client, keys: Keys) -> Client:
    """A browser of a member who signed in."""
    await stranger.post("/login", data={"token": keys.member}, follow_redirects=False)
    return stranger


@pytest.fixture
async def office(stranger: Client, keys: Keys) -> Client:
    """A browser of the administrator who signed in."""
    await stranger.post("/login", data={"token": keys.admin}, follow_redirects=False)
    return stranger
