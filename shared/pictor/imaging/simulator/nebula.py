"""An invented emission nebula: a warped shell with filaments and dark lanes, in three lines."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, signal

from pictor.imaging.simulator.camera import FloatImage
from pictor.imaging.simulator.optics import Rig
from pictor.imaging.simulator.psf import Psf, add_stars
from pictor.imaging.simulator.sky import Pointing

LINES = ("Ha", "OIII", "SII")

LINE_SHARES: dict[str, dict[str, float]] = {
    "Ha": {"Ha": 1.0},
    "OIII": {"OIII": 1.0},
    "SII": {"SII": 1.0},
    "Red": {"Ha": 1.0, "SII": 1.0},
    "Green": {"OIII": 0.7},
    "Blue": {"OIII": 0.5, "Ha": 0.28},
}
"""Share of each line that passes each filter; the 0.28 of blue are H-beta, which goes with H-alpha."""

_SIDE = 1024
_PATCH_DEG = 1.7
# Electrons per second and square centimetre of aperture from a square arcsecond of unit brightness.
_RATE = 0.0018
_STAMP_HALF = 24


@dataclass(frozen=True, slots=True)
class Nebula:
    """A nebula around a position, ICRS degrees; every filament follows from ``seed``."""

    ra_deg: float
    dec_deg: float
    seed: int = 7


def line_brightness(nebula: Nebula, line: str) -> FloatImage:
    """Surface brightness of one line on the tangent plane of the nebula.

    Parameters
    ----------
    nebula
        Which nebula.
    line
        One of `LINES`.

    Returns
    -------
    ndarray of float32
        Shape (1024, 1024) over 1.7 by 1.7 degrees, columns along increasing right ascension, rows along increasing
        declination; about 1 where the shell is bright.

    Raises
    ------
    KeyError
        If there is no such line.
    """
    return _brightness(nebula.seed)[line]


def nebula_rate(nebula: Nebula, rig: Rig, pointing: Pointing, filter_name: str, *, margin: int = 0) -> FloatImage:
    """Expect the electrons per second of the nebula in each pixel, before the atmosphere blurs it.

    Parameters
    ----------
    nebula, rig, pointing
        What is seen with what, and where to.
    filter_name
        A filter that passes no line sees nothing.
    margin
        Pixels beyond the frame on each side.

    Returns
    -------
    ndarray of float32
        Shape (ny + 2 margin, nx + 2 margin), in electrons per second at full illumination.
    """
    ny, nx = rig.camera.shape
    shares = LINE_SHARES.get(filter_name, {})
    if not shares:
        return np.zeros((ny + 2 * margin, nx + 2 * margin), dtype=np.float32)
    patch = np.sum([np.float32(share) * line_brightness(nebula, line) for line, share in shares.items()], axis=0)
    place = _places(nebula, pointing, (ny, nx), margin)
    image = ndimage.map_coordinates(patch, place, order=1, mode="constant", cval=0.0)
    area_cm2 = np.pi * (rig.aperture_mm / 20.0) ** 2
    return np.asarray(image * np.float32(_RATE * area_cm2 * pointing.scale_arcsec**2), dtype=np.float32)


def nebula_light(nebula: Nebula, rig: Rig, pointing: Pointing, filter_name: str, psf: Psf) -> FloatImage:
    """Expect the electrons per second of the nebula in each pixel as the stars are blurred, shape (ny, nx)."""
    image = nebula_rate(nebula, rig, pointing, filter_name, margin=_STAMP_HALF)
    stamp = np.zeros((2 * _STAMP_HALF + 1,) * 2, dtype=np.float32)
    add_stars(stamp, [_STAMP_HALF], [_STAMP_HALF], [1.0], psf)
    return np.asarray(signal.fftconvolve(image, stamp / stamp.sum(), mode="valid"), dtype=np.float32)


def _places(nebula: Nebula, pointing: Pointing, shape: tuple[int, int], margin: int) -> NDArray[np.float32]:
    """Row and column of the patch under every pixel: both projections are gnomonic, so the map is a homography."""
    x = np.arange(-margin, shape[1] + margin) - (shape[1] - 1) / 2
    y = np.arange(-margin, shape[0] + margin) - (shape[0] - 1) / 2
    turn = _axes(nebula.ra_deg, nebula.dec_deg) @ _axes(pointing.ra_deg, pointing.dec_deg).T
    cd = np.radians(pointing.cd)
    matrix = turn @ np.array([[cd[0, 0], cd[0, 1], 0.0], [cd[1, 0], cd[1, 1], 0.0], [0.0, 0.0, 1.0]])
    along = (matrix[:, :1] * x + matrix[:, 2:])[:, None, :] + (matrix[:, 1:2] * y)[:, :, None]
    per_radian = np.degrees(1.0) / _PATCH_DEG * _SIDE
    middle = (_SIDE - 1) / 2
    return np.asarray(np.stack([along[1], along[0]]) / along[2] * per_radian + middle, dtype=np.float32)


def _axes(ra_deg: float, dec_deg: float) -> NDArray[np.float64]:
    """East, north and outward as unit vectors, one per row."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    return np.array(
        [
            [-np.sin(ra), np.cos(ra), 0.0],
            [-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)],
            [np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)],
        ]
    )


