"""What people decide about masters: never two active in a group, never none where one is due."""

import asyncio
from uuid import UUID, uuid4

from pictor.contracts.access import Role
from pictor.contracts.masters import MasterState
from pictor.imaging.matching.frames import FrameType
from pictor.imaging.matching.grouping import GroupKey
from pictor.runtime.stacking.reviewing import CALIBRATED_BY, redo_lights
from pictor.runtime.stacking.triggers import sweep
from pictor.state import masters, reviews
from tests.services.gateway.conftest import Api
from tests.support.individuals import add_individuals, add_master, dark_key


def review(master_id: UUID) -> str:
    return f"/api/v1/calibration/masters/{master_id}/review"


def recall(master_id: UUID) -> str:
    return f"/api/v1/calibration/masters/{master_id}/recall"


ACCEPT = {"decision": "accept", "because": "the sensor was cleaned"}
REJECT = {"decision": "reject", "because": "light leak"}
BAD = {"because": "a lamp was on"}


async def states(api: Api) -> dict[UUID, str]:
    rows = await api.runtime.pool.fetch("SELECT id, state FROM master")
    return {row["id"]: row["state"] for row in rows}


async def add_light(api: Api, **used: UUID) -> UUID:
    """Add a light measured with some masters."""
    pool, (light,) = api.runtime.pool, await add_individuals(api.runtime.pool, api.home.id, 1, kind="light")
    await masters.save_use(pool, light, uuid4(), dict(used), weak=False, explanation={})
    return light


async def test_an_accepted_candidate_replaces_the_active_master(api: Api) -> None:
    pool = api.runtime.pool
    members = await add_individuals(pool, api.home.id, 3)
    old = await add_master(pool, api.home.id, components=members[:2])
    new = await add_master(pool, api.home.id, state=MasterState.NEEDS_REVIEW, components=members)
    answer = await api.post(review(new), json=ACCEPT)
    assert (answer.status_code, answer.json()["superseded"]) == (200, [str(old)])
    assert await states(api) == {old: "superseded", new: "active"}
    row = await pool.fetchrow("SELECT superseded_by, superseded_at FROM master WHERE id = $1", old)
    assert row["superseded_by"] == new
    assert row["superseded_at"] is not None
    assert await pool.fetchval("SELECT count(*) FROM frame WHERE mastered_by = $1 AND used_at IS NOT NULL", new) == 3
    assert await pool.fetchval("SELECT count(*) FROM outbox WHERE subject LIKE '%master.created%'") == 1
    line = await pool.fetchrow("SELECT detail FROM audit WHERE action = 'calibration.review'")
    assert line["detail"]["because"] == "the sensor was cleaned"
    reasons = await pool.fetchval("SELECT reasons FROM master WHERE id = $1", new)
    assert reasons == ["accepted by a person: the sensor was cleaned"]


async def test_a_rejected_candidate_leaves_the_active_master_in_use(api: Api) -> None:
    old = await add_master(api.runtime.pool, api.home.id)
    new = await add_master(api.runtime.pool, api.home.id, state=MasterState.NEEDS_REVIEW)
    assert (await api.post(review(new), json=REJECT)).status_code == 200
    assert await states(api) == {old: "active", new: "rejected"}
    kept = await masters.get(api.runtime.pool, new)
    assert kept is not None
    assert kept.reasons == ("rejected by a person: light leak",)
    again = await api.post(review(new), json=ACCEPT)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def test_a_candidate_without_its_file_is_not_accepted(api: Api) -> None:
    new = await add_master(api.runtime.pool, api.home.id, state=MasterState.NEEDS_REVIEW)
    await api.runtime.pool.execute("DELETE FROM product WHERE master_id = $1", new)
    answer = await api.post(review(new), json=ACCEPT)
    assert (answer.status_code, answer.json()["detail"]) == (
        409, "Nothing was changed: the file of this master is gone, so it cannot be used.",
    )  # fmt: skip


async def test_a_recalled_master_gives_way_to_the_one_before(api: Api) -> None:
    pool = api.runtime.pool
    members = await add_individuals(pool, api.home.id, 3)
    first = await add_master(pool, api.home.id, components=members[:1])
    second = await add_master(pool, api.home.id, components=members)
    light = await add_light(api, dark=second)
    await add_light(api, dark=first)
    answer = await api.post(recall(second), json=BAD)
    told = answer.json()
    assert answer.status_code == 200, answer.text
    assert (told["state"], told["reinstated"], told["lights"]) == ("rejected", str(first), [str(light)])
    assert set(told["frames"]) == {str(one) for one in members}
    assert await states(api) == {first: "active", second: "rejected"}
    row = await pool.fetchrow("SELECT recalled_at, recall_reason, recalled_by FROM master WHERE id = $1", second)
    assert row["recalled_at"] is not None
    assert row["recall_reason"] == "a lamp was on"
    owners = await pool.fetch("SELECT mastered_by, used_at IS NULL AS unused FROM frame WHERE id = ANY($1)", members)
    assert sorted((str(one["mastered_by"]), one["unused"]) for one in owners) == sorted(
        [(str(first), False), ("None", True), ("None", True)]
    )


