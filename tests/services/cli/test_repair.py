"""What the check may mend without a decision it mends, once; the log tells who did what."""

import hashlib
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from pictor.cli.repairing.actions import Action
from pictor.contracts.jobs import JobState
from pictor.contracts.modules import Module, RunState
from pictor.contracts.subjects import STREAM_WORK
from pictor.runtime.orphans import Sweeper
from tests.services.cli.conftest import House, age, only, picture_bytes


async def mended(house: House, kind: str, **wishes: Any) -> list[Action]:
    """Repair; a dry run told the same, the audit log knows of it, and a second time changes nothing."""
    assert kind in (await house.check(**wishes)).kinds()
    told, still = await house.repair(dry=True, **wishes)
    assert kind in still.kinds(), "a dry run changed something"
    done, after = await house.repair(**wishes)
    assert [action.name for action in told] == [action.name for action in done]
    assert kind not in after.kinds(), [v.sentence for one in after.findings.values() for v in one.violations]
    lines = await house.db.fetchval("SELECT count(*) FROM audit WHERE actor LIKE 'repair:%'")
    assert lines >= len(done) > 0
    again, _ = await house.repair(**wishes)
    assert again == []
    assert await house.db.fetchval("SELECT count(*) FROM audit WHERE actor LIKE 'repair:%'") == lines
    return done


async def test_i5_a_message_that_was_committed_and_never_published(quiet: House) -> None:
    await quiet.send(order=False)
    await quiet.db.execute("UPDATE outbox SET created_at = now() - interval '1 min'")
    assert "pictor.work.ingest" in only(await quiet.check(), "I5", "outbox-unsent")
    await mended(quiet, "outbox-unsent")
    assert (await quiet.flow.runtime.bus.js.stream_info(STREAM_WORK)).state.messages == 1


async def test_i6_a_job_of_which_nothing_is_left(house: House) -> None:
    _, job_id = await house.processed()
    await house.db.execute("UPDATE job SET state = 'running', finished_at = NULL WHERE id = $1", job_id)
    assert str(job_id) in only(await house.check(), "I6", "job-without-work")
    await mended(house, "job-without-work")
    assert await house.flow.ended(job_id) is JobState.COMPLETED


async def test_i6_a_job_that_waits_for_an_order_nobody_gave(house: House) -> None:
    frame_id, _ = await house.processed()
    job_id = uuid4()
    await house.db.execute(
        """
        INSERT INTO job (id, observatory_id, frame_id, kind, lane, created_at)
        VALUES ($1, $2, $3, 'reprocess', 'high', now() - interval '10 min')
        """,
        job_id, house.flow.observatory_id, frame_id,
    )  # fmt: skip
    for place, module in enumerate(("header-update", "quality-headers")):
        await house.db.execute("INSERT INTO module_run VALUES ($1, $2, $3)", job_id, module, place)
    assert str(job_id) in only(await house.check(), "I6", "job-without-order")
    done, _ = await house.repair()
    assert [action.name for action in done] == ["order"]
    assert await house.flow.ended(job_id) is JobState.COMPLETED
    assert set((await house.flow.states(job_id)).values()) == {RunState.COMPLETED}


async def test_i6_an_open_module_of_an_ended_job(house: House) -> None:
    _, job_id = await house.processed()
    await house.db.execute("UPDATE job SET state = 'cancelled' WHERE id = $1", job_id)
    await house.db.execute("INSERT INTO module_run (job_id, module, position) VALUES ($1, 'preview', 7)", job_id)
    assert "preview" in only(await house.check(), "I6", "run-of-ended-job")
    await mended(house, "run-of-ended-job")
    assert (await house.flow.states(job_id))[Module.PREVIEW] is RunState.CANCELLED


async def test_i6_a_request_that_blocks_its_group_for_ever(house: House) -> None:
    _, job_id = await house.processed()
    await house.db.execute(
        """
        INSERT INTO stack_request (job_id, observatory_id, group_key, frame_type, frame_ids, facts, policy)
        VALUES ($1, $2, 'g', 'dark', '{}', '{}', '{}')
        """,
        job_id, house.flow.observatory_id,
    )  # fmt: skip
    assert "group g" in only(await house.check(), "I6", "request-of-ended-job")
    await mended(house, "request-of-ended-job")


async def test_i6_a_frame_nobody_works_on(house: House) -> None:
    frame_id, job_id = await house.processed()
    await house.db.execute("DELETE FROM job WHERE id = $1", job_id)
    assert str(frame_id) in only(await house.check(), "I6", "frame-without-job")
    done, _ = await house.repair()
    assert done == [Action("start-job", f"frame {frame_id}")]
    made = await house.db.fetchval("SELECT id FROM job WHERE frame_id = $1", frame_id)
    assert await house.flow.ended(made) is JobState.COMPLETED


