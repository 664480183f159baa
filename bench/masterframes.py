"""Frames of one camera of 24 MP with known truth, for the measurements of masters and calibrated lights."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.calibration.badindark import bad_pixel_map
from pictor.imaging.calibration.masters import Master, write_master

SHAPE = (4000, 6000)
NOISE_ADU = 9.0
LEVEL_ADU = 500.0
SKY_ADU = 1000.0
Plane = NDArray[np.float32]


def make_darks(folder: Path, count: int) -> list[Path]:
    """Write darks: fixed pattern with hot pixels, noise of 9 ADU, 3,000 hits each; and their truth."""
    rng = np.random.default_rng(7)
    size = SHAPE[0] * SHAPE[1]
    noise = rng.standard_normal(size + 4_000_000, dtype=np.float32) * NOISE_ADU
    pattern = np.full(size, LEVEL_ADU, np.float32)
    pattern[rng.integers(0, size, 24_000)] += rng.uniform(100, 5000, 24_000).astype(np.float32)
    hits, paths = [], []
    for i in range(count):
        frame = pattern + noise[i * 71_993 : i * 71_993 + size]
        where = rng.integers(0, size, 3000)
        frame[where] += rng.uniform(200, 30_000, 3000).astype(np.float32)
        hits.append(where)
        paths.append(folder / f"f{i:03d}.fits")
        fits.writeto(paths[-1], np.rint(frame.clip(0, 65535)).astype(np.uint16).reshape(SHAPE))
    np.savez(folder / "truth.npz", pattern=pattern, hits=np.concatenate(hits))
    return paths


def left_over(folder: Path, made: Plane) -> int:
    """Count hit pixels of a master that are still more than 30 ADU off."""
    truth = np.load(folder / "truth.npz")
    hits = truth["hits"]
    return int((np.abs(made.ravel()[hits] - truth["pattern"][hits]) > 30).sum())


def response() -> Plane:
    """Vignetting of three tenths in the corners and one percent from pixel to pixel."""
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j].astype(np.float32)
    flat = (1 - 0.15 * (x * x + y * y)) * (1 + 0.01 * np.random.default_rng(9).standard_normal(SHAPE, dtype=np.float32))
    return np.asarray(flat / flat.mean(), np.float32)


def make_lights(folder: Path, count: int) -> tuple[list[Path], Path, Path]:
    """Write lights of an even sky under the pattern and response of the camera, and their master dark and flat."""
    make_darks(folder, 1)
    pattern, flat = np.load(folder / "truth.npz")["pattern"].reshape(SHAPE), response()
    rng = np.random.default_rng(10)
    paths = [folder / f"light{i}.fits" for i in range(count)]
    for path in paths:
        noise = rng.standard_normal(SHAPE, dtype=np.float32) * np.sqrt(NOISE_ADU**2 + SKY_ADU * flat)
        light = pattern + SKY_ADU * flat + noise
        fits.writeto(path, np.rint(light.clip(0, 65535)).astype(np.uint16))
    dark = pattern + rng.standard_normal(SHAPE, dtype=np.float32) * 2
    used, none = np.full(SHAPE, 20, np.uint8), np.zeros(SHAPE, np.uint8)
    write_master(
        folder / "dark.fits",
        Master(dark, np.full(SHAPE, 2, np.float32), bad_pixel_map(dark), used, fits.Header({"DARKBIAS": True})),
    )
    write_master(folder / "flat.fits", Master(flat, np.full(SHAPE, 2e-3, np.float32), none, used, fits.Header()))
    return paths, folder / "dark.fits", folder / "flat.fits"
