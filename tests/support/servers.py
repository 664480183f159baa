"""Real servers for tests: started once, shared by all; databases and buses that belong to one test alone.

Used by naming the fixtures; ``pytest_plugins`` in the root conftest lists this module.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.store.s3 import S3Store
from pictor.runtime.store.s3_requests import S3Config
from pictor.state.database import migrate, open_pool
from pictor.state.rights import ROLES

MEMORY = Path("/dev/shm")
ROOM = 2 << 30
"""More than the servers of all processes of a run keep; where less is free they keep it on the disk."""

LEFT = "pictor-tests-"

SCHEMA = "schema"
"""Name of the database the others are copies of."""

_numbers = itertools.count(1)


def s3_config(endpoints: Endpoints, user: str = "pictor") -> S3Config:
    """Return the store's address for one of its users."""
    return S3Config(endpoints.s3_endpoint, *endpoints.s3_keys[user], endpoints.s3_bucket)


@pytest.fixture(scope="session")
def quick_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is room: servers sync as in production, and wait for no disk."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM:
        yield tmp_path_factory.mktemp("servers")
        return
    _sweep()
    prefix = f"{LEFT}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=MEMORY, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _sweep() -> None:
    """Remove what runs that were killed left in memory."""
    for folder in MEMORY.glob(f"{LEFT}*-*"):
        owner = folder.name.removeprefix(LEFT).split("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def database_server(quick_folder: Path) -> AsyncIterator[Endpoints]:
    """A PostgreSQL for all tests, where ``pictor`` owns what tests make, and the roles of the services exist."""
    config = EmbeddedConfig(servers=frozenset({ServerName.POSTGRES}), postgres_roles=("pictor", *ROLES))
    async with Embedded(quick_folder / "database", config) as embedded:
        await _cheapen_passwords(embedded.endpoints)
        yield embedded.endpoints


async def _cheapen_passwords(endpoints: Endpoints) -> None:
    """Let a log-in cost a hash and not 4,096: tests open thousands of connections."""
    admin = await asyncpg.connect(endpoints.postgres_dsns["postgres"])
    try:
        await admin.execute("SET scram_iterations = 1")
        for role, dsn in endpoints.postgres_dsns.items():
            await admin.execute(f"ALTER ROLE \"{role}\" PASSWORD '{urlsplit(dsn).password}'")
    finally:
        await admin.close()


@pytest.fixture(scope="session")
async def store_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Endpoints]:
    """A SeaweedFS for all tests; what they send would fill the memory of a small machine."""
    config = EmbeddedConfig(servers=frozenset({ServerName.STORE}))
    async with Embedded(tmp_path_factory.mktemp("store"), config) as embedded:
        yield embedded.endpoints


def dsn_to(endpoints: Endpoints, database: str, role: str = "pictor") -> str:
    """Return the connection string of a role to a database of the shared server."""
    return urlsplit(endpoints.postgres_dsns[role])._replace(path=f"/{database}").geturl()


async def make_database(endpoints: Endpoints, name: str) -> str:
    """Make a database of this version without a row; returns its owner's connection string.

    The server migrates one database once; all others are copies of it.
    """
    admin = await asyncpg.connect(endpoints.postgres_dsns["postgres"])
    try:
        if not await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", SCHEMA):
            await admin.execute(f'CREATE DATABASE "{SCHEMA}" OWNER "pictor" STRATEGY file_copy')
            pool = await open_pool(dsn_to(endpoints, SCHEMA), size=1)
            await migrate(pool)
            await pool.close()
        await admin.execute(f'CREATE DATABASE "{name}" OWNER "pictor" TEMPLATE "{SCHEMA}" STRATEGY file_copy')
    finally:
        await admin.close()
    return dsn_to(endpoints, name)


@pytest.fixture
async def database_dsn(database_server: Endpoints) -> AsyncIterator[str]:
    """A database of this version without a row that belongs to this test, and its owner's connection string."""
    name = f"test_{next(_numbers)}"
    yield await make_database(database_server, name)
    admin = await asyncpg.connect(database_server.postgres_dsns["postgres"])
    try:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()


@pytest.fixture
def dsn_of(database_server: Endpoints, database_dsn: str) -> Callable[[str], str]:
    """Give the connection string of a role to this test's database."""
    name = urlsplit(database_dsn).path.lstrip("/")
    return lambda role: dsn_to(database_server, name, role)


@pytest.fixture
async def bus_server(quick_folder: Path) -> AsyncIterator[Endpoints]:
    """An empty nats-server that belongs to this test: it starts in milliseconds."""
    config, folder = EmbeddedConfig(servers=frozenset({ServerName.NATS})), quick_folder / f"bus-{next(_numbers)}"
    async with Embedded(folder, config) as embedded:
        yield embedded.endpoints
    shutil.rmtree(folder)


@pytest.fixture
async def s3_store(store_server: Endpoints) -> AsyncIterator[S3Store]:
    """The shared store; take keys from ``new_key`` to stay out of the way of other tests."""
    store = S3Store(s3_config(store_server))
    yield store
    await store.close()


@pytest.fixture
def new_key() -> Callable[[str], str]:
    """Make keys nobody else uses."""
    return lambda name: f"test-{next(_numbers)}/{name}"
