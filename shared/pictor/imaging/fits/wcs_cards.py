"""World coordinates in a header: one consistent CD matrix, and nothing stale beside it."""

import math
import re
from collections.abc import Mapping

from pictor.imaging.fits.cards import Card, CardValue

_STALE = re.compile(
    r"(WCSAXES|WCSNAME|CTYPE\d|CRVAL\d|CRPIX\d|CUNIT\d|CDELT\d|CROTA\d|CD\d_\d|PC\d_\d|CD\d{6}|PC\d{6}|PV\d_\d+|PS\d_\d+"
    r"|CRDER\d|CSYER\d|LONPOLE|LATPOLE|RADESYS|EQUINOX|WCSDIM|LTM\d_\d|LTV\d|WAT\d_\d+)[A-Z]?\Z"
    r"|(RADECSYS|EPOCH|[AB]P?_(ORDER|DMAX|\d+_\d+)|TR\d_\d+|PLTSOLVD|PLTGRADE|PLTNGRAD|IMAGEW|IMAGEH|SECPIX\d?|SECPIX)\Z"
    r"|(CNPIX\d|PPO\d|AMD[XY]\d+|PLTRA[HMS]|PLTDEC(SN|[DMS])|PLTSCALE|[XY]PIXELSZ|DQ\d|DP\d|CPDIS\d|CQDIS\d|MJDREF|DATEREF)\Z"
)
_SIP = re.compile(r"(A|B|AP|BP)_(ORDER|\d+_\d+)\Z")
_KEPT = {
    "CRVAL1": "[deg] right ascension of the reference pixel",
    "CRVAL2": "[deg] declination of the reference pixel",
    "CRPIX1": "[pix] reference pixel, first column is 1",
    "CRPIX2": "[pix] reference pixel, first row is 1",
}
_MATRIX = ("CD1_1", "CD1_2", "CD2_1", "CD2_2")


def is_stale(keyword: str) -> bool:
    """Whether a card belongs to an older world coordinate system."""
    return _STALE.match(keyword) is not None


def wcs_cards(wcs: Mapping[str, CardValue]) -> list[Card]:
    """Give the cards of a celestial TAN or TAN-SIP solution.

    Parameters
    ----------
    wcs
        FITS keywords of the solution: CRVAL, CRPIX, a CD matrix or PC with CDELT, optional SIP coefficients; ICRS,
        degrees, 1-based pixels.

    Returns
    -------
    list of Card
        One CD matrix, whatever form came in.

    Raises
    ------
    ValueError
        If a needed number is missing or not finite, or the matrix is singular.
    """
    numbers = {keyword: _finite(wcs, keyword) for keyword in _KEPT}
    matrix = _matrix(wcs)
    sip = [(keyword, value) for keyword, value in wcs.items() if _SIP.match(keyword)]
    suffix = "-SIP" if sip else ""
    cards = [
        Card("WCSAXES", 2, "number of coordinate axes"),
        Card("CTYPE1", f"RA---TAN{suffix}", "right ascension, gnomonic projection"),
        Card("CTYPE2", f"DEC--TAN{suffix}", "declination, gnomonic projection"),
        Card("CUNIT1", "deg", "unit of CRVAL1 and CD1_i"),
        Card("CUNIT2", "deg", "unit of CRVAL2 and CD2_i"),
        Card("RADESYS", "ICRS", "celestial reference system"),
        Card("EQUINOX", 2000.0, "[yr] equinox"),
    ]
    cards += [Card(keyword, numbers[keyword], comment) for keyword, comment in _KEPT.items()]
    cards += [
        Card(keyword, value, "[deg/pix] transformation matrix") for keyword, value in zip(_MATRIX, matrix, strict=True)
    ]
    return cards + [Card(keyword, _sip_value(keyword, wcs), "SIP distortion") for keyword, _ in sip]


def _sip_value(keyword: str, wcs: Mapping[str, CardValue]) -> CardValue:
    value = _finite(wcs, keyword)
    return int(value) if keyword.endswith("ORDER") else value


def _matrix(wcs: Mapping[str, CardValue]) -> tuple[float, ...]:
    """Give CD from CD, or from PC and CDELT; absent elements follow the FITS defaults."""
    if any(keyword in wcs for keyword in _MATRIX):
        matrix = tuple(_finite(wcs, keyword, 0.0) for keyword in _MATRIX)
    else:
        scales = (_finite(wcs, "CDELT1"), _finite(wcs, "CDELT2"))
        matrix = tuple(
            scales[row] * _finite(wcs, f"PC{row + 1}_{column + 1}", float(row == column))
            for row in (0, 1)
            for column in (0, 1)
        )
    if matrix[0] * matrix[3] - matrix[1] * matrix[2] == 0:
        raise ValueError(f"the CD matrix is singular: {matrix}")
    return matrix


def _finite(wcs: Mapping[str, CardValue], keyword: str, default: float | None = None) -> float:
    value = wcs.get(keyword, default)
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{keyword} is {value!r}")
    return float(value)
