"""Faults of calibration frames, each planted with numbers that are written down."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.simulator.calibration import render_bias, render_dark, render_flat
from pictor.imaging.simulator.fits import Exposure
from pictor.imaging.simulator.optics import Rig

WARM_C = 6.0
"""Degrees by which the cooler misses its set-point; the dark current doubles."""

SATURATED_LEVEL = 1.06
FAINT_SIGNAL_E = 700.0
"""Electrons of the brightest part of an under-exposed flat: signal-to-noise 26 at best."""

STEP_E = 18.0
IDENTICAL_SHARE = 0.25
MISLABELLED_FACTOR = 5.0
COMBINED = 10
BANDING_E = 12.0
BANDS = 2
"""Waves over the height of the frame: several blocks of a block test in each."""

Pixels = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Shot:
    """One exposure to be rendered."""

    rig: Rig
    exposure: Exposure
    seed: int


@dataclass(frozen=True, slots=True)
class Planted:
    """Pixels, what the header says of them, and the numbers planted."""

    pixels: Pixels
    exposure: Exposure
    numbers: dict[str, float]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: how it is planted, and the reason class that must keep it out (None: no frame alone shows it)."""

    plant: Callable[[Shot], Planted]
    reason: str | None


def render(shot: Shot) -> Pixels:
    """Render a sound bias, dark or flat, shape (ny, nx), in ADU."""
    taken, camera = shot.exposure, shot.rig.camera
    warmth = taken.temperature_c
    if taken.kind == "BIAS":
        return render_bias(camera, temperature_c=warmth, seed=shot.seed)
    if taken.kind == "FLAT":
        name = taken.filter_name or "L"
        return render_flat(shot.rig, name, exposure_s=taken.exposure_s, temperature_c=warmth, seed=shot.seed)
    return render_dark(camera, exposure_s=taken.exposure_s, temperature_c=warmth, seed=shot.seed)


def _warm(shot: Shot) -> Planted:
    """Take the frame while the sensor is above its set-point."""
    taken = shot.exposure
    set_point = taken.temperature_c if taken.set_point_c is None else taken.set_point_c
    warm = replace(taken, temperature_c=taken.temperature_c + WARM_C, set_point_c=set_point)
    numbers = {"set_point_c": set_point, "sensor_c": warm.temperature_c}
    return Planted(render(replace(shot, exposure=warm)), warm, numbers)


def _saturated(shot: Shot) -> Planted:
    return _flat_of(shot, SATURATED_LEVEL, {"level_of_range": SATURATED_LEVEL, "saturated_share_least": 0.05})


def _faint(shot: Shot) -> Planted:
    camera = shot.rig.camera
    level = FAINT_SIGNAL_E / ((camera.saturation_adu - camera.pedestal) * camera.egain)
    return _flat_of(shot, level, {"signal_e": FAINT_SIGNAL_E})


def _flat_of(shot: Shot, level: float, numbers: dict[str, float]) -> Planted:
    taken = shot.exposure
    pixels = render_flat(
        shot.rig, taken.filter_name or "L", exposure_s=taken.exposure_s, temperature_c=taken.temperature_c,
        seed=shot.seed, level=level,
    )  # fmt: skip
    return Planted(pixels, taken, numbers)


def _step(shot: Shot) -> Planted:
    """Raise the lower half of the rows, as an amplifier that jumps during the read-out does."""
    pixels = render(shot)
    first, step = pixels.shape[0] // 2, STEP_E / shot.rig.camera.egain
    pattern = np.zeros(pixels.shape)
    pattern[first:] = step
    numbers = {"step_e": STEP_E, "step_adu": step, "first_row": float(first)}
    return Planted(_added(pixels, pattern, shot.seed), shot.exposure, numbers)


def _halves(shot: Shot) -> Planted:
    """Raise the lower half of the rows and lower the upper one, so that the level of the frame stays."""
    pixels = render(shot)
    first, step = pixels.shape[0] // 2, STEP_E / shot.rig.camera.egain
    pattern = np.full(pixels.shape, -step / 2)
    pattern[first:] = step / 2
    numbers = {"step_e": STEP_E, "step_adu": step, "first_row": float(first)}
    return Planted(_added(pixels, pattern, shot.seed), shot.exposure, numbers)


def _banding(shot: Shot) -> Planted:
    """Add the bands of an interfering power supply; the level of the frame stays."""
    pixels = render(shot)
    amplitude = BANDING_E / shot.rig.camera.egain
    waves = amplitude * np.sin(2 * np.pi * (np.arange(pixels.shape[0]) + 0.5) * BANDS / pixels.shape[0])
    pattern = np.repeat(waves[:, None], pixels.shape[1], axis=1)
    numbers = {"amplitude_e": BANDING_E, "amplitude_adu": amplitude, "bands": float(BANDS)}
    return Planted(_added(pixels, pattern, shot.seed), shot.exposure, numbers)


def _added(pixels: Pixels, pattern: NDArray[np.float64], seed: int) -> Pixels:
    """Add a pattern of fractions of an ADU, rounded at random so that its mean stays true."""
    shake = np.random.default_rng([seed, 11]).random(pixels.shape)
    return np.clip(np.floor(pixels + pattern + shake), 0, 65535).astype(np.uint16)


def _identical(shot: Shot) -> Planted:
    """Fill the last rows with one value, as a transfer that breaks off does."""
    pixels = render(shot)
    value = int(np.median(pixels))
    rows = round(IDENTICAL_SHARE * pixels.shape[0])
    pixels[-rows:] = value
    return Planted(pixels, shot.exposure, {"share": rows / pixels.shape[0], "value": float(value)})


def _mislabelled(shot: Shot) -> Planted:
    """Expose longer than the header says."""
    true = replace(shot.exposure, exposure_s=shot.exposure.exposure_s * MISLABELLED_FACTOR)
    numbers = {"exposure_s": true.exposure_s, "header_exposure_s": shot.exposure.exposure_s}
    return Planted(render(replace(shot, exposure=true)), shot.exposure, numbers)


def _stacked(shot: Shot) -> Planted:
    """Send the mean of several exposures as if it were one; only a card tells."""
    return Planted(_mean(shot), replace(shot.exposure, combined=COMBINED), {"frames": float(COMBINED)})


def _stacked_silently(shot: Shot) -> Planted:
    """Send the mean of several exposures as if it were one; only its noise tells."""
    return Planted(_mean(shot), shot.exposure, {"frames": float(COMBINED)})


def _mean(shot: Shot) -> Pixels:
    frames = [render(replace(shot, seed=shot.seed * 100 + number)) for number in range(COMBINED)]
    return np.rint(np.mean(frames, axis=0, dtype=np.float64)).astype(np.uint16)


FAULTS: dict[str, Fault] = {
    "warm": Fault(_warm, "temperature-unsettled"),
    "saturated": Fault(_saturated, "saturated"),
    "faint": Fault(_faint, "flat-too-faint"),
    "step": Fault(_step, "level-outlier"),
    "identical": Fault(_identical, "one-value"),
    "mislabelled": Fault(_mislabelled, "level-outlier"),
    "stacked": Fault(_stacked, "is-master"),
    "quiet": Fault(_stacked_silently, "too-quiet"),
    "halves": Fault(_halves, None),
    "banding": Fault(_banding, None),
}
"""By name; ``halves`` and ``banding`` are for whole sets, in which no frame stands out."""
