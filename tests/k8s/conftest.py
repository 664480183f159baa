"""Servers for the tests of what runs besides the embedded stack."""

from collections.abc import AsyncIterator

import pytest

from pictor.runtime.embedded.config import Endpoints
from tests.support.bus import open_bus


@pytest.fixture(scope="module")
async def bus(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Endpoints]:
    """A bus with the users of production, provisioned by the setup user alone."""
    async with open_bus(tmp_path_factory.mktemp("bus")) as endpoints:
        yield endpoints


@pytest.fixture
def dsn(database_dsn: str) -> str:
    """A migrated database."""
    return database_dsn
