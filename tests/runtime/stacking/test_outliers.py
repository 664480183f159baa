"""Which frames of a group are unlike the others."""

from dataclasses import replace

import numpy as np
import pytest

from pictor.imaging.matching.frames import FrameType
from pictor.runtime.stacking.outliers import Sample, outliers

NOISE = 4.0


def group(count: int = 10, *, drift: float = 0.05) -> list[Sample]:
    rng = np.random.default_rng(4)
    return [Sample(f"f{i}", 500 + drift * rng.standard_normal(), NOISE, 0.09, 60.0) for i in range(count)]


def changed(samples: list[Sample], **said: float) -> list[Sample]:
    return [replace(samples[0], **said), *samples[1:]]  # type: ignore[arg-type]


def test_frames_that_agree_all_belong() -> None:
    assert outliers(FrameType.DARK, group()) == {}


def test_a_level_that_drifts_honestly_belongs() -> None:
    assert outliers(FrameType.BIAS, [replace(one, level=500 + 0.8 * i) for i, one in enumerate(group())]) == {}


def test_a_dark_whose_level_does_not_fit_its_exposure_is_named_with_the_numbers() -> None:
    found = outliers(FrameType.DARK, changed(group(), level=524.0))
    assert found == {
        "f0": "among its group: level 524.0 ADU, the others 500.0 ADU, 2.0 ADU apart at most; "
        "does the exposure it states, 60 s, hold?"
    }


def test_a_step_over_half_the_frame_shows_in_the_scatter() -> None:
    (told,) = outliers(FrameType.BIAS, changed(group(), spread=9.2)).values()
    assert "its pixels scatter by 9.20 ADU, those of the 9 others by 4.00 ADU: there is structure in it" in told


def test_a_master_without_the_word_is_too_quiet() -> None:
    (told,) = outliers(FrameType.DARK, changed(group(), spread=NOISE / np.sqrt(10))).values()
    assert "it is a stack, not one exposure" in told


def test_a_quarter_of_equal_pixels_is_too_much_where_the_others_have_less() -> None:
    (told,) = outliers(FrameType.BIAS, changed(group(), one_value_share=0.25)).values()
    assert "one value fills 25 % of its pixels, 9 % in the others" in told


def test_a_quiet_camera_has_few_values_in_every_frame() -> None:
    quiet = [replace(one, one_value_share=0.5) for one in group()]
    assert outliers(FrameType.BIAS, changed(quiet, one_value_share=0.55)) == {}


def test_one_step_of_a_quantised_deviation_is_no_structure() -> None:
    quiet = [replace(one, spread=1.4826) for one in group()]
    assert outliers(FrameType.BIAS, changed(quiet, spread=2 * 1.4826)) == {}


@pytest.mark.parametrize("count", [3, 4])
def test_of_few_frames_the_one_far_from_others_that_agree_is_named(count: int) -> None:
    for said in ({"level": 600.0}, {"spread": 9.2}, {"spread": NOISE / np.sqrt(10)}, {"one_value_share": 0.25}):
        assert list(outliers(FrameType.DARK, changed(group(count), **said))) == ["f0"]


def test_cosmic_rays_that_move_the_mean_but_not_the_median_make_no_other_level() -> None:
    for count in (3, 10):
        middling = [replace(one, middle=500.0) for one in group(count)]
        assert outliers(FrameType.DARK, changed(middling, level=508.0)) == {}
        assert list(outliers(FrameType.DARK, changed(middling, level=508.0, middle=508.0))) == ["f0"]


def test_of_two_frames_nobody_can_say_which_is_wrong() -> None:
    assert outliers(FrameType.DARK, changed(group(2), level=600.0)) == {}


def test_of_four_frames_two_against_two_are_left_to_the_gate() -> None:
    halves = [replace(one, level=500.0 if i % 2 else 540.0) for i, one in enumerate(group(4))]
    assert outliers(FrameType.DARK, halves) == {}


def test_levels_of_three_frames_that_drift_evenly_belong() -> None:
    assert outliers(FrameType.BIAS, [replace(one, level=500 + 9.0 * i) for i, one in enumerate(group(3))]) == {}


def test_a_group_of_two_halves_is_left_to_the_gate() -> None:
    halves = [replace(one, level=500.0 if i % 2 else 540.0) for i, one in enumerate(group())]
    assert outliers(FrameType.DARK, halves) == {}


def test_levels_of_flats_follow_the_light() -> None:
    assert outliers(FrameType.FLAT, changed(group(), level=30_000.0)) == {}
