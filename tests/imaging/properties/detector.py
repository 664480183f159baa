"""Masters, what they tell of the detector, and bad pixels: examples of known truth."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.calibration.masters import Kind
from pictor.imaging.combine.method import Scaling
from tests.imaging.properties.case import Case, Given, Unit

SHAPE = (96, 112)
EGAIN, READ_E, LEVEL = 1.5, 6.0, 500


def raw(mean: NDArray | float, seed: int, *, noise: float = READ_E / EGAIN) -> NDArray[np.uint16]:
    """Pixels of this mean, in ADU, with read noise and photon noise above the level."""
    rng = np.random.default_rng(seed)
    light = np.maximum(np.broadcast_to(mean, SHAPE) - LEVEL, 0)
    return np.clip(np.rint(rng.normal(mean, np.hypot(noise, np.sqrt(light / EGAIN)), SHAPE)), 0, 65535).astype("u2")


def biases(number: int = 2) -> list[NDArray[np.uint16]]:
    """Bias frames of one camera."""
    return [raw(LEVEL, seed) for seed in range(1, number + 1)]


def flats() -> list[NDArray[np.uint16]]:
    """Two flats; the second is dimmer, as at dusk."""
    return [raw(20_000 + LEVEL, 3), raw(18_000 + LEVEL, 4)]


def spotted(level: float = LEVEL) -> NDArray[np.uint16]:
    """A master with a hot pixel, a dead one and a column of more signal."""
    dark = raw(level, 5)
    dark[40, 50], dark[70, 9] = 60_000, 0
    dark[:, 60] += 60
    return dark


BAD = [(40, 50), (70, 9), (10, 60)]


def near(value: float, truth: float, share: float) -> None:
    assert abs(value / truth - 1) <= share, f"{value} instead of {truth}"


def are_bad(found: NDArray, _: Given) -> None:
    assert all(found[place] for place in BAD[:2])
    assert np.count_nonzero(found) < 0.02 * found.size + len(found)


def map_of_bad(found: NDArray, given: Given) -> None:
    are_bad(found, given)
    assert found[BAD[2]] == 1


def column_60(found: Any, _: Given) -> None:
    assert 60 in found.columns
    assert len(found.columns) <= 3


def written(folder: Path, frames: list[NDArray], **cards: Any) -> list[Path]:
    """Write frames, once, as FITS."""
    paths = [folder / f"frame{number}.fits" for number in range(len(frames))]
    for path, data in zip(paths, frames, strict=True):
        fits.PrimaryHDU(data, fits.Header({"EXPTIME": 60.0, **cards})).writeto(path, overwrite=True)
    return paths


def near_median(data: NDArray, given: Given) -> None:
    frames = [np.asarray(getattr(one, "data", one), dtype=np.float64) for one in given["frames"]]
    off = np.abs(data - LEVEL)
    assert float(np.median(off)) < 3 * READ_E / EGAIN / np.sqrt(len(frames))
    assert off.max() < 6 * READ_E / EGAIN, "the hit of one frame is in the result"


def struck() -> list[NDArray[np.uint16]]:
    """Frames of which one was hit."""
    frames = biases(6)
    frames[2][50, 60] = 60_000
    return frames


def combined_well(found: Any, _: Given) -> None:
    assert abs(float(np.mean(found.sci)) - LEVEL) < 1
    assert abs(found.sci[50, 60] - LEVEL) < 20


DETECTOR: dict[str, Case] = {
    "combine_frames": Case(
        given=lambda _: {"frames": struck()},
        truth=lambda found, given: near_median(found.frame.data, given),
        pixels=("frames",),
        frames=True,
        unit=Unit.KEPT,
    ),
    "read_noise": Case(
        given=lambda _: {"bias1": biases()[0], "bias2": biases()[1], "egain": EGAIN},
        truth=lambda found, _: near(found, READ_E, 0.03),
        pixels=("bias1", "bias2"),
    ),
    "conversion_gain": Case(
        given=lambda _: dict(zip(("flat1", "flat2"), flats(), strict=True)) | {"dark": LEVEL, "read_noise": 4.0},
        truth=lambda found, _: near(found, EGAIN, 0.05),
        pixels=("flat1", "flat2"),
    ),
    "dark_current": Case(
        given=lambda _: {"dark": raw(LEVEL + 80, 6), "bias_level": 500.0, "egain": EGAIN, "exposure_s": 60.0},
        truth=lambda found, _: near(found.electrons_per_s, 2.0, 0.02),
        pixels=("dark",),
    ),
    "measure_read_noise": Case(
        given=lambda _: {"bias1": biases()[0], "bias2": biases()[1], "egain": EGAIN},
        truth=lambda found, _: near(found.electrons, READ_E, 0.03),
        pixels=("bias1", "bias2"),
        frames=True,
        unit=Unit.ADU,
    ),
    "measure_gain": Case(
        given=lambda _: dict(zip(("flat1", "flat2"), flats(), strict=True)) | {"dark": LEVEL, "read_noise_adu": 4.0},
        truth=lambda found, _: near(found.egain, EGAIN, 0.05),
        pixels=("flat1", "flat2"),
        frames=True,
        unit=Unit.ADU,
    ),
    "measure_dark_current": Case(
        given=lambda _: {"dark": raw(LEVEL + 80, 6), "bias": raw(LEVEL, 7), "egain": EGAIN, "exposure_s": 60.0},
        truth=lambda found, _: near(found, 2.0, 0.02),
        pixels=("dark", "bias"),
        frames=True,
        unit=Unit.ADU,
    ),
    "difference_histogram": Case(
        given=lambda _: dict(zip(("bias1", "bias2"), biases(), strict=True)),
        truth=lambda found, _: near(float(np.std(np.repeat(*found))), np.sqrt(2) * READ_E / EGAIN, 0.05),
        pixels=("bias1", "bias2"),
        frames=True,
        unit=Unit.ADU,
    ),
    "map_bad_pixels": Case(
        given=lambda _: {"darks": [spotted()], "flats": [raw(20_000, 8)]},
        truth=lambda found, given: map_of_bad(found.bits, given),
        pixels=("darks", "flats"),
        frames=True,
        unit=Unit.FREE,
    ),
    "find_bad_in_dark": Case(
        given=lambda _: {"dark": spotted()}, truth=map_of_bad, pixels=("dark",), frames=True, unit=Unit.FREE
    ),
    "find_bad_in_flat": Case(
        given=lambda _: {"flat": spotted(20_000)}, truth=are_bad, pixels=("flat",), frames=True, unit=Unit.FREE
    ),
    "find_lines": Case(
        given=lambda _: {"frame": spotted()}, truth=column_60, pixels=("frame",), frames=True, unit=Unit.FREE
    ),
    "bad_pixel_map": Case(given=lambda _: {"dark": spotted()}, truth=map_of_bad, pixels=("dark",)),
    "find_bad_pixels": Case(given=lambda _: {"dark": spotted()}, truth=are_bad, pixels=("dark",)),
    "find_bad_lines": Case(
        given=lambda _: {"dark": spotted(), "axis": 0},
        truth=lambda found, _: np.testing.assert_array_equal(found, [60]),
        pixels=("dark",),
    ),
    "read_bad_pixel_list": Case(
        given=lambda _: {"text": "columns: [3]\npixels: [[5, 9]]", "shape": SHAPE},
        truth=lambda found, _: np.testing.assert_array_equal(found[:2].nonzero()[1], [2, 2]),
    ),
    "combine_files": Case(
        given=lambda folder: {"paths": written(folder, struck())}, truth=combined_well, pixels=("paths",)
    ),
    "combine_plain": Case(
        given=lambda folder: {"paths": written(folder, struck()), "scale": Scaling.NONE},
        truth=lambda found, given: combined_well(found.combined, given),
        pixels=("paths",),
        frames=True,
        unit=Unit.KEPT,
    ),
    "stack_files": Case(
        given=lambda folder: {
            "paths": written(folder, struck()),
            "out": folder / "master.fits",
            "kind": Kind.BIAS,
            "egain": EGAIN,
        },
        truth=lambda found, _: near(float(fits.getdata(found.path).mean()), LEVEL, 0.001),
        pixels=("paths",),
        changes=("out",),
        within=math.inf,
    ),
}
