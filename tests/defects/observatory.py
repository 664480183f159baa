"""A small observatory that takes calibration frames: detectors of several kinds, a lamp, and the masters it has."""

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.masters import Kind
from tests.defects.path import Shot, Taken, stack

Plane = NDArray[np.float64]

SIDE = 256
DARK_S = 60.0
FLAT_S = 2.0
LIGHT_E = 30_000.0
PEDESTAL = 500.0


@dataclass(frozen=True)
class Detector:
    """A detector and its optics with every fixed pattern known: in electrons, and ADU for the bias."""

    bias: Plane
    dark_rate: Plane
    response: Plane
    egain: float = 1.5
    read_noise_e: float = 6.0
    step: int = 1
    """ADU between two values the converter knows: 16 for twelve bits written as sixteen."""

    row_noise_e: float = 0.0
    bayer: bool = False

    def expose(
        self, rng: np.random.Generator, exposure_s: float = 0.0, light_e: Plane | float = 0.0, *,
        extra_e: Plane | float = 0.0,
    ) -> NDArray[np.uint16]:  # fmt: skip
        """Expose for some time with so many photo-electrons on a pixel of response 1, and some more unvignetted."""
        mean = self.dark_rate * exposure_s + np.asarray(light_e) * self.response + np.asarray(extra_e)
        electrons = rng.poisson(mean) + rng.normal(0, self.read_noise_e, mean.shape)
        if self.row_noise_e:
            electrons += rng.normal(0, self.row_noise_e, (mean.shape[0], 1))
        values = np.rint((electrons / self.egain + self.bias) / self.step) * self.step
        return np.clip(values, 0, 65535).astype(np.uint16)

    def mean_dark(self, exposure_s: float) -> Plane:
        """Return what a dark of an exposure is on average, in ADU."""
        return self.bias + self.dark_rate * exposure_s / self.egain


def detector(
    seed: int, *, side: int = SIDE, egain: float = 1.5, read_noise_e: float = 6.0, dark_e_s: float = 0.1,
    pattern: float = 1.0, pedestal: float = PEDESTAL, step: int = 1, row_noise_e: float = 0.0, bayer: bool = False,
) -> Detector:  # fmt: skip
    """Make a detector behind vignetting that is not centred, and three motes."""
    rng = np.random.default_rng([seed, 77])
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    response = (1 - 0.25 * ((x - 0.15) ** 2 + (y + 0.1) ** 2)) * rng.normal(1, 0.008, (side, side))
    for _ in range(3):
        response *= 1 - 0.03 * mote(side, rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8))
    if bayer:
        response *= np.tile([[0.5, 1.0], [1.0, 0.4]], (side // 2, side // 2))
    dark_rate = dark_e_s * rng.gamma(20, 1 / 20, (side, side))
    hot = rng.random((side, side)) < 0.001
    dark_rate[hot] = rng.uniform(5, 50, hot.sum())
    bias = pedestal + pattern * rng.normal(0, 1.0, (side, side)) + 0.5 * pattern * rng.normal(0, 1, (1, side))
    return Detector(bias, dark_rate, response, egain, read_noise_e, step, row_noise_e, bayer)


def mote(side: int, x0: float, y0: float, *, radius: float = 0.12) -> Plane:
    """Return the shadow of a grain of dust, 1 at its deepest."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    ring: Plane = np.exp(-((((x - x0) ** 2 + (y - y0) ** 2) ** 0.5 / radius) ** 4))
    return ring


def biases(at: Detector, count: int, rng: np.random.Generator) -> Taken:
    """Take honest bias frames."""
    shots = [Shot(at.expose(rng)) for _ in range(count)]
    return Taken(Kind.BIAS, shots, at.bias, egain=at.egain, read_noise_e=at.read_noise_e, bias_level=None)


def darks(at: Detector, count: int, rng: np.random.Generator, *, exposure_s: float = DARK_S) -> Taken:
    """Take honest darks, with cosmic rays."""
    shots = [Shot(struck(at.expose(rng, exposure_s), rng)) for _ in range(count)]
    return Taken(
        Kind.DARK, shots, at.mean_dark(exposure_s), exposure_s=exposure_s, egain=at.egain,
        read_noise_e=at.read_noise_e, bias_level=float(np.median(at.bias)),
    )  # fmt: skip


def struck(pixels: NDArray[np.uint16], rng: np.random.Generator) -> NDArray[np.uint16]:
    """Let a cosmic ray cross one pixel in ten thousand, and a few beside it."""
    for where in rng.integers(0, pixels.size - 3, pixels.size // 10_000):
        pixels.ravel()[where : where + rng.integers(1, 4)] = rng.integers(60, 4_000) * 16
    return pixels


def flats(
    at: Detector, count: int, rng: np.random.Generator, *, light_e: float = LIGHT_E, twilight: bool = False,
    tilt: float = 0.0,
) -> Taken:  # fmt: skip
    """Take honest flats: of a lamp that wanders by a few percent, or of a darkening sky whose tilt turns."""
    side = len(at.bias)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    shots = []
    for i in range(count):
        level = light_e * (0.92 ** (i % 6) if twilight else rng.uniform(0.97, 1.03))
        turn = 0.5 * np.pi * i / count
        sky = level * (1 + tilt * (x * np.cos(turn) + y * np.sin(turn)))
        shots.append(Shot(at.expose(rng, FLAT_S, sky)))
    return Taken(
        Kind.FLAT, shots, at.response, exposure_s=FLAT_S, egain=at.egain, read_noise_e=at.read_noise_e,
        bias_level=float(np.median(at.bias)), bayer=at.bayer, dark=dark_of_flats(at),
    )  # fmt: skip


_FOLDER = tempfile.TemporaryDirectory(prefix="pictor-defects-")
_DARKS: dict[int, Path] = {}


def dark_of_flats(at: Detector) -> Path:
    """Make the master dark of a detector's flats, once."""
    if id(at) not in _DARKS:
        taken = darks(at, 10, np.random.default_rng(99), exposure_s=FLAT_S)
        folder = Path(_FOLDER.name) / f"dark{len(_DARKS)}"
        made = stack(taken, range(10), folder)
        _KEEP.append(at)
        _DARKS[id(at)] = made.master_path
    return _DARKS[id(at)]


def in_use(take: Callable[["Detector", int, np.random.Generator], Taken]) -> Path:
    """Return an honest master of the usual detector, made once."""
    if take not in _MASTERS:
        taken = take(usual(), 10, np.random.default_rng(98))
        _MASTERS[take] = stack(taken, range(10), Path(_FOLDER.name) / f"master{len(_MASTERS)}").master_path
    return _MASTERS[take]


_MASTERS: dict[Callable[["Detector", int, np.random.Generator], Taken], Path] = {}
_KEEP: list[Detector] = []


@functools.cache
def usual() -> Detector:
    """Return the detector defects are planted in."""
    return detector(1)


def lit(at: Detector, response: Plane) -> Detector:
    """Return the detector behind other optics."""
    return replace(at, response=response)
