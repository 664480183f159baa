"""Filters are known by one table wherever the services decide; frames and masters keep the name they were given."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from pictor.contracts.frames import FrameType
from pictor.contracts.masters import MasterState
from pictor.imaging.matching.frames import CameraMode
from pictor.imaging.matching.policy import validate
from pictor.runtime.choosing import choose
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.filters import names_alike, policy_of, set_key, spelled
from pictor.runtime.stacking.manual import Wanted, ask
from pictor.runtime.stacking.needs import assessment, situation
from pictor.runtime.stacking.triggers import settle, shelf_of
from pictor.state import asking, filters, frames, light_sets, masters, policies, shelves
from pictor.state.asking import Configuration
from pictor.state.database import Connection, Pool, migrations, open_pool
from pictor.state.frames import Frame
from pictor.state.masters import Master
from tests.support.nights import Place, make_place
from tests.support.servers import make_database

NIGHT = date(2026, 11, 19)
START = datetime(2026, 11, 19, 21, tzinfo=UTC)
MODE = "filter camera"


@pytest.fixture(scope="module")
async def pool(database_server: Endpoints) -> AsyncIterator[Pool]:
    """A database of this version."""
    opened = await open_pool(await make_database(database_server, "filters"))
    yield opened
    await opened.close()


@pytest.fixture
async def db(pool: Pool) -> AsyncIterator[Connection]:
    """One connection."""
    async with pool.acquire() as connection:
        yield connection


@pytest.fixture
async def place(db: Connection) -> Place:
    """An observatory of its own."""
    return await make_place(db, f"hill-{uuid4().hex[:8]}")


async def add(db: Connection, place: Place, kind: str, of_filter: str | None, *, minute: int = 0) -> Frame:
    """Register a frame."""
    frame_id = uuid4()
    await frames.create(
        db, frame_id, place.observatory_id, rig_id=place.rig_id, sha256=frame_id.hex * 2, size=1, name=f"{kind}.fits",
        raw_key=f"raw/{frame_id}", uploaded_by=None, metadata={},
    )  # fmt: skip
    described = {
        "frame_type": kind, "is_master": False, "filter": of_filter, "exposure_s": 60.0, "set_temp_c": -10.0,
        "width": 64, "height": 64, "binning_x": 1, "binning_y": 1, "target_name": "Nowhere",
        "start_utc": (START + timedelta(minutes=minute)).isoformat(),
    }  # fmt: skip
    await frames.register(
        db, frame_id, description=described, camera_mode=MODE, night=NIGHT, cards=[], statistics={}, geometry={},
        warnings=[],
    )  # fmt: skip
    found = await frames.get(db, frame_id)
    assert found is not None
    return found


async def master(db: Connection, place: Place, kind: str, of_filter: str | None = None) -> UUID:
    """Record an active master as an older version of the program did: its policy knows no names of filters."""
    mode = CameraMode(str(place.rig_id), 64, 64, 1, 1)
    facts = {
        "mode": {name: getattr(mode, name) for name in CameraMode.__dataclass_fields__}, "frame_type": kind,
        "exposure_s": 60.0 if kind == "dark" else None, "filter": of_filter, "rotator_deg": None, "temp_c": -10.0,
        "holds_bias": True,
    }  # fmt: skip
    made = Master(
        uuid4(), place.observatory_id, place.rig_id, None, MasterState.ACTIVE, FrameType(kind), f"{kind}/{of_filter}",
        MODE, facts, 10, {"min_frames": 10}, {}, (), START - timedelta(days=1),
    )  # fmt: skip
    await masters.save(db, made, [])
    return made.id


async def change(db: Connection, place: Place, **settings: str) -> None:
    await policies.save(db, place.observatory_id, settings, changed_by="admin")


async def flat_of(db: Connection, light: Frame, *, hours: float = 3.0) -> UUID | None:
    return (await choose(db, light, keep=True, now=START + timedelta(hours=hours))).ids["flat"]


@pytest.mark.parametrize(("of_light", "of_flat"), [("R", "Red"), ("H-alpha", "HA"), ("Ha 7nm", "H_Alpha 7 nm")])
async def test_a_light_gets_the_flat_of_its_filter_however_both_are_spelled(
    db: Connection, place: Place, of_light: str, of_flat: str
) -> None:
    await master(db, place, "dark")
    flat = await master(db, place, "flat", of_flat)
    assert await flat_of(db, await add(db, place, "light", of_light)) == flat
    assert await flat_of(db, await add(db, place, "light", "OIII")) is None


async def test_an_observatory_may_keep_names_apart_or_join_others(db: Connection, place: Place) -> None:
    await master(db, place, "dark")
    red, narrow = await master(db, place, "flat", "Red"), await master(db, place, "flat", "Ha 7nm")
    r, ha = await add(db, place, "light", "R"), await add(db, place, "light", "Ha")
    assert [await flat_of(db, one, hours=90) for one in (r, ha)] == [red, None]
    await change(db, place, filters_apart="[RC8 + 2600] R", filter_synonyms="Ha = Ha 7nm")
    assert [await flat_of(db, one, hours=90) for one in (r, ha)] == [None, narrow]
    await change(db, place, filters_as_named="yes")
    assert [await flat_of(db, one, hours=90) for one in (r, ha)] == [None, None]


async def test_a_rig_with_a_v_filter_keeps_its_r_from_flats_named_red(db: Connection, place: Place) -> None:
    await master(db, place, "dark")
    red = await master(db, place, "flat", "Red")
    light = await add(db, place, "light", "R")
    assert await flat_of(db, light, hours=90) == red
    await add(db, place, "light", "V")
    assert await flat_of(db, light, hours=90) is None


async def test_lights_of_a_night_share_their_masters_however_they_name_the_filter(db: Connection, place: Place) -> None:
    await master(db, place, "dark")
    flat = await master(db, place, "flat", "Red")
    first, second = await add(db, place, "light", "R"), await add(db, place, "light", "Red", minute=30)
    assert [await flat_of(db, one) for one in (second, first)] == [flat, flat]
    assert await db.fetchval("SELECT count(*) FROM light_set WHERE observatory_id = $1", place.observatory_id) == 1


async def test_a_set_kept_by_an_older_version_goes_on_to_hold(db: Connection, place: Place) -> None:
    await master(db, place, "dark")
    old = await master(db, place, "flat", "R")
    first = await add(db, place, "light", "R")
    assert await flat_of(db, first) == old
    await db.execute("UPDATE master SET state = 'superseded' WHERE id = $1", old)
    await master(db, place, "flat", "Red")
    assert await flat_of(db, await add(db, place, "light", "Red", minute=30)) == old
    key = await set_key(db, first, await policy_of(db, place.observatory_id))
    assert key is not None
    assert key.names == ("R", "Red")
    kept = await light_sets.of_lights(db, key)
    assert kept is not None
    assert kept.key.filter == "R"


async def _flats(db: Connection, place: Place, names: Sequence[str]) -> None:
    for number, name in enumerate(names):
        await add(db, place, "flat", name, minute=number)
    await db.execute("UPDATE frame SET not_stacked = '{}' WHERE observatory_id = $1", place.observatory_id)


async def test_flats_of_one_filter_make_one_group_that_keeps_the_name_it_had(db: Connection, place: Place) -> None:
    await _flats(db, place, ["R"] * 3)
    async with db.transaction():
        (name,) = (await shelf_of(db, place.observatory_id, MODE)).groups
    await master(db, place, "flat", "R")
    await db.execute("UPDATE master SET group_key = $2 WHERE observatory_id = $1", place.observatory_id, name)
    await _flats(db, place, ["Red"] * 4)
    async with db.transaction():
        shelf = await shelf_of(db, place.observatory_id, MODE)
    assert {key: (len(one.frames), one.key.filter) for key, one in shelf.groups.items()} == {name: (7, "Red")}


async def test_two_groups_that_become_one_leave_no_word_about_the_other(db: Connection, place: Place) -> None:
    await change(db, place, filters_as_named="yes")
    await _flats(db, place, ["R"] * 3 + ["Red"] * 4 + ["G"] * 2)
    assert await _notes(db, place) == [("G", 2), ("R", 3), ("Red", 4)]
    await change(db, place)
    assert await _notes(db, place) == [("G", 2), ("Red", 7)]
    assert await _notes(db, place) == [("G", 2), ("Red", 7)]
    await change(db, place, filters_as_named="yes")
    assert await _notes(db, place) == [("G", 2), ("R", 3), ("Red", 4)]


async def _notes(db: Connection, place: Place) -> list[tuple[str, int]]:
    async with db.transaction():
        shelf = await shelf_of(db, place.observatory_id, MODE)
        for name in shelf.groups:
            await settle(db, shelf, name)
    notes = await shelves.notes(db, place.observatory_id)
    return sorted((one.facts["filter"], one.have) for one in notes)


async def test_a_stack_of_several_names_takes_the_reading_along_and_no_other_does(db: Connection, place: Place) -> None:
    await change(db, place, filter_synonyms="L = Clear")
    await master(db, place, "dark")
    await _flats(db, place, ["L"] * 5 + ["Clear"] * 5 + ["OIII"] * 10)
    for name in ("Luminance", "O3"):
        async with db.transaction():
            await ask(db, place.observatory_id, Wanted(None, Configuration(FrameType.FLAT, filter=name)), owner="admin")
    rows = await db.fetch(
        "SELECT facts->>'filter' AS of, policy FROM stack_request WHERE observatory_id = $1", place.observatory_id
    )
    told = {row["of"]: row["policy"].get("filter_synonyms") for row in rows}
    assert told == {"L": "L = Clear", "OIII": None}


async def test_needs_of_a_filter_with_two_names_are_one_and_are_covered_by_either(db: Connection, place: Place) -> None:
    now = START + timedelta(hours=9)
    for name in ("R", "Red"):
        await add(db, place, "light", name)
    (need,) = [one for one in await _needs(db, place, now) if one.kind == "flat"]
    assert (need.lights, need.waiting_lights) == (2, 2)
    await master(db, place, "flat", "red")
    (need,) = [one for one in await _needs(db, place, now) if one.kind == "flat"]
    assert need.waiting_lights == 0


async def _needs(db: Connection, place: Place, now: datetime) -> Sequence[object]:
    return (await assessment(await situation(db, place.observatory_id, now=now))).needs


async def test_the_names_in_use_are_those_of_frames_and_masters(db: Connection, place: Place) -> None:
    for name in ("R", "Ha", "Red", None, "R", "Über"):
        await add(db, place, "light", name)
    await master(db, place, "flat", "OIII")
    rig = str(place.rig_id)
    found = (await filters.in_use(db, [place.observatory_id]))[place.observatory_id]
    assert sorted(found) == ["Ha", "OIII", "R", "Red", "Über"]
    assert await filters.rigs_with(db, place.observatory_id, ["Ha", "V"]) == [rig]
    assert await filters.rigs_with(db, place.observatory_id, ["OIII"]) == []
    policy = await policy_of(db, place.observatory_id)
    assert await names_alike(db, place.observatory_id, "red", rig, policy) == ("R", "Red", "red")
    assert sorted((await spelled(db, [place.observatory_id], "red")).names) == ["R", "Red"]
    assert (await spelled(db, [place.observatory_id], "SII")).names == ()
    assert await asking.modes_of(db, place.observatory_id, Configuration(), ["none"]) == []


async def test_frames_stored_before_the_upgrade_are_read_like_those_after_it(database_server: Endpoints) -> None:
    """No row is written anew: the migration adds three empty settings and an index."""
    dsn = await make_database(database_server, "before_filters")
    (sql,) = [text for number, _, text in migrations() if number == 20]
    assert "UPDATE" not in sql
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        """
        DROP INDEX frame_filter_name;
        ALTER TABLE calibration_policy DROP COLUMN filters_as_named, DROP COLUMN filter_synonyms,
            DROP COLUMN filters_apart;
        """
    )
    await connection.close()
    pool = await open_pool(dsn)
    async with pool.acquire() as db:
        place = await make_place(db, "old")
        light = await add(db, place, "light", "R")
        await master(db, place, "dark")
        flat = await master(db, place, "flat", "Red")
        await db.execute(
            "INSERT INTO calibration_policy (observatory_id, min_frames) VALUES ($1, 5)", place.observatory_id
        )
        await db.execute(sql)
        assert validate(await policies.policy_of(db, place.observatory_id)).min_frames == 5
        assert await flat_of(db, light) == flat
    await pool.close()
