"""What a frame itself says about where it looks at: its header, and the stars on it."""

import math

from astropy.io import fits

from pictor.astrometry.solver import Belief, point
from pictor.imaging.astrometry.celestial import read_celestial
from pictor.imaging.astrometry.geometry import SkyPoint
from pictor.imaging.astrometry.pointing import north_up
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.cards import Card
from pictor.imaging.fits.reading import luminance
from pictor.imaging.frame import Frame
from pictor.imaging.headers.describe import describe
from pictor.imaging.headers.description import FrameDescription
from pictor.imaging.quality.sky import sky_of
from pictor.imaging.stars.bayer import PATTERNS
from pictor.imaging.stars.finding import find_stars
from pictor.imaging.stars.starlist import StarList

_ARCSEC_PER_RADIAN = math.degrees(1) * 3600


def described(header: fits.Header) -> FrameDescription:
    """Read a header in Pictor's vocabulary."""
    return describe(Card(card.keyword, _plain(card.value), card.comment) for card in header.cards)


def belief_of(header: fits.Header, shape: tuple[int, int] | None = None, *, radius_deg: float = 3.0) -> Belief:
    """Gather every hint a header holds.

    An older solution tells position and scale best; else the mount's position counts, else the target's, and the
    scale of pixel size and focal length.

    Parameters
    ----------
    header
        Cards of the frame.
    shape
        Shape (ny, nx) of the frame; None leaves an older solution in the header aside.
    radius_deg
        How far off the position may be.

    Returns
    -------
    Belief
        What the header says; parity is never believed.
    """
    said = described(header)
    mount, target = _pair(said.ra_deg, said.dec_deg), _pair(said.target_ra_deg, said.target_dec_deg)
    seen, scale = _solved(header, shape)
    if scale is None and said.focal_mm and said.pixel_um_binned:
        scale = said.pixel_um_binned / 1000 / said.focal_mm * _ARCSEC_PER_RADIAN
    return Belief(seen or mount or target, radius_deg, scale, None, target, mount)


def stars_of(frame: Frame) -> StarList:
    """Find the stars of a frame, through its colour pattern where it is a raw colour frame.

    Parameters
    ----------
    frame
        Raw or calibrated, shape (ny, nx) or (planes, ny, nx).

    Returns
    -------
    StarList
        Brightest first.

    Raises
    ------
    FrameMismatchError
        If the frame is no image.
    """
    said = described(frame.header)
    pattern = said.bayer if frame.data.ndim == 2 and said.bayer in PATTERNS else None
    pixels = frame.real()
    image = pixels if pixels.ndim == 2 else luminance(pixels)
    sky = None if pattern else sky_of(image, bayer=False)
    return find_stars(image, saturation=said.saturation_adu, background=sky, bayer=pattern)


def _solved(header: fits.Header, shape: tuple[int, int] | None) -> tuple[SkyPoint | None, float | None]:
    """Read centre and scale of an older solution."""
    seen = read_celestial(header) if shape else None
    if seen is None or shape is None:
        return None, None
    try:
        grid, _ = north_up(seen, shape)
    except ImagingError:
        return None, None
    return point(grid.crval), 3600 * grid.cd[1][1]


def _pair(ra: float | None, dec: float | None) -> SkyPoint | None:
    return None if ra is None or dec is None else point((ra, dec))


def _plain(value: object) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | bool) else None
