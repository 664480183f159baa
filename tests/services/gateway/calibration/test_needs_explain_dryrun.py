"""Needs, plan, explanation and dry run over HTTP."""

import csv
import io
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from pictor.contracts.access import Role
from pictor.contracts.frames import FrameType
from pictor.contracts.masters import MasterState
from pictor.imaging.matching.frames import CameraMode
from pictor.imaging.matching.policy import Policy
from pictor.state import frames, masters
from pictor.state.masters import Master
from tests.services.gateway.conftest import Api

NOW = datetime.now(UTC)
TAKEN = NOW - timedelta(days=2)
MODE = {"width": 64, "height": 48, "binning_x": 1, "binning_y": 1, "gain_setting": 100.0, "offset_setting": 30.0}
DEFERRED = "Flat auto-stacking deferred: no matching master dark available"


async def _frames(
    api: Api, kind: str, count: int, *, exposure_s: float, of_filter: str | None = None, **more: str
) -> UUID:  # fmt: skip
    frame_id = uuid4()
    for _ in range(count):
        frame_id = uuid4()
        described = {**MODE, "frame_type": kind, "camera": "ASI", "set_temp_c": -10.0, "exposure_s": exposure_s,
                     "filter": of_filter, "start_utc": TAKEN.isoformat(), "is_master": False, **more}  # fmt: skip
        async with api.runtime.pool.acquire() as db:
            await frames.create(
                db, frame_id, api.home.id, rig_id=None, sha256=frame_id.hex * 2, size=1, name=f"{kind}.fits",
                raw_key=f"raw/{api.home.id}/{frame_id}", uploaded_by=None, metadata={},
            )  # fmt: skip
            await frames.register(
                db, frame_id, description=described, camera_mode="mode", night=TAKEN.date(), cards=[], statistics={},
                geometry={}, warnings=[],
            )  # fmt: skip
    return frame_id


async def _dark(api: Api, temp_c: float) -> UUID:
    return await _master(api, FrameType.DARK, temp_c, 300.0)


async def _master(
    api: Api, kind: FrameType, temp_c: float, exposure_s: float | None, *, of_filter: str | None = None
) -> UUID:  # fmt: skip
    facts = {"mode": asdict(CameraMode("ASI", **MODE)), "frame_type": str(kind), "exposure_s": exposure_s,
             "filter": of_filter, "rotator_deg": None, "temp_c": temp_c}  # fmt: skip
    made = Master(
        id=uuid4(), observatory_id=api.home.id, rig_id=None, job_id=None, state=MasterState.ACTIVE,
        frame_type=kind, group_key=f"{kind}/{temp_c}", camera_mode="mode", facts=facts, ncombine=20,
        policy=asdict(Policy()), statistics={}, reasons=(), taken_at=TAKEN,
    )  # fmt: skip
    async with api.runtime.pool.acquire() as db:
        await masters.save(db, made, [])
    return made.id


async def test_needs_tell_what_lights_wait_for_and_the_deferred_flat(api: Api) -> None:
    await _frames(api, "light", 3, exposure_s=300.0, of_filter="R")
    await _frames(api, "flat", 10, exposure_s=2.0, of_filter="R")
    await _frames(api, "dark", 4, exposure_s=300.0)
    found = (await api.get(f"/api/v1/calibration/needs/{api.home.id}")).json()
    needs = {one["kind"]: one for one in found["needs"]}
    assert set(needs) == {"dark", "flat", "flat-dark"}
    assert (needs["dark"]["have"], needs["dark"]["missing"], needs["dark"]["waiting_lights"]) == (4, 6, 3)
    assert needs["flat"]["message"] == DEFERRED
    assert needs["flat"]["waits_for"] == [needs["flat-dark"]["need_id"]]
    assert needs["flat-dark"]["exposure_s"] == 2.0
    groups = {one["kind"]: one for one in found["groups"]}
    assert groups["flat"]["message"] == DEFERRED
    assert groups["dark"]["message"] == "4 of 10 frames"
    assert groups["dark"]["group_key"]
    assert found["coverage"] == {"uncovered": 3}


async def test_lights_that_came_calibrated_ask_for_nothing(api: Api) -> None:
    await _frames(api, "light", 2, exposure_s=300.0, of_filter="R", calstat="BDF")
    found = (await api.get(f"/api/v1/calibration/needs/{api.home.id}")).json()
    assert (found["lights"], found["needs"], found["aging"]) == (0, [], [])
    await _dark(api, -10.0)
    await api.runtime.pool.execute("UPDATE master SET last_at = now() - interval '25 days'")
    (aging,) = (await api.get(f"/api/v1/calibration/needs/{api.home.id}")).json()["aging"]
    assert (aging["coverage"], round(aging["age_days"])) == ("expiring", 25)


