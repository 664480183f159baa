"""Compiled loops of continuum subtraction: a part of a frame convolved with a sum of separable kernels."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.compiling import njit

Reals = NDArray[np.float32]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _weigh_rows(window: Reals, first: int, weights: Reals, out: Reals) -> None:
    """Add up rows of a window from the first on, four at a time."""
    out[:] = np.float32(0.0)
    count = weights.shape[0]
    for k in range(0, count - 3, 4):
        a, b, c, d = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        one, two, three, four = window[first + k], window[first + k + 1], window[first + k + 2], window[first + k + 3]
        for x in range(out.shape[0]):
            out[x] += a * one[x] + b * two[x] + c * three[x] + d * four[x]
    for k in range(count - count % 4, count):
        a, one = weights[k], window[first + k]
        for x in range(out.shape[0]):
            out[x] += a * one[x]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _weigh_columns(line: Reals, weights: Reals, out: Reals) -> None:
    """Add to a row its neighbours along the row, four at a time."""
    count = weights.shape[0]
    for k in range(0, count - 3, 4):
        a, b, c, d = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        one, two, three, four = line[k:], line[k + 1 :], line[k + 2 :], line[k + 3 :]
        for x in range(out.shape[0]):
            out[x] += a * one[x] + b * two[x] + c * three[x] + d * four[x]
    for k in range(count - count % 4, count):
        a, one = weights[k], line[k:]
        for x in range(out.shape[0]):
            out[x] += a * one[x]


@njit(cache=True, nogil=True)
def correlate(window: Reals, down: Reals, across: Reals, out: Reals) -> None:
    """Correlate a window with the sum of outer products of ``down`` and ``across``, shape (rank, taps) each.

    ``window`` is larger than ``out`` by taps - 1 in both directions and finite.
    """
    line = np.empty(window.shape[1], np.float32)
    out[:] = np.float32(0.0)
    for y in range(out.shape[0]):
        for r in range(down.shape[0]):
            _weigh_rows(window, y, down[r], line)
            _weigh_columns(line, across[r], out[y])


@njit(cache=True, nogil=True)
def spread_lost(window: Reals, kernel: Reals, share: Reals, weight: Reals) -> None:
    """Take the weights of the pixels of a window that are NaN off: absolute ones off share, others off weight."""
    taps = kernel.shape[0]
    for j in range(window.shape[0]):
        for i in range(window.shape[1]):
            if window[j, i] == window[j, i]:
                continue
            for y in range(max(j - taps + 1, 0), min(j + 1, share.shape[0])):
                for x in range(max(i - taps + 1, 0), min(i + 1, share.shape[1])):
                    value = kernel[j - y, i - x]
                    share[y, x] -= abs(value)
                    weight[y, x] -= value
