"""What a library is short of, the capture plan that follows, and what another policy would change."""

import csv
import io
from dataclasses import replace
from datetime import date, timedelta

import pytest

from pictor.imaging.matching.coverage import Assessment, Coverage, Need
from pictor.imaging.matching.dryrun import Effect, dry_run
from pictor.imaging.matching.frames import FrameType, LightGroup, Pile
from pictor.imaging.matching.needs import assess
from pictor.imaging.matching.plan import as_csv, plan
from pictor.imaging.matching.policy import CameraType, FlatRotation, Policy
from pictor.imaging.matching.rules import MasterFrame, MasterStatus
from tests.support.rig import MODE, NIGHT

POLICY = Policy()
NOW = NIGHT + timedelta(days=5)
DARK = MasterFrame("dark", FrameType.DARK, MODE, NIGHT, 20, exposure_s=300.0, temp_c=-10.0)
FLAT = MasterFrame("flat", FrameType.FLAT, MODE, NIGHT, 20, filter="R", rotator_deg=45.0, temp_c=-10.0)
LIGHTS = LightGroup(MODE, (date(2026, 3, 10),), 40, NIGHT, NIGHT, 300.0, "R", 45.0, -10.0)
DARKS = Pile(FrameType.DARK, MODE, 4, NIGHT, 300.0, temperature_c=-10.0, unused=4)
FLATS = Pile(FrameType.FLAT, MODE, 12, NIGHT, 2.0, "R", 45.0, -10.0, unused=12)


def look(
    lights: list[LightGroup], masters: list[MasterFrame], piles: list[Pile], policy: Policy = POLICY
) -> Assessment:  # fmt: skip
    return assess(lights, masters, piles, policy, now=NOW)


def the(found: Assessment, kind: FrameType) -> Need:
    (one,) = (need for need in found.needs if need.kind is kind)
    return one


@pytest.mark.parametrize(
    ("age_days", "coverage"),
    [(5, Coverage.COVERED), (24, Coverage.COVERED), (25, Coverage.EXPIRING), (31, Coverage.EXPIRED)],
)
def test_a_dark_is_covered_expiring_from_four_fifths_of_its_age_and_expired_in_use(
    age_days: int, coverage: Coverage
) -> None:
    need = the(look([LIGHTS], [replace(DARK, start_utc=NOW - timedelta(days=age_days))], []), FrameType.DARK)
    assert need.coverage is coverage
    assert (need.lights, need.waiting_lights) == (40, 0)


def test_a_light_silent_on_its_gain_is_covered_weakly() -> None:
    silent = replace(LIGHTS, mode=replace(MODE, gain_setting=None))
    need = the(look([silent], [DARK], []), FrameType.DARK)
    assert need.coverage is Coverage.WEAK
    assert "gain_setting not stated by the frame" in need.reason


def test_without_a_master_lights_and_nights_wait_and_the_nearest_miss_says_why() -> None:
    other = replace(DARK, mode=replace(MODE, gain_setting=0.0))
    again = replace(LIGHTS, nights=(date(2026, 3, 12),), count=2)
    need = the(look([LIGHTS, again], [other], [DARKS]), FrameType.DARK)
    assert (need.coverage, need.waiting_lights, need.waiting_nights) == (Coverage.UNCOVERED, 42, 2)
    assert (need.have, need.minimum, need.missing) == (4, 10, 6)
    assert need.nearest is not None
    assert [rule.name for rule in need.nearest.failures] == ["gain_setting"]
    assert "gain_setting: frame 100, master 0" in need.reason


def test_twelve_darks_in_two_temperature_clusters_make_no_master() -> None:
    piles = [replace(DARKS, count=6, unused=6), replace(DARKS, count=6, unused=6, temperature_c=0.0)]
    need = the(look([LIGHTS], [], piles), FrameType.DARK)
    assert (need.have, need.missing) == (6, 4)
    assert [(one.temp_c, one.frames, one.fits) for one in need.in_hand] == [(-10.0, 6, True), (0.0, 6, False)]


def test_refused_frames_do_not_count_but_are_told() -> None:
    need = the(look([LIGHTS], [], [replace(DARKS, refused=7)]), FrameType.DARK)
    assert (need.have, need.in_hand[0].refused) == (4, 7)


def test_a_group_of_refused_frames_alone_says_so() -> None:
    need = the(look([LIGHTS], [], [replace(DARKS, count=0, unused=0, refused=3)]), FrameType.DARK)
    assert need.reason.endswith("0 of 10 frames in hand, 3 refused, each for its reason")


