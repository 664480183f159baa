"""What a rule looks at, and how it says so in words."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Measured(Protocol):
    """A frame with stored metrics."""

    @property
    def elongation_deg(self) -> float | None:
        """Mean direction of elongation."""

    @property
    def noise_adu(self) -> float | None:
        """Noise of the sky."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One complaint: level 1 costs A, 2 costs B, 3 rejects; and the sentence that says why."""

    level: int
    reason: str


Words = Callable[[Measured, float, float], str]
"""Make a sentence from the frame, the value and what it is compared with (limit or usual value)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Three limits of one metric, from a blemish to a reason to reject.

    Parameters
    ----------
    metric
        Name of the stored number.
    levels
        Limits for B, C and D; None when that grade is not given for this reason.
    words
        Makes the sentence.
    low
        True when small values are bad.
    sigmas
        Relative limits also need this distance from the median in robust sigmas.
    floor
        Smallest robust sigma, as a share of the median.
    offset
        Relative limits are added to the median instead of multiplied.
    """

    metric: str
    levels: tuple[float | None, float | None, float | None]
    words: Words
    low: bool = False
    sigmas: float = 3.0
    floor: float = 0.03
    offset: bool = False

    def judge(self, metrics: Measured, usual: tuple[float, float] | None) -> Finding | None:
        """Compare one frame with the limits, relative to the usual value and its scatter when given."""
        value = getattr(metrics, self.metric)
        if value is None:
            return None
        if usual is not None and not self._is_far(float(value), usual):
            return None
        for level in (3, 2, 1):
            limit = self.levels[level - 1]
            if limit is None:
                continue
            bound = limit if usual is None else usual[0] + limit if self.offset else usual[0] * limit
            if value <= bound if self.low else value >= bound:
                return Finding(level, self.words(metrics, float(value), bound if usual is None else usual[0]))
        return None

    def _is_far(self, value: float, usual: tuple[float, float]) -> bool:
        middle, sigma = usual
        distance = middle - value if self.low else value - middle
        return distance > self.sigmas * max(sigma, self.floor * abs(middle))


def axis_ratio(eccentricity: float) -> float:
    """Shorter over longer axis of an ellipse of this eccentricity."""
    return math.sqrt(max(0.0, 1.0 - eccentricity**2))


def _no_stars(_: Measured, value: float, __: float) -> str:
    if value < 1:
        return "no star was found: clouds, a closed cover, strong defocus or a wrong exposure"
    return f"only {value:.0f} star{'s were' if value > 1 else ' was'} found: clouds, defocus or a short exposure"


def _trailed(metrics: Measured, value: float, _: float) -> str:
    direction = metrics.elongation_deg
    where = "" if direction is None else f", mostly at {direction:.0f} degrees from +x"
    return f"stars are trailed: eccentricity {value:.2f} (axis ratio {axis_ratio(value):.2f}){where}"


def _defocused(_: Measured, value: float, limit: float) -> str:
    return f"out of focus: half-flux radius HFR {value:.1f} px is above {limit:.1f} px"


def _wide(_: Measured, value: float, limit: float) -> str:
    return f"stars are wide: FWHM {value:.1f} px is above {limit:.1f} px (defocus or poor seeing)"


def _saturated(_: Measured, value: float, __: float) -> str:
    return f"{100 * value:.1f} % of the pixels are saturated"


def _repeated(_: Measured, value: float, __: float) -> str:
    return f"{100 * value:.0f} % of the pixels have one and the same value: electronics fault or nothing recorded"


def _broken(_: Measured, value: float, __: float) -> str:
    return f"{100 * value:.1f} % of the pixels have no value"


def _pattern(_: Measured, __: float, ___: float) -> str:
    return "rows or columns carry a regular pattern: interference or a readout fault"


def _trails(_: Measured, value: float, __: float) -> str:
    return f"{value:.0f} satellite or aircraft trail{'s' if value > 1 else ''} across the frame"


