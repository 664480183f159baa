"""Point spread functions and the stars drawn with them."""

import functools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, special

from pictor.imaging.compiling import njit

Profile = Literal["gaussian", "moffat"]

# Share of the light that may fall outside the drawn stamp, for ordinary and for bright stars.
_LOST_ORDINARY = 2e-4
_LOST_BRIGHT = 2e-6
# A star is bright when the cut edge of its ordinary stamp could be seen (share lost times flux, in flux units).
_BRIGHT_FLUX = 2e5
# Largest stamp half-width; wider wings are below any sky.
_MAX_RADIUS = 160
_CENTRAL_OBSTRUCTION = 0.35


@dataclass(frozen=True, slots=True)
class Psf:
    """Shape of every star on one frame.

    Parameters
    ----------
    kind
        ``gaussian`` or ``moffat``.
    fwhm
        Geometric mean of the full widths at half maximum along the two axes, in pixels, before the
        pixel integrates the light; `recorded_fwhm` is the width as the detector sees it.
    beta
        Exponent of the Moffat wings; ignored for a Gaussian.
    ellipticity
        1 - b/a.
    angle_deg
        Direction of the major axis, in degrees from +x towards +y.
    defocus_px
        Diameter of the out-of-focus ring (35 % central obstruction), in pixels.
    trail_px, trail_angle_deg
        Length in pixels and direction of a uniform motion during the exposure.
    """

    kind: Profile
    fwhm: float
    beta: float = 3.5
    ellipticity: float = 0.0
    angle_deg: float = 0.0
    defocus_px: float = 0.0
    trail_px: float = 0.0
    trail_angle_deg: float = 0.0


def recorded_fwhm(psf: Psf) -> float:
    """Measure the full width at half maximum of a star as the pixels record it.

    The width is that of the circle with the area inside the half-maximum contour, so it is the
    geometric mean of both axes for an ellipse and includes pixel integration, defocus and trailing.

    Returns
    -------
    float
        Width in pixels.
    """
    template = _template(psf, _LOST_ORDINARY)
    inside = np.count_nonzero(template.phases >= 0.5 * template.phases.max())
    return 2.0 * math.sqrt(inside / math.pi) / template.oversampling


def peak_fraction(psf: Psf) -> float:
    """Share of the light in the brightest pixel of a star centred on that pixel."""
    return float(_template(psf, _LOST_ORDINARY).phases.max())


def noise_pixels(psf: Psf) -> float:
    """Count the pixels whose noise an optimal flux measurement collects (one over the sum of squares)."""
    template = _template(psf, _LOST_ORDINARY)
    return float(template.oversampling**2 / np.square(template.phases, dtype=np.float64).sum())


def add_stars(
    image: NDArray[np.float32],
    x: ArrayLike,
    y: ArrayLike,
    flux: ArrayLike,
    psf: Psf,
) -> None:
    """Add stars to an image in place.

    The profile is integrated over each pixel: a template on a fine grid is convolved with the pixel
    in Fourier space and read at the position of each star. Flux is conserved to 0.02 %.

    Parameters
    ----------
    image
        Shape (ny, nx), float32, C-contiguous; changed in place.
    x, y
        Positions in pixels, 0-based, (0, 0) is the centre of the first pixel; may lie outside.
    flux
        Total light of each star, in the unit of the image.
    psf
        Shape of the stars.

    Raises
    ------
    ValueError
        If the image is not two-dimensional float32.
    """
    if image.dtype != np.float32 or image.ndim != 2:
        raise ValueError(f"stars are drawn on a 2-D float32 image, not {image.ndim}-D {image.dtype}")
    xs, ys, fluxes = (np.atleast_1d(np.asarray(values, dtype=np.float64)) for values in (x, y, flux))
    bright = fluxes > _BRIGHT_FLUX
    for chosen, lost in ((~bright, _LOST_ORDINARY), (bright, _LOST_BRIGHT)):
        if chosen.any():
            template = _template(psf, lost)
            _draw(image, xs[chosen], ys[chosen], fluxes[chosen], template.phases)


def warm() -> None:
    """Compile the kernel of this module."""
    add_stars(np.zeros((8, 8), dtype=np.float32), [3.0], [3.0], [1.0], Psf("gaussian", 2.0))


@dataclass(frozen=True, slots=True)
class _Template:
    """Pixel-integrated profile, one plane per sub-pixel phase: shape (n_sub, n_sub, size, size)."""

    phases: NDArray[np.float32]
    oversampling: int


