"""A master as another program wrote it: its one image, its planes if it has some, and nothing guessed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.calibration_stacker.gate import Check
from pictor.calibration_stacker.scaling import Scale
from pictor.imaging.calibration.masters import Kind, read_master
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.reading import read_frame
from pictor.imaging.headers.stacks import StackFacts, read_stack
from pictor.imaging.types import Mask

NO_DATA = np.uint8(16)
BAD = np.uint8(1)
PLANES = frozenset({"ERR", "MASK", "NUSED", "UNCERT", "VARIANCE", "FLAGS", "BADPIX", "PSFIMAGE"})
"""Extensions beside the pixels: ours, those of CCDData, and of the LSST pipeline."""

ROUNDING = 1 / math.sqrt(12)
"""Noise of rounding to whole numbers, in ADU: a master of integers has no less."""


@dataclass(frozen=True, slots=True)
class Given:
    """What is known of an uploaded master besides its file.

    Parameters
    ----------
    adu_per_unit, bias_inside
        What was said at the upload about its values.
    bias_level
        Level of the bias of its camera mode, in ADU.
    usual_level
        Median level of the individual frames of its configuration, in ADU.
    in_hand
        Individual frames of its group, the newest.
    row_order
        How the frames of its camera mode store their rows: TOP-DOWN or BOTTOM-UP.
    doubts
        What makes its identity uncertain.
    """

    kind: Kind
    cards: Mapping[str, str | float | int | bool]
    bayer: bool = False
    ncombine: int = 1
    bias_level: float | None = None
    usual_level: float | None = None
    active_path: Path | None = None
    notes: tuple[str, ...] = ()
    in_hand: tuple[Path, ...] = ()
    adu_per_unit: float | None = None
    bias_inside: bool | None = None
    egain: float | None = None
    row_order: str | None = None
    doubts: tuple[str, ...] = ()
    bias_path: Path | None = None

    @property
    def exposure_s(self) -> float | None:
        """Exposure of each frame combined, in seconds."""
        found = self.cards.get("EXPTIME")
        return float(found) if isinstance(found, int | float) else None


@dataclass
class Judged:
    """The planes of a master on their way into our form, and every test made of them."""

    sci: NDArray[np.float32]
    err: NDArray[np.float32]
    mask: Mask
    nused: NDArray[np.uint8]
    facts: StackFacts = field(default_factory=StackFacts)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    level: float = 0.0
    scale: Scale | None = None
    holds_bias: bool | None = None
    flat_level: float | None = None
    counted: bool = False
    """Whether the file says how many frames survived in each pixel."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.sci.shape[0], self.sci.shape[1]

    def multiply(self, factor: float) -> None:
        """Bring the pixels and their errors to another unit."""
        if factor != 1.0:
            self.sci *= np.float32(factor)
            self.err *= np.float32(factor)
            self.level *= factor


def read_foreign(path: Path, given: Given) -> Judged:
    """Read the one image of a file and what belongs to it; rows in the order of the frames it is for.

    Raises
    ------
    ImagingError
        If the file holds several images, or an image that has not two axes.
    """
    file = read_frame(path)
    data = file.data[0] if file.data.ndim == 3 and file.data.shape[0] == 1 else file.data
    if data.ndim != 2:
        shape = " x ".join(str(side) for side in reversed(data.shape))
        raise ImagingError(
            f"the file has {data.ndim} axes ({shape}); a master has two: upload each plane by itself",
            reason="not-two-axes",
        )
    facts = read_stack(file.cards)
    sci = np.array(data, dtype=np.float32, order="C")
    noise = max(_noise(sci), 0.0 if facts.real_valued else ROUNDING)
    nused = np.full(sci.shape, min(max(given.ncombine, 1), 255), np.uint8)
    judged = Judged(sci, np.full(sci.shape, noise, np.float32), np.zeros(sci.shape, np.uint8), nused, facts)
    judged.notes.extend(given.notes)
    _take_planes(path, file.hdu, judged)
    _turn(judged, next((c.value for c in file.cards if c.keyword == "ROWORDER"), None), given.row_order)
    return judged


