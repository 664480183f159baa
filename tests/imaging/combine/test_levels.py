"""Levels of flats, measured strip by strip."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.combine.flats import central_quarter, channel_levels, flat_levels
from pictor.imaging.combine.sources import Sources

SHAPE = (614, 330)


@pytest.mark.parametrize("stored", ["uint16", "float32"])
@pytest.mark.parametrize("bayer", [False, True])
@pytest.mark.parametrize("dark", [False, True])
def test_levels_from_strips_are_those_of_the_whole_box(
    rng: np.random.Generator, tmp_path: Path, *, stored: str, bayer: bool, dark: bool
) -> None:
    below = rng.normal(500, 3, SHAPE).astype(np.float32)
    lit = 20_000 * np.tile([[0.5, 1.0], [1.0, 0.4]], (SHAPE[0] // 2, SHAPE[1] // 2)) if bayer else 20_000.0
    frames = [np.rint(rng.normal(lit * share + below, 120)) for share in (0.9, 1.1)]
    frames[0][300, 150] = 65_000
    paths = [tmp_path / f"flat{i}.fits" for i in range(2)]
    for path, frame in zip(paths, frames, strict=True):
        fits.writeto(path, frame.astype(stored))
    with Sources(paths) as sources:
        found = flat_levels(sources, below if dark else None, bayer=bayer)
    box = central_quarter(SHAPE)
    expected = [channel_levels((f - below if dark else f).astype(np.float32)[box], bayer=bayer) for f in frames]
    np.testing.assert_allclose(found, expected, rtol=2e-4)


@pytest.mark.parametrize("bayer", [False, True])
def test_levels_of_large_flats_are_right_to_each_other(
    rng: np.random.Generator, tmp_path: Path, *, bayer: bool
) -> None:
    shape, shares = (1500, 2000), (0.93, 1.0, 1.11)
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    pattern = (1 - 0.2 * (x * x + y * y)) * (1 + 0.01 * rng.standard_normal(shape))
    paths = [tmp_path / f"flat{i}.fits" for i in range(len(shares))]
    for path, share in zip(paths, shares, strict=True):
        light = 20_000 * share * pattern
        fits.writeto(path, np.rint(light + 500 + rng.standard_normal(shape) * np.sqrt(light)).astype(np.uint16))
    with Sources(paths) as sources:
        found = flat_levels(sources, np.full(shape, 500.0, np.float32), bayer=bayer)
    off = found / found[1] / np.array(shares)[:, None, None] - 1
    print(f"levels of flats of 3 MP, to each other: off by {np.abs(off).max():.1e}")
    assert np.abs(off).max() < 5e-5
    np.testing.assert_allclose(found[1], 20_000 * pattern[central_quarter(shape)].mean(), rtol=1e-3)
