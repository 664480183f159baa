"""What bias, dark and flat frames tell about the detector."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.badpixels import pixel_limits
from pictor.imaging.calibration.planes import row_chunks
from pictor.imaging.combine.noise import QUANTISATION_VARIANCE
from pictor.imaging.combine.sampling import CLIP, SUBSAMPLE, clipped_moments
from pictor.imaging.compiling import njit
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.pixels import quantum, run_in_threads
from pictor.imaging.types import Image

BLOCK = 32
"""Flats are compared in blocks of this side, in pixels, so that vignetting does not count as noise."""

MOST_BLOCKS = 1500
"""Of more an even choice is looked at: a million and a half pixels tell the gain to 0.15 %."""

LEVEL_PIXELS = 250_000
LEAST_WIDTH = 0.5
Doubles = NDArray[np.float64]

LEAST_SIGNAL = 100.0
"""ADU; a flat pair darker than this says nothing about the gain."""


def _check(one: NDArray[np.number], two: NDArray[np.number]) -> None:
    if one.shape != two.shape:
        raise FrameMismatchError(f"frames of a pair differ: {one.shape}, {two.shape}")


def read_noise_adu(bias1: NDArray[np.number], bias2: NDArray[np.number]) -> float:
    """Measure read noise from two bias frames, in ADU.

    Their difference cancels the fixed pattern and carries twice the read-noise variance [1]_; five-sigma clipping
    drops cosmic rays and unstable pixels; the variance of rounding, to whole ADU or to the wider steps of a camera of
    fewer bits, is taken out.

    Parameters
    ----------
    bias1, bias2
        Bias frames of one camera mode, shape (ny, nx), in ADU.

    Returns
    -------
    float
        Read noise, in ADU RMS per pixel; 0 where rounding hides it.

    Raises
    ------
    FrameMismatchError
        If the frames differ in shape.

    References
    ----------
    .. [1] Janesick J. R., 2001, Scientific Charge-Coupled Devices, SPIE Press.
    """
    _check(bias1, bias2)
    step = max(1, bias1.size // SUBSAMPLE)
    difference = np.subtract(bias1.ravel()[::step], bias2.ravel()[::step], dtype=np.float64)
    kept_in = steps_of(bias1, bias2)
    variance = clipped_moments(difference, least=max(kept_in, 1.0) / 2)[1] / 2
    return math.sqrt(max(variance - kept_in**2 * QUANTISATION_VARIANCE, 0.0))


def steps_of(one: NDArray[np.number], two: NDArray[np.number]) -> float:
    """Return the step in which two frames of a camera are kept, in ADU; 0 where their values are continuous.

    Parameters
    ----------
    one, two
        Pixels, any shape, in ADU; NaN does not count. Of frames of different steps the root of the mean square is
        returned.
    """
    return math.sqrt((quantum(one) ** 2 + quantum(two) ** 2) / 2)


def read_noise(bias1: NDArray[np.number], bias2: NDArray[np.number], *, egain: float) -> float:
    """Measure read noise from two bias frames, in electrons RMS per pixel; see `read_noise_adu`.

    Parameters
    ----------
    bias1, bias2
        Bias frames of one camera mode, shape (ny, nx), in ADU.
    egain
        Conversion gain, in electrons per ADU.

    Returns
    -------
    float
        Read noise, in electrons RMS per pixel.

    Raises
    ------
    FrameMismatchError
        If the frames differ in shape.
    """
    return egain * read_noise_adu(bias1, bias2)


def conversion_gain(
    flat1: NDArray[np.number], flat2: NDArray[np.number], *, dark: Image | float, read_noise: float
) -> float:
    """Measure the conversion gain from two flats by the mean-variance method [1]_.

    The second flat is scaled to the first; mean and variance of the difference are taken in blocks, for variance grows
    with the mean, and the gain is the ratio of their sums over the blocks within five robust deviations.

    Parameters
    ----------
    flat1, flat2
        Flats of one camera mode and filter, shape (ny, nx), in ADU.
    dark
        Their dark, or bias, shape (ny, nx) or one level, in ADU.
    read_noise
        Read noise, in ADU RMS.

    Returns
    -------
    float
        Conversion gain, in electrons per ADU.

    Raises
    ------
    FrameMismatchError
        If the frames differ in shape.
    ImagingError
        If the flats are too dark to tell.

    References
    ----------
    .. [1] Janesick J. R., 2007, Photon Transfer, SPIE Press.
    """
    _check(flat1, flat2)
    below = np.broadcast_to(np.asarray(dark), flat1.shape)
    step = max(1, math.isqrt(flat1.size // LEVEL_PIXELS))
    thin = slice(None, None, step), slice(None, None, step)
    level1, level2 = clipped_moments(_net(flat1, below, thin))[0], clipped_moments(_net(flat2, below, thin))[0]
    if min(level1, level2) < LEAST_SIGNAL:
        low = min(level1, level2)
        raise ImagingError(f"a flat with {low:.0f} ADU above its dark is too dark for its gain", reason="flat-too-dark")
    factor = level1 / level2
    boxes = _blocks(flat1.shape)
    one, two = (np.array([_net(flat, below, box).ravel() for box in boxes]) for flat in (flat1, flat2))
    signal, variance = _block_moments(one, factor * two)
    rounding = steps_of(flat1[thin], flat2[thin]) ** 2 * QUANTISATION_VARIANCE
    photon = variance - (1 + factor**2) * (read_noise**2 + rounding)
    ratio = photon / signal
    centre = np.median(ratio)
    kept = np.abs(ratio - centre) <= 5 * 1.4826 * np.median(np.abs(ratio - centre)) + 1e-12
    total = float(photon[kept].sum())
    if total <= 0:
        raise ImagingError("the flats vary less than their read noise: the gain cannot be told", reason="flat-noise")
    return float((1 + factor) * signal[kept].sum() / total)


def _blocks(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    side = [min(BLOCK, n) for n in shape]
    starts = [range(0, n - s + 1, s) for n, s in zip(shape, side, strict=True)]
    boxes = [(slice(y, y + side[0]), slice(x, x + side[1])) for y in starts[0] for x in starts[1]]
    return boxes[:: max(1, len(boxes) // MOST_BLOCKS)]


def _net(flat: NDArray[np.number], dark: NDArray[np.number], part: tuple[slice, slice]) -> NDArray[np.float64]:
    """Subtract the dark from a part of a flat."""
    found: NDArray[np.float64] = np.subtract(flat[part], dark[part], dtype=np.float64)
    return found


def _block_moments(one: Doubles, two: Doubles) -> tuple[Doubles, Doubles]:
    """Return median signal and clipped variance of the difference of blocks (n, pixels) that are half numbers.

    The clipping is that of `clipped_moments`, of each block by itself.
    """
    found = np.full((2, len(one)), np.nan)
    run_in_threads(lambda first, last: _measure_blocks(one, two, found, first, last), [0, len(one) // 2, len(one)])
    known = np.isfinite(found[0])
    return found[0, known], found[1, known]


@njit(cache=True, nogil=True)
def _measure_blocks(one: Doubles, two: Doubles, out: Doubles, first: int, last: int) -> None:
    """Write median signal and clipped variance of the difference of each of some blocks that is half numbers."""
    pixels = one.shape[1]
    signal, difference = np.empty(pixels), np.empty(pixels)
    for block in range(first, last):
        count = 0
        for k in range(pixels):
            signal[count], difference[count] = one[block, k], one[block, k] - two[block, k]
            count += int(np.isfinite(difference[count]))
        if count > 0 and 2 * count >= pixels:
            out[0, block], out[1, block] = np.median(signal[:count]), _clipped_variance(difference[:count])


@njit(cache=True, nogil=True)
def _clipped_variance(values: NDArray[np.float64]) -> float:
    """Return the variance within five standard deviations, in at most six rounds from the median on."""
    centre = np.median(values)
    width = max(1.4826 * np.median(np.abs(values - centre)), LEAST_WIDTH)
    for _ in range(6):
        count, total, square = 0, 0.0, 0.0
        for value in values:
            above = value - centre if abs(value - centre) <= CLIP * width else 0.0
            count += int(abs(value - centre) <= CLIP * width)
            total += above
            square += above * above
        mean, before = total / count, width
        centre, width = centre + mean, np.sqrt(max(square / count - mean * mean, 0.0))
        if width in (0.0, before):
            break
    return float(width * width)


@dataclass(frozen=True, slots=True)
class DarkCurrent:
    """What a master dark shows: mean dark current and pixels far above it."""

    electrons_per_s: float | None
    hot_pixels: int
    level_adu: float


def dark_current(
    dark: Image, *, bias_level: float | None, egain: float | None, exposure_s: float | None
) -> DarkCurrent:
    """Measure dark current and count hot pixels in a master dark.

    Parameters
    ----------
    dark
        Master dark, shape (ny, nx), in ADU.
    bias_level
        Level of the bias inside it, in ADU, 0 when subtracted; None when unknown: then there is no dark current.
    egain
        Conversion gain, in electrons per ADU; None when unknown: then there is no dark current.
    exposure_s
        Exposure, in seconds.

    Returns
    -------
    DarkCurrent
        Clipped mean dark current, in electrons per second and pixel; pixels more than four robust deviations above the
        median; the clipped mean level, in ADU.

    Raises
    ------
    FrameMismatchError
        If the dark has not two axes.
    """
    if dark.ndim != 2:
        raise FrameMismatchError(f"a dark has two axes; this one has shape {dark.shape}")
    some = dark.ravel()[:: max(1, dark.size // 1_000_000)]
    level = clipped_moments(some, least=0.5)[0]
    centre, limit = pixel_limits(dark)
    hot = sum(int(np.count_nonzero(dark[rows] > centre + limit)) for rows in row_chunks((dark.shape[0], dark.shape[1])))
    known = bias_level is not None and egain is not None and exposure_s and np.isfinite(some).any()
    current = (level - float(bias_level or 0)) * float(egain or 0) / float(exposure_s or 1) if known else None
    return DarkCurrent(current, hot, level)


def warm() -> None:
    """Compile the kernel."""
    _block_moments(np.zeros((1, 4)), np.ones((1, 4)))
