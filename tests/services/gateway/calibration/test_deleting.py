"""Deleting masters and individual frames: the preview, the deed, and what stays right afterwards."""

import asyncio
from uuid import UUID, uuid4

import pytest

from pictor.contracts.access import Role
from pictor.contracts.frames import ProductKind
from pictor.state import diary, products
from pictor.state.belonging import LIBRARY
from pictor.state.database import Connection
from pictor.state.diary import Reading
from pictor.state.products import Product
from tests.services.gateway.conftest import Api
from tests.support.calibrated import add_frame, add_master, keep

V1 = "/api/v1/calibration/frames"


async def keys(api: Api) -> set[str]:
    return {stored.key async for stored in api.runtime.store.list()}


async def complaints(db: Connection) -> list[str]:
    """Return what the check would find wrong with the library."""
    return [row["sentence"] for question in LIBRARY for row in await db.fetch(question.sql)]


async def supersession(api: Api) -> tuple[UUID, UUID, list[UUID]]:
    """Make a master, its successor, and the frames of both."""
    store = api.runtime.store
    async with api.runtime.pool.acquire() as db:
        sources = [await add_frame(db, api.home.id, number=n, days=9, store=store) for n in range(4)]
        old = await add_master(db, api.home.id, "dark", sources[:3], group="g", days=8, store=store)
        return old, await add_master(db, api.home.id, "dark", sources, group="g", days=2, store=store), sources


async def calibrated(api: Api, db: Connection, master: UUID, number: int) -> str:
    """Keep a calibrated light made with a master, and the set it is of."""
    light = await add_frame(db, api.home.id, "light", number=number, days=1)
    key = f"products/{api.home.id}/{light}/calibrated"
    body = b"calibrated"
    digest = await keep(api.runtime.store, key, body)
    await products.save(db, Product(uuid4(), api.home.id, ProductKind.CALIBRATED, key, len(body), digest,
                                    "application/fits", "test", frame_id=light,
                                    parameters={"master_ids": [str(master)]}))  # fmt: skip
    await db.execute(
        """
        INSERT INTO light_set (observatory_id, camera_mode, night, target, filter, exposure_s, reference_utc, masters)
        VALUES ($1, 'mode of tests', '2026-11-20', $2, '', 60, now(), $3)
        """,
        api.home.id, f"M {number}", {"dark": str(master)},
    )  # fmt: skip
    return key


async def test_a_deleted_active_master_leaves_no_other_in_its_place(api: Api) -> None:
    old, new, sources = await supersession(api)
    before = await keys(api)
    assert (await api.request("DELETE", f"{V1}/{new}")).status_code == 204
    assert before - await keys(api) == {f"products/{api.home.id}/{new}/master"}
    async with api.runtime.pool.acquire() as db:
        rows = await db.fetch("SELECT id, state, superseded_by FROM master")
        assert [tuple(row) for row in rows] == [(old, "superseded", new)]
        claims = await db.fetch("SELECT id, mastered_by, used_at FROM frame ORDER BY name")
        assert [(row["id"], row["mastered_by"]) for row in claims] == [(one, None) for one in sources]
        assert [row["used_at"] is not None for row in claims] == [True, True, True, False]
        assert await complaints(db) == []
        mode = await db.fetchrow("SELECT changed_at, decided_at FROM calibration_mode")
        assert mode["decided_at"] is None or mode["decided_at"] < mode["changed_at"]
    for path in ("", "/download", "/components", "/impact"):
        assert (await api.get(f"{V1}/{new}{path}")).status_code == 404
    assert (await api.get(f"{V1}/{old}")).json()["master"]["superseded_by"] == str(new)


async def test_a_missing_master_nobody_deleted_is_still_found(api: Api) -> None:
    _, new, _ = await supersession(api)
    async with api.runtime.pool.acquire() as db:
        await db.execute("DELETE FROM master WHERE id = $1", new)
        assert await complaints(db) == ["group g has superseded masters, but no active one"]


async def test_a_deleted_superseded_master_changes_nothing_else(api: Api) -> None:
    old, new, sources = await supersession(api)
    assert (await api.request("DELETE", f"{V1}/{old}")).status_code == 204
    async with api.runtime.pool.acquire() as db:
        assert [tuple(row) for row in await db.fetch("SELECT id, state FROM master")] == [(new, "active")]
        claims = await db.fetch("SELECT mastered_by, used_at IS NOT NULL AS used FROM frame")
        assert {tuple(row) for row in claims} == {(new, True)}
        assert len(claims) == len(sources)
        assert await complaints(db) == []


async def test_frames_in_another_active_master_stay_claimed_by_it(api: Api) -> None:
    async with api.runtime.pool.acquire() as db:
        frame = await add_frame(db, api.home.id)
        other = await add_master(db, api.home.id, "dark", [frame], group="as it was grouped before")
        newest = await add_master(db, api.home.id, "dark", [frame], group="as it is grouped now")
        await api.request("DELETE", f"{V1}/{newest}")
        assert await db.fetchval("SELECT mastered_by FROM frame") == other


