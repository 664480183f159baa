"""The kernel that gives the stars of one frame the profile they have in another."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal
from scipy.fft import set_workers

from pictor.imaging.continuum.pairs import Floats

SIGMA_TO_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
_ROUNDS = 3
_STRIP = 256
_CLIP = 3.0
# Widths of the basis in units of the blur that is missing, and the degree of the polynomial each is modulated with.
_WIDTHS = ((0.5, 4), (1.0, 2), (3.0, 0))
_LEAST_SIGMA = 0.6
# Directions of the normal equations with less than this share of the largest eigenvalue are noise.
_LEAST_EIGENVALUE = 1e-4
# Two frames that differ by less than this share of the variance of one of them are one frame.
_ALIKE = 0.1
# Half-size of the kernel and of the surroundings of a star, in FWHM: the wings decide whether fluxes are kept.
_HALF, _REACH = 3.0, 3.0
# Profiles are known to about this share of a star's light in a pixel; it keeps one bright star from deciding all.
_MODEL_ERROR = 0.003


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
    """

    values: Floats
    fwhm: float
    star_count: int


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """Values with NaN where none can be used, and their noise, both of shape (ny, nx)."""

    values: NDArray[np.float32]
    noise: NDArray[np.float32]


def fit_kernel(sharp: Pixels, wide: Pixels, at: Floats, widths: tuple[float, float]) -> MatchingKernel:
    """Fit the kernel that makes the stars of a sharp frame look like those of a wide one.

    Around each star the wide frame is modelled as the sharp one convolved with a sum of Gaussians times polynomials
    [1]_, times a factor, plus a plane of its own. All stars share the kernel; stars that do not fit it are left out.
    We deviate from the source in fitting a plane per star, so that nebulae do not matter, and in giving the kernel
    the sum 1: the ratio of the fluxes is measured afterwards.

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
    """
    missing = math.sqrt(max(widths[1] ** 2 - widths[0] ** 2, 0.0)) / SIGMA_TO_FWHM
    half = math.ceil(_HALF * widths[1])
    reach = math.ceil(_REACH * widths[1])
    basis = _basis(max(missing, _LEAST_SIGMA), half)
    stamps = [found for x, y in at if (found := _stamp(sharp, wide, (round(x), round(y)), half, reach)) is not None]
    systems = [_normal_equations(stamp, basis) for stamp in stamps]
    if not systems:
        return MatchingKernel(np.ones((1, 1)), 0.0, 0)
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
    used = [one for one, keep in zip(systems, kept, strict=True) if keep]
    if _alike(used):
        return MatchingKernel(np.ones((1, 1)), 0.0, len(used))
    values = np.tensordot(weights, basis, axes=1)
    values = values / values.sum()
    return MatchingKernel(values, missing * SIGMA_TO_FWHM, int(kept.sum()))


