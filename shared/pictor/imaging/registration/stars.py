"""Registration by stars, without world coordinates: asterisms propose, all stars decide."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import NO_DATA, Frame
from pictor.imaging.registration.asterisms import Candidate, candidates
from pictor.imaging.registration.chance import chance_of
from pictor.imaging.registration.transform import PARAMETERS, Kind, Transform, apply, fit, fit_mirrored
from pictor.imaging.stars.finding import find_brightest, find_stars
from pictor.imaging.stars.starlist import StarFlag, StarList

Floats = NDArray[np.float64]
Pairs = NDArray[np.intp]

FEWEST = 4
"""Matched stars below which no transformation is believed."""

CHANCE = 1e-6
"""Expected number of equally good matches between unrelated fields from which on none is believed."""

_NO_POINT = int(StarFlag.HOT_PIXEL | StarFlag.COSMIC_RAY | StarFlag.TRAIL | StarFlag.EXTENDED)
_POOR = int(StarFlag.SATURATED | StarFlag.EDGE | StarFlag.BLENDED)
_LADDER = (40, 90, 200)
_MOST = 500
_WIDE_PX, _TIGHT_PX = 4.0, 0.35
_ROUNDS = 6
_CLIP = 3.5
# Pairs that unrelated stars would show as often as this are not refined.
_HOPELESS = 0.1


class RegistrationError(ImagingError):
    """Two frames could not be brought together."""

    def __init__(self, message: str, *, reason: str = "no-match") -> None:
        super().__init__(message, reason=reason)


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """Stars of one frame, brightest first."""

    xy: Floats
    sigma: Floats
    clean: NDArray[np.bool_]
    shape: tuple[int, int]
    tree: cKDTree

    @classmethod
    def of(cls, stars: StarList) -> "_Points":
        usable = np.flatnonzero((stars.flags & _NO_POINT) == 0)
        order = usable[np.argsort(-stars.flux[usable], kind="stable")][:_MOST]
        xy = np.column_stack([stars.x[order], stars.y[order]])
        width = np.where(np.isfinite(stars.fwhm[order]), stars.fwhm[order], 3.0)
        sigma = np.hypot(0.02, 0.5 * width / np.maximum(stars.snr[order], 1.0))
        return cls(
            xy, sigma, (stars.flags[order] & _POOR) == 0, stars.shape, cKDTree(xy) if len(xy) else cKDTree([[0, 0]])
        )


def match_stars(
    reference: StarList,
    other: StarList,
    *,
    mirrored: bool = True,
    kind: Kind | None = None,
    scales: tuple[float, float] = (0.2, 5.0),
) -> Transform:
    """Find the transformation between two frames from their stars alone.

    Triangles of bright stars with equal side ratios vote for a shift, rotation, scale and mirror [1]_ [2]_; the best
    are tried on all stars, refitted to all matches, and believed only if so many stars cannot fall together by chance.

    Parameters
    ----------
    reference, other
        Stars of both frames; hot pixels, cosmic rays, trails and extended sources are left out.
    mirrored
        Whether the other frame may be a mirror image.
    kind
        What the transformation may do; None: as much as the stars show (Bayesian information criterion).
    scales
        Smallest and largest scale looked for, pixels of the reference per pixel of the other frame.

    Returns
    -------
    Transform
        From the other frame to the reference, with number, scatter and spread of the matches and their chance level.

    Raises
    ------
    RegistrationError
        With reason ``too-few-stars`` or ``no-match``.

    References
    ----------
    .. [1] Groth E. J., 1986, AJ 91, 1244: matching triangles.
    .. [2] Beroiz M. et al., 2020, Astronomy and Computing 32, 100384 (astroalign).
    """
    ours, theirs = _Points.of(reference), _Points.of(other)
    if min(len(ours.xy), len(theirs.xy)) < FEWEST:
        raise RegistrationError(
            f"{len(theirs.xy)} stars in the frame and {len(ours.xy)} in the reference are too few to register: "
            f"{FEWEST} are needed",
            reason="too-few-stars",
        )
    best: Transform | None = None
    for bright in _LADDER:
        found = _search(ours, theirs, bright, mirrored=mirrored, kind=kind, scales=scales)
        if found is not None and (best is None or found.chance < best.chance):
            best = found
        if best is not None and best.chance < CHANCE:
            return best
        if bright >= max(len(ours.xy), len(theirs.xy)):
            break
    close = "no arrangement of them agrees" if best is None else f"the best agreement is {best.matches} stars"
    raise RegistrationError(
        f"the {len(theirs.xy)} stars of the frame are not those of the reference ({len(ours.xy)} stars): {close}; "
        "is it the same field?"
    )


def register(
    reference: Any,  # noqa: ANN401 - Frame, NDData or array
    other: Any,  # noqa: ANN401 - Frame, NDData or array
    *,
    mirrored: bool = True,
    kind: Kind | None = None,
) -> Transform:
    """Find the stars of two frames and the transformation between them.

    Parameters
    ----------
    reference, other
        Frame, NDData or array, shape (ny, nx), in any unit.
    mirrored, kind
        As for `match_stars`.

    Returns
    -------
    Transform
        It carries the world coordinates of the reference.

    Raises
    ------
    RegistrationError
        If they do not show the same stars.
    """
    first, second = Frame.from_nddata(reference), Frame.from_nddata(other)
    return match_stars(places_of(first), places_of(second), mirrored=mirrored, kind=kind).onto(first.wcs)


def stars_of(frame: Frame) -> StarList:
    """Find the stars of a frame; pixels that are bad, hit or empty are left out."""
    return find_stars(_usable(frame))


def places_of(frame: Frame) -> StarList:
    """Find as many of the brightest stars as `match_stars` looks at; no profile is fitted to them."""
    return find_brightest(_usable(frame), most=_MOST)


def _usable(frame: Frame) -> NDArray[Any]:
    plane = frame.plane()
    hidden = False if plane.mask is None else (plane.mask & (1 | 8 | NO_DATA)) != 0
    return np.where(hidden, np.nan, plane.real()) if np.any(hidden) else plane.data


def _search(
    ours: _Points, theirs: _Points, bright: int, *, mirrored: bool, kind: Kind | None, scales: tuple[float, float]
) -> Transform | None:
    """Try the transformations the brightest stars propose; return the least accidental one."""
    size = math.hypot(*ours.shape)
    proposed, weighed = candidates(
        ours.xy[:bright], theirs.xy[:bright], size=size, mirrored=mirrored, scales=scales
    )  # fmt: skip
    best: Transform | None = None
    for candidate in proposed:
        found = _refined(ours, theirs, candidate, kind, max(weighed, 1))
        if found is not None and (best is None or (found.chance, found.rms) < (best.chance, best.rms)):
            best = found
        if best is not None and best.chance < CHANCE**3:
            break
    return best


def _refined(ours: _Points, theirs: _Points, start: Candidate, kind: Kind | None, weighed: int) -> Transform | None:
    """Match all stars, fit, match more closely, until nothing changes."""
    a, b = start.slope.real, start.slope.imag
    matrix = np.array([[a, -b, start.shift.real], [b, a, start.shift.imag], [0.0, 0.0, 1.0]])
    if start.mirrored:
        matrix = matrix @ np.diag([1.0, -1.0, 1.0])
    radius, kept = _WIDE_PX, np.zeros((0, 2), np.intp)
    chosen = Kind.SIMILARITY if kind is None or PARAMETERS[kind] > 4 else kind
    for number in range(_ROUNDS):
        pairs = _paired(ours, theirs, matrix, radius)
        if number == 0 and _chance((ours, theirs), matrix, len(pairs), chosen, radius) > _HOPELESS:
            return None
        fitted = _fitted(ours, theirs, pairs, chosen, mirrored=start.mirrored)
        if fitted is None:
            return None
        before, (matrix, kept) = (radius, len(kept), chosen), fitted
        chosen = kind or _evident(ours, theirs, kept, mirrored=start.mirrored)
        radius = max(min(radius, max(_TIGHT_PX, _CLIP * _scatter(ours, theirs, matrix, kept))), radius / 3)
        if before == (radius, len(kept), chosen):
            break
    if len(kept) < FEWEST:
        return None
    return _judged((ours, theirs), matrix, kept, chosen, radius=max(radius, _TIGHT_PX), weighed=weighed)


def _paired(ours: _Points, theirs: _Points, matrix: Floats, radius: float) -> Pairs:
    """Pair stars that are each other's nearest within a radius; (reference, other)."""
    x, y = apply(matrix, theirs.xy[:, 0], theirs.xy[:, 1])
    there = np.column_stack([x, y])
    known = np.flatnonzero(np.isfinite(there).all(axis=1))
    distance, nearest = ours.tree.query(there[known], distance_upper_bound=radius)
    near = np.isfinite(distance)
    known, nearest, distance = known[near], nearest[near], distance[near]
    order = np.argsort(distance, kind="stable")
    _, first = np.unique(nearest[order], return_index=True)
    return np.column_stack([nearest[order][first], known[order][first]])