@functools.lru_cache(maxsize=2)
def _brightness(seed: int) -> dict[str, FloatImage]:
    across = np.linspace(-0.5, 0.5, _SIDE, dtype=np.float32) * np.float32(_PATCH_DEG)
    u, v = across[None, :], across[:, None]
    broad = [_noise(seed, number, 3.4) for number in range(4)]
    fine = _noise(seed, 10, 2.8)
    webs = [_noise(seed, 11, 4.2, coarsest=5.0), _noise(seed, 12, 4.0, coarsest=9.0)]
    radius = np.hypot((u + 0.05 * broad[0]) / 1.15, v + 0.05 * broad[1]) * (1.0 + 0.03 * fine)
    shell = _bell(radius, 0.27, 0.055) * np.exp(0.5 * broad[2])
    front = _bell(radius, 0.315, 0.028) * np.exp(0.6 * broad[3])
    inside = np.exp(-((radius / 0.22) ** 4))
    outside = np.exp(-((radius / 0.42) ** 4))
    threads = np.exp(-np.abs(webs[0]) / 0.18) + 0.8 * np.exp(-np.abs(webs[1]) / 0.14)
    lanes = np.exp(-1.8 * np.clip(broad[1] + 0.35 * fine - 0.55, 0.0, 2.0))
    made = {
        "Ha": lanes * (0.75 * shell * (0.35 + threads) + outside * (0.10 + 0.12 * threads) * np.exp(0.35 * fine)),
        "OIII": lanes * (0.55 * inside * (0.45 + 0.5 * threads) * np.exp(0.4 * broad[3]) + 0.16 * shell * threads),
        "SII": lanes * (0.55 * front * (0.15 + threads) + 0.04 * outside * threads),
    }
    return {line: ndimage.gaussian_filter(np.asarray(image, dtype=np.float32), 1.0) for line, image in made.items()}


def _bell(radius: FloatImage, at: float, width: float) -> FloatImage:
    return np.asarray(np.exp(-(((radius - at) / width) ** 2)), dtype=np.float32)


def _noise(seed: int, number: int, slope: float, *, coarsest: float = 1.5) -> FloatImage:
    """Gaussian noise whose power falls with frequency to the power of ``slope`` beyond ``coarsest`` waves; rms 1."""
    rng = np.random.default_rng([seed, number, 12])
    white = rng.standard_normal((_SIDE, _SIDE), dtype=np.float32)
    frequency = np.hypot(fft.fftfreq(_SIDE)[:, None], fft.rfftfreq(_SIDE)[None, :])
    frequency[0, 0] = np.inf
    spectrum = fft.rfft2(white, workers=1) * np.maximum(frequency, coarsest / _SIDE).astype(np.float32) ** (-slope / 2)
    image = fft.irfft2(spectrum, s=white.shape, workers=1)
    return np.asarray((image - image.mean()) / image.std(), dtype=np.float32)
