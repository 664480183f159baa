"""Setup refuses what would lose acknowledged messages."""

from pathlib import Path

import pytest

from pictor.cli.setup import UnsafeBusError, require_sync
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.settings import Settings
from tests.support.unsynced import unsynced_nats


async def test_a_broker_that_syncs_every_write_is_accepted(bus_server: Endpoints) -> None:
    await require_sync(Settings(nats_monitor_url=bus_server.nats_monitor_url))


async def test_a_broker_that_syncs_every_two_minutes_is_refused(tmp_path: Path) -> None:
    with unsynced_nats(tmp_path) as monitor, pytest.raises(UnsafeBusError, match="sync_interval: always"):
        await require_sync(Settings(nats_monitor_url=monitor))


async def test_an_operator_may_decide_otherwise(tmp_path: Path) -> None:
    with unsynced_nats(tmp_path) as monitor:
        await require_sync(Settings(nats_monitor_url=monitor, nats_require_sync=False))
