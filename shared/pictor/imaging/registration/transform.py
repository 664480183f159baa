"""Plane transformations between two frames, and their fit to matched positions."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.astrometry.projection import Wcs

Floats = NDArray[np.float64]


class Kind(StrEnum):
    """What a transformation may do; each includes those before it."""

    TRANSLATION = "translation"
    SIMILARITY = "similarity"
    AFFINE = "affine"
    HOMOGRAPHY = "homography"


PARAMETERS = {Kind.TRANSLATION: 2, Kind.SIMILARITY: 4, Kind.AFFINE: 6, Kind.HOMOGRAPHY: 8}
"""Free numbers of each kind."""


@dataclass(frozen=True, slots=True, eq=False)
class Transform:
    """Where positions of another frame lie on the reference; pixels count from 0 at the centre of the first.

    Parameters
    ----------
    matrix
        Homography, shape (3, 3): (x, y, 1) of the other frame becomes (u, v, w), its place on the reference (u/w, v/w).
    shape
        Shape (ny, nx) of the reference.
    kind
        What was fitted.
    wcs
        World coordinates of the reference; None when it has none.
    matches
        Stars the fit rests on; 0 when it was not fitted to stars.
    rms
        Root mean square distance of matched stars on the reference, in pixels; NaN when it was not fitted.
    spread
        Share of the reference's diagonal over which the matched stars are spread.
    chance
        Expected number of equally good matches between unrelated star lists.
    """

    matrix: Floats
    shape: tuple[int, int]
    kind: Kind = Kind.HOMOGRAPHY
    wcs: Wcs | None = None
    matches: int = 0
    rms: float = math.nan
    spread: float = math.nan
    chance: float = math.nan

    @classmethod
    def identity(cls, shape: tuple[int, int], wcs: Wcs | None = None) -> "Transform":
        """Make the transformation of the reference onto itself."""
        return cls(np.eye(3), shape, Kind.TRANSLATION, wcs, rms=0.0)

    def to_reference(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Find the place on the reference of positions of the other frame, shape (n,), in pixels from 0."""
        return apply(self.matrix, x, y)

    def to_other(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Find the place on the other frame of positions of the reference, shape (n,), in pixels from 0."""
        return apply(inverted(self.matrix), x, y)

    def inverse(self, shape: tuple[int, int], wcs: Wcs | None = None) -> "Transform":
        """Swap the frames; ``shape`` and ``wcs`` are those of the other one."""
        return replace(self, matrix=inverted(self.matrix), shape=shape, wcs=wcs)

    def onto(self, wcs: Wcs | None) -> "Transform":
        """Give the same transformation with the world coordinates of the reference."""
        return replace(self, wcs=wcs)

    def middle_shift(self) -> tuple[float, float]:
        """Difference, on the reference, between where the middle of the frames' pixels lies and where it came from."""
        x, y = (self.shape[1] - 1) / 2, (self.shape[0] - 1) / 2
        u, v = self.to_reference(np.array([x]), np.array([y]))
        return float(u[0] - x), float(v[0] - y)

    @property
    def scale(self) -> float:
        """Pixels of the reference per pixel of the other frame, at the middle of the reference."""
        return math.sqrt(abs(self._determinant()))

    @property
    def rotation_deg(self) -> float:
        """Angle by which the other frame's +x is turned from +x towards +y of the reference, -180 to 180."""
        (a, _), (c, _) = self._local()
        return math.degrees(math.atan2(c, a))

    @property
    def mirrored(self) -> bool:
        """Whether one frame is a mirror image of the other."""
        return self._determinant() < 0

    def _local(self) -> Floats:
        """Jacobian at the middle of the reference, shape (2, 2)."""
        middle = np.array([(self.shape[1] - 1) / 2]), np.array([(self.shape[0] - 1) / 2])
        x, y = self.to_other(*middle)
        u, v, w = self.matrix @ np.array([x[0], y[0], 1.0])
        top, bottom = self.matrix[:2, :2], self.matrix[2, :2]
        return np.asarray(top / w - np.outer([u, v], bottom) / w**2)

    def _determinant(self) -> float:
        return float(np.linalg.det(self._local()))


def inverted(matrix: Floats) -> Floats:
    """Invert a homography, shape (3, 3)."""
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def apply(matrix: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Transform positions, shape (n,), by a homography; NaN behind its horizon."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    w = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    w = np.where(w * matrix[2, 2] > 0, w, np.nan)
    u = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / w
    v = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / w
    return u, v


def fit(kind: Kind, other: Floats, reference: Floats, weights: Floats | None = None) -> Floats | None:
    """Fit a transformation to pairs of positions by weighted least squares.

    Parameters
    ----------
    kind
        What it may do. A similarity or translation does not mirror; see `fit_mirrored`.
    other, reference
        Positions of the same stars, shape (n, 2), in pixels.
    weights
        Inverse standard deviations of the pairs, shape (n,); None: all alike.

    Returns
    -------
    numpy.ndarray or None
        Shape (3, 3); None when the pairs do not determine it.
    """
    if 2 * len(other) < PARAMETERS[kind]:
        return None
    w = np.ones(len(other)) if weights is None else weights / weights.mean()
    shift_o, scale_o = _frame_of(other, w)
    shift_r, scale_r = _frame_of(reference, w)
    if kind is Kind.TRANSLATION:
        return np.array([[1.0, 0, shift_r[0] - shift_o[0]], [0, 1.0, shift_r[1] - shift_o[1]], [0, 0, 1.0]])
    if min(scale_o, scale_r) < 1e-9:
        return None
    p, q = (other - shift_o) / scale_o, (reference - shift_r) / scale_r
    solved = {Kind.SIMILARITY: _similarity, Kind.AFFINE: _affine, Kind.HOMOGRAPHY: _homography}[kind](p, q, w)
    if solved is None or not np.all(np.isfinite(solved)):
        return None
    back = np.array([[scale_r, 0, shift_r[0]], [0, scale_r, shift_r[1]], [0, 0, 1.0]])
    there = np.array([[1 / scale_o, 0, -shift_o[0] / scale_o], [0, 1 / scale_o, -shift_o[1] / scale_o], [0, 0, 1.0]])
    whole = back @ solved @ there
    return np.asarray(whole / whole[2, 2]) if abs(whole[2, 2]) > 1e-12 else None


def fit_mirrored(kind: Kind, other: Floats, reference: Floats, weights: Floats | None = None) -> Floats | None:
    """Fit as `fit`, with the other frame seen in a mirror."""
    found = fit(kind, other * np.array([-1.0, 1.0]), reference, weights)
    return None if found is None else found @ np.diag([-1.0, 1.0, 1.0])


def _frame_of(points: Floats, weights: Floats) -> tuple[Floats, float]:
    """Weighted centre and typical distance from it."""
    centre = np.average(points, axis=0, weights=weights**2)
    away = np.sum((points - centre) ** 2, axis=1)
    return centre, float(np.sqrt(np.average(away, weights=weights**2)))


def _similarity(p: Floats, q: Floats, w: Floats) -> Floats | None:
    """Solve q = (a, -b; b, a) p for centred points."""
    square = w**2
    weight = float(np.sum(square[:, None] * p * p))
    if weight < 1e-12:
        return None
    a = float(np.sum(square[:, None] * p * q)) / weight
    b = float(np.sum(square * (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]))) / weight
    return np.array([[a, -b, 0.0], [b, a, 0.0], [0.0, 0.0, 1.0]])


def _affine(p: Floats, q: Floats, w: Floats) -> Floats | None:
    design = np.column_stack([p, np.ones(len(p))]) * w[:, None]
    solution, _, rank, singular = np.linalg.lstsq(design, q * w[:, None], rcond=None)
    if rank < 3 or singular[-1] < 1e-6 * singular[0]:
        return None
    return np.vstack([solution.T, [0.0, 0.0, 1.0]])


def _homography(p: Floats, q: Floats, w: Floats) -> Floats | None:
    """Solve (u, v) (g x + h y + 1) = (a x + b y + c, d x + e y + f), linear in a to h."""
    nil = np.zeros((len(p), 3))
    point = np.column_stack([p, np.ones(len(p))])
    rows = np.vstack([np.hstack([point, nil, -q[:, :1] * p]), np.hstack([nil, point, -q[:, 1:] * p])])
    weight = np.concatenate([w, w])
    solution, _, rank, singular = np.linalg.lstsq(rows * weight[:, None], q.T.ravel() * weight, rcond=None)
    if rank < 8 or singular[-1] < 1e-7 * singular[0]:
        return None
    return np.append(solution, 1.0).reshape(3, 3)