async def test_cached_lights_and_sets_of_a_deleted_master_go(api: Api) -> None:
    old, new, _ = await supersession(api)
    async with api.runtime.pool.acquire() as db:
        stale, kept = await calibrated(api, db, new, 1), await calibrated(api, db, old, 2)
        assert (await api.request("DELETE", f"{V1}/{new}")).status_code == 204
        assert {stale, kept} & await keys(api) == {kept}
        assert await db.fetchval("SELECT array_agg(key) FROM product WHERE kind = 'calibrated'") == [kept]
        assert await db.fetchval("SELECT array_agg(target) FROM light_set") == ["M 2"]


async def test_a_deleted_frame_takes_its_object_and_leaves_the_master(api: Api) -> None:
    _, new, sources = await supersession(api)
    async with api.runtime.pool.acquire() as db:
        raw = await db.fetchval("SELECT raw_key FROM frame WHERE id = $1", sources[0])
        before = await keys(api)
        assert (await api.request("DELETE", f"{V1}/{sources[0]}")).status_code == 204
        assert before - await keys(api) == {raw}
        assert await db.fetchval("SELECT count(*) FROM frame") == 3
        assert await db.fetchval("SELECT state FROM master WHERE id = $1", new) == "active"
        assert await complaints(db) == []


async def test_deletions_are_in_the_audit_log_with_what_went(api: Api) -> None:
    _, new, sources = await supersession(api)
    await api.request("DELETE", f"{V1}/{new}")
    await api.request("DELETE", f"{V1}/{sources[0]}")
    async with api.runtime.pool.acquire() as db:
        lines = await db.fetch("SELECT action, object, detail, observatory_id FROM audit WHERE action LIKE '%.delete'")
    assert [(line["action"], line["object"]) for line in lines] == [
        ("master.delete", str(new)), ("frame.delete", str(sources[0])),
    ]  # fmt: skip
    assert {line["observatory_id"] for line in lines} == {api.home.id}
    told = lines[0]["detail"]
    assert (told["state"], told["frame_type"], told["group"], told["ncombine"]) == ("active", "dark", "g", 4)
    assert told["sources"] == sorted(map(str, sources))


async def test_the_preview_of_a_master_says_exactly_what_goes(api: Api) -> None:
    old, new, _ = await supersession(api)
    async with api.runtime.pool.acquire() as db:
        for number in range(2):
            await calibrated(api, db, new, number)
        await diary.save(db, new, [Reading("bias-level", 500.0, "adu")])
        told = (await api.get(f"{V1}/{new}/impact")).json()
        before, tables = await keys(api), ("master", "master_component", "product", "light_set", "detector_reading")
        counted = [await db.fetchval(f"SELECT count(*) FROM {table}") for table in tables]  # noqa: S608
        sizes = {stored.key: stored.size async for stored in api.runtime.store.list()}
        await api.request("DELETE", f"{V1}/{new}")
        left = [await db.fetchval(f"SELECT count(*) FROM {table}") for table in tables]  # noqa: S608
    gone = before - await keys(api)
    assert [told["rows"][table] for table in tables] == [a - b for a, b in zip(counted, left, strict=True)]
    assert (told["objects"], told["size"]) == (len(gone), sum(sizes[key] for key in gone))
    assert (told["calibrated_lights"], told["active_master"]) == (2, "g")
    assert "not taken back into use" in told["warnings"][0]
    assert old != new


async def test_the_preview_counts_lights_left_without_a_master(api: Api) -> None:
    async with api.runtime.pool.acquire() as db:
        warm = await add_master(db, api.home.id, "dark", temp_c=-10.0, days=3)
        cold = await add_master(db, api.home.id, "dark", temp_c=-20.0, days=3)
        for number in range(3):
            await add_frame(db, api.home.id, "light", number=number, days=2, rig_id=None)
        await add_frame(db, api.home.id, "light", number=7, days=45)
        await add_frame(db, api.home.id, "light", number=8, days=2, exposure_s=300.0)
    told = (await api.get(f"{V1}/{warm}/impact")).json()
    assert (told["lights_uncalibrated"], told["lights_changed"]) == (3, 0)
    assert "3 light frames of the last 30 days would have no such master." in told["warnings"]
    assert (await api.get(f"{V1}/{cold}/impact")).json()["lights_uncalibrated"] == 0
    async with api.runtime.pool.acquire() as db:
        await add_master(db, api.home.id, "dark", temp_c=-11.0, days=3)
    told = (await api.get(f"{V1}/{warm}/impact")).json()
    assert (told["lights_uncalibrated"], told["lights_changed"]) == (0, 3)


