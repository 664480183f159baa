"""Guess the level at which pixels are saturated."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.compiling import njit
from pictor.imaging.pixels import Pixels, quantum

# Full scales of 8, 10, 12, 14 and 16 bits, and of 12 and 14 bits kept in the upper part of 16.
_FULL_SCALES = (255, 1023, 4095, 16383, 65535, 65520, 65532)
# So many pixels at exactly the largest value are a ceiling, not chance.
_CEILING_PIXELS = 4
_PIECE = 256


def guess_saturation(image: Pixels) -> float | None:
    """Find the ceiling of the values of a frame.

    Parameters
    ----------
    image
        Shape (ny, nx), in ADU.

    Returns
    -------
    float or None
        The largest value, when it is the full scale of a converter or when at least four pixels share it;
        None when nothing in the frame looks saturated.
    """
    largest, smallest = _span(image)
    if not np.isfinite(largest):
        return None
    if largest in _FULL_SCALES and quantum(image) > 0.0:
        return largest
    return largest if largest > smallest and _count(image, largest) >= _CEILING_PIXELS else None


def _span(image: Pixels) -> tuple[float, float]:
    """Largest and smallest finite value; minus infinity and infinity without any."""
    if image.dtype.kind == "u":
        return float(image.max()), float(image.min())
    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(_extremes, (image[: len(image) // 2], image[len(image) // 2 :])))
    return max(half[0] for half in halves), min(half[1] for half in halves)


def _count(image: Pixels, value: float) -> int:
    """Count the pixels of a value, in pieces so that no mask of the whole frame is made."""
    pieces = (image[start : start + _PIECE] for start in range(0, len(image), _PIECE))
    return sum(int(np.count_nonzero(piece == image.dtype.type(value))) for piece in pieces)


def warm() -> None:
    """Compile the kernel of this module."""
    guess_saturation(np.zeros((4, 4), dtype=np.float32))


@njit(cache=True, nogil=True)
def _extremes(image: Pixels) -> tuple[float, float]:
    """Largest and smallest finite value; minus infinity and infinity without any."""
    largest, smallest = -np.inf, np.inf
    for y in range(image.shape[0]):
        row = image[y]
        top, bottom = row[0], row[0]
        for value in row:
            top, bottom = max(top, value), min(bottom, value)
        if not (np.isfinite(top) and np.isfinite(bottom)):
            top, bottom = _finite_extremes(row)
        largest, smallest = max(largest, float(top)), min(smallest, float(bottom))
    return largest, smallest


@njit(cache=True, nogil=True)
def _finite_extremes(row: NDArray[np.generic]) -> tuple[float, float]:
    top, bottom = -np.inf, np.inf
    for value in row:
        if np.isfinite(value):
            top, bottom = max(top, value), min(bottom, value)
    return top, bottom
