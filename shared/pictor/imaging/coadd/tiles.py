"""The coadd tile by tile: memory does not grow with the number of lights."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import local

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.coadd import clipping, kernels
from pictor.imaging.coadd.members import Member
from pictor.imaging.coadd.restoring import boxes_of, restored
from pictor.imaging.coadd.samples import Samples
from pictor.imaging.coadd.trails import Places, covered, find_bands
from pictor.imaging.combine.combining import median_penalty
from pictor.imaging.combine.kernels import sorting_network
from pictor.imaging.frame import HIT, NO_DATA
from pictor.imaging.types import Mask

Reals = NDArray[np.float32]
Floats = NDArray[np.float64]

SAMPLES_BYTES = 12 << 20
"""Memory for the samples of one tile, if they fit; two tiles are worked on at a time."""

_PER_SAMPLE = 9
_LEAST_ROWS, _MOST_ROWS = 32, 256
_MOST_CROWDED = 1 << 14
_EDGE = 2
"""Pixels around a tile that tell what is rejected in it: its neighbours, and their slopes."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How samples become one.

    Parameters
    ----------
    method
        MEAN, MEDIAN or CLIP of `pictor.imaging.coadd.kernels`.
    sigma
        How many standard deviations a sample may lie from the median.
    level
        Sky of the scaled and levelled frames.
    gain
        Variance that interpolation leaves of 1.
    beside
        The same as sigma for samples beside one that is far off in the same frame.
    width
        Usual variance of the profile of stars, in pixels; 0: not known.
    """

    method: int
    sigma: float = 3.0
    level: float = 0.0
    gain: float = 1.0
    beside: float = 1.5
    width: float = 0.0

    def packed(self) -> Floats:
        """As the compiled loops take it."""
        return np.array([self.sigma, self.level, 3.0, self.gain, self.beside, self.width])


@dataclass(frozen=True, slots=True, eq=False)
class Clipped:
    """What clipping a tile left out.

    Parameters
    ----------
    counts
        Rejected samples of every light.
    crowded
        Light, row and column of those that lie together.
    lost
        Light, row and column of samples that are lost in stars, or stand out there.
    """

    counts: NDArray[np.int64]
    crowded: Places
    lost: Places


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """The planes of a coadd, shape (ny, nx); variance is NaN and mask has bit 16 where no sample was left."""

    value: Reals
    variance: Reals
    nused: NDArray[np.uint16]
    mask: NDArray[np.uint8]
    rejected: NDArray[np.int64]
    clipped: dict[tuple[int, int], Clipped] = field(default_factory=dict)

    def together(self, part: str) -> Places:
        """Give the places of all tiles, in the order of the tiles and not as the threads came to them."""
        return np.concatenate([getattr(self.clipped[start], part) for start in sorted(self.clipped)])


def run(members: Sequence[Member], shape: tuple[int, int], rule: Rule) -> Planes:
    """Resample all lights onto the grid and make one of them, on two threads."""
    made = Planes(
        np.empty(shape, np.float32), np.empty(shape, np.float32), np.zeros(shape, np.uint16),
        np.zeros(shape, np.uint8), np.zeros(len(members), np.int64),
    )  # fmt: skip

    tiles = tiles_of(shape, 1 if rule.method == kernels.MEAN else len(members))
    _work(Samples(members), tiles, rule, made)
    if rule.method == kernels.CLIP:
        bands = find_bands(made.together("crowded"), shape, rule.width)
        _work(Samples(members, bands), [tile for tile in tiles if covered(bands, tile)], rule, made)
        made.rejected[:] = sum(one.counts for one in made.clipped.values())
        _restore(Samples(members, bands), rule, made)
    return made


def _work(samples: Samples, tiles: Sequence[tuple[slice, slice]], rule: Rule, made: Planes) -> None:
    """Make tiles, without what lies in a band."""
    members, shape, own = samples.members, made.value.shape, local()

    def work(tile: tuple[slice, slice]) -> None:
        if rule.method == kernels.MEAN:
            _mean(samples, tile, made)
        else:
            if not hasattr(own, "room"):
                own.room = _Room.of(len(members), tiles_of(shape, len(members))[0])
            found = _robust(samples, tile, rule, own.room, shape)
            made.value[tile], made.variance[tile], made.nused[tile], made.mask[tile] = found.planes
            if found.clipped is not None:
                made.clipped[tile[0].start, tile[1].start] = found.clipped
        for one in members:
            one.source.forget()

    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(work, tiles):
            pass


def _restore(samples: Samples, rule: Rule, made: Planes) -> None:
    """Replace the pixels of stars that hits have spoilt, and make their values again.

    Errors and numbers of samples stay: what is replaced tells nothing that the other lights do not.
    """
    members, shape, own = samples.members, made.value.shape, local()
    patches = restored(members, made.value, rule.level, made.together("lost"))
    boxes, again = boxes_of(members, patches, (shape[0], shape[1])), replace(samples, patches=patches)
    largest = tuple(
        max((box[axis] for box in boxes), key=lambda one: one.stop - one.start, default=slice(0, 0)) for axis in (0, 1)
    )

    def work(box: tuple[slice, slice]) -> Reals:
        if not hasattr(own, "room"):
            own.room = _Room.of(len(members), (largest[0], largest[1]))
        return _robust(again, box, rule, own.room, shape).planes[0]

    with ThreadPoolExecutor(2) as pool:
        for box, value in zip(boxes, pool.map(work, boxes), strict=True):
            made.value[box] = value
    for one in members:
        one.source.forget()


def tiles_of(shape: tuple[int, int], samples: int) -> list[tuple[slice, slice]]:
    """Cut a grid into tiles twice as wide as high whose samples fit the memory; at least four rows of them."""
    ny, nx = shape
    rows = math.isqrt(SAMPLES_BYTES // (2 * _PER_SAMPLE * samples))
    rows = min(max(_LEAST_ROWS, min(rows, _MOST_ROWS, math.ceil(ny / 4))), ny)
    columns = min(2 * rows, nx)
    return [
        (slice(y, min(y + rows, ny)), slice(x, min(x + columns, nx)))
        for y in range(0, ny, rows)
        for x in range(0, nx, columns)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Room:
    """Memory for the samples of one tile with its edges, used for one tile after the other."""

    values: Reals
    variances: Reals
    bits: Mask

    @classmethod
    def of(cls, count: int, tile: tuple[slice, slice]) -> "_Room":
        size = count * math.prod(s.stop - s.start + 2 * _EDGE for s in tile)
        return cls(np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.uint8))

    def cube(self, count: int, shape: tuple[int, int]) -> tuple[Reals, Reals, Mask]:
        size, cube = count * shape[0] * shape[1], (count, *shape)
        return self.values[:size].reshape(cube), self.variances[:size].reshape(cube), self.bits[:size].reshape(cube)


def _mean(samples: Samples, tile: tuple[slice, slice], made: Planes) -> None:
    """Average without rejection: one light after the other is added."""
    shape = tile[0].stop - tile[0].start, tile[1].stop - tile[1].start
    sums, counts, told = np.zeros((2, 3, *shape)), np.zeros((2, *shape), np.uint16), np.zeros(shape, np.uint8)
    found = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.uint8)
    for index, one in enumerate(samples.members):
        if samples.fill(index, tile, found):
            kernels.add(*found, one.weight, sums, counts, told)
    kernels.choose(sums, counts, told)
    with np.errstate(divide="ignore", invalid="ignore"):
        made.value[tile] = sums[0, 0] / sums[0, 2]
        made.variance[tile] = sums[0, 1] / sums[0, 2] ** 2
    made.nused[tile] = counts[0]
    made.mask[tile] = kernels.settled(counts[0], told)


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """A tile: value, variance, number and bits, and what clipping left out; None: nothing was clipped."""

    planes: tuple[Reals, Reals, NDArray[np.uint16], Mask]
    clipped: Clipped | None


def _robust(samples: Samples, tile: tuple[slice, slice], rule: Rule, room: _Room, whole: tuple[int, ...]) -> _Made:
    """Take the median, or clip around it; some pixels more on each side tell slopes and what lies beside."""
    count = len(samples.members)
    wide = tuple(slice(max(s.start - _EDGE, 0), min(s.stop + _EDGE, n)) for s, n in zip(tile, whole, strict=True))
    shape = wide[0].stop - wide[0].start, wide[1].stop - wide[1].start
    cube = room.cube(count, shape)
    out_of = _filled(samples, (wide[0], wide[1]), cube)
    middle, reach, told = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.uint8)
    soft = np.empty(shape, np.bool_)
    kernels.medians(cube[0], cube[2], sorting_network(count), middle, reach, soft, told)
    top, left = tile[0].start - wide[0].start, tile[1].start - wide[1].start
    inner = (top, top + tile[0].stop - tile[0].start, left, left + tile[1].stop - tile[1].start)
    frames = np.array([(one.floor, *one.slack, one.sharpness) for one in samples.members]).T.copy()
    clipped = None
    if rule.method == kernels.CLIP:
        clipped = _clip(cube, (middle, reach, soft), (frames, rule.packed()), out_of, inner)
        for places in (clipped.crowded, clipped.lost):
            places[:] += (0, wide[0].start, wide[1].start)
    weights = np.array([one.weight for one in samples.members])
    size = inner[1] - inner[0], inner[3] - inner[2]
    out = np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.uint16)
    clipping.average(cube, weights, soft, (top, left), out, (middle, frames, rule.packed()))
    if rule.method == kernels.MEDIAN:
        out[0][:] = middle[inner[0] : inner[1], inner[2] : inner[3]]
        out[1][:] *= median_penalty(out[2].astype(np.float32))
    part = told[inner[0] : inner[1], inner[2] : inner[3]]
    return _Made((*out, kernels.settled(out[2], np.ascontiguousarray(part))), clipped)


def _filled(
    samples: Samples, wide: tuple[slice, slice], cube: tuple[Reals, Reals, Mask]
) -> list[tuple[int, NDArray[np.bool_]]]:
    """Fill a cube with the samples of all lights; those in bands are infinite and have the bit of hits."""
    for index in range(len(samples.members)):
        if not samples.fill(index, wide, (cube[0][index], cube[1][index], cube[2][index])):
            cube[0][index], cube[1][index], cube[2][index] = np.nan, 0.0, NO_DATA
    out_of = covered(samples.bands, wide)
    for light, part in out_of:
        there = part & (cube[2][light] & NO_DATA == 0)
        cube[0][light][there], cube[2][light][there] = np.inf, HIT
    return out_of


def _clip(
    cube: tuple[Reals, Reals, Mask], around: tuple[Reals, Reals, NDArray[np.bool_]], by: tuple[Floats, Floats],
    out_of: Sequence[tuple[int, NDArray[np.bool_]]], inner: tuple[int, int, int, int],
) -> Clipped:  # fmt: skip
    """Reject samples in place; say which."""
    found, rejected = np.empty(around[0].shape, np.uint8), np.zeros(len(cube[0]), np.int64)
    clipping.reject(cube, *around, *by, found)
    for _, part in out_of:
        found[part] |= 4
    crowded, lost = np.empty((_MOST_CROWDED, 3), np.int32), np.empty((_MOST_CROWDED, 3), np.int32)
    number = clipping.count_rejected(cube[0], cube[2], found, inner, rejected, crowded)
    lost = lost[: clipping.list_lost(cube, around[0], *by, inner, lost)]
    for light, part in out_of:
        lost = lost[(lost[:, 0] != light) | ~part[lost[:, 1], lost[:, 2]]]
    return Clipped(rejected, crowded[:number].copy(), lost.copy())
