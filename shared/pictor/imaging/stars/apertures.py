"""Light of stars within circular apertures, above the sky in a ring around each."""

import math
from dataclasses import dataclass

import numpy as np
import sep
from numpy.typing import NDArray

from pictor.imaging.pixels import as_pixels
from pictor.imaging.stars.bayer import luminance
from pictor.imaging.stars.measuring import Measured

Floats = NDArray[np.float64]

_CLIP_SIGMA = 3.0
_ROUNDS = 3
_FEWEST_RING = 10
# Pixels gathered at once: 16 MB of them.
_AT_ONCE = 2_000_000
_POGSON = 2.5 / math.log(10.0)


@dataclass(frozen=True, slots=True, eq=False)
class Apertures:
    """Aperture photometry of the sources of a star list, in its order; NaN where nothing could be measured.

    Nothing is where the aperture reaches beyond the frame, holds no usable pixel, or fewer than ten lie in the ring.

    Parameters
    ----------
    flux, error
        Light above the sky and its standard deviation, in the unit of the frame.
    sky
        Level in the ring, per pixel.
    radius, inner, outer
        Radius of the aperture and of both edges of the ring, in pixels.
    """

    flux: Floats
    error: Floats
    sky: Floats
    radius: float
    inner: float
    outer: float


def aperture_photometry(found: Measured, *, radius: float | None = None, egain: float | None = None) -> Apertures:
    """Measure the light of all sources within one aperture.

    The sky is the median of a ring, clipped at three robust sigmas; the ring reaches from the aperture to 1.5 times
    its radius. Pixels count by the exact share of their area inside the aperture [1]_. The error holds the noise of
    the pixels (ERR plane, else the measured noise of the sky), of the light where the gain is known, and of the sky
    in the ring.

    Parameters
    ----------
    found
        Measured frame, from `measure_frame`.
    radius
        Of the aperture, in pixels; None takes twice the FWHM, rounded up.
    egain
        Electrons per unit of the frame, for the noise of the light itself; ignored where the frame has an ERR
        plane, which holds it already. None leaves it out.

    Returns
    -------
    Apertures
        One entry per source.

    Raises
    ------
    ImagingError
        If the radius is not above half a pixel.

    References
    ----------
    .. [1] Barbary K., 2016, Journal of Open Source Software 1(6), 58 (sep).
    """
    stars = found.stars
    size = radius if radius is not None else _radius(found)
    rings = max(size, 2.0), float(math.ceil(1.5 * max(size, 2.0)) + 1)
    image, shift = _plane(found)
    if len(stars) == 0:
        nothing = np.zeros(0)
        return Apertures(nothing, nothing, nothing, size, *rings)
    x, y = stars.x - shift, stars.y - shift
    sky, spread, count = _ring_sky(image, x, y, rings)
    missing = ~np.isfinite(image)
    err = found.frame.err
    noise = err if err is not None and shift == 0.0 else np.full(image.shape, found.sky.noise or 0.0, np.float32)
    total, deviation, flags = sep.sum_circle(
        np.where(missing, np.float32(0.0), image), x, y, size, err=np.ascontiguousarray(noise, dtype=np.float32),
        mask=missing, subpix=0,
    )  # fmt: skip
    area = math.pi * size**2
    flux = np.where(flags & (sep.APER_TRUNC | sep.APER_ALLMASKED), np.nan, total - area * sky)
    variance = deviation**2 + (area * spread) ** 2 * (math.pi / 2.0) / np.maximum(count, 1)
    if egain is not None and err is None:
        variance += np.maximum(flux, 0.0) / egain
    return Apertures(flux, np.where(np.isfinite(flux), np.sqrt(variance), np.nan), sky, size, *rings)


def magnitudes(flux: Floats, error: Floats, *, exposure_s: float) -> tuple[Floats, Floats]:
    """Turn light into instrumental magnitudes, -2.5 log10 of the light per second, and their errors.

    Parameters
    ----------
    flux, error
        Shape (n,), in the unit of the frame.
    exposure_s
        Exposure time in seconds; 1 for frames that are per second already.

    Returns
    -------
    tuple
        Magnitudes and errors, shape (n,); NaN where the light is not above zero.

    Raises
    ------
    ValueError
        If the exposure time is not above zero.

    Examples
    --------
    >>> import numpy as np
    >>> mag, err = magnitudes(np.array([1000.0, -1.0]), np.array([10.0, 10.0]), exposure_s=10.0)
    >>> mag.round(3).tolist(), err.round(3).tolist()
    ([-5.0, nan], [0.011, nan])
    """
    if not exposure_s > 0.0:
        raise ValueError(f"an exposure of {exposure_s} s gives no magnitudes")
    light = np.where(flux > 0.0, flux, np.nan)
    return -2.5 * np.log10(light / exposure_s), _POGSON * error / light


def _radius(found: Measured) -> float:
    """Twice the FWHM, rounded up, as the older tools took it."""
    stars = found.stars
    if stars.psf is not None:
        return float(math.ceil(2.0 * stars.psf.fwhm))
    widths = stars.fwhm[stars.is_star]
    return float(math.ceil(2.0 * float(np.median(widths)))) if widths.size else 6.0


def _plane(found: Measured) -> tuple[NDArray[np.float32], float]:
    """Pixels to sum, and how far its positions lie from those of the frame."""
    if found.bayer is None:
        return np.ascontiguousarray(found.image, dtype=np.float32), 0.0
    return luminance(as_pixels(found.image), found.bayer, None), 0.5


def _ring_sky(
    image: NDArray[np.float32], x: Floats, y: Floats, rings: tuple[float, float]
) -> tuple[Floats, Floats, Floats]:
    """Clipped median, robust spread and number of the pixels in the ring around every source."""
    reach = math.ceil(rings[1])
    dy, dx = (part.ravel() for part in np.indices((2 * reach + 1, 2 * reach + 1)) - reach)
    near = np.hypot(dx, dy)
    inside = (near >= rings[0]) & (near <= rings[1])
    dy, dx = dy[inside], dx[inside]
    out = np.full((3, len(x)), np.nan)
    step = max(1, _AT_ONCE // max(1, len(dx)))
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        rows = np.rint(y[part]).astype(int)[:, None] + dy
        columns = np.rint(x[part]).astype(int)[:, None] + dx
        within = (rows >= 0) & (columns >= 0) & (rows < image.shape[0]) & (columns < image.shape[1])
        values = image[np.clip(rows, 0, image.shape[0] - 1), np.clip(columns, 0, image.shape[1] - 1)]
        out[:, part] = _clipped(np.where(within, values, np.nan).astype(np.float64))
    return out[0], out[1], out[2]


def _clipped(values: Floats) -> Floats:
    """Median, 1.4826 MAD and number of the values of each row that survive clipping; NaN with too few."""
    few = np.count_nonzero(np.isfinite(values), axis=1) < _FEWEST_RING
    values[few] = 0.0
    for _ in range(_ROUNDS):
        middle = np.nanmedian(values, axis=1, keepdims=True)
        spread = 1.4826 * np.nanmedian(np.abs(values - middle), axis=1, keepdims=True)
        values = np.where(np.abs(values - middle) <= _CLIP_SIGMA * np.maximum(spread, 1e-12), values, np.nan)
    middle = np.nanmedian(values, axis=1)
    spread = 1.4826 * np.nanmedian(np.abs(values - middle[:, None]), axis=1)
    count = np.count_nonzero(np.isfinite(values), axis=1).astype(np.float64)
    middle[few] = np.nan
    return np.stack([middle, spread, count])
