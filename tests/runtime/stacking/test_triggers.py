"""Stacks are asked for once per group: while one is under way, after one failed, when one is put back."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from pictor.contracts.jobs import JobState
from pictor.runtime.stacking.triggers import evaluate
from pictor.state import frames, jobs
from tests.support.flow import Flow

MODE = "0123456789abcdef"
START = datetime(2026, 1, 1, 20, tzinfo=UTC)


async def _darks(flow: Flow, temperatures: list[float]) -> None:
    pool = flow.runtime.pool
    for number, temperature in enumerate(temperatures):
        frame_id = uuid4()
        await frames.create(
            pool, frame_id, flow.observatory_id, rig_id=None, sha256=frame_id.hex * 2, size=1, name="dark.fits",
            raw_key=f"raw/{flow.observatory_id}/{frame_id}", uploaded_by=None, metadata={},
        )  # fmt: skip
        described = {
            "camera": "a camera", "width": 64, "height": 64, "binning_x": 1, "binning_y": 1,
            "set_temp_c": temperature, "ccd_temp_c": temperature,
        }  # fmt: skip
        await pool.execute(
            """
            UPDATE frame SET state = 'registered', frame_type = 'dark', camera_mode = $2, exposure_s = 300,
                start_utc = $3, description = $4, width = 64, height = 64, binning_x = 1, binning_y = 1,
                camera = 'a camera', set_temp_c = $5, ccd_temp_c = $5 WHERE id = $1
            """,
            frame_id, MODE, START + timedelta(minutes=5 * number), described, temperature,
        )  # fmt: skip


async def _requests(flow: Flow) -> list[UUID]:
    rows = await flow.runtime.pool.fetch("SELECT job_id FROM stack_request ORDER BY created_at")
    return [row["job_id"] for row in rows]


async def test_frames_that_shift_the_middle_of_a_group_do_not_order_it_a_second_time(flow: Flow) -> None:
    await _darks(flow, [-10.0] * 10)
    assert await evaluate(flow.runtime, flow.observatory_id, MODE) == 1
    await _darks(flow, [-10.8] * 10)
    assert await evaluate(flow.runtime, flow.observatory_id, MODE) == 0
    assert len(await _requests(flow)) == 1


async def test_a_group_keeps_its_name_while_it_waits(flow: Flow) -> None:
    await _darks(flow, [-10.0] * 5)
    await evaluate(flow.runtime, flow.observatory_id, MODE)
    await _darks(flow, [-10.8] * 2)
    await evaluate(flow.runtime, flow.observatory_id, MODE)
    assert await flow.runtime.pool.fetchval("SELECT count(*) FROM calibration_note") == 1


async def _fail(flow: Flow, job_id: UUID) -> None:
    pool = flow.runtime.pool
    await pool.execute("UPDATE module_run SET state = 'failed', reason = 'shapes' WHERE job_id = $1", job_id)
    async with pool.acquire() as db, db.transaction():
        closed = await jobs.close(db, job_id)
    assert closed is not None
    assert closed[0] is JobState.FAILED


async def test_a_stack_that_failed_is_not_tried_again_until_a_frame_comes_or_a_person_asks(flow: Flow) -> None:
    await _darks(flow, [-10.0] * 10)
    assert await evaluate(flow.runtime, flow.observatory_id, MODE) == 1
    await _fail(flow, (await _requests(flow))[0])
    assert await evaluate(flow.runtime, flow.observatory_id, MODE) == 0
    assert await evaluate(flow.runtime, flow.observatory_id, MODE, force=True) == 1
    await _fail(flow, (await _requests(flow))[1])
    await _darks(flow, [-10.0])
    assert await evaluate(flow.runtime, flow.observatory_id, MODE) == 1


async def test_a_stack_put_back_holds_its_group_again(flow: Flow) -> None:
    await _darks(flow, [-10.0] * 10)
    await evaluate(flow.runtime, flow.observatory_id, MODE)
    (first,) = await _requests(flow)
    await _fail(flow, first)
    assert await jobs.reopen(flow.runtime.pool, first)
    assert await evaluate(flow.runtime, flow.observatory_id, MODE, force=True) == 0


async def test_a_failed_stack_is_not_put_back_while_its_group_is_stacked_anew(flow: Flow) -> None:
    await _darks(flow, [-10.0] * 10)
    await evaluate(flow.runtime, flow.observatory_id, MODE)
    (first,) = await _requests(flow)
    await _fail(flow, first)
    assert await evaluate(flow.runtime, flow.observatory_id, MODE, force=True) == 1
    assert not await jobs.reopen(flow.runtime.pool, first)
