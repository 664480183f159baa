"""The stellar profile of a frame: one Moffat function fitted to the stack of its clean stars."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.background import Background
from pictor.imaging.compiling import njit
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.pixels import Pixels, as_pixels
from pictor.imaging.stars.moffat import least_squares, recorded
from pictor.imaging.stars.stamps import local_value
from pictor.imaging.stars.starlist import GAUSSIAN_BETA, Psf, StarList

Floats = NDArray[np.float64]

MOST_STARS = 200
_FEWEST_STARS = 3
# Bright enough for a profile; frames with few stars make do with less.
_SNR_STEPS = (50.0, 20.0, 10.0)
_WANTED_STARS = 25
# The profile is followed to this many FWHM, in rings of an eighth of it but not finer than pixels allow.
_REACH = 3.0
_RINGS_PER_FWHM = 8.0
_FINEST_RING = 0.25
_GROUPS = 5
# Light is followed further: a Moffat function of beta 2.5 has two per cent of it beyond three FWHM.
_LIGHT_REACH = 4.0
# Rings are trusted to a share of their value and of the top, so that the wings have their say.
_LIGHT_TRUST, _LIGHT_FLOOR = 0.01, 5e-4
_LIGHT_ROUNDS = 2
# A Moffat function this steep has the light of a Gaussian to 0.05 %.
_STEEPEST = 1000.0
# Shares beyond these are no stellar profile, but a fit gone astray: beta 1.9 has 0.7.
_SHARES = (0.7, 1.02)


def fit_profile(image: NDArray[Any], background: Background, stars: StarList) -> Psf | None:
    """Fit a Moffat profile [1]_ to the stacked, unsaturated, isolated and unflagged stars.

    Each star is scaled by its flux and its pixels are sorted by elliptical radius (the radius of the circle
    of the same area), so the width found is the geometric mean of both axes. Rings take the median over
    stars, which hides neighbours. The FWHM is that of the recorded profile, pixel included. The share of the light
    that fluxes hold is one over the integral of the profile, which a second fit finds: to four FWHM, with the weight
    on the wings, of a Moffat function that pixels and rings have averaged.

    Parameters
    ----------
    image
        Shape (ny, nx), any real type, in ADU.
    background
        Sky level and noise of the image.
    stars
        Its star list.

    Returns
    -------
    Psf or None
        None with fewer than three clean stars or without a fit.

    Raises
    ------
    FrameMismatchError
        If image and background differ in shape.

    References
    ----------
    .. [1] Moffat A. F. J., 1969, A&A 3, 455.
    """
    if image.shape != background.shape:
        raise FrameMismatchError(f"the image has shape {image.shape}, its background {background.shape}")
    chosen = stars.select(choose(stars))
    if len(chosen) < _FEWEST_STARS:
        return None
    typical = float(np.median(chosen.fwhm))
    width = max(_FINEST_RING, typical / _RINGS_PER_FWHM)
    followed, rings = math.ceil(_LIGHT_REACH * typical / width), math.ceil(_REACH * typical / width)
    all_values, all_radii = np.zeros((len(chosen), followed)), np.zeros((len(chosen), followed))
    columns = np.column_stack([chosen.x, chosen.y, chosen.flux, chosen.ellipticity, np.radians(chosen.theta)])
    _rings(as_pixels(image), background.levels, columns, width, (all_values, all_radii))
    values, radii = all_values[:, :rings], all_radii[:, :rings]
    fit = _fit(values, radii, typical)
    if fit is None:
        return None
    groups = [_fit(values[k::_GROUPS], radii[k::_GROUPS], typical) for k in range(_GROUPS)]
    betas = [group[1] for group in groups if group is not None]
    enough = len(chosen) >= _GROUPS * _FEWEST_STARS and len(betas) == _GROUPS
    beta_scatter = float(np.std(betas, ddof=1)) / math.sqrt(_GROUPS) if enough else None
    scatter = 1.4826 * float(np.median(np.abs(chosen.fwhm - typical))) * fit[0] / typical
    return Psf(fit[0], scatter, fit[1], beta_scatter, len(chosen), _share(all_values, all_radii, width, fit))


def choose(stars: StarList) -> NDArray[np.intp]:
    """Choose the brightest clean stars of usual size: unflagged, isolated, at most 200."""
    clean = (stars.flags == 0) & (stars.flux > 0) & np.isfinite(stars.fwhm)
    if not clean.any():
        return np.zeros(0, dtype=np.intp)
    for snr in _SNR_STEPS:
        bright = clean & (stars.snr > snr)
        if np.count_nonzero(bright) >= _WANTED_STARS:
            break
    if not bright.any():
        bright = clean
    ratio = stars.fwhm / np.median(stars.fwhm[bright])
    return np.flatnonzero(bright & (ratio > 0.7) & (ratio < 1.4))[:MOST_STARS]


def warm() -> None:
    """Compile the kernel of this module."""
    out = np.zeros((1, 4)), np.zeros((1, 4))
    star = np.array([[4.0, 4.0, 1.0, 0.0, 0.0]])
    _rings(np.zeros((9, 9), dtype=np.uint16), np.zeros((1, 1), dtype=np.float32), star, 0.5, out)
    _rings(np.zeros((9, 9), dtype=np.float32), np.zeros((1, 1), dtype=np.float32), star, 0.5, out)


def _fit(values: Floats, radii: Floats, typical: float) -> tuple[float, float] | None:
    """FWHM and beta of the median profile; None when the fit does not settle."""
    stacked = _stacked(values, radii)
    if stacked is None:
        return None
    r, seen, spread = stacked
    top = float(seen.max())
    start = np.array([top, math.log(0.5 * typical / math.sqrt(2 ** (1 / 4.0) - 1.0)), math.log(4.0), 0.0])
    found = least_squares(start, r, seen, 1.0 / np.hypot(spread, 0.004 * top), steepest=GAUSSIAN_BETA)
    if found is None:
        return None
    alpha, beta = math.exp(found[1]), math.exp(found[2])
    fwhm = 2.0 * alpha * math.sqrt(2.0 ** (1.0 / beta) - 1.0)
    return (fwhm, beta) if 0.4 * typical < fwhm < 2.0 * typical else None


def _share(values: Floats, radii: Floats, width: float, fit: tuple[float, float]) -> float | None:
    """Share of the light of a star that its flux holds: one over the integral of what is left of the sky."""
    stacked = _stacked(values, radii)
    if stacked is None:
        return None
    r, seen, spread = stacked
    top, (fwhm, beta) = float(seen.max()), fit
    alpha = 0.5 * fwhm / math.sqrt(2.0 ** (1.0 / beta) - 1.0)
    found, model = np.array([top, math.log(alpha), math.log(beta), 0.0]), recorded(width)
    for _ in range(_LIGHT_ROUNDS):
        light = _LIGHT_TRUST * (model(found, r)[0] - found[3])
        weight = 1.0 / np.sqrt(spread**2 + light**2 + (_LIGHT_FLOOR * top) ** 2)
        again = least_squares(found, r, seen, weight, steepest=_STEEPEST, model=model)
        if again is None:
            return None
        found = again
    beta = math.exp(found[2])
    share = (beta - 1.0) / (math.pi * float(found[0]) * math.exp(2.0 * found[1])) if found[0] > 0.0 else math.inf
    return share if _SHARES[0] <= share <= _SHARES[1] else None


def _stacked(values: Floats, radii: Floats) -> tuple[Floats, Floats, Floats] | None:
    """Radius, median and error of rings that enough stars have; None where they show no profile."""
    counts = np.count_nonzero(np.isfinite(values), axis=0)
    enough = counts >= max(2, 0.3 * len(values))
    if np.count_nonzero(enough) < 6:
        return None
    values, radii, counts = values[:, enough], radii[:, enough], counts[enough]
    seen, r = _medians(values, counts), _medians(radii, counts)
    spread = 1.4826 * _medians(np.abs(values - seen), counts) / np.sqrt(counts)
    return (r, seen, spread) if float(seen.max()) > 0.0 else None


def _medians(values: Floats, counts: NDArray[np.intp]) -> Floats:
    """Median of the finite values of each column, which are so many: the others are sorted behind them."""
    ordered, columns = np.sort(values, axis=0), np.arange(values.shape[1])
    return np.asarray(0.5 * (ordered[(counts - 1) // 2, columns] + ordered[counts // 2, columns]))


@njit(cache=True, nogil=True)
def _rings(image: Pixels, levels: NDArray[np.float32], stars: Floats, width: float, out: tuple[Floats, Floats]) -> None:
    """Mean value per flux and mean radius in rings of elliptical radius around each star; NaN for empty rings."""
    values, radii = out
    ny, nx = image.shape
    rings = values.shape[1]
    counts = np.empty(rings, dtype=np.int64)
    for k in range(stars.shape[0]):
        x, y, flux, ellipticity, angle = stars[k]
        ratio = max(1.0 - ellipticity, 0.05)
        cos, sin = math.cos(angle), math.sin(angle)
        level = local_value(levels, image.shape, int(np.rint(y)), int(np.rint(x)))
        reach = math.ceil(rings * width / math.sqrt(ratio))
        values[k], radii[k], counts[:] = 0.0, 0.0, 0
        for i in range(max(0, int(y) - reach), min(ny, int(y) + reach + 2)):
            for j in range(max(0, int(x) - reach), min(nx, int(x) + reach + 2)):
                along, across = (j - x) * cos + (i - y) * sin, (i - y) * cos - (j - x) * sin
                radius = math.sqrt(along * along * ratio + across * across / ratio)
                slot = int(radius / width)
                if slot < rings and np.isfinite(image[i, j]):
                    values[k, slot] += (image[i, j] - level) / flux
                    radii[k, slot] += radius
                    counts[slot] += 1
        for slot in range(rings):
            values[k, slot] = values[k, slot] / counts[slot] if counts[slot] else np.nan
            radii[k, slot] = radii[k, slot] / counts[slot] if counts[slot] else np.nan
