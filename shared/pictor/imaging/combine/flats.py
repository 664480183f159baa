"""What flats need besides combining: one level for all, unity in the end, and the pixels they expose."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.impulses import find_impulses
from pictor.imaging.combine.kernels import Reals
from pictor.imaging.combine.sampling import clipped_moments
from pictor.imaging.combine.sources import Sources
from pictor.imaging.compiling import njit
from pictor.imaging.errors import ImagingError
from pictor.imaging.types import Image, Mask

Stored = NDArray[np.uint16] | NDArray[np.float32]
"""Pixels as a frame keeps them."""

Strips = Sequence[tuple[Stored, Reals]]
"""Some rows of a frame and of its dark after the other."""

STRIP = 128
"""Rows read together; even, so that colours keep their place."""

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
    width, height = columns.stop - columns.start, rows.stop - rows.start
    below = np.zeros((1, width), np.float32)
    if dark is not None:
        below = np.ascontiguousarray(dark[rows, columns], np.float32)
    starts = range(0, height, STRIP)

    def middle(index: int) -> Iterator[tuple[Stored, Reals]]:
        for y in starts:
            end = min(y + STRIP, height)
            strip = sources.read_box(index, slice(rows.start + y, rows.start + end))
            yield strip[:, columns].copy(), below if dark is None else below[y:end]

    def level(index: int) -> NDArray[np.float64]:
        return _frame_level(list(middle(index)), height * width, bayer=bayer)

    with ThreadPoolExecutor(2) as pool:
        levels = np.array(list(pool.map(level, range(len(sources.frames)))))
    if not (levels > 0).all():
        index = int(np.argmin(levels.min(axis=(1, 2))))
        found = f"{levels[index].min():.1f} ADU above the dark"
        raise ImagingError(f"flat {sources.frames[index].name} holds no light: {found}", reason="flat-without-light")
    return levels


def _frame_level(strips: Strips, pixels: int, *, bayer: bool) -> NDArray[np.float64]:
    """Return what `channel_levels` finds in strips less their dark."""
    if not bayer:
        return np.full((2, 2), _net_level(strips, pixels, np.array([0, 0, 1])))
    return np.array([[_net_level(strips, pixels, np.array([y, x, 2])) for x in (0, 1)] for y in (0, 1)])


def _net_level(strips: Strips, pixels: int, grid: NDArray[np.int64]) -> float:
    every = max(1, pixels // (int(grid[2]) ** 2 * SUBSAMPLE))
    thin = np.concatenate([_thin(strip, dark, grid, every) for strip, dark in strips])
    centre, variance = clipped_moments(thin, clip=LEVEL_CLIP, least=0.5)
    reach = LEVEL_CLIP * max(float(np.sqrt(variance)), 0.5)
    bounds, total, count = np.array([centre, reach], np.float32), 0.0, 0.0
    for strip, dark in strips:
        some, number = _sum_inside(strip, dark, grid, bounds)
        total, count = total + some, count + number
    return float(total / count) if count else centre


def _thin(strip: Stored, dark: Reals, grid: NDArray[np.int64], every: int) -> Reals:
    """Take a subsample of a strip less its dark."""
    first, start, step = (int(value) for value in grid)
    ny, nx = -(-(len(strip) - first) // step), -(-(dark.shape[1] - start) // step)
    y, x = np.divmod(np.arange(0, ny * nx, every), nx)
    y, x = first + y * step, start + x * step
    return np.asarray(strip[y, x].astype(np.float32) - dark[y if len(dark) > 1 else 0, x], np.float32)


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _sum_row(row: Stored, dark: Reals, bounds: Reals, step: int) -> tuple[float, float]:
    total, count = 0.0, 0.0
    for x in range(0, dark.size, step):
        value = np.float32(row[x]) - dark[x]
        inside = abs(value - bounds[0]) <= bounds[1]
        total += np.float64(value) if inside else 0.0
        count += 1.0 if inside else 0.0
    return total, count


@njit(cache=True, nogil=True)
def _sum_inside(box: Stored, below: Reals, grid: NDArray[np.int64], bounds: Reals) -> tuple[float, float]:
    """Add up the values less their dark that lie within ``bounds``, centre and reach; return sum and number.

    ``grid`` is (first row, first column, step).
    """
    total, count = 0.0, 0.0
    for y in range(grid[0], box.shape[0], grid[2]):
        dark = below[y if below.shape[0] > 1 else 0][grid[1] :]
        row = box[y][grid[1] :]
        some, number = _sum_row(row, dark, bounds, 1) if grid[2] == 1 else _sum_row(row, dark, bounds, grid[2])
        total += some
        count += number
    return total, count


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
    if not bayer:
        sci /= np.float32(levels[0, 0])
    for y, x in np.ndindex(2, 2) if bayer else ():
        sci[y::2, x::2] /= np.float32(levels[y, x])
    mask[find_impulses(sci, step=2 if bayer else 1)] |= BAD_BIT
    low = ~(sci >= LOW_FLAT)
    mask[low] |= LOW_FLAT_BIT
    sci[low] = 1.0
    return levels


def warm() -> None:
    """Compile the kernels for frames as they are kept."""
    below = np.zeros((8, 8), np.float32)
    for box in (np.zeros((8, 8), np.uint16), np.zeros((8, 8), np.float32)):
        _net_level([(box, below)], below.size, np.array([0, 0, 1]))
