"""Star lists with a known projection, for plate-solving tests."""

from dataclasses import dataclass, replace

import numpy as np

from pictor.imaging.astrometry.projection import Sip, Wcs, pixel_to_sky, sky_to_pixel
from pictor.imaging.astrometry.stars import FieldStars, SkyStars, field_stars

SIP3 = Sip(
    3,
    ((2, 0, 4e-6), (1, 1, 1e-6), (0, 2, 2e-6), (3, 0, 3e-10), (1, 2, 3e-10)),
    ((2, 0, -1e-6), (1, 1, 3e-6), (0, 2, 4e-6), (2, 1, 3e-10), (0, 3, 3e-10)),
)
"""A distortion of several pixels in the corners of a 6000 x 4000 frame."""


@dataclass(frozen=True)
class Truth:
    wcs: Wcs
    width: int
    height: int


def projection(
    *,
    ra: float = 83.8,
    dec: float = -5.4,
    scale: float = 1.0,
    pa: float = 30.0,
    parity: int = 1,
    size: tuple[int, int] = (3000, 2000),
    sip: Sip | None = None,
) -> Truth:
    """A frame with square pixels; +y points to a position angle, +1 parity is as seen on the sky."""
    width, height = size
    angle, step = np.radians(pa), scale / 3600
    up = (step * np.sin(angle), step * np.cos(angle))
    along = (-parity * step * np.cos(angle), parity * step * np.sin(angle))
    crpix = ((width + 1) / 2, (height + 1) / 2)
    return Truth(Wcs((ra, dec), crpix, ((along[0], up[0]), (along[1], up[1])), sip), width, height)


def catalogue(truth: Truth, count: int, rng: np.random.Generator) -> SkyStars:
    """Random stars over the frame and 10 % around it."""
    x = rng.uniform(-0.05 * truth.width, 1.05 * truth.width, count)
    y = rng.uniform(-0.05 * truth.height, 1.05 * truth.height, count)
    ra, dec = pixel_to_sky(truth.wcs, x, y)
    return SkyStars(ra, dec, np.sort(rng.uniform(6, 12, count)))


def seen(
    truth: Truth, sky: SkyStars, rng: np.random.Generator, *, noise: float = 0.1, junk: int = 0, lost: float = 0.0
) -> FieldStars:
    """The catalogue as the frame shows it: noisy, with sources of its own, and without some stars."""
    x, y = sky_to_pixel(truth.wcs, sky.ra, sky.dec)
    flux = 10 ** (-0.4 * (sky.mag - 12) + rng.normal(0, 0.1, len(x)))
    kept = rng.uniform(size=len(x)) >= lost
    x, y, flux = (column[kept] for column in (x, y, flux))
    x, y = x + rng.normal(0, noise, len(x)), y + rng.normal(0, noise, len(y))
    x = np.concatenate([x, rng.uniform(1, truth.width, junk)])
    y = np.concatenate([y, rng.uniform(1, truth.height, junk)])
    flux = np.concatenate([flux, rng.uniform(0.5, 20, junk)])
    return field_stars(x, y, flux, flags=np.zeros(len(x)), width=truth.width, height=truth.height)


def rough(truth: Truth, *, shift_px: float = 3.0, turn_deg: float = 0.02) -> Wcs:
    """What a solver would answer: a little shifted and turned, without distortion."""
    ra, dec = pixel_to_sky(truth.wcs, np.array([truth.wcs.crpix[0] + shift_px]), np.array([truth.wcs.crpix[1]]))
    angle = np.radians(turn_deg)
    turned = np.array(truth.wcs.cd) @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    cd = ((turned[0, 0], turned[0, 1]), (turned[1, 0], turned[1, 1]))
    return replace(truth.wcs, crval=(float(ra[0]), float(dec[0])), cd=cd, sip=None)


def corner_error(truth: Truth, wcs: Wcs) -> float:
    """Largest distance between two projections over a grid that includes the corners, in pixels."""
    grid = np.meshgrid(np.linspace(1, truth.width, 9), np.linspace(1, truth.height, 9))
    x, y = grid[0].ravel(), grid[1].ravel()
    back = sky_to_pixel(truth.wcs, *pixel_to_sky(wcs, x, y))
    return float(np.max(np.hypot(back[0] - x, back[1] - y)))
