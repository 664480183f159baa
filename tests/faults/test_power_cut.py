"""F18: power cut under broker, database and store at once; what was answered with 201 is there afterwards."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pictor.runtime.embedded.config import EmbeddedConfig, ServerName
from pictor.runtime.embedded.seaweed import store_folder
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.store.errors import StoreError
from pictor.runtime.store.protocol import FrameStore
from pictor.runtime.store.s3 import S3Store
from pictor.runtime.store.synced import Disk as StoreDisk
from pictor.runtime.store.synced import SyncedStore
from tests.faults.harness.clients import uploading
from tests.faults.harness.rows import Row, fault
from tests.support.installation import installation
from tests.support.powercut import CannotCutError, Disk, disk
from tests.support.servers import s3_config

pytestmark = pytest.mark.faults

UPLOADS_S = 12.0
OBJECTS = 40
SIZE = 1 << 20


@pytest.fixture
def cut_disk(request: pytest.FixtureRequest) -> Iterator[Disk]:
    """A disk whose power can be cut; without loop devices the test says so and ends."""
    try:
        with disk(request.node.name[:40]) as found:
            yield found
    except CannotCutError as error:
        if "row" in request.fixturenames:
            request.getfixturevalue("row").cannot(str(error))
        pytest.skip(f"the power cannot be cut here: {error}")


@fault("F18", "image of the disk taken with everything frozen, mounted anew", limit_s=120)
def test_every_accepted_upload_survives_a_power_cut(cut_disk: Disk, row: Row, tmp_path: Path) -> None:
    data = cut_disk.path / "data"
    with pytest.raises(AssertionError), installation(data) as flow:
        flow.journal = tmp_path / "journal"
        with uploading(flow, tmp_path, clients=4, pace_s=0.0) as flood:
            time.sleep(UPLOADS_S)
            cut_disk.cut(flow.process.pid)
            flood.stop.set()
        flow.process.wait()
        raise AssertionError("the power was cut")
    assert len(flood.accepted) > 20, flood.answers
    time.sleep(1)
    cut_disk.back()
    row.over()
    with installation(data) as flow:
        flow.journal = tmp_path / "journal"
        row.converges(flow)
    row.note(f"{len(flood.accepted)} uploads answered 201 before the cut, none lost")


async def _body(number: int) -> AsyncIterator[bytes]:
    yield number.to_bytes(4, "big") * (SIZE // 4)


async def _put(store: FrameStore, name: str) -> None:
    for number in range(OBJECTS):
        await store.put_stream(f"{name}/{number}", _body(number), SIZE)


async def _intact(store: FrameStore, name: str) -> int:
    found = 0
    for number in range(OBJECTS):
        digest = hashlib.sha256()
        try:
            async for chunk in store.open_range(f"{name}/{number}"):
                digest.update(chunk)
        except StoreError:
            continue
        found += digest.digest() == hashlib.sha256(number.to_bytes(4, "big") * (SIZE // 4)).digest()
    return found


async def test_the_store_alone_loses_what_it_acknowledged_and_ours_does_not(cut_disk: Disk) -> None:
    """The cut is one: objects whose store we do not sync are gone. Without this the test above would prove nothing."""
    data = cut_disk.path / "data"
    config = EmbeddedConfig(servers=frozenset({ServerName.STORE}))
    embedded = Embedded(data, config)
    await embedded.start()
    plain = S3Store(s3_config(embedded.endpoints))
    await _put(SyncedStore(plain, StoreDisk(store_folder(data))), "synced")
    await _put(plain, "plain")
    pid = embedded.pids[ServerName.STORE]
    assert pid is not None
    await asyncio.to_thread(cut_disk.cut, pid)
    await plain.close()
    await embedded.stop()
    cut_disk.back()
    async with Embedded(data, config) as again:
        store = S3Store(s3_config(again.endpoints))
        synced, unsynced = await _intact(store, "synced"), await _intact(store, "plain")
        await store.close()
    print(f"of {OBJECTS} objects each: {synced} synced ones are whole after the cut, {unsynced} of the others")
    assert synced == OBJECTS
    assert unsynced < OBJECTS
