"""F20, F23, F30, F31: a full disk under the broker, the database, the store or a worker: 503 or patience, no lie."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.harness.clients import uploading
from tests.faults.harness.deployment import Deployment, deployment
from tests.faults.harness.disks import Disk, disk
from tests.faults.harness.rows import Row, fault

pytestmark = pytest.mark.faults

FULL_S = 15.0
SPARE = 48 << 10
FOREIGN = 512 << 20


@contextmanager
def on_disk(data: Path, folder: str, row: Row) -> Iterator[tuple[Deployment, Disk]]:
    """Run an installation one of whose folders is a disk of its own."""
    with disk(data / folder, row) as mounted, deployment(data) as world:
        yield world, mounted


def _full(world: Deployment, mounted: Disk, tmp_path: Path, *, spare: int) -> str:
    """Upload before, while and after the disk is full; returns what was answered."""
    with uploading(world, tmp_path, clients=2, pace_s=0.2) as flood:
        time.sleep(3)
        mounted.leave(spare)
        time.sleep(FULL_S)
        mounted.grow()
        time.sleep(1)
    return ", ".join(f"{count} x {what}" for what, count in sorted(flood.answers.items(), key=str))


@fault(
    "F20", "the broker's folder on a tmpfs shrunk to what it holds for 15 s, then the broker started again", limit_s=120
)
def test_the_brokers_disk_full(row: Row, tmp_path: Path) -> None:
    with on_disk(tmp_path / "data", "nats", row) as (world, mounted):
        answers = _full(world, mounted, tmp_path, spare=0)
        assert "503" not in answers, answers
        world.nats.kill()
        world.nats.start()
        row.over()
        row.note(f"answers with the broker's disk full: {answers}")
        row.converges(world)


@fault("F23", "the database's folder on a tmpfs shrunk to what it holds for 15 s", limit_s=120)
def test_the_databases_disk_full(row: Row, tmp_path: Path) -> None:
    with on_disk(tmp_path / "data", "postgres", row) as (world, mounted):
        answers = _full(world, mounted, tmp_path, spare=0)
        if not world.postgres.running:
            world.postgres.start()
        row.over()
        row.note(f"answers with the database's disk full: {answers}")
        row.converges(world)


@fault("F30", "the store's folder on a tmpfs shrunk to what it holds for 15 s", limit_s=120)
def test_the_stores_disk_full(row: Row, tmp_path: Path) -> None:
    with on_disk(tmp_path / "data", "store/data", row) as (world, mounted):
        answers = _full(world, mounted, tmp_path, spare=SPARE)
        if not world.store.running:
            world.store.start()
        row.over()
        row.note(f"answers with the store's disk full: {answers}")
        assert "503" in answers, answers
        row.converges(world)


@fault("F31", "the scratch folder on a tmpfs that a foreign file fills for 15 s", limit_s=180)
def test_a_workers_scratch_disk_full(row: Row, tmp_path: Path) -> None:
    with on_disk(tmp_path / "data", "scratch", row) as (world, mounted):
        (mounted.path / "foreign").write_bytes(bytes(FOREIGN))
        answers = _full(world, mounted, tmp_path, spare=SPARE)
        row.over()
        row.note(f"answers with the scratch disk full: {answers}")
        row.converges(world)
        failed = world.sql(
            "SELECT module, reason, message FROM module_run WHERE state = 'failed' AND module <> 'astrometry'"
        )
        assert not failed, [dict(one) for one in failed][:3]
