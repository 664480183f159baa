"""Trails of satellites and aircraft in the lights of a coadd: lines of rejected samples, and the bands left out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int32]
"""Light, row and column of samples that were rejected among others of the same light, shape (n, 3)."""

_FEWEST, _MOST_TRAILS = 40, 8
_DRAWS, _TAKEN, _SEED = 500, 1000, 1
_APART_PX, _NEAR_PX, _AROUND_PX = 30.0, 2.5, 15.0
# A trail is rejected in cells of 8 pixels; stars on it, and noise where it is faint, leave gaps of some.
_CELL_PX, _FEWEST_CELLS, _WIDEST_GAP, _LEAST_FILLED = 8.0, 12, 6, 0.5
# A trail that ends this near to the edge goes on beyond it; others may go on for a little.
_EDGE_PX, _BEYOND_PX = 64.0, 12.0
_USUAL_WIDTH = 1.6
# Where a profile of variance 1 has fallen from 3 sigma of the noise to a tenth: the root of twice ln 30.
_WINGS = 2.6


@dataclass(frozen=True, slots=True)
class Band:
    """A part of a light that is left out: along a line, from ``start`` to ``stop``, ``half`` to both sides.

    Parameters
    ----------
    light
        Index of the light.
    x, y, angle
        A point of the line, in pixels of the grid, and its direction in radians.
    half, start, stop
        Half its width; where it begins and ends, in pixels from that point.
    """

    light: int
    x: float
    y: float
    angle: float
    half: float
    start: float
    stop: float

    def within(self, tile: tuple[slice, slice]) -> NDArray[np.bool_]:
        """Tell which pixels of a tile lie in the band."""
        rows = np.arange(tile[0].start, tile[0].stop)[:, None] - self.y
        columns = np.arange(tile[1].start, tile[1].stop)[None, :] - self.x
        along = columns * math.cos(self.angle) + rows * math.sin(self.angle)
        across = rows * math.cos(self.angle) - columns * math.sin(self.angle)
        return np.asarray((np.abs(across) <= self.half) & (along >= self.start) & (along <= self.stop))


def find_bands(places: Places, shape: tuple[int, int], width: float) -> list[Band]:
    """Find the trails of all lights.

    Clipping sees a trail only where it rises above the noise of one light; its wings stay and add up to a line in the
    coadd. Pairs of rejected samples propose lines [1]_; one that is filled over a hundred pixels is a trail, and all
    of it is left out, as wide as the profile of stars needs to fall to a tenth of the noise.

    Parameters
    ----------
    places
        Rejected samples.
    shape
        Of the grid.
    width
        Variance of the profile of stars in pixels; 0: not known.

    References
    ----------
    .. [1] Fischler M. A., Bolles R. C., 1981, Communications of the ACM 24, 381.
    """
    found = []
    for light in np.unique(places[:, 0]):
        own = places[places[:, 0] == light, 1:].astype(np.float64)
        for _ in range(_MOST_TRAILS):
            band = _band_of(int(light), own, shape, width or _USUAL_WIDTH)
            if band is None:
                break
            found.append(band)
            across = np.abs((own[:, 0] - band.y) * math.cos(band.angle) - (own[:, 1] - band.x) * math.sin(band.angle))
            own = own[across > band.half]
    return found


def covered(bands: Sequence[Band], tile: tuple[slice, slice]) -> list[tuple[int, NDArray[np.bool_]]]:
    """Give the lights of which a part of a tile is left out, and that part."""
    parts = ((band.light, band.within(tile)) for band in bands)
    return [(light, part) for light, part in parts if part.any()]


def _band_of(light: int, own: Floats, shape: tuple[int, int], width: float) -> Band | None:
    """Find the trail with the most rejected samples; None where there is none."""
    if len(own) < _FEWEST:
        return None
    line = _best_line(own)
    if line is None:
        return None
    for reach in (_AROUND_PX, _NEAR_PX + math.sqrt(width)):
        line = _refined(own, line, reach)
    x, y, angle = line
    along, across = _turned(own, line)
    on = np.abs(across) < _AROUND_PX
    span = _filled(along[on & (np.abs(across) < _NEAR_PX)])
    if span is None:
        return None
    on &= (along > span[0]) & (along < span[1])
    seen = 1.5 * 1.4826 * float(np.median(np.abs(across[on]))) + 1.0
    half = math.hypot(seen, _WINGS * math.sqrt(width)) + 1.0
    start, stop = (_end(line, end, shape, sign) for end, sign in zip(span, (-1.0, 1.0), strict=True))
    return Band(light, float(x), float(y), float(angle), half, float(start), float(stop))


def _best_line(own: Floats) -> tuple[float, float, float] | None:
    """Try lines through pairs of samples."""
    rng = np.random.default_rng(_SEED)
    taken = own if len(own) <= _TAKEN else own[np.sort(rng.choice(len(own), _TAKEN, replace=False))]
    first, second = taken[rng.integers(0, len(taken), (2, _DRAWS))]
    apart = np.hypot(*(second - first).T) > _APART_PX
    if not apart.any():
        return None
    first, step = first[apart], (second - first)[apart]
    angle = np.arctan2(step[:, 0], step[:, 1])
    sine, cosine = np.sin(angle), np.cos(angle)
    offset = first[:, 0] * cosine - first[:, 1] * sine
    counts = [
        int(np.count_nonzero(np.abs(taken[:, 0] * c - taken[:, 1] * s - o) < _NEAR_PX))
        for s, c, o in zip(sine, cosine, offset, strict=True)
    ]
    best = int(np.argmax(counts))
    return float(first[best, 1]), float(first[best, 0]), float(angle[best])


def _turned(own: Floats, line: tuple[float, float, float]) -> tuple[Floats, Floats]:
    """Positions along and across a line."""
    x, y, angle = line
    rows, columns = own[:, 0] - y, own[:, 1] - x
    cosine, sine = math.cos(angle), math.sin(angle)
    return columns * cosine + rows * sine, rows * cosine - columns * sine


def _refined(own: Floats, line: tuple[float, float, float], reach: float) -> tuple[float, float, float]:
    """Fit a line again to the samples near it."""
    along, across = _turned(own, line)
    near = np.abs(across) < reach
    slope, level = np.polyfit(along[near], across[near], 1)
    x, y, angle = line
    return x - level * math.sin(angle), y + level * math.cos(angle), angle + math.atan(slope)


def _filled(along: Floats) -> tuple[float, float] | None:
    """Find the longest stretch of a line that is filled; None where it is too short, or mostly gaps."""
    cells = np.unique(np.floor(along / _CELL_PX).astype(np.int64))
    if len(cells) < _FEWEST_CELLS:
        return None
    parts = np.split(cells, np.flatnonzero(np.diff(cells) > _WIDEST_GAP) + 1)
    best = max(parts, key=len)
    if len(best) < max(_FEWEST_CELLS, _LEAST_FILLED * (best[-1] - best[0] + 1)):
        return None
    return float(best[0]) * _CELL_PX, float(best[-1] + 1) * _CELL_PX


def _end(line: tuple[float, float, float], at: float, shape: tuple[int, int], sign: float) -> float:
    """Say where a band ends: beyond the edge if that is near."""
    x, y = line[0] + at * math.cos(line[2]), line[1] + at * math.sin(line[2])
    near = min(x, y, shape[1] - 1 - x, shape[0] - 1 - y)
    return at + sign * (2.0 * sum(shape) if near < _EDGE_PX else _BEYOND_PX)