async def test_the_preview_names_the_lights_and_the_flats_that_would_wait(api: Api) -> None:
    async with api.runtime.pool.acquire() as db:
        dark = await add_master(db, api.home.id, "dark", exposure_s=2.0, days=3)
        for temp in (-10.0, -9.2):
            await add_frame(
                db, api.home.id, "light", number=int(-temp), days=2, exposure_s=2.0, rig_id=None, set_temp_c=temp
            )
        for number in range(12):
            await add_frame(db, api.home.id, "flat", number=number, exposure_s=2.0, filter="L", not_stacked=[])
    told = (await api.get(f"{V1}/{dark}/impact")).json()
    (lost,) = told["lights"]
    assert (lost["place"], lost["effect"], lost["lights"], lost["exposure_s"]) == ("dark", "uncalibrated", 2, 2.0)
    assert lost["sentence"].startswith("2 lights 2 s")
    assert "would have no dark" in lost["sentence"]
    (flats,) = told["flats_deferred"]
    assert (flats["filter"], flats["frames"], flats["has_active_master"]) == ("L", 12, False)
    deferred = "Flat auto-stacking deferred: no matching master dark available"
    assert any(one.startswith("Flats L 2 s (12 frames)") and deferred in one for one in told["warnings"])
    async with api.runtime.pool.acquire() as db:
        await add_master(db, api.home.id, "dark", exposure_s=2.0, temp_c=-11.0, days=3)
    told = (await api.get(f"{V1}/{dark}/impact")).json()
    assert (told["flats_deferred"], [one["effect"] for one in told["lights"]]) == ([], ["changed"])


async def test_the_preview_of_a_frame_tells_groups_that_fall_below_the_threshold(api: Api) -> None:
    async with api.runtime.pool.acquire() as db:
        ten = [await add_frame(db, api.home.id, number=n, not_stacked=[]) for n in range(10)]
        eleven = [await add_frame(db, api.home.id, "bias", number=n, not_stacked=[]) for n in range(11)]
        bad = await add_frame(db, api.home.id, number=20, not_stacked=["5.2 % of pixels saturated"])
        master = await add_master(db, api.home.id, "dark", ten)
    told = (await api.get(f"{V1}/{ten[0]}/impact")).json()
    assert [(one["frames_before"], one["frames_after"], one["min_frames"]) for one in told["groups_below"]] == [
        (10, 9, 10)
    ]
    assert told["masters_made_of_it"] == [str(master)]
    assert "Its group falls from 10 to 9 frames; a master needs 10." in told["warnings"]
    assert told["rows"] == {"frame": 1, "product": 0, "job": 0}
    for other in (eleven[0], bad):
        assert (await api.get(f"{V1}/{other}/impact")).json()["groups_below"] == []


async def test_two_deletions_at_once_are_one(api: Api) -> None:
    _, new, _ = await supersession(api)
    answers = await asyncio.gather(*(api.request("DELETE", f"{V1}/{new}") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404]
    async with api.runtime.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM audit WHERE action = 'master.delete'") == 1


async def test_a_successor_that_comes_at_the_same_moment_is_the_one_active_master(api: Api) -> None:
    for attempt in range(5):
        async with api.runtime.pool.acquire() as db:
            old = await add_master(db, api.home.id, "dark", group=f"race {attempt}")

            async def stack(db: Connection = db, attempt: int = attempt) -> UUID:
                return await add_master(db, api.home.id, "dark", group=f"race {attempt}")

            new, answer = await asyncio.gather(stack(), api.request("DELETE", f"{V1}/{old}"))
            assert answer.status_code == 204
            rows = await db.fetch("SELECT id, state FROM master WHERE group_key = $1", f"race {attempt}")
            assert [tuple(row) for row in rows] == [(new, "active")]


@pytest.mark.parametrize("kind", ["master", "frame"])
async def test_members_and_strangers_delete_nothing(api: Api, kind: str) -> None:
    _, new, sources = await supersession(api)
    path = f"{V1}/{new if kind == 'master' else sources[0]}"
    before = await keys(api)
    stranger = await api.token(Role.OBSERVATORY_ADMIN, await api.observatory("hill"))
    assert (await api.request("DELETE", path, await api.token(Role.MEMBER))).status_code == 403
    assert (await api.request("DELETE", path, stranger)).status_code == 404
    assert (await api.request("DELETE", path, await api.token(Role.PLUGIN))).status_code == 403
    assert await keys(api) == before
    assert (await api.get(path)).status_code == 200
    assert (await api.request("DELETE", path, await api.token(Role.OBSERVATORY_ADMIN))).status_code == 204


async def test_a_light_is_not_deleted_through_the_library(api: Api) -> None:
    async with api.runtime.pool.acquire() as db:
        light = await add_frame(db, api.home.id, "light")
        assert (await api.request("DELETE", f"{V1}/{light}")).status_code == 404
        assert await db.fetchval("SELECT count(*) FROM frame") == 1
