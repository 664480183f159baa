"""A master made elsewhere: read, brought into our form, and judged by what its pixels show."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.calibration_stacker.gate import BLOCK_LIMIT, BLOCK_SHARE, NEVER_GOOD, SEVERITY, Check, Verdict
from pictor.imaging.calibration.badpixels import bad_pixel_map
from pictor.imaging.calibration.building import strips
from pictor.imaging.calibration.cards import CALSTAT
from pictor.imaging.calibration.masters import (
    IMAGE_TYPE,
    Card,
    Kind,
    Master,
    master_header,
    read_master,
    read_strips,
    write_map,
    write_master,
)
from pictor.imaging.calibration.splitting import compare
from pictor.imaging.combine.flats import normalise
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.reading import read_frame
from pictor.imaging.fits.statistics import statistics
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.headers.describe import describe
from pictor.imaging.types import Mask

UNIT_RANGE = 65535.0
"""PixInsight and Siril write 32-bit masters relative to the full range of 16 bits."""

NO_DATA = np.uint8(16)
FINITE_SHARE = 1 - NEVER_GOOD
LOWEST_DARK_ADU = -1.0
"""A dark whose bias was subtracted may lie a little below zero; further down too much was subtracted."""

SAME_LEVEL = 0.05
LEAST_LEVEL_ADU = 2.0
"""A level may differ by this share of itself, or by this many ADU, before a person is asked."""

LOW_SHARE = 0.05
REPEATED = 0.5
CONSTANT = 0.95


@dataclass(frozen=True, slots=True)
class Given:
    """What is known of an uploaded master besides its file."""

    kind: Kind
    cards: Mapping[str, str | float | int | bool]
    bayer: bool = False
    ncombine: int = 1
    bias_level: float | None = None
    usual_level: float | None = None
    active_path: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass
class Judged:
    """The planes of a master on their way into our form, and every test made of them."""

    sci: NDArray[np.float32]
    err: NDArray[np.float32]
    mask: Mask
    nused: NDArray[np.uint8]
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    level: float = 0.0
    holds_bias: bool | None = None
    flat_level: float | None = None


def inspect(path: Path, name: str, scratch: Path) -> dict[str, object]:
    """Read an uploaded file: its description, and where its plain FITS lies.

    Raises
    ------
    UnreadableFrameError
        If it is not a frame that can be read.
    """
    plain = unpack(path, scratch).path
    description = describe(read_frame(plain).cards, name=name)
    return {"path": str(plain), "description": asdict(description)}


def adopt(path: Path, scratch: Path, given: Given) -> dict[str, object]:
    """Bring a master into our form and judge it; the worst of its tests decides.

    Raises
    ------
    ImagingError
        If it cannot be a master at all.
    """
    judged = _read(path, given)
    _finite(judged)
    _constant(judged)
    if given.kind is Kind.FLAT:
        _flat(judged, given)
    else:
        _unit_range(judged)
        _dark(judged, given)
    _against_active(judged, given)
    verdict = max((check.verdict for check in judged.checks), key=SEVERITY.index)
    bad_path = _bad_pixels(judged, given, scratch)
    header = _header(path, judged, given)
    write_master(scratch / "adopted.fits", Master(judged.sci, judged.err, judged.mask, judged.nused, header))
    reasons = [check.detail for check in judged.checks if check.verdict is not Verdict.ACTIVE]
    return {
        "master_path": str(scratch / "adopted.fits"), "bad_pixels_path": bad_path, "verdict": str(verdict),
        "reasons": reasons, "checks": [asdict(check) for check in judged.checks], "notes": judged.notes,
        "levels_adu": [] if given.kind is Kind.FLAT else [judged.level], "flat_level_adu": judged.flat_level,
        "holds_bias": judged.holds_bias,
    }  # fmt: skip


def _read(path: Path, given: Given) -> Judged:
    data = read_frame(path).data
    if data.ndim == 3 and data.shape[0] == 1:
        data = data[0]
    if data.ndim != 2:
        shape = " x ".join(str(side) for side in reversed(data.shape))
        raise ImagingError(f"the file has {data.ndim} axes ({shape}); a master has two", reason="not-two-axes")
    sci = np.array(data, dtype=np.float32, order="C")
    ours = _planes(path, (sci.shape[0], sci.shape[1]))
    nused = np.full(sci.shape, min(max(given.ncombine, 1), 255), np.uint8) if ours is None else ours.nused
    mask = np.zeros(sci.shape, np.uint8) if ours is None else ours.mask
    err = np.full(sci.shape, _noise(sci), np.float32) if ours is None else ours.err
    return Judged(sci, err, mask, nused, notes=list(given.notes))


def _planes(path: Path, shape: tuple[int, int]) -> Master | None:
    """Return the planes of a master that has all of ours, else None."""
    with fits.open(path) as units:
        named = {unit.name: unit.shape for unit in units}
    if any(named.get(name) != shape for name in ("ERR", "MASK", "NUSED")):
        return None
    return read_master(path)


def _noise(sci: NDArray[np.float32]) -> float:
    """Return the noise of a pixel from the differences of neighbours in every second row and column."""
    some = sci[:: max(1, sci.shape[0] // 512)]
    difference = np.diff(some[:, : some.shape[1] // 2 * 2].reshape(some.shape[0], -1, 2), axis=2).ravel()
    difference = difference[np.isfinite(difference)]
    return 1.4826 * float(np.median(np.abs(difference))) / math.sqrt(2) if difference.size else 0.0


def _finite(judged: Judged) -> None:
    good = np.isfinite(judged.sci)
    share = float(good.mean())
    verdict = Verdict.ACTIVE if share >= FINITE_SHARE else Verdict.REJECTED
    text = f"{100 * share:.2f} % of pixels have a value ({100 * FINITE_SHARE:g} % are needed)"
    judged.checks.append(Check("finite pixels", share, FINITE_SHARE, None, verdict, text))
    if not good.any():
        raise ImagingError("no pixel of the file has a value", reason="no-values")
    judged.level = float(np.median(judged.sci[good]))
    if share < 1:
        judged.mask[~good] |= NO_DATA
        judged.sci[~good] = judged.level


def _constant(judged: Judged) -> None:
    """One value almost everywhere is a drawing, not a detector."""
    share = statistics(judged.sci).repeated_fraction or 0.0
    verdict = Verdict.ACTIVE if share < REPEATED else Verdict.NEEDS_REVIEW
    verdict = Verdict.REJECTED if share >= CONSTANT else verdict
    text = f"one value fills {100 * share:.0f} % of the pixels (limit {100 * REPEATED:g} %)"
    judged.checks.append(Check("repeated value", share, None, REPEATED, verdict, text))


def _unit_range(judged: Judged) -> None:
    """Bring values relative to the full range back to ADU."""
    highest = float(judged.sci.max())
    if not 0 < highest <= 1.0 or judged.level < 0:
        return
    judged.sci *= np.float32(UNIT_RANGE)
    judged.err *= np.float32(UNIT_RANGE)
    judged.level *= UNIT_RANGE
    judged.notes.append(f"values from 0 to {highest:.4f} were taken as shares of {UNIT_RANGE:g} ADU")


def _dark(judged: Judged, given: Given) -> None:
    level = judged.level
    sound = level >= LOWEST_DARK_ADU
    text = f"median level {level:.1f} ADU" + ("" if sound else ": more was subtracted than was there")
    verdict = Verdict.ACTIVE if sound else Verdict.REJECTED
    judged.checks.append(Check("level", level, LOWEST_DARK_ADU, None, verdict, text))
    if given.kind is not Kind.BIAS and given.bias_level:
        judged.holds_bias = level > given.bias_level / 2
        if sound and not judged.holds_bias:
            text = f"the bias ({given.bias_level:.1f} ADU) is not inside this dark ({level:.1f} ADU)"
            check = Check("bias inside", level, given.bias_level / 2, None, Verdict.NEEDS_REVIEW, text)
            judged.checks.append(check)
            return
    if given.usual_level is not None and sound:
        judged.checks.append(_same_level(level, given.usual_level, "individual frames of this configuration"))


def _same_level(level: float, usual: float, what: str) -> Check:
    reach = max(LEAST_LEVEL_ADU, SAME_LEVEL * abs(usual))
    verdict = Verdict.ACTIVE if abs(level - usual) <= reach else Verdict.NEEDS_REVIEW
    text = f"median level {level:.1f} ADU, {what} {usual:.1f} ADU (allowed {reach:.1f} ADU apart)"
    return Check("usual level", level, usual - reach, usual + reach, verdict, text)


def _flat(judged: Judged, given: Given) -> None:
    if judged.level <= 0:
        raise ImagingError(f"the flat's median is {judged.level:.3f}; it holds no light", reason="flat-without-light")
    levels = normalise(judged.sci, judged.mask, bayer=given.bayer)
    judged.flat_level = float(levels.mean())
    judged.err /= np.float32(judged.flat_level)
    share = float(np.mean((judged.mask & 4) != 0))
    verdict = Verdict.ACTIVE if share <= LOW_SHARE else Verdict.NEEDS_REVIEW
    verdict = Verdict.REJECTED if share > 0.5 else verdict
    text = f"{100 * share:.2f} % of pixels below a fifth of the middle (limit {100 * LOW_SHARE:g} %)"
    judged.checks.append(Check("dim pixels", share, None, LOW_SHARE, verdict, text))
    judged.notes.append(f"divided by its mean level in the middle, {judged.flat_level:.4g}")


def _against_active(judged: Judged, given: Given) -> None:
    """Compare blocks with the master in use: structure asks for a person, as does another level of a dark."""
    if given.active_path is None:
        text = "no active master to compare with"
        judged.checks.append(Check("active master", None, None, BLOCK_LIMIT, Verdict.ACTIVE, text))
        return
    shape = judged.sci.shape[0], judged.sci.shape[1]
    ranges = strips(*shape)
    old = read_strips(given.active_path, ranges, shape)
    rows = np.concatenate([np.arange(first, end) for first, end in ranges])
    new, err = judged.sci[rows].copy(), judged.err[rows]
    new[(judged.mask[rows] | old.mask) != 0] = np.nan
    variance = np.square(err) + np.square(old.err)
    variance[~(variance > 0)] = max(float(np.median(variance)), 1e-12)
    found = compare(new, old.sci, variance)
    failed = found.block_max > BLOCK_LIMIT and found.block_share > BLOCK_SHARE
    text = f"against the active master: largest block {found.block_max:.1f} sigma, {100 * found.block_share:.2f} % of "
    text += f"blocks beyond 5 sigma (limits {BLOCK_LIMIT:g} sigma and {100 * BLOCK_SHARE:g} % together)"
    verdict = Verdict.NEEDS_REVIEW if failed else Verdict.ACTIVE
    judged.checks.append(Check("active master", found.block_max, None, BLOCK_LIMIT, verdict, text))
    if given.kind is not Kind.FLAT:
        level = float(np.median(old.sci[:: max(1, old.sci.shape[0] // 256)]))
        judged.checks.append(_same_level(level + found.offset, level, "the active master"))


def _bad_pixels(judged: Judged, given: Given, scratch: Path) -> str | None:
    if given.kind not in {Kind.DARK, Kind.FLAT_DARK}:
        return None
    bad = bad_pixel_map(judged.sci)
    np.bitwise_or(judged.mask, bad, out=judged.mask)
    path = scratch / "adopted_bad_pixels.fits"
    write_map(path, bad, fits.Header())
    return str(path)


def _header(path: Path, judged: Judged, given: Given) -> fits.Header:
    first = [(card.keyword, card.value, card.comment) for card in read_frame(path).cards]
    cards: list[Card] = [
        ("IMAGETYP", IMAGE_TYPE[given.kind], "kind of master"),
        ("CALROLE", str(given.kind), "role in calibration"),
        ("BUNIT", "" if given.kind is Kind.FLAT else "adu", "unit; a flat is relative to 1"),
        ("NCOMBINE", given.ncombine, "frames combined, as far as is known"),
        ("CALSTAT", CALSTAT[given.kind], "calibration state"),
        *((name, value, "") for name, value in given.cards.items()),
    ]
    if judged.holds_bias is not None:
        cards.append(("DARKBIAS", judged.holds_bias, "bias level is still inside"))
    if judged.flat_level is not None:
        cards.append(("FLATLVL", judged.flat_level, "mean level divided out"))
    return master_header(first, cards, judged.notes)
