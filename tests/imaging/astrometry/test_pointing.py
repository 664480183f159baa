"""Offsets against astropy, and grids with north up."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits

from pictor.imaging.astrometry.celestial import Gnomonic, read_celestial
from pictor.imaging.astrometry.geometry import scale_of
from pictor.imaging.astrometry.pointing import north_up, offset
from pictor.imaging.astrometry.projection import Wcs, pixel_to_sky, sky_to_pixel
from pictor.imaging.errors import ImagingError
from tests.support.starfields import SIP3, projection


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ((10.0, 41.0), (10.3, 41.2)),
        ((359.99, -60.0), (0.02, -60.1)),
        ((120.0, 89.9), (300.0, 89.8)),
        ((83.8, -5.4), (83.8, -5.4)),
        ((0.0, 0.0), (179.0, 10.0)),
    ],
)
def test_offsets_agree_with_astropy(start: tuple[float, float], end: tuple[float, float]) -> None:
    found = offset(start, end)
    here, there = (SkyCoord(*at, unit="deg") for at in (start, end))
    assert found.separation_arcsec == pytest.approx(here.separation(there).arcsec, abs=1e-6)
    if found.separation_arcsec:
        assert found.pa_deg == pytest.approx(here.position_angle(there).deg % 360, abs=1e-9)
    assert np.hypot(found.east_arcsec, found.north_arcsec) == pytest.approx(found.separation_arcsec)


def test_a_small_offset_is_that_of_the_coordinates() -> None:
    found = offset((150.0, 30.0), (150.01, 30.01))
    assert found.east_arcsec == pytest.approx(36 * np.cos(np.radians(30.005)), abs=0.01)
    assert found.north_arcsec == pytest.approx(36, abs=0.01)


@pytest.mark.parametrize("parity", [1, -1])
@pytest.mark.parametrize("dec", [-5.4, 89.7])
def test_the_grid_has_north_up_east_left_and_holds_the_frame(parity: int, dec: float) -> None:
    truth = projection(dec=dec, pa=33.0, parity=parity, size=(1500, 1000), sip=SIP3)
    shape = (truth.height, truth.width)
    grid, (height, width) = north_up(Gnomonic(truth.wcs), shape)
    assert grid.cd[0][1] == grid.cd[1][0] == 0
    assert grid.cd[0][0] < 0 < grid.cd[1][1]
    assert scale_of(grid) == pytest.approx(scale_of(truth.wcs), rel=2e-3)
    x, y = np.meshgrid(np.linspace(0.5, truth.width + 0.5, 40), np.linspace(0.5, truth.height + 0.5, 40))
    u, v = sky_to_pixel(grid, *pixel_to_sky(truth.wcs, x.ravel(), y.ravel()))
    assert u.min() > 0.5 - 0.01
    assert v.min() > 0.5 - 0.01
    assert u.max() < width + 0.5 + 0.01
    assert v.max() < height + 0.5 + 0.01
    assert (u.min() - 0.5, v.min() - 0.5, width + 0.5 - u.max(), height + 0.5 - v.max()) == pytest.approx(
        (0.5,) * 4, abs=0.6
    )


def test_a_frame_that_is_upright_keeps_its_grid() -> None:
    wcs = Wcs((50.0, 20.0), (501.0, 401.0), ((-0.0003, 0.0), (0.0, 0.0003)))
    grid, shape = north_up(Gnomonic(wcs), (801, 1001))
    assert shape == (801, 1001)
    assert grid.crpix == pytest.approx((501.0, 401.0))
    assert grid.crval == pytest.approx((50.0, 20.0))


def test_the_scale_can_be_chosen() -> None:
    truth = projection(scale=1.0, pa=0.0, size=(600, 400))
    grid, shape = north_up(Gnomonic(truth.wcs), (400, 600), scale_arcsec=2.0)
    assert scale_of(grid) == pytest.approx(2.0)
    assert shape == pytest.approx((200, 300), abs=1)


def test_a_frame_that_sees_past_the_sky_is_refused() -> None:
    made = {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRVAL1": 10.0, "CRVAL2": 5.0, "CRPIX1": 50.0, "CRPIX2": 50.0}
    seen = read_celestial(fits.Header(made | {"CD1_1": -2.0, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 2.0}))
    assert seen is not None
    with pytest.raises(ImagingError, match="sees no sky") as caught:
        north_up(seen, (100, 100))
    assert caught.value.reason == "no-wcs"
