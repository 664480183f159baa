"""How far the level of a bias or dark may be from the master in use, or from what other exposures tell."""

import math

import numpy as np

from pictor.calibration_stacker.gate import LEVEL_RANGE, Level
from pictor.imaging.calibration.building import Preparation, Recipe
from pictor.imaging.calibration.masters import Kind

NOISES = 3.0
LEAST_ADU = 10.0
"""Bias levels wander by a few ADU from month to month."""

CURRENT_RANGE = 0.6
"""Of the dark current: 2 degrees either way, at a doubling in six, are 26 % more and 21 % less."""

CURRENT_SHARE = 0.5
"""Dark current told by another exposure is right to this share: within the temperature tolerance it may change by a
quarter, and hot pixels saturate."""


def level_range(ready: Preparation, recipe: Recipe) -> float:
    """Return how far apart the levels of the frames are, in the noise of a pixel; 4 noises are allowed.

    Dark current follows the temperature, which may differ within its tolerance: a range of that share of it counts as
    what is allowed at most.
    """
    apart, level = float(np.ptp(ready.levels)), float(np.mean(ready.levels))
    noise = ready.seen
    below = recipe.bias_level if recipe.bias_level is not None else noise.pedestal
    signal = max(level - below, 0.0) if recipe.kind is not Kind.BIAS else 0.0
    pixel = math.sqrt(noise.floor + noise.slope * max(level - noise.pedestal, 0.0))
    return apart / max(pixel, CURRENT_RANGE * signal / LEVEL_RANGE)


def beside_active(offset: float, noise_adu: float) -> Level:
    """Compare with the master in use."""
    return Level(offset, max(NOISES * noise_adu, LEAST_ADU), "the active master")


def beside_expected(level: float, expected: float, noise_adu: float, *, bias_level: float) -> Level:
    """Compare with what the darks of other exposures tell."""
    allowed = max(NOISES * noise_adu, LEAST_ADU, CURRENT_SHARE * abs(expected - bias_level))
    return Level(level - expected, allowed, "bias and darks of other exposures")
