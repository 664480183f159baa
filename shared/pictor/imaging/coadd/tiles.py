"""The coadd tile by tile: memory does not grow with the number of lights."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import local

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.coadd import clipping, kernels
from pictor.imaging.coadd.members import Member
from pictor.imaging.coadd.trails import Band, covered, find_bands
from pictor.imaging.combine.combining import median_penalty
from pictor.imaging.combine.kernels import sorting_network
from pictor.imaging.frame import HIT, NO_DATA
from pictor.imaging.mesh import interpolate_row
from pictor.imaging.resampling.mapping import Mapping
from pictor.imaging.resampling.resampling import Window
from pictor.imaging.types import Mask

Reals = NDArray[np.float32]
Floats = NDArray[np.float64]

SAMPLES_BYTES = 12 << 20
"""Memory for the samples of one tile, if they fit; two tiles are worked on at a time."""

_PER_SAMPLE = 9
_LEAST_ROWS, _MOST_ROWS = 32, 256
_MARGIN = 5
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
class Planes:
    """The planes of a coadd, shape (ny, nx); variance is NaN and mask has bit 16 where no sample was left."""

    value: Reals
    variance: Reals
    nused: NDArray[np.uint16]
    mask: NDArray[np.uint8]
    rejected: NDArray[np.int64]
    clipped: dict[tuple[int, int], tuple[NDArray[np.int64], NDArray[np.int32]]] = field(default_factory=dict)


def run(members: Sequence[Member], shape: tuple[int, int], rule: Rule) -> Planes:
    """Resample all lights onto the grid and make one of them, on two threads."""
    made = Planes(
        np.empty(shape, np.float32), np.empty(shape, np.float32), np.zeros(shape, np.uint16),
        np.zeros(shape, np.uint8), np.zeros(len(members), np.int64),
    )  # fmt: skip

    tiles = tiles_of(shape, 1 if rule.method == kernels.MEAN else len(members))
    _work(members, tiles, rule, [], made)
    if rule.method == kernels.CLIP:
        crowds = [made.clipped[start][1] for start in sorted(made.clipped)]  # not as the threads came to them
        bands = find_bands(np.concatenate(crowds), shape, rule.width)
        _work(members, [tile for tile in tiles if covered(bands, tile)], rule, bands, made)
        made.rejected[:] = sum(counts for counts, _ in made.clipped.values())
    return made


def _work(
    members: Sequence[Member], tiles: Sequence[tuple[slice, slice]], rule: Rule, bands: Sequence[Band], made: Planes
) -> None:
    """Make tiles, without what lies in a band."""
    own = local()

    def work(tile: tuple[slice, slice]) -> None:
        samples = _Samples(members, bands)
        if rule.method == kernels.MEAN:
            _mean(samples, tile, made)
        else:
            if not hasattr(own, "room"):
                own.room = _Room.of(len(members), tiles_of(made.value.shape, len(members))[0])
            _robust(samples, tile, rule, own.room, made)
        for one in members:
            one.source.forget()

    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(work, tiles):
            pass


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


@dataclass(frozen=True, slots=True)
class _Samples:
    """Gives the samples of one light on one tile; those in bands are infinite and have the bit of hits."""

    members: Sequence[Member]
    bands: Sequence[Band] = ()

    def fill(self, index: int, tile: tuple[slice, slice], out: tuple[Reals, Reals, Mask]) -> bool:
        """Resample one light into arrays of the tile's shape; False, with nothing written, where it does not reach."""
        one = self.members[index]
        box = box_of(one, tile)
        if box is None:
            return False
        window = _levelled(one, box)
        one.resampler.fill(window, window.marked, (tile[0].start, tile[1].start), out)
        if window.variance.size == 0:
            area = one.resampler.area
            sky = 0.0 if one.subtract else (one.level * one.scale + one.offset) * area
            slope = 0.0 if one.egain is None else one.scale / (one.egain * area)
            kernels.give_noise(out[0], out[1], sky, one.own_floor, slope)
        return True


def box_of(one: Member, tile: tuple[slice, slice]) -> tuple[slice, slice] | None:
    """Find the part of a light a tile needs; None where they do not meet."""
    x, y = _places(one.mapping, tile)
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return None
    ny, nx = one.source.shape
    whole = not known.all()
    margin = _MARGIN + one.resampler.fine // 2
    y0, y1 = (0, ny) if whole else (int(y.min()) - margin, int(y.max()) + margin + 1)
    x0, x1 = (0, nx) if whole else (int(x.min()) - margin, int(x.max()) + margin + 1)
    y0, y1, x0, x1 = max(y0, 0), min(y1, ny), max(x0, 0), min(x1, nx)
    return (slice(y0, y1), slice(x0, x1)) if y0 < y1 and x0 < x1 else None


