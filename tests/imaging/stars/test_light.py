"""Light of stars and hits of cosmic rays against frames whose truth is known."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pictor.imaging.simulator.events import add_cosmic_rays
from pictor.imaging.simulator.psf import Psf, add_stars
from pictor.imaging.stars.finding import find_stars
from pictor.imaging.stars.starlist import StarFlag

EGAIN, SKY, READ_NOISE_E = 0.5, 1600.0, 3.0
STEP = 44


@dataclass(frozen=True)
class Drawn:
    """A frame, the places (n, 2) of its stars as x and y, their light, and the places of its hits."""

    image: NDArray[np.uint16]
    places: NDArray[np.float64]
    flux: NDArray[np.float64]
    hits: NDArray[np.int64]


def drawn(psf: Psf, flux: tuple[float, float], *, size: int = 1000, hits_s: float = 0.0, seed: int = 4) -> Drawn:
    """Draw stars that stand apart on a grid, even in the logarithm of their light, and hits of four strengths."""
    rng = np.random.default_rng(seed)
    grid = np.arange(STEP, size - STEP, STEP, dtype=np.float64)
    places = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2) + rng.uniform(-4, 4, (grid.size**2, 2))
    light = np.exp(rng.uniform(math.log(flux[0]), math.log(flux[1]), len(places)))
    scene, hit = np.full((size, size), SKY, np.float32), np.zeros((size, size), np.float32)
    add_stars(scene, places[:, 0], places[:, 1], light, psf)
    hits = add_cosmic_rays(hit, hits_s, seed)
    hit *= np.repeat(np.array([1.0, 0.5, 0.25, 0.12], np.float32), size // 4)
    electrons = rng.poisson(EGAIN * scene + hit) + rng.normal(0.0, READ_NOISE_E, scene.shape)
    image = np.clip(np.rint(electrons / EGAIN), 0, 65535).astype(np.uint16)
    return Drawn(image, places, light, hits[:, ::-1])


@pytest.mark.parametrize(
    ("kind", "beta", "fwhm"),
    [
        ("gaussian", 0.0, 1.8), ("gaussian", 0.0, 4.5), ("moffat", 2.5, 1.8), ("moffat", 2.5, 4.5),
        ("moffat", 3.5, 1.8), ("moffat", 3.5, 4.5), ("moffat", 4.765, 3.0),
    ],
)  # fmt: skip
def test_the_light_of_bright_stars_is_all_of_it_with_the_share_of_the_profile(
    kind: str, beta: float, fwhm: float
) -> None:
    area = max(1.0, fwhm**2 / 9.0)
    field = drawn(Psf("moffat" if beta else "gaussian", fwhm, beta, 0.1, 30.0), (2e4 * area, 2e5 * area))
    stars = find_stars(field.image)
    assert stars.psf is not None
    assert stars.psf.share is not None
    away, which = cKDTree(field.places).query(np.column_stack([stars.x, stars.y]))
    good = (away < 1.0) & (stars.flags == 0) & (stars.snr > 50.0)
    found = float(np.mean(stars.flux[good] / stars.psf.share / field.flux[which[good]])) - 1.0
    print(f"{kind} {beta} {fwhm} px: share {stars.psf.share:.4f}, light {100 * found:+.2f} % off in {good.sum()} stars")
    assert abs(found) < (0.006 if beta == 2.5 else 0.004)


def test_light_scatters_by_what_the_documentation_says_of_its_error() -> None:
    field = drawn(Psf("gaussian", 3.0, 0.0, 0.0, 0.0), (4e3, 6e3), size=900)
    stars = find_stars(field.image)
    away, which = cKDTree(field.places).query(np.column_stack([stars.x, stars.y]))
    good = (away < 1.5) & (stars.flags == 0)
    off = stars.flux[good] - field.flux[which[good]]
    found = float(np.std(off) / np.median(stars.flux_error[good]))
    print(f"light of {good.sum()} stars of SNR {np.median(stars.snr[good]):.0f} scatters by {found:.2f} of FLUX_ERR")
    assert found == pytest.approx(1.5, abs=0.17)


@pytest.mark.parametrize("fwhm", [2.5, 3.5])
def test_faint_stars_are_not_taken_for_hits_nor_hits_for_stars(fwhm: float) -> None:
    field = drawn(Psf("moffat", fwhm, 3.5, 0.05, 30.0), (500.0 * fwhm / 2.5, 2e4), size=1600, hits_s=3000.0)
    stars = find_stars(field.image)
    places = np.column_stack([stars.x, stars.y])
    true = cKDTree(field.places).query(places)[0] < 1.5
    hit = ~true & (cKDTree(field.hits).query(places)[0] < 2.0)
    faint = true & (stars.snr < 10.0)
    taken = ((stars.flags[faint] & StarFlag.COSMIC_RAY) > 0).mean()
    print(f"{fwhm} px: {100 * taken:.1f} % of {faint.sum()} stars of SNR 5 to 10 taken for hits")
    print(f"{fwhm} px: {np.count_nonzero(stars.is_star & hit)} of {hit.sum()} hits taken for stars")
    assert faint.sum() > 100
    assert taken < 0.05
    assert np.count_nonzero(stars.is_star & hit) <= 0.02 * hit.sum()
