"""The curve of a picture applied to its channels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pictor.imaging.compositing.channels import Channel
from pictor.imaging.compositing.look import Curve, Levels, Look, Planes, levels_of, stretched

# Colours fade to white where the brightest channel is this much above the top.
_FADE = 1.0
# Colours count where the light around a pixel is so many standard deviations of the sky above it.
_SMOOTH_PX, _SURE_SIGMA = 2.5, 1.5
REACH = 10
"""Rows that matter to the certainty of a row: the filter ends four standard deviations away."""


def channel_levels(channels: Sequence[Channel], look: Look) -> tuple[Levels, Levels, Levels]:
    """Choose the curve of each channel from a sample; linked channels share that of their mean."""
    samples, noises = [one.thinned() for one in channels], [one.deviation for one in channels]
    if look.linked:
        mean = np.mean(samples, axis=0)
        one = levels_of(mean[np.isfinite(mean)], float(np.sqrt(np.mean(np.square(noises)) / 3.0)), look)
        return one, one, one
    first, second, third = (levels_of(s[np.isfinite(s)], n, look) for s, n in zip(samples, noises, strict=True))
    return first, second, third


def shown(
    values: Planes, levels: Sequence[Levels], look: Look, bright: NDArray[np.float32] | None, *, together: bool
) -> Planes:
    """Stretch all channels, by themselves or, with ``together``, by their mean so that their ratios stay."""
    if look.linked and look.curve is Curve.ASINH and (together or bright is not None):
        planes = _by_intensity(values, levels[0], bright)
    else:
        planes = np.stack([stretched(p, one, look.curve) for p, one in zip(values, levels, strict=True)])
        planes = np.clip(planes, 0.0, 1.0)
    return np.nan_to_num(planes)


def certainty(values: Planes, noises: NDArray[np.float64]) -> NDArray[np.float32]:
    """Tell how sure the colour of each pixel and its surroundings is, 0 to 1: that of pure noise is none."""
    signal = np.sqrt(np.sum(np.square(np.nan_to_num(values) / noises[:, None, None], dtype=np.float32), axis=0) / 3.0)
    sure = (ndimage.gaussian_filter(signal, _SMOOTH_PX) - 1.0) / _SURE_SIGMA
    return np.asarray(np.clip(sure, 0.0, 1.0), dtype=np.float32)


def _by_intensity(values: Planes, levels: Levels, bright: NDArray[np.float32] | None) -> Planes:
    """Stretch the mean of the channels and give it their ratios; colours too bright keep their ratios at the top."""
    above = np.maximum(values - np.float32(levels.black), np.float32(0.0))
    mean = above.mean(axis=0)
    shown = stretched(mean + np.float32(levels.black), levels, Curve.ASINH) if bright is None else bright
    with np.errstate(divide="ignore", invalid="ignore"):
        planes = above * np.where(mean > 0, shown / mean, np.float32(0.0))
    top = np.maximum(planes.max(axis=0), 1.0)
    fade = np.clip((top - 1.0) / _FADE, 0.0, 1.0) ** 2
    return np.asarray(planes / top * (1.0 - fade) + fade, dtype=np.float32)
