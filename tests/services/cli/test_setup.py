"""Setup refuses what would lose acknowledged messages."""

from pathlib import Path

import pytest

from pictor.cli.processes import free_port
from pictor.runtime.broker import UnsafeBusError, complaints, report_of, require_safe, require_safe_now
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.settings import Settings
from tests.support.unsynced import unsynced_nats


async def test_a_broker_that_syncs_every_write_is_accepted(bus_server: Endpoints) -> None:
    await require_safe(Settings(nats_monitor_url=bus_server.nats_monitor_url))


async def test_a_broker_that_syncs_every_two_minutes_is_refused(tmp_path: Path) -> None:
    with unsynced_nats(tmp_path) as monitor, pytest.raises(UnsafeBusError, match="sync_interval: always"):
        await require_safe(Settings(nats_monitor_url=monitor))


async def test_every_complaint_names_its_remedy(tmp_path: Path) -> None:
    with unsynced_nats(tmp_path) as monitor:
        report = await report_of(monitor)
    assert [sentence.split(": ", 1)[1].split(":")[0] for sentence in complaints(report)] == [
        "set sync_interval", "give each service a user of its own", "set max_payload",
    ]  # fmt: skip
    report["jetstream"]["config"] |= {"max_storage": 2**60, "store_dir": str(tmp_path)}
    assert any("set jetstream.max_file_store to at most" in sentence for sentence in complaints(report))
    assert complaints({}) == ["the NATS server keeps nothing: enable jetstream in its configuration"]


async def test_a_service_refuses_an_unsafe_broker_and_does_not_wait_for_one_it_cannot_see(tmp_path: Path) -> None:
    with unsynced_nats(tmp_path) as monitor, pytest.raises(UnsafeBusError):
        await require_safe_now(Settings(nats_monitor_url=monitor))
    await require_safe_now(Settings(nats_monitor_url=f"http://127.0.0.1:{free_port('127.0.0.1')}"))


async def test_an_operator_may_decide_otherwise(tmp_path: Path) -> None:
    with unsynced_nats(tmp_path) as monitor:
        await require_safe(Settings(nats_monitor_url=monitor, nats_require_sync=False))
