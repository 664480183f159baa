"""What level a dark should have."""

import numpy as np
import pytest

from pictor.calibration_stacker.expected import beside_active, beside_expected, level_range
from pictor.calibration_stacker.telling import KnownDark, expected_level
from pictor.imaging.calibration.building import Preparation, Recipe
from pictor.imaging.calibration.masters import Kind
from pictor.imaging.combine.noise import NoiseModel

LONG = KnownDark(600.0, 530.0)


def test_the_longest_dark_tells_the_current_of_another_exposure() -> None:
    assert expected_level(60.0, 500.0, [KnownDark(2.0, 510.0), LONG]) == 503.0


def test_nothing_is_expected_without_bias_or_another_dark() -> None:
    assert expected_level(60.0, None, [LONG]) is None
    assert expected_level(60.0, 500.0, []) is None
    assert expected_level(None, 500.0, [LONG]) is None


def test_a_dark_whose_bias_was_subtracted_tells_nothing() -> None:
    assert expected_level(60.0, 500.0, [KnownDark(600.0, 30.0)]) is None


def test_a_level_may_differ_by_noise_by_wandering_and_by_half_of_the_current() -> None:
    assert beside_active(3.0, noise_adu=4.0).allowed == 12.0
    assert beside_active(3.0, noise_adu=1.0).allowed == 10.0
    assert beside_expected(700.0, 600.0, 4.0, bias_level=500.0).allowed == 50.0
    assert beside_expected(700.0, 600.0, 4.0, bias_level=500.0).offset == 100.0


def test_levels_apart_count_in_noises_and_dark_current_may_follow_the_temperature() -> None:
    def ready(*levels: float) -> Preparation:
        return Preparation(NoiseModel(16.0), np.array(levels), None, None, None, "measured")

    assert level_range(ready(500.0, 520.0), Recipe(Kind.BIAS)) == pytest.approx(5.0)
    assert level_range(ready(500.0, 520.0), Recipe(Kind.DARK, bias_level=505.0)) == pytest.approx(5.0)
    assert level_range(ready(1400.0, 1800.0), Recipe(Kind.DARK, bias_level=500.0)) < 4.0
    assert level_range(ready(1000.0, 2200.0), Recipe(Kind.DARK, bias_level=500.0)) > 4.0
