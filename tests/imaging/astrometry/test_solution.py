"""What a solution says, and its FITS cards."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from cdshealpix import nested

from pictor.imaging.astrometry.geometry import healpix_of, position_angle, separation
from pictor.imaging.astrometry.projection import pixel_to_sky
from pictor.imaging.astrometry.refit import refit
from pictor.imaging.astrometry.solution import Solution, Source, describe, wcs_cards
from pictor.imaging.astrometry.verification import Expectation, verify
from tests.support.starfields import SIP3, Truth, catalogue, projection, rough, seen


def solution(truth: Truth, rng: np.random.Generator, count: int = 300, **offsets: object) -> Solution:
    sky = catalogue(truth, count, rng)
    found = refit(rough(truth, shift_px=1), seen(truth, sky, rng, noise=0.02), sky)
    return describe(found, verify(found, Expectation()), Source("test"), **offsets)  # type: ignore[arg-type]


@pytest.mark.parametrize("pa", [0.0, 30.0, 180.0, 271.0])
@pytest.mark.parametrize("parity", [1, -1])
def test_angle_scale_and_parity_are_those_of_the_frame(pa: float, parity: int, rng: np.random.Generator) -> None:
    found = solution(projection(pa=pa, parity=parity, scale=2.0), rng)
    assert (found.pa_deg - pa + 180) % 360 - 180 == pytest.approx(0, abs=0.01)
    assert found.parity == parity
    assert found.scale_arcsec == pytest.approx(2.0, rel=1e-4)
    assert (found.width_deg, found.height_deg) == pytest.approx((3000 * 2 / 3600, 2000 * 2 / 3600), rel=2e-4)


def test_up_points_to_the_position_angle_astropy_measures(rng: np.random.Generator) -> None:
    truth = projection(pa=123.0, dec=60.0)
    x, y = truth.wcs.crpix
    ra, dec = pixel_to_sky(truth.wcs, np.array([x, x]), np.array([y, y + 10]))
    ends = SkyCoord(ra, dec, unit="deg")
    assert position_angle(truth.wcs) == pytest.approx(ends[0].position_angle(ends[1]).deg, abs=0.01)


@pytest.mark.parametrize("sip", [None, SIP3])
def test_astropy_reads_the_cards_as_the_same_projection(sip: object, rng: np.random.Generator) -> None:
    truth = projection(size=(6000, 4000), sip=sip)  # type: ignore[arg-type]
    found = solution(truth, rng, 400)
    header = fits.Header([fits.Card(*card) for card in wcs_cards(found)])
    assert all(len(str(card)) == 80 for card in header.cards)
    library = WCS(header)
    x, y = rng.uniform(1, 6000, 100), rng.uniform(1, 4000, 100)
    ours, theirs = pixel_to_sky(found.wcs, x, y), library.all_pix2world(x, y, 1)
    assert np.max(np.abs(np.array(ours) - np.array(theirs))) * 3600 < 1e-5
    assert ("A_ORDER" in header) == (sip is not None)
    assert ("AP_ORDER" in header) == (sip is not None)


def test_offsets_from_target_and_mount_are_in_arcsec(rng: np.random.Generator) -> None:
    truth = projection(ra=83.8, dec=-5.4)
    found = solution(truth, rng, target=(83.8, -5.5), mount=(83.8 + 0.1 / np.cos(np.radians(5.4)), -5.4))
    assert found.target_offset_arcsec == pytest.approx(360, abs=0.5)
    assert found.mount_offset_arcsec == pytest.approx(360, abs=0.5)
    assert solution(truth, rng).target_offset_arcsec is None


def test_corners_go_around_the_frame(rng: np.random.Generator) -> None:
    found = solution(projection(scale=2.0), rng)
    sides = [separation(found.corners[i], found.corners[(i + 1) % 4]) for i in range(4)]
    assert sides == pytest.approx([found.width_deg, found.height_deg] * 2, rel=1e-3)
    theirs = WCS(fits.Header([fits.Card(*card) for card in wcs_cards(found)]))
    places = theirs.all_pix2world([[0.5, 0.5], [3000.5, 0.5], [3000.5, 2000.5], [0.5, 2000.5]], 1)
    assert np.max(np.abs(np.array(found.corners) - places)) * 3600 < 1e-3


def test_the_footprint_covers_the_frame_and_little_more(rng: np.random.Generator) -> None:
    truth = projection()
    found = solution(truth, rng)
    cells: list[tuple[int, int]] = []
    for word in found.footprint.split():
        order, _, cell = word.rpartition("/")
        cells.append((int(order) if order else cells[-1][0], int(cell)))
    area = sum(41252.96 / (12 * 4**order) for order, _ in cells)
    assert 1.0 <= area / (found.width_deg * found.height_deg) < 1.5
    ra, dec = pixel_to_sky(truth.wcs, rng.uniform(1, 3000, 50), rng.uniform(1, 2000, 50))
    sky = SkyCoord(ra, dec, unit="deg")
    for order in {order for order, _ in cells}:
        inside = nested.lonlat_to_healpix(sky.ra, sky.dec, order)
        covered = np.isin(inside, [cell for o, cell in cells if o == order])
        sky = sky[~covered]
    assert len(sky) == 0
    middle = nested.lonlat_to_healpix(SkyCoord(found.ra_deg, found.dec_deg, unit="deg").ra[None],
                                      SkyCoord(found.ra_deg, found.dec_deg, unit="deg").dec[None], 29)  # fmt: skip
    assert found.healpix29 == int(middle[0])


def test_the_cell_of_a_direction_is_the_one_the_healpix_library_finds(rng: np.random.Generator) -> None:
    ra, dec = rng.uniform(0, 360, 3000), np.degrees(np.arcsin(rng.uniform(-1, 1, 3000)))
    dec[:500] = 90 - 10 ** rng.uniform(-9, 1, 500)
    dec[500:1000] = -dec[:500]
    where = SkyCoord(ra, dec, unit="deg")
    cells = nested.lonlat_to_healpix(where.ra, where.dec, 29).astype(np.int64)
    assert [healpix_of(point) for point in zip(ra.tolist(), dec.tolist(), strict=True)] == cells.tolist()


def test_zone_maxima_are_known_where_stars_are(rng: np.random.Generator) -> None:
    found = solution(projection(), rng)
    assert len(found.zone_max_px) == 9
    assert all(value is not None and value < 0.2 for value in found.zone_max_px)
