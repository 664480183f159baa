"""A telescope with its filters: how much light reaches which pixel."""

import functools
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.simulator.camera import Camera, FloatImage

# Photons per second, square centimetre and angstrom of a star of magnitude 0 in V.
_PHOTONS_MAG_0 = 1000.0
# Share of the photons at the aperture that become electrons: lenses, filter and detector.
_THROUGHPUT = 0.5
# Relative response of the colour channels of a Bayer sensor.
BAYER_RESPONSE = {"R": 0.75, "G": 1.0, "B": 0.7}


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter: band width, sky brightness through it, and how it weighs red stars."""

    name: str
    width_angstrom: float
    sky_mag_arcsec2: float
    colour_term: float


FILTERS = {
    each.name: each
    for each in (
        Filter("L", 2500.0, 19.8, 0.2),
        Filter("R", 900.0, 19.6, 0.6),
        Filter("G", 900.0, 19.8, 0.0),
        Filter("B", 900.0, 20.1, -0.7),
        Filter("Ha", 70.0, 19.9, 0.7),
        Filter("OIII", 70.0, 20.2, -0.2),
        Filter("SII", 70.0, 19.8, 0.75),
        Filter("Red", 900.0, 19.6, 0.6),
        Filter("Green", 900.0, 19.8, 0.0),
        Filter("Blue", 900.0, 20.1, -0.7),
    )
}


@dataclass(frozen=True, slots=True)
class Rig:
    """A camera on a telescope.

    ``focal_mm`` is the true focal length, ``nominal_focal_mm`` the one its owner typed in.
    """

    name: str = "Pictor SimScope 65"
    camera: Camera = field(default_factory=Camera)
    aperture_mm: float = 65.0
    focal_mm: float = 437.4
    nominal_focal_mm: float = 440.0

    @property
    def scale_arcsec(self) -> float:
        """True scale in arcseconds per pixel."""
        return math.degrees(self.camera.pixel_um / 1000.0 / self.focal_mm) * 3600.0

    def star_rate(self, band: Filter) -> float:
        """Electrons per second from a star of magnitude 0."""
        area_cm2 = math.pi * (self.aperture_mm / 20.0) ** 2
        return _PHOTONS_MAG_0 * _THROUGHPUT * area_cm2 * band.width_angstrom

    def sky_rate(self, band: Filter) -> float:
        """Electrons per second and pixel from the dark sky."""
        return float(self.star_rate(band) * 10 ** (-0.4 * band.sky_mag_arcsec2) * self.scale_arcsec**2)


@functools.lru_cache(maxsize=12)
def illumination(rig: Rig, filter_name: str) -> FloatImage:
    """Relative illumination of each pixel: vignetting and dust, shape (ny, nx).

    Dust on the sensor window shows through every filter, dust on a filter only through that one.
    """
    ny, nx = rig.camera.shape
    y, x = np.arange(ny, dtype=np.float32)[:, None], np.arange(nx, dtype=np.float32)[None, :]
    unit = 0.5 * math.hypot(ny, nx)
    radius2 = ((x - 0.53 * nx) ** 2 + (y - 0.48 * ny) ** 2) / np.float32(unit**2)
    image = np.asarray(1.0 - 0.16 * radius2 - 0.05 * radius2**2, dtype=np.float32)
    for name, number in (("window", 7), (filter_name, 6)):
        rng = np.random.default_rng([rig.camera.seed, *name.encode()])
        for _ in range(number):
            _add_dust(image, rng, size=unit / 1459.0)
    return image


def mosaic(camera: Camera, channels: dict[str, FloatImage]) -> FloatImage:
    """Sample colour channels through the Bayer pattern of a camera, shape (ny, nx)."""
    image = np.empty(camera.shape, dtype=np.float32)
    for place, colour in enumerate(camera.bayer or ""):
        part = np.s_[place // 2 :: 2, place % 2 :: 2]
        image[part] = channels[colour][part]
    return image


def _add_dust(image: FloatImage, rng: np.random.Generator, *, size: float) -> None:
    """Darken a ring: the shadow of a speck in the out-of-focus beam."""
    ny, nx = image.shape
    outer = size * rng.uniform(14.0, 48.0)
    inner, depth = outer * rng.uniform(0.25, 0.45), rng.uniform(0.015, 0.07)
    col, row = rng.uniform(0, nx), rng.uniform(0, ny)
    top, left = max(0, int(row - outer - 2)), max(0, int(col - outer - 2))
    window = image[top : int(row + outer + 3), left : int(col + outer + 3)]
    rows, columns = np.indices(window.shape)
    distance = np.hypot(rows + top - row, columns + left - col)
    shadow = _edge(outer - distance) * _edge(distance - inner)
    window *= (1.0 - depth * shadow).astype(np.float32)


def _edge(inside: NDArray[np.float64]) -> NDArray[np.float64]:
    """Step from 0 to 1, four pixels wide."""
    return np.clip(0.5 + inside / 4.0, 0.0, 1.0)
