"""World coordinates from the cards of a header, and back."""

import math
from collections.abc import Mapping

from astropy.io import fits

from pictor.imaging.astrometry.fitting import inverse_sip
from pictor.imaging.astrometry.projection import Sip, Wcs
from pictor.imaging.fits.wcs_cards import is_stale

Card = tuple[str, str | int | float, str]
Number = float | int | str | bool | None


def read_wcs(header: fits.Header | Mapping[str, Number]) -> Wcs | None:
    """Read a gnomonic solution from header cards.

    CD matrices, PC with CDELT, and CDELT with CROTA2 are understood, with or without SIP. SIP terms count even where
    CTYPE does not say -SIP, as in astropy.

    Parameters
    ----------
    header
        Cards of the frame.

    Returns
    -------
    Wcs or None
        None when the header holds no solution, another projection, swapped axes, units other than degrees, a turned
        native pole, PV terms, or numbers that are none. `read_celestial` reads most of these too.
    """
    kinds = [str(header.get(f"CTYPE{axis}", "")).strip().upper() for axis in (1, 2)]
    if not (kinds[0].startswith("RA---TAN") and kinds[1].startswith("DEC--TAN")):
        return None
    if any(kind[8:] not in {"", "-SIP"} for kind in kinds):
        return None
    if _is_bent(header):
        return None
    numbers = [number_of(header.get(keyword)) for keyword in ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2")]
    matrix = matrix_of(header)
    if matrix is None or not all(map(math.isfinite, numbers)):
        return None
    sip = sip_of(header)
    return Wcs((numbers[0] % 360.0, numbers[1]), (numbers[2], numbers[3]), matrix, sip)


def _is_bent(header: fits.Header | Mapping[str, Number]) -> bool:
    """Tell whether a gnomonic projection is in other units, turned about its native pole, or has PV terms."""
    units = {str(header.get(f"CUNIT{axis}", "")).strip().lower() for axis in (1, 2)}
    if not units <= {"", "deg", "degree", "degrees"} or header.get("LONPOLE", _NATIVE_POLE_DEG) != _NATIVE_POLE_DEG:
        return True
    return any(f"PV{axis}_{term}" in header for axis in (1, 2) for term in range(_PV_TERMS))


_NATIVE_POLE_DEG, _PV_TERMS = 180.0, 40


def write_wcs(header: fits.Header, wcs: Wcs, shape: tuple[int, int]) -> fits.Header:
    """Give a copy of a header with this solution and no trace of older ones.

    Parameters
    ----------
    header
        Cards of the frame; not changed.
    wcs
        The solution.
    shape
        Shape (ny, nx) of the frame, for the inverse distortion.

    Returns
    -------
    astropy.io.fits.Header
        The other cards, then the solution.
    """
    made = header.copy()
    for keyword in {keyword for keyword in made if is_stale(keyword)}:
        made.remove(keyword, remove_all=True)
    for keyword, value, comment in cards_of(wcs, shape):
        made[keyword] = (value, comment)
    return made


def cards_of(wcs: Wcs, shape: tuple[int, int]) -> list[Card]:
    """Write a solution as header cards: one CD matrix, and SIP where it has any.

    Parameters
    ----------
    wcs
        The solution.
    shape
        Shape (ny, nx) of the frame, for the inverse distortion.
    """
    suffix = "-SIP" if wcs.sip else ""
    cards: list[Card] = [
        ("WCSAXES", 2, "number of world axes"),
        ("CTYPE1", f"RA---TAN{suffix}", "gnomonic projection"),
        ("CTYPE2", f"DEC--TAN{suffix}", "gnomonic projection"),
        ("CUNIT1", "deg", "unit of CRVAL1 and CD1_x"),
        ("CUNIT2", "deg", "unit of CRVAL2 and CD2_x"),
        ("CRPIX1", wcs.crpix[0], "[px] reference pixel, first pixel is 1"),
        ("CRPIX2", wcs.crpix[1], "[px] reference pixel, first pixel is 1"),
        ("CRVAL1", wcs.crval[0], "[deg] right ascension of it"),
        ("CRVAL2", wcs.crval[1], "[deg] declination of it"),
        ("CD1_1", wcs.cd[0][0], "[deg/px]"),
        ("CD1_2", wcs.cd[0][1], "[deg/px]"),
        ("CD2_1", wcs.cd[1][0], "[deg/px]"),
        ("CD2_2", wcs.cd[1][1], "[deg/px]"),
        ("RADESYS", "ICRS", "celestial reference frame"),
        ("EQUINOX", 2000.0, "[yr] of the axes"),
    ]
    if wcs.sip is None:
        return cards
    backward = inverse_sip(wcs, shape[1], shape[0])
    return cards + _polynomials("A", "B", wcs.sip) + _polynomials("AP", "BP", backward)


def _polynomials(first: str, second: str, sip: Sip) -> list[Card]:
    cards: list[Card] = []
    for name, terms in ((first, sip.a), (second, sip.b)):
        cards.append((f"{name}_ORDER", sip.order, f"order of the SIP polynomial {name}"))
        cards += [(f"{name}_{p}_{q}", value, "SIP distortion") for p, q, value in terms]
    return cards


def number_of(value: Number) -> float:
    """Read the value of a card as a number; NaN when it is none."""
    if value is None or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except ValueError:
        return math.nan


def matrix_of(header: fits.Header | Mapping[str, Number]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Read the matrix in whatever form it is written; None without one, or when it turns all pixels into a line."""
    grid = ("1_1", "1_2", "2_1", "2_2")
    if any(f"CD{place}" in header for place in grid):
        values = [number_of(header.get(f"CD{place}", 0.0)) for place in grid]
    else:
        plain = not any(f"PC{place}" in header for place in grid)
        usual = math.nan if plain else 1.0
        step = [number_of(header.get(f"CDELT{axis}", usual)) for axis in (1, 2)]
        turn = math.radians(number_of(header.get("CROTA2", header.get("CROTA1", 0.0))))
        rotated = (math.cos(turn), -math.sin(turn) * _ratio(step), math.sin(turn) / _ratio(step), math.cos(turn))
        unit = (1.0, 0.0, 0.0, 1.0)
        parts = rotated if plain else [number_of(header.get(f"PC{p}", d)) for p, d in zip(grid, unit, strict=True)]
        values = [part * step[number // 2] for number, part in enumerate(parts)]
    if not all(map(math.isfinite, values)) or values[0] * values[3] == values[1] * values[2]:
        return None
    return (values[0], values[1]), (values[2], values[3])


def _ratio(step: list[float]) -> float:
    """CDELT2 / CDELT1: CROTA2 turns after scaling."""
    return step[1] / step[0] if step[0] else math.nan


def sip_of(header: fits.Header | Mapping[str, Number]) -> Sip | None:
    """Read the forward polynomials of a SIP distortion."""
    order = max(number_of(header.get(f"{name}_ORDER", 0)) for name in "AB")
    if not 2 <= order <= 9:
        return None
    places = [(p, q) for p in range(int(order) + 1) for q in range(int(order) + 1 - p) if p + q >= 1]
    a, b = (
        tuple((p, q, number_of(header.get(f"{name}_{p}_{q}", 0.0))) for p, q in places if f"{name}_{p}_{q}" in header)
        for name in "AB"
    )
    if not all(math.isfinite(value) for _, _, value in (*a, *b)):
        return None
    return Sip(int(order), a, b)