async def test_i6_a_run_whose_message_the_bus_lost(quiet: House) -> None:
    _, job_id = await quiet.send()
    await quiet.flow.runtime.bus.js.purge_stream(STREAM_WORK)
    await quiet.db.execute("UPDATE module_run SET ordered_at = now() - interval '10 min'")
    assert str(job_id) in only(await quiet.check(), "I6", "run-without-message")
    await mended(quiet, "run-without-message")
    assert (await quiet.flow.runtime.bus.js.stream_info(STREAM_WORK)).state.messages == 1


async def test_i9_an_order_of_a_run_that_is_over(quiet: House) -> None:
    _, job_id = await quiet.send()
    await quiet.db.execute(
        "UPDATE job SET state = 'completed', finished_at = now() - interval '10 min' WHERE id = $1", job_id
    )
    await quiet.db.execute("UPDATE module_run SET state = 'completed', finished_at = now() - interval '10 min'")
    await quiet.db.execute("UPDATE frame SET state = 'registered'")
    assert (await quiet.check(settle_s=900)).exit == 0
    await quiet.flow.runtime.control.pause(Module.INGEST, paused=True)
    report = await quiet.check()
    assert report.exit == 0
    assert report.notes == ["ingest is paused: its orders wait until somebody resumes it"]
    await quiet.flow.runtime.control.pause(Module.INGEST, paused=False)
    assert str(job_id) in only(await quiet.check(), "I9", "order-of-ended-run")
    await mended(quiet, "order-of-ended-run")
    assert (await quiet.flow.runtime.bus.js.stream_info(STREAM_WORK)).state.messages == 0


async def test_i10_a_lease_of_a_dead_worker(quiet: House) -> None:
    _, job_id = await quiet.send()
    await quiet.flow.runtime.bus.js.purge_stream(STREAM_WORK)
    await quiet.db.execute(
        "UPDATE module_run SET state = 'running', attempt = 1, lease_until = now() - interval '1 min', worker = 'dead'"
    )
    assert (await quiet.check()).exit == 0
    await quiet.db.execute("UPDATE module_run SET lease_until = now() - interval '140 s'")
    assert "of dead on ingest" in only(await quiet.check(), "I10", "lease-expired")
    await mended(quiet, "lease-expired")
    row = await quiet.db.fetchrow("SELECT state, attempt FROM module_run WHERE job_id = $1", job_id)
    assert tuple(row) == ("pending", 2), "the old attempt is still not fenced"
    assert (await quiet.flow.runtime.bus.js.stream_info(STREAM_WORK)).state.messages == 1


async def test_i10_a_scratch_folder(house: House) -> None:
    folder = house.access.settings.scratch / f"{uuid4()}-preview-1"
    folder.mkdir(parents=True)
    age(folder, 400)
    await mended(house, "scratch-left", grace_s=3600)
    assert not folder.exists()


async def test_i3_a_product_of_nobody_is_deleted(house: House) -> None:
    key = f"products/{house.flow.observatory_id}/{uuid4()}/preview-1"
    await house.put(key, b"left")
    assert await mended(house, "orphan-object") == [Action("delete-orphan", key)]
    assert not house.file_of(key).exists()


async def test_i3_a_product_of_a_frame_that_is_being_processed_is_no_orphan_yet(quiet: House) -> None:
    frame_id, job_id = await quiet.send()
    key = f"products/{quiet.flow.observatory_id}/{frame_id}/preview-1"
    await quiet.put(key, b"on its way")
    assert (await quiet.check()).exit == 0
    await quiet.db.execute("UPDATE job SET state = 'cancelled', finished_at = now() WHERE id = $1", job_id)
    assert key in {one.subject["key"] for one in (await quiet.check())["I3"].violations}
    await quiet.db.execute("UPDATE job SET state = 'pending'")
    swept = await Sweeper(quiet.access.pool, quiet.access.store, quiet.access.bus, grace_s=0).sweep()
    assert not swept.deleted
    assert quiet.file_of(key).exists()


async def test_i3_a_frame_whose_upload_was_cut_off_is_adopted_and_processed(house: House) -> None:
    content = b"SIMPLE  =                    T and more"
    digest = hashlib.sha256(content).hexdigest()
    key = f"raw/{house.flow.observatory_id}/{digest[:2]}/{digest}"
    await house.put(key, content)
    (done,), _ = await house.repair()
    assert (done.name, done.subject) == ("adopt-frame", key)
    row = await house.db.fetchrow("SELECT id, size FROM frame WHERE sha256 = $1", digest)
    assert (done.detail, row["size"]) == (f"frame {row['id']}", len(content))
    job_id = await house.db.fetchval("SELECT id FROM job WHERE frame_id = $1", row["id"])
    assert await house.flow.ended(job_id) is JobState.COMPLETED
    report = await house.check(deep=True)
    assert [report[name].holds for name in ("I1", "I2", "I3", "I8", "I11")] == [True] * 5


