"""The detector diary: readings of masters that were used, as series over time."""

from uuid import UUID

from pictor.calibration_stacker.ordering import readings_of
from pictor.contracts.masters import MasterState
from pictor.state import diary
from pictor.state.diary import Reading
from tests.services.gateway.conftest import Api
from tests.support.individuals import START, add_master, dark_key

FOUND = {
    "kind": "bias", "levels_adu": [500.0, 501.0, 500.5],
    "facts": {"read_noise_adu": 4.0, "read_noise_e": 6.0, "egain": None, "dark_current_e_per_s": None,
              "hot_pixels": None},
}  # fmt: skip


async def keep(api: Api, master_id: UUID, readings: list[Reading]) -> None:
    async with api.runtime.pool.acquire() as db, db.transaction():
        await diary.save(db, master_id, readings)
        await diary.save(db, master_id, readings)


def test_a_stack_tells_its_detector_with_units() -> None:
    assert readings_of(FOUND) == [Reading("read-noise", 6.0, "e-"), Reading("bias-level", 500.5, "ADU")]
    without_gain = FOUND | {"kind": "bias", "facts": {"read_noise_adu": 4.0, "read_noise_e": None}}
    assert readings_of(without_gain)[0] == Reading("read-noise", 4.0, "ADU")


async def test_the_diary_is_a_series_with_temperatures_of_masters_that_were_used(api: Api) -> None:
    old = await add_master(api.runtime.pool, api.home.id, taken_at=START)
    new = await add_master(api.runtime.pool, api.home.id, taken_at=START.replace(year=2027))
    bad = await add_master(api.runtime.pool, api.home.id, state=MasterState.REJECTED, key=dark_key(exposure_s=60.0))
    for master, current in ((old, 0.010), (new, 0.012), (bad, 9.0)):
        await keep(api, master, [Reading("dark-current", current, "e-/s"), Reading("hot-pixels", 12, "pixels")])
    path = f"/api/v1/calibration/diary/{api.home.id}"
    told = (await api.get(path)).json()["series"]
    assert [(one["kind"], one["unit"], len(one["readings"])) for one in told] == [
        ("dark-current", "e-/s", 2), ("hot-pixels", "pixels", 2),
    ]  # fmt: skip
    first, second = told[0]["readings"]
    assert (first["value"], first["temp_c"], first["exposure_s"], first["superseded"]) == (0.01, -10.0, 300.0, True)
    assert (second["value"], second["master_id"], second["superseded"]) == (0.012, str(new), False)
    assert (told[0]["gain_setting"], told[0]["offset_setting"]) == (100.0, 30.0)
    (gap,) = told[0]["gaps"]
    assert (gap["id"], gap["state"]) == (str(bad), "rejected")
    since = (await api.get(f"{path}?kind=hot-pixels&since=2026-06-01T00:00:00Z")).json()["series"]
    assert [(one["kind"], len(one["readings"])) for one in since] == [("hot-pixels", 1)]
