"""Which masters a light gets, and what a plan says before anything is done."""

from dataclasses import replace

import pytest

from pictor.cli.processing.choosing import choose, expected_master, master_names
from pictor.cli.processing.missing import missing
from pictor.cli.processing.planning import lines_of, plan
from pictor.cli.processing.sorting import Individuals, sort
from pictor.imaging.matching.policy import CameraType, Policy
from pictor.imaging.matching.rules import MasterFrame
from tests.services.cli.processing.nightfolder import seen

POLICY = Policy()
LIGHT = seen("light", filter="R", target_name="M 51")


def groups_of(*kinds: str, **told: object) -> tuple[Individuals, ...]:
    exposures = {"bias": 0.0, "dark": 60.0, "flat": 2.0}
    files = [
        seen(f"{kind}{number}", kind, exposure_s=told.get("exposure_s", exposures[kind]),
             filter="R" if kind == "flat" else None)
        for kind in kinds for number in range(3)
    ]  # fmt: skip
    return sort(files, POLICY).groups


def masters_of(*kinds: str, **told: object) -> list[MasterFrame]:
    return [expected_master(group, str(group.key.frame_type)) for group in groups_of(*kinds, **told)]


def test_dark_and_flat_are_applied_and_the_bias_tells_the_level() -> None:
    choice = choose(LIGHT, masters_of("bias", "dark", "flat"), POLICY)
    assert choice.masters == {"dark": "dark", "flat": "flat", "bias_level": "bias"}


def test_a_flat_alone_is_not_applied() -> None:
    choice = choose(LIGHT, masters_of("flat"), POLICY)
    assert not choice.masters
    assert "a flat alone would scale the offset too" in choice.why[-1]


def test_a_bias_stands_in_for_a_missing_dark() -> None:
    assert choose(LIGHT, masters_of("bias", "flat"), POLICY).masters == {"flat": "flat", "bias": "bias"}


def test_a_light_that_came_calibrated_stays_as_it_is() -> None:
    choice = choose(seen("x", calstat="BDF"), masters_of("bias", "dark"), POLICY)
    assert choice.came_calibrated
    assert not choice.masters


def test_a_ccd_dark_without_bias_is_scaled() -> None:
    policy = replace(POLICY, camera_type=CameraType.CCD)
    bias, dark = masters_of("bias", "dark", exposure_s=40.0)
    choice = choose(LIGHT, [bias, replace(dark, holds_bias=False)], policy)
    assert choice.masters == {"dark": "dark", "bias": "bias"}
    assert choice.dark_scale == pytest.approx(1.5)
    alone = choose(LIGHT, [replace(dark, holds_bias=False)], policy)
    assert not alone.masters


def test_what_is_missing_is_said_once_for_all_lights_that_lack_it() -> None:
    files = sort([seen("a", filter="R"), seen("b", filter="R"), seen("c", filter="B")], POLICY)
    told = missing(files, masters_of("dark"), POLICY)
    assert [sentence.split(" (")[0] for sentence in told] == [
        "1 light lacks a flat for filter B", "2 lights lack a flat for filter R"
    ]  # fmt: skip


def test_masters_have_different_names() -> None:
    files = [seen("a", "dark"), seen("b", "dark", camera="Other"), seen("c", "dark", gain_setting=5.0)]
    names = master_names(sort(files, POLICY).groups)
    assert len(set(names)) == 3
    assert all(name.startswith("master_dark_60s_-10C") for name in names)


def test_a_plan_names_masters_lights_and_coadds() -> None:
    files = [one for kind in ("bias", "dark", "flat") for group in groups_of(kind) for one in group.members]
    files += [seen(f"flatdark{number}", "dark", exposure_s=2.0) for number in range(3)]
    found = plan(sort([*files, LIGHT, seen("z again", sha256="light")], POLICY), POLICY)
    assert [(one.kind, one.frames, one.why_not) for one in found.masters] == [
        ("bias", 3, ""), ("dark", 3, ""), ("dark", 3, ""), ("flat", 3, "")
    ]  # fmt: skip
    assert set(found.lights[0].masters) == {"dark", "flat", "bias_level"}
    assert "coadd M_51_R: 1 lights" in lines_of(found)


def test_a_plan_says_which_flats_lack_their_dark() -> None:
    found = plan(sort([one for group in groups_of("flat", "dark") for one in group.members], POLICY), POLICY)
    assert "flats need a dark of their exposure" in found.masters[-1].why_not


def test_a_plan_of_nothing_is_empty() -> None:
    assert not lines_of(plan(sort([], POLICY), POLICY))
