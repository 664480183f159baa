"""The calibration library: every query parameter and default of the users' manual."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from pictor.contracts.access import Role
from tests.services.gateway.conftest import Api
from tests.support.calibrated import add_frame, add_master

V1 = "/api/v1"


async def fill(api: Api) -> dict[str, UUID]:
    """Three used darks, one unclaimed, one refused; flats and biases; masters in three states; another's library."""
    ids: dict[str, UUID] = {}
    hill = await api.observatory("hill")
    async with api.runtime.pool.acquire() as db:
        used = [await add_frame(db, api.home.id, "dark", number=n, days=5) for n in range(3)]
        ids |= {f"dark {n}": one for n, one in enumerate(used)}
        ids["spare"] = await add_frame(db, api.home.id, "dark", number=7, camera="QHY", days=4)
        ids["refused"] = await add_frame(
            db, api.home.id, "dark", number=8, days=3, not_stacked=["12.0 % of pixels saturated"]
        )
        ids["flat"] = await add_frame(db, api.home.id, "flat", filter="Ha", days=2)
        ids["old"] = await add_master(db, api.home.id, "dark", used, group="dark group", days=60)
        ids["active"] = await add_master(db, api.home.id, "dark", used, group="dark group", days=5)
        ids["aged"] = await add_master(db, api.home.id, "flat", filter="Ha", days=8)
        ids["marked"] = await add_master(db, api.home.id, "bias", days=3, camera_name="QHY")
        await db.execute("UPDATE master SET expired_at = now() WHERE id = $1", ids["marked"])
        await add_frame(db, api.home.id, "light", days=1)
        await add_frame(db, hill, "dark", days=1)
        await add_master(db, hill, "dark")
    return ids


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "marked aged active old flat refused spare dark"),
        ("is_master=true", "marked aged active old"),
        ("is_master=false", "flat refused spare dark"),
        ("is_master=false&exclude_mastered=true", "flat refused spare"),
        ("exclude_mastered=true", "marked aged active old flat refused spare"),
        ("exclude_mastered=false&is_master=false", "flat refused spare dark"),
        ("frame_type=dark", "active old refused spare dark"),
        ("frame_type=flat", "aged flat"),
        ("frame_type=bias", "marked"),
        ("camera_name=QHY", "marked spare"),
        ("filter=Ha", "aged flat"),
        ("filter=H-alpha", "aged flat"),
        ("filter=Ha%207nm", ""),
        ("filter=Ha&is_master=true", "aged"),
        ("filter=OIII", ""),
        ("status=active", "marked aged active flat refused spare dark"),
        ("status=active&is_master=true", "marked aged active"),
        ("status=superseded", "old"),
        ("status=expired", "aged"),
        ("status=expired&frame_type=flat", "aged"),
        ("status=superseded&is_master=false", ""),
    ],
)
async def test_the_library_is_narrowed_as_the_manual_says(api: Api, query: str, found: str) -> None:
    ids = {str(value): name for name, value in (await fill(api)).items()}
    answer = (await api.get(f"{V1}/calibration/library/{api.home.id}?{query}")).json()
    names = [ids[item["id"]] for item in answer["items"]]
    assert list(dict.fromkeys("dark" if one.startswith("dark") else one for one in names)) == found.split()
    assert (answer["total"], answer["page"], answer["limit"]) == (len(names), 1, 50)


async def test_pages_are_without_gaps_and_doubles(api: Api) -> None:
    everything = set(map(str, (await fill(api)).values()))
    seen: list[str] = []
    address: str | None = f"{V1}/calibration/library/{api.home.id}?limit=3"
    while address:
        answer = (await api.get(address)).json()
        assert answer["total"] == 10
        seen += [item["id"] for item in answer["items"]]
        address = answer["next"]
    assert (len(seen), set(seen)) == (10, everything)


async def test_values_nobody_knows_are_refused(api: Api) -> None:
    for query in ("is_master=yes", "exclude_mastered=1", "status=gone", "frame_type=superbias", "page=0", "limit=0",
                  "limit=201", "camera=ASI"):  # fmt: skip
        assert (await api.get(f"{V1}/calibration/library/{api.home.id}?{query}")).status_code == 400, query


