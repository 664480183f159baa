"""F49 to F54: whoever asks for a stack, deletes from under it or changes its rules, one whole master comes of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from pictor.calibration_stacker.app import create_app
from pictor.calibration_stacker.handlers import on_ingested
from pictor.contracts.frames import FrameIngested, FrameType
from pictor.contracts.jobs import JobState
from pictor.contracts.modules import Module, RunState, Service
from pictor.contracts.parked import SweepDue
from pictor.contracts.subjects import SWEEP_DUE
from pictor.runtime import keepers
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.hosting import serving
from pictor.runtime.scratch import sweep_scratch
from pictor.runtime.stacking.retention import keep_library
from pictor.runtime.stacking.triggers import evaluate, sweep
from pictor.state import masters
from tests.faults.harness.rows import Row, fault
from tests.faults.harness.stacking import held
from tests.support.exposures import exposure
from tests.support.pocket import Pocket, open_pocket
from tests.support.servers import make_database

pytestmark = pytest.mark.faults

WARM = ("pictor.ingest.compute", "pictor.calibration_stacker.compute", "pictor.cli.compute")
LEFT_OUT = [str(module) for module in Module if module not in {Module.INGEST, Module.STACK}]


@pytest.fixture(scope="module")
async def pocket(database_server: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pocket]:
    """An installation that ingests; what stacks is each test's own."""
    dsn = await make_database(database_server, "stack_races")
    async with (
        ChildPool(2, warm=WARM) as children,
        open_pocket(dsn, tmp_path_factory.mktemp("races") / "pocket", children=children) as opened,
    ):
        await opened.runtime.pool.execute("UPDATE observatory SET modules_off = $1", LEFT_OUT)
        async with opened.working(Service.INGEST):
            yield opened


@pytest.fixture
def darks(pocket: Pocket, tmp_path: Path) -> Callable[..., Any]:
    """Upload darks of one exposure time and wait until they are registered; returns their ids."""

    async def send(exposure_s: float, count: int = 10, *, first: int = 0) -> list[UUID]:
        sent = []
        for number in range(first, first + count):
            path = exposure(tmp_path / "dark.fits", int(exposure_s) * 100 + number, kind="DARK", exposure_s=exposure_s)
            sent.append(await pocket.upload(path.read_bytes()))
        for _, job_id in sent:
            assert await pocket.ended(job_id) is JobState.COMPLETED
        return [frame_id for frame_id, _ in sent]

    return send


async def _requests(pocket: Pocket, exposure_s: float) -> list[Any]:
    return list(
        await pocket.runtime.pool.fetch(
            "SELECT * FROM stack_request WHERE (facts->>'exposure_s')::float = $1 ORDER BY created_at", exposure_s
        )
    )


async def _masters(pocket: Pocket, exposure_s: float) -> list[Any]:
    return list(
        await pocket.runtime.pool.fetch(
            "SELECT * FROM master WHERE (facts->>'exposure_s')::float = $1 ORDER BY created_at", exposure_s
        )
    )


async def _components(pocket: Pocket, master_id: UUID) -> set[UUID]:
    rows = await pocket.runtime.pool.fetch("SELECT frame_id FROM master_component WHERE master_id = $1", master_id)
    return {row["frame_id"] for row in rows}


@fault("F49", "two stackers beside each other, both hear of every frame and of the sweep", limit_s=60, core=True)
async def test_two_stackers_make_one_master_of_a_group(pocket: Pocket, row: Row, darks: Callable[..., Any]) -> None:
    async with (
        serving(pocket.worker(Service.CALIBRATION_STACKER), create_app),
        serving(pocket.worker(Service.CALIBRATION_STACKER), create_app),
    ):
        await darks(49.0)
        for _ in range(3):
            await pocket.bus.js.publish(SWEEP_DUE.name, SweepDue().encode())
        row.over()
        async with asyncio.timeout(60):
            while not await _masters(pocket, 49.0):
                await asyncio.sleep(0.05)
        await pocket.whole(row)
    (request,) = await _requests(pocket, 49.0)
    (master,) = await _masters(pocket, 49.0)
    assert master["state"] == "active"
    assert master["job_id"] == request["job_id"]
    assert len(await _components(pocket, master["id"])) == 10


