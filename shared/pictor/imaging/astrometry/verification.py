"""Is a fitted solution true? Everything here errs towards saying no."""

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc

from pictor.imaging.astrometry.refit import Refit, zones_covered

LEAST_MATCHED = 12
LEAST_ZONES = 5
LARGEST_RMS_PX = 0.5
LARGEST_RMS_ARCSEC = 1.0
LARGEST_CHANCE = 1e-12
"""Probability that random stars match as well: a blind search tries some 1e8 positions per frame."""
_FEWEST_MATCHED = 6
"""Below this even a field with few catalogue stars proves nothing."""
_FEWEST_ZONES = 3
_FREE_STARS = 4
"""Stars a solver's pattern matches by construction."""
_SPARSE_SHARE = 0.5
_SKEW = 0.05
"""Largest difference of the two axes' scales, and of their angle from a right one (radians)."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is known beforehand: pixel scale limits in arcsec, and the rig's parity."""

    scale_low: float | None = None
    scale_high: float | None = None
    parity: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a solution is refused (None: it is accepted), and what it stands on."""

    refusal: str | None
    matched: int
    zones: int
    chance: float
    sparse: bool


def verify(found: Refit, expected: Expectation) -> Verdict:
    """Decide whether a fitted solution is true.

    At least 12 stars in at least 5 of 9 zones must match with an RMS of at most
    0.5 px or 1 arcsec along an axis, the pixels must be square, scale and parity must be as
    known, and the number of matches must be beyond chance. A field that holds few
    catalogue stars is accepted with six in three zones, if at least half of its
    catalogue stars match, and is marked sparse.

    Parameters
    ----------
    found
        The fit.
    expected
        What is known beforehand.

    Returns
    -------
    Verdict
        ``refusal`` is a sentence, or None when the solution is accepted.
    """
    matched, zones = len(found.star), zones_covered(found)
    chance = chance_of(found)
    sparse = found.in_frame < 2 * LEAST_MATCHED and (matched < LEAST_MATCHED or zones < LEAST_ZONES)
    refusal = (
        _shape_refusal(found, expected)
        or _count_refusal(found, matched, zones, sparse=sparse)
        or _scatter_refusal(found)
        or _chance_refusal(matched, chance)
    )
    return Verdict(refusal, matched, zones, chance, sparse)


def chance_of(found: Refit) -> float:
    """Probability that as many stars would match at a random position.

    Every catalogue star on the frame finds one of n stars within the radius with
    probability ``1 - exp(-n pi r^2 / area)``; four matches are the solver's own.

    Parameters
    ----------
    found
        The fit.

    Returns
    -------
    float
        The upper tail of the binomial distribution.
    """
    stars = found.stars
    area = stars.width * stars.height
    radius = max(found.radius, float(np.max(found.misses, initial=0.0)))
    one = -np.expm1(-len(stars.x) * np.pi * radius**2 / area)
    successes, trials = len(found.star) - _FREE_STARS, max(found.in_frame - _FREE_STARS, 0)
    if successes <= 0 or trials <= 0:
        return 1.0
    return float(bdtrc(successes - 1, trials, one))


def axis_scales(found: Refit) -> tuple[float, float]:
    """Pixel scales along x and y, in arcsec."""
    cd = np.array(found.wcs.cd)
    return float(np.hypot(*cd[:, 0])) * 3600, float(np.hypot(*cd[:, 1])) * 3600


def parity_of(found: Refit) -> int:
    """Tell +1 when the sky is as seen (east left of north), -1 when mirrored."""
    return 1 if np.linalg.det(np.array(found.wcs.cd)) < 0 else -1


def _shape_refusal(found: Refit, expected: Expectation) -> str | None:
    across, along = axis_scales(found)
    cd = np.array(found.wcs.cd)
    skew = abs(float(cd[:, 0] @ cd[:, 1])) * 3600**2 / (across * along)
    if abs(across / along - 1) > _SKEW or skew > _SKEW:
        return f"its pixels are not square ({across:.3f} by {along:.3f} arcsec, skew {skew:.3f})"
    scale = float(np.sqrt(across * along))
    if expected.scale_low is not None and scale < expected.scale_low:
        return f"its scale of {scale:.3f} arcsec per pixel is below {expected.scale_low:.3f}"
    if expected.scale_high is not None and scale > expected.scale_high:
        return f"its scale of {scale:.3f} arcsec per pixel is above {expected.scale_high:.3f}"
    if expected.parity is not None and parity_of(found) != expected.parity:
        return "it is mirrored the other way round than this rig's frames"
    return None


def _count_refusal(found: Refit, matched: int, zones: int, *, sparse: bool) -> str | None:
    if not sparse:
        if matched >= LEAST_MATCHED and zones >= LEAST_ZONES:
            return None
        return f"only {matched} of {found.in_frame} catalogue stars match, in {zones} of 9 zones"
    if matched >= _FEWEST_MATCHED and zones >= _FEWEST_ZONES and matched >= _SPARSE_SHARE * found.in_frame:
        return None
    return f"only {matched} of the {found.in_frame} catalogue stars in the field match, in {zones} of 9 zones"


def _scatter_refusal(found: Refit) -> str | None:
    arcsec = found.rms * float(np.sqrt(np.prod(axis_scales(found))))
    if found.rms <= LARGEST_RMS_PX or arcsec <= LARGEST_RMS_ARCSEC:
        return None
    return f"its stars scatter by {found.rms:.2f} px ({arcsec:.2f} arcsec)"


def _chance_refusal(matched: int, chance: float) -> str | None:
    if chance <= LARGEST_CHANCE:
        return None
    return f"{matched} matches could be chance (probability {chance:.1g})"
