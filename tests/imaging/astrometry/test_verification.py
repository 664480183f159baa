"""No false solution is accepted; a true one is."""

from dataclasses import replace

import numpy as np
import pytest

from pictor.imaging.astrometry.refit import Refit, refit
from pictor.imaging.astrometry.stars import FieldStars, SkyStars, field_stars
from pictor.imaging.astrometry.verification import Expectation, verify
from pictor.imaging.errors import ImagingError
from tests.support.starfields import Truth, catalogue, corner_error, projection, rough, seen

TRIALS = 100


def accepted(truth: Truth, stars: FieldStars, sky: SkyStars) -> Refit | None:
    try:
        found = refit(rough(truth), stars, sky)
    except ImagingError:
        return None
    return found if verify(found, Expectation()).refusal is None else None


def fitted(rng: np.random.Generator, **how: float) -> Refit:
    truth = projection()
    sky = catalogue(truth, 80, rng)
    return refit(rough(truth), seen(truth, sky, rng, **how), sky)  # type: ignore[arg-type]


@pytest.mark.parametrize(("seen_count", "known_count"), [(20, 20), (200, 40), (100, 400), (2000, 60), (1500, 1500)])
def test_random_stars_never_pass(seen_count: int, known_count: int) -> None:
    false = 0
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        truth = projection(size=(1000, 800))
        x, y = rng.uniform(1, 1000, seen_count), rng.uniform(1, 800, seen_count)
        stars = field_stars(x, y, rng.uniform(1, 9, seen_count), flags=np.zeros(seen_count), width=1000, height=800)
        false += accepted(truth, stars, catalogue(truth, known_count, rng)) is not None
    print(f"{seen_count} random stars on {known_count}: {false} of {TRIALS} accepted")
    assert false == 0


def test_mirrored_stars_pass_only_at_their_true_mirrored_position() -> None:
    false = true = 0
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        truth = projection(size=(1000, 800))
        (cd11, cd12), (cd21, cd22) = truth.wcs.cd
        mirror = Truth(replace(truth.wcs, cd=((-cd11, cd12), (-cd21, cd22))), 1000, 800)
        sky = catalogue(truth, 150, rng)
        stars = seen(truth, sky, rng)
        mirrored = field_stars(1001 - stars.x, stars.y, stars.flux, flags=~stars.clean, width=1000, height=800)
        found = accepted(truth, mirrored, sky)
        right = found is not None and corner_error(mirror, found.wcs) < 0.5
        true, false = true + right, false + (found is not None and not right)
    print(f"mirrored, started unmirrored: {false} of {TRIALS} accepted wrongly, {true} found their true place")
    assert false == 0


def test_a_true_solution_passes(rng: np.random.Generator) -> None:
    verdict = verify(fitted(rng, junk=200, lost=0.3), Expectation(0.9, 1.1, 1))
    assert verdict.refusal is None
    assert not verdict.sparse
    assert verdict.zones >= 5
    assert verdict.chance < 1e-12


def test_a_field_with_few_catalogue_stars_passes_but_is_marked() -> None:
    marked = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = projection(size=(1000, 800))
        sky = catalogue(truth, 11, rng)
        found = refit(rough(truth), seen(truth, sky, rng, junk=5), sky)
        verdict = verify(found, Expectation())
        marked += verdict.refusal is None and verdict.sparse
    assert marked >= 15


def test_half_of_a_rich_field_missing_from_the_match_is_refused(rng: np.random.Generator) -> None:
    truth = projection(size=(1000, 800))
    sky = catalogue(truth, 60, rng)
    stars = seen(truth, sky, rng)
    corner = (stars.x < 300) & (stars.y < 300)
    few = FieldStars(stars.x[corner], stars.y[corner], stars.flux[corner], stars.clean[corner], 1000, 800)
    refusal = verify(refit(rough(truth), few, sky), Expectation()).refusal
    assert refusal is not None
    assert "catalogue stars match" in refusal


def test_scattered_stars_are_refused(rng: np.random.Generator) -> None:
    truth = projection(scale=3.0)
    sky = catalogue(truth, 200, rng)
    refusal = verify(refit(rough(truth), seen(truth, sky, rng, noise=1.5), sky), Expectation()).refusal
    assert refusal is not None
    assert "scatter" in refusal


def test_another_scale_than_expected_is_refused(rng: np.random.Generator) -> None:
    found = fitted(rng)
    assert "above 0.950" in (verify(found, Expectation(0.8, 0.95)).refusal or "")
    assert "below 1.050" in (verify(found, Expectation(1.05, 1.2)).refusal or "")


def test_the_wrong_parity_for_the_rig_is_refused(rng: np.random.Generator) -> None:
    found = fitted(rng)
    assert "mirrored" in (verify(found, Expectation(parity=-1)).refusal or "")
    assert verify(found, Expectation(parity=1)).refusal is None


def test_pixels_that_are_not_square_are_refused(rng: np.random.Generator) -> None:
    truth = projection()
    (cd11, cd12), (cd21, cd22) = truth.wcs.cd
    stretched = Truth(
        type(truth.wcs)(truth.wcs.crval, truth.wcs.crpix, ((cd11 * 1.2, cd12), (cd21 * 1.2, cd22))), 3000, 2000
    )
    sky = catalogue(stretched, 80, rng)
    found = refit(rough(stretched), seen(stretched, sky, rng), sky)
    assert "not square" in (verify(found, Expectation()).refusal or "")
