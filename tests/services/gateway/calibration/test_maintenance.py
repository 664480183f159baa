"""Expiry warns once, retention deletes what its policy keeps no longer and nothing else, health tells what to do."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from pictor.contracts.access import Role
from pictor.contracts.masters import MasterState
from pictor.runtime.stacking.expiry import check_expiry
from pictor.runtime.stacking.retention import clean_up, keep_library
from pictor.runtime.stacking.triggers import evaluate
from pictor.state import policies
from pictor.state.retention import KEEPER_LOCK
from tests.services.gateway.conftest import Api
from tests.support.individuals import MODE, add_individuals, add_master, dark_key

MAINTENANCE = "/api/v1/calibration/maintenance"
NOW = datetime.now(UTC)


async def used(api: Api, frames: list[UUID], days: float) -> None:
    await api.runtime.pool.execute(
        "UPDATE frame SET used_at = now() - make_interval(secs => $2 * 86400) WHERE id = ANY($1)", frames, days
    )


async def superseded(api: Api, master_id: UUID, days: float) -> None:
    await api.runtime.pool.execute(
        "UPDATE master SET superseded_at = now() - make_interval(secs => $2 * 86400) WHERE id = $1", master_id, days
    )


async def kept(api: Api) -> set[UUID]:
    return {row["id"] for row in await api.runtime.pool.fetch("SELECT id FROM frame")}


async def test_an_old_master_is_warned_of_once_and_stays_in_use(api: Api) -> None:
    pool = api.runtime.pool
    old = await add_master(pool, api.home.id, taken_at=NOW - timedelta(days=31))
    await add_master(pool, api.home.id, taken_at=NOW - timedelta(days=29), key=dark_key(exposure_s=60.0))
    dry = (await api.post(f"{MAINTENANCE}/expiry-check?dry_run=true")).json()
    assert [one["id"] for one in dry["masters"]] == [str(old)]
    assert await pool.fetchval("SELECT count(*) FROM master WHERE expired_at IS NOT NULL") == 0
    told = (await api.post(f"{MAINTENANCE}/expiry-check")).json()
    assert (told["expired"], told["masters"][0]["max_age_days"]) == (1, 30)
    assert (await api.post(f"{MAINTENANCE}/expiry-check")).json()["expired"] == 0
    row = await pool.fetchrow("SELECT state, expired_at FROM master WHERE id = $1", old)
    assert row["state"] == "active"
    assert row["expired_at"] is not None
    assert await pool.fetchval("SELECT count(*) FROM outbox WHERE subject LIKE '%master.expired%'") == 1


async def test_expiry_at_once_warns_once(api: Api) -> None:
    for number in range(5):
        key = dark_key(exposure_s=10.0 * (number + 1))
        await add_master(api.runtime.pool, api.home.id, taken_at=NOW - timedelta(days=40), key=key)
    found = await asyncio.gather(*(check_expiry(api.runtime) for _ in range(4)))
    assert sum(len(one.masters) for one in found) == 5
    assert await api.runtime.pool.fetchval("SELECT count(*) FROM outbox WHERE subject LIKE '%master.expired%'") == 5


async def expired(api: Api) -> int:
    """Return what the health of the library and its list say alike."""
    health = (await api.get("/api/v1/calibration/health")).json()
    (found,) = [one["expired"] for one in health["observatories"] if one["observatory_id"] == str(api.home.id)]
    assert (await api.get(f"/api/v1/calibration/library/{api.home.id}?status=expired")).json()["total"] == found
    return int(found)


async def test_a_longer_age_takes_the_warning_back(api: Api) -> None:
    pool = api.runtime.pool
    await add_master(pool, api.home.id, taken_at=NOW - timedelta(days=31))
    assert await expired(api) == 1, "whether or not somebody was warned"
    await check_expiry(api.runtime)
    await policies.save(pool, api.home.id, {"dark_max_age_days": 60}, changed_by="somebody")
    assert await expired(api) == 0, "at once"
    assert (await check_expiry(api.runtime)).taken_back == 1
    assert await pool.fetchval("SELECT expired_at IS NULL FROM master")


async def test_individual_frames_go_after_their_days_while_a_living_master_holds_them(api: Api) -> None:
    pool = api.runtime.pool
    members = await add_individuals(pool, api.home.id, 4)
    await add_master(pool, api.home.id, components=members)
    await used(api, members[:3], 31)
    await used(api, members[3:], 29)
    dry = (await api.post(f"{MAINTENANCE}/retention-cleanup?dry_run=true")).json()
    assert (dry["frame_count"], dry["frames"][0]["days"]) == (3, 30)
    assert len(await kept(api)) == 4
    done = (await api.post(f"{MAINTENANCE}/retention-cleanup")).json()
    assert done["frame_count"] == 3
    assert await kept(api) == {members[3]}
    rows = await pool.fetch("SELECT object, detail FROM audit WHERE action = 'frame.delete'")
    assert {row["object"] for row in rows} == {str(one) for one in members[:3]}
    assert {row["detail"]["why"] for row in rows} == {"retention"}
    assert await pool.fetchval("SELECT count(*) FROM master_component") == 4


async def test_a_frame_no_living_master_holds_is_never_deleted(api: Api) -> None:
    pool = api.runtime.pool
    members = await add_individuals(pool, api.home.id, 5)
    gone, rejected, waiting, free = members[0], members[1], members[2], members[3]
    lost = await add_master(pool, api.home.id, components=[gone])
    await pool.execute("DELETE FROM master WHERE id = $1", lost)
    await add_master(pool, api.home.id, components=[rejected], state=MasterState.REJECTED)
    await add_master(pool, api.home.id, components=[waiting])
    await add_master(pool, api.home.id, components=[waiting], state=MasterState.NEEDS_REVIEW)
    await used(api, members, 400)
    await clean_up(api.runtime)
    assert await kept(api) == set(members)
    assert free in await kept(api)


async def test_frames_of_an_open_stack_stay(api: Api) -> None:
    pool = api.runtime.pool
    members = await add_individuals(pool, api.home.id, 10)
    await add_master(pool, api.home.id, components=members[:1])
    await evaluate(api.runtime, api.home.id, MODE, force=True)
    await used(api, members, 400)
    await clean_up(api.runtime)
    assert await kept(api) == set(members)


async def test_frames_of_a_master_that_another_took_the_place_of_go(api: Api) -> None:
    pool = api.runtime.pool
    first = await add_individuals(pool, api.home.id, 1)
    second = await add_individuals(pool, api.home.id, 1)
    await add_master(pool, api.home.id, components=first)
    await add_master(pool, api.home.id, components=second)
    await used(api, first, 31)
    await used(api, second, 1)
    await clean_up(api.runtime)
    assert await kept(api) == set(second)


async def test_a_retention_of_zero_days_and_a_longer_one_are_obeyed(api: Api) -> None:
    pool = api.runtime.pool
    members = await add_individuals(pool, api.home.id, 2)
    await add_master(pool, api.home.id, components=members)
    await used(api, members, 40)
    await policies.save(pool, api.home.id, {"individual_retention_days": 60}, changed_by="somebody")
    assert (await clean_up(api.runtime)).frames == []
    await policies.save(pool, api.home.id, {"individual_retention_days": 0}, changed_by="somebody")
    assert len((await clean_up(api.runtime)).frames) == 2


async def test_superseded_masters_go_after_their_days_with_their_objects(api: Api) -> None:
    pool, store = api.runtime.pool, api.runtime.store
    first = await add_master(pool, api.home.id, store=store)
    second = await add_master(pool, api.home.id, store=store)
    third = await add_master(pool, api.home.id, store=store)
    await pool.execute(
        """
        INSERT INTO detector_reading (master_id, kind, observatory_id, camera_mode, taken_at, value, unit)
        VALUES ($1, 'bias-level', $2, 'm', now(), 500, 'adu')
        """,
        first, api.home.id,
    )  # fmt: skip
    await superseded(api, first, 181)
    await superseded(api, second, 179)
    told = (await api.post(f"{MAINTENANCE}/retention-cleanup")).json()
    assert [one["id"] for one in told["masters"]] == [str(first)]
    rows = await pool.fetch("SELECT id FROM master")
    assert {row["id"] for row in rows} == {second, third}
    assert len([one async for one in store.list()]) == 2
    (series,) = (await api.get(f"/api/v1/calibration/diary/{api.home.id}")).json()["series"]
    assert [reading["value"] for reading in series["readings"]] == [500], "the diary outlives the masters"
    assert await pool.fetchval("SELECT count(*) FROM audit WHERE action = 'master.delete'") == 1


async def test_the_keeper_runs_in_one_process_at_a_time(api: Api) -> None:
    async with api.runtime.pool.acquire() as db:
        await db.execute("SELECT pg_advisory_lock($1)", KEEPER_LOCK)
        assert await keep_library(api.runtime) is False
        await db.execute("SELECT pg_advisory_unlock($1)", KEEPER_LOCK)
    assert await keep_library(api.runtime) is True


async def test_the_cache_of_calibrated_lights_is_cleared(api: Api) -> None:
    pool, store = api.runtime.pool, api.runtime.store
    (light,) = await add_individuals(pool, api.home.id, 1, kind="light")
    key = f"products/{api.home.id}/{light}/calibrated-a.fits"

    async def chunks() -> object:
        yield b"abc"

    await store.put_stream(key, chunks(), 3)
    await pool.execute(
        """
        INSERT INTO product (id, observatory_id, frame_id, kind, key, size, sha256, content_type, software, parameters)
        VALUES ($1, $2, $3, 'calibrated', $4, 3, $5, 'application/fits', 'test', '{}')
        """,
        uuid4(), api.home.id, light, key, "ab" * 32,
    )  # fmt: skip
    dry = await api.post(f"{MAINTENANCE}/cache-clear?dry_run=true")
    assert dry.json() == {"dry_run": True, "calibrated": 1}
    assert (await api.post(f"{MAINTENANCE}/cache-clear")).json() == {"dry_run": False, "calibrated": 1}
    assert [one.key async for one in store.list()] == []
    assert await api.count("product") == 0


async def test_health_names_what_somebody_has_to_do(api: Api) -> None:
    pool = api.runtime.pool
    await add_individuals(pool, api.home.id, 10, kind="flat", filter_name="L", exposure_s=2.0)
    await evaluate(api.runtime, api.home.id, MODE)
    lost = await add_master(pool, api.home.id, taken_at=NOW - timedelta(days=31))
    await add_master(pool, api.home.id, key=dark_key(exposure_s=60.0), store=api.runtime.store)
    await check_expiry(api.runtime)
    told = (await api.get("/api/v1/calibration/health")).json()
    (home,) = told["observatories"]
    assert home["blocked"][0]["message"] == "Flat auto-stacking deferred: no matching master dark available"
    assert (home["active"], home["expired"], home["missing"]) == (2, 1, [str(lost)])
    assert home["sweep_age_s"] is not None
    assert [one.split(":")[1].split()[0] for one in told["problems"]] == ["1", "1", "1"]


async def test_only_the_administrator_of_the_server_maintains(api: Api) -> None:
    own = await api.token(Role.OBSERVATORY_ADMIN)
    for what in ("cache-clear", "expiry-check", "retention-cleanup"):
        assert (await api.post(f"{MAINTENANCE}/{what}", own)).status_code == 403
    assert (await api.get("/api/v1/calibration/health", own)).status_code == 403
