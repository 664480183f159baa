"""The selection table: who gets which master, written by hand; and what must hold of any masters and lights."""

import tomllib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictor.imaging.matching.explaining import Explanation, changed, explain
from pictor.imaging.matching.frames import CameraMode, Frame, FrameType
from pictor.imaging.matching.policy import CameraType, FlatRotation, Policy, validate
from pictor.imaging.matching.rules import MasterFrame, MasterStatus, rules_for
from pictor.imaging.matching.selection import select
from pictor.imaging.matching.shelf import Shelf
from tests.support.rig import MODE, NIGHT

TABLE = tomllib.loads(Path(__file__).with_name("selection_table.toml").read_text(encoding="utf-8"))


def _value(said: object) -> Any:
    return None if said == "none" else said


def _mode(row: dict[str, Any]) -> CameraMode:
    said = {**TABLE["mode"], **row}
    return CameraMode(**{name: _value(said[name]) for name in CameraMode.__dataclass_fields__ if name in said})


def _master(row: dict[str, Any]) -> MasterFrame:
    return MasterFrame(
        row["id"], FrameType(row["kind"]), _mode(row), row["taken"], row["frames"], MasterStatus(row["status"]),
        row.get("exposure_s"), row.get("filter"), row.get("rotator_deg"), row.get("temp_c"),
        row.get("holds_bias", True),
    )  # fmt: skip


def _frame(row: dict[str, Any]) -> Frame:
    return Frame(
        row["about"], FrameType(row.get("kind", "light")), _mode(row), row["start"], row.get("exposure_s"),
        row.get("filter"), row.get("rotator_deg"), row.get("temp_c"),
    )  # fmt: skip


MASTERS = [_master(row) for row in TABLE["master"]]
ASKED = [pytest.param(row, id=row["about"]) for row in (*TABLE["light"], *TABLE["more"])]


def _explained(row: dict[str, Any]) -> Explanation:
    policy = validate(row.get("policy", {}))
    (one,) = (one for one in explain(_frame(row), MASTERS, policy) if str(one.place) == row["place"])
    return one


def _wrong(row: dict[str, Any]) -> list[str]:
    """Compare one answer with what is written; empty where all is as it should be."""
    found = _explained(row)
    chosen = found.selection.chosen
    seen = {
        "master": chosen.master.master_id if chosen else None,
        "failed": list(found.failed),
        "weak": list(chosen.weak) if chosen else [],
        "expired": chosen.expired if chosen else False,
    }
    blank: dict[str, object] = {"master": None, "failed": [], "weak": [], "expired": False}
    return [
        f"{row['about']}: {name} is {value}, not {row.get(name, blank[name])}"
        for name, value in seen.items()
        if value != row.get(name, blank[name])
    ]


def test_the_table_holds_forty_masters_of_six_months_and_thirty_lights() -> None:
    taken = [master.start_utc for master in MASTERS]
    assert len({master.master_id for master in MASTERS}) == 40
    assert max(taken) - min(taken) > timedelta(days=150)
    assert len(TABLE["light"]) == 30


def test_thirty_of_thirty_lights_get_what_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {row["about"]: found for row in TABLE["light"] if (found := _wrong(row))}
    unmatched = sum("failed" in row for row in TABLE["light"])
    with capsys.disabled():
        print(f"\nselection table: {30 - len(wrong)}/30, {unmatched} without a match, each with its failing rule")
    assert not wrong


@pytest.mark.parametrize("row", ASKED)
def test_a_row_of_the_table(row: dict[str, Any]) -> None:
    assert not _wrong(row)


@pytest.mark.parametrize("row", [one for one in ASKED if "failed" in one.values[0]])
def test_explain_says_the_failing_rule_with_both_values(row: dict[str, Any]) -> None:
    found = _explained(row)
    nearest = found.verdicts[0].candidate
    for rule in nearest.failures:
        assert rule.sentence in found.sentence
        assert rule.name in row["failed"]
    assert len(found.verdicts) == len([one for one in MASTERS if one.frame_type in _serving(row["place"])])


def _serving(place: str) -> set[FrameType]:
    return {FrameType.DARK, FrameType.FLAT_DARK} if place == "flat-dark" else {FrameType(place)}


@pytest.mark.parametrize("row", ASKED)
def test_a_proposed_change_of_settings_makes_the_candidate_match(row: dict[str, Any]) -> None:
    policy, frame = validate(row.get("policy", {})), _frame(row)
    for verdict in _explained(row).verdicts:
        if verdict.changes:
            after = changed(policy, verdict.changes)
            assert after is not None
            assert all(rule.passed for rule in rules_for(frame, verdict.candidate.master, after))


def test_the_shelf_chooses_and_excuses_as_looking_at_all_masters_does() -> None:
    shelf = Shelf(MASTERS)
    for row in (*TABLE["light"], *TABLE["more"]):
        policy, place = validate(row.get("policy", {})), FrameType(row["place"])
        whole, quick = (one.select(_frame(row), policy, wanted=place) for one in (All(MASTERS), shelf))
        assert (quick.master, quick.reason) == (whole.master, whole.reason), row["about"]


