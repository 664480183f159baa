"""A detector: bias structure, dark current, hot pixels, noise, full well and converter."""

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.compiling import njit

FloatImage = NDArray[np.float32]

_ADC_MAX = 65535
# Dark current of the camera is quoted at this sensor temperature.
REFERENCE_C = -10.0
# Above this expectation a skew-corrected normal stands in for the Poisson distribution.
_POISSON_EXACT_BELOW = 30.0


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera in one mode; every fixed pattern follows from ``seed``.

    Parameters
    ----------
    nx, ny
        Size in (binned) pixels.
    pixel_um
        Size of a (binned) pixel.
    egain
        Electrons per ADU.
    pedestal
        Mean bias level in ADU.
    read_noise
        Electrons RMS per pixel.
    full_well
        Electrons a pixel can hold.
    dark_current
        Median electrons per second at -10 C.
    dark_spread
        Standard deviation of the natural logarithm of the dark current from pixel to pixel.
    dark_doubling_c
        Temperature step that doubles the dark current.
    hot_fraction
        Share of pixels with 0.5 to 500 electrons per second at -10 C.
    prnu
        Standard deviation of the sensitivity from pixel to pixel.
    bayer
        None for mono, else the pattern of the first two rows such as ``RGGB``.
    """

    name: str = "Pictor SimCam 4M"
    serial: str = "SIM0001"
    nx: int = 2328
    ny: int = 1760
    pixel_um: float = 3.8
    binning: int = 1
    gain_setting: int = 100
    offset_setting: int = 50
    egain: float = 0.7
    pedestal: float = 500.0
    read_noise: float = 2.8
    full_well: float = 60_000.0
    dark_current: float = 0.02
    dark_spread: float = 0.3
    dark_doubling_c: float = 6.0
    hot_fraction: float = 1e-3
    prnu: float = 0.008
    bayer: str | None = None
    seed: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.ny, self.nx

    @property
    def saturation_adu(self) -> float:
        """Highest value the camera can deliver."""
        return min(float(_ADC_MAX), self.pedestal + self.full_well / self.egain)

    def dark_factor(self, temperature_c: float) -> float:
        """Dark current at a sensor temperature over that at -10 C."""
        return float(2.0 ** ((temperature_c - REFERENCE_C) / self.dark_doubling_c))


@dataclass(frozen=True, slots=True)
class Detector:
    """Fixed patterns of one camera, each of shape (ny, nx).

    ``bias`` in ADU, ``dark_rate`` in electrons per second at -10 C, ``sensitivity`` relative to 1,
    ``hot`` true for hot pixels and for the bright bad column.
    """

    bias: FloatImage
    dark_rate: FloatImage
    sensitivity: FloatImage
    hot: NDArray[np.bool_]


@functools.lru_cache(maxsize=4)
def detector(camera: Camera) -> Detector:
    """Make the fixed patterns of a camera."""
    rng = np.random.default_rng([camera.seed, 1])
    ny, nx = camera.shape
    columns = rng.normal(0.0, 1.2, nx) + 0.8 * np.sin(np.arange(nx) / 97.0)
    glow = 3.0 * np.exp(-np.arange(ny) / (0.15 * ny))
    bias = (camera.pedestal + columns[None, :] + glow[:, None]).astype(np.float32)
    dark_rate = rng.standard_normal(camera.shape, dtype=np.float32)
    np.multiply(dark_rate, camera.dark_spread, out=dark_rate)
    np.exp(dark_rate, out=dark_rate)
    dark_rate *= np.float32(camera.dark_current)
    hot = np.zeros(camera.shape, dtype=bool)
    chosen = rng.choice(ny * nx, size=round(camera.hot_fraction * ny * nx), replace=False)
    dark_rate.ravel()[chosen] = 10 ** rng.uniform(math.log10(0.5), math.log10(500.0), chosen.size)
    sensitivity = rng.standard_normal(camera.shape, dtype=np.float32)
    sensitivity *= np.float32(camera.prnu)
    sensitivity += np.float32(1.0)
    bright_column, dull_column = rng.choice(np.arange(nx // 8, nx - nx // 8), size=2, replace=False)
    dark_rate[ny // 3 :, bright_column] += np.float32(8.0)
    sensitivity[: ny // 2, dull_column] *= np.float32(0.6)
    hot.ravel()[chosen] = True
    hot[ny // 3 :, bright_column] = True
    return Detector(bias, dark_rate, sensitivity, hot)


def expected_dark(camera: Camera, exposure_s: float, temperature_c: float) -> FloatImage:
    """Dark electrons expected in each pixel, shape (ny, nx)."""
    return detector(camera).dark_rate * np.float32(exposure_s * camera.dark_factor(temperature_c))


def read_out(
    camera: Camera,
    light: FloatImage | None,
    *,
    exposure_s: float,
    temperature_c: float,
    seed: int,
) -> NDArray[np.uint16]:
    """Expose and read the detector.

    Photo-electrons and dark electrons are Poisson (exact below 30 electrons, above by a normal
    deviate with the skewness of the distribution), read noise is normal.

    Parameters
    ----------
    light
        Electrons per pixel expected from light at full sensitivity, shape (ny, nx); None for a closed shutter.
    exposure_s, temperature_c
        Exposure and sensor temperature: both make dark current.
    seed
        Same seed and input, same pixels.

    Returns
    -------
    ndarray of uint16
        Raw frame, shape (ny, nx), in ADU.
    """
    fixed = detector(camera)
    rng = np.random.default_rng([camera.seed, seed, 2])
    shot = rng.standard_normal(camera.shape, dtype=np.float32)
    read = rng.standard_normal(camera.shape, dtype=np.float32)
    raw = np.empty(camera.shape, dtype=np.uint16)
    dark_time = exposure_s * camera.dark_factor(temperature_c)
    constants = np.array([dark_time, camera.read_noise, camera.full_well, 1.0 / camera.egain], dtype=np.float32)
    signal = np.zeros((1, 1), dtype=np.float32) if light is None else light
    _convert(signal, fixed.sensitivity, fixed.dark_rate, fixed.bias, shot, read, constants, np.uint64(seed), raw)
    return raw


def warm() -> None:
    """Compile the kernels of this module."""
    read_out(Camera(nx=16, ny=8), np.zeros((8, 16), np.float32), exposure_s=1.0, temperature_c=0.0, seed=1)


@njit(cache=True, nogil=True)
def _uniform(state: np.uint64) -> float:
    """SplitMix64 finaliser: a uniform number that depends on nothing but its argument."""
    z = state * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return float(z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True)
def _poisson(mean: float, normal: float, uniform: float) -> float:
    if mean >= _POISSON_EXACT_BELOW:
        return math.floor(mean + math.sqrt(mean) * normal + (normal * normal - 1.0) / 6.0 + 0.5)
    probability = math.exp(-mean)
    count, cumulative = 0, probability
    while uniform > cumulative and count < 200:
        count += 1
        probability *= mean / count
        cumulative += probability
    return float(count)


@njit(cache=True, nogil=True)
def _convert(  # noqa: PLR0917
    light: FloatImage,
    sensitivity: FloatImage,
    dark_rate: FloatImage,
    bias: FloatImage,
    shot: FloatImage,
    read: FloatImage,
    constants: NDArray[np.float32],
    seed: np.uint64,
    raw: NDArray[np.uint16],
) -> None:
    dark_time, read_noise, full_well, per_electron = constants
    ny, nx = raw.shape
    lit = light.size > 1
    first = seed * np.uint64(0x2545F4914F6CDD1D)
    for row in range(ny):
        for col in range(nx):
            mean = dark_rate[row, col] * dark_time
            if lit:
                mean += light[row, col] * sensitivity[row, col]
            uniform = _uniform(first + np.uint64(row * nx + col)) if mean < _POISSON_EXACT_BELOW else 0.0
            electrons = min(_poisson(mean, shot[row, col], uniform), full_well)
            value = (electrons + read_noise * read[row, col]) * per_electron + bias[row, col]
            raw[row, col] = np.uint16(min(max(value + 0.5, 0.0), 65535.0))