@fault("F50", "a sweep, ten arrivals and twenty orders by hand at a barrier", limit_s=60)
async def test_sweep_arrivals_and_twenty_people_order_one_stack(
    pocket: Pocket, row: Row, darks: Callable[..., Any]
) -> None:
    frames = await darks(50.0)
    pool, runtime = pocket.runtime.pool, pocket.worker(Service.CALIBRATION_STACKER)
    mode = await pool.fetchval("SELECT camera_mode FROM frame WHERE id = $1", frames[0])
    facts = [
        FrameIngested(
            observatory="home", frame_id=frame, job_id=uuid4(), frame_type=FrameType.DARK, is_master=False, filter=None,
            exposure_s=50.0, night=None, target=None,
        )
        for frame in frames
    ]  # fmt: skip
    await asyncio.gather(
        sweep(runtime),
        *(evaluate(runtime, pocket.observatory_id, mode, force=True) for _ in range(20)),
        *(on_ingested(fact, runtime) for fact in facts),
    )
    assert len(await _requests(pocket, 50.0)) == 1
    async with serving(runtime, create_app):
        row.over()
        await pocket.whole(row)
    assert [master["state"] for master in await _masters(pocket, 50.0)] == ["active"]


@fault("F50", "the group decided about without pause while its stack ends", limit_s=60)
async def test_a_group_is_not_stacked_again_by_those_who_look_while_its_stack_ends(
    pocket: Pocket, row: Row, darks: Callable[..., Any]
) -> None:
    frames = await darks(250.0)
    pool, runtime = pocket.runtime.pool, pocket.worker(Service.CALIBRATION_STACKER)
    mode = await pool.fetchval("SELECT camera_mode FROM frame WHERE id = $1", frames[0])
    async with held(pocket) as hold:
        await asyncio.wait_for(hold.reached.wait(), timeout=60)

        async def look() -> None:
            while not await _masters(pocket, 250.0):
                await evaluate(runtime, pocket.observatory_id, mode)

        looking = [asyncio.create_task(look()) for _ in range(4)]
        hold.go_on.set()
        row.over()
        await asyncio.gather(*looking)
        await pocket.whole(row)
    assert len(await _requests(pocket, 250.0)) == len(await _masters(pocket, 250.0)) == 1


@fault("F51", "a source deleted through the API while its pixels are in the stacker's hands", limit_s=60)
async def test_a_source_deleted_in_the_middle_of_a_stack_stays_named_by_its_master(
    pocket: Pocket, row: Row, darks: Callable[..., Any]
) -> None:
    frames = await darks(51.0)
    async with held(pocket) as hold:
        await asyncio.wait_for(hold.reached.wait(), timeout=60)
        answer = await pocket.client.delete(f"/api/v1/frames/{frames[3]}")
        assert answer.status_code == 204, answer.text
        hold.go_on.set()
        row.over()
        await pocket.whole(row)
    (master,) = await _masters(pocket, 51.0)
    assert master["ncombine"] == 10
    assert await _components(pocket, master["id"]) == set(frames)


@fault("F51", "a source deleted through the API before its stack begins", limit_s=60)
async def test_a_source_deleted_before_its_stack_begins_is_left_out_of_it(
    pocket: Pocket, row: Row, darks: Callable[..., Any]
) -> None:
    frames = await darks(151.0, 11)
    runtime = pocket.worker(Service.CALIBRATION_STACKER)
    await sweep(runtime)
    assert (await pocket.client.delete(f"/api/v1/frames/{frames[3]}")).status_code == 204
    async with serving(runtime, create_app):
        row.over()
        await pocket.whole(row)
    (master,) = await _masters(pocket, 151.0)
    assert master["ncombine"] == 10
    assert await _components(pocket, master["id"]) == set(frames) - {frames[3]}


