"""The numbers promised in the measurement specification, on frames whose truth is known."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from scipy.spatial import cKDTree

from pictor.imaging.background import mesh_background
from pictor.imaging.quality.measuring import Quality, measure
from pictor.imaging.stars.finding import find_stars
from tests.support.sky import Recipe, Sky, render

RAW = {"hot_share": 0.001, "cosmics": 100, "trails": 1}
# A source further than this from every star is no star; two sources of one star are one too many.
TOLERANCE = 2.0
CASES = [
    pytest.param(fwhm, profile, ellipticity, raw, id=f"{profile}-{fwhm}-{ellipticity}-{'raw' if raw else 'calibrated'}")
    for fwhm in (1.8, 2.8, 4.5, 7.0)
    for profile in ("gaussian", "moffat")
    for ellipticity in (0.03, 0.25)
    for raw in (False, True)
]


@dataclass(frozen=True)
class Score:
    sky: Sky
    quality: Quality
    recall: float
    precision: float


@cache
def score(fwhm: float, profile: str, ellipticity: float, raw: bool) -> Score:  # noqa: FBT001
    recipe = Recipe(fwhm=fwhm, profile=profile, ellipticity=ellipticity, **(RAW if raw else {}))
    sky = render(recipe)
    background = mesh_background(sky.image)
    listed = find_stars(sky.image, background=background)
    stars = listed.select(listed.is_star)
    margin = 2.0 * sky.fwhm
    ny, nx = sky.image.shape
    inside = (sky.x > margin) & (sky.y > margin) & (sky.x < nx - margin) & (sky.y < ny - margin)
    wanted = inside & (sky.snr > 10)
    truth, found = np.column_stack([sky.x, sky.y]), np.column_stack([stars.x, stars.y])
    tolerance = max(TOLERANCE, 0.5 * sky.fwhm)
    recall = float((cKDTree(found).query(truth[wanted])[0] < tolerance).mean())
    nearest, which = cKDTree(truth).query(found)
    right = len(np.unique(which[nearest < tolerance]))
    return Score(sky, measure(sky.image, listed, background), recall, right / len(found))


@pytest.mark.parametrize(("fwhm", "profile", "ellipticity", "raw"), CASES)
def test_fwhm_ellipticity_recall_precision_and_background_keep_the_promise(
    fwhm: float, profile: str, ellipticity: float, *, raw: bool
) -> None:
    result = score(fwhm, profile, ellipticity, raw)
    quality, sky = result.quality, result.sky
    assert quality.fwhm_px is not None
    assert quality.ellipticity is not None
    assert quality.background_adu is not None
    bias = quality.fwhm_px / sky.fwhm - 1.0
    offset = (quality.background_adu - sky.level) / sky.sky_sigma
    print(
        f"{profile} {fwhm} e {ellipticity} {'raw' if raw else 'cal'}: fwhm {100 * bias:+.1f} %, "
        f"ellipticity {quality.ellipticity - ellipticity:+.3f}, recall {result.recall:.3f}, "
        f"precision {result.precision:.3f}, background {offset:+.3f} sigma, beta {quality.beta:.2f}"
    )
    assert abs(bias) <= (0.05 if fwhm < 2.8 else 0.02)
    assert abs(quality.ellipticity - ellipticity) <= 0.045
    assert result.recall >= (0.87 if raw or fwhm > 4.5 else 0.94)
    assert result.precision >= 0.98
    assert abs(offset) <= 0.1
    assert quality.trail_count == (1 if raw else 0)


def test_beta_of_a_moffat_profile_is_found_and_of_a_gaussian_is_at_the_limit() -> None:
    moffat, gaussian = score(4.5, "moffat", 0.03, False).quality, score(4.5, "gaussian", 0.03, False).quality
    assert moffat.beta == pytest.approx(3.0, abs=0.3)
    assert gaussian.beta is not None
    assert gaussian.beta > 15.0


@pytest.mark.parametrize("fwhm", [1.8, 2.8, 4.5, 7.0])
def test_the_half_flux_radius_of_a_gaussian_is_half_its_width(fwhm: float) -> None:
    result = score(fwhm, "gaussian", 0.03, False)
    print(f"hfr of {fwhm}: {result.quality.hfr_px:.3f}, half width {result.sky.fwhm / 2:.3f}")
    assert result.quality.hfr_px == pytest.approx(result.sky.fwhm / 2, rel=0.03)