def _take_planes(path: Path, image: int, judged: Judged) -> None:
    """Take the planes of our own masters, or error and mask of CCDData; name what is left out.

    Raises
    ------
    ImagingError
        If there is a second image that is no plane of the first.
    """
    with fits.open(path) as units:
        images = {unit.name or str(i): unit for i, unit in enumerate(units) if unit.is_image and unit.shape}
        own = units[image].name or str(image)
        others = [name for name in images if name != own and name not in PLANES]
        if len(others) > 0:
            names = ", ".join([own, *others][:6])
            raise ImagingError(
                f"the file holds {len(others) + 1} images ({names}); a master is one: upload each by itself",
                reason="several-images",
            )
        fitting = {name for name in images if images[name].shape == judged.shape}
        if {"ERR", "MASK", "NUSED"} <= fitting:
            ours = read_master(path)
            judged.err, judged.mask, judged.nused, judged.counted = ours.err, ours.mask, ours.nused, True
            return
        if "UNCERT" in fitting:
            judged.err = _uncertainty(images["UNCERT"], judged)
        if "VARIANCE" in fitting:
            judged.err = np.sqrt(np.maximum(np.asarray(images["VARIANCE"].data, np.float32), 0))
        if "MASK" in fitting:
            _take_mask(np.asarray(images["MASK"].data), judged)


def _uncertainty(unit: fits.ImageHDU, judged: Judged) -> NDArray[np.float32]:
    """Read UNCERT of CCDData, whose UTYPE says what it is."""
    values = np.asarray(unit.data, np.float64)
    kind = str(unit.header.get("UTYPE", "StdDevUncertainty"))
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "VarianceUncertainty":
            values = np.sqrt(values)
        elif kind == "InverseVariance":
            values = 1 / np.sqrt(values)
        elif kind != "StdDevUncertainty":
            judged.notes.append(f"its UNCERT plane is of a kind that is not understood ({kind}) and is left out")
            return judged.err
    judged.notes.append("errors taken from its UNCERT plane")
    return np.where(np.isfinite(values) & (values >= 0), values, judged.err).astype(np.float32)


def _take_mask(mask: NDArray[np.generic], judged: Judged) -> None:
    if mask.dtype.kind not in "biu" or not np.isin(mask, (0, 1)).all():
        judged.notes.append("its MASK plane holds more than 0 and 1: what the bits mean is not known, it is left out")
        return
    judged.mask[mask != 0] |= BAD
    judged.notes.append(f"{int(np.count_nonzero(mask))} bad pixels taken from its MASK plane")


def _turn(judged: Judged, own: object, wanted: str | None) -> None:
    """Put the rows into the order of the frames, where both say theirs."""
    found = str(own or "").strip().upper()
    if found not in {"TOP-DOWN", "BOTTOM-UP"} or wanted not in {"TOP-DOWN", "BOTTOM-UP"} or found == wanted:
        return
    for name in ("sci", "err", "mask", "nused"):
        setattr(judged, name, np.ascontiguousarray(getattr(judged, name)[::-1]))
    judged.notes.append(f"rows turned over: the file says ROWORDER {found}, the frames of its camera mode {wanted}")


def _noise(sci: NDArray[np.float32]) -> float:
    """Return the noise of a pixel from the differences of neighbours in every second row and column."""
    some = sci[:: max(1, sci.shape[0] // 512)]
    difference = np.diff(some[:, : some.shape[1] // 2 * 2].reshape(some.shape[0], -1, 2), axis=2).ravel()
    difference = difference[np.isfinite(difference)]
    return 1.4826 * float(np.median(np.abs(difference))) / math.sqrt(2) if difference.size else 0.0
