"""Calibrating, mending, arithmetic and files: examples of known truth."""

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.calibration.cosmics import Detector
from pictor.imaging.calibration.masters import Master
from pictor.imaging.frame import BAD, HIT, Frame
from pictor.imaging.products import Input, Provenance
from tests.imaging.properties.case import Case, Given, Unit

SHAPE = (64, 72)
EGAIN, READ_E, SKY = 2.0, 6.0, 400.0
SIGMA = float(np.hypot(READ_E / EGAIN, np.sqrt(SKY / EGAIN)))
MADE = Provenance("example", inputs=(Input("light.fits", "0" * 64),), settings={"kernel": "lanczos3"})
PLACE = (40, 50)
"""A pixel of its own in every example: dead, hot or hit."""

FRAME = "it takes a Frame, which checks its shape when it is made"

RESPONSE = np.linspace(0.8, 1.2, SHAPE[1])[None, :].repeat(SHAPE[0], 0)


def sky(level: float, seed: int, *, times: NDArray | float = 1.0) -> NDArray[np.uint16]:
    """Sky of 400 ADU times a response above a level, with its noise."""
    signal = np.random.default_rng(seed).normal(SKY, SIGMA, SHAPE) * times
    return np.rint(signal + level).astype(np.uint16)


def light() -> NDArray[np.uint16]:
    """A raw light of even sky: bias of 500, response of the flat, one hot pixel."""
    pixels = sky(500, 1, times=RESPONSE)
    pixels[PLACE] = 65_000
    return pixels


def plane(value: NDArray | float) -> NDArray[np.float32]:
    return np.broadcast_to(np.asarray(value, np.float32), SHAPE).copy()


