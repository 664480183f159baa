"""Basic statistics of all pixels, in bounded memory: exact for 8 and 16 bits, medians sampled for the rest."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.fits.plain import Pixels

_CHUNK = 1 << 20
_SAMPLE = 1 << 21
_LARGEST = 1e150
"""Pixels beyond it are no measurement, and their squares overflow."""

_SMALL = {np.dtype(np.uint8), np.dtype(np.int8), np.dtype(np.uint16), np.dtype(np.int16)}


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of one frame, finite pixels only; None when there is none.

    Parameters
    ----------
    mean, median, std, mad, minimum, maximum
        In ADU; ``mad`` is the median absolute deviation, not scaled to a sigma.
    saturation_adu
        Level from which a pixel counts as saturated; None when unknown.
    saturated_fraction
        Share of pixels at or above it.
    repeated_fraction
        Share of pixels that carry the most frequent value.
    non_finite_fraction
        Share of pixels that are NaN, infinite, or beyond +-1e150, whose squares no longer are numbers.
    """

    mean: float | None
    median: float | None
    std: float | None
    mad: float | None
    minimum: float | None
    maximum: float | None
    saturation_adu: float | None
    saturated_fraction: float | None
    repeated_fraction: float | None
    non_finite_fraction: float


def statistics(data: Pixels, *, saturation_adu: float | None = None) -> Statistics:
    """Measure basic statistics of a frame.

    Parameters
    ----------
    data
        Pixels, shape (ny, nx) or (planes, ny, nx).
    saturation_adu
        Saturation level the header gives; None takes the largest number of an integer type.

    Returns
    -------
    Statistics
        Median, MAD and repeated fraction of types beyond 16 bits come from at most 2,097,152 evenly spaced pixels.
    """
    level = _saturation(data.dtype, saturation_adu)
    flat = data.reshape(-1)
    return _from_histogram(flat, level) if data.dtype in _SMALL else _from_sample(flat, level)


def _saturation(dtype: np.dtype[np.number], given: float | None) -> float | None:
    if not np.issubdtype(dtype, np.integer):
        return given
    largest = float(np.iinfo(dtype.str).max)
    return largest if given is None else min(given, largest)


def _from_histogram(flat: Pixels, level: float | None) -> Statistics:
    """Count every value once; all else follows from the counts."""
    info = np.iinfo(flat.dtype.str)
    counts = np.zeros(int(info.max) - int(info.min) + 1, np.int64)
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK]
        counts += np.bincount(part.astype(np.int64) - int(info.min) if info.min else part, minlength=counts.size)
    present = np.flatnonzero(counts)
    values, weights = present + int(info.min), counts[present]
    mean = float(np.average(values, weights=weights))
    median = _weighted_median(values, weights)
    deviations = np.abs(values - median)
    order = np.argsort(deviations, kind="stable")
    saturated = None if level is None else float(weights[values >= level].sum() / flat.size)
    return Statistics(
        mean=mean, median=median, std=float(np.sqrt(np.average((values - mean) ** 2, weights=weights))),
        mad=_weighted_median(deviations[order], weights[order]), minimum=float(values[0]), maximum=float(values[-1]),
        saturation_adu=level, saturated_fraction=saturated, repeated_fraction=float(weights.max() / flat.size),
        non_finite_fraction=0.0,
    )  # fmt: skip


def _weighted_median(values: NDArray[np.number], weights: NDArray[np.int64]) -> float:
    """Median of sorted values with multiplicities, the middle two averaged as numpy does."""
    ends = np.cumsum(weights)
    total = int(ends[-1])
    low, high = np.searchsorted(ends, [(total - 1) // 2, total // 2], side="right")
    return (float(values[low]) + float(values[high])) / 2


def _from_sample(flat: Pixels, level: float | None) -> Statistics:
    finite, saturated, total, lowest, highest = 0, 0, 0.0, np.inf, -np.inf
    for part in _finite_parts(flat):
        finite += part.size
        total += float(part.sum())
        lowest, highest = min(lowest, float(part.min())), max(highest, float(part.max()))
        saturated += 0 if level is None else int((part >= level).sum())
    non_finite = 1.0 - finite / flat.size
    if finite == 0:
        return Statistics(None, None, None, None, None, None, level, None, None, non_finite)
    mean = total / finite
    spread = sum(float(((part - mean) ** 2).sum()) for part in _finite_parts(flat))
    sample = flat[:: max(1, flat.size // _SAMPLE)].astype(np.float64)
    sample = sample[np.abs(sample) <= _LARGEST]
    median = float(np.median(sample)) if sample.size else mean
    repeated = float(np.unique(sample, return_counts=True)[1].max() / sample.size) if sample.size else None
    return Statistics(
        mean=mean, median=median, std=float(np.sqrt(spread / finite)),
        mad=float(np.median(np.abs(sample - median))) if sample.size else None, minimum=lowest, maximum=highest,
        saturation_adu=level, saturated_fraction=None if level is None else saturated / finite,
        repeated_fraction=repeated, non_finite_fraction=non_finite,
    )  # fmt: skip


def _finite_parts(flat: Pixels) -> Iterator[NDArray[np.float64]]:
    """Give the finite pixels as float64, piece by piece; empty pieces are left out."""
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK].astype(np.float64)
        part = part[np.abs(part) <= _LARGEST]
        if part.size:
            yield part
