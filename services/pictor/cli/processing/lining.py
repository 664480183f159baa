"""Columns and rows that are bad in all lights of a set, joined with the bad pixels of its dark; runs in a child."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.cli.processing.lighting import LIGHT, apply_masters
from pictor.cli.processing.marking import Marks, lines_of, rows_of, shared
from pictor.cli.processing.unpacking import opened
from pictor.imaging.calibration.planes import Plane, write_planes
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.frame import Frame
from pictor.imaging.products import Input, Provenance, product_header
from pictor.runtime.version import SOFTWARE

MOST = 0.02
"""A larger share of lines that leave their neighbours is a pattern, not a defect."""

_SENSOR = (("INSTRUME", "camera"), ("TELESCOP", "telescope"), ("XBINNING", "binning_x"), ("YBINNING", "binning_y"))


def find_bad_lines(
    *, lights: Sequence[Mapping[str, Any]], known: str | None, others: Sequence[str], out: str, scratch: str
) -> dict[str, object]:
    """Find columns and rows that stay bad when the masters are applied, and join them with the bad pixels known.

    Parameters
    ----------
    lights
        Of each its ``source``, what its survey told, ``seen``, its ``masters`` and ``dark_scale``.
    known
        Map of the bad pixels of their dark; None without one.
    others
        Master flats and darks of this sensor that the lights do not get: lines they show count too.
    out
        Map to write, 1 where bad; it is not written where no line was found.
    scratch
        Empty folder on the same file system.

    Returns
    -------
    dict
        ``columns`` and ``rows`` as [line, first, last] counted from 1, ``looked`` (how many lights), ``pattern``
        (whether there were too many lines to be defects), ``sha256`` of the map, and ``outputs``.
    """
    folder, bayer = Path(scratch), bool(lights[0]["seen"]["description"].get("bayer"))
    frames = (_light(one, folder / f"{number:04d}") for number, one in enumerate(lights))
    marks = [lines_of(frame, bayer=bayer) for frame in frames if frame is not None]
    bad = shared(marks) if len({one.shape for one in marks}) == 1 else None
    for path in others:
        bad = _also(bad, Path(path), bayer=bayer)
    told: dict[str, object] = {"columns": [], "rows": [], "looked": len(marks), "pattern": False, "outputs": {}}
    if bad is None or not bad.any():
        return told
    columns, rows = rows_of(bad.T), rows_of(bad)
    if len(columns) > MOST * bad.shape[1] or len(rows) > MOST * bad.shape[0]:
        return {**told, "pattern": True}
    made = folder / "map.fits"
    _write(made, _joined(bad, known), lights[0]["seen"]["description"], (columns, rows))
    sha256 = Input.of(made).sha256
    made.replace(out)
    return {**told, "columns": columns, "rows": rows, "sha256": sha256, "outputs": {"map": out}}


def _light(one: Mapping[str, Any], folder: Path) -> Frame | None:
    """Give one light with its masters applied; None where it has colour planes."""
    folder.mkdir(parents=True)
    raw, seen = opened(one["source"], folder), one["seen"]
    if seen["packed"]:
        raw = unpack(raw, folder).path
    if one["masters"]:
        apply_masters(raw, folder, seen, one["masters"], dark_scale=one["dark_scale"])
        raw = folder / LIGHT
    frame = Frame.from_fits(raw)
    return frame.plane() if frame.data.ndim == 2 or len(frame.data) == 1 else None


def _also(bad: Marks | None, path: Path, *, bayer: bool) -> Marks | None:
    """Add the lines a master shows, where it has the shape of the lights."""
    frame = Frame.from_fits(path)
    if frame.data.ndim != 2 or (bad is not None and bad.shape != frame.shape):
        return bad
    found = lines_of(frame, bayer=bayer, flat="flat" in str(frame.header.get("IMAGETYP", "")).lower())
    return found if bad is None else bad | found


def _joined(bad: Marks, known: str | None) -> NDArray[np.uint8]:
    joined = bad.astype(np.uint8)
    if known is not None:
        before = fits.getdata(known)
        if before.shape == joined.shape:
            joined |= (before != 0).astype(np.uint8)
    return joined


def _write(
    path: Path, joined: NDArray[np.uint8], described: Mapping[str, Any], lines: tuple[list[list[int]], list[list[int]]]
) -> None:
    """Write the map as the command `bad-pixels` does, with the lines named in HISTORY."""
    cards = fits.Header()
    cards["IMAGETYP"] = ("Bad Pixel Map", "1 bad, 0 good")
    cards["NBAD"] = (int(np.count_nonzero(joined)), "bad pixels")
    cards.update({keyword: described[name] for keyword, name in _SENSOR if described.get(name) is not None})
    notes = [
        f"bad {name} {line}: pixels {first} to {last}"
        for name, found in zip(("column", "row"), lines, strict=True)
        for line, first, last in found
    ]
    frame = Frame(joined, None, None, cards, "")
    header = product_header(frame, Provenance("process", [], {}, SOFTWARE, notes))
    write_planes(path, header, [Plane("BADPIX", "u1", lambda rows: joined[rows])], frame.shape)
