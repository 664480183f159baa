"""How three frames become red, green and blue: palettes, curves, and what can be chosen."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.errors import ImagingError
from pictor.imaging.preview.stretch import midtones

Planes = NDArray[np.float32]
"""Red, green and blue, shape (3, ny, nx)."""


_LEAST_SPAN = 100.0
"""Standard deviations of the sky that asinh spreads over at least, so that the sky of a faint picture stays dark."""


class Curve(StrEnum):
    """The named curves."""

    ASINH = "asinh"
    STF = "stf"
    GAMMA = "gamma"
    LINEAR = "linear"


class Sky(StrEnum):
    """What is taken from each channel before all else."""

    PLANE = "plane"
    LEVEL = "level"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture is to look like.

    Parameters
    ----------
    curve
        ``asinh`` keeps colours where others burn out [1]_; ``stf`` puts the median sky at a fixed grey by midtones;
        ``gamma`` is STIFF's power law between two quantiles; ``linear`` is a straight line between them.
    linked
        Whether all channels get one curve, so that ratios between them are kept; else each gets its own, unbalanced.
    sky
        Background neutralisation.
    white
        Factors for red, green and blue; None: so that the average star is white (palette ``rgb``), or the bright parts
        of the nebula are as bright in all channels (the others); 1 for channels that are not linked.
    saturation
        Colours are driven away from grey by this factor; 1 leaves them, 0 makes the picture grey.
    gamma
        Exponent of ``gamma``.
    black_quantile, white_quantile
        Quantiles of the pixels shown as black and white by ``gamma`` and ``linear``; the second also tops ``asinh``.
    softening
        Noise of the sky, in standard deviations, up to which ``asinh`` is linear.
    target
        Grey of the sky under ``stf``.
    mute
        Whether colours fade where there is nothing but noise.

    References
    ----------
    .. [1] Lupton R. et al., 2004, PASP 116, 133.
    """

    curve: Curve = Curve.ASINH
    linked: bool = True
    sky: Sky = Sky.PLANE
    white: tuple[float, float, float] | None = None
    saturation: float = 1.5
    gamma: float = 2.2
    black_quantile: float = 0.6
    white_quantile: float = 0.999
    softening: float = 2.5
    target: float = 0.12
    mute: bool = True

    def __post_init__(self) -> None:
        if self.white is not None and not all(math.isfinite(one) and one > 0 for one in self.white):
            raise ImagingError(f"white balance factors are positive numbers, not {self.white}", reason="look")
        if not 0 <= self.black_quantile < self.white_quantile <= 1:
            raise ImagingError(
                f"black quantile {self.black_quantile} and white quantile {self.white_quantile} must rise from 0 to 1",
                reason="look",
            )
        if min(self.gamma, self.softening) <= 0 or self.saturation < 0 or not 0 < self.target < 1:
            raise ImagingError(
                f"gamma {self.gamma} and softening {self.softening} are above 0, saturation {self.saturation} not "
                f"below it, target {self.target} between 0 and 1",
                reason="look",
            )


@dataclass(frozen=True, slots=True)
class Levels:
    """The curve of one channel: values of black and white, and its bend.

    ``bend`` is the softening in the unit of the frame (asinh), the midtones balance (stf) or the exponent (gamma).
    """

    black: float
    white: float
    bend: float


def levels_of(values: NDArray[np.floating], noise: float, look: Look) -> Levels:
    """Choose the curve of a sample of sky-subtracted values.

    Parameters
    ----------
    values
        Finite values, shape (n,).
    noise
        Standard deviation of the sky in them.
    look
        What is wanted.
    """
    top = float(np.quantile(values, look.white_quantile))
    if look.curve is Curve.ASINH:
        return Levels(-0.5 * noise, max(top, _LEAST_SPAN * noise), look.softening * noise)
    if look.curve is Curve.STF:
        black, white = -2.8 * noise, max(float(values.max()), 10.0 * noise)
        place = -black / (white - black)
        balance = float(midtones(look.target, np.asarray([place]))[0])
        return Levels(black, white, min(max(balance, 1e-6), 1.0 - 1e-6))
    bottom = float(np.quantile(values, look.black_quantile))
    return Levels(bottom, max(top, bottom + noise), look.gamma if look.curve is Curve.GAMMA else 1.0)


def stretched(values: NDArray[np.float32], levels: Levels, curve: Curve) -> NDArray[np.float32]:
    """Apply a curve; values above white rise above 1, those below black are 0."""
    above = np.maximum(values - np.float32(levels.black), np.float32(0.0))
    span = levels.white - levels.black
    if curve is Curve.ASINH:
        return np.asarray(np.arcsinh(above / levels.bend) / math.asinh(span / levels.bend), dtype=np.float32)
    share = above / np.float32(span)
    if curve is Curve.STF:
        return np.asarray(midtones(levels.bend, np.minimum(share, 1.0)), dtype=np.float32)
    return np.asarray(share ** np.float32(1.0 / levels.bend), dtype=np.float32)


def saturate(planes: Planes, factor: float | NDArray[np.float32]) -> Planes:
    """Drive colours away from the mean of their channels; values stay between 0 and 1.

    A colour that would leave this range is brought back along the line to its own grey, so its hue stays.
    """
    grey = planes.mean(axis=0, dtype=np.float32)
    grey = np.clip(grey, 0.0, 1.0)
    away = (planes - grey) * np.asarray(factor, dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(away > 0, (1.0 - grey) / away, np.where(away < 0, -grey / away, np.inf)).min(axis=0)
    moved = grey + away * np.minimum(room, 1.0).astype(np.float32)
    return np.asarray(np.clip(moved, 0.0, 1.0), dtype=np.float32)
