"""Which master a light gets."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from pictor.imaging.matching.explaining import explain
from pictor.imaging.matching.frames import Frame, FrameType
from pictor.imaging.matching.policy import CameraType, FlatRotation, Policy
from pictor.imaging.matching.rules import HOLDS_BIAS, MasterFrame, MasterStatus
from pictor.imaging.matching.selection import common_time, dark_for_flats, select, select_set
from tests.support.rig import MODE, NIGHT

Maker = Callable[..., Frame]
POLICY = Policy()
DARK = MasterFrame("dark", FrameType.DARK, MODE, NIGHT, 20, exposure_s=300.0, temp_c=-10.0)
FLAT = MasterFrame("flat", FrameType.FLAT, MODE, NIGHT, 20, filter="R", rotator_deg=45.0, temp_c=-10.0)
BIAS = MasterFrame("bias", FrameType.BIAS, MODE, NIGHT, 50, temp_c=-10.0)
REQUIRED, PREFERRED = Policy(flat_rotation=FlatRotation.REQUIRED), Policy(flat_rotation=FlatRotation.PREFERRED)
CCD = Policy(camera_type=CameraType.CCD)


def days(n: float) -> timedelta:
    return timedelta(days=n)


def mode(**said: object) -> dict[str, object]:
    return {"mode": replace(MODE, **said)}  # type: ignore[arg-type]


WARM = replace(DARK, temp_c=10.0)
D, F = FrameType.DARK, FrameType.FLAT

# name, light, masters, policy, wanted, chosen, failed rules of the nearest miss
TABLE: list[tuple[str, dict[str, object], list[MasterFrame], Policy, FrameType, str | None, list[str]]] = [
    ("a dark of the same mode, exposure and temperature", {}, [DARK], POLICY, D, "dark", []),
    ("no master at all", {}, [], POLICY, D, None, []),
    ("a flat is no dark", {}, [FLAT], POLICY, D, None, []),
    ("another gain", mode(gain_setting=0.0), [DARK], POLICY, D, None, ["gain_setting"]),
    ("another offset", mode(offset_setting=10.0), [DARK], POLICY, D, None, ["offset_setting"]),
    ("another readout mode", mode(readout_mode="Low"), [DARK], POLICY, D, None, ["readout_mode"]),
    (
        "another binning",
        mode(binning_x=2, binning_y=2),
        [DARK],
        POLICY,
        D,
        None,
        ["binning_x", "binning_y"],
    ),
    ("another rig with the same camera model", mode(rig_id="rig-2"), [DARK], POLICY, D, None, ["rig_id"]),
    ("another region of the sensor", mode(roi_x=64), [DARK], POLICY, D, None, ["roi_x"]),
    (
        "a light silent on gain is a weak match",
        mode(gain_setting=None),
        [DARK],
        POLICY,
        D,
        "dark",
        [],
    ),
    (
        "a master that does not state the gain is no match",
        {},
        [replace(DARK, mode=replace(MODE, gain_setting=None))],
        POLICY,
        D,
        None,
        ["gain_setting"],
    ),
    (
        "a light at 8 C gets the dark at 10 C",
        {"set_temp_c": 8.0},
        [WARM],
        POLICY,
        D,
        "dark",
        [],
    ),
    (
        "a light at 7.9 C does not",
        {"set_temp_c": 7.9},
        [WARM],
        POLICY,
        D,
        None,
        ["temperature"],
    ),
    ("a light of 301 s gets the dark of 300 s", {"exposure_s": 301.0}, [DARK], POLICY, D, "dark", []),
    ("a light of 310 s does not", {"exposure_s": 310.0}, [DARK], POLICY, D, None, ["exposure"]),
    (
        "a CCD light takes a scaled dark without bias",
        {"exposure_s": 200.0},
        [replace(DARK, holds_bias=False)],
        CCD,
        D,
        "dark",
        [],
    ),
    ("a CCD dark with bias is not scaled", {"exposure_s": 200.0}, [DARK], CCD, D, None, ["exposure"]),
    (
        "a CCD dark is not scaled beyond twice",
        {"exposure_s": 700.0},
        [replace(DARK, holds_bias=False)],
        CCD,
        D,
        None,
        ["exposure ratio"],
    ),
    ("a flat of the filter", {"filter": "R"}, [FLAT], POLICY, F, "flat", []),
    ("a flat of another filter", {"filter": "G"}, [FLAT], POLICY, F, None, ["filter"]),
    ("rotation ignored", {"filter": "R", "rotator_deg": 200.0}, [FLAT], POLICY, F, "flat", []),
    ("rotation required", {"filter": "R", "rotator_deg": 200.0}, [FLAT], REQUIRED, F, None, ["rotation"]),
    (
        "rotation required and given across 360 degrees",
        {"filter": "R", "rotator_deg": 359.6},
        [replace(FLAT, rotator_deg=0.3)],
        REQUIRED,
        F,
        "flat",
        [],
    ),
    (
        "rotation preferred ranks before time",
        {"filter": "R", "rotator_deg": 200.0},
        [FLAT, replace(FLAT, master_id="turned", rotator_deg=200.5, start_utc=NIGHT - days(5))],
        PREFERRED,
        F,
        "turned",
        [],
    ),
    (
        "rotation preferred does not gate",
        {"filter": "R", "rotator_deg": 200.0},
        [FLAT],
        PREFERRED,
        F,
        "flat",
        [],
    ),
    (
        "a light of four months ago gets the master of its time",
        {},
        [
            replace(DARK, master_id="today", start_utc=NIGHT + days(120)),
            replace(DARK, master_id="then", start_utc=NIGHT - days(3), status=MasterStatus.SUPERSEDED),
        ],
        POLICY,
        D,
        "then",
        [],
    ),
    (
        "the active master goes before a superseded one that is no nearer than needed",
        {},
        [
            replace(DARK, master_id="new", start_utc=NIGHT + days(4)),
            replace(DARK, master_id="old", start_utc=NIGHT - days(1), status=MasterStatus.SUPERSEDED),
        ],
        POLICY,
        D,
        "new",
        [],
    ),
    (
        "an expired master stays in use",
        {},
        [replace(DARK, start_utc=NIGHT - days(200))],
        POLICY,
        D,
        "dark",
        [],
    ),
    (
        "time counts in both directions",
        {},
        [
            replace(DARK, master_id="before", start_utc=NIGHT - days(9)),
            replace(DARK, master_id="after", start_utc=NIGHT + days(2)),
        ],
        POLICY,
        D,
        "after",
        [],
    ),
    (
        "temperature goes before time",
        {},
        [
            replace(DARK, master_id="near in time", temp_c=-8.5),
            replace(DARK, master_id="near in temperature", start_utc=NIGHT - days(20)),
        ],
        POLICY,
        D,
        "near in temperature",
        [],
    ),
    (
        "more frames decide in the end",
        {},
        [DARK, replace(DARK, master_id="deep", frames=40)],
        POLICY,
        D,
        "deep",
        [],
    ),
    ("a bias does not ask for exposure", {"exposure_s": 12.0}, [BIAS], POLICY, FrameType.BIAS, "bias", []),
]


@pytest.mark.parametrize(
    ("said", "masters", "policy", "wanted", "chosen", "failed"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_the_selection_table(  # noqa: PLR0917
    said: dict[str, object],
    masters: list[MasterFrame],
    policy: Policy,
    wanted: FrameType,
    chosen: str | None,
    failed: list[str],
    frame: Maker,
) -> None:
    found = select(frame(frame_type=FrameType.LIGHT, **said), masters, policy, wanted=wanted)
    assert (found.master.master_id if found.master else None) == chosen
    if failed:
        assert [rule.name for rule in found.candidates[0].failures] == failed


def test_a_weak_match_is_flagged(frame: Maker) -> None:
    light = frame(frame_type=FrameType.LIGHT, **mode(gain_setting=None))
    found = select(light, [DARK], POLICY, wanted=FrameType.DARK)
    assert found.chosen is not None
    assert found.chosen.weak == ("gain_setting",)
    assert "weak match: gain_setting not stated by the frame" in found.reason


def test_no_match_names_the_nearest_miss_and_its_remedy(frame: Maker) -> None:
    light = frame(frame_type=FrameType.LIGHT, set_temp_c=-5.0)
    far = replace(DARK, master_id="far", temp_c=-20.0, mode=replace(MODE, gain_setting=0.0))
    found = select(light, [far, DARK], POLICY, wanted=FrameType.DARK)
    assert [one.master.master_id for one in found.candidates] == ["dark", "far"]
    assert found.reason == (
        "no master dark matches; nearest: temperature: frame -5, master -10, allowed 2; "
        "would match with temperature_tolerance_c of at least 5 (now 2)"
    )


def test_explain_lists_every_candidate_with_every_rule(frame: Maker) -> None:
    light = frame(frame_type=FrameType.LIGHT)
    found = select(light, [DARK, replace(DARK, master_id="other", temp_c=0.0)], POLICY, wanted=FrameType.DARK)
    assert [one.master.master_id for one in found.candidates] == ["dark", "other"]
    (failed,) = found.candidates[1].failures
    assert (failed.wanted, failed.found, failed.tolerance) == (-10.0, 0.0, 2.0)
    assert {"rig_id", "width", "height", "gain_setting", "exposure", "temperature"} <= {
        rule.name for rule in found.candidates[0].rules
    }


def test_a_difference_no_policy_can_bridge_has_no_remedy(frame: Maker) -> None:
    light = frame(frame_type=FrameType.LIGHT, **mode(gain_setting=0.0), set_temp_c=-5.0)
    found = select(light, [DARK], POLICY, wanted=FrameType.DARK)
    assert found.candidates[0].remedies == ()


def test_all_lights_of_a_set_share_one_time(frame: Maker) -> None:
    lights = [frame(frame_type=FrameType.LIGHT, filter="R", start_utc=NIGHT + timedelta(hours=h)) for h in (0, 3, 6)]
    flats = [
        replace(FLAT, master_id="evening", start_utc=NIGHT - timedelta(hours=1)),
        replace(FLAT, master_id="dawn", start_utc=NIGHT + timedelta(hours=8)),
    ]
    at = common_time(lights)
    chosen = {select(light, flats, POLICY, wanted=FrameType.FLAT, at=at).master for light in lights}
    assert len(chosen) == 1


def test_a_set_is_dark_flat_and_bias(frame: Maker) -> None:
    found = select_set(frame(frame_type=FrameType.LIGHT, filter="R"), [DARK, FLAT, BIAS], POLICY)
    assert [one.master.master_id for one in (found.dark, found.flat, found.bias) if one.master] == [
        "dark",
        "flat",
        "bias",
    ]
    assert found.usable


def test_a_flat_takes_a_dark_of_its_exposure_or_a_bias_only_where_allowed(frame: Maker) -> None:
    flat = frame(frame_type=FrameType.FLAT, filter="R", exposure_s=2.0)
    short = replace(DARK, master_id="short", exposure_s=2.09)
    assert dark_for_flats(flat, [DARK, BIAS], POLICY).master is None
    found = dark_for_flats(flat, [DARK, short, BIAS], POLICY).master
    assert found is not None
    assert found.master_id == "short"
    lenient = Policy(bias_for_flats_below_s=5.0)
    instead = dark_for_flats(flat, [DARK, BIAS], lenient).master
    assert instead is not None
    assert instead.master_id == "bias"


def test_a_ccd_dark_that_holds_its_bias_says_why_it_is_not_scaled(frame: Maker) -> None:
    (one,) = explain(frame(frame_type=FrameType.LIGHT, exposure_s=200.0), [DARK], CCD)[0].verdicts
    (failed,) = one.candidate.failures
    scaled = f"0.667 times; darks are scaled 0.5 to 2 times, but {HOLDS_BIAS}"
    assert failed.sentence == f"exposure: frame 200, master 300 ({scaled})"
    assert one.changes is None, "no wider tolerance is proposed in place of a dark without bias"


def test_a_dark_that_would_be_scaled_too_far_names_the_range(frame: Maker) -> None:
    light, unbiased = frame(frame_type=FrameType.LIGHT, exposure_s=60.0), replace(DARK, holds_bias=False)
    (failed,) = explain(light, [unbiased], CCD)[0].verdicts[0].candidate.failures
    assert failed.sentence == "exposure ratio: frame 60, master 300 (0.2 times; darks are scaled 0.5 to 2 times)"
