"""Long tracks of particles, whose pixels share their light as those of a star do, but lie on a line."""

import numpy as np

from pictor.imaging.calibration import laplacian
from pictor.imaging.calibration.laplacian import Places
from pictor.imaging.types import Image, Mask

TRACK_LENGTH, TRACK_SLIMNESS = 10, 5.0
"""Sharp pixels on a line this long, in pixels, and so many times longer than wide may be the track of a particle."""

TRACK_NEIGHBOURS = 5
"""Of the eight neighbours of a pixel inside a track."""

TRACK_HITS = 2
"""So many of them must stand out from what a profile leaves, as the edges of a trail or of a spike do not."""

FAINT_ENDS = 0.3
"""Limit of the pixels beside a track, in shares of that of a hit."""


def track_pixels(image: Image, noise: Image, skip: Mask, found: Places, rule: Image) -> Places:
    """Return the pixels of long tracks: sharp ones on a line, some of them hits whatever light their neighbours share.

    The pixels of a wide or bright track share their light as those of a star do, but no star is long and thin.
    """
    labels = _long_groups(found, image.shape[1])
    found, labels = found[labels >= 0], labels[labels >= 0]
    verdict = np.zeros(found.size, np.uint8)
    any_shape = np.array([rule[0], rule[1], np.inf, rule[3]], np.float32)
    laplacian.judge(image, noise, image, noise, np.array([0, 0, 1]), found, any_shape, verdict)
    hits = np.bincount(labels[verdict != 0], minlength=labels.max(initial=0) + 1)
    track: Places = found[hits[labels] >= TRACK_HITS]
    if track.size == 0:
        return track
    taken, room = skip.copy(), np.empty(8 * track.size, np.int64)
    taken.ravel()[track] = 1
    grid, limit = np.array([0, 0, 1]), float(rule[0]) * FAINT_ENDS
    count = laplacian.grow(image, noise, image, noise, grid, taken, track, limit, any_shape, room)
    return _filled(np.append(track, room[:count]), taken)


def _filled(track: Places, taken: Mask) -> Places:
    """Add the pixels most of whose neighbours are the track's: the middle of a wide one is bright, but not sharp."""
    ny, nx = taken.shape
    about = np.array([dy * nx + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx])
    near = np.unique(track[:, None] + about)
    y, x = np.divmod(near, nx)
    near = near[(y > 0) & (y < ny - 1) & (x > 0) & (x < nx - 1)]
    near = near[taken.ravel()[near] == 0]
    inside = np.isin(near[:, None] + about, track).sum(axis=1) >= TRACK_NEIGHBOURS
    return np.append(track, near[inside])


def _long_groups(places: Places, nx: int) -> Places:
    """Give every pixel the number of its group of touching pixels where that is long and thin, else -1."""
    pairs = []
    for apart in (1, nx - 1, nx, nx + 1):
        at = np.searchsorted(places, places + apart)
        there = np.flatnonzero((at < places.size) & (places[np.minimum(at, places.size - 1)] == places + apart))
        pairs.append(np.column_stack([there, at[there]]))
    one, other = np.concatenate(pairs).T
    if one.size < TRACK_LENGTH - 1:
        return np.full(places.size, -1)
    from scipy.sparse import coo_array  # noqa: PLC0415 - 20 MiB that a child without such a search should not have
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    links = coo_array((np.ones(one.size, np.uint8), (one, other)), shape=(places.size, places.size))
    count, labels = connected_components(links, directed=False)
    size = np.bincount(labels, minlength=count)
    mean = [np.bincount(labels, part, count) / np.maximum(size, 1) for part in np.divmod(places, nx)]
    y, x = (part - centre[labels] for part, centre in zip(np.divmod(places, nx), mean, strict=True))
    yy, xx, xy = (np.bincount(labels, part, count) / np.maximum(size, 1) for part in (y * y, x * x, x * y))
    half, turn = (yy + xx) / 2, np.hypot((yy - xx) / 2, xy)
    length, width = (np.sqrt(12 * np.maximum(part, 0) + 1) for part in (half + turn, half - turn))
    long = (size >= TRACK_LENGTH) & (length >= TRACK_LENGTH) & (length >= TRACK_SLIMNESS * width)
    groups: Places = np.where(long[labels], labels, -1)
    return groups