async def test_lights_of_a_recalled_master_are_processed_again_last_in_line(api: Api) -> None:
    pool = api.runtime.pool
    bad = await add_master(pool, api.home.id)
    lights = {await add_light(api, dark=bad) for _ in range(3)} | {await add_light(api, flat=bad)}
    assert (await api.post(recall(bad), json=BAD)).json()["light_count"] == 4
    rows = await pool.fetch("SELECT frame_id, lane, kind, owner FROM job")
    assert {row["frame_id"] for row in rows} == lights
    assert {(row["lane"], row["kind"], row["owner"]) for row in rows} == {("bulk", "reprocess", "pictor")}
    orders = await pool.fetch("SELECT subject FROM outbox WHERE module IS NOT NULL")
    assert {row["subject"] for row in orders} == {"pictor.work.quality.bulk"}
    assert await redo_lights(api.runtime) == 0
    unasked = await add_light(api, dark=bad)
    async with pool.acquire() as db:
        assert await reviews.to_redo(db, list(CALIBRATED_BY), limit=10) == [(unasked, api.home.id)]
        await db.execute("UPDATE observatory SET modules_off = $1", list(CALIBRATED_BY))
        assert await reviews.to_redo(db, list(CALIBRATED_BY), limit=10) == [], "these would wait before all others"
    assert await pool.fetchval("SELECT count(*) FROM outbox WHERE subject LIKE '%master.recalled%'") == 1


async def test_a_recall_forgets_the_sets_and_calibrated_lights_of_the_master(api: Api) -> None:
    pool = api.runtime.pool
    bad = await add_master(pool, api.home.id)
    light = await add_light(api, dark=bad)
    key = f"products/{api.home.id}/{light}/calibrated-x.fits"
    await pool.execute(
        """
        INSERT INTO product (id, observatory_id, frame_id, kind, key, size, sha256, content_type, software, parameters)
        VALUES ($1, $2, $3, 'calibrated', $4, 3, $5, 'application/fits', 'test', $6)
        """,
        uuid4(), api.home.id, light, key, "ab" * 32, {"master_ids": [str(bad)]},
    )  # fmt: skip
    await pool.execute(
        """
        INSERT INTO light_set (observatory_id, camera_mode, night, target, filter, exposure_s, reference_utc, masters)
        VALUES ($1, 'm', '2026-01-01', '', '', 300, now(), $2)
        """,
        api.home.id, {"dark": str(bad)},
    )  # fmt: skip

    async def chunks() -> object:
        yield b"abc"

    await api.runtime.store.put_stream(key, chunks(), 3)
    await api.post(recall(bad), json=BAD)
    assert await api.count("light_set") == 0
    assert await api.runtime.pool.fetchval("SELECT count(*) FROM product WHERE kind = 'calibrated'") == 0
    assert key not in [one.key async for one in api.runtime.store.list()]


async def test_the_group_of_a_recalled_master_is_due_but_its_frames_are_not_stacked_again_by_themselves(
    api: Api,
) -> None:
    pool = api.runtime.pool
    members = await add_individuals(pool, api.home.id, 10)
    bad = await add_master(pool, api.home.id, components=members)
    await pool.execute("UPDATE calibration_mode SET decided_at = clock_timestamp()")
    await api.post(recall(bad), json=BAD)
    due = await pool.fetchval("SELECT count(*) FROM calibration_mode WHERE decided_at < changed_at")
    assert due == 1
    assert await sweep(api.runtime) == 0
    asked = {"observatory_id": str(api.home.id), "frame_type": "dark", "force": True}
    assert (await api.post("/api/v1/calibration/masters/create", json=asked)).status_code == 202


async def test_decisions_at_once_leave_exactly_one_active_master(api: Api) -> None:
    pool = api.runtime.pool
    for _ in range(6):
        await pool.execute("TRUNCATE master, job, outbox CASCADE")
        old = await add_master(pool, api.home.id)
        new = await add_master(pool, api.home.id, state=MasterState.NEEDS_REVIEW)
        other = await add_master(pool, api.home.id, state=MasterState.NEEDS_REVIEW)
        answers = await asyncio.gather(
            api.post(review(new), json=ACCEPT), api.post(recall(old), json=BAD), api.post(review(other), json=ACCEPT),
            api.post(review(new), json=REJECT), add_master(pool, api.home.id),
        )  # fmt: skip
        codes = [one.status_code for one in answers if not isinstance(one, UUID)]
        assert set(codes) <= {200, 409}, codes
        found = list((await states(api)).values())
        assert found.count("active") == 1, found