async def test_the_plan_comes_as_json_and_csv_in_the_same_order(api: Api) -> None:
    await _frames(api, "light", 1, exposure_s=300.0, of_filter="=cmd()")
    path = f"/api/v1/calibration/plan/{api.home.id}"
    items = (await api.get(path)).json()["items"]
    answer = await api.get(f"{path}?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["kind"] for row in rows] == [one["kind"] for one in items] == ["dark", "flat"]
    assert rows[1]["filter"] == "'=cmd()"
    assert (await api.get(f"{path}?format=xml")).status_code == 400


async def test_explain_names_the_failing_rule_and_the_setting_that_turns_it(api: Api) -> None:
    light = await _frames(api, "light", 1, exposure_s=300.0, of_filter="R")
    master = await _dark(api, -5.0)
    found = (await api.get(f"/api/v1/frames/{light}/calibration/explain")).json()
    dark = next(place for place in found["places"] if place["place"] == "dark")
    assert dark["master_id"] is None
    (candidate,) = dark["candidates"]
    assert (candidate["master_id"], candidate["failed"]) == (str(master), ["temperature"])
    assert candidate["changes"] == [{"setting": "temperature_tolerance_c", "now": 2.0, "needed": 5.0}]
    (rule,) = (rule for rule in candidate["rules"] if not rule["passed"])
    assert (rule["wanted"], rule["found"], rule["tolerance"]) == (-10.0, -5.0, 2.0)
    assert "would match with temperature_tolerance_c 5 (now 2)" in dark["sentence"]


async def test_explain_names_filters_as_written_and_as_read_and_a_dry_run_tries_a_synonym(api: Api) -> None:
    await _dark(api, -10.0)
    flat = await _master(api, FrameType.FLAT, -10.0, None, of_filter="H_Alpha 7nm")
    light = await _frames(api, "light", 2, exposure_s=300.0, of_filter="H-alpha")
    found = (await api.get(f"/api/v1/frames/{light}/calibration/explain")).json()
    told = next(place for place in found["places"] if place["place"] == "flat")
    assert told["sentence"] == (
        "no master flat matches; nearest: filter: frame H-alpha, master H_Alpha 7nm (H-alpha is read as Ha, "
        "H_Alpha 7nm as Ha 7nm); would match with filter_synonyms H-alpha = H_Alpha 7nm (now nothing)"
    )
    wanted = {"filter_synonyms": "H-alpha = H_Alpha 7nm"}
    path = f"/api/v1/observatories/{api.home.id}/calibration-settings"
    tried = (await api.post(f"{path}/dry-run", json={"settings": wanted})).json()
    assert [(one["place"], one["effect"], one["after"]) for one in tried["effects"]] == [("flat", "gains", str(flat))]
    assert (await api.request("PUT", path, json={"settings": wanted})).status_code == 200
    found = (await api.get(f"/api/v1/frames/{light}/calibration/explain")).json()
    told = next(place for place in found["places"] if place["place"] == "flat")
    assert told["master_id"] == str(flat)
    assert told["sentence"].endswith("filter H_Alpha 7nm: H-alpha is read as Ha, H_Alpha 7nm as Ha")


async def test_a_dark_needs_no_master(api: Api) -> None:
    dark = await _frames(api, "dark", 1, exposure_s=300.0)
    found = (await api.get(f"/api/v1/frames/{dark}/calibration/explain")).json()
    assert (found["places"], found["sentence"][:26]) == ([], "A dark is calibrated with ")


async def test_a_dry_run_tells_who_gains_and_changes_nothing(api: Api) -> None:
    await _frames(api, "light", 3, exposure_s=300.0)
    master = await _dark(api, -5.0)
    path = f"/api/v1/observatories/{api.home.id}/calibration-settings"
    found = (await api.post(f"{path}/dry-run", json={"settings": {"temperature_tolerance_c": 5.0}})).json()
    assert (found["lights"], found["gaining"], found["losing"], found["unchanged"]) == (3, 3, 0, 0)
    assert [(one["effect"], one["after"]) for one in found["effects"]] == [("gains", str(master))]
    assert (await api.get(path)).json()["version"] == 0
    refused = await api.post(f"{path}/dry-run", json={"settings": {"min_frames": 1}})
    assert refused.status_code == 422
    member = await api.token(Role.MEMBER)
    assert (await api.post(f"{path}/dry-run", member, json={"settings": {}})).status_code == 403


@pytest.mark.parametrize(
    ("kind", "more", "sentence"),
    [
        ("unknown", {}, "The header does not say whether this is a light, dark, flat or bias"),
        ("snapshot", {}, "A snapshot is not calibrated"),
        ("light", {"calstat": "BDF"}, "No masters are applied: the light came calibrated already (CALSTAT 'BDF')."),
    ],
)
async def test_explain_says_why_nothing_is_chosen(api: Api, kind: str, more: dict[str, str], sentence: str) -> None:
    frame_id = await _frames(api, kind, 1, exposure_s=300.0, **more)
    answer = await api.get(f"/api/v1/frames/{frame_id}/calibration/explain")
    assert answer.status_code == 200
    assert answer.json()["sentence"].startswith(sentence)
    assert answer.json()["places"] == []
