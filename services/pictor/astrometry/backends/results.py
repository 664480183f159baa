"""The strict way from a solver's numbers to a candidate."""

import math
from collections.abc import Mapping

from pictor.astrometry.backends.protocol import Candidate, Failure, Reason
from pictor.imaging.astrometry.geometry import scale_of
from pictor.imaging.astrometry.projection import Wcs

KEYWORDS = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")
_SCALES = (0.005, 3600.0)
"""Arcsec per pixel: from an interferometer to an all-sky camera."""
_FAR_PIXELS = 1e6


def candidate(
    numbers: Mapping[str, float], *, index: str | None = None, log_odds: float | None = None
) -> Candidate | Failure:
    """Make a candidate of WCS keywords, refusing what cannot be true.

    Parameters
    ----------
    numbers
        Values by FITS keyword.
    index, log_odds
        What the solver says about the match.

    Returns
    -------
    Candidate or Failure
        A failure (``solver-garbage``) names the number that is missing or impossible.
    """
    problem = _problem(numbers)
    if problem is not None:
        return Failure(Reason.SOLVER_GARBAGE, f"the solver's result cannot be true: {problem}")
    wcs = Wcs(
        crval=(numbers["CRVAL1"], numbers["CRVAL2"]),
        crpix=(numbers["CRPIX1"], numbers["CRPIX2"]),
        cd=((numbers["CD1_1"], numbers["CD1_2"]), (numbers["CD2_1"], numbers["CD2_2"])),
    )
    scale = scale_of(wcs)
    if not _SCALES[0] <= scale <= _SCALES[1]:
        return Failure(Reason.SOLVER_GARBAGE, f"the solver's result cannot be true: {scale:g} arcsec per pixel")
    if log_odds is not None and not math.isfinite(log_odds):
        return Failure(Reason.SOLVER_GARBAGE, "the solver's result cannot be true: its odds are no number")
    return Candidate(wcs, index, log_odds)


def number(text: str) -> float | None:
    """Read one number as solvers write it, or None."""
    try:
        value = float(text.split("/", maxsplit=1)[0].strip())
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _problem(numbers: Mapping[str, float]) -> str | None:
    for key in KEYWORDS:
        if key not in numbers or not math.isfinite(numbers[key]):
            return f"no number for {key}"
    if not 0 <= numbers["CRVAL1"] < 360 or not -90 <= numbers["CRVAL2"] <= 90:
        return f"position {numbers['CRVAL1']:g} {numbers['CRVAL2']:g}"
    if max(abs(numbers["CRPIX1"]), abs(numbers["CRPIX2"])) > _FAR_PIXELS:
        return f"reference pixel {numbers['CRPIX1']:g} {numbers['CRPIX2']:g}"
    return None
