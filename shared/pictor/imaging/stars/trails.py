"""Satellite and aircraft trails: lines of elongated pieces."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.compiling import njit

Floats = NDArray[np.float64]

# A piece of a trail is longer than wide and points along the trail.
_PIECE_ELLIPTICITY = 0.3
_ALIGNED_DEG = 15.0
# Fewer pieces in line, or this much less than a line of chance neighbours would hold, are no trail.
_FEWEST_PIECES = 8
_OVER_CHANCE = 5.0
_MOST_TRAILS = 12
_DRAWS = 6000
_TRIED = 300
_SEED = 1
# A line this close to a row or column, in degrees, is a fault of the detector: one satellite in 450 flies so.
_UPRIGHT_DEG = 0.1


@dataclass(frozen=True, slots=True)
class Sources:
    """Sources that may belong to trails.

    Parameters
    ----------
    x, y
        Positions in pixels.
    ellipticity, theta
        1 - b/a, and direction of the major axis in degrees.
    flux
        Light of each.
    """

    x: Floats
    y: Floats
    ellipticity: Floats
    theta: Floats
    flux: Floats


def find_trails(sources: Sources, *, reach: float) -> tuple[NDArray[np.bool_], int]:
    """Find sources that are pieces of straight trails.

    Pairs of elongated sources that point at each other propose lines; the line with the most aligned
    pieces wins and its sources are taken out, until no line holds more than chance explains [1]_.

    Parameters
    ----------
    sources
        All sources of a frame.
    reach
        Half-width of a trail, in pixels.

    Returns
    -------
    tuple
        True for sources on a trail or a bad row or column, and the number of trails; lines along a row or column
        are faults of the detector and are not counted.

    References
    ----------
    .. [1] Fischler M. A., Bolles R. C., 1981, Communications of the ACM 24, 381.
    """
    on_trail = np.zeros(len(sources.x), dtype=np.bool_)
    rng = np.random.default_rng(_SEED)
    count = 0
    for _ in range(_MOST_TRAILS):
        pieces = np.flatnonzero((sources.ellipticity > _PIECE_ELLIPTICITY) & ~on_trail)
        line = _best_line(sources, pieces, reach, rng)
        if line is None:
            break
        on_trail |= _members(sources, pieces, line, reach)
        count += not _is_upright(line[2])
    return on_trail, count


def warm() -> None:
    """Compile the kernel of this module."""
    nothing = np.zeros(1)
    _pieces_on(np.zeros((1, 3)), nothing, nothing, nothing, (1.0, 1.0))


def _is_upright(angle: float) -> bool:
    """Whether a direction is that of rows or columns."""
    return abs(math.degrees(math.remainder(angle, math.pi / 2.0))) < _UPRIGHT_DEG


def _best_line(
    sources: Sources, pieces: NDArray[np.intp], reach: float, rng: np.random.Generator
) -> tuple[float, float, float] | None:
    """Line (x, y, direction) through the most pieces; None when none holds enough."""
    n = len(pieces)
    if n < _FEWEST_PIECES:
        return None
    x, y, theta = sources.x[pieces], sources.y[pieces], np.radians(sources.theta[pieces])
    first, second = rng.integers(0, n, (2, _DRAWS))
    dx, dy = x[second] - x[first], y[second] - y[first]
    direction = np.arctan2(dy, dx)
    limit = math.radians(_ALIGNED_DEG)
    aligned = (_turn(direction, theta[first]) < limit) & (_turn(direction, theta[second]) < limit)
    tried = np.flatnonzero(aligned & (np.hypot(dx, dy) > 6.0 * reach))[:_TRIED]
    if tried.size == 0:
        return None
    lines = np.column_stack([x[first[tried]], y[first[tried]], direction[tried]])
    counts = _pieces_on(lines, x, y, theta, (reach, limit))
    best = lines[int(np.argmax(counts))]
    area = float(np.ptp(sources.x) * np.ptp(sources.y))
    chance = n * 2.0 * reach * math.sqrt(area) / max(area, 1.0)
    if counts.max() < max(_FEWEST_PIECES, _OVER_CHANCE * chance):
        return None
    near = np.abs((x - best[0]) * math.sin(best[2]) - (y - best[1]) * math.cos(best[2])) < reach
    return _refined(x, y, near & (_turn(best[2], theta) < limit))


@njit(cache=True, nogil=True)
def _pieces_on(lines: Floats, x: Floats, y: Floats, theta: Floats, limits: tuple[float, float]) -> NDArray[np.int64]:
    """Count the pieces on each line (x, y, direction) that point along it; limits in pixels and radians."""
    counts = np.zeros(lines.shape[0], dtype=np.int64)
    reach, turn = limits
    for k in range(lines.shape[0]):
        sin, cos = math.sin(lines[k, 2]), math.cos(lines[k, 2])
        away = lines[k, 0] * sin - lines[k, 1] * cos
        for i in range(x.size):
            if abs(x[i] * sin - y[i] * cos - away) < reach:
                difference = (lines[k, 2] - theta[i]) % math.pi
                counts[k] += min(difference, math.pi - difference) < turn
    return counts


def _refined(x: Floats, y: Floats, used: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Principal axis of the pieces of a line."""
    cx, cy = float(np.mean(x[used])), float(np.mean(y[used]))
    xx, yy = float(np.mean((x[used] - cx) ** 2)), float(np.mean((y[used] - cy) ** 2))
    xy = float(np.mean((x[used] - cx) * (y[used] - cy)))
    return cx, cy, 0.5 * math.atan2(2.0 * xy, xx - yy)


def _members(
    sources: Sources, pieces: NDArray[np.intp], line: tuple[float, float, float], reach: float
) -> NDArray[np.bool_]:
    """Pick the sources of a line: aligned with it or as faint as its pieces; a bright round star stays a star."""
    x, y, angle = line
    along = (sources.x - x) * math.cos(angle) + (sources.y - y) * math.sin(angle)
    across = np.abs((sources.y - y) * math.cos(angle) - (sources.x - x) * math.sin(angle))
    near = across < 1.5 * reach
    aligned = near & (_turn(np.radians(sources.theta), angle) < 2.0 * math.radians(_ALIGNED_DEG))
    aligned &= sources.ellipticity > 0.5 * _PIECE_ELLIPTICITY
    used = np.intersect1d(np.flatnonzero(aligned), pieces)
    if used.size == 0:
        return near & aligned
    start, stop = float(np.min(along[used])), float(np.max(along[used]))
    usual = float(np.median(sources.flux[used]))
    inside = near & (along > start - 4.0 * reach) & (along < stop + 4.0 * reach)
    return np.asarray(inside & ((aligned & (sources.flux < 10.0 * usual)) | (sources.flux < 2.0 * usual)))


def _turn(first: Floats | float, second: Floats | float) -> Floats:
    """Angle between two undirected lines, in radians, 0 to pi / 2."""
    difference = np.mod(np.asarray(first) - np.asarray(second), math.pi)
    return np.asarray(np.minimum(difference, math.pi - difference))
