"""What disturbs a frame: sky gradient, clouds, cosmic rays and satellites."""

import math

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.simulator.camera import FloatImage
from pictor.imaging.simulator.psf import Psf, add_stars

# Cosmic rays and radioactive decays per second and million pixels.
_COSMIC_RATE = 0.03
_CLOUD_KNOTS = 9


def sky_gradient(shape: tuple[int, int], gradient: tuple[float, float]) -> FloatImage:
    """Relative sky brightness rising linearly, by ``gradient`` (x, y) over the whole frame; mean 1."""
    x, y = (np.linspace(-0.5, 0.5, n, dtype=np.float32) for n in (shape[1], shape[0]))
    return (np.float32(1.0) + np.float32(gradient[1]) * y)[:, None] + (np.float32(gradient[0]) * x)[None, :]


def clouds(shape: tuple[int, int], transparency: float, patchiness: float, seed: int) -> FloatImage:
    """Share of the light that passes the clouds at each pixel, shape (ny, nx), median ``transparency``.

    Parameters
    ----------
    patchiness
        Standard deviation of the optical depth over the frame.
    """
    knots = np.random.default_rng([seed, 5]).standard_normal((_CLOUD_KNOTS, _CLOUD_KNOTS))
    depth = _spline_weights(shape[0]) @ (knots - np.median(knots)) @ _spline_weights(shape[1]).T
    depth *= patchiness / max(float(depth[::8, ::8].std()), 1e-9)
    depth -= math.log(transparency) + np.median(depth[::8, ::8])
    return np.asarray(np.exp(-np.maximum(depth, 0.0)), dtype=np.float32)


def _spline_weights(n: int) -> NDArray[np.float64]:
    """Weights of a uniform cubic B-spline, shape (n, knots)."""
    place = np.linspace(1.0, _CLOUD_KNOTS - 2.001, n)[:, None]
    distance = np.abs(place - np.arange(_CLOUD_KNOTS)[None, :])
    near = 2.0 / 3.0 - distance**2 * (1.0 - distance / 2.0)
    return np.where(distance < 1, near, np.maximum(2.0 - distance, 0.0) ** 3 / 6.0)


def add_cosmic_rays(image: FloatImage, exposure_s: float, seed: int) -> NDArray[np.int64]:
    """Add the tracks of charged particles in place.

    Returns
    -------
    ndarray
        Row and column of every pixel hit, shape (n, 2).
    """
    rng = np.random.default_rng([seed, 6])
    ny, nx = image.shape
    hits: list[NDArray[np.int64]] = [np.zeros((0, 2), dtype=np.int64)]
    for _ in range(rng.poisson(_COSMIC_RATE * exposure_s * image.size / 1e6)):
        length = min(1.0 + rng.exponential(6.0), 60.0)
        steps = np.arange(0.0, length, 0.5)
        angle = rng.uniform(0.0, 2.0 * math.pi)
        rows = np.rint(rng.uniform(0, ny) + steps * math.sin(angle)).astype(np.int64)
        columns = np.rint(rng.uniform(0, nx) + steps * math.cos(angle)).astype(np.int64)
        inside = (rows >= 0) & (rows < ny) & (columns >= 0) & (columns < nx)
        charge = rng.lognormal(math.log(600.0), 0.7) * rng.uniform(0.6, 1.4, steps.size)
        np.add.at(image, (rows[inside], columns[inside]), charge[inside].astype(np.float32))
        hits.append(np.stack([rows[inside], columns[inside]], axis=1))
    return np.unique(np.concatenate(hits), axis=0)


def add_satellite(image: FloatImage, psf: Psf, brightness: float, seed: int) -> float:
    """Add the trail of a satellite across the whole frame in place.

    Parameters
    ----------
    brightness
        Electrons per pixel of length.

    Returns
    -------
    float
        Direction of the trail, degrees from +x towards +y.
    """
    rng = np.random.default_rng([seed, 7])
    ny, nx = image.shape
    angle = rng.uniform(0.15, 1.2) * rng.choice([-1.0, 1.0])
    along = np.arange(-math.hypot(ny, nx), math.hypot(ny, nx), 0.5)
    x = rng.uniform(0.3, 0.7) * nx + along * math.cos(angle)
    y = rng.uniform(0.3, 0.7) * ny + along * math.sin(angle)
    add_stars(image, x, y, np.full(along.size, 0.5 * brightness), psf)
    return math.degrees(angle)