def test_a_master_made_anew_with_its_old_frames_too_ages_from_the_newest() -> None:
    anew = replace(DARK, start_utc=NOW - timedelta(days=40), first_utc=NOW - timedelta(days=80), last_utc=NOW)
    found = look([LIGHTS], [anew], [])
    need = the(found, FrameType.DARK)
    assert (need.coverage, need.age, need.expires_at) == (Coverage.COVERED, timedelta(0), NOW + timedelta(days=30))
    assert not found.aging


def test_masters_that_age_are_told_whether_or_not_lights_ask_for_them() -> None:
    late = replace(DARK, master_id="late", start_utc=NOW - timedelta(days=25))
    flat = replace(FLAT, start_utc=NOW - timedelta(days=8))
    gone = replace(DARK, master_id="gone", start_utc=NOW - timedelta(days=50), status=MasterStatus.SUPERSEDED)
    found = look([], [DARK, late, gone, flat], [])
    told = [(one.master.master_id, one.coverage, one.expires_at - NOW) for one in found.aging]
    assert told == [
        ("flat", Coverage.EXPIRED, timedelta(days=-1)), ("late", Coverage.EXPIRING, timedelta(days=5)),
    ]  # fmt: skip


def test_a_plan_asks_no_set_point_of_a_camera_that_has_none_and_tells_subframes_apart() -> None:
    part = replace(LIGHTS, mode=replace(MODE, width=100, height=80, roi_x=10, roi_y=20), cooled=False)
    items = plan(look([LIGHTS, part], [], []).needs)
    assert {(one.width, one.roi_x, one.set_temp_c) for one in items} == {
        (MODE.width, MODE.roi_x, -10.0),
        (100, 10, None),
    }


def test_a_filter_at_two_gains_is_two_needs() -> None:
    other = replace(LIGHTS, mode=replace(MODE, gain_setting=0.0))
    flats = [need for need in look([LIGHTS, other], [], []).needs if need.kind is FrameType.FLAT]
    assert sorted(need.mode.gain_setting or 0.0 for need in flats) == [0.0, 100.0]
    assert {need.filter for need in flats} == {"R"}


def test_flats_need_a_dark_at_their_own_exposure_and_wait_for_it() -> None:
    found = look([LIGHTS], [DARK], [FLATS])
    flat, dark = the(found, FrameType.FLAT), the(found, FrameType.FLAT_DARK)
    assert (dark.exposure_s, dark.missing, dark.blocks) == (2.0, 10, (flat.need_id,))
    assert dark.waiting_lights == 40
    assert flat.deferred
    assert flat.reason.endswith("12 of 10 frames in hand, but there is no master dark of their exposure")
    assert flat.waits_for == (dark.need_id,)
    (waiting,) = found.waiting
    assert waiting.deferred
    assert waiting.waits_for == (dark.need_id,)


def test_flats_with_a_dark_of_their_exposure_wait_for_nothing() -> None:
    short = replace(DARK, master_id="short", exposure_s=2.05)
    found = look([LIGHTS], [DARK, short], [FLATS])
    assert the(found, FrameType.FLAT_DARK).coverage is Coverage.COVERED
    assert not the(found, FrameType.FLAT).deferred
    assert not found.waiting


def test_a_bias_is_asked_for_where_it_may_stand_in_for_the_dark_of_flats() -> None:
    lenient = replace(POLICY, bias_for_flats_below_s=3.0)
    found = look([LIGHTS], [DARK], [FLATS], lenient)
    assert the(found, FrameType.BIAS).blocks == (the(found, FrameType.FLAT).need_id,)
    bias = MasterFrame("bias", FrameType.BIAS, MODE, NIGHT, 50, temp_c=-10.0)
    assert not the(look([LIGHTS], [DARK, bias], [FLATS], lenient), FrameType.FLAT).deferred


def test_flats_never_taken_at_this_gain_have_the_exposure_of_the_last_of_the_filter() -> None:
    before = replace(FLATS, mode=replace(MODE, gain_setting=0.0), exposure_s=1.5, unused=0)
    found = look([LIGHTS], [DARK], [before])
    assert the(found, FrameType.FLAT).exposure_s == 1.5
    assert {need.exposure_s for need in found.needs if need.kind is FrameType.FLAT_DARK} == {1.5}


def test_a_ccd_needs_a_bias_to_scale_its_darks() -> None:
    ccd = replace(POLICY, camera_type=CameraType.CCD)
    assert the(look([LIGHTS], [replace(DARK, holds_bias=False)], [], ccd), FrameType.BIAS).missing == 10
    assert not [need for need in look([LIGHTS], [DARK], [], ccd).needs if need.kind is FrameType.BIAS]


