"""Triangles of stars: what of them survives shift, rotation, scale and mirror, and which could be the same."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Complexes = NDArray[np.complex128]

NEIGHBOURS = 8
"""Stars around each that form triangles with it: enough when a third of them is missing in the other frame."""

_AMBIGUOUS = 0.98
"""Sides whose ratio is above this could be taken for each other."""
_FLATTEST = 0.05
_SHAPE_TOLERANCE = 0.006
_MOST_CANDIDATES = 40_000
_CLUSTER = (0.02, 0.02, 0.015)
"""How far candidates of one transformation lie apart: logarithm of scale, angle, shift over the size of the frame."""
_TRIED = 12


@dataclass(frozen=True, slots=True, eq=False)
class Triangles:
    """Triangles of one list of positions.

    Parameters
    ----------
    corners
        Indices of positions, shape (n, 3), ordered by the length of the opposite side, longest first.
    shapes
        Middle and shortest over longest side, shape (n, 2).
    turns
        Sense of rotation of the corners, +1 or -1, shape (n,).
    """

    corners: Indices
    shapes: Floats
    turns: NDArray[np.int8]


def triangles_of(points: Floats) -> Triangles:
    """Form triangles of every position with two of its neighbours.

    Parameters
    ----------
    points
        Positions, shape (n, 2).
    """
    corners = _corners(points)
    sides = np.stack([
        np.linalg.norm(points[corners[:, (k + 1) % 3]] - points[corners[:, (k + 2) % 3]], axis=1) for k in range(3)
    ], axis=1)  # fmt: skip
    order = np.argsort(-sides, axis=1, kind="stable")
    corners, sides = np.take_along_axis(corners, order, axis=1), np.take_along_axis(sides, order, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shapes = sides[:, 1:] / sides[:, :1]
    p, q, r = (points[corners[:, k]] for k in range(3))
    cross = (q - p)[:, 0] * (r - p)[:, 1] - (q - p)[:, 1] * (r - p)[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        clear = (shapes[:, 0] < _AMBIGUOUS) & (shapes[:, 1] < _AMBIGUOUS * shapes[:, 0])
        clear &= np.abs(cross) > _FLATTEST * sides[:, 0] ** 2
    return Triangles(corners[clear], shapes[clear], np.sign(cross[clear]).astype(np.int8))


def _corners(points: Floats) -> Indices:
    count = min(NEIGHBOURS + 1, len(points))
    if count < 3:
        return np.zeros((0, 3), np.intp)
    _, near = cKDTree(points).query(points, k=count)
    pairs = np.array(list(itertools.combinations(range(1, count), 2)))
    centre = np.broadcast_to(near[:, :1], (len(points), len(pairs)))
    found = np.stack([centre, near[:, pairs[:, 0]], near[:, pairs[:, 1]]], axis=-1).reshape(-1, 3)
    return np.asarray(np.unique(np.sort(found, axis=1), axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A transformation several triangles agree on: reference = slope * other + shift in complex numbers.

    With ``mirrored`` the other's positions are conjugated first.
    """

    slope: complex
    shift: complex
    mirrored: bool
    votes: int


def candidates(
    reference: Floats, other: Floats, *, size: float, mirrored: bool, scales: tuple[float, float]
) -> tuple[list[Candidate], int]:
    """Find transformations on which triangles of two lists agree, most votes first.

    Parameters
    ----------
    reference, other
        Positions, shape (n, 2) and (m, 2).
    size
        Diagonal of the reference, in pixels.
    mirrored
        Whether mirror images are looked at too.
    scales
        Smallest and largest scale, reference over other.

    Returns
    -------
    list of Candidate
        At most a dozen.
    int
        Number of pairs of triangles of equal shape that were weighed.
    """
    ours, theirs = triangles_of(reference), triangles_of(other)
    pairs = _alike(ours, theirs)
    if not mirrored:
        pairs = pairs[ours.turns[pairs[:, 0]] == theirs.turns[pairs[:, 1]]]
    if len(pairs) == 0:
        return [], 0
    flipped = ours.turns[pairs[:, 0]] != theirs.turns[pairs[:, 1]]
    target = _complex(reference)[ours.corners[pairs[:, 0]]]
    source = _complex(other)[theirs.corners[pairs[:, 1]]]
    source = np.where(flipped[:, None], source.conj(), source)
    slope, shift = _similarities(source, target)
    keep = (np.abs(slope) >= scales[0]) & (np.abs(slope) <= scales[1])
    middle = _complex(other).mean()
    centre = slope * np.where(flipped, middle.conjugate(), middle) + shift
    features = np.column_stack([
        np.log(np.maximum(np.abs(slope), 1e-9)) / _CLUSTER[0], np.cos(np.angle(slope)) / _CLUSTER[1],
        np.sin(np.angle(slope)) / _CLUSTER[1], centre.real / (_CLUSTER[2] * size), centre.imag / (_CLUSTER[2] * size),
        flipped * 1e6,
    ])[keep]  # fmt: skip
    return _voted(features, slope[keep], shift[keep], flipped[keep]), len(pairs)


def _alike(ours: Triangles, theirs: Triangles) -> Indices:
    """Pair triangles of nearly equal shape, the most alike first where there are too many."""
    if len(ours.shapes) == 0 or len(theirs.shapes) == 0:
        return np.zeros((0, 2), np.intp)
    found = cKDTree(ours.shapes).sparse_distance_matrix(
        cKDTree(theirs.shapes), _SHAPE_TOLERANCE, output_type="ndarray"
    )  # fmt: skip
    if len(found) > _MOST_CANDIDATES:
        found = found[np.argsort(found["v"], kind="stable")[:_MOST_CANDIDATES]]
    return np.column_stack([found["i"], found["j"]]).astype(np.intp)


def _complex(points: Floats) -> Complexes:
    return np.asarray(points[:, 0] + 1j * points[:, 1])


def _similarities(source: Complexes, target: Complexes) -> tuple[Complexes, Complexes]:
    """Fit target = slope * source + shift to the three corners of every pair."""
    middle_s, middle_t = source.mean(axis=1), target.mean(axis=1)
    s, t = source - middle_s[:, None], target - middle_t[:, None]
    slope = np.sum(t * s.conj(), axis=1) / np.sum(np.abs(s) ** 2, axis=1)
    return slope, middle_t - slope * middle_s


def _voted(features: Floats, slope: Complexes, shift: Complexes, flipped: NDArray[np.bool_]) -> list[Candidate]:
    """Take the densest clusters, one after the other."""
    if len(features) == 0:
        return []
    tree = cKDTree(features)
    votes = np.asarray(tree.query_ball_point(features, 1.5, return_length=True))
    left, found = np.ones(len(features), bool), []
    for index in np.argsort(-votes, kind="stable"):
        if not left[index]:
            continue
        members = np.array(tree.query_ball_point(features[index], 1.5))
        left[members] = False
        near = members[np.argsort(np.linalg.norm(features[members] - features[index], axis=1), kind="stable")]
        core = near[: max(1, len(near) // 2)]
        mean_slope, mean_shift = (
            complex(np.median(slope[core].real), np.median(slope[core].imag)),
            complex(np.median(shift[core].real), np.median(shift[core].imag)),
        )
        found.append(Candidate(mean_slope, mean_shift, bool(flipped[index]), len(members)))
        if len(found) == _TRIED:
            break
    return found
