"""F26 to F29: the store killed, frozen, refusing, and with damaged objects."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pictor.contracts.modules import Service
from pictor.runtime.store.s3 import S3Store
from tests.faults.harness.clients import uploading
from tests.faults.harness.deployment import Deployment
from tests.faults.harness.rows import Row, checked, fault, offenders
from tests.support.proxy_http import BusyLine

pytestmark = pytest.mark.faults
Frames = Callable[..., Path]

FROZEN_S = 60.0


@fault("F26", "SIGKILL of SeaweedFS, away for 8 s, started again", limit_s=120, core=True)
def test_a_store_killed_and_away(world: Deployment, row: Row, tmp_path: Path) -> None:
    before = _blamed(world)
    with uploading(world, tmp_path, clients=2, pace_s=0.2) as flood:
        time.sleep(3)
        world.store.kill()
        time.sleep(8)
        world.store.start()
        row.over()
        time.sleep(2)
    assert 503 in flood.answers, "nobody was told that the store is away"
    row.note(f"answers: {dict(flood.answers)}, the slowest after {flood.slowest_s:.1f} s")
    row.converges(world)
    assert _blamed(world) == before, "an outage is not the fault of a frame"


@fault("F26", f"SIGSTOP of SeaweedFS for {FROZEN_S:g} s, then SIGCONT", limit_s=120)
def test_a_frozen_store(world: Deployment, row: Row, tmp_path: Path) -> None:
    before = _blamed(world)
    with uploading(world, tmp_path, clients=2, pace_s=0.5) as flood:
        time.sleep(3)
        world.store.freeze()
        time.sleep(FROZEN_S)
        world.store.thaw()
        row.over()
        time.sleep(2)
    row.note(f"answers: {dict(flood.answers)}, the slowest after {flood.slowest_s:.1f} s")
    row.converges(world)
    assert _blamed(world) == before, "an outage is not the fault of a frame"


@dataclass
class Blame:
    """What was laid to the charge of frames before, by other rows on the same installation."""

    parked: int
    failed: int


def _blamed(world: Deployment) -> Blame:
    """Count dead letters and modules that failed; a frame without stars may fail in astrometry at any time."""
    (parked,) = world.sql("SELECT count(*) FROM parked")
    (failed,) = world.sql("SELECT count(*) FROM module_run WHERE state = 'failed' AND NOT module = 'astrometry'")
    return Blame(parked["count"], failed["count"])


@fault("F27", "an HTTP line in front of the store answers every third request with 503 SlowDown", limit_s=120)
def test_a_store_that_answers_every_third_call_with_503(world: Deployment, row: Row, tmp_path: Path) -> None:
    before, line = _blamed(world), world.lines["store"]
    busy = BusyLine(line.host, line.port)
    direct, line.port = line.port, world.background.run(busy.start())
    world.cut("store")
    try:
        with uploading(world, tmp_path, clients=2, pace_s=0.5) as flood:
            time.sleep(20)
    finally:
        line.port = direct
        world.cut("store")
        world.background.run(busy.stop())
    row.over()
    assert busy.refused > 10, "the line was hardly used"
    row.note(f"{busy.refused} of {busy.requests} requests refused; answers: {dict(flood.answers)}")
    row.converges(world)
    assert _blamed(world) == before, "an outage is not the fault of a frame"


@fault("F28", "the raw object deleted in the store before ingest gets the frame", limit_s=120)
def test_a_stored_object_disappears_and_sending_it_again_repairs(world: Deployment, row: Row, frames: Frames) -> None:
    frame = frames(280)
    world.services.freeze(Service.INGEST)
    sent = world.upload(frame)
    key = world.sql("SELECT raw_key FROM frame WHERE id = $1", sent["frame_id"])[0]["raw_key"]
    world.in_store(lambda store: store.delete(key))
    world.services.thaw(Service.INGEST)
    row.over()
    job = world.ended(sent["job_id"], within_s=row.left_s)
    assert _reason(job, "ingest") == "source-missing", job["timeline"]
    report = checked(world)
    assert any(key in sentence for sentence in offenders(report)), "the check does not see that the object is gone"
    again = world.send_again(frame)
    assert again.is_success, again.text
    started = world.client.post(f"/frames/{sent['frame_id']}/reprocess").raise_for_status().json()
    assert _reason(world.ended(started["job_id"], within_s=row.left_s), "ingest") is None
    row.converges(world)


@fault("F29", "the raw object replaced in the store: cut short, and with one byte changed", limit_s=120)
@pytest.mark.parametrize("damage", ["cut", "byte"])
def test_a_damaged_object_never_becomes_a_product(world: Deployment, row: Row, frames: Frames, damage: str) -> None:
    frame = frames(290 + len(damage))
    body = frame.read_bytes()
    bad = body[: len(body) // 2] if damage == "cut" else body[:-5000] + bytes([body[-5000] ^ 1]) + body[-4999:]
    world.services.freeze(Service.INGEST)
    sent = world.upload(frame)
    key = world.sql("SELECT raw_key FROM frame WHERE id = $1", sent["frame_id"])[0]["raw_key"]
    world.in_store(lambda store: _replaced(store, key, bad))
    world.services.thaw(Service.INGEST)
    row.over()
    job = world.ended(sent["job_id"], within_s=row.left_s)
    assert _reason(job, "ingest") == "corrupt-source", job["timeline"]
    assert not world.sql("SELECT key FROM product WHERE frame_id = $1", sent["frame_id"])
    report = checked(world)
    assert any(key in sentence for sentence in offenders(report)), "the check does not see the damage"
    again = world.send_again(frame)
    assert again.is_success, again.text
    started = world.client.post(f"/frames/{sent['frame_id']}/reprocess").raise_for_status().json()
    assert _reason(world.ended(started["job_id"], within_s=row.left_s), "ingest") is None
    row.converges(world)


def _reason(job: dict[str, Any], module: str) -> str | None:
    return next(run["reason"] for run in job["timeline"] if run["module"] == module)


async def _replaced(store: S3Store, key: str, body: bytes) -> None:
    await store.delete(key)
    await store.put_stream(key, _one(body), len(body))


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body
