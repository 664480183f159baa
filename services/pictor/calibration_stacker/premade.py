"""A master made elsewhere: read, brought into our form, and judged by what its pixels show."""

from dataclasses import asdict
from pathlib import Path
from textwrap import wrap

import numpy as np
from astropy.io import fits

from pictor.calibration_stacker.comparing import (
    InHand,
    checks_in_hand,
    no_halves,
    nothing_to_compare,
    read_in_hand,
    structure,
)
from pictor.calibration_stacker.foreign import Given, Judged, read_foreign
from pictor.calibration_stacker.gate import BLOCK_LIMIT, BLOCK_SHARE, SEVERITY, Check, Verdict
from pictor.calibration_stacker.plausible import constant, dark_level, finite, normalise_flat, same_level, to_adu
from pictor.imaging.calibration.badindark import bad_pixel_map
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
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import read_cards
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.headers.describe import describe
from pictor.imaging.types import Image

HISTORY_WIDTH = 70
"""Characters of a HISTORY card; longer lines would be cut within words."""


def inspect(path: Path, name: str, scratch: Path) -> dict[str, object]:
    """Read an uploaded file: its description, and where its plain FITS lies.

    Raises
    ------
    UnreadableFrameError
        If it is not a frame that can be read.
    """
    plain = unpack(path, scratch).path
    description = describe(read_cards(plain, prescan_file(plain)), name=name)
    return {"path": str(plain), "description": asdict(description)}


def adopt(path: Path, scratch: Path, given: Given) -> dict[str, object]:
    """Bring a master into our form and judge it; the worst of its tests decides.

    Raises
    ------
    ImagingError
        If it cannot be a master at all, or nothing tells what its values stand for.
    """
    judged = read_foreign(path, given)
    judged.checks += [Check("identity", None, None, None, Verdict.NEEDS_REVIEW, doubt) for doubt in given.doubts]
    try:
        frames = _judge(judged, given)
    except ImagingError as error:
        raise ImagingError("; ".join([*given.doubts, str(error)]), reason=error.reason) from error
    _compare(judged, given, frames)
    bad_path = _bad_pixels(judged, given, scratch)
    header = _header(path, judged, given)
    write_master(scratch / "adopted.fits", Master(judged.sci, judged.err, judged.mask, judged.nused, header))
    return {**_told(judged, given), "master_path": str(scratch / "adopted.fits"), "bad_pixels_path": bad_path}


def _judge(judged: Judged, given: Given) -> InHand | None:
    """Judge a master by itself and by the level of its frames; return the frames in hand."""
    finite(judged)
    constant(judged)
    below = given.bias_level or 0.0
    frames = read_in_hand(given.in_hand, judged.shape, below=below if given.kind is Kind.FLAT else None)
    if given.kind is Kind.FLAT:
        normalise_flat(judged, given)
    else:
        to_adu(judged, given, frames)
        dark_level(judged, given, frames)
    return frames


def _told(judged: Judged, given: Given) -> dict[str, object]:
    verdict = max((check.verdict for check in judged.checks), key=SEVERITY.index)
    return {
        "verdict": str(verdict),
        "reasons": [check.detail for check in judged.checks if check.verdict is not Verdict.ACTIVE],
        "checks": [asdict(check) for check in judged.checks], "notes": judged.notes,
        "levels_adu": [] if given.kind is Kind.FLAT else [judged.level], "flat_level_adu": judged.flat_level,
        "holds_bias": judged.holds_bias, "scale": None if judged.scale is None else asdict(judged.scale),
        "counted": judged.counted,
    }  # fmt: skip


def _compare(judged: Judged, given: Given, frames: InHand | None) -> None:
    """Do instead of the split-half test what can be done: compare with frames in hand and with the active master."""
    bias = _bias_of(judged, given)
    frames = None if judged.holds_bias is False and bias is None else frames
    against = [f"{frames.count} individual frames" if frames else "", "the active master" if given.active_path else ""]
    named = " and ".join(one for one in against if one)
    judged.checks.append(no_halves(f"compared with {named}" if named else "and there is nothing to compare it with"))
    if frames is not None:
        raw = judged.sci if bias is None or judged.holds_bias else np.add(judged.sci, bias, dtype=np.float32)
        judged.checks += checks_in_hand(raw, judged.mask, frames, flat=given.kind is Kind.FLAT, bayer=given.bayer)
    if given.active_path is not None:
        judged.checks += _against_active(judged, given, given.active_path, bias)
    elif frames is None:
        judged.checks.append(nothing_to_compare(len(given.in_hand), without_bias=judged.holds_bias is False))


