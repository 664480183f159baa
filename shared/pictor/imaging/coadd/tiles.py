"""The coadd tile by tile: memory does not grow with the number of lights."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.coadd import kernels
from pictor.imaging.coadd.members import Member
from pictor.imaging.combine.combining import median_penalty
from pictor.imaging.mesh import interpolate_row
from pictor.imaging.resampling.resampling import Window

Reals = NDArray[np.float32]
Floats = NDArray[np.float64]

SAMPLES_BYTES = 96 << 20
"""Memory for the samples of one tile; two tiles are worked on at a time."""

_PER_SAMPLE = 9
_WIDEST, _LEAST_ROWS = 2048, 16
_MARGIN = 5


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
    """

    method: int
    sigma: float = 3.0
    level: float = 0.0
    gain: float = 1.0

    def packed(self) -> Floats:
        """As the compiled loops take it."""
        return np.array([self.sigma, self.level, 3.0, self.gain])


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """The planes of a coadd, shape (ny, nx); variance is NaN and mask has bit 16 where no sample was left."""

    value: Reals
    variance: Reals
    nused: NDArray[np.uint16]
    mask: NDArray[np.uint8]
    rejected: NDArray[np.int64]
    lock: Lock = field(default_factory=Lock)


def run(members: Sequence[Member], shape: tuple[int, int], rule: Rule) -> Planes:
    """Resample all lights onto the grid and make one of them, on two threads."""
    made = Planes(
        np.empty(shape, np.float32), np.empty(shape, np.float32), np.zeros(shape, np.uint16),
        np.zeros(shape, np.uint8), np.zeros(len(members), np.int64),
    )  # fmt: skip

    def work(tile: tuple[slice, slice]) -> None:
        samples = _Samples(members)
        if rule.method == kernels.MEAN:
            _mean(samples, tile, made)
        else:
            _robust(samples, tile, rule, made)

    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(work, tiles_of(shape, 1 if rule.method == kernels.MEAN else len(members))):
            pass
    return made


