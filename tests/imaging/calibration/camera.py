"""A small camera with known truth: bias pattern, dark current with hot pixels, vignetting, gain and read noise."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

Plane = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """Everything that makes a frame, in electrons and ADU."""

    rng: np.random.Generator
    bias: Plane
    dark_rate: Plane
    response: Plane
    egain: float
    read_noise_e: float

    def expose(self, exposure_s: float, light_e: Plane | float = 0.0) -> NDArray[np.uint16]:
        """Make one frame of an exposure with so many photo-electrons on a pixel of response 1."""
        mean = self.dark_rate * exposure_s + np.asarray(light_e) * self.response
        electrons = self.rng.poisson(mean) + self.rng.normal(0, self.read_noise_e, mean.shape)
        return np.clip(np.rint(electrons / self.egain + self.bias), 0, 65535).astype(np.uint16)

    def write(self, folder: Path, name: str, frames: list[NDArray[np.uint16]], **cards: object) -> list[Path]:
        """Write frames as plain FITS."""
        paths = []
        for i, data in enumerate(frames):
            path = folder / f"{name}{i:02d}.fits"
            header = fits.Header(cards)
            header["DATE-OBS"] = f"2026-03-10T20:{i:02d}:00.000"
            fits.PrimaryHDU(data, header).writeto(path)
            paths.append(path)
        return paths


def make_camera(
    rng: np.random.Generator, *, side: int = 384, egain: float = 1.5, read_noise_e: float = 6.0, bayer: bool = False
) -> Camera:
    """Make a camera; with a Bayer pattern the colours differ in response by a factor of three."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    response = (1 - 0.3 * (x**2 + y**2)) * rng.normal(1, 0.01, (side, side))
    if bayer:
        response *= np.tile([[0.5, 1.0], [1.0, 0.33]], (side // 2, side // 2))
    dark_rate = np.full((side, side), 0.1) * rng.gamma(20, 1 / 20, (side, side))
    hot = rng.random((side, side)) < 0.001
    dark_rate[hot] = rng.uniform(5, 50, hot.sum())
    bias = 500 + rng.normal(0, 1.0, (side, side))
    return Camera(rng, bias, dark_rate, response, egain, read_noise_e)
