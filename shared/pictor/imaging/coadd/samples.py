"""Samples of the lights of a coadd: a part of a light, on the sky and scale of all, brought onto a tile of the grid."""

from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.coadd import kernels
from pictor.imaging.coadd.members import Member
from pictor.imaging.coadd.trails import Band
from pictor.imaging.mesh import interpolate_row
from pictor.imaging.resampling.mapping import Mapping
from pictor.imaging.resampling.resampling import Window
from pictor.imaging.types import Mask

Reals = NDArray[np.float32]
Floats = NDArray[np.float64]

_MARGIN = 5


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """Pixels of a light that are replaced: rows, columns, values and variances, shape (n,) each."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    values: Reals
    variances: Reals

    def put(self, window: Window) -> Window:
        """Replace the pixels of a window, which have no bits then; the window given is not changed."""
        y, x = self.rows - window.origin[0], self.columns - window.origin[1]
        here = (y >= 0) & (y < window.values.shape[0]) & (x >= 0) & (x < window.values.shape[1])
        if not here.any():
            return window
        at = y[here], x[here]
        values, bits, variance = window.values.copy(), window.bits.copy(), window.variance.copy()
        values[at] = self.values[here]
        if bits.size:
            bits[at] = 0
        if variance.size:
            variance[at] = self.variances[here]
        return replace(window, values=values, bits=bits, variance=variance)


@dataclass(frozen=True, slots=True)
class Samples:
    """Gives the samples of one light on one tile.

    Parameters
    ----------
    members
        All lights.
    bands
        Parts of them that are left out; whoever asks for samples sees to it.
    patches
        Pixels of lights that are replaced, by the index of the light.
    """

    members: Sequence[Member]
    bands: Sequence[Band] = ()
    patches: Table[int, Patches] = field(default_factory=dict)

    def fill(self, index: int, tile: tuple[slice, slice], out: tuple[Reals, Reals, Mask]) -> bool:
        """Resample one light into arrays of the tile's shape; False, with nothing written, where it does not reach."""
        one = self.members[index]
        box = box_of(one, tile)
        if box is None:
            return False
        window = levelled(one, box)
        if index in self.patches:
            window = self.patches[index].put(window)
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


def levelled(one: Member, box: tuple[slice, slice]) -> Window:
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
