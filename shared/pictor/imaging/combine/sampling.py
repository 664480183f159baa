"""What a sparse look at the frames tells: their levels and the noise between neighbours."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.noise import QUANTISATION_VARIANCE
from pictor.imaging.combine.sources import Sources
from pictor.imaging.pixels import step_of
from pictor.imaging.types import Image

SAMPLED_ROWS = 64
MAX_PAIRS = 10
SUBSAMPLE = 250_000
LEVEL_SAMPLES = 60_000
PAIR_SAMPLES = 120_000
CLIP = 5.0
"""Clip of pair differences, in standard deviations: loses no noise, drops cosmic rays."""


def sample_rows(shape: tuple[int, int], *, wanted: int = SAMPLED_ROWS) -> NDArray[np.int64]:
    """Choose rows spread over the frame, of both parities alike so that every Bayer colour is met."""
    if shape[0] <= wanted:
        return np.arange(shape[0])
    pairs = np.unique(np.linspace(0, shape[0] // 2 - 1, wanted // 2).astype(np.int64))
    return np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel()


def sample(sources: Sources, *, wanted: int = SAMPLED_ROWS) -> NDArray[np.float32]:
    """Read some rows of every frame, shape (n, rows, nx), in ADU."""
    rows = sample_rows(sources.shape, wanted=wanted)
    with ThreadPoolExecutor(2) as pool:
        return np.array(list(pool.map(lambda frame: sample_frame(sources, frame, rows), range(len(sources.frames)))))


def sample_frame(sources: Sources, frame: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Read some rows of one frame, ascending, shape (rows, nx), in ADU."""
    return _read_sample(sources, frame, rows).astype(np.float32, copy=False)


def _read_sample(sources: Sources, frame: int, rows: NDArray[np.int64]) -> NDArray[np.uint16] | NDArray[np.float32]:
    """Read some rows of one frame as they are kept; neighbours are read together."""
    starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
    places = pairwise([*starts.tolist(), len(rows)])
    return np.concatenate([sources.read_box(frame, slice(int(rows[a]), int(rows[a]) + b - a)) for a, b in places])


def clipped_moments(
    values: Image, *, clip: float = CLIP, least: float = 0.0, most: int = SUBSAMPLE
) -> tuple[float, float]:
    """Return mean and variance of the values within ``clip`` standard deviations of their centre.

    The first width is 1.4826 times the median absolute deviation, not below ``least``; six rounds of mean
    and standard deviation follow, so that coarse quantisation does not spoil the result. Of more than twice ``most``
    values an even subsample is looked at: a quarter of a million give the width to 0.14 %.
    """
    flat = np.asarray(values).ravel()
    flat = np.sort(flat[:: max(1, flat.size // most)]).astype(np.float64)
    flat = flat[np.isfinite(flat)]
    if flat.size == 0:
        return 0.0, 0.0
    half = flat.size // 2
    centre = float(flat[half] if flat.size % 2 else (flat[half - 1] + flat[half]) / 2)
    width = max(1.4826 * _middle_distance(flat - centre), least)
    for _ in range(6):
        inside = flat
        if width > 0:
            first, last = np.searchsorted(flat - centre, np.array([-clip * width, np.nextafter(clip * width, np.inf)]))
            inside = flat[first:last]
        before = centre, width
        centre, width = float(inside.mean()), float(inside.std())
        if width == 0 or (centre, width) == before:
            break
    return centre, width * width


def _middle_distance(off: NDArray[np.floating]) -> float:
    """Return the median of the absolute values of sorted deviations from their median.

    So many of the smallest are neighbours: the narrowest reach that holds them is the largest of them.
    """
    count = off.size // 2
    upper = float(np.maximum(-off[: off.size - count], off[count:]).min())
    if off.size % 2:
        return upper
    return (float(np.maximum(-off[: off.size - count + 1], off[count - 1 :]).min()) + upper) / 2


def frame_levels(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the clipped mean of each sampled frame, in ADU; 3.5 robust standard deviations are kept."""
    with ThreadPoolExecutor(2) as pool:
        return np.array(list(pool.map(_level, samples)))


def _level(samples: NDArray[np.float32]) -> float:
    return clipped_moments(samples, clip=3.5, least=0.5, most=LEVEL_SAMPLES)[0]


def levels_and_variance(sources: Sources) -> tuple[NDArray[np.float64], float]:
    """Return what `frame_levels` and `pair_variance` tell of a sample, of which only what is looked at is kept."""
    rows = sample_rows(sources.shape)
    some, pairs = (max(1, len(rows) * sources.shape[1] // most) for most in (LEVEL_SAMPLES, PAIR_SAMPLES))

    def look(frame: int) -> tuple[float, NDArray[np.float32] | None]:
        one = _read_sample(sources, frame, rows).ravel()
        kept = one[::pairs].astype(np.float32) if frame <= MAX_PAIRS else None
        return _level(one[::some].astype(np.float32)), kept

    with ThreadPoolExecutor(2) as pool:
        levels, kept = zip(*pool.map(look, range(len(sources.frames))), strict=True)
        samples = [sample for sample in kept if sample is not None]
        step = step_of(samples[0])
        variances = list(pool.map(lambda one, other: _variance_between(one, other, step) / 2, samples, samples[1:]))
    return np.array(levels), float(np.median(variances)) if variances else 0.0


def _variance_between(one: NDArray[np.float32], other: NDArray[np.float32], step: float) -> float:
    """Return the variance of the difference of two frames, of values kept in steps."""
    with np.errstate(invalid="ignore"):
        difference = other - one
    return clipped_moments(difference, least=step / 2, most=PAIR_SAMPLES)[1]


def least_variance(samples: NDArray[np.floating], step: float) -> float:
    """Return the variance that values kept in steps have at least; of others that of rounding to 32 bits.

    Parameters
    ----------
    samples
        Some values of a frame, any shape; NaN is left out.
    step
        What they are kept in, as `step_of` finds it; 0 for none.
    """
    some = samples[np.isfinite(samples)]
    rounding = float(np.finfo(np.float32).eps) * float(np.max(np.abs(some), initial=0.0))
    return max(step, rounding, float(np.finfo(np.float32).tiny)) ** 2 * QUANTISATION_VARIANCE


def pair_variance(
    samples: NDArray[np.float32], scale: NDArray[np.float64] | None = None, *, step: float = 1.0
) -> float:
    """Measure the variance of one sample of one frame from differences of neighbouring frames, in ADU^2.

    The fixed pattern cancels; the median over pairs ignores one bad frame. Rounding to whole ADU, or to another
    ``step``, is included. With the ``scale`` (n,) that brought frames of photon noise to one level, the variance is
    that of a frame of scale 1.
    """
    own = np.ones(len(samples)) if scale is None else scale

    def variance(i: int) -> float:
        return float(_variance_between(samples[i], samples[i + 1], step) / (own[i] + own[i + 1]))

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(variance, range(min(len(samples) - 1, MAX_PAIRS))))
    return float(np.median(found)) if found else 0.0
