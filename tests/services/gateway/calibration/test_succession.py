"""Lights keep the numbers of a master that was superseded since, say so, and are processed again on demand."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from pictor.contracts.masters import MasterState
from pictor.imaging.matching.policy import Policy
from pictor.runtime.choosing import NIGHT, Shelf, choose, choose_among
from pictor.runtime.stacking.succession import superseded_for
from pictor.state import frames, masters
from tests.services.gateway.conftest import Api
from tests.support.individuals import MODE, add_individuals, add_master, dark_key

LAST_WEEK = datetime.now(UTC).replace(microsecond=0) - timedelta(days=7)


async def measured(api: Api, dark: UUID | None, *, start: datetime = LAST_WEEK, night: bool = True) -> UUID:
    """Add a light measured with a dark."""
    pool = api.runtime.pool
    (light,) = await add_individuals(pool, api.home.id, 1, kind="light", start=start)
    await pool.execute("UPDATE frame SET night = $2 WHERE id = $1", light, start.date() if night else None)
    await masters.save_use(pool, light, uuid4(), {"dark": dark}, weak=False, explanation={})
    return light


async def succeed(api: Api, *, old: datetime, new: datetime, start: datetime = LAST_WEEK) -> tuple[UUID, UUID, UUID]:
    """Measure a light with a dark, then let another one supersede it."""
    first = await add_master(api.runtime.pool, api.home.id, taken_at=old)
    light = await measured(api, first, start=start)
    second = await add_master(api.runtime.pool, api.home.id, taken_at=new)
    return light, first, second


def reprocess(master_id: UUID, query: str = "") -> str:
    return f"/api/v1/calibration/masters/{master_id}/reprocess-lights{query}"


async def test_a_light_says_that_its_master_was_superseded_since(api: Api) -> None:
    light, first, second = await succeed(api, old=LAST_WEEK - timedelta(days=2), new=LAST_WEEK)
    for path in (f"/api/v1/frames/{light}", f"/api/v1/frames/{light}/calibration/explain"):
        (told,) = (await api.get(path)).json()["superseded"]
        assert (told["place"], told["master_id"], told["would_use"]) == ("dark", str(first), str(second))
        assert (told["out_of_date"], told["superseded_by"], told["until"]) == (True, str(second), None)
        assert "processed with a master that was superseded" in told["sentence"]
    assert (await api.get(f"/api/v1/frames/{light}")).json()["calibration"]["dark_id"] == str(first)


async def test_a_light_whose_master_is_active_says_nothing(api: Api) -> None:
    dark = await add_master(api.runtime.pool, api.home.id, taken_at=LAST_WEEK)
    light = await measured(api, dark)
    assert (await api.get(f"/api/v1/frames/{light}")).json()["superseded"] == []


async def test_a_light_of_another_season_is_not_out_of_date(api: Api) -> None:
    winter = LAST_WEEK - timedelta(days=180)
    light, first, second = await succeed(api, old=winter, new=LAST_WEEK, start=winter)
    (told,) = (await api.get(f"/api/v1/frames/{light}")).json()["superseded"]
    assert (told["out_of_date"], told["would_use"]) == (False, str(first))
    assert "still the one the rules choose" in told["sentence"]
    answer = (await api.post(reprocess(second))).json()
    assert (answer["due"], answer["ordered"], answer["kept"]) == (0, 0, 1)


async def test_a_light_of_this_night_says_when_it_will_be_out_of_date(api: Api) -> None:
    tonight = datetime.now(UTC) - timedelta(hours=2)
    light, first, second = await succeed(api, old=tonight - timedelta(days=2), new=tonight, start=tonight)
    frame = await frames.get(api.runtime.pool, light)
    assert frame is not None
    async with api.runtime.pool.acquire() as db:
        await db.execute(
            """
            INSERT INTO light_set (observatory_id, camera_mode, night, target, filter, exposure_s, reference_utc,
                masters) VALUES ($1, $2, $3, '', '', 300, $4, $5)
            """,
            api.home.id, frame.camera_mode, frame.night, tonight, {"dark": str(first)},
        )  # fmt: skip
        (told,) = await superseded_for(db, frame)
    assert (told.out_of_date, told.until, told.would_use) == (False, tonight + NIGHT, second)
    assert "lights of one night keep theirs" in told.sentence
    answer = (await api.post(reprocess(second))).json()
    assert (answer["due"], answer["later"], answer["ordered"]) == (0, 1, 0)


async def test_lights_of_all_predecessors_are_processed_again_once_last_in_line(api: Api) -> None:
    pool = api.runtime.pool
    first = await add_master(pool, api.home.id, taken_at=LAST_WEEK - timedelta(days=3))
    lights = {await measured(api, first)}
    second = await add_master(pool, api.home.id, taken_at=LAST_WEEK - timedelta(days=2))
    lights.add(await measured(api, second, night=False))
    third = await add_master(pool, api.home.id, taken_at=LAST_WEEK)
    would = (await api.post(reprocess(third, "?dry_run=true"))).json()
    assert (would["due"], would["ordered"], would["left"], would["dry_run"]) == (2, 0, 2, True)
    assert await pool.fetchval("SELECT count(*) FROM job") == 0
    told = (await api.post(reprocess(third))).json()
    assert (told["due"], told["ordered"], told["left"]) == (2, 2, 0)
    rows = await pool.fetch("SELECT frame_id, lane, kind, owner FROM job")
    assert {row["frame_id"] for row in rows} == lights
    assert {(row["lane"], row["kind"]) for row in rows} == {("bulk", "reprocess")}
    assert "pictor" not in {row["owner"] for row in rows}, "the person who asked owns the jobs"
    assert (await api.post(reprocess(third))).json()["due"] == 0, "they are ordered already"
    line = await pool.fetchrow("SELECT detail FROM audit WHERE action = 'calibration.reprocess'")
    assert line["detail"]["lights"] == 2


async def test_a_light_says_that_its_master_came_after_it_was_measured(api: Api) -> None:
    (light,) = await add_individuals(api.runtime.pool, api.home.id, 1, kind="light", start=LAST_WEEK)
    await masters.save_use(api.runtime.pool, light, uuid4(), {}, weak=False, explanation={})
    assert (await api.get(f"/api/v1/frames/{light}")).json()["superseded"] == []
    dark = await add_master(api.runtime.pool, api.home.id, taken_at=LAST_WEEK)
    (told,) = (await api.get(f"/api/v1/frames/{light}")).json()["superseded"]
    assert (told["place"], told["master_id"], told["would_use"], told["out_of_date"]) == ("dark", None, str(dark), True)
    assert "processed without one" in told["sentence"]


async def test_only_an_active_master_has_lights_to_take_over(api: Api) -> None:
    rejected = await add_master(api.runtime.pool, api.home.id, state=MasterState.REJECTED)
    answer = await api.post(reprocess(rejected))
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_lights_measured_before_there_was_a_master_are_due(api: Api) -> None:
    before = await measured(api, None)
    first = await add_master(api.runtime.pool, api.home.id, taken_at=LAST_WEEK)
    await add_individuals(api.runtime.pool, api.home.id, 1, kind="light", temp_c=20.0)
    would = (await api.post(reprocess(first, "?dry_run=true"))).json()
    assert (would["due"], would["later"], would["kept"]) == (1, 0, 0)
    assert (await api.post(reprocess(first))).json()["ordered"] == 1
    assert await api.runtime.pool.fetchval("SELECT frame_id FROM job") == before


async def test_lights_that_no_master_would_help_are_not_counted(api: Api) -> None:
    (warm,) = await add_individuals(api.runtime.pool, api.home.id, 1, kind="light", temp_c=20.0, start=LAST_WEEK)
    await masters.save_use(api.runtime.pool, warm, uuid4(), {}, weak=False, explanation={})
    first = await add_master(api.runtime.pool, api.home.id, taken_at=LAST_WEEK)
    would = (await api.post(reprocess(first, "?dry_run=true"))).json()
    assert (would["due"], would["later"], would["kept"]) == (0, 0, 0)


async def test_a_brief_choice_is_the_choice(api: Api) -> None:
    pool = api.runtime.pool
    for days in (1, 20, 40):
        for temp in (-10.0, -11.5, 0.0):
            await add_master(pool, api.home.id, taken_at=LAST_WEEK - timedelta(days=days), key=dark_key(temp_c=temp))
    lights = [
        light
        for days, temp, exposure in ((0, -10.0, 300.0), (19, -10.8, 300.0), (38, 1.0, 300.0), (2, -10.0, 60.0))
        for light in await add_individuals(
            pool, api.home.id, 2, kind="light", start=LAST_WEEK - timedelta(days=days), temp_c=temp, exposure_s=exposure
        )
    ]
    async with pool.acquire() as db:
        library = await masters.usable_for(db, api.home.id, None, MODE)
        brief = Shelf(Policy(), library, brief=True)
        chosen = []
        for light in lights:
            frame = await frames.get(db, light)
            assert frame is not None
            full = await choose(db, frame, keep=False)
            assert (await choose_among(db, frame, brief, keep=False)).ids == full.ids
            chosen.append(full.ids["dark"])
    assert len(set(chosen)) == 4, "three different darks, and none"