@fault("F52", "sigma and threshold changed in the database while a stack is held before its record", limit_s=60)
async def test_a_policy_changed_in_the_middle_of_a_stack_counts_from_the_next_one_on(
    pocket: Pocket, row: Row, darks: Callable[..., Any]
) -> None:
    await darks(52.0)
    pool = pocket.runtime.pool
    async with held(pocket) as hold:
        await asyncio.wait_for(hold.reached.wait(), timeout=60)
        await pool.execute(
            "INSERT INTO calibration_policy (observatory_id, sigma_clip_value, refresh_new_frames) VALUES ($1, 4, 5)",
            pocket.observatory_id,
        )  # fmt: skip
        hold.go_on.set()
        row.over()
        await pocket.whole(row)
        (master,) = await _masters(pocket, 52.0)
        assert master["policy"]["sigma_clip_value"] == 3.0
        await darks(52.0, 5, first=10)
        async with asyncio.timeout(60):
            while len(await _masters(pocket, 52.0)) < 2:
                await asyncio.sleep(0.05)
    first, second = await _masters(pocket, 52.0)
    assert (first["state"], second["state"]) == ("superseded", "active")
    assert second["policy"]["sigma_clip_value"] == 4.0
    await pool.execute("DELETE FROM calibration_policy")


@fault(
    "F60", "deep check, relay, reconciler, cleaners, retention of 0 days, expiry, sweep and a deletion beside a stack",
    limit_s=60,
)  # fmt: skip
async def test_everything_that_cleans_and_looks_may_run_beside_a_stack(
    pocket: Pocket, row: Row, darks: Callable[..., Any]
) -> None:
    frames = await darks(60.0, 12)
    runtime = pocket.runtime
    keep_nothing = "INSERT INTO calibration_policy (observatory_id, individual_retention_days) VALUES ($1, 0)"
    async with held(pocket) as hold:
        await asyncio.wait_for(hold.reached.wait(), timeout=60)
        await runtime.pool.execute(keep_nothing, pocket.observatory_id)
        found, *_ = await asyncio.gather(
            pocket.violations(),
            pocket.client.delete(f"/api/v1/frames/{frames[0]}"),
            keepers.relay(runtime),
            keepers.reconcile(runtime),
            keepers.clean(runtime),
            keep_library(runtime),
            sweep(pocket.worker(Service.CALIBRATION_STACKER)),
            asyncio.to_thread(sweep_scratch, runtime.settings.scratch),
        )
        assert found == []
        hold.go_on.set()
        row.over()
        await pocket.whole(row)
    await runtime.pool.execute("DELETE FROM calibration_policy")
    (master,) = await _masters(pocket, 60.0)
    assert await _components(pocket, master["id"]) == set(frames)


@fault("F54", "the object of a dark removed before a light fetches it, then its record", limit_s=60)
async def test_a_light_whose_dark_disappears_fails_with_the_reason_and_is_whole_when_processed_again(
    pocket: Pocket, row: Row, darks: Callable[..., Any], tmp_path: Path
) -> None:
    pool, runtime = pocket.runtime.pool, pocket.worker(Service.CALIBRATION_STACKER)
    await darks(54.0)
    async with serving(runtime, create_app):
        await pocket.whole(row)
    (dark,) = await _masters(pocket, 54.0)
    product = await pool.fetchrow("SELECT * FROM product WHERE master_id = $1 AND kind = 'master'", dark["id"])
    await pocket.runtime.store.delete(product["key"])
    await pool.execute("UPDATE observatory SET modules_off = '{preview,astrometry}'")
    async with pocket.working(Service.QUALITY, Service.HEADER):
        light = exposure(tmp_path / "light.fits", 5400, exposure_s=54.0)
        for cached in (pocket.runtime.settings.data_dir / "cache").glob("*"):
            cached.unlink(missing_ok=True)
        frame_id, job_id = await pocket.upload(light.read_bytes())
        assert await pocket.ended(job_id) is JobState.FAILED
        run = (await pocket.runs(job_id))[Module.QUALITY]
        assert (run.state, run.reason) == (RunState.FAILED, "master-gone")
        await pool.execute("DELETE FROM product WHERE master_id = $1", dark["id"])
        await pool.execute("DELETE FROM master WHERE id = $1", dark["id"])
        row.over()
        again = UUID((await pocket.post(f"/frames/{frame_id}/reprocess")).json()["job_id"])
        assert await pocket.ended(again) is JobState.COMPLETED
        await pocket.whole(row, allowed=(str(dark["id"]),))
    await pool.execute("UPDATE observatory SET modules_off = $1", LEFT_OUT)


