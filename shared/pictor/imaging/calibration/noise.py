"""The noise of a frame that has no error plane: from gain and read noise, or from what its sky scatters by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.background import mesh_background
from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import Frame
from pictor.imaging.pixels import as_pixels, quantum, step_of
from pictor.imaging.types import Image

LEAST_EGAIN, LARGEST_EGAIN = 0.05, 2.0
"""Bounds of a gain told by the sky alone, in e-/ADU: an offset left in the sky makes it too large."""

FULL_SCALE = 65535
"""ADU that programs bring to 1, or to the full scale of wider integers, when they change the values of a frame."""

LARGEST_SHARE, LARGEST_ADU, LARGEST_SINGLE = 4.0, 2.0**26, 2.0**32
"""Reals that stay below the first are shares of full scale, flats having divided some; no camera counts to the second,
no integers of 32 bits beyond the third: a real beyond it stands for a hole."""

UNRESOLVED = 0.8
"""Noise of a quarter to half a step, kept in steps, is measured as about this many of them."""

_GAINS, _READ_NOISES = ("EGAIN", "CALEGAIN"), ("RDNOISE", "READNOIS", "CALRN")


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """The noise model of a frame.

    Parameters
    ----------
    floor
        Standard deviation of a pixel at the level, in the unit of the frame, shape (1, 1), or (2, 2) for the four
        pixels of a Bayer pattern.
    level
        Level above which photons add to it, in the unit of the frame, same shape.
    egain
        Electrons per unit of the frame.
    basis
        Where the numbers come from, in words.
    step
        Step in which the values are kept where it hides their noise, in the unit of the frame; 0 where it does not.
    """

    floor: NDArray[np.float64]
    level: NDArray[np.float64]
    egain: float
    basis: str
    step: float = 0.0

    def err(self, pixels: Image) -> NDArray[np.float32]:
        """Give the standard deviation of every pixel.

        Parameters
        ----------
        pixels
            Shape (ny, nx), in the unit of the frame; NaN gives the floor.
        """
        noise = np.empty(pixels.shape, np.float32)
        step = len(self.floor)
        for y, x in np.ndindex(step, step):
            above = np.nan_to_num(pixels[y::step, x::step] - np.float32(self.level[y, x]), nan=0.0, posinf=0.0)
            variance = np.maximum(above, 0) / np.float32(self.egain) + np.float32(self.floor[y, x]) ** 2
            noise[y::step, x::step] = np.sqrt(variance)
        return noise


def noise_of(
    frame: Frame, *, egain: float | None = None, read_noise_e: float | None = None, bayer: bool = False
) -> Noise:
    """Find the noise model of a frame.

    Gain and read noise count as given, else as the header of a frame whose bias is removed says (CALSTAT with B or D).
    Otherwise the sky tells the noise of its pixels, and what lies above the sky adds photon noise with the gain that
    is given, that EGAIN says, or that the sky would have if all its noise were that of photons. Gains are per ADU of
    the camera: where a program has brought the values to 0 to 1, or to 32 bits, they are taken for shares of 65535 ADU.

    Parameters
    ----------
    frame
        Shape (ny, nx); pixels with a mask do not count.
    egain
        Conversion gain, in electrons per ADU. The card GAIN is a setting of the camera and never used.
    read_noise_e
        Read noise, in electrons RMS.
    bayer
        Whether the pixels lie under a Bayer pattern.

    Returns
    -------
    Noise
        The model, and where it comes from.

    Raises
    ------
    ImagingError
        If gain or read noise are no positive numbers, or no pixel tells a noise.
    """
    for name, value in (("gain", egain), ("read noise", read_noise_e)):
        if value is not None and not 0 < value < np.inf:
            raise ImagingError(f"the {name} is a number above zero, not {value}", reason="bad-noise")
    step = 2 if bayer else 1
    if frame.err is not None:
        good = frame.err[np.isfinite(frame.err) & (frame.err > 0)]
        floor = float(np.median(good)) if good.size else 1.0
        return Noise(np.full((step, step), floor), np.zeros((step, step)), egain or 1.0, "ERR plane")
    gain = egain or _stated(frame, _GAINS)
    if frame.unit.startswith("electron"):
        gain = 1.0
    adu = adu_per_unit(frame)
    known = read_noise_e or (_stated(frame, _READ_NOISES) if _without_bias(frame) else None)
    if gain is not None and known is not None:
        told = f"gain {gain:.4g}, read noise {known:.4g} e-{_scale_in_words(adu)}"
        gain, coarse = gain * adu, coarseness(frame.data)
        floor = np.hypot(np.full((step, step), known / gain), coarse / np.sqrt(12))
        return Noise(floor, np.zeros((step, step)), gain, told, _hiding(coarse, floor))
    return _by_sky(frame, gain, adu, step)


def coarseness(values: NDArray[np.generic]) -> float:
    """Find the step in which a frame keeps its values, in its own unit; 0 where they are continuous."""
    return quantum(as_pixels(values)) or step_of(values)


def _hiding(step: float, floor: NDArray[np.float64]) -> float:
    """Return the step of the values if it is wider than the noise that they would have without it, else 0."""
    return step if float(np.median(floor)) < UNRESOLVED * step else 0.0


def adu_per_unit(frame: Frame) -> float:
    """Tell how many ADU of a camera one unit of a frame is, from its type and its largest value.

    Returns
    -------
    float
        1 unless the unit is ADU and the values cannot be those of a camera: 65535 for reals between 0 and 1, less than
        1 for integers beyond 26 bits, whose full scale is that of their type (of 32 bits for reals).
    """
    kind = frame.data.dtype
    if frame.unit != "adu" or (kind.kind != "f" and kind.itemsize < 4):
        return 1.0
    counted = np.isfinite(frame.data) & (frame.data <= (LARGEST_SINGLE if kind.kind == "f" else np.inf))
    largest = float(np.nanmax(frame.data, initial=0.0, where=counted))
    if kind.kind == "f" and 0 < largest <= LARGEST_SHARE:
        return float(FULL_SCALE)
    if largest <= LARGEST_ADU:
        return 1.0
    signed = kind.kind == "i"
    return FULL_SCALE / (2.0 ** (8 * (4 if kind.kind == "f" else kind.itemsize) - signed) - 1)


def _scale_in_words(adu: float) -> str:
    return "" if adu == 1 else f", unit {adu:.6g} ADU"


def _stated(frame: Frame, keywords: tuple[str, ...]) -> float | None:
    values = [frame.header.get(keyword) for keyword in keywords]
    found = [float(value) for value in values if isinstance(value, int | float) and value > 0]
    return found[0] if found else None


def _without_bias(frame: Frame) -> bool:
    return bool(set("BD") & set(str(frame.header.get("CALSTAT", "")).upper()))


def _by_sky(frame: Frame, gain: float | None, adu: float, step: int) -> Noise:
    """Measure the noise on the sky of every colour."""
    floor, level = np.empty((step, step)), np.empty((step, step))
    pixels = frame.real()
    for y, x in np.ndindex(step, step):
        part = None if frame.mask is None else frame.mask[y::step, x::step]
        sky = mesh_background(pixels[y::step, x::step], mask=part)
        if sky.noise is None or sky.level is None or not sky.noise > 0:
            raise ImagingError(
                "the sky of this frame has no noise that can be measured; state the gain and the read noise",
                reason="no-noise",
            )
        floor[y, x], level[y, x] = sky.noise, sky.level
    hiding = _hiding(coarseness(frame.data), floor)
    if gain is not None:
        told = f"sky of the frame, gain {gain:.4g}{_scale_in_words(adu)}"
        return Noise(floor, level, gain * adu, told, hiding)
    guess = float(np.median(level / np.square(floor))) / adu
    gain = min(max(guess, LEAST_EGAIN), LARGEST_EGAIN)
    told = f"sky of the frame, gain guessed {gain:.2g}{_scale_in_words(adu)}"
    return Noise(floor, level, gain * adu, told, hiding)
