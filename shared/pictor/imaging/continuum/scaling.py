"""How much brighter the continuum is in one frame than in the other."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.continuum.pairs import Floats

_CLIP = 3.0
_ROUNDS = 20
# Variance of a median over that of a mean, for a normal distribution.
_MEDIAN_VARIANCE = 1.57
# Pixels of a ring that tell the sky; stars measured at once.
_LEAST_RING, _TOGETHER = 10, 64


@dataclass(frozen=True, slots=True)
class Scale:
    """Ratio of the fluxes of stars, narrow over broad.

    Parameters
    ----------
    value, error
        The ratio and its standard error.
    scatter
        Spread of single stars beyond their noise, relative: their different colours.
    star_count
        Stars that were used.
    """

    value: float
    error: float
    scatter: float
    star_count: int


def fit_scale(narrow: tuple[Floats, Floats], broad: tuple[Floats, Floats]) -> Scale:
    """Fit a straight line through the origin to fluxes that both have errors [1]_; 3-sigma outliers are left out.

    Parameters
    ----------
    narrow, broad
        Fluxes and their errors, shape (n,) each, in ADU.

    Returns
    -------
    Scale
        NaN where there are no stars.

    References
    ----------
    .. [1] York D., 1966, Canadian Journal of Physics 44, 1079.

    Examples
    --------
    >>> import numpy as np
    >>> flux, error = np.array([100.0, 200.0, 400.0]), np.ones(3)
    >>> fit_scale((0.1 * flux, error), (flux, error)).value
    0.1
    """
    (y, y_error), (x, x_error) = narrow, broad
    if x.size == 0:
        return Scale(math.nan, math.nan, math.nan, 0)
    scale, spread = float(np.median(y / x)), 0.0
    kept = np.ones(x.size, dtype=np.bool_)
    for _ in range(_ROUNDS):
        noise = y_error**2 + (scale * x_error) ** 2
        spread = _spread((y - scale * x)[kept], noise[kept], (scale * x)[kept])
        own = y_error**2 + (spread * scale * x) ** 2
        variance = own + (scale * x_error) ** 2
        weight = kept / variance
        likely = (x * own + scale * y * x_error**2) / variance
        new = float((weight * likely) @ y / ((weight * likely) @ x))
        now = np.abs(y - new * x) <= _CLIP * np.sqrt(variance)
        settled = abs(new - scale) <= 1e-9 * abs(new) and bool((now == kept).all())
        scale, kept = new, now if now.any() else kept
        if settled:
            break
    return Scale(scale, float(1.0 / np.sqrt((weight * x) @ x)), spread, int(kept.sum()))


def _spread(residual: Floats, noise: Floats, light: Floats) -> float:
    """Relative spread that makes the residuals as large as their errors say, robustly; 0 when noise explains them."""
    low, high = 0.0, 1.0
    if _robust(residual / np.sqrt(noise)) <= 1.0:
        return 0.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        if _robust(residual / np.sqrt(noise + (middle * light) ** 2)) > 1.0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _robust(values: Floats) -> float:
    return 1.4826 * float(np.median(np.abs(values)))


@dataclass(frozen=True, slots=True, eq=False)
class Aperture:
    """Light of stars inside a radius, above the median of a ring around them."""

    radius: float
    inner: float
    outer: float

    def measure(
        self, values: NDArray[np.number], noise: NDArray[np.float32], x: Floats, y: Floats
    ) -> tuple[Floats, Floats]:
        """Measure stars; NaN where a pixel inside the radius cannot be used or the ring lies outside the frame."""
        (ny, nx), reach = values.shape, math.ceil(self.outer)
        flux, error = np.full(len(x), math.nan), np.full(len(x), math.nan)
        columns, rows = np.rint(x).astype(np.intp), np.rint(y).astype(np.intp)
        inside = (columns >= reach) & (columns < nx - reach) & (rows >= reach) & (rows < ny - reach)
        across = np.arange(-reach, reach + 1)
        for which in np.array_split(np.flatnonzero(inside), max(1, math.ceil(len(x) / _TOGETHER))):
            at = (rows[which, None, None] + across[:, None], columns[which, None, None] + across)
            off = x[which] - columns[which], y[which] - rows[which]
            flux[which], error[which] = self.stamps(values[at], noise[at], *off)
        return flux, error

    def stamps(
        self, values: NDArray[np.number], noise: NDArray[np.float32], dx: Floats, dy: Floats
    ) -> tuple[Floats, Floats]:
        """Measure stars in squares of their own, shape (n, side, side), ``dx`` and ``dy`` from the middle pixel."""
        reach = values.shape[1] // 2
        across = np.arange(-reach, reach + 1)
        distance = np.hypot(across - dx[:, None, None], across[:, None] - dy[:, None, None])
        share = np.clip(self.radius + 0.5 - distance, 0.0, 1.0)
        pixels = values.astype(np.float64)
        ring = np.where((distance >= self.inner) & (distance <= self.outer) & np.isfinite(pixels), pixels, np.nan)
        count = np.isfinite(ring).sum(axis=(1, 2))
        good = (count >= _LEAST_RING) & np.isfinite(np.where(share > 0, pixels, 0.0)).all(axis=(1, 2))
        flux, error = np.full(len(pixels), math.nan), np.full(len(pixels), math.nan)
        if not good.any():
            return flux, error
        ring, share, pixels, count = ring[good].reshape(good.sum(), -1), share[good], pixels[good], count[good]
        sky = np.nanmedian(ring, axis=1)
        scatter = 1.4826 * np.nanmedian(np.abs(ring - sky[:, None]), axis=1)
        above = np.where(share > 0, pixels - sky[:, None, None], 0.0)
        own = np.where(share > 0, np.square(share * noise[good]), 0.0).sum(axis=(1, 2))
        flux[good] = (share * above).sum(axis=(1, 2))
        error[good] = np.sqrt(own + share.sum(axis=(1, 2)) ** 2 * _MEDIAN_VARIANCE * scatter**2 / count)
        return flux, error
