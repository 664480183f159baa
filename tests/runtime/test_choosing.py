"""One set of masters for the lights of a night: kept, chosen anew, dropped; and what a light really gets."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from pictor.contracts.frames import FrameType
from pictor.contracts.masters import MasterState
from pictor.imaging.matching.frames import CameraMode
from pictor.runtime.choosing import Choice, choose
from pictor.runtime.embedded.config import Endpoints
from pictor.state import frames, light_sets, masters, policies
from pictor.state.database import Connection, Pool, open_pool
from pictor.state.masters import Master
from tests.support.nights import Place, make_place
from tests.support.servers import make_database

NIGHT = date(2026, 11, 19)
START = datetime(2026, 11, 19, 21, tzinfo=UTC)
DURING, AFTER = START + timedelta(hours=3), START + timedelta(days=2)
MODE = "truth camera"


@pytest.fixture(scope="module")
async def pool(database_server: Endpoints) -> AsyncIterator[Pool]:
    """A database of this version."""
    opened = await open_pool(await make_database(database_server, "choosing"))
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


async def light(
    db: Connection, place: Place, minute: int, *, temp_c: float = -10.0, exposure_s: float = 60.0, rotator: Any = None,
    calstat: str | None = None,
) -> Any:  # fmt: skip
    """Register a light of the night."""
    frame_id, start = uuid4(), START + timedelta(minutes=minute)
    await frames.create(
        db, frame_id, place.observatory_id, rig_id=place.rig_id, sha256=frame_id.hex * 2, size=1, name="light.fits",
        raw_key=f"raw/{frame_id}", uploaded_by=None, metadata={},
    )  # fmt: skip
    described = {
        "frame_type": "light", "is_master": False, "filter": "L", "exposure_s": exposure_s, "set_temp_c": temp_c,
        "width": 64, "height": 64, "binning_x": 1, "binning_y": 1, "target_name": "Nowhere", "rotator_deg": rotator,
        "start_utc": start.isoformat(), "calstat": calstat,
    }  # fmt: skip
    await frames.register(
        db, frame_id, description=described, camera_mode=MODE, night=NIGHT, cards=[], statistics={}, geometry={},
        warnings=[],
    )  # fmt: skip
    return await frames.get(db, frame_id)


async def master(
    db: Connection, place: Place, kind: str = "dark", *, days: float = -1.0, temp_c: float = -10.0,
    exposure_s: float | None = 60.0, holds_bias: bool = True, group: str | None = None, frames_in: int = 10,
) -> UUID:  # fmt: skip
    """Record an active master, which supersedes that of its group."""
    mode = CameraMode(str(place.rig_id), 64, 64, 1, 1)
    facts = {
        "mode": {name: getattr(mode, name) for name in CameraMode.__dataclass_fields__}, "frame_type": kind,
        "exposure_s": exposure_s if kind == "dark" else None, "filter": "L" if kind == "flat" else None,
        "rotator_deg": None, "temp_c": temp_c, "holds_bias": holds_bias,
    }  # fmt: skip
    made = Master(
        uuid4(), place.observatory_id, place.rig_id, None, MasterState.ACTIVE, FrameType(kind),
        group or f"{kind}/{temp_c:g}/{exposure_s}", MODE, facts, frames_in, {}, {}, (), START + timedelta(days=days),
    )  # fmt: skip
    await masters.save(db, made, [])
    return made.id


async def chosen(db: Connection, frame: Any, *, now: datetime) -> Choice:
    return await choose(db, frame, keep=True, now=now)


async def test_lights_of_a_night_keep_their_masters_although_a_newer_one_comes(db: Connection, place: Place) -> None:
    old = await master(db, place)
    first, second = await light(db, place, 0), await light(db, place, 30)
    assert (await chosen(db, first, now=DURING)).ids["dark"] == old
    new = await master(db, place, days=0.1)
    assert (await chosen(db, second, now=DURING)).ids["dark"] == old
    assert [(await chosen(db, one, now=AFTER)).ids["dark"] for one in (second, first)] == [new, new]


async def test_a_set_does_not_depend_on_which_light_comes_first(db: Connection, place: Place) -> None:
    warm, cold = await master(db, place, temp_c=-8.6), await master(db, place, temp_c=-11.4)
    first, second = await light(db, place, 0, temp_c=-9.7), await light(db, place, 30, temp_c=-10.3)
    found = [(await chosen(db, one, now=AFTER)).ids["dark"] for one in (second, first, second)]
    assert found == [warm, warm, warm]
    assert cold not in found


async def test_an_empty_place_is_filled_during_the_night(db: Connection, place: Place) -> None:
    dark = await master(db, place)
    frame = await light(db, place, 0)
    assert (await chosen(db, frame, now=DURING)).ids == {"dark": dark, "flat": None, "bias": None}
    flat = await master(db, place, "flat")
    assert (await chosen(db, frame, now=DURING)).ids == {"dark": dark, "flat": flat, "bias": None}


async def test_a_recalled_master_leaves_the_set_at_once(db: Connection, place: Place) -> None:
    other, best = await master(db, place, days=-9, group="other"), await master(db, place, days=-1, group="best")
    frame = await light(db, place, 0)
    assert (await chosen(db, frame, now=DURING)).ids["dark"] == best
    await db.execute("UPDATE master SET state = 'rejected', recalled_at = now() WHERE id = $1", best)
    assert (await chosen(db, frame, now=DURING)).ids["dark"] == other


async def test_a_rule_is_never_broken_for_the_sake_of_a_set(db: Connection, place: Place) -> None:
    cold, warm = await master(db, place, temp_c=-10.0), await master(db, place, temp_c=5.0)
    usual, odd = await light(db, place, 0), await light(db, place, 30, temp_c=5.0)
    assert (await chosen(db, usual, now=DURING)).ids["dark"] == cold
    assert (await chosen(db, odd, now=DURING)).ids["dark"] == warm
    assert (await chosen(db, usual, now=DURING)).ids["dark"] == cold


async def test_looking_records_nothing(db: Connection, place: Place) -> None:
    await master(db, place)
    frame = await light(db, place, 0)
    key = light_sets.key_of(frame)
    assert key is not None
    await choose(db, frame, keep=False, now=DURING)
    assert await light_sets.of_lights(db, key) is None
    await choose(db, frame, keep=True, now=DURING)
    kept = await light_sets.of_lights(db, key)
    assert kept is not None
    assert kept.reference_utc == START


async def test_a_flat_is_applied_only_after_a_dark_or_bias(db: Connection, place: Place) -> None:
    flat = await master(db, place, "flat")
    frame = await light(db, place, 0)
    alone = await chosen(db, frame, now=AFTER)
    assert alone.applied == {}
    assert "a flat is applied only after a dark or bias" in alone.reason
    bias = await master(db, place, "bias")
    assert (await chosen(db, frame, now=AFTER)).ids == {"dark": None, "flat": flat, "bias": bias}


@pytest.mark.parametrize(
    ("camera", "holds_bias", "exposure_s", "with_bias", "scale"),
    [
        ("CCD", False, 120.0, True, 0.5),
        ("CCD", False, 30.0, True, 2.0),
        ("CCD", False, 60.0, True, 1.0),
        ("CCD", False, 25.0, True, None),
        ("CCD", False, 121.0, True, None),
        ("CCD", True, 120.0, True, None),
        ("CMOS", False, 120.0, True, None),
        ("CCD", False, 120.0, False, None),
    ],
)  # fmt: skip
async def test_a_dark_is_scaled_only_where_the_policy_allows(
    db: Connection, place: Place, camera: str, *, holds_bias: bool, exposure_s: float, with_bias: bool,
    scale: float | None,
) -> None:  # fmt: skip
    """From 0.5 to 2 times, of a CCD, without its bias inside, and with a bias to take off the light."""
    await policies.save(db, place.observatory_id, {"camera_type": camera}, changed_by="tester")
    dark = await master(db, place, exposure_s=exposure_s, holds_bias=holds_bias)
    if with_bias:
        await master(db, place, "bias")
    found = await chosen(db, await light(db, place, 0), now=AFTER)
    assert found.ids["dark"] == (None if scale is None else dark)
    assert found.scale == (scale or 1.0)


async def test_rotation_gates_a_flat_where_it_is_required(db: Connection, place: Place) -> None:
    await master(db, place)
    flat = await master(db, place, "flat")
    await db.execute("UPDATE master SET facts = facts || '{\"rotator_deg\": 359.6}' WHERE id = $1", flat)
    near, far = await light(db, place, 0, rotator=0.3), await light(db, place, 9, rotator=90.0)
    assert (await chosen(db, far, now=AFTER)).ids["flat"] == flat
    await policies.save(db, place.observatory_id, {"flat_rotation": "required"}, changed_by="tester")
    assert (await chosen(db, near, now=AFTER)).ids["flat"] == flat
    turned = await chosen(db, far, now=AFTER)
    assert turned.ids["flat"] is None
    assert "rotation" in turned.reason


async def test_an_old_light_gets_the_master_of_its_time(db: Connection, place: Place) -> None:
    then = await master(db, place, days=-2)
    await master(db, place, days=120)
    frame = await light(db, place, 0)
    assert (await chosen(db, frame, now=START + timedelta(days=121))).ids["dark"] == then


@pytest.mark.parametrize("calstat", ["D", "BDF", "bd"])
async def test_a_light_that_came_calibrated_gets_no_masters(db: Connection, place: Place, calstat: str) -> None:
    await master(db, place)
    found = await choose(db, await light(db, place, 0, calstat=calstat), keep=True, now=AFTER)
    assert not found.applied
    assert found.reason == f"the light came calibrated already (CALSTAT '{calstat}')"
    assert found.explanation["dark"]["reason"] == found.reason
    raw = await choose(db, await light(db, place, 1, calstat="M"), keep=True, now=AFTER)
    assert raw.applied
