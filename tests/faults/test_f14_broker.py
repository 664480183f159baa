"""F14 to F17: the broker killed, frozen, away and erased: uploads go on, and nothing is lost or done twice."""

import time
from pathlib import Path

import pytest

from tests.faults.harness.clients import template, unique, uploading
from tests.faults.harness.deployment import Deployment
from tests.faults.harness.rows import Row, fault

pytestmark = pytest.mark.faults

KILLS = 12
UPLOADS = 200


@fault("F14", "SIGKILL of nats-server 12 times, started again at once", limit_s=60, core=True)
def test_a_broker_killed_again_and_again(world: Deployment, row: Row, tmp_path: Path) -> None:
    with uploading(world, tmp_path) as flood:
        for _ in range(KILLS):
            time.sleep(0.6)
            world.nats.kill()
            world.nats.start()
    row.over()
    row.note(f"{len(flood.accepted)} uploads accepted during {KILLS} kills")
    row.converges(world)


@fault("F15", "SIGSTOP of nats-server for 30 s, then SIGCONT", limit_s=60)
def test_a_frozen_broker(world: Deployment, row: Row, tmp_path: Path) -> None:
    with uploading(world, tmp_path, clients=1, pace_s=1.0) as flood:
        time.sleep(2)
        world.nats.freeze()
        time.sleep(30)
        world.nats.thaw()
    row.over()
    assert set(flood.answers) == {201}, flood.answers
    row.note(f"{len(flood.accepted)} uploads answered 201 meanwhile, the slowest after {flood.slowest_s:.1f} s")
    row.converges(world)


@fault("F17", "SIGKILL of nats-server, its folder emptied, started again, during uploads", limit_s=360, core=True)
def test_the_brokers_whole_store_erased(world: Deployment, row: Row, tmp_path: Path) -> None:
    with uploading(world, tmp_path, clients=2, pace_s=0.2) as flood:
        time.sleep(4)
        world.nats.kill()
        world.nats.erase()
        world.nats.start()
        row.over()
        time.sleep(2)
    assert flood.accepted
    row.converges(world)
    ended = [world.job(job)["state"] for job in flood.accepted]
    row.note(f"{len(ended)} frames were on their way, all of their jobs ended")
    assert set(ended) <= {"completed", "failed"}


@fault("F16", f"nats-server stopped, {UPLOADS} uploads meanwhile, started again", limit_s=180)
def test_a_broker_away_for_long(world: Deployment, row: Row, tmp_path: Path) -> None:
    light = template(tmp_path)
    _switch(world, on=False)
    begun = time.monotonic()
    world.nats.stop()
    answers = []
    for _ in range(UPLOADS):
        frame = tmp_path / "frame.fits"
        frame.write_bytes(unique(light))
        answers.append(world.send(frame).status_code)
    away = time.monotonic() - begun
    assert answers == [201] * UPLOADS
    waiting = world.sql("SELECT count(*) AS n FROM outbox WHERE sent_at IS NULL")[0]["n"]
    assert waiting >= UPLOADS
    world.nats.start()
    row.over()
    _switch(world, on=True)
    while world.sql("SELECT count(*) AS n FROM outbox WHERE sent_at IS NULL AND created_at < $1", _now(world))[0]["n"]:
        assert row.left_s > 0, "the outbox is not empty"
        time.sleep(0.5)
    row.note(f"{UPLOADS} uploads answered 201 in {away:.0f} s without a broker, {waiting} messages waited")
    row.converges(world)


def _switch(world: Deployment, *, on: bool) -> None:
    """Switch the slow modules on or off: the bus is tested here, not the pixels."""
    home = world.get("/observatories")[0]["id"]
    switches = {"modules": dict.fromkeys(("preview", "quality", "astrometry"), on)}
    world.client.put(f"/observatories/{home}/processing-settings", json=switches).raise_for_status()


def _now(world: Deployment) -> object:
    return world.sql("SELECT now() - interval '3 s' AS t")[0]["t"]