def master(value: NDArray | float, **cards: Any) -> Master:
    """A master without error of its own; the hot pixel is known."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[PLACE] = BAD
    return Master(plane(value), plane(0), mask, np.full(SHAPE, 9, np.uint8), fits.Header(cards))


def even(data: NDArray, _: Given) -> None:
    """Even sky at its level; a pixel that could not be mended may be missing."""
    near = data[np.isfinite(data)]
    assert near.size > data.size - 9
    assert abs(float(near.mean()) / SKY - 1) < 0.01
    assert float(near.std()) < 1.6 * SIGMA
    assert abs(float(data[PLACE]) - SKY) < 5 * SIGMA


def calibrated(found: Any, given: Given) -> None:
    """Level, repair and an error that is the scatter."""
    even(found.data if isinstance(found, Frame) else found.sci, given)
    assert abs(float(np.nanmedian(found.err)) / SIGMA - 1) < 0.15


def hit() -> NDArray[np.uint16]:
    """Sky at the level 400 with one hit."""
    pixels = sky(0, 2)
    pixels[PLACE] = 3_000
    return pixels


def where_hit(found: NDArray, _: Given) -> None:
    assert found[PLACE]
    assert np.count_nonzero(found) <= 4


def cleaned(found: Frame, given: Given) -> None:
    even(found.data, given)
    assert found.mask is not None
    where_hit((found.mask & HIT) != 0, given)


def in_file(folder: Path, name: str, data: NDArray, **cards: Any) -> Path:
    """Write pixels as FITS."""
    fits.writeto(folder / name, data, fits.Header(cards), overwrite=True)
    return folder / name


def operands() -> Given:
    one, other = sky(0, 3), sky(0, 4)
    one[0, :2], other[0, :2] = (65_535, 3), (65_535, 7)
    return {"one": one, "other": other}


def of_both(operator: Any) -> Any:
    """Make the check that a result is the operation in numbers without bounds, where nothing was spoilt."""

    def check(found: Frame, given: Given) -> None:
        one, other = (np.asarray(getattr(given[name], "data", given[name]), np.float64) for name in ("one", "other"))
        good = np.isfinite(one) & np.isfinite(other)
        np.testing.assert_allclose(found.data[good], operator(one[good], other[good]), rtol=1e-6)
        assert found.mask is None or np.all((found.mask[~good] & 16) != 0)

    return check


def mend_in_place() -> Given:
    sci, mask = sky(0, 5).astype(np.float32), np.zeros(SHAPE, np.uint8)
    sci[PLACE], mask[PLACE] = 60_000, BAD
    return {"sci": sci, "err": plane(SIGMA), "mask": mask, "bayer": False}


def mended(found: tuple[int, int], given: Given) -> None:
    assert found == (1, 0)
    even(given["sci"], given)


def written(folder: Path) -> Given:
    return {"path": folder / "out.fits", "frame": Frame(sky(0, 6)), "made": MADE, "overwrite": True}


def read_back(_: None, given: Given) -> None:
    back = Frame.from_fits(given["path"])
    np.testing.assert_array_equal(back.data, given["frame"].data.astype(np.float32))
    assert back.unit == given["frame"].unit
    assert back.header["IN001NAM"] == "light.fits"


MASTERS = {"bias": Frame(plane(500)), "flat": Frame(RESPONSE.astype(np.float32), unit="")}
ARITHMETIC: dict[str, Any] = {"pixels": ("one", "other"), "frames": True}
SUM, PRODUCT = {**ARITHMETIC, "unit": Unit.KEPT}, {**ARITHMETIC, "unit": Unit.PRODUCT}

PIXELS: dict[str, Case] = {
    "write_product": Case(
        given=written,
        truth=read_back,
        pixels=("frame",),
        frames=True,
        unit=Unit.KEPT,
        changes=("path",),
        different={"wrong shape": FRAME},
    ),
    "calibrate_frame": Case(
        given=lambda _: {
            "light": light(), **MASTERS, "bad_pixels": master(0).mask, "egain": EGAIN, "read_noise_e": READ_E
        },
        truth=calibrated,
        pixels=("light", "bias"),
        frames=True,
        cut="bad_pixels",
        unit=Unit.KEPT,
    ),
    "repair_frame": Case(
        given=lambda _: {"frame": hit(), "bad": master(0).mask},
        truth=lambda found, given: even(found.data, given),
        pixels=("frame",),
        frames=True,
        cut="bad",
        unit=Unit.KEPT,
    ),
    "clean_cosmics": Case(
        given=lambda _: {"frame": hit()}, truth=cleaned, pixels=("frame",), frames=True, unit=Unit.KEPT
    ),
    "noise_of": Case(
        given=lambda _: {"frame": Frame(hit())},
        truth=lambda found, _: np.testing.assert_allclose(found.floor, SIGMA, rtol=0.1),
        pixels=("frame",),
        frames=True,
        unit=Unit.FREE,
        different={"wrong shape": FRAME},
    ),
    "add": Case(given=lambda _: operands(), truth=of_both(np.add), **SUM),
    "subtract": Case(given=lambda _: operands(), truth=of_both(np.subtract), **SUM),
    "multiply": Case(given=lambda _: operands(), truth=of_both(np.multiply), **PRODUCT, made_unit="electron2"),
    "divide": Case(given=lambda _: operands(), truth=of_both(np.divide), **PRODUCT, made_unit=""),
    "calibrate": Case(
        given=lambda _: {
            "light": light(), "egain": EGAIN, "read_noise_e": READ_E, "bias": master(500), "flat": master(RESPONSE)
        },
        truth=calibrated,
        pixels=("light",),
        cut="light",
    ),
    "calibrate_file": Case(
        given=lambda folder: {
            "light": in_file(folder, "light.fits", light(), IMAGETYP="LIGHT"),
            "out": folder / "out.fits",
            "bias": in_file(folder, "bias.fits", plane(500)),
            "flat": in_file(folder, "flat.fits", RESPONSE.astype(np.float32)),
            "bad_pixels": in_file(folder, "bad.fits", master(0).mask),
            "egain": EGAIN,
            "read_noise_e": READ_E,
        },
        truth=lambda _, given: calibrated(Frame.from_fits(given["out"]), given),
        pixels=("light",),
        cut="light",
        changes=("out",),
    ),
    "repair_bad_pixels": Case(
        given=lambda _: mend_in_place(),
        truth=mended,
        changes=("sci", "err"),
        different={"pixels": "it changes float32 planes of one light in place, as its docstring says"},
    ),
    "find_cosmics": Case(
        given=lambda _: {
            "sci": hit(), "mask": np.zeros(SHAPE, np.uint8), "err": plane(SIGMA), "detector": Detector(EGAIN, READ_E)
        },
        truth=where_hit,
        pixels=("sci",),
        cut="mask",
    ),
}  # fmt: skip