def tiles_of(shape: tuple[int, int], samples: int) -> list[tuple[slice, slice]]:
    """Cut a grid into tiles whose samples fit the memory; at least four where the grid is not tiny."""
    ny, nx = shape
    columns = math.ceil(nx / math.ceil(nx / _WIDEST))
    rows = max(_LEAST_ROWS, SAMPLES_BYTES // (_PER_SAMPLE * samples * columns))
    rows = max(_LEAST_ROWS, min(rows, 256, math.ceil(ny / 4)))
    return [
        (slice(y, min(y + rows, ny)), slice(x, min(x + columns, nx)))
        for y in range(0, ny, rows)
        for x in range(0, nx, columns)
    ]


@dataclass(frozen=True, slots=True)
class _Samples:
    """Gives the samples of one light on one tile."""

    members: Sequence[Member]

    def of(self, index: int, tile: tuple[slice, slice]) -> Window | None:
        """Resample one light; None where it does not reach."""
        one = self.members[index]
        box = box_of(one, tile)
        if box is None:
            return None
        window = _levelled(one, box)
        made = one.resampler.tile(window, tile)
        if window.variance.size == 0:
            _give_noise(one, made)
        return made


def box_of(one: Member, tile: tuple[slice, slice]) -> tuple[slice, slice] | None:
    """Find the part of a light a tile needs; None where they do not meet."""
    rows, columns = np.linspace(tile[0].start, tile[0].stop, 9), np.linspace(tile[1].start, tile[1].stop, 9)
    grid_y, grid_x = (v.ravel() for v in np.meshgrid(rows, columns, indexing="ij"))
    x, y = one.mapping.places(grid_x, grid_y)
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return None
    ny, nx = one.source.shape
    whole = not known.all()
    y0, y1 = (0, ny) if whole else (int(y.min()) - _MARGIN, int(y.max()) + _MARGIN + 1)
    x0, x1 = (0, nx) if whole else (int(x.min()) - _MARGIN, int(x.max()) + _MARGIN + 1)
    y0, y1, x0, x1 = max(y0, 0), min(y1, ny), max(x0, 0), min(x1, nx)
    return (slice(y0, y1), slice(x0, x1)) if y0 < y1 and x0 < x1 else None


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


def _give_noise(one: Member, made: Window) -> None:
    """Turn the variance of unit noise into that of the sky and of the light above it."""
    sky = 0.0 if one.subtract else one.level * one.scale + one.offset
    if one.egain is None:
        np.multiply(made.variance, np.float32(one.floor), out=made.variance)
        return
    light = np.maximum(made.values - np.float32(sky), 0)
    light *= np.float32(one.scale / one.egain)
    light += np.float32(one.floor)
    np.multiply(made.variance, light, out=made.variance)


def _mean(samples: _Samples, tile: tuple[slice, slice], made: Planes) -> None:
    """Average without rejection: one light after the other is added."""
    shape = tile[0].stop - tile[0].start, tile[1].stop - tile[1].start
    sums, counts, told = np.zeros((2, 3, *shape)), np.zeros((2, *shape), np.uint16), np.zeros(shape, np.uint8)
    for index, one in enumerate(samples.members):
        found = samples.of(index, tile)
        if found is not None:
            kernels.add(found.values, found.variance, found.bits, one.weight, sums, counts, told)
    kernels.choose(sums, counts, told)
    with np.errstate(divide="ignore", invalid="ignore"):
        made.value[tile] = sums[0, 0] / sums[0, 2]
        made.variance[tile] = sums[0, 1] / sums[0, 2] ** 2
    made.nused[tile] = counts[0]
    kernels.settle(counts[0], told, made.mask[tile])


def _robust(samples: _Samples, tile: tuple[slice, slice], rule: Rule, made: Planes) -> None:
    """Take the median, or clip around it; one pixel more on each side tells the slopes."""
    (ny, nx), count = made.value.shape, len(samples.members)
    wide = tuple(slice(max(s.start - 1, 0), min(s.stop + 1, n)) for s, n in zip(tile, (ny, nx), strict=True))
    shape = wide[0].stop - wide[0].start, wide[1].stop - wide[1].start
    values = np.full((count, *shape), np.nan, np.float32)
    variances, bits = np.zeros((count, *shape), np.float32), np.full((count, *shape), 16, np.uint8)
    for index in range(count):
        found = samples.of(index, (wide[0], wide[1]))
        if found is not None:
            values[index], variances[index], bits[index] = found.values, found.variance, found.bits
    middle, soft, told = np.empty(shape, np.float32), np.empty(shape, np.bool_), np.empty(shape, np.uint8)
    kernels.medians(values, bits, middle, soft, told)
    top, left = tile[0].start - wide[0].start, tile[1].start - wide[1].start
    inner = (top, top + tile[0].stop - tile[0].start, left, left + tile[1].stop - tile[1].start)
    if rule.method == kernels.CLIP:
        rejected = np.zeros(count, np.int64)
        frames = np.array([(one.floor, *one.slack) for one in samples.members]).T.copy()
        kernels.reject(values, variances, bits, middle, soft, frames, rule.packed(), inner, rejected)
        with made.lock:
            made.rejected[:] += rejected
    weights = np.array([one.weight for one in samples.members])
    out = made.value[tile], made.variance[tile], made.nused[tile]
    kernels.average(values, variances, bits, weights, soft, (top, left), out)
    if rule.method == kernels.MEDIAN:
        out[0][:] = middle[inner[0] : inner[1], inner[2] : inner[3]]
        out[1][:] *= median_penalty(out[2].astype(np.float32))
    kernels.settle(out[2], np.ascontiguousarray(told[inner[0] : inner[1], inner[2] : inner[3]]), made.mask[tile])
