"""The gateway the rows are sent to."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pictor.contracts.modules import Service
from tests.catalogue.http.world import SETTINGS, World, opened
from tests.faults.harness.background import Background
from tests.faults.harness.deployment import Deployment
from tests.support.raw import say


@pytest.fixture(scope="package")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Real broker, database and store, and the gateway as a process; nobody works on frames."""
    data: Path = tmp_path_factory.mktemp("catalogue") / "data"
    with Background() as background:
        found = Deployment(data, background, SETTINGS)
        try:
            found.start_servers()
            found.services.start(Service.GATEWAY)
            found.services.wait_ready(Service.GATEWAY)
            yield found
        finally:
            found.stop()


@pytest.fixture(scope="package")
async def world(gateway: Deployment) -> AsyncIterator[World]:
    """The gateway with its pools filled, and how many files it has open then."""
    found = opened(gateway)
    found.home = gateway.sql("SELECT id FROM observatory WHERE slug = 'home'")[0]["id"]
    await asyncio.gather(*(say(found.port, found.put(found.frame())) for _ in range(8)))
    yield found
    await found.store.close()


@pytest.fixture(scope="package")
def files_before(world: World) -> int:
    """How many files the gateway has open when nobody asks it anything."""
    return world.files_open()
