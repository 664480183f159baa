"""Make one smooth plane of a raw one-shot-colour frame, on which stars can be found."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.compiling import njit
from pictor.imaging.errors import ImagingError
from pictor.imaging.pixels import Pixels
from pictor.imaging.stars.starlist import SIGMA_TO_FWHM, StarList

PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")
"""Colour patterns of a 2 x 2 cell, in the order of the stored rows."""

SHIFT = 0.5
"""Pixel (0, 0) of the plane lies half a pixel right of and above pixel (0, 0) of the frame."""

BLUR_VARIANCE = 0.25
"""Averaging two pixels widens a star by this much in each axis, in px^2."""

NOISE_FACTOR = 1.8
"""Neighbours share pixels: the noise of a weighted sum over a star is this much larger than of white noise."""

# A hot pixel leaves its neighbours, which are of another colour, at the sky; a star does not.
_SPIKE_SIGMA = 8.0
_SPIKE_SHARE = 0.05
# Skies of the four places of a cell that differ by more than this many sigmas of the noise are of several colours.
_MOSAIC_SIGMA = 1.5


def luminance(image: Pixels, pattern: str, saturation: float | None) -> NDArray[np.float32]:
    """Average every 2 x 2 window of a raw colour frame: each holds one red, two green and one blue pixel.

    The colours are brought to the same sky level first, hot pixels are replaced by the sky, and a window
    with a saturated pixel is set to the saturation level.

    Parameters
    ----------
    image
        Shape (ny, nx), raw, in ADU.
    pattern
        One of `PATTERNS`.
    saturation
        Level in ADU; None when unknown.

    Returns
    -------
    NDArray
        Shape (ny - 1, nx - 1), in ADU; see `SHIFT`.

    Raises
    ------
    ImagingError
        If the pattern is unknown or the frame is smaller than 4 x 4 pixels.
    """
    if pattern.strip().upper() not in PATTERNS:
        raise ImagingError(f"colour pattern {pattern!r} is none of {', '.join(PATTERNS)}", reason="unknown-bayer")
    if min(image.shape) < 4:
        raise ImagingError(f"a colour frame of {image.shape} pixels is too small", reason="too-small")
    middles, spreads = np.zeros((2, 2), dtype=np.float32), np.zeros((2, 2), dtype=np.float32)
    for i in range(2):
        for j in range(2):
            middles[i, j], spreads[i, j] = _statistics(image[i::2, j::2])
    ceiling = float(np.inf if saturation is None else saturation)
    out = np.empty((image.shape[0] - 1, image.shape[1] - 1), dtype=np.float32)
    _average(image, middles, spreads, ceiling, out)
    return out


def shown_pattern(image: NDArray[Any]) -> str | None:
    """Tell from the sky levels of the four places of a 2 x 2 cell whether an image is a raw colour frame.

    The two places of most equal level are taken as green. Which of the others is red cannot be told: the pattern
    returned says where green is, and serves to measure the colours apart.

    Parameters
    ----------
    image
        Shape (ny, nx), any real type.

    Returns
    -------
    str or None
        ``RGGB`` or ``GRBG``; None when the four levels agree to 1.5 sigma of the noise.

    Examples
    --------
    >>> rng = np.random.default_rng(3)
    >>> grey = rng.normal(1000.0, 10.0, (64, 64))
    >>> shown_pattern(grey), shown_pattern(grey + np.tile([[-50.0, 0.0], [0.0, 80.0]], (32, 32)))
    (None, 'RGGB')
    """
    if min(image.shape) < 8:
        return None
    found = [_sky_of(image[i::2, j::2]) for i in range(2) for j in range(2)]
    levels, noise = [level for level, _ in found], float(np.median([spread for _, spread in found]))
    if noise <= 0.0 or max(levels) - min(levels) <= _MOSAIC_SIGMA * noise:
        return None
    return "GRBG" if abs(levels[0] - levels[3]) < abs(levels[1] - levels[2]) else "RGGB"


def undo_blur(stars: StarList) -> StarList:
    """Bring a star list measured on the plane back to the pixels and widths of the frame.

    Parameters
    ----------
    stars
        As found on the plane.

    Returns
    -------
    StarList
        Positions in pixels of the frame; widths without the blur of the 2 x 2 average.
    """
    ratio = 1.0 - stars.ellipticity
    area = (stars.fwhm / SIGMA_TO_FWHM) ** 2
    major = _less(area / np.maximum(ratio, 1e-3), BLUR_VARIANCE)
    minor = _less(area * ratio, BLUR_VARIANCE)
    true_ratio = np.sqrt(minor / np.maximum(major, 1e-12))
    psf = stars.psf
    if psf is not None:
        width = math.sqrt(float(_less(np.array(psf.fwhm**2), SIGMA_TO_FWHM**2 * BLUR_VARIANCE)))
        psf = replace(psf, fwhm=width)
    return replace(
        stars,
        x=stars.x + SHIFT,
        y=stars.y + SHIFT,
        fwhm=SIGMA_TO_FWHM * (major * minor) ** 0.25,
        hfr=np.sqrt(_less(stars.hfr**2, 2.0 * math.log(2.0) * BLUR_VARIANCE)),
        ellipticity=1.0 - true_ratio,
        eccentricity=np.sqrt(np.maximum(0.0, 1.0 - true_ratio**2)),
        shape=(stars.shape[0] + 1, stars.shape[1] + 1),
        psf=psf,
    )


def _less(variance: NDArray[np.float64], blur: float) -> NDArray[np.float64]:
    """Take a blur out of a variance, never more than three quarters of it."""
    return np.asarray(np.maximum(variance - blur, 0.25 * variance))


def warm() -> None:
    """Compile the kernel of this module."""
    luminance(np.zeros((8, 8), dtype=np.uint16), "RGGB", 255.0)
    luminance(np.zeros((8, 8), dtype=np.float32), "RGGB", 255.0)


def _sky_of(channel: NDArray[Any]) -> tuple[float, float]:
    """Mean of a sample within three sigmas of its median, finer than the step of the values, and the sigma."""
    middle, spread = _statistics(channel)
    stride = max(1, int((channel.size / 40_000) ** 0.5))
    sample = channel[::stride, ::stride].astype(np.float64).ravel()
    near = sample[np.abs(sample - middle) <= 3.0 * max(spread, 1e-9)]
    return float(near.mean()) if near.size else middle, spread


def _statistics(channel: NDArray[Any]) -> tuple[float, float]:
    stride = max(1, int((channel.size / 40_000) ** 0.5))
    sample = channel[::stride, ::stride].astype(np.float32).ravel()
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 0.0
    low, middle = np.percentile(sample, [15.8655, 50.0])
    return float(middle), float(middle - low)


@njit(cache=True, nogil=True)
def _average(
    image: Pixels,
    middles: NDArray[np.float32],
    spreads: NDArray[np.float32],
    ceiling: float,
    out: NDArray[np.float32],
) -> None:
    ny, nx = image.shape
    mean = np.float32(middles.mean())
    rows = np.zeros((2, nx), dtype=np.float32)
    for y in range(ny):
        line = rows[y % 2]
        for x in range(nx):
            line[x] = _despiked(image, middles, spreads, y, x)
        if y == 0:
            continue
        for x in range(nx - 1):
            total = rows[0, x] + rows[0, x + 1] + rows[1, x] + rows[1, x + 1]
            value = mean + np.float32(0.25) * total
            brightest = max(image[y, x], image[y, x + 1], image[y - 1, x], image[y - 1, x + 1])
            out[y - 1, x] = max(value, np.float32(ceiling)) if brightest >= ceiling else value


@njit(cache=True, nogil=True)
def _despiked(image: Pixels, middles: NDArray[np.float32], spreads: NDArray[np.float32], y: int, x: int) -> float:
    """Excess over the sky of its colour; of a hot pixel the mean excess of its neighbours."""
    ny, nx = image.shape
    excess = np.float32(image[y, x]) - middles[y % 2, x % 2]
    spread = spreads[y % 2, x % 2]
    if excess > np.float32(_SPIKE_SIGMA) * spread and 0 < y < ny - 1 and 0 < x < nx - 1:
        beside, above = middles[y % 2, (x + 1) % 2], middles[(y + 1) % 2, x % 2]
        around = np.float32(image[y, x - 1]) + np.float32(image[y, x + 1]) - beside - beside
        around += np.float32(image[y - 1, x]) + np.float32(image[y + 1, x]) - above - above
        around *= np.float32(0.25)
        if around < max(np.float32(_SPIKE_SHARE) * excess, spread):
            return float(around)
    return float(excess)
