"""Calibrating a light in plain numpy, a line for each rule: what the fast form is held against."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.masters import Master

Plane = NDArray[np.float64]


@dataclass(frozen=True)
class Detector:
    """Conversion gain (e-/ADU), read noise (e-), level without signal and of saturation (ADU)."""

    egain: float
    read_noise_e: float
    level: float
    saturation: float


def calibrated(
    light: NDArray[np.number], dark: Master, flat: Master, bad: NDArray[np.uint8], detector: Detector, *, bayer: bool
) -> tuple[Plane, Plane, NDArray[np.uint8]]:
    """Return science, error and mask; the dark holds the bias, the flat is about 1."""
    raw = light.astype(np.float64)
    response = np.where(flat.sci >= 0.2, flat.sci, 1).astype(np.float64)
    sci = (raw - dark.sci) / response
    photons = np.maximum(raw - detector.level, 0) / detector.egain
    floor = (detector.read_noise_e / detector.egain) ** 2 + 1 / 12
    err = np.sqrt(floor + photons + dark.err.astype(float) ** 2 + (sci * flat.err) ** 2) / response
    mask = dark.mask | flat.mask | (bad != 0).astype(np.uint8)
    mask |= np.where(flat.sci >= 0.2, 0, 4).astype(np.uint8)
    mask |= np.where(raw >= detector.saturation, 2, 0).astype(np.uint8)
    mask |= np.where(np.isfinite(raw), 0, 16).astype(np.uint8)
    step = 2 if bayer else 1
    before = sci.copy()
    for y, x in np.argwhere(mask & 9):
        rows = [j for j in range(y - 2 * step, y + 2 * step + 1, step) if 0 <= j < raw.shape[0]]
        columns = [i for i in range(x - 2 * step, x + 2 * step + 1, step) if 0 <= i < raw.shape[1]]
        box = np.ix_(rows, columns)
        near = before[box][(mask[box] & 25 == 0) & np.isfinite(before[box])]
        if near.size >= 4:
            sci[y, x], err[y, x] = np.median(near), near.std()
    return sci, err, mask
