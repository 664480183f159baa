"""Walk over the frames in tiles of rows, two at a time."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.clipping import clip_integers
from pictor.imaging.combine.errors import warm as warm_errors
from pictor.imaging.combine.kernels import (
    MEDIAN,
    NO_DATA,
    SATURATED,
    SIGMA_CLIP,
    Comparators,
    average_integers,
    decode_words,
    sorting_network,
)
from pictor.imaging.combine.pieces import read_pieces
from pictor.imaging.combine.scaled import combine_reals, scale_integers, scale_reals
from pictor.imaging.combine.sources import Sources, words_of
from pictor.imaging.types import Mask, Rowed

TILE_BYTES, REAL_TILE_BYTES = 1 << 20, 3 << 20
"""Bytes of all frames in one tile, of integers and of reals beside them: near the core, large enough to read fast."""

LEAST_ROWS = 4
"""Rows of a tile of integers, however many frames: pieces of a frame that are smaller take longer to read."""

WHOLE_ROWS = 32
"""One thread combines so many rows, from a multiple of this on: whoever watches sees whole blocks."""

Values = NDArray[np.uint16] | NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tile:
    """Some rows of all frames, from row ``first`` on, and what was combined of them.

    ``values`` has shape (n, rows, nx), ``sci`` (rows, nx); ``ends``, (2, rows, nx), are the least and largest sample of
    each pixel; of integers that were not clipped, and where a sample is no number, they are not known.
    """

    first: int
    values: Values
    sci: NDArray[np.float32]
    ends: Values | None = None


class Seeing(Protocol):
    """What one thread shows every tile to."""

    def see(self, tile: Tile) -> None:
        """See the samples of a tile, and what was combined of them."""


class Watch(Protocol):
    """Somebody who looks at the samples while they are at hand."""

    def part(self) -> Seeing:
        """Begin the share of one thread."""


@dataclass(frozen=True)
class Plan:
    """One combination, ready for its tiles."""

    sources: Sources
    method: int
    rule: NDArray[np.float64]
    scale: NDArray[np.float32]
    offset: NDArray[np.float32]
    dark: Rowed | None
    saturation: float

    @property
    def integers(self) -> bool:
        """Whether the stored integers can be combined as they are."""
        plain = self.dark is None and bool((self.scale == 1).all()) and not self.offset.any()
        return plain and self.sources.raw


@dataclass(frozen=True)
class Planes:
    """What the tiles fill: combined value, mask and samples used, shape (ny, nx); rejected samples by frame."""

    sci: NDArray[np.float32]
    mask: Mask
    nused: NDArray[np.uint8]
    rejected: NDArray[np.int64]

    def part(self, rows: slice) -> "Planes":
        """Return some rows of the planes, as views, with a count of their own."""
        return Planes(self.sci[rows], self.mask[rows], self.nused[rows], np.zeros_like(self.rejected))


@dataclass(frozen=True)
class Room:
    """Memory of one thread, used for tile after tile: fresh pages cost more than the arithmetic on them."""

    raw: NDArray[np.uint16]
    values: NDArray[np.float32]
    dark: NDArray[np.float32]
    ends: NDArray[np.uint16]
    real_ends: NDArray[np.float32]

    @classmethod
    def of(cls, plan: Plan, height: int) -> "Room":
        """Make room for tiles of so many rows."""
        nx = plan.sources.shape[1]
        samples = len(plan.sources.frames) * height * nx
        reals = 0 if plan.integers else samples
        dark = np.zeros((height, nx), np.float32)
        ends, real = np.empty(2 * height * nx, np.uint16), np.empty(0 if plan.integers else 2 * height * nx, np.float32)
        return cls(np.empty(words_of(samples) * 4, np.uint16), np.empty(reals, np.float32), dark, ends, real)


def run(plan: Plan, ranges: Sequence[tuple[int, int]], watch: Watch | None = None) -> Planes:
    """Combine the rows of ``ranges``; two threads take every other strip, each writes its own rows."""
    nx, count = plan.sources.shape[1], len(plan.sources.frames)
    total = sum(end - first for first, end in ranges)
    done = Planes(
        np.empty((total, nx), np.float32),
        np.zeros((total, nx), np.uint8),
        np.empty((total, nx), np.uint8),
        np.zeros(count, np.int64),
    )
    least, room = (LEAST_ROWS, TILE_BYTES // 2) if plan.integers else (2, REAL_TILE_BYTES // 6)
    height = _height(max(least, room // (nx * count)))
    pairs = sorting_network(count)

    def work(share: list[tuple[int, slice]]) -> NDArray[np.int64]:
        return _combine_share(plan, share, Room.of(plan, height), pairs, done, None if watch is None else watch.part())

    with ThreadPoolExecutor(2) as pool:
        for rejected in pool.map(work, _shares(_tiles(ranges, height))):
            done.rejected[:] += rejected
    return done


def _combine_share(  # noqa: PLR0917
    plan: Plan, share: list[tuple[int, slice]], room: Room, pairs: Comparators, done: Planes, seeing: Seeing | None
) -> NDArray[np.int64]:
    """Combine the tiles of one thread into their rows; return the rejected samples by frame."""
    combine, rejected = _integer_tile if plan.integers else _real_tile, np.zeros_like(done.rejected)
    for first, rows in share:
        part = done.part(rows)
        tile = combine(plan, first, room, pairs, part)
        if not part.nused.all():
            part.mask[part.nused == 0] |= NO_DATA
        if plan.saturation < np.inf:
            part.mask[part.sci >= plan.saturation] |= SATURATED
        rejected += part.rejected
        if seeing is not None:
            seeing.see(tile)
    return rejected


def _height(most: int) -> int:
    """Choose the height of tiles: a part of the rows one thread combines, or several of them."""
    if most >= WHOLE_ROWS:
        return most // WHOLE_ROWS * WHOLE_ROWS
    return 1 << (most.bit_length() - 1)


def _tiles(ranges: Sequence[tuple[int, int]], height: int) -> list[tuple[int, slice]]:
    """Cut the ranges into tiles: first row in the frame, rows in the result."""
    tiles, at = [], 0
    for first, end in ranges:
        for y in range(first, end, height):
            rows = min(height, end - y)
            tiles.append((y, slice(at, at + rows)))
            at += rows
    return tiles


def _shares(tiles: list[tuple[int, slice]]) -> list[list[tuple[int, slice]]]:
    """Give every other tile, or the tiles of every other strip of whole rows, to each of two threads."""
    shares: list[list[tuple[int, slice]]] = [[], []]
    strips = sorted({first // WHOLE_ROWS for first, _ in tiles})
    owner = {strip: number % 2 for number, strip in enumerate(strips)}
    for first, rows in tiles:
        shares[owner[first // WHOLE_ROWS]].append((first, rows))
    return shares


def _integer_tile(plan: Plan, first: int, room: Room, pairs: Comparators, out: Planes) -> Tile:
    """Combine one tile of stored integers."""
    stored = plan.sources.read_integers(first, len(out.sci), room.raw)
    samples, sci = stored.reshape(len(stored), -1), out.sci.reshape(-1)
    if plan.method != SIGMA_CLIP:
        average_integers(samples, plan.method == MEDIAN, pairs, sci)
        out.nused[:] = len(stored)
        return Tile(first, stored, out.sci)
    ends = room.ends[: 2 * sci.size].reshape(2, -1)
    clip_integers(samples, plan.rule, pairs, sci, out.nused.reshape(-1), out.rejected, ends)
    return Tile(first, stored, out.sci, ends.reshape(2, *out.sci.shape))


def _real_tile(plan: Plan, first: int, room: Room, pairs: Comparators, out: Planes) -> Tile:
    """Combine one tile of scaled or real samples."""
    rows, nx = out.sci.shape
    count = len(plan.sources.frames)
    values = room.values[: count * rows * nx].reshape(count, rows, nx)
    dark = room.dark[:rows]
    if plan.dark is not None:
        dark[:] = plan.dark[first : first + rows]
    if plan.sources.raw:
        raw = plan.sources.read_integers(first, rows, room.raw)
        scale_integers(raw, dark, plan.scale, plan.offset, values)
    else:
        for i in range(count):
            values[i] = plan.sources.read_reals(i, first, rows)
        scale_reals(values, dark, plan.scale, plan.offset)
    ends = room.real_ends[: 2 * rows * nx].reshape(2, rows, nx)
    combine_reals(
        values, plan.method, plan.rule, plan.scale, pairs, out.sci, out.nused, out.rejected, ends,
    )  # fmt: skip
    return Tile(first, values, out.sci, ends if ends[1].max() < np.inf else None)


def warm() -> None:
    """Compile the kernels for the types in use."""
    raw = np.zeros((3, 2, 8), np.uint16)
    decode_words(raw.reshape(-1).view(np.uint64))
    warm_errors()
    read_pieces(np.empty(0, np.int32), np.empty(0, np.int64), 0, np.empty(0, np.uint8))
    rule, pairs = np.array([3.0, 5.0, 1.0, 0.0, 0.0]), sorting_network(3)
    scale, dark = np.ones((3, 2, 2), np.float32), np.zeros((2, 8), np.float32)
    values, sci = np.empty((3, 2, 8), np.float32), np.empty((2, 8), np.float32)
    nused, rejected = np.empty((2, 8), np.uint8), np.zeros(3, np.int64)
    scale_integers(raw, dark, scale, np.zeros(3, np.float32), values)
    scale_reals(values, dark, scale, np.zeros(3, np.float32))
    combine_reals(values, SIGMA_CLIP, rule, scale, pairs, sci, nused, rejected, np.empty((2, 2, 8), np.float32))
    flat_sci, flat_nused = sci.reshape(-1), nused.reshape(-1)
    samples, ends = raw.reshape(3, -1), np.empty((2, 16), np.uint16)
    average_integers(samples, True, pairs, flat_sci)
    clip_integers(samples, rule, pairs, flat_sci, flat_nused, rejected, ends)
