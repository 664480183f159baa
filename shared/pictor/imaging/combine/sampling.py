"""What a sparse look at the frames tells: their levels and the noise between neighbours."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.noise import QUANTISATION_VARIANCE
from pictor.imaging.combine.sources import Sources
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
    out = np.empty((len(sources.frames), len(rows), sources.shape[1]), np.float32)
    for i in range(len(sources.frames)):
        for k, row in enumerate(rows):
            out[i, k] = sources.read_reals(i, int(row), 1)[0]
    return out


def clipped_moments(
    values: Image, *, clip: float = CLIP, least: float = 0.0, most: int = SUBSAMPLE
) -> tuple[float, float]:
    """Return mean and variance of the values within ``clip`` standard deviations of their centre.

    The first width is 1.4826 times the median absolute deviation, not below ``least``; six rounds of mean
    and standard deviation follow, so that coarse quantisation does not spoil the result. Of more than twice ``most``
    values an even subsample is looked at: a quarter of a million give the width to 0.14 %.
    """
    flat = np.asarray(values).ravel()
    flat = flat[:: max(1, flat.size // most)].astype(np.float64)
    flat = flat[np.isfinite(flat)]
    if flat.size == 0:
        return 0.0, 0.0
    centre = float(np.median(flat))
    width = max(1.4826 * float(np.median(np.abs(flat - centre))), least)
    for _ in range(6):
        inside = flat[np.abs(flat - centre) <= clip * width] if width > 0 else flat
        before = centre, width
        centre, width = float(inside.mean()), float(inside.std())
        if width == 0 or (centre, width) == before:
            break
    return centre, width * width


def frame_levels(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the clipped mean of each sampled frame, in ADU; 3.5 robust standard deviations are kept."""
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda frame: clipped_moments(frame, clip=3.5, least=0.5, most=LEVEL_SAMPLES)[0], samples)
        return np.array(list(found))


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
        with np.errstate(invalid="ignore"):
            difference = samples[i + 1] - samples[i]
        found = clipped_moments(difference, least=step / 2, most=PAIR_SAMPLES)[1]
        return float(found / (own[i] + own[i + 1]))

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(variance, range(min(len(samples) - 1, MAX_PAIRS))))
    return float(np.median(found)) if found else 0.0
