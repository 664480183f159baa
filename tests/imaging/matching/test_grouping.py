"""Which individual frames belong together."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictor.imaging.matching.frames import Frame, FrameType
from pictor.imaging.matching.grouping import GroupKey, cluster, group_frames, roles, same_group
from pictor.imaging.matching.policy import FlatRotation, Policy
from tests.support.rig import MODE, NIGHT

Maker = Callable[..., Frame]
POLICY = Policy()


def sizes(frames: list[Frame], policy: Policy = POLICY) -> list[int]:
    return sorted(len(group.frames) for group in group_frames(frames, policy))


def test_eight_ten_and_twelve_degrees_are_not_one_group(frame: Maker) -> None:
    frames = [frame(set_temp_c=t, ccd_temp_c=t) for t in (8.0, 10.0, 12.0) for _ in range(4)]
    groups = group_frames(frames, POLICY)
    assert len(groups) > 1
    for group in groups:
        temperatures = [member.set_temp_c or 0.0 for member in group.frames]
        assert max(temperatures) - min(temperatures) <= 2.0
        assert max(abs(t - (group.key.temp_c or 0.0)) for t in temperatures) <= 2.0


@given(st.lists(st.floats(-40, 30), max_size=60), st.floats(0.1, 20))
def test_members_of_a_cluster_are_within_the_tolerance_of_each_other(values: list[float], tolerance: float) -> None:
    found = cluster(values, lambda _: tolerance)
    assert sorted(i for members in found for i in members) == list(range(len(values)))
    for members in found:
        inside = [values[i] for i in members]
        assert max(inside) - min(inside) <= tolerance + 1e-6


@given(st.lists(st.floats(-40, 30), max_size=30), st.randoms())
def test_clusters_do_not_depend_on_the_order_of_arrival(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one = sorted(sorted(values[i] for i in members) for members in cluster(values, lambda _: 2.0))
    two = sorted(sorted(shuffled[i] for i in members) for members in cluster(shuffled, lambda _: 2.0))
    assert one == two


def test_minus_9_9_and_minus_10_are_one_group_but_not_minus_9_9_and_minus_7(frame: Maker) -> None:
    assert sizes([frame(set_temp_c=-9.9), frame(set_temp_c=-10.0)]) == [2]
    assert sizes([frame(set_temp_c=-9.9), frame(set_temp_c=-7.0)]) == [1, 1]


def test_a_stray_frame_does_not_tear_a_good_group_apart(frame: Maker) -> None:
    frames = [frame(set_temp_c=-10.0) for _ in range(10)] + [frame(set_temp_c=-11.5)] + [frame(set_temp_c=-8.8)]
    assert sizes(frames)[-1] >= 11


def test_the_sensor_temperature_serves_where_no_set_point_is_stated(frame: Maker) -> None:
    frames = [frame(set_temp_c=None, ccd_temp_c=t) for t in (-34.87, -35.16, -35.0)]
    groups = group_frames(frames, POLICY)
    assert len(groups) == 1
    assert groups[0].key.temp_c == pytest.approx(-35.015)


def test_frames_without_any_temperature_stay_apart_from_those_with_one(frame: Maker) -> None:
    assert sizes([frame(set_temp_c=None, ccd_temp_c=None), frame()]) == [1, 1]


@pytest.mark.parametrize(
    "change",
    [
        {"rig_id": "rig-2"}, {"width": 3000}, {"binning_x": 2}, {"gain_setting": 0.0}, {"gain_setting": None},
        {"offset_setting": 10.0}, {"readout_mode": "Low"}, {"bayer": "RGGB"}, {"roi_x": 100},
    ],
)  # fmt: skip
def test_camera_modes_are_never_mixed(change: dict[str, object], frame: Maker) -> None:
    assert sizes([frame(), frame(mode=replace(MODE, **change))]) == [1, 1]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "two", "together"),
    [(300.0, 301.4, True), (300.0, 302.0, False), (1.0, 1.04, True), (1.0, 1.06, False), (0.01, 0.04, True)],
)
def test_dark_exposures_may_differ_by_the_tolerance(one: float, two: float, *, together: bool, frame: Maker) -> None:
    assert (sizes([frame(exposure_s=one), frame(exposure_s=two)]) == [2]) is together


def test_flats_are_grouped_by_filter_and_not_by_exposure(frame: Maker) -> None:
    flats = [frame(frame_type=FrameType.FLAT, filter=f, exposure_s=t) for f in ("R", "G") for t in (1.0, 2.0, 4.0)]
    assert sizes(flats) == [3, 3]


def test_rotation_splits_flats_only_when_the_policy_asks_and_wraps_at_360(frame: Maker) -> None:
    flats = [frame(frame_type=FrameType.FLAT, filter="R", rotator_deg=angle) for angle in (359.7, 0.2, 90.0, 90.5)]
    assert sizes(flats) == [4]
    required = Policy(flat_rotation=FlatRotation.REQUIRED)
    assert sizes(flats, required) == [2, 2]


def test_lights_and_masters_are_never_grouped(frame: Maker) -> None:
    assert sizes([frame(frame_type=FrameType.LIGHT), frame(is_master=True)]) == []


def test_a_dark_that_fits_a_flat_and_no_light_is_also_a_flat_dark(frame: Maker) -> None:
    dark = frame(exposure_s=2.0)
    flat = frame(frame_type=FrameType.FLAT, exposure_s=2.08)
    light = frame(frame_type=FrameType.LIGHT, exposure_s=2.0)
    late = frame(frame_type=FrameType.LIGHT, exposure_s=2.0, start_utc=NIGHT + timedelta(days=31))
    both = {FrameType.DARK, FrameType.FLAT_DARK}
    assert roles(dark, [flat], [], POLICY) == both
    assert roles(dark, [flat], [late], POLICY) == both
    assert roles(dark, [flat], [light], POLICY) == {FrameType.DARK}
    assert roles(dark, [replace(flat, exposure_s=2.2)], [], POLICY) == {FrameType.DARK}
    assert roles(dark, [replace(flat, mode=replace(MODE, gain_setting=0.0))], [], POLICY) == {FrameType.DARK}


def test_masters_of_another_temperature_coexist() -> None:
    cold = GroupKey(MODE, FrameType.DARK, 300.0, temp_c=-10.0)
    assert same_group(cold, replace(cold, temp_c=-10.4), POLICY)
    assert not same_group(cold, replace(cold, temp_c=-7.5), POLICY)
    assert not same_group(cold, replace(cold, exposure_s=60.0), POLICY)
