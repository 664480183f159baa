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
        self, values: NDArray[np.float32], noise: NDArray[np.float32], x: Floats, y: Floats
    ) -> tuple[Floats, Floats]:
        """Measure stars; NaN where a pixel inside the radius cannot be used or the ring lies outside the frame."""
        found = np.array([self._one(values, noise, *place) for place in zip(x, y, strict=True)])
        return (found[:, 0], found[:, 1]) if len(found) else (np.zeros(0), np.zeros(0))

    def _one(self, values: NDArray[np.float32], noise: NDArray[np.float32], x: float, y: float) -> tuple[float, float]:
        reach = math.ceil(self.outer)
        column, row = round(x), round(y)
        ny, nx = values.shape
        if not (reach <= column < nx - reach and reach <= row < ny - reach):
            return math.nan, math.nan
        box = np.s_[row - reach : row + reach + 1, column - reach : column + reach + 1]
        v, u = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        distance = np.hypot(u - (x - column), v - (y - row))
        share = np.clip(self.radius + 0.5 - distance, 0.0, 1.0)
        pixels, errors = values[box].astype(np.float64), noise[box].astype(np.float64)
        ring = pixels[(distance >= self.inner) & (distance <= self.outer)]
        ring = ring[np.isfinite(ring)]
        if ring.size < 10 or not np.isfinite(pixels[share > 0]).all():
            return math.nan, math.nan
        sky = float(np.median(ring))
        inside = share > 0
        flux = float(share[inside] @ (pixels[inside] - sky))
        of_sky = float(share.sum()) ** 2 * _MEDIAN_VARIANCE * _robust(ring - sky) ** 2 / ring.size
        return flux, math.sqrt(float(share[inside] ** 2 @ errors[inside] ** 2) + of_sky)
