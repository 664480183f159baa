"""The kernel that gives the stars of one frame the profile they have in another."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import signal

from pictor.imaging.continuum.pairs import Floats
from pictor.imaging.continuum.sides import Side, around

SIGMA_TO_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
_ROUNDS = 3
_CLIP = 3.0
# Widths of the basis in units of the blur that is missing, and the degree of the polynomial each is modulated with.
_WIDTHS = ((0.5, 4), (1.0, 2), (3.0, 0))
_LEAST_SIGMA = 0.6
# Directions of the normal equations with less than this share of the largest eigenvalue are noise.
_LEAST_EIGENVALUE = 1e-4
# Two frames that differ by less than this share of the variance of one of them are one frame.
_ALIKE = 0.1
# Half-size of the kernel and of the surroundings of a star, in FWHM: the wings decide whether fluxes are kept.
_HALF, _REACH = 2.5, 2.5
# Profiles are known to about this share of a star's light in a pixel; it keeps one bright star from deciding all.
_MODEL_ERROR = 0.003
# Stars that tell whether the kernel changes over the frame, and how much better its change must describe others.
_LEAST_CHANGING, _LEAST_GAIN = 48, 1.02


@dataclass(frozen=True, slots=True, eq=False)
class MatchingKernel:
    """A kernel of sum 1 and how it was found.

    Parameters
    ----------
    values
        Shape (2 h + 1, 2 h + 1).
    fwhm
        Blur that widens the stars of the one frame to those of the other, in pixels: the root of the difference of
        their squared FWHM.
    star_count
        Stars it was fitted to.
    terms
        Where it changes over the frame: what the terms of a parabola in x and y add, shape (6, 2 h + 1, 2 h + 1);
        ``values`` is the kernel in the middle then. None: it does not.
    """

    values: Floats
    fwhm: float
    star_count: int
    terms: Floats | None = None

    def at(self, x: float, y: float, shape: tuple[int, int]) -> Floats:
        """Give the kernel, of sum 1, at a place of a frame of this shape."""
        if self.terms is None:
            return self.values
        made = np.tensordot(_parabola(x, y, shape), self.terms, axes=1)
        return np.asarray(made / made.sum())


def fit_kernel(sharp: Side, wide: Side, at: Floats, widths: tuple[float, float]) -> MatchingKernel:
    """Fit the kernel that makes the stars of a sharp frame look like those of a wide one.

    Around each star the wide frame is modelled as the sharp one convolved with a sum of Gaussians times polynomials
    [1]_, times a factor, plus a parabola of its own. All stars share the kernel; stars that do not fit it are left
    out. Where many stars are known, the numbers of the kernel may be parabolas in x and y [2]_: they are where that
    describes stars better that had no part in the fit. We deviate from the sources in fitting a parabola per star, so
    that nebulae do not matter, and in giving the kernel the sum 1 everywhere: the ratio of the fluxes is measured
    afterwards.

    Parameters
    ----------
    sharp, wide
        Two frames of one field on one grid.
    at
        Columns and rows of isolated stars, shape (n, 2), 0-based pixels.
    widths
        FWHM of the stars in the sharp and in the wide frame, in pixels.

    Returns
    -------
    MatchingKernel
        With no width (one pixel) where no star could be used.

    References
    ----------
    .. [1] Alard C., Lupton R. H., 1998, ApJ 503, 325.
    .. [2] Alard C., 2000, A&AS 144, 363.
    """
    missing = math.sqrt(max(widths[1] ** 2 - widths[0] ** 2, 0.0)) / SIGMA_TO_FWHM
    half = math.ceil(_HALF * widths[1])
    reach = math.ceil(_REACH * widths[1])
    basis = _basis(max(missing, _LEAST_SIGMA), half)
    shape = sharp.frame.shape
    systems = []
    for x, y in at:
        stamp = _stamp(sharp, wide, (round(x), round(y)), half, reach)
        if stamp is not None:
            systems.append(replace(_normal_equations(stamp, basis), place=_parabola(float(x), float(y), shape)))
    used = _fitting(systems)
    if not used or _alike(used):
        return MatchingKernel(np.ones((1, 1)), 0.0, len(used))
    blur, middle = missing * SIGMA_TO_FWHM, _parabola((shape[1] - 1) / 2, (shape[0] - 1) / 2, shape)
    if _changes(used):
        terms = np.tensordot(_solve_changing(used), basis, axes=1)
        values = np.tensordot(middle, terms, axes=1)
        return MatchingKernel(values / values.sum(), blur, len(used), terms)
    values = np.tensordot(_solve(used), basis, axes=1)
    return MatchingKernel(values / values.sum(), blur, len(used))


def _parabola(x: float, y: float, shape: tuple[int, int]) -> Floats:
    """Terms of a parabola at a place; the frame reaches from -1 to 1."""
    u, v = 2.0 * x / max(shape[1] - 1, 1) - 1.0, 2.0 * y / max(shape[0] - 1, 1) - 1.0
    return np.array([1.0, u, v, u * u, u * v, v * v])


def _fitting(systems: Sequence["_System"]) -> list["_System"]:
    """Leave out the stars that do not fit the kernel of all."""
    if not systems:
        return []
    kept = np.ones(len(systems), dtype=np.bool_)
    for _ in range(_ROUNDS):
        weights = _solve([one for one, keep in zip(systems, kept, strict=True) if keep])
        quality = np.array([one.misfit(weights) for one in systems])
        middle = np.median(quality[kept])
        spread = 1.4826 * np.median(np.abs(quality[kept] - middle))
        now = quality <= middle + _CLIP * max(spread, 0.1 * middle)
        if (now == kept).all():
            break
        kept = now
    return [one for one, keep in zip(systems, kept, strict=True) if keep]


def _changes(systems: Sequence["_System"]) -> bool:
    """Tell whether a kernel that changes over the frame describes stars better that had no part in its fit."""
    if len(systems) < _LEAST_CHANGING:
        return False
    fixed, moving = [], []
    for half in range(2):
        fitted, others = systems[half::2], systems[1 - half :: 2]
        one, all_terms = _solve(fitted), _solve_changing(fitted)
        fixed += [other.misfit(one) for other in others]
        moving += [other.misfit(other.place @ all_terms) for other in others]
    gain = np.array(fixed) / np.array(moving)
    return bool(np.median(gain) > _LEAST_GAIN and np.mean(moving) < np.mean(fixed))


def _basis(sigma: float, half: int) -> Floats:
    """One pixel, and Gaussians times polynomials, shape (m, 2 half + 1, 2 half + 1)."""
    across = np.arange(-half, half + 1, dtype=np.float64)
    u, v = np.meshgrid(across, across)
    delta = np.zeros_like(u)
    delta[half, half] = 1.0
    made = [delta]
    for factor, degree in _WIDTHS:
        width = max(factor * sigma, 0.5)
        bell = np.exp(-(u**2 + v**2) / (2 * width**2))
        for i in range(degree + 1):
            for j in range(degree + 1 - i):
                one = bell * (u / width) ** i * (v / width) ** j
                made.append(one / np.abs(one).sum())
    return np.stack(made)


@dataclass(frozen=True, slots=True, eq=False)
class _Stamp:
    """Surroundings of one star: the sharp frame with a margin; wide frame, weight and variance of the sharp without."""

    sharp: Floats
    wide: Floats
    weight: Floats
    variance: Floats


def _stamp(sharp: Side, wide: Side, at: tuple[int, int], half: int, reach: int) -> _Stamp | None:
    """Cut a star out of both frames; None where it is too near the edge or to unusable pixels."""
    outer, inner = around(*at, half + reach), around(*at, reach)
    near, target = sharp.window(outer).astype(np.float64), wide.window(inner).astype(np.float64)
    if not (np.isfinite(near).all() and np.isfinite(target).all()):
        return None
    light = np.maximum(target - np.median(target), 0.0)
    variance = wide.noise(inner).astype(np.float64) ** 2 + (_MODEL_ERROR * light) ** 2
    of_sharp = sharp.noise(inner).astype(np.float64) ** 2
    return _Stamp(near - np.median(near), target - np.median(target), 1.0 / variance, of_sharp)


@dataclass(frozen=True, slots=True, eq=False)
class _System:
    """Normal equations of one star, its parabola eliminated; ``seen`` is the matrix with the noise of the sharp frame.

    ``place`` are the terms of a parabola over the frame where the star lies.
    """

    matrix: Floats
    seen: Floats
    vector: Floats
    square: float
    pixels: int
    place: Floats = field(default_factory=lambda: np.zeros(0))

    def misfit(self, weights: Floats) -> float:
        """Mean squared residual in units of the noise."""
        return float(weights @ self.matrix @ weights - 2 * weights @ self.vector + self.square) / self.pixels


def _normal_equations(stamp: _Stamp, basis: Floats) -> _System:
    side = stamp.wide.shape[0]
    columns = signal.fftconvolve(stamp.sharp[None], basis, mode="valid", axes=(1, 2)).reshape(len(basis), -1)
    across = np.linspace(-1.0, 1.0, side)
    u, v = np.meshgrid(across, across)
    flat_u, flat_v = u.ravel(), v.ravel()
    plane = np.stack([np.ones(u.size), flat_u, flat_v, flat_u**2, flat_u * flat_v, flat_v**2])
    weight = stamp.weight.ravel()
    design = np.vstack([columns, stamp.wide.ravel()[None]])
    inner = np.linalg.solve((plane * weight) @ plane.T, (plane * weight) @ design.T)
    design = design - inner.T @ plane
    weighted = design * weight
    product = weighted @ design.T
    # Noise of the sharp frame, squared, adds to the matrix what is no light; it is taken off as expected.
    flat = basis.reshape(len(basis), -1)
    noise = float(weight @ stamp.variance.ravel()) * (flat @ flat.T)
    seen = product[:-1, :-1]
    return _System(seen - noise, seen, product[:-1, -1], float(product[-1, -1]), side * side)


def _alike(systems: Sequence[_System]) -> bool:
    """Tell whether the stars are alike already: one pixel, the first of the basis, leaves no more than noise."""
    matrix, vector = (sum(part) for part in zip(*((one.seen[0, 0], one.vector[0]) for one in systems), strict=True))
    square, pixels = sum(one.square for one in systems), sum(one.pixels for one in systems)
    return bool((square - vector**2 / matrix) / pixels < _ALIKE)


def _solve(systems: Sequence[_System]) -> Floats:
    """Solve the sum of the normal equations."""
    return _solved(np.sum([one.matrix for one in systems], axis=0), np.sum([one.vector for one in systems], axis=0))


def _solve_changing(systems: Sequence[_System]) -> Floats:
    """Solve for a parabola of each number of the kernel, shape (6, m)."""
    matrix = np.sum([np.kron(np.outer(one.place, one.place), one.matrix) for one in systems], axis=0)
    vector = np.sum([np.kron(one.place, one.vector) for one in systems], axis=0)
    return _solved(matrix, vector).reshape(len(systems[0].place), -1)


def _solved(matrix: Floats, vector: Floats) -> Floats:
    """Solve normal equations; combinations of the basis that the stars cannot tell stay out."""
    size = np.sqrt(np.maximum(np.diag(matrix), np.diag(matrix).max() * 1e-12))
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
    told = values > _LEAST_EIGENVALUE * values[-1]
    along = vectors[:, told].T @ (vector / size)
    return np.asarray(vectors[:, told] @ (along / values[told]) / size)