def test_lights_that_drift_without_a_set_point_make_one_need() -> None:
    drifting = [replace(LIGHTS, temperature_c=-10.0 + 0.5 * step) for step in range(4)]
    assert len([need for need in look(drifting, [], []).needs if need.kind is FrameType.DARK]) == 1


def test_needs_come_by_lights_that_wait() -> None:
    few = replace(LIGHTS, exposure_s=60.0, count=3)
    found = look([few, LIGHTS], [replace(FLAT, start_utc=NOW)], [])
    assert [need.waiting_lights for need in found.needs] == sorted(
        (need.waiting_lights for need in found.needs), reverse=True
    )
    assert [need.exposure_s for need in found.needs][:2] == [300.0, 60.0]


def test_the_plan_is_bias_dark_flat_dark_flat_and_keeps_filters_together() -> None:
    ccd = replace(POLICY, camera_type=CameraType.CCD, flat_rotation=FlatRotation.REQUIRED)
    lights = [
        replace(LIGHTS, filter=name, rotator_deg=angle, count=count)
        for name, angle, count in (("R", 10.0, 5), ("G", 10.0, 50), ("R", 90.0, 60), ("G", 90.0, 1))
    ]
    items = plan(look(lights, [], [replace(FLATS, count=2, rotator_deg=10.0)], ccd).needs)
    kinds = [str(item.kind) for item in items]
    assert kinds == sorted(kinds, key=["bias", "dark", "flat-dark", "flat"].index)
    assert set(kinds) == {"bias", "dark", "flat-dark", "flat"}
    assert [item.filter for item in items if item.kind is FrameType.FLAT] == ["R", "R", "G", "G"]
    first = items[0]
    assert (first.count, first.gain_setting, first.binning, first.set_temp_c) == (10, 100.0, "1x1", -10.0)
    assert all(item.reason for item in items)


def test_nothing_is_planned_for_what_is_complete_or_only_weak() -> None:
    silent = replace(LIGHTS, mode=replace(MODE, gain_setting=None))
    fresh = [DARK, replace(FLAT, start_utc=NOW)]
    assert plan(look([silent], fresh, []).needs) == ()
    complete = [replace(DARKS, count=10, unused=10)]
    assert [item.kind for item in plan(look([LIGHTS], [], complete).needs)] == [FrameType.FLAT]


@pytest.mark.parametrize(
    "name",
    ['=HYPERLINK("http://x","y")', "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", '",\r\n=1', "\uff1d1", "a\x00b\u2028c", "R,G"],
)
def test_what_a_header_says_is_one_harmless_cell_of_the_csv(name: str) -> None:
    hostile = replace(LIGHTS, filter=name, mode=replace(MODE, readout_mode=name))
    items = plan(look([hostile], [], []).needs)
    rows = list(csv.reader(io.StringIO(as_csv(items), newline="")))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(rows) == len(items) + 1
    for cell in (cell for row in rows[1:] for cell in row):
        assert not cell.strip().startswith(("=", "+", "@", "\uff1d"))
        assert not cell.startswith("-") or float(cell) <= 0
        assert not set(cell) & set("\r\n\t\x00\u2028")


def test_a_dry_run_tells_who_gains_loses_and_changes() -> None:
    warm = replace(LIGHTS, temperature_c=-5.0, count=7)
    masters = [DARK, replace(DARK, master_id="late", start_utc=NIGHT + timedelta(days=40))]
    wider = dry_run([LIGHTS, warm], masters, POLICY, replace(POLICY, temperature_tolerance_c=5.0))
    assert (wider.lights, wider.unchanged) == (47, 40)
    assert [(one.effect, one.place, one.before, one.after) for one in wider.effects] == [
        (Effect.GAINS, FrameType.DARK, None, "dark")
    ]
    back = dry_run([LIGHTS, warm], masters, replace(POLICY, temperature_tolerance_c=5.0), POLICY)
    assert (back.count(Effect.LOSES), back.count(Effect.GAINS)) == (7, 0)
    assert "temperature" in back.effects[0].reason


def test_a_dry_run_sees_another_master_preferred() -> None:
    flats = [replace(FLAT, rotator_deg=200.0), replace(FLAT, master_id="turned", start_utc=NIGHT - timedelta(days=3))]
    found = dry_run([LIGHTS], flats, POLICY, replace(POLICY, flat_rotation=FlatRotation.PREFERRED))
    assert [(one.effect, one.before, one.after) for one in found.effects] == [(Effect.CHANGES, "flat", "turned")]


def test_the_same_settings_change_nothing() -> None:
    assert dry_run([LIGHTS], [DARK, FLAT], POLICY, POLICY).effects == ()