@functools.lru_cache(maxsize=12)
def _template(psf: Psf, lost: float) -> _Template:
    radius = _stamp_radius(psf, lost)
    oversampling = 16 if psf.fwhm < 2.5 and radius < 40 else 8 if radius < 80 else 4
    n = (2 * radius + 2) * oversampling
    u = (np.arange(n) - n // 2) / oversampling
    r2 = _elliptical_radius2(psf, u[None, :], u[:, None])
    spectrum = fft.rfft2(_profile(psf, r2).astype(np.float64))
    spectrum *= _blur_spectrum(psf, fft.rfftfreq(n, 1 / oversampling), fft.fftfreq(n, 1 / oversampling)[:, None])
    fine = fft.irfft2(spectrum, s=(n, n))
    fine[np.hypot(u[None, :], u[:, None]) > radius] = 0.0
    np.maximum(fine, 0.0, out=fine)
    fine *= oversampling**2 / fine.sum()
    size = n // oversampling
    phases = fine.reshape(size, oversampling, size, oversampling).transpose(1, 3, 0, 2)
    return _Template(np.ascontiguousarray(phases, dtype=np.float32), oversampling)


def _stamp_radius(psf: Psf, lost: float) -> int:
    stretch = 1.0 / math.sqrt(1.0 - psf.ellipticity)
    if psf.kind == "gaussian":
        radius = psf.fwhm / 2.3548 * math.sqrt(-2.0 * math.log(lost * 0.1))
    else:
        radius = _moffat_alpha(psf) * math.sqrt(lost ** (-1.0 / (psf.beta - 1.0)) - 1.0)
    return min(_MAX_RADIUS, math.ceil(radius * stretch + (psf.defocus_px + psf.trail_px) / 2.0) + 2)


def _moffat_alpha(psf: Psf) -> float:
    return psf.fwhm / (2.0 * math.sqrt(2.0 ** (1.0 / psf.beta) - 1.0))


def _elliptical_radius2(psf: Psf, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    angle = math.radians(psf.angle_deg)
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    axis_ratio = 1.0 - psf.ellipticity
    return along**2 * axis_ratio + across**2 / axis_ratio


def _profile(psf: Psf, r2: NDArray[np.float64]) -> NDArray[np.float64]:
    if psf.kind == "gaussian":
        return np.asarray(np.exp(-4.0 * math.log(2.0) / psf.fwhm**2 * r2))
    return np.asarray((1.0 + r2 / _moffat_alpha(psf) ** 2) ** -psf.beta)


def _blur_spectrum(psf: Psf, fx: NDArray[np.float64], fy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Transfer function of pixel, defocus ring and trail; frequencies in cycles per pixel."""
    transfer = np.sinc(fx) * np.sinc(fy)
    if psf.trail_px > 0:
        angle = math.radians(psf.trail_angle_deg)
        transfer = transfer * np.sinc(psf.trail_px * (fx * math.cos(angle) + fy * math.sin(angle)))
    if psf.defocus_px > 0:
        frequency = np.hypot(fx, fy)
        hole = _CENTRAL_OBSTRUCTION**2
        ring = _disc_spectrum(psf.defocus_px * frequency)
        ring = ring - hole * _disc_spectrum(_CENTRAL_OBSTRUCTION * psf.defocus_px * frequency)
        transfer = transfer * ring / (1.0 - hole)
    return np.asarray(transfer)


def _disc_spectrum(diameter_times_frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    argument = np.maximum(math.pi * diameter_times_frequency, 1e-9)
    return np.asarray(2.0 * special.j1(argument) / argument)


@njit(cache=True, nogil=True)
def _draw(
    image: NDArray[np.float32],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    flux: NDArray[np.float64],
    phases: NDArray[np.float32],
) -> None:
    ny, nx = image.shape
    n_sub, size = phases.shape[0], phases.shape[2]
    half = size // 2
    for star in range(x.size):
        # Pixel col0 + 1 is 1 - (x - col0) from the star, sub_x nodes of the fine grid: between two phases.
        col0, row0 = math.floor(x[star]), math.floor(y[star])
        sub_x, sub_y = (1.0 - (x[star] - col0)) * n_sub, (1.0 - (y[star] - row0)) * n_sub
        px, py = min(int(sub_x), n_sub - 1), min(int(sub_y), n_sub - 1)
        wx, wy = sub_x - px, sub_y - py
        for corner in range(4):
            qx, qy = px + corner % 2, py + corner // 2
            weight = (wx if corner % 2 else 1.0 - wx) * (wy if corner // 2 else 1.0 - wy)
            shift_x, shift_y = qx // n_sub, qy // n_sub
            plane = phases[qy % n_sub, qx % n_sub]
            left, low = col0 + 1 - half - shift_x, row0 + 1 - half - shift_y
            scale = np.float32(weight * flux[star])
            for t in range(max(0, -low), min(size, ny - low)):
                row = low + t
                for s in range(max(0, -left), min(size, nx - left)):
                    image[row, left + s] += scale * plane[t, s]
