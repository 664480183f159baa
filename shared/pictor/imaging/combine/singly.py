"""One pixel at a time: each of its samples against the noise of its own frame."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.kernels import MAD_TO_SIGMA, MEDIAN, SIGMA_CLIP, Reals, Samples, mad_of, median_of
from pictor.imaging.compiling import njit

Frames = NDArray[np.int64]


@njit(cache=True, nogil=True)
def _gather(samples: Reals, scale: Reals, value: Samples, own: Samples, frame: Frames) -> int:
    """Sort the finite samples of one pixel with scale and number of their frames; return how many there are."""
    found = 0
    for i in range(samples.shape[0]):
        sample = np.float64(samples[i])
        if not np.isfinite(sample):
            continue
        k = found
        while k > 0 and value[k - 1] > sample:
            value[k], own[k], frame[k] = value[k - 1], own[k - 1], frame[k - 1]
            k -= 1
        value[k], own[k], frame[k] = sample, np.float64(scale[i]), i
        found += 1
    return found


@njit(cache=True, nogil=True)
def _clip(value: Samples, own: Samples, frame: Frames, n: int, rule: Samples, rejected: Frames) -> int:  # noqa: PLR0917
    """Clip sorted samples, each against its own noise; survivors are moved to the front and counted.

    Their deviation is asked for only where one of them is beyond its own noise, below which no threshold is.
    """
    for _ in range(int(rule[1])):
        centre = median_of(value, 0, n)
        signal = max(centre - rule[4], 0.0)
        beyond = False
        for i in range(n):
            noise = np.sqrt(own[i] * own[i] * rule[2] + own[i] * rule[3] * signal)
            beyond |= abs(value[i] - centre) > rule[0] * noise
        if not beyond:
            break
        spread = MAD_TO_SIGMA * mad_of(value, 0, n, centre)
        kept = 0
        for i in range(n):
            noise = np.sqrt(own[i] * own[i] * rule[2] + own[i] * rule[3] * signal)
            if abs(value[i] - centre) <= rule[0] * max(spread, noise):
                value[kept], own[kept], frame[kept] = value[i], own[i], frame[i]
                kept += 1
            else:
                rejected[frame[i]] += 1
        if kept == n:
            break
        n = kept
    return n


@njit(cache=True, nogil=True)
def combine_pixel(  # noqa: PLR0917
    samples: Reals, method: int, rule: Samples, scale: Reals, scratch: Samples, frame: Frames, rejected: Frames
) -> tuple[float, int]:
    """Combine one pixel the long way; return its value and how many samples it rests on."""
    value, own = scratch[0], scratch[1]
    n = _gather(samples, scale, value, own, frame)
    if n == 0:
        return 0.0, 0
    if method == MEDIAN:
        return median_of(value, 0, n), n
    kept = _clip(value, own, frame, n, rule, rejected) if method == SIGMA_CLIP else n
    total = 0.0
    for i in range(kept):
        total += value[i]
    return total / kept, kept