def _clouds(_: Measured, value: float, usual: float) -> str:
    return (
        f"transparency drop, probably clouds: star count {value:.0f} where {usual:.0f} are usual "
        f"({100 * value / max(usual, 1.0):.0f} %)"
    )


def _softer(_: Measured, value: float, usual: float) -> str:
    return f"HFR {value:.2f} px where {usual:.2f} px is usual ({value / usual:.2f} times): focus or seeing"


def _wider(_: Measured, value: float, usual: float) -> str:
    return f"FWHM {value:.2f} px where {usual:.2f} px is usual ({value / usual:.2f} times): focus or seeing"


def _rounder_usually(metrics: Measured, value: float, usual: float) -> str:
    return f"{_trailed(metrics, value, usual)}, where eccentricity {usual:.2f} is usual"


def _brighter(_: Measured, value: float, usual: float) -> str:
    return (
        f"sky of {value:.0f} ADU where {usual:.0f} ADU is usual ({value / usual:.1f} times): "
        "Moon, twilight, lit clouds or dew"
    )


# Why these values: eccentricity 0.6 is an axis ratio of 0.8, the usual limit of trackers' advice, 0.87 one of 0.5;
# five per cent of saturated pixels is the limit of the LCO pipeline; half of one value is more than a sky with a
# noise of one unit shows; radii are those
# at which even 0.5 arcsec pixels show a defocus or seeing of 4.5, 6 and 9 arcsec.
# What is wrong with the pixels comes first: it is why there are no stars.
ABSOLUTE: tuple[Limits, ...] = (
    Limits("non_finite_fraction", (0.02, 0.2, 0.5), _broken),
    Limits("saturated_fraction", (0.01, 0.02, 0.05), _saturated),
    Limits("repeated_fraction", (None, 0.5, 0.97), _repeated),
    Limits("star_count", (20, 10, 2), _no_stars, low=True),
    Limits("eccentricity", (0.62, 0.75, 0.87), _trailed),
    Limits("hfr_px", (4.5, 6.0, 9.0), _defocused),
    Limits("fwhm_px", (9.0, 12.0, 18.0), _wide),
    Limits("pattern_noise", (1.0, None, None), _pattern),
    Limits("trail_count", (1.0, 4.0, None), _trails),
)
RELATIVE: tuple[Limits, ...] = (
    Limits("star_count", (0.75, 0.5, 0.25), _clouds, low=True, floor=0.05),
    Limits("hfr_px", (1.15, 1.4, 1.9), _softer),
    Limits("fwhm_px", (1.15, 1.4, 1.9), _wider),
    Limits("eccentricity", (0.12, 0.25, 0.4), _rounder_usually, offset=True),
    Limits("background_adu", (1.5, 3.0, 8.0), _brighter),
)
"""Factors on the median of accepted frames; eccentricity adds to it."""

CLOUDED_STARS, CLOUDED_SKY = 0.35, 1.5
"""Targets differ in stars by more than this and skies by less; both together are clouds, twilight or the Moon."""


def lit_clouds(stars: float, usual: float, brighter: float) -> str:
    """Say that few stars stand in a bright sky."""
    return (
        f"probably clouds (or Moon, twilight): {stars:.0f} stars where other frames of this rig and filter have "
        f"{usual:.0f}, and a sky {brighter:.1f} times as bright"
    )


DEFOCUSED_PX, DEFOCUSED_ARCSEC = 2.5, (4.5, 6.0, 12.0)
"""Half-flux radii beyond seeing (B, C, D): 4.5 arcsec is a FWHM of 9. In pixels, so that no short lens is blamed."""


def defocused_on_sky(hfr_px: float, hfr_arcsec: float) -> str:
    """Say that stars are wider than any seeing makes them."""
    return (
        f"out of focus: half-flux radius HFR {hfr_px:.1f} px is {hfr_arcsec:.1f} arcsec at the header's scale, "
        f"more than seeing makes ({DEFOCUSED_ARCSEC[0]:g})"
    )