class All:
    """Looks at every master."""

    def __init__(self, masters: list[MasterFrame]) -> None:
        self.masters = masters

    def select(self, frame: Frame, policy: Policy, *, wanted: FrameType) -> Any:
        return select(frame, self.masters, policy, wanted=wanted)


GAINS = st.sampled_from([None, 0.0, 100.0])
EXPOSURES = st.sampled_from([None, 60.0, 60.2, 61.0, 120.0, 300.0])
TEMPERATURES = st.one_of(st.none(), st.floats(-20, 10).map(lambda value: round(value, 1)))
ANGLES = st.one_of(st.none(), st.floats(0, 359.9).map(lambda value: round(value, 1)))
FILTERS = st.sampled_from([None, "R", "G"])
MODES = st.builds(
    lambda rig, gain, binning: replace(MODE, rig_id=rig, gain_setting=gain, binning_x=binning),
    st.sampled_from(["rig-1", "rig-2"]), GAINS, st.sampled_from([None, 1, 2]),
)  # fmt: skip
LIGHTS = st.builds(
    lambda mode, exposure, name, angle, temperature: Frame(
        "light", FrameType.LIGHT, mode, NIGHT, exposure, name, angle, temperature
    ),
    MODES, EXPOSURES, FILTERS, ANGLES, TEMPERATURES,
)  # fmt: skip
FEATURES = st.tuples(
    st.sampled_from(list(FrameType)[1:]), MODES, st.integers(-200, 200), st.integers(2, 60),
    st.sampled_from(list(MasterStatus)), EXPOSURES, FILTERS, ANGLES, TEMPERATURES, st.booleans(),
)  # fmt: skip
LIBRARIES = st.lists(FEATURES, max_size=12).map(
    lambda rows: [
        MasterFrame(f"m{number}", row[0], row[1], NIGHT + timedelta(days=row[2]), *row[3:])
        for number, row in enumerate(rows)
    ]
)
POLICIES = st.builds(
    Policy, camera_type=st.sampled_from(list(CameraType)), flat_rotation=st.sampled_from(list(FlatRotation)),
    temperature_tolerance_c=st.floats(0.1, 10), rotation_tolerance_deg=st.floats(0, 90),
    exposure_tolerance_s=st.floats(0, 2), exposure_tolerance_share=st.floats(0, 0.1),
)  # fmt: skip
PLACES = st.sampled_from([FrameType.DARK, FrameType.FLAT, FrameType.BIAS, FrameType.FLAT_DARK])


@settings(max_examples=80, deadline=None)
@given(LIGHTS, LIBRARIES, POLICIES, PLACES, st.randoms())
def test_the_choice_does_not_depend_on_the_order_of_the_masters(
    light: Frame, masters: list[MasterFrame], policy: Policy, place: FrameType, chance: Any
) -> None:
    shuffled = masters.copy()
    chance.shuffle(shuffled)
    first, second = (select(light, some, policy, wanted=place) for some in (masters, shuffled))
    assert first == second


@settings(max_examples=80, deadline=None)
@given(LIGHTS, LIBRARIES, POLICIES, PLACES, st.floats(0, 10))
def test_a_wider_tolerance_never_loses_a_match(
    light: Frame, masters: list[MasterFrame], policy: Policy, place: FrameType, more: float
) -> None:
    wider = replace(
        policy, temperature_tolerance_c=policy.temperature_tolerance_c + more,
        rotation_tolerance_deg=policy.rotation_tolerance_deg + more,
        exposure_tolerance_s=policy.exposure_tolerance_s + more,
        exposure_tolerance_share=policy.exposure_tolerance_share + more / 100,
        dark_scale_min=policy.dark_scale_min / (1 + more), dark_scale_max=policy.dark_scale_max + more,
    )  # fmt: skip
    before, after = (
        {one.master.master_id for one in select(light, masters, some, wanted=place).candidates if one.matches}
        for some in (policy, wider)
    )
    assert before <= after


@settings(max_examples=80, deadline=None)
@given(LIGHTS, LIBRARIES, POLICIES, PLACES)
def test_the_shelf_chooses_as_looking_at_all_masters_does(
    light: Frame, masters: list[MasterFrame], policy: Policy, place: FrameType
) -> None:
    whole, quick = select(light, masters, policy, wanted=place), Shelf(masters).select(light, policy, wanted=place)
    assert (quick.chosen, quick.reason) == (whole.chosen, whole.reason)
    assert quick.candidates[:1] == whole.candidates[:1]


@settings(max_examples=60, deadline=None)
@given(LIGHTS, LIBRARIES, POLICIES)
def test_every_proposal_matches_and_is_within_the_ranges(
    light: Frame, masters: list[MasterFrame], policy: Policy
) -> None:
    for one in explain(light, masters, policy):
        for verdict in one.verdicts:
            if verdict.changes:
                after = changed(policy, verdict.changes)
                assert after is not None
                assert all(rule.passed for rule in rules_for(light, verdict.candidate.master, after))
