"""F21, F22, F24, F25: the database killed, frozen, crowded, locked: 503, never a false 201 or a 500."""

import asyncio
import time
from pathlib import Path

import asyncpg
import pytest

from tests.faults.harness.clients import uploading
from tests.faults.harness.deployment import Deployment
from tests.faults.harness.rows import Row, fault

pytestmark = pytest.mark.faults

FROZEN_S = 60.0
LOCKED_S = 20.0


@fault("F21", "SIGKILL of PostgreSQL three times, started again, during uploads and results", limit_s=60, core=True)
def test_a_database_killed_during_uploads_and_results(world: Deployment, row: Row, tmp_path: Path) -> None:
    with uploading(world, tmp_path, clients=3, pace_s=0.1) as flood:
        for _ in range(3):
            time.sleep(2.5)
            world.postgres.kill()
            time.sleep(0.5)
            world.postgres.start()
    row.over()
    row.note(f"answers during three kills: {_told(flood.answers)}")
    row.converges(world)


@fault("F22", f"SIGSTOP of all of PostgreSQL for {FROZEN_S:g} s, then SIGCONT", limit_s=60)
def test_a_frozen_database(world: Deployment, row: Row, tmp_path: Path) -> None:
    with uploading(world, tmp_path, clients=2, pace_s=0.5) as flood:
        time.sleep(3)
        world.postgres.freeze()
        time.sleep(FROZEN_S)
        world.postgres.thaw()
        row.over()
        time.sleep(1)
    assert 503 in flood.answers, "nobody was told that the database is away"
    row.note(f"answers: {_told(flood.answers)}, the slowest after {flood.slowest_s:.1f} s")
    row.converges(world)


@fault("F24", "idle sessions until the server refuses more", limit_s=60)
def test_all_connections_taken(world: Deployment, row: Row, tmp_path: Path) -> None:
    taken: list[asyncpg.Connection] = []

    async def take() -> None:
        while True:
            try:
                taken.append(await asyncpg.connect(world.endpoints.postgres_dsns["postgres"], timeout=5))
            except asyncpg.TooManyConnectionsError:
                return

    async def give_back() -> None:
        await asyncio.gather(*(one.close() for one in taken))

    world.background.run(take())
    try:
        with uploading(world, tmp_path, clients=4, pace_s=0.1) as flood:
            time.sleep(10)
            world.services.kill("quality")
            time.sleep(10)
    finally:
        world.background.run(give_back())
    row.over()
    row.note(f"{len(taken)} sessions taken; answers: {_told(flood.answers)}")
    row.converges(world)


@fault("F25", f"LOCK TABLE job, module_run in ACCESS EXCLUSIVE MODE for {LOCKED_S:g} s", limit_s=60)
def test_a_table_locked_by_somebody(world: Deployment, row: Row, tmp_path: Path) -> None:
    async def lock() -> None:
        connection = await asyncpg.connect(world.endpoints.postgres_dsns["postgres"], timeout=5)
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE job, module_run IN ACCESS EXCLUSIVE MODE")
                await asyncio.sleep(LOCKED_S)
        finally:
            await connection.close()

    with uploading(world, tmp_path, clients=2, pace_s=0.2) as flood:
        time.sleep(2)
        world.background.run(lock())
        row.over()
        time.sleep(1)
    row.note(f"answers: {_told(flood.answers)}, the slowest after {flood.slowest_s:.1f} s")
    row.converges(world)


def _told(answers: object) -> str:
    return ", ".join(f"{count} x {what}" for what, count in sorted(dict(answers).items(), key=str))  # type: ignore[call-overload]