async def test_i3_bytes_that_are_not_what_their_name_says_are_kept_for_a_person(house: House) -> None:
    key = f"raw/{house.flow.observatory_id}/ab/{'ab' * 32}"
    await house.put(key, b"something else")
    done, report = await house.repair()
    assert done == []
    assert report.kinds() == {"orphan-frame"}
    assert any(key in note for note in report.notes)


async def test_i3_a_frame_a_person_deleted_does_not_come_back(house: House) -> None:
    content = b"SIMPLE  =                    T deleted"
    digest = hashlib.sha256(content).hexdigest()
    key = f"raw/{house.flow.observatory_id}/{digest[:2]}/{digest}"
    await house.put(key, content)
    await house.db.execute(
        "INSERT INTO audit (actor, action, object, observatory_id, detail) "
        "VALUES ('anna', 'frame.delete', 'f', $1, $2)",
        house.flow.observatory_id, {"sha256": digest},
    )  # fmt: skip
    done, report = await house.repair()
    assert (done, report.kinds()) == ([], {"orphan-frame"}), "younger than an upload may take: it may be sent again now"
    age(house.file_of(key), 4000)
    assert await mended(house, "orphan-frame") == [Action("delete-orphan", key)]
    assert await house.db.fetchval("SELECT count(*) FROM frame") == 0


@pytest.mark.parametrize("how", ["missing", "damaged"])
async def test_i2_a_lost_product_is_ordered_again_on_the_high_lane(house: House, how: str) -> None:
    frame_id, job_id = await house.processed()
    content = picture_bytes()
    key = await house.product(frame_id, job_id, "preview", content, "image/jpeg")
    if how == "missing":
        house.file_of(key).unlink()
    else:
        house.file_of(key).write_bytes(b"x" * len(content))

    async def render(step: Any) -> None:
        await house.put(key, content, "image/jpeg")

    house.flow.acts[Module.PREVIEW] = render
    (done,), _ = await house.repair(deep=True)
    assert (done.name, done.subject) == ("recompose", f"frame {frame_id}")
    made = await house.db.fetchrow("SELECT id, kind, lane FROM job WHERE frame_id = $1 AND id <> $2", frame_id, job_id)
    assert (made["kind"], made["lane"]) == ("reprocess", "high")
    assert await house.flow.ended(made["id"]) is JobState.COMPLETED
    again, report = await house.repair(deep=True)
    assert (again, report.exit) == ([], 0)


async def test_i2_damaged_bytes_of_a_frame_make_room_for_the_good_ones_and_are_kept(house: House) -> None:
    frame_id, _ = await house.processed()
    key = await house.db.fetchval("SELECT raw_key FROM frame WHERE id = $1", frame_id)
    content = house.file_of(key).read_bytes()
    house.file_of(key).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    (done,) = await mended(house, "frame-damaged", deep=True)
    assert (done.name, done.subject) == ("set-aside", key)
    assert house.file_of(done.detail).read_bytes() == bytes([content[0] ^ 1]) + content[1:]
    assert (await house.check()).kinds() == {"frame-missing"}
    await house.put(key, content)
    assert (await house.check(deep=True)).exit == 0


async def test_i4_a_result_that_is_missing_is_made_again(house: House) -> None:
    frame_id, job_id = await house.processed()
    await house.db.execute("UPDATE frame SET state = 'received' WHERE id = $1", frame_id)
    assert str(job_id) in only(await house.check(), "I4", "result-missing")
    (done,), _ = await house.repair()
    assert (done.name, done.detail.split(":")[0]) == ("recompose", "ingest")


async def test_the_sweep_of_the_running_system_waits_a_day_before_it_judges(quiet: House) -> None:
    runtime = quiet.flow.runtime
    sweeper = Sweeper(runtime.pool, runtime.store, runtime.bus)
    key = f"products/{quiet.flow.observatory_id}/{uuid4()}/preview-1"
    await quiet.put(key, b"left")
    assert (await sweeper.sweep()).deleted == []
    age(quiet.file_of(key), 90_000)
    assert (await sweeper.sweep()).deleted == [key]
    row = await quiet.db.fetchrow("SELECT actor, action, object FROM audit ORDER BY id DESC LIMIT 1")
    assert tuple(row) == ("pictor", "orphan.delete", key)


async def test_every_action_is_told_in_the_json(quiet: House) -> None:
    await quiet.put(f"products/{quiet.flow.observatory_id}/{UUID(int=1)}/preview-1", b"left")
    done, _ = await quiet.repair(dry=True)
    assert json.loads(json.dumps([(action.name, action.subject) for action in done]))[0][0] == "delete-orphan"
