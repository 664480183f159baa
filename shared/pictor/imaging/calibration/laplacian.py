"""Kernels of the search for cosmic rays: how sharp a pixel is, by its Laplacian, and whether it is part of a star.

Only pixels whose Laplacian could pass at the least noise about them are looked at closely; there are few.
"""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.kernels import Reals
from pictor.imaging.compiling import njit
from pictor.imaging.types import Mask

Places = NDArray[np.int64]
"""Pixels by number, y * nx + x."""

NOISE_CELL = 64
"""Rows and columns of a cell that shares one bound of the noise."""

NOISE_STEP, NOISE_SHARE, NOISE_MARGIN = 4, 20, np.float32(0.9)
"""Of every fourth pixel each way the lowest twentieth bounds the noise, with a margin."""

RING = 6
"""Distance of the pixels that tell the sky about a hit."""

AGAIN = 2
"""Pixels about a hit that are looked at again when it is gone."""

QUARTILE = 0.6745
"""A quarter of normal noise lies so many sigma below its middle."""


@njit(cache=True, nogil=True)
def _sort(values: Reals, n: int) -> None:
    for i in range(1, n):
        value = values[i]
        at = i
        while at > 0 and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value


@njit(cache=True, nogil=True)
def _median(image: Reals, y: int, x: int, reach: int, room: Reals) -> float:
    """Median of the box about a pixel, cut at the edges."""
    n = 0
    for j in range(max(0, y - reach), min(image.shape[0], y + reach + 1)):
        for i in range(max(0, x - reach), min(image.shape[1], x + reach + 1)):
            room[n] = image[j, i]
            n += 1
    _sort(room, n)
    return float(0.5 * (room[(n - 1) // 2] + room[n // 2]))


@njit(cache=True, nogil=True)
def laplacian(image: Reals, y: int, x: int) -> float:
    """Return the positive Laplacian of a pixel divided in four, the mean of its quarters; edges repeat."""
    ny, nx = image.shape
    twice = 2 * image[y, x]
    up, down = image[max(y - 1, 0), x], image[min(y + 1, ny - 1), x]
    left, right = image[y, max(x - 1, 0)], image[y, min(x + 1, nx - 1)]
    total = max(twice - up - left, 0.0) + max(twice - up - right, 0.0)
    return float(0.25 * (total + max(twice - down - left, 0.0) + max(twice - down - right, 0.0)))


@njit(cache=True, nogil=True)
def least_noise(err: Reals) -> NDArray[np.float32]:
    """Bound the noise from below, by cell."""
    ny, nx = err.shape
    cells = np.empty((-(-ny // NOISE_CELL), -(-nx // NOISE_CELL)), np.float32)
    room = np.empty((NOISE_CELL // NOISE_STEP) ** 2, np.float32)
    for cy in range(cells.shape[0]):
        for cx in range(cells.shape[1]):
            n = 0
            for j in range(cy * NOISE_CELL, min((cy + 1) * NOISE_CELL, ny), NOISE_STEP):
                for i in range(cx * NOISE_CELL, min((cx + 1) * NOISE_CELL, nx), NOISE_STEP):
                    room[n] = err[j, i]
                    n += 1
            cells[cy, cx] = np.partition(room[:n], n // NOISE_SHARE)[n // NOISE_SHARE] * NOISE_MARGIN
    return cells


@njit(cache=True, nogil=True)
def candidates(image: Reals, skip: Mask, least: Reals, limit: float, rows: Places, found: Places) -> int:  # noqa: PLR0917
    """List the pixels of some rows whose Laplacian may exceed ``limit`` times the noise; return how many."""
    nx, n = image.shape[1], 0
    sharp = np.zeros(nx, np.float32)
    zero, quarter = np.float32(0), np.float32(0.25)
    for y in range(rows[0], rows[1]):
        middle, up, down = image[y], image[max(y - 1, 0)], image[min(y + 1, image.shape[0] - 1)]
        for x in range(1, nx - 1):
            twice = middle[x] + middle[x]
            above, below = twice - up[x], twice - down[x]
            total = max(above - middle[x - 1], zero) + max(above - middle[x + 1], zero)
            total += max(below - middle[x - 1], zero) + max(below - middle[x + 1], zero)
            sharp[x] = total * quarter
        sharp[0], sharp[nx - 1] = laplacian(image, y, 0), laplacian(image, y, nx - 1)
        for start in range(0, nx, NOISE_CELL):
            end = min(start + NOISE_CELL, nx)
            bar = np.float32(2 * limit) * least[y // NOISE_CELL, start // NOISE_CELL]
            highest = zero
            for x in range(start, end):
                highest = max(highest, sharp[x])
            if not highest > bar:
                continue
            for x in range(start, end):
                if sharp[x] > bar and skip[y, x] == 0 and n < found.size:
                    found[n] = y * nx + x
                    n += 1
    return n


@njit(cache=True, nogil=True)
def _noise(err: Reals, y: int, x: int, room: Reals) -> float:
    """Noise a pixel would have without a hit: that of its neighbours, of the near ones where a star rises."""
    return max(_median(err, y, x, 2, room), _median(err, y, x, 1, room))


@njit(cache=True, nogil=True)
def _sharpness(image: Reals, err: Reals, y: int, x: int, least: float, room: Reals) -> float:  # noqa: PLR0917
    """Return how far the Laplacian stands out from that of its neighbours, in sigma; 0 where not above ``least``."""
    own, noise = laplacian(image, y, x), _median(err, y, x, 1, room)
    if not own > 2 * least * noise:
        return 0.0
    noise = max(noise, _median(err, y, x, 2, room))
    if not own > 2 * least * noise:
        return 0.0
    n = 0
    for j in range(max(0, y - 2), min(image.shape[0], y + 3)):
        for i in range(max(0, x - 2), min(image.shape[1], x + 3)):
            room[n] = laplacian(image, j, i)
            n += 1
    _sort(room, n)
    return float((own - 0.5 * (room[(n - 1) // 2] + room[n // 2])) / (2 * noise))


@njit(cache=True, nogil=True)
def _fine(image: Reals, err: Reals, y: int, x: int, room: Reals) -> float:
    """Return the fine structure at a pixel in sigma: what a star's profile leaves after medians of 3 and 7 pixels."""
    smooth = np.empty(49, np.float32)
    n = 0
    for j in range(max(0, y - 3), min(image.shape[0], y + 4)):
        for i in range(max(0, x - 3), min(image.shape[1], x + 4)):
            smooth[n] = _median(image, j, i, 1, room)
            n += 1
    _sort(smooth, n)
    left = _median(image, y, x, 1, room) - 0.5 * (smooth[(n - 1) // 2] + smooth[n // 2])
    return float(max(left / _noise(err, y, x, room), 0.01))


@njit(cache=True, nogil=True)
def _sky(image: Reals, err: Reals, y: int, x: int, room: Reals) -> float:
    """Sky about a pixel from the darker part of a ring, for stars only add to it."""
    n = 0
    for j in range(-RING, RING + 1, 2):
        for i in range(-RING, RING + 1, 2):
            inside = 0 <= y + j < image.shape[0] and 0 <= x + i < image.shape[1]
            if inside and max(abs(j), abs(i)) == RING:
                room[n] = image[y + j, x + i]
                n += 1
    _sort(room, n)
    return float(room[n // 4] + QUARTILE * err[y - RING if y >= RING else y + RING, x])


@njit(cache=True, nogil=True)
def shared_light(image: Reals, err: Reals, y: int, x: int, room: Reals) -> tuple[float, float]:
    """Return the light of the middle one of eight neighbours: as a share of the pixel's own, and in sigma."""
    sky, n = _sky(image, err, y, x, room), 0
    for j in range(max(0, y - 1), min(image.shape[0], y + 2)):
        for i in range(max(0, x - 1), min(image.shape[1], x + 2)):
            if j != y or i != x:
                room[n] = image[j, i]
                n += 1
    _sort(room, n)
    near = 0.5 * (room[(n - 1) // 2] + room[n // 2]) - sky
    own = image[y, x] - sky
    return near / own if own > 0 else 1.0, near / _median(err, y, x, 2, room)


@njit(cache=True, nogil=True)
def _is_peak(image: Reals, y: int, x: int) -> bool:
    """Tell whether none of the eight neighbours is brighter."""
    for j in range(y - 1, y + 2):
        for i in range(x - 1, x + 2):
            if image[j, i] > image[y, x]:
                return False
    return True


@njit(cache=True, nogil=True)
def shares(image: Reals, err: Reals, places: Places, least: float, out: Reals) -> int:
    """Collect the shared light of the bright peaks among some pixels; return how many there are."""
    room, n = np.empty(64, np.float32), 0
    ny, nx = image.shape
    for place in places:
        y, x = place // nx, place % nx
        if not (RING <= y < ny - RING and RING <= x < nx - RING) or not _is_peak(image, y, x):
            continue
        share, sigma = shared_light(image, err, y, x, room)
        if sigma > least:
            out[n] = share
            n += 1
    return n


@njit(cache=True, nogil=True)
def judge(  # noqa: PLR0917
    image: Reals, err: Reals, whole: Reals, whole_err: Reals, grid: Places, places: Places, rule: Reals, verdict: Mask
) -> None:
    """Tell which pixels are hits by themselves.

    ``whole`` is the light with all its colours at one level; ``grid`` tells where the pixels of ``image`` lie in it:
    first row, first column, step. ``rule`` is (limit, contrast, share of a star, its sigma).
    """
    room = np.empty(64, np.float32)
    nx = image.shape[1]
    for k in range(places.size):
        y, x = places[k] // nx, places[k] % nx
        verdict[k] = 0
        sharp = _sharpness(image, err, y, x, rule[0], room)
        if not sharp > rule[0] or _starry(whole, whole_err, grid[0] + y * grid[2], grid[1] + x * grid[2], rule, room):
            continue
        verdict[k] = sharp > rule[1] * _fine(image, err, y, x, room)


@njit(cache=True, nogil=True)
def _starry(whole: Reals, err: Reals, y: int, x: int, rule: Reals, room: Reals) -> bool:  # noqa: PLR0917
    share, sigma = shared_light(whole, err, y, x, room)
    return bool(share > rule[2] and sigma > rule[3])


@njit(cache=True, nogil=True)
def grow(  # noqa: PLR0917
    image: Reals, err: Reals, whole: Reals, whole_err: Reals, grid: Places, skip: Mask, hits: Places, limit: float,
    rule: Reals, more: Places,
) -> int:  # fmt: skip
    """List the neighbours of hits that are as sharp as ``limit`` and no part of a star; return how many."""
    room = np.empty(64, np.float32)
    ny, nx = image.shape
    n = 0
    for hit in hits:
        y, x = hit // nx, hit % nx
        for j in range(max(0, y - 1), min(ny, y + 2)):
            for i in range(max(0, x - 1), min(nx, x + 2)):
                if skip[j, i] != 0 or not _sharpness(image, err, j, i, limit, room) > limit:
                    continue
                if not _starry(whole, whole_err, grid[0] + j * grid[2], grid[1] + i * grid[2], rule, room):
                    skip[j, i] = 1
                    more[n] = j * nx + i
                    n += 1
    return n


@njit(cache=True, nogil=True)
def clean(image: Reals, skip: Mask, places: Places) -> None:
    """Replace pixels by the median of those about them that are not skipped, first within 2 pixels, then 4."""
    room = np.empty(81, np.float32)
    ny, nx = image.shape
    for place in places:
        y, x = place // nx, place % nx
        for reach in (2, 4):
            n = 0
            for j in range(max(0, y - reach), min(ny, y + reach + 1)):
                for i in range(max(0, x - reach), min(nx, x + reach + 1)):
                    if skip[j, i] == 0:
                        room[n] = image[j, i]
                        n += 1
            if n > 0:
                _sort(room, n)
                image[y, x] = 0.5 * (room[(n - 1) // 2] + room[n // 2])
                break


@njit(cache=True, nogil=True)
def around(  # noqa: PLR0917
    image: Reals, skip: Mask, least: Reals, limit: float, hits: Places, seen: Mask, found: Places
) -> int:
    """List the pixels near hits that are worth another look when these are gone, each once; return how many."""
    ny, nx = skip.shape
    n = 0
    for hit in hits:
        y, x = hit // nx, hit % nx
        for j in range(max(0, y - AGAIN), min(ny, y + AGAIN + 1)):
            for i in range(max(0, x - AGAIN), min(nx, x + AGAIN + 1)):
                if skip[j, i] != 0 or seen[j, i] != 0:
                    continue
                seen[j, i] = 1
                if laplacian(image, j, i) > 2 * limit * least[j // NOISE_CELL, i // NOISE_CELL]:
                    found[n] = j * nx + i
                    n += 1
    for hit in hits:
        y, x = hit // nx, hit % nx
        seen[max(0, y - AGAIN) : y + AGAIN + 1, max(0, x - AGAIN) : x + AGAIN + 1] = 0
    return n