def _fitted(ours: _Points, theirs: _Points, pairs: Pairs, kind: Kind, *, mirrored: bool) -> tuple[Floats, Pairs] | None:
    """Fit clean stars where there are enough, leaving out those that do not agree."""
    kept, matrix = _clean(ours, theirs, pairs), None
    for _ in range(3):
        made = (fit_mirrored if mirrored else fit)(
            kind, theirs.xy[kept[:, 1]], ours.xy[kept[:, 0]], _weights(ours, theirs, kept)
        )
        if made is None:
            return None
        matrix = made
        away = _residuals(ours, theirs, matrix, kept)
        limit = _CLIP * max(0.05, 1.2 * float(np.median(away)))
        if len(kept) <= PARAMETERS[kind] or np.all(away <= limit):
            break
        kept = kept[away <= limit]
    return (matrix, kept) if matrix is not None else None


def _clean(ours: _Points, theirs: _Points, pairs: Pairs) -> Pairs:
    good = ours.clean[pairs[:, 0]] & theirs.clean[pairs[:, 1]]
    return pairs[good] if np.count_nonzero(good) >= max(8, len(pairs) // 2) else pairs


def _weights(ours: _Points, theirs: _Points, pairs: Pairs) -> Floats:
    return np.asarray(1.0 / np.hypot(ours.sigma[pairs[:, 0]], theirs.sigma[pairs[:, 1]]))


def _residuals(ours: _Points, theirs: _Points, matrix: Floats, pairs: Pairs) -> Floats:
    x, y = apply(matrix, *theirs.xy[pairs[:, 1]].T)
    return np.asarray(np.nan_to_num(np.hypot(x - ours.xy[pairs[:, 0], 0], y - ours.xy[pairs[:, 0], 1]), nan=1e9))


def _scatter(ours: _Points, theirs: _Points, matrix: Floats, pairs: Pairs) -> float:
    return float(np.sqrt(np.mean(_residuals(ours, theirs, matrix, pairs) ** 2))) if len(pairs) else math.inf


def _evident(ours: _Points, theirs: _Points, pairs: Pairs, *, mirrored: bool) -> Kind:
    """Choose the transformation with the smallest Bayesian information criterion the stars suffice for."""
    best, chosen, data = math.inf, Kind.SIMILARITY, 2 * len(pairs)
    weights = _weights(ours, theirs, pairs)
    for kind in (Kind.SIMILARITY, Kind.AFFINE, Kind.HOMOGRAPHY):
        if data < 4 * PARAMETERS[kind] and kind is not Kind.SIMILARITY:
            break
        matrix = (fit_mirrored if mirrored else fit)(kind, theirs.xy[pairs[:, 1]], ours.xy[pairs[:, 0]], weights)
        if matrix is None:
            break
        square = float(np.sum((_residuals(ours, theirs, matrix, pairs) * weights) ** 2))
        value = data * math.log(max(square, 1e-12) / data) + PARAMETERS[kind] * math.log(data)
        if value < best:
            best, chosen = value, kind
    return chosen


def _judged(
    frames: tuple[_Points, _Points], matrix: Floats, pairs: Pairs, kind: Kind, *, radius: float, weighed: int
) -> Transform:
    """Say how good a match is, and how many as good ones unrelated fields would show."""
    ours, theirs = frames
    span = np.ptp(ours.xy[pairs[:, 0]], axis=0)
    spread = float(np.hypot(*span) / math.hypot(*ours.shape))
    rms = _scatter(ours, theirs, matrix, pairs)
    chance = weighed * _chance(frames, matrix, len(pairs), kind, radius)
    return Transform(matrix, ours.shape, kind, None, len(pairs), rms, spread, chance)


def _chance(frames: tuple[_Points, _Points], matrix: Floats, pairs: int, kind: Kind, radius: float) -> float:
    ours, theirs = frames
    there = np.column_stack(apply(matrix, theirs.xy[:, 0], theirs.xy[:, 1]))
    return chance_of(there, (ours.tree, ours.shape), pairs, PARAMETERS[kind] // 2, radius)
