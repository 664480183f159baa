"""What a sparse look at the frames tells."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.combine.sampling import (
    clipped_moments,
    frame_levels,
    levels_and_variance,
    pair_variance,
    sample,
)
from pictor.imaging.combine.sources import Sources


@pytest.mark.parametrize("count", [1, 2, 13])
def test_frames_looked_at_two_at_a_time_tell_the_same(count: int, rng: np.random.Generator, tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.fits" for i in range(count)]
    for i, path in enumerate(paths):
        fits.writeto(path, rng.normal(500 + i, 6, (200, 90)).round().astype(np.uint16))
    with Sources(paths) as sources:
        samples = sample(sources)
        levels, variance = levels_and_variance(sources)
    np.testing.assert_array_equal(levels, frame_levels(samples))
    assert variance == pair_variance(samples)


@pytest.mark.parametrize("size", [1, 2, 3, 10, 999, 1000])
@pytest.mark.parametrize("whole", [True, False])
def test_moments_are_those_of_the_values_inside_the_clip(size: int, rng: np.random.Generator, *, whole: bool) -> None:
    values = rng.normal(100, 5, size)
    values[: size // 20] += 500
    values = values.round() if whole else values
    expected = values
    centre, width = np.median(values), 1.4826 * np.median(np.abs(values - np.median(values)))
    for _ in range(6):
        expected = values[np.abs(values - centre) <= 5 * width] if width > 0 else values
        centre, width = expected.mean(), expected.std()
        if width == 0:
            break
    with_nan = np.append(values, np.nan)
    assert clipped_moments(with_nan) == pytest.approx((centre, width**2), rel=1e-12)
