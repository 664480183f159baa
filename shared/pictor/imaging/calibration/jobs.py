"""What is subtracted from a light and what divides it, settled before the first pixel is read."""

from dataclasses import dataclass

import numpy as np

from pictor.imaging.calibration.applying import Job
from pictor.imaging.calibration.masters import holds_bias
from pictor.imaging.calibration.opened import OpenMaster
from pictor.imaging.calibration.rows import Held, Mixed, Room, Rows, typical
from pictor.imaging.combine.noise import QUANTISATION_VARIANCE
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.pixels import step_of

TILE_PIXELS = 144_000
"""Pixels of a tile: few calls for a frame, and all of a tile stays in the caches of a processor."""

_STEP_ROWS, _STEP_COLUMNS = 16, 512
_SIGN = np.uint16(0x8000)


@dataclass(frozen=True, slots=True)
class How:
    """What is known of the detector, its gain per unit of the light, and how masters are applied; see `calibrate`."""

    egain: float
    read_noise_e: float
    dark_scale: float = 1.0
    bias_level: float | None = None
    saturation: float | None = None
    bayer: bool = False


@dataclass(frozen=True, slots=True)
class Masters:
    """The masters applied to a light, and further bad pixels."""

    bias: OpenMaster | None = None
    dark: OpenMaster | None = None
    flat: OpenMaster | None = None
    bad_pixels: Rows | None = None

    @property
    def used(self) -> tuple[OpenMaster, ...]:
        """Those there are."""
        return tuple(master for master in (self.bias, self.dark, self.flat) if master is not None)

    @property
    def calstat(self) -> str:
        """MaxIm's letters for what is applied; a dark takes the bias with it."""
        told = (("B", self.bias or self.dark), ("D", self.dark), ("F", self.flat))
        return "".join(letter for letter, used in told if used is not None)


def job_of(light: Rows, masters: Masters, how: How) -> Job:
    """Settle what is subtracted and divided.

    Raises
    ------
    FrameMismatchError
        If a master or map differs in shape.
    ImagingError
        If a dark needs a bias that is not given, or does not say whether it holds one.
    """
    for plane in (*(master.sci for master in masters.used), masters.bad_pixels):
        if plane is not None and plane.shape != light.shape:
            raise FrameMismatchError(f"the light has shape {light.shape}, a master {plane.shape}")
    level = _bias_level(masters.bias, masters.dark, how.bias_level)
    below, below_err = _below(masters.bias, masters.dark, how.dark_scale, level)
    flat, flat_err = _response(masters.flat)
    carried = tuple(master.mask for master in masters.used if master.mask is not None)
    floor = (how.read_noise_e / how.egain) ** 2 + _step_of(light) ** 2 * QUANTISATION_VARIANCE
    full = np.inf if how.saturation is None else how.saturation
    facts = np.array([floor, 1 / how.egain, np.nan if level is None else level, full], np.float32)
    return Job(light, below, below_err, flat, flat_err, carried, masters.bad_pixels, facts)


def tiles_of(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Cut a frame into tiles, first and last row of each; a multiple of four rows, see `PlaneFile.put`."""
    height = max(4, TILE_PIXELS // shape[1] // 4 * 4)
    return [(y, min(y + height, shape[0])) for y in range(0, shape[0], height)]


def _step_of(light: Rows) -> float:
    """Return the step in which a light keeps its values, as `step_of` finds it in some of its rows."""
    room, every, along = Room(), max(1, light.shape[0] // _STEP_ROWS), max(1, light.shape[1] // _STEP_COLUMNS)
    rows = [light.read(y, y + 1, room, "light")[0, ::along].copy() for y in range(0, light.shape[0], every)]
    values = np.concatenate(rows)
    if values.dtype == np.uint16:
        values = np.bitwise_xor(values.byteswap(), _SIGN)
    return step_of(values)


def _bias_level(bias: OpenMaster | None, dark: OpenMaster | None, given: float | None) -> float | None:
    """Find the level without signal: given, measured on the bias, or told by a master's header."""
    if given is not None:
        return given
    if bias is not None:
        return typical(bias.sci)
    told = None if dark is None else dark.header.get("BIASLVL")
    return float(told) if isinstance(told, int | float) else None


def _below(
    bias: OpenMaster | None, dark: OpenMaster | None, scale: float, level: float | None
) -> tuple[Rows | None, Rows | None]:
    """Make what is subtracted, ``a * bias + b * dark``, and its error."""
    if dark is None:
        return (None, None) if bias is None else (bias.sci, bias.err)
    held = holds_bias(dark.header, typical(dark.sci), level)
    if held and scale == 1.0:
        return dark.sci, dark.err
    if bias is None:
        why = "is scaled" if held else "has its bias subtracted"
        raise ImagingError(f"the master dark {why}: a master bias is needed as well", reason="no-matching-bias")
    share, factor = np.float32(1.0 - scale if held else 1.0), np.float32(scale)
    sci = Mixed(bias.sci, dark.sci, lambda one, two: share * one + factor * two)
    none = Held(np.zeros(sci.shape, np.float32))
    return sci, Mixed(bias.err or none, dark.err or none, lambda one, two: np.hypot(share * one, factor * two))


def _response(flat: OpenMaster | None) -> tuple[Rows | None, Rows | None]:
    """Return the flat and its error relative to it; a flat of another program is brought to 1."""
    if flat is None:
        return None, None
    level = np.float32(typical(flat.sci))
    if 0.5 < level < 2.0:
        return flat.sci, flat.err
    if not level > 0:
        raise ImagingError(
            f"the master flat has a median of {level:.3g}; it holds no light", reason="flat-without-light"
        )
    one = Mixed(flat.sci, flat.sci, lambda plane, _: plane / level)
    return one, None if flat.err is None else Mixed(flat.err, flat.err, lambda plane, _: plane / level)
