"""Coadds on grids whose pixels are smaller or larger than those of the lights."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from pictor.imaging.coadd.coadding import Coadded, coadd
from pictor.imaging.frame import Frame
from pictor.imaging.resampling.grid import Grid
from pictor.imaging.resampling.resampling import resample
from tests.imaging.resampling.skies import frame_of, scatter, stars_on, wcs

SHAPE, SCALE = (240, 240), 1.5
SKY, NOISE = 1000.0, 8.0
OWN = wcs(SHAPE, scale=SCALE)
HITS = 30.0 + 18.0 * np.arange(10)
"""Rows and columns of the pixels of the fourth light that a cosmic ray hit."""


def lights(seed: int, *, hit: bool = False) -> list[Frame]:
    """Eight lights of one field, of known gain, with photon noise."""
    rng, number = np.random.default_rng(seed), np.arange(8)
    ra, dec = scatter(25, np.random.default_rng(7), radius=0.04)
    clean = SKY + stars_on(OWN, SHAPE, ra, dec, np.full(25, 1e5), sigma=2.5)
    made = []
    for k in number:
        data = rng.normal(clean, np.sqrt(NOISE**2 + clean - SKY))
        if hit and k == 3:
            data[np.ix_(HITS.astype(int), HITS.astype(int))] += 15 * NOISE
        made.append(frame_of(data.astype(np.float32), OWN))
        made[-1].header["EGAIN"] = 1.0
    return made


def grid(factor: float) -> Grid:
    """The middle of the field in pixels ``factor`` times as wide."""
    shape = (int(200 / factor), int(200 / factor))
    return Grid(wcs(shape, scale=SCALE * factor), shape)


def pulls(one: Coadded, other: Coadded) -> NDArray[np.float64]:
    """Differences of two coadds in units of their errors."""
    return np.asarray((one.frame.data - other.frame.data) / np.hypot(one.frame.err, other.frame.err), np.float64)


@pytest.mark.parametrize(("factor", "background"), [(0.5, "subtract"), (2.0, "none")])
def test_errors_and_clipping_hold_for_pixels_of_another_size(factor: float, background: str) -> None:
    target = grid(factor)
    one, other = (coadd(lights(seed), onto=target, background=background) for seed in (1, 2))
    apart = pulls(one, other)
    stars = one.frame.data > np.median(one.frame.data) + 8 * NOISE**2 * factor**2
    told = float(apart[~stars].std()), float(apart[stars].std())
    clean, hit = (coadd(lights(1, hit=h), method="clipped", onto=target, background=background) for h in (False, True))
    at = np.rint((HITS - (SHAPE[0] - 1) / 2) / factor + (target.shape[0] - 1) / 2).astype(int)
    found = float(np.mean(hit.nused[np.ix_(at, at)] < 8)), float(np.mean(clean.nused < 8))
    print(f"x{factor} {background}: scatter over error {told[0]:.3f} sky, {told[1]:.3f} stars; {found[0]} of hits")
    assert told[0] == pytest.approx(1.0, abs=0.05)
    assert told[1] == pytest.approx(1.0, abs=0.1)
    assert found[0] > 0.8
    assert found[1] < 0.06


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_sums_over_apertures_have_the_error_the_correlation_says(factor: float) -> None:
    side = int(24 / factor)
    field = [frame_of(np.random.default_rng(k).normal(SKY, NOISE, SHAPE).astype(np.float32), OWN) for k in range(16)]
    ratios, done = [], None
    for pair in zip(field[::2], field[1::2], strict=True):
        done = coadd(pair, onto=grid(factor), background="none")
        cut = slice(0, 200 // 24 * side)
        cells = done.frame.data[cut, cut].reshape(8, side, 8, side).sum(axis=(1, 3)) - side**2 * SKY * factor**2
        errors = np.square(done.frame.err[cut, cut]).reshape(8, side, 8, side).sum(axis=(1, 3))
        ratios.append(cells / np.sqrt(errors))
    width = float(np.std(ratios))
    assert done is not None
    print(f"x{factor}: sums scatter by {width:.3f} of the quadratic sum of errors, NOISECOR {done.correlation:.3f}")
    assert width == pytest.approx(done.correlation, rel=0.1)


def test_lights_of_other_pixels_are_brought_to_one_sky_and_weighed_by_it() -> None:
    rng, shape = np.random.default_rng(3), (120, 120)
    fine = frame_of(rng.normal(SKY, NOISE, SHAPE).astype(np.float32), OWN)
    coarse = frame_of(rng.normal(4 * SKY, 2 * NOISE, shape).astype(np.float32), wcs(shape, scale=2 * SCALE))
    done = coadd([fine, coarse], method="weighted", onto=grid(1.0), background="match")
    assert done.weights[1] == pytest.approx(done.weights[0], rel=0.05)
    assert float(np.median(done.frame.data)) == pytest.approx(SKY, abs=1.0)


def test_tiles_of_a_coadd_have_no_seams_however_coarse_its_pixels() -> None:
    rng = np.random.default_rng(5)
    wide = frame_of(rng.normal(SKY, NOISE, (1400, 1400)).astype(np.float32), wcs((1400, 1400), scale=SCALE))
    target = Grid(wcs((80, 80), scale=16 * SCALE), (80, 80))
    done = coadd([wide], onto=target, background="none").frame.data
    assert done == pytest.approx(resample(wide, target).data, rel=1e-6)
    assert math.isfinite(float(done.sum()))
