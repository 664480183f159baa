"""Bias, dark and flat frames."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.simulator.camera import Camera, read_out
from pictor.imaging.simulator.events import add_cosmic_rays
from pictor.imaging.simulator.optics import Rig, illumination

# Flats are exposed to this share of the range of the converter.
FLAT_LEVEL = 0.45


def render_bias(camera: Camera, *, temperature_c: float, seed: int) -> NDArray[np.uint16]:
    """Render a bias frame, shape (ny, nx), in ADU."""
    return read_out(camera, None, exposure_s=0.0, temperature_c=temperature_c, seed=seed)


def render_dark(camera: Camera, *, exposure_s: float, temperature_c: float, seed: int) -> NDArray[np.uint16]:
    """Render a dark frame with its cosmic rays, shape (ny, nx), in ADU."""
    light = np.zeros(camera.shape, dtype=np.float32)
    add_cosmic_rays(light, exposure_s, seed)
    return read_out(camera, light, exposure_s=exposure_s, temperature_c=temperature_c, seed=seed)


def render_flat(
    rig: Rig,
    filter_name: str,
    *,
    exposure_s: float,
    temperature_c: float,
    seed: int,
    level: float = FLAT_LEVEL,
) -> NDArray[np.uint16]:
    """Render a flat frame of an even panel that flickers by 1 %, shape (ny, nx), in ADU.

    ``level`` is the share of the range of the converter that the brightest part is exposed to.
    """
    camera = rig.camera
    level_e = level * (camera.saturation_adu - camera.pedestal) * camera.egain
    flicker = np.random.default_rng([seed, 8]).normal(1.0, 0.01)
    light = illumination(rig, filter_name) * np.float32(level_e * flicker)
    return read_out(camera, light, exposure_s=exposure_s, temperature_c=temperature_c, seed=seed)
