"""Sky to pixel and back."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from pictor.imaging.astrometry.projection import pixel_to_sky, plane_to_sky, sky_to_pixel, sky_to_plane
from tests.support.starfields import SIP3, Truth, projection


def library_wcs(truth: Truth) -> WCS:
    wcs, suffix = truth.wcs, "-SIP" if truth.wcs.sip else ""
    header = fits.Header({"CTYPE1": f"RA---TAN{suffix}", "CTYPE2": f"DEC--TAN{suffix}"})
    for axis in (0, 1):
        header[f"CRVAL{axis + 1}"], header[f"CRPIX{axis + 1}"] = wcs.crval[axis], wcs.crpix[axis]
        header[f"CD{axis + 1}_1"], header[f"CD{axis + 1}_2"] = wcs.cd[axis]
    if wcs.sip:
        header["A_ORDER"] = header["B_ORDER"] = wcs.sip.order
        for name, terms in (("A", wcs.sip.a), ("B", wcs.sip.b)):
            header.update({f"{name}_{p}_{q}": value for p, q, value in terms})
    return WCS(header)


@pytest.mark.parametrize("dec", [-89.5, -5.4, 0.0, 60.0, 89.5])
@pytest.mark.parametrize("sip", [None, SIP3])
def test_pixels_look_where_wcslib_says(dec: float, sip: object, rng: np.random.Generator) -> None:
    truth = projection(ra=359.9, dec=dec, sip=sip)  # type: ignore[arg-type]
    x, y = rng.uniform(1, truth.width, 200), rng.uniform(1, truth.height, 200)
    ra, dec_found = pixel_to_sky(truth.wcs, x, y)
    expected = library_wcs(truth).all_pix2world(x, y, 1)
    difference = (ra - expected[0] + 180) % 360 - 180
    assert np.max(np.abs(difference * np.cos(np.radians(dec_found)))) * 3600 < 1e-6
    assert np.max(np.abs(dec_found - expected[1])) * 3600 < 1e-6


@pytest.mark.parametrize("sip", [None, SIP3])
def test_pixels_come_back_from_the_sky(sip: object, rng: np.random.Generator) -> None:
    truth = projection(size=(6000, 4000), sip=sip)  # type: ignore[arg-type]
    x, y = rng.uniform(1, truth.width, 200), rng.uniform(1, truth.height, 200)
    back = sky_to_pixel(truth.wcs, *pixel_to_sky(truth.wcs, x, y))
    assert np.max(np.hypot(back[0] - x, back[1] - y)) < 1e-6


def test_the_far_side_of_the_sky_has_no_pixel() -> None:
    x, y = sky_to_pixel(projection(ra=10, dec=0).wcs, np.array([190.0]), np.array([0.0]))
    assert np.isnan(x[0])
    assert np.isnan(y[0])


def test_the_plane_keeps_the_tangent_point() -> None:
    xi, eta = sky_to_plane(np.array([10.0]), np.array([20.0]), (10.0, 20.0))
    assert (xi[0], eta[0]) == pytest.approx((0.0, 0.0), abs=1e-12)
    assert np.allclose(plane_to_sky(xi, eta, (10.0, 20.0)), [[10.0], [20.0]])