async def test_recalls_of_everything_at_once_leave_none_active(api: Api) -> None:
    pool = api.runtime.pool
    made = [await add_master(pool, api.home.id) for _ in range(4)]
    answers = await asyncio.gather(*(api.post(recall(one), json=BAD) for one in made))
    assert [one.status_code for one in answers] == [200] * 4
    assert set((await states(api)).values()) == {"rejected"}


async def test_who_may_decide(api: Api) -> None:
    far = await api.observatory("far")
    one = await add_master(api.runtime.pool, api.home.id, state=MasterState.NEEDS_REVIEW)
    member, foreign = await api.token(Role.MEMBER), await api.token(Role.OBSERVATORY_ADMIN, far)
    for path, said in ((review(one), REJECT), (recall(one), BAD)):
        assert (await api.post(path, member, json=said)).status_code == 403
        assert (await api.post(path, foreign, json=said)).status_code == 404
    assert (await api.post(recall(one), json=BAD)).status_code == 409
    assert (await api.post(recall(uuid4()), json=BAD)).status_code == 404
    assert (await api.post(review(one), await api.token(Role.OBSERVATORY_ADMIN), json=REJECT)).status_code == 200


async def test_a_recall_names_the_flats_its_dark_was_taken_off(api: Api) -> None:
    pool = api.runtime.pool
    dark = await add_master(pool, api.home.id)
    mode = dark_key().mode
    flat = await add_master(pool, api.home.id, key=GroupKey(mode, FrameType.FLAT, filter="L", temp_c=-10.0))
    other = await add_master(pool, api.home.id, key=GroupKey(mode, FrameType.FLAT, filter="R", temp_c=-10.0))
    made_with = (
        "UPDATE master SET statistics = jsonb_build_object('made_with', jsonb_build_object('dark_id', $2::text))"
    )
    await pool.execute(f"{made_with} WHERE id = $1", flat, str(dark))
    await pool.execute(f"{made_with} WHERE id = $1", other, str(uuid4()))
    tried = await api.post(f"{recall(dark)}?dry_run=true", json=BAD)
    assert (tried.json()["dry_run"], tried.json()["flats"]) == (True, [str(flat)])
    assert set((await states(api)).values()) == {"active"}
    assert await pool.fetchval("SELECT count(*) FROM audit WHERE action = 'calibration.recall'") == 0
    done = await api.post(recall(dark), json=BAD)
    assert (done.json()["dry_run"], done.json()["flats"]) == (False, [str(flat)])
    assert await states(api) == {dark: "rejected", flat: "active", other: "active"}
    reasons = await pool.fetchval("SELECT reasons FROM master WHERE id = $1", flat)
    assert reasons == [
        "the master dark taken off these flats was recalled: a lamp was on; stacked again once there is another"
    ]


async def test_flats_of_a_recalled_dark_are_stacked_anew_once_another_dark_is_there(api: Api) -> None:
    pool = api.runtime.pool
    flats = await add_individuals(pool, api.home.id, 10, kind="flat", exposure_s=2.0, filter_name="L")
    dark = await add_master(pool, api.home.id, key=dark_key(exposure_s=2.0))
    flat_key = GroupKey(dark_key().mode, FrameType.FLAT, filter="L", temp_c=-10.0)
    flat = await add_master(pool, api.home.id, key=flat_key, components=flats)
    assert await sweep(api.runtime) == 0
    made_with = {"made_with": {"dark_id": str(dark)}}
    await pool.execute("UPDATE master SET statistics = $2 WHERE id = $1", flat, made_with)
    assert (await api.post(recall(dark), json=BAD)).status_code == 200
    assert await sweep(api.runtime) == 0
    assert "deferred" in await pool.fetchval("SELECT message FROM calibration_note WHERE group_key LIKE 'flat%'")
    await add_master(pool, api.home.id, key=dark_key(exposure_s=2.0))
    assert await sweep(api.runtime) == 1
    note = await pool.fetchval("SELECT message FROM calibration_note WHERE group_key LIKE 'flat%'")
    assert note == "the dark taken off the active master was recalled"


async def test_a_reason_of_blanks_is_none(api: Api) -> None:
    master = await add_master(api.runtime.pool, api.home.id)
    for path, body in ((recall(master), {"because": " "}), (review(master), {"decision": "accept", "because": "\t"})):
        answer = await api.post(path, json=body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "because")
    assert await states(api) == {master: "active"}
