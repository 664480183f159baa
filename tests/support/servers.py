"""Real servers for tests: started once, shared by all; databases and buses that belong to one test alone.

Used by naming the fixtures; ``pytest_plugins`` in the root conftest lists this module.
"""

import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.store.s3 import S3Store
from pictor.runtime.store.s3_requests import S3Config
from pictor.state.rights import ROLES

_numbers = itertools.count(1)


def s3_config(endpoints: Endpoints, user: str = "pictor") -> S3Config:
    """Return the store's address for one of its users."""
    return S3Config(endpoints.s3_endpoint, *endpoints.s3_keys[user], endpoints.s3_bucket)


@pytest.fixture(scope="session")
async def database_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Endpoints]:
    """A PostgreSQL for all tests, where ``pictor`` owns what tests make, and the roles of the services exist."""
    config = EmbeddedConfig(servers=frozenset({ServerName.POSTGRES}), postgres_roles=("pictor", *ROLES))
    async with Embedded(tmp_path_factory.mktemp("database"), config) as embedded:
        yield embedded.endpoints


@pytest.fixture(scope="session")
async def store_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Endpoints]:
    """A SeaweedFS for all tests."""
    config = EmbeddedConfig(servers=frozenset({ServerName.STORE}))
    async with Embedded(tmp_path_factory.mktemp("store"), config) as embedded:
        yield embedded.endpoints


@pytest.fixture
async def database_dsn(database_server: Endpoints) -> AsyncIterator[str]:
    """An empty database that belongs to this test, and its owner's connection string."""
    name = f"test_{next(_numbers)}"
    admin = await asyncpg.connect(database_server.postgres_dsns["postgres"])
    try:
        await admin.execute(f'CREATE DATABASE "{name}" OWNER "pictor" STRATEGY file_copy')
        yield urlsplit(database_server.postgres_dsns["pictor"])._replace(path=f"/{name}").geturl()
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()


@pytest.fixture
def dsn_of(database_server: Endpoints, database_dsn: str) -> Callable[[str], str]:
    """Give the connection string of a role to this test's database; migrate it first."""
    name = urlsplit(database_dsn).path
    return lambda role: urlsplit(database_server.postgres_dsns[role])._replace(path=name).geturl()


@pytest.fixture
async def bus_server(tmp_path: Path) -> AsyncIterator[Endpoints]:
    """An empty nats-server that belongs to this test: it starts in milliseconds."""
    config = EmbeddedConfig(servers=frozenset({ServerName.NATS}))
    async with Embedded(tmp_path / "bus", config) as embedded:
        yield embedded.endpoints


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
