"""Least-squares fits of a projection."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs.utils import fit_wcs_from_points

from pictor.imaging.astrometry.fitting import Matched, fit_wcs, inverse_sip, predicted_rms
from pictor.imaging.astrometry.projection import pixel_to_sky, polynomial, sky_to_pixel
from tests.support.starfields import SIP3, Truth, corner_error, projection, rough


def pairs(truth: Truth, count: int, noise: float, rng: np.random.Generator) -> Matched:
    x, y = rng.uniform(1, truth.width, count), rng.uniform(1, truth.height, count)
    ra, dec = pixel_to_sky(truth.wcs, x, y)
    return Matched(x + rng.normal(0, noise, count), y + rng.normal(0, noise, count), ra, dec)


@pytest.mark.parametrize("dec", [-89.9, -30.0, 0.0, 75.0, 89.9])
def test_noiseless_pairs_give_the_projection_back(dec: float, rng: np.random.Generator) -> None:
    truth = projection(ra=0.01, dec=dec)
    fitted = fit_wcs(pairs(truth, 30, 0.0, rng), rough(truth))
    assert corner_error(truth, fitted) < 1e-6


def test_the_fit_agrees_with_astropy(rng: np.random.Generator) -> None:
    truth = projection()
    matched = pairs(truth, 60, 0.2, rng)
    fitted = fit_wcs(matched, rough(truth))
    library = fit_wcs_from_points((matched.x - 1, matched.y - 1), SkyCoord(matched.ra, matched.dec, unit="deg"))
    ra, dec = pixel_to_sky(fitted, matched.x, matched.y)
    expected = library.all_pix2world(matched.x, matched.y, 1)
    apart = np.hypot((ra - expected[0]) * np.cos(np.radians(dec)), dec - expected[1]) * 3600
    print(f"largest difference from astropy's fit: {apart.max():.4f} arcsec at 1 arcsec per pixel")
    assert apart.max() < 0.02


def test_stars_are_predicted_as_by_fits_without_them(rng: np.random.Generator) -> None:
    truth = projection()
    matched, misses = pairs(truth, 14, 0.4, rng), []
    for k in range(14):
        rest = Matched(*(np.delete(part, k) for part in (matched.x, matched.y, matched.ra, matched.dec)))
        one = fit_wcs(rest, rough(truth), order=2)
        misses.append(np.hypot(*(np.array(sky_to_pixel(one, matched.ra, matched.dec)) - [matched.x, matched.y])[:, k]))
    told = predicted_rms(matched, fit_wcs(matched, rough(truth), order=2), order=2)
    print(f"predicted {told:.4f} px, {np.sqrt(np.mean(np.square(misses))):.4f} px when each star is left out")
    assert told == pytest.approx(float(np.sqrt(np.mean(np.square(misses)))), rel=0.01)


@pytest.mark.parametrize("order", [2, 3])
def test_distortion_is_recovered(order: int, rng: np.random.Generator) -> None:
    truth = projection(size=(6000, 4000), sip=SIP3)
    fitted = fit_wcs(pairs(truth, 400, 0.05, rng), rough(truth), order=order)
    error = corner_error(truth, fitted)
    print(f"order {order}: largest error {error:.3f} px")
    assert error < (0.2 if order == 3 else 10.0)


def test_left_out_stars_are_predicted_as_badly_as_they_are_measured(rng: np.random.Generator) -> None:
    truth = projection()
    matched = pairs(truth, 500, 0.2, rng)
    assert predicted_rms(matched, fit_wcs(matched, rough(truth)), order=1) == pytest.approx(0.2 * 2**0.5, rel=0.1)


def test_more_terms_predict_no_better_when_there_is_no_distortion(rng: np.random.Generator) -> None:
    truth = projection()
    matched = pairs(truth, 100, 0.2, rng)
    first, third = (predicted_rms(matched, fit_wcs(matched, rough(truth), order=n), order=n) for n in (1, 3))
    assert third > first


def test_too_few_stars_predict_nothing(rng: np.random.Generator) -> None:
    truth = projection()
    matched = pairs(truth, 9, 0.1, rng)
    assert predicted_rms(matched, truth.wcs, order=3) == float("inf")


def test_the_inverse_polynomials_lead_back_within_a_fiftieth_of_a_pixel(rng: np.random.Generator) -> None:
    truth = projection(size=(6000, 4000), sip=SIP3)
    back = inverse_sip(truth.wcs, 6000, 4000)
    u, v = rng.uniform(-3000, 3000, 300), rng.uniform(-2000, 2000, 300)
    far_u, far_v = u + polynomial(SIP3.a, u, v), v + polynomial(SIP3.b, u, v)
    misses = np.hypot(far_u + polynomial(back.a, far_u, far_v) - u, far_v + polynomial(back.b, far_u, far_v) - v)
    print(f"largest miss of AP and BP: {misses.max():.5f} px")
    assert misses.max() < 0.02


def test_a_plain_projection_has_nothing_to_invert() -> None:
    with pytest.raises(ValueError, match="no SIP terms"):
        inverse_sip(projection().wcs, 3000, 2000)