def convolve(values: NDArray[np.float32], kernel: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Convolve a frame with a kernel; unusable pixels are bridged by their neighbours.

    Parameters
    ----------
    values
        Shape (ny, nx), NaN where nothing is known.
    kernel
        Shape (2 h + 1, 2 h + 1), of sum 1.

    Returns
    -------
    tuple
        Values (NaN where less than half of the kernel's weight lies on usable pixels), and the share of the kernel's
        absolute weight that lies on usable pixels, 0 to 1.
    """
    if kernel.size == 1:
        return values.copy(), np.isfinite(values).astype(np.float32)
    good = np.isfinite(values)
    # The level is taken away so that bridges do not step where the frame ends or a pixel is bad.
    level = np.float32(np.median(values[good])) if good.any() else np.float32(0.0)
    filled = np.where(good, values - level, np.float32(0.0))
    strength = np.abs(kernel) / np.abs(kernel).sum()
    share = np.clip(_covered(good, strength), 0.0, 1.0)
    weight = share if (kernel >= 0).all() else _covered(good, kernel)
    with np.errstate(divide="ignore", invalid="ignore"):
        made = _convolved(filled, kernel) / weight + level
    made[(share < 0.5) | ~(weight > 0.25)] = np.nan
    return np.asarray(made, dtype=np.float32), np.asarray(share, dtype=np.float32)


def _convolved(image: NDArray[np.float32], kernel: Floats) -> NDArray[np.float32]:
    with set_workers(2):
        return np.asarray(signal.oaconvolve(image, kernel.astype(np.float32), mode="same"), dtype=np.float32)


def _covered(good: NDArray[np.bool_], kernel: Floats) -> NDArray[np.float32]:
    """Convolve usable pixels with a kernel; strips without bad ones are alike but for the edges of the frame."""
    (ny, nx), half = good.shape, kernel.shape[0] // 2
    small = np.minimum(good.shape, 2 * kernel.shape[0])
    edges = _convolved(np.ones(small, np.float32), kernel)
    rows, columns = (
        np.minimum(np.arange(n), np.maximum(np.arange(n) - n + s, s // 2)) for n, s in zip((ny, nx), small, strict=True)
    )
    made = np.empty(good.shape, np.float32)
    for first in range(0, ny, _STRIP):
        last = min(first + _STRIP, ny)
        top, bottom = max(first - half, 0), min(last + half, ny)
        if good[top:bottom].all():
            made[first:last] = edges[np.ix_(rows[first:last], columns)]
        else:
            near = _convolved(good[top:bottom].astype(np.float32), kernel)
            made[first:last] = near[first - top : last - top]
    return made


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


def _stamp(sharp: Pixels, wide: Pixels, at: tuple[int, int], half: int, reach: int) -> _Stamp | None:
    """Cut a star out of both frames; None where it is too near the edge or to unusable pixels."""
    (x, y), size = at, half + reach
    ny, nx = sharp.values.shape
    if not (size <= x < nx - size and size <= y < ny - size):
        return None
    outer = np.s_[y - size : y + size + 1, x - size : x + size + 1]
    inner = np.s_[y - reach : y + reach + 1, x - reach : x + reach + 1]
    near, target = sharp.values[outer].astype(np.float64), wide.values[inner].astype(np.float64)
    if not (np.isfinite(near).all() and np.isfinite(target).all()):
        return None
    light = np.maximum(target - np.median(target), 0.0)
    variance = wide.noise[inner].astype(np.float64) ** 2 + (_MODEL_ERROR * light) ** 2
    of_sharp = sharp.noise[inner].astype(np.float64) ** 2
    return _Stamp(near - np.median(near), target - np.median(target), 1.0 / variance, of_sharp)


@dataclass(frozen=True, slots=True, eq=False)
class _System:
    """Normal equations of one star, its plane eliminated; ``seen`` is the matrix with the noise of the sharp frame."""

    matrix: Floats
    seen: Floats
    vector: Floats
    square: float
    pixels: int

    def misfit(self, weights: Floats) -> float:
        """Mean squared residual in units of the noise."""
        return float(weights @ self.matrix @ weights - 2 * weights @ self.vector + self.square) / self.pixels


def _normal_equations(stamp: _Stamp, basis: Floats) -> _System:
    side = stamp.wide.shape[0]
    columns = signal.fftconvolve(stamp.sharp[None], basis, mode="valid", axes=(1, 2)).reshape(len(basis), -1)
    across = np.linspace(-1.0, 1.0, side)
    u, v = np.meshgrid(across, across)
    plane = np.stack([np.ones(u.size), u.ravel(), v.ravel()])
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


def _alike(systems: list[_System]) -> bool:
    """Tell whether the stars are alike already: one pixel, the first of the basis, leaves no more than noise."""
    matrix, vector = (sum(part) for part in zip(*((one.seen[0, 0], one.vector[0]) for one in systems), strict=True))
    square, pixels = sum(one.square for one in systems), sum(one.pixels for one in systems)
    return bool((square - vector**2 / matrix) / pixels < _ALIKE)


def _solve(systems: list[_System]) -> Floats:
    """Solve the sum of the normal equations; combinations of the basis that the stars cannot tell stay out."""
    matrix = np.sum([one.matrix for one in systems], axis=0)
    vector = np.sum([one.vector for one in systems], axis=0)
    size = np.sqrt(np.maximum(np.diag(matrix), np.diag(matrix).max() * 1e-12))
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
    told = values > _LEAST_EIGENVALUE * values[-1]
    along = vectors[:, told].T @ (vector / size)
    return np.asarray(vectors[:, told] @ (along / values[told]) / size)
