"""Basic statistics equal numpy's, ignore what is not finite, and leave the pixels alone."""

from dataclasses import asdict

import numpy as np
import pytest

from pictor.imaging.fits.statistics import statistics


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("shape", [(101, 67), (3, 50, 40)])
def test_statistics_equal_numpys(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    data = rng.normal(60, 20, shape).clip(0, 120).astype(kind)
    before = data.copy()
    found = statistics(data)
    exact = data.astype(np.float64)
    median = np.median(exact)
    assert found.mean == pytest.approx(exact.mean())
    assert found.std == pytest.approx(exact.std())
    assert (found.minimum, found.maximum, found.median) == (exact.min(), exact.max(), median)
    assert found.mad == pytest.approx(np.median(np.abs(exact - median)))
    counts = np.unique(exact, return_counts=True)[1]
    assert found.repeated_fraction == pytest.approx(counts.max() / exact.size)
    np.testing.assert_array_equal(data, before)


def test_what_is_not_finite_is_counted_and_ignored() -> None:
    data = np.arange(100, dtype=np.float32).reshape(10, 10)
    data[0, :3] = [np.nan, np.inf, -np.inf]
    found = statistics(data)
    assert found.non_finite_fraction == pytest.approx(0.03)
    assert (found.minimum, found.maximum, found.median) == (3, 99, 51)


def test_a_frame_without_one_finite_pixel_has_no_numbers_but_no_nan_either() -> None:
    found = asdict(statistics(np.full((5, 5), np.nan)))
    assert found["non_finite_fraction"] == 1
    assert found["median"] is None


@pytest.mark.parametrize("huge", [1e160, 1e308, -1e308, np.finfo(np.float64).max])
def test_a_flipped_exponent_bit_leaves_every_number_finite(huge: float) -> None:
    data = np.full((8, 8), 500.0)
    data[3, 3:5] = huge
    found = statistics(data)
    assert (found.mean, found.std, found.maximum) == (500, 0, 500)
    assert found.non_finite_fraction == pytest.approx(2 / 64)


@pytest.mark.parametrize(("level", "expected"), [(None, 0.25), (60_000.0, 0.5), (100_000.0, 0.25), (70_000, 0.25)])
def test_saturation_is_the_header_level_but_never_above_the_type(level: float | None, expected: float) -> None:
    data = np.array([[65_535, 65_000], [10, 20]], np.uint16)
    assert statistics(data, saturation_adu=level).saturated_fraction == expected


def test_floats_without_a_level_have_no_saturated_fraction() -> None:
    assert statistics(np.ones((4, 4), np.float32)).saturated_fraction is None