def _bias_of(judged: Judged, given: Given) -> Image | None:
    """Return the master bias a dark may be compared with after adding it."""
    if given.bias_path is None or judged.holds_bias is None:
        return None
    bias = read_master(given.bias_path, planes=()).sci
    return bias if bias.shape == judged.shape else None


def _against_active(judged: Judged, given: Given, active: Path, bias: Image | None) -> list[Check]:
    """Compare blocks with the master in use: structure asks for a person, as does another level of a dark."""
    ranges = strips(*judged.shape)
    old = read_strips(active, ranges, judged.shape)
    rows = np.concatenate([np.arange(first, end) for first, end in ranges])
    new, before = judged.sci[rows].copy(), old.sci
    if judged.holds_bias is not None and judged.holds_bias != old.holds_bias:
        if bias is None:
            text = (
                "the bias is inside one of this and the active master, and there is no master bias to compare them with"
            )
            return [Check("active master", None, None, None, Verdict.NEEDS_REVIEW, text)]
        new, before = (new, before + bias[rows]) if judged.holds_bias else (new + bias[rows], before)
    new[(judged.mask[rows] | old.mask) != 0] = np.nan
    variance = np.square(judged.err[rows]) + np.square(old.err)
    variance[~(variance > 0)] = max(float(np.median(variance)), 1e-12)
    found = structure(new, before, variance)
    failed = found.block_max > BLOCK_LIMIT and found.block_share > BLOCK_SHARE
    text = f"against the active master: largest block {found.block_max:.1f} sigma, {100 * found.block_share:.2f} % of "
    text += f"blocks beyond 5 sigma (limits {BLOCK_LIMIT:g} sigma and {100 * BLOCK_SHARE:g} % together)"
    verdict = Verdict.NEEDS_REVIEW if failed else Verdict.ACTIVE
    checks = [Check("active master", found.block_max, None, BLOCK_LIMIT, verdict, text)]
    if given.kind is not Kind.FLAT:
        level = float(np.median(before[:: max(1, before.shape[0] // 256)]))
        checks.append(same_level(level + found.offset, level, "the active master"))
    return checks


def _bad_pixels(judged: Judged, given: Given, scratch: Path) -> str | None:
    if given.kind not in {Kind.DARK, Kind.FLAT_DARK}:
        return None
    bad = bad_pixel_map(judged.sci)
    np.bitwise_or(judged.mask, bad, out=judged.mask)
    path = scratch / "adopted_bad_pixels.fits"
    write_map(path, bad, fits.Header())
    return str(path)


def _header(path: Path, judged: Judged, given: Given) -> fits.Header:
    first = [(card.keyword, card.value, card.comment) for card in read_cards(path, prescan_file(path))]
    cards: list[Card] = [
        ("IMAGETYP", IMAGE_TYPE[given.kind], "kind of master"),
        ("CALROLE", str(given.kind), "role in calibration"),
        ("BUNIT", "" if given.kind is Kind.FLAT else "adu", "unit; a flat is relative to 1"),
        ("NCOMBINE", given.ncombine, "frames combined, as far as is known"),
        ("CALSTAT", CALSTAT[given.kind], "calibration state"),
        *((name, value, "") for name, value in given.cards.items()),
    ]
    if judged.scale is not None:
        cards.append(("SRCUNIT", judged.scale.adu_per_unit, "factor applied to the values of the file"))
        cards.append(("SRCBASIS", judged.scale.basis, "what proves that factor; see HISTORY"))
    if judged.holds_bias is not None:
        cards.append(("DARKBIAS", judged.holds_bias, "bias level is still inside"))
    if judged.flat_level is not None:
        cards.append(("FLATLVL", judged.flat_level, "mean level divided out, ADU"))
    if given.row_order:
        cards.append(("ROWORDER", given.row_order, "order of the rows, that of the frames"))
    return master_header(first, cards, [line for note in judged.notes for line in wrap(note, HISTORY_WIDTH)])
