"""Compiled loops for samples that bring errors and weights of their own."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.kernels import MAD_TO_SIGMA, Samples, mad_of, median_of
from pictor.imaging.compiling import njit

Counts = NDArray[np.int64]


@njit(cache=True, nogil=True)
def _gather(samples: Samples, value: Samples, frame: Counts) -> int:
    """Sort the finite samples of one pixel with the number of their frames; return how many there are."""
    found = 0
    for i in range(samples.shape[0]):
        sample = samples[i]
        if not np.isfinite(sample):
            continue
        k = found
        while k > 0 and value[k - 1] > sample:
            value[k], frame[k] = value[k - 1], frame[k - 1]
            k -= 1
        value[k], frame[k] = sample, i
        found += 1
    return found


@njit(cache=True, nogil=True)
def _list(samples: Samples, value: Samples, frame: Counts) -> int:
    """List the finite samples of one pixel with the number of their frames; return how many there are."""
    found = 0
    for i in range(samples.shape[0]):
        if np.isfinite(samples[i]):
            value[found], frame[found] = samples[i], i
            found += 1
    return found


@njit(cache=True, nogil=True)
def _clip(value: Samples, frame: Counts, n: int, own: Samples, rule: Samples, rejected: Counts) -> int:  # noqa: PLR0917
    """Clip sorted samples, each against its own noise; survivors are moved to the front and counted."""
    for _ in range(int(rule[2])):
        centre = median_of(value, 0, n)
        spread = MAD_TO_SIGMA * mad_of(value, 0, n, centre)
        kept = 0
        for i in range(n):
            if abs(value[i] - centre) <= rule[1] * max(spread, own[frame[i]]):
                value[kept], frame[kept] = value[i], frame[i]
                kept += 1
            else:
                rejected[frame[i]] += 1
        if kept == n:
            break
        n = kept
    return n


@njit(cache=True, nogil=True)
def _median_error(noise: Samples, frame: Counts) -> float:
    """Return the standard deviation of the median of samples of different noise: that of their harmonic mean."""
    n, inverse = frame.size, 0.0
    for k in range(n):
        inverse += 1.0 / max(noise[frame[k]], 1e-30)
    penalty = 0.5 * np.pi * n / (n + (0.5 * np.pi - 1) * (2 - n % 2))
    return float(np.sqrt(penalty * n) / inverse)


@njit(cache=True, nogil=True)
def combine_samples(  # noqa: PLR0917
    samples: Samples,
    noise: Samples,
    shares: Samples,
    rule: Samples,
    sci: Samples,
    err: Samples,
    nused: NDArray[np.uint8],
    rejected: Counts,
) -> None:
    """Combine scaled samples (n, pixels); ``rule`` is (method, sigma, iterations)."""
    count = samples.shape[0]
    value, frame = np.empty(count), np.empty(count, np.int64)
    for x in range(samples.shape[1]):
        n = _list(samples[:, x], value, frame) if rule[0] == 0 else _gather(samples[:, x], value, frame)
        if n > 0 and rule[0] == 2:
            n = _clip(value, frame, n, noise[:, x], rule, rejected)
        nused[x] = n
        if n == 0:
            sci[x], err[x] = 0.0, np.inf
            continue
        total, weight, variance = 0.0, 0.0, 0.0
        for k in range(n):
            share = shares[frame[k]]
            total += share * value[k]
            weight += share
            variance += (share * noise[frame[k], x]) ** 2
        if rule[0] == 1:
            sci[x], err[x] = median_of(value, 0, n), _median_error(noise[:, x], frame[:n])
        else:
            sci[x], err[x] = total / weight, np.sqrt(variance) / weight