async def test_expiry_is_a_warning_by_the_settings_of_the_moment(api: Api) -> None:
    ids = await fill(api)
    path = f"{V1}/calibration/library/{api.home.id}?status=expired"
    first = (await api.get(path)).json()["items"]
    assert {(item["status"], item["expired"]) for item in first} == {("active", True)}
    aged = next(item for item in first if item["id"] == str(ids["aged"]))
    assert aged["age_days"] == pytest.approx(8, abs=0.01)
    over = datetime.now(UTC) - datetime.fromisoformat(aged["expires_at"])
    assert abs(over - timedelta(days=1)) < timedelta(minutes=5)
    settings = f"{V1}/observatories/{api.home.id}/calibration-settings"
    assert (await api.request("PUT", settings, json={"settings": {"flat_max_age_days": 9}})).status_code == 200
    assert (await api.get(path)).json()["items"] == [], "one that was warned of before is not expired by that"
    await api.request("PUT", settings, json={"settings": {"dark_max_age_days": 4}})
    found = {item["id"] for item in (await api.get(path)).json()["items"]}
    assert found == {str(ids[name]) for name in ("aged", "active")}


async def test_a_frame_that_is_itself_a_master_is_shown_with_the_reason(api: Api) -> None:
    async with api.runtime.pool.acquire() as db:
        await add_frame(db, api.home.id, "dark", is_master=True)
    items = (await api.get(f"{V1}/calibration/library/{api.home.id}?is_master=false")).json()["items"]
    assert [item["not_stacked"] for item in items] == [["the frame is itself a master"]]


async def test_the_summary_counts_by_camera_and_configuration(api: Api) -> None:
    ids = await fill(api)
    told = (await api.get(f"{V1}/calibration/summary/{api.home.id}")).json()
    assert told["masters"] == {"active": 3, "superseded": 1, "expired": 1}
    assert (told["individual_frames"], told["unmastered_frames"], told["not_admitted_frames"]) == (6, 3, 1)
    assert told["not_admitted"] == [
        {"reason": "… % of pixels saturated", "frames": 1, "example": "12.0 % of pixels saturated"}
    ]
    rows = {(one["frame_type"], one["camera_name"]): one for one in told["configurations"]}
    assert len(rows) == len(told["configurations"]) == 4
    dark = rows["dark", "ASI"]
    assert (dark["individual_frames"], dark["unmastered_frames"], dark["not_admitted_frames"]) == (4, 1, 1)
    assert [one["id"] for one in dark["masters"]] == [str(ids["active"])]
    assert (dark["exposure_s"], dark["gain_setting"], dark["set_temp_c"]) == (60.0, 100.0, -10.0)
    flat = rows["flat", "ASI"]
    assert (flat["filter"], flat["masters"][0]["expired"], flat["individual_frames"]) == ("Ha", True, 1)
    assert rows["dark", "QHY"]["masters"] == []
    assert rows["bias", "QHY"]["individual_frames"] == 0


async def test_masters_of_two_temperatures_stand_beside_their_own_frames(api: Api) -> None:
    async with api.runtime.pool.acquire() as db:
        for temp in (-10.0, -20.0):
            await add_frame(db, api.home.id, "dark", set_temp_c=temp, ccd_temp_c=temp)
            await add_master(db, api.home.id, "dark", temp_c=temp + 0.3)
    told = (await api.get(f"{V1}/calibration/summary/{api.home.id}")).json()["configurations"]
    assert [(one["set_temp_c"], [m["set_temp_c"] for m in one["masters"]]) for one in told] == [
        (-20.0, [-19.7]), (-10.0, [-9.7]),
    ]  # fmt: skip


async def test_the_library_of_others_does_not_exist(api: Api) -> None:
    stranger = await api.token(Role.OBSERVATORY_ADMIN, await api.observatory("hill"))
    for what in ("library", "summary"):
        assert (await api.get(f"{V1}/calibration/{what}/{api.home.id}", stranger)).status_code == 404
        assert (
            await api.get(f"{V1}/calibration/{what}/{api.home.id}", await api.token(Role.PLUGIN))
        ).status_code == 403