@fault("F53", "a source deleted, the policy changed and another master accepted while a stack is held", limit_s=90)
async def test_deletion_policy_and_supersession_in_the_middle_of_a_stack_leave_one_truth(
    pocket: Pocket, row: Row, darks: Callable[..., Any]
) -> None:
    pool, counts = pocket.runtime.pool, set[int]()
    async with serving(pocket.worker(Service.CALIBRATION_STACKER), create_app):
        await darks(53.0)
        async with asyncio.timeout(60):
            while not await _masters(pocket, 53.0):
                await asyncio.sleep(0.05)
        await pocket.idle()
    (first,) = await _masters(pocket, 53.0)
    watching = asyncio.create_task(_count_active(pocket, 53.0, counts))
    async with held(pocket) as hold:
        frames = await darks(53.0, 10, first=10)
        await asyncio.wait_for(hold.reached.wait(), timeout=60)
        other = await _accept_another(pocket, first["id"])
        assert (await pocket.client.delete(f"/api/v1/frames/{frames[0]}")).status_code == 204
        await pool.execute(
            "INSERT INTO calibration_policy (observatory_id, sigma_clip_value) VALUES ($1, 4)", pocket.observatory_id
        )
        hold.go_on.set()
        row.over()
        await pocket.whole(row, allowed=(str(other),))
    watching.cancel()
    by_state = {one["id"]: one for one in await _masters(pocket, 53.0)}
    (active,) = [one for one in by_state.values() if one["state"] == "active"]
    assert active["id"] not in {first["id"], other}
    assert active["policy"]["sigma_clip_value"] == 3.0
    assert (by_state[first["id"]]["superseded_by"], by_state[other]["superseded_by"]) == (other, active["id"])
    claimed = await pool.fetch("SELECT DISTINCT mastered_by AS by FROM frame WHERE exposure_s = 53")
    assert [one["by"] for one in claimed] == [active["id"]]
    assert counts == {1}, "never none and never two active masters"
    print(f"F53: {len(by_state)} masters made, active at every look: {sorted(counts)}")
    await pool.execute("DELETE FROM calibration_policy")


async def _count_active(pocket: Pocket, exposure_s: float, counts: set[int]) -> None:
    """Look at the number of active masters of a group without pause."""
    while True:
        counts.add(sum(one["state"] == "active" for one in await _masters(pocket, exposure_s)))
        await asyncio.sleep(0.005)


async def _accept_another(pocket: Pocket, like: UUID) -> UUID:
    """Let a master of the same frames take the place of the active one, as a review does."""
    pool = pocket.runtime.pool
    before = await masters.get(pool, like)
    assert before is not None
    other = replace(before, id=uuid4(), job_id=None, created_at=None)
    async with pool.acquire() as db, db.transaction():
        components = await db.fetch("SELECT frame_id, sha256 FROM master_component WHERE master_id = $1", like)
        await masters.save(db, other, [(one["frame_id"], one["sha256"]) for one in components])
    return other.id
