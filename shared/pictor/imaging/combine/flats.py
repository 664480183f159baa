"""What flats need besides combining: one level for all, unity in the end, and the pixels they expose."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.impulses import find_impulses
from pictor.imaging.combine.sampling import clipped_moments
from pictor.imaging.combine.sources import Sources
from pictor.imaging.errors import ImagingError
from pictor.imaging.types import Image, Mask

LEVEL_CLIP = 3.5
LOW_FLAT = 0.2
"""Below this response dividing amplifies noise more than it helps."""

BAD_BIT, LOW_FLAT_BIT = np.uint8(1), np.uint8(4)
SUBSAMPLE = 200_000
"""Pixels from which the clipping bounds of a level are taken."""


def central_quarter(shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the box of half the height and half the width in the middle, starting at even pixels."""
    ny, nx = shape
    y, x = ny // 4 // 2 * 2, nx // 4 // 2 * 2
    return slice(y, max(y + 2, ny - y)), slice(x, max(x + 2, nx - x))


def channel_levels(box: Image, *, bayer: bool) -> NDArray[np.float64]:
    """Return the clipped mean of a box by parity of row and column, shape (2, 2); all equal without Bayer pattern.

    The bounds, 3.5 standard deviations about the clipped mean, come from a subsample; the mean from every
    pixel inside.
    """
    if not bayer:
        return np.full((2, 2), _level(box))
    return np.array([[_level(box[y::2, x::2]) for x in (0, 1)] for y in (0, 1)])


def _level(values: Image) -> float:
    flat = values.ravel()
    some = flat[:: max(1, flat.size // SUBSAMPLE)]
    centre, variance = clipped_moments(some, clip=LEVEL_CLIP, least=0.5)
    reach = LEVEL_CLIP * max(float(np.sqrt(variance)), 0.5)
    inside = flat[np.abs(flat - np.float32(centre)) <= reach]
    return float(inside.mean(dtype=np.float64)) if inside.size else centre


def flat_levels(sources: Sources, dark: Image | None, *, bayer: bool) -> NDArray[np.float64]:
    """Measure the level of every flat in its central quarter above the dark, shape (n, 2, 2), in ADU.

    Raises
    ------
    ImagingError
        If a flat holds no light above its dark.
    """
    rows, columns = central_quarter(sources.shape)

    def level(index: int) -> NDArray[np.float64]:
        box = sources.read_reals(index, rows.start, rows.stop - rows.start)[:, columns]
        if dark is not None:
            box -= dark[rows, columns]
        return channel_levels(box, bayer=bayer)

    with ThreadPoolExecutor(2) as pool:
        levels = np.array(list(pool.map(level, range(len(sources.frames)))))
    if not (levels > 0).all():
        index = int(np.argmin(levels.min(axis=(1, 2))))
        found = f"{levels[index].min():.1f} ADU above the dark"
        raise ImagingError(f"flat {sources.frames[index].name} holds no light: {found}", reason="flat-without-light")
    return levels


def normalise(sci: NDArray[np.float32], mask: Mask, *, bayer: bool) -> NDArray[np.float64]:
    """Bring a combined flat to 1 in place; low pixels become 1 with mask 4, impulses get mask 1.

    Parameters
    ----------
    sci, mask
        Combined flat and its mask, shape (ny, nx); both are changed.
    bayer
        Whether each colour is brought to 1 by itself.

    Returns
    -------
    numpy.ndarray
        The levels divided out, by parity of row and column, shape (2, 2).
    """
    levels = channel_levels(sci[central_quarter((sci.shape[0], sci.shape[1]))], bayer=bayer)
    for y in (0, 1):
        for x in (0, 1):
            sci[y::2, x::2] /= np.float32(levels[y, x])
    mask[find_impulses(sci, step=2 if bayer else 1)] |= BAD_BIT
    low = ~(sci >= LOW_FLAT)
    mask[low] |= LOW_FLAT_BIT
    sci[low] = 1.0
    return levels
