"""Describe a frame in memory by its header."""

from astropy.io import fits

from pictor.imaging.fits.cards import Card
from pictor.imaging.headers.describe import describe
from pictor.imaging.headers.description import FrameDescription

_ARCSEC_PER_RADIAN = 206_264.806


def describe_header(header: fits.Header, *, name: str = "") -> FrameDescription:
    """Describe a frame in Pictor's vocabulary: exposure, filter, target, gain and what else its header says.

    Parameters
    ----------
    header
        Cards as a library holds them.
    name
        File name, a last resort for the frame type.

    Examples
    --------
    >>> found = describe_header(fits.Header({"EXPTIME": 30.0, "FILTER": "Ha", "OBJECT": "M 51"}))
    >>> found.exposure_s, found.filter, found.target_name
    (30.0, 'Ha', 'M 51')
    """
    return describe((Card(card.keyword, _value(card.value), card.comment) for card in header.cards), name=name)


def claimed_scale(described: FrameDescription) -> float | None:
    """Pixel scale that the header claims, in arcsec per pixel: a hint, often wrong by some per cent."""
    focal, pixel = described.focal_mm, described.pixel_um_binned
    return pixel / 1000.0 / focal * _ARCSEC_PER_RADIAN if pixel and focal else None


def _value(value: object) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float) else None
