"""What the darks in use tell about the level of another: numbers alone, for the service and for its children."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownDark:
    """A master dark in use: its level in ADU, and its exposure."""

    exposure_s: float
    level_adu: float


def expected_level(exposure_s: float | None, bias_level: float | None, darks: Sequence[KnownDark]) -> float | None:
    """Tell the level of a dark from the bias and the darks of other exposures at its temperature.

    Parameters
    ----------
    exposure_s
        Exposure of the new dark; None: nothing is told.
    bias_level
        Level without dark current, in ADU; None: nothing is told.
    darks
        Master darks in use at the same temperature; the longest that still holds its bias tells the current best.

    Returns
    -------
    float or None
        The level in ADU.
    """
    if exposure_s is None or bias_level is None:
        return None
    whole = [dark for dark in darks if dark.level_adu > bias_level / 2 and dark.exposure_s > 0]
    longest = max(whole, key=lambda dark: dark.exposure_s, default=None)
    if longest is None:
        return None
    return bias_level + (longest.level_adu - bias_level) * exposure_s / longest.exposure_s
