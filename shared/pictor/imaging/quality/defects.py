"""Signs of electronics faults: ceilings, repeated values, missing values, regular patterns."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.background import Background
from pictor.imaging.compiling import njit
from pictor.imaging.pixels import Pixels

_SAMPLE = 400_000
_LINES = 48
# A frequency is a pattern when its power is this many sigmas, and three times, above both sides.
_PATTERN_SIGMA = 10.0
_PATTERN_EXCESS = 3.0
_NEIGHBOURS = 9
# Slow waves are clouds, gradients and stars.
_SLOWEST = 0.03
_SMALLEST_SIDE = 128
# What 16 bits hold.
_LARGEST = 65535
# Rows looked at together.
_PIECE = 256


@dataclass(frozen=True, slots=True)
class Defects:
    """Shares of bad pixels of one frame.

    Parameters
    ----------
    saturated_fraction
        Share of pixels at or above the saturation level; None when no level is known.
    repeated_fraction
        Share of the most frequent value; None without a finite pixel.
    non_finite_fraction
        Share of NaN and infinities.
    pattern_noise
        True when rows or columns carry a regular pattern; None for frames too small to tell.
    """

    saturated_fraction: float | None
    repeated_fraction: float | None
    non_finite_fraction: float
    pattern_noise: bool | None


def find_defects(image: Pixels, sky: Background, saturation: float | None, *, bayer: bool) -> Defects:
    """Count what is wrong with the pixels of a frame.

    Parameters
    ----------
    image
        Shape (ny, nx), in ADU.
    sky
        Its background.
    saturation
        Level in ADU; None when unknown.
    bayer
        True for a raw one-shot-colour frame: patterns are looked for in one channel.
    """
    level = np.inf if saturation is None else saturation
    if image.dtype.kind == "u":
        broken, saturated = 0, 0 if saturation is None else _reached(image, level)
    else:
        with ThreadPoolExecutor(2) as pool:
            halves = pool.map(lambda half: _count(half, level), (image[: len(image) // 2], image[len(image) // 2 :]))
            broken, saturated = (sum(numbers) for numbers in zip(*halves, strict=True))
    plane = image[::2, ::2] if bayer else image
    return Defects(
        saturated_fraction=None if saturation is None else saturated / image.size,
        repeated_fraction=_repeated(image),
        non_finite_fraction=broken / image.size,
        pattern_noise=_has_pattern(plane, sky.noise),
    )


def warm() -> None:
    """Compile the kernel of this module."""
    _count(np.zeros((4, 4), dtype=np.float32), 1.0)


def _reached(image: Pixels, level: float) -> int:
    """Count the whole numbers at or above a level, in pieces so that no mask of the whole frame is made."""
    if level > _LARGEST:
        return 0
    limit = image.dtype.type(max(0, math.ceil(level)))
    pieces = (image[start : start + _PIECE] for start in range(0, len(image), _PIECE))
    return sum(int(np.count_nonzero(piece >= limit)) for piece in pieces)


def _repeated(image: Pixels) -> float | None:
    sample = image.ravel()[:: max(1, image.size // _SAMPLE)]
    if sample.dtype.kind == "u":
        return float(np.bincount(sample).max() / sample.size)
    finite = sample[np.isfinite(sample)]
    if finite.size == 0:
        return None
    return float(np.unique(finite, return_counts=True)[1].max() / finite.size)


def _has_pattern(image: Pixels, noise: float | None) -> bool | None:
    if noise is None or noise <= 0.0 or min(image.shape) < _SMALLEST_SIDE:
        return None
    found = False
    for plane in (image, image.T):
        lines = plane[:: max(1, plane.shape[0] // _LINES)][:_LINES].astype(np.float32)
        lines = lines[np.isfinite(lines).all(axis=1)]
        if len(lines) < _LINES // 3:
            continue
        clipped = np.clip(lines - np.median(lines, axis=1, keepdims=True), -3.0 * noise, 3.0 * noise)
        found = found or _stands_out(clipped)
    return found


def _stands_out(lines: NDArray[np.float32]) -> bool:
    """Whether a frequency along the lines stands out on both sides of the mean power spectrum."""
    power = np.mean(np.abs(np.fft.rfft(lines, axis=1)) ** 2, axis=0)[int(_SLOWEST * (lines.shape[1] // 2)) :]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(power, _NEIGHBOURS // 2, mode="symmetric"), _NEIGHBOURS)
    around = np.median(windows, axis=1)
    left, right = np.roll(around, _NEIGHBOURS // 2 + 2), np.roll(around, -_NEIGHBOURS // 2 - 2)
    # Odd and even rows differ at the very end, where only one side is left; the other end is full of stars.
    reach = _NEIGHBOURS // 2 + 2
    left[:reach], right[-reach:] = np.inf, left[-reach:]
    ratio = power / np.maximum(np.maximum(left, right), 1e-30) - 1.0
    # The mean of n lines scatters by 1 / sqrt(n).
    return bool(np.any(ratio > max(_PATTERN_SIGMA / math.sqrt(len(lines)), _PATTERN_EXCESS)))


@njit(cache=True, nogil=True)
def _count(image: Pixels, saturation: float) -> tuple[int, int]:
    """Pixels that are not finite, and pixels at or above the saturation level."""
    broken, saturated = 0, 0
    limit = np.float32(saturation)
    for y in range(image.shape[0]):
        top, finite = image[y, 0], 0
        for value in image[y]:
            finite += int(value - value == 0)
            top = max(top, value)
        broken += image.shape[1] - finite
        if finite < image.shape[1] or np.float32(top) >= limit:
            for value in image[y]:
                saturated += int(np.float32(value) >= limit)
    return broken, saturated
