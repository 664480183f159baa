"""Bring any image to the two pixel types our kernels are compiled for."""

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.errors import FrameMismatchError

Pixels = NDArray[np.uint16] | NDArray[np.float32]
"""A C-contiguous image in native byte order, shape (ny, nx), in ADU."""

# Two threads gain nearly a factor two on a strip; more are left to the other workers of the machine.
_MAX_THREADS = 2
_SUBSAMPLE, _REPEATED = 250_000, 100
# Of fewer values than these, as in frames without noise, no step but that of whole numbers can be told.
_FEW, _FEWEST = 4096, 4
_NARROW_UNSIGNED = (np.uint8, np.bool_)


def as_pixels(image: NDArray[Any]) -> Pixels:
    """Return an image as uint16 or float32, without a copy where it already is.

    Parameters
    ----------
    image
        Shape (ny, nx), any real type and byte order.

    Returns
    -------
    Pixels
        The same values; 8-bit becomes uint16, everything else but uint16 becomes float32.

    Raises
    ------
    FrameMismatchError
        If the image is not two-dimensional or has no pixels.
    """
    if image.ndim != 2 or image.size == 0:
        raise FrameMismatchError(f"stars are measured on one two-dimensional plane, this image has shape {image.shape}")
    if image.dtype.type is np.uint16 or image.dtype.type in _NARROW_UNSIGNED:
        return np.ascontiguousarray(image, dtype=np.uint16)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(image, dtype=np.float32)


def quantum(image: NDArray[Any]) -> float:
    """Find the step of the values: 1 for integers, 16 for 12 bits kept in 16, 0 for continuous values.

    Parameters
    ----------
    image
        Shape (ny, nx).
    """
    stride = max(1, image.size // 4096)
    sample = image.ravel()[::stride]
    sample = sample[np.isfinite(sample)] if image.dtype.kind == "f" else sample
    if sample.size == 0 or np.any(np.abs(sample) > 2**31) or np.any(sample != np.rint(sample)):
        return 0.0
    values = sample.astype(np.int64)
    return float(max(1, np.gcd.reduce(values - values[0])))


def step_of(values: NDArray[Any]) -> float:
    """Find the step in which values of any unit are kept: 1 for whole numbers, 16 for 12 bits kept in 16, 0 for none.

    Parameters
    ----------
    values
        Any shape. Numbers that are not whole are kept in steps where the same ones occur often, as bytes divided by
        255 do.
    """
    whole = quantum(values)
    if whole > 1.0:
        return whole if np.unique(values.ravel()[:: max(1, values.size // _FEW)]).size >= _FEWEST else 1.0
    if whole:
        return 1.0
    some = values.ravel()[:: max(1, values.size // _SUBSAMPLE)]
    each = np.unique(some[np.isfinite(some)].astype(np.float64))
    return float(np.diff(each).min()) if 1 < each.size < some.size / _REPEATED else 0.0


def run_in_threads(work: Callable[[int, int], None], bounds: Sequence[int]) -> None:
    """Run `work(start, stop)` between successive bounds on up to two threads.

    Parameters
    ----------
    work
        A function that spends its time in a kernel compiled with ``nogil``.
    bounds
        Increasing numbers; piece k is ``bounds[k]`` to ``bounds[k + 1]``.
    """
    pieces = list(itertools.pairwise(bounds))
    threads = min(_MAX_THREADS, os.cpu_count() or 1, len(pieces))
    if threads <= 1:
        for start, stop in pieces:
            work(start, stop)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda piece: work(*piece), pieces):
            pass
