"""Stacks are asked for once per group: while one is under way, after one failed, when one is put back."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from pictor.contracts.jobs import JobState
from pictor.runtime.stacking.triggers import evaluate, sweep
from pictor.state import frames, groups, jobs
from pictor.state.groups import Note
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


async def test_a_camera_mode_whose_frames_were_all_deleted_is_decided_about_once(flow: Flow) -> None:
    await _darks(flow, [-10.0] * 3)
    await evaluate(flow.runtime, flow.observatory_id, MODE)
    await flow.runtime.pool.execute("DELETE FROM frame")
    assert await sweep(flow.runtime) == 0
    due = "SELECT count(*) FROM calibration_mode WHERE decided_at IS NULL OR decided_at < changed_at"
    assert await flow.runtime.pool.fetchval(due) == 0


async def test_a_camera_mode_that_cannot_be_decided_about_keeps_no_other_waiting(flow: Flow) -> None:
    pool, broken = flow.runtime.pool, uuid4()
    await pool.execute("INSERT INTO observatory (id, slug, name) VALUES ($1, 'broken', 'Broken')", broken)
    await pool.execute("INSERT INTO calibration_mode (observatory_id, camera_mode) VALUES ($1, $2)", broken, MODE)
    await groups.save_notes(pool, broken, [Note("g", "keep", "m", 1, 1, {})])
    home, flow.observatory_id = flow.observatory_id, broken
    await _darks(flow, [-10.0] * 3)
    flow.observatory_id = home
    await _darks(flow, [-10.0] * 10)
    with pytest.raises(KeyError):
        await sweep(flow.runtime)
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


async def _told(flow: Flow) -> list[list[str]]:
    rows = await flow.runtime.pool.fetch("SELECT not_stacked FROM frame ORDER BY start_utc, received_at")
    return [row["not_stacked"] for row in rows]


async def _measured(flow: Flow, levels: list[float]) -> None:
    """Give the frames levels, in the order they were taken."""
    rows = await flow.runtime.pool.fetch("SELECT id FROM frame ORDER BY start_utc, received_at")
    for row, level in zip(rows, levels, strict=True):
        measured = {"mean": level, "median": level, "mad": 3.0, "std": 5.0, "repeated_fraction": 0.05}
        await flow.runtime.pool.execute(
            "UPDATE frame SET statistics = $2, not_stacked = NULL WHERE id = $1", row["id"], measured
        )


async def test_every_frame_is_judged_when_its_group_is_looked_at(flow: Flow) -> None:
    await _darks(flow, [-10.0] * 3)
    assert await _told(flow) == [None] * 3
    await flow.runtime.pool.execute(
        "UPDATE frame SET ccd_temp_c = -5 WHERE id = (SELECT id FROM frame ORDER BY start_utc LIMIT 1)"
    )
    await evaluate(flow.runtime, flow.observatory_id, MODE)
    assert await _told(flow) == [
        ["sensor at -5.0 C, set point -10.0 C: 5.0 C apart, less than 0.5 C is needed"], [], [],
    ]  # fmt: skip
    assert await flow.runtime.pool.fetchval("SELECT have FROM calibration_note") == 2


async def test_a_frame_unlike_its_group_is_left_out_until_the_group_tells_otherwise(flow: Flow) -> None:
    await _darks(flow, [-10.0] * 5)
    await _measured(flow, [500.0, 500.1, 500.2, 500.0, 520.0])
    await evaluate(flow.runtime, flow.observatory_id, MODE)
    told = await _told(flow)
    assert told[:4] == [[]] * 4
    assert told[4][0].startswith("among its group: level 520.0 ADU, the others 500.1 ADU")
    await evaluate(flow.runtime, flow.observatory_id, MODE)
    assert await flow.runtime.pool.fetchval("SELECT have FROM calibration_note") == 4
    await _darks(flow, [-10.0] * 4)
    await _measured(flow, [500.0, 500.1, 500.2, 500.0, 520.0, 510.0, 512.0, 518.0, 525.0])
    await evaluate(flow.runtime, flow.observatory_id, MODE)
    assert await _told(flow) == [[]] * 9


async def test_of_a_very_large_group_the_newest_255_are_stacked(flow: Flow) -> None:
    await _darks(flow, [-10.0] * 260)
    assert await evaluate(flow.runtime, flow.observatory_id, MODE) == 1
    asked = await flow.runtime.pool.fetchval("SELECT frame_ids FROM stack_request")
    newest = await flow.runtime.pool.fetch("SELECT id FROM frame ORDER BY start_utc DESC LIMIT 255")
    assert set(asked) == {row["id"] for row in newest}


async def test_a_dark_of_the_flats_exposure_and_of_no_light_serves_as_flat_dark(flow: Flow) -> None:
    await _darks(flow, [-10.0] * 4)
    pool = flow.runtime.pool
    await pool.execute(
        "UPDATE frame SET frame_type = 'flat' WHERE id IN (SELECT id FROM frame ORDER BY start_utc LIMIT 2)"
    )
    query = "SELECT facts->'roles' FROM calibration_note WHERE facts->>'frame_type' = 'dark'"
    await evaluate(flow.runtime, flow.observatory_id, MODE)
    assert await pool.fetchval(query) == ["dark", "flat-dark"]
    await _darks(flow, [-10.0])
    await pool.execute(
        "UPDATE frame SET frame_type = 'light' WHERE id = (SELECT id FROM frame ORDER BY received_at DESC LIMIT 1)"
    )
    await evaluate(flow.runtime, flow.observatory_id, MODE)
    assert await pool.fetchval(query) == ["dark"]