def _places(mapping: Mapping, tile: tuple[slice, slice]) -> tuple[Floats, Floats]:
    """Find positions on a frame of the corners of a tile, and of a lattice within it where lines may be bent."""
    number = 9 if mapping.lattice.size else 2
    rows, columns = (np.linspace(side.start, side.stop, number) for side in tile)
    return mapping.places(np.tile(columns, number), np.repeat(rows, number))


def _levelled(one: Member, box: tuple[slice, slice]) -> Window:
    """Read a part of a light with its sky and scale settled; the source is not changed."""
    found = one.source.window(*box)
    values, variance = found.values, found.variance
    if one.subtract:
        sky, row = np.empty(values.shape, np.float32), np.empty(one.source.shape[1], np.float32)
        for k in range(values.shape[0]):
            interpolate_row(one.sky.levels, one.source.shape, float(box[0].start + k), row)
            sky[k] = row[box[1]]
        values = values - sky
    if one.scale != 1.0:
        values, variance = values * np.float32(one.scale), variance * np.float32(one.scale**2)
    if one.offset:
        values = values + np.float32(one.offset)
    return Window(values, variance, found.bits, found.origin)


def _mean(samples: _Samples, tile: tuple[slice, slice], made: Planes) -> None:
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


def _robust(samples: _Samples, tile: tuple[slice, slice], rule: Rule, room: _Room, made: Planes) -> None:
    """Take the median, or clip around it; some pixels more on each side tell slopes and what lies beside."""
    (ny, nx), count = made.value.shape, len(samples.members)
    wide = tuple(slice(max(s.start - _EDGE, 0), min(s.stop + _EDGE, n)) for s, n in zip(tile, (ny, nx), strict=True))
    shape = wide[0].stop - wide[0].start, wide[1].stop - wide[1].start
    cube = room.cube(count, shape)
    for index in range(count):
        if not samples.fill(index, (wide[0], wide[1]), (cube[0][index], cube[1][index], cube[2][index])):
            cube[0][index], cube[1][index], cube[2][index] = np.nan, 0.0, NO_DATA
    out_of = covered(samples.bands, (wide[0], wide[1]))
    for light, part in out_of:
        there = part & (cube[2][light] & NO_DATA == 0)
        cube[0][light][there], cube[2][light][there] = np.inf, HIT
    middle, reach, told = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.uint8)
    soft = np.empty(shape, np.bool_)
    kernels.medians(cube[0], cube[2], sorting_network(count), middle, reach, soft, told)
    top, left = tile[0].start - wide[0].start, tile[1].start - wide[1].start
    inner = (top, top + tile[0].stop - tile[0].start, left, left + tile[1].stop - tile[1].start)
    frames = np.array([(one.floor, *one.slack, one.sharpness) for one in samples.members]).T.copy()
    if rule.method == kernels.CLIP:
        told_of = _clip(cube, (middle, reach, soft), (frames, rule.packed()), out_of, inner)
        made.clipped[tile[0].start, tile[1].start] = told_of[0], told_of[1] + (0, wide[0].start, wide[1].start)
    weights = np.array([one.weight for one in samples.members])
    size = inner[1] - inner[0], inner[3] - inner[2]
    out = np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.uint16)
    clipping.average(cube, weights, soft, (top, left), out, (middle, frames, rule.packed()))
    if rule.method == kernels.MEDIAN:
        out[0][:] = middle[inner[0] : inner[1], inner[2] : inner[3]]
        out[1][:] *= median_penalty(out[2].astype(np.float32))
    made.value[tile], made.variance[tile], made.nused[tile] = out
    part = told[inner[0] : inner[1], inner[2] : inner[3]]
    made.mask[tile] = kernels.settled(out[2], np.ascontiguousarray(part))


def _clip(
    cube: tuple[Reals, Reals, Mask], around: tuple[Reals, Reals, NDArray[np.bool_]], by: tuple[Floats, Floats],
    out_of: Sequence[tuple[int, NDArray[np.bool_]]], inner: tuple[int, int, int, int],
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:  # fmt: skip
    """Reject samples in place; return how many of every light, and where many are together."""
    found, rejected = np.empty(around[0].shape, np.uint8), np.zeros(len(cube[0]), np.int64)
    clipping.reject(cube, *around, *by, found)
    for _, part in out_of:
        found[part] |= 4
    crowded = np.empty((_MOST_CROWDED, 3), np.int32)
    number = clipping.count_rejected(cube[0], cube[2], found, inner, rejected, crowded)
    return rejected, crowded[:number].copy()
