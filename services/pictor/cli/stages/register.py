"""Frames in files brought onto the pixels of a reference frame."""

import csv
import io
import json as jsonlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

from pictor.cli.client import CommandError
from pictor.cli.stages.running import (
    STOPPED,
    Told,
    checked,
    each,
    finite,
    left_to_do,
    named,
    require_free,
    write_text,
)
from pictor.imaging.astrometry.cards import read_wcs
from pictor.imaging.fits.reading import read_header
from pictor.imaging.frame import Frame
from pictor.imaging.products import Input, Provenance, write_product, write_whole
from pictor.imaging.registration.sky import transform_by_sky
from pictor.imaging.registration.stars import match_stars, places_of
from pictor.imaging.registration.transform import Transform
from pictor.imaging.resampling.grid import Grid
from pictor.imaging.resampling.resampling import resample
from pictor.imaging.stars.starlist import StarList
from pictor.runtime.version import SOFTWARE

COLUMNS = (
    "input", "by", "kind", "matches", "rms_px", "spread", "chance", "shift_x_px", "shift_y_px", "rotation_deg", "scale",
    "mirrored",
)  # fmt: skip
"""Columns of the table of transforms; the nine elements of the matrix follow as m11 to m33."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How to register."""

    by: str
    kernel: str
    mirrored: bool
    overwrite: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Reference:
    """The frame whose pixels the others get."""

    path: Path
    frame: Frame
    stars: StarList | None
    given: Input


def main(
    files: Sequence[Path], reference: Path, out: Path, table: Path | None, manner: Manner, *, resume: bool, json: bool
) -> int:
    """Register every frame; 0: all done, 1: one was refused, 2: the call was wrong."""
    found: list[Told] = []

    def run() -> int:
        if table is not None and table.suffix not in {".json", ".csv"}:
            raise CommandError(f"--transforms-only {table} must end in .json or .csv", 2)
        going_on = resume and table is None
        left = left_to_do(files, lambda path: [named(path, "registered", out)], resume=going_on)
        targets = [table] if table is not None else [named(path, "registered", out) for path in left]
        require_free(targets, overwrite=manner.overwrite, inputs=[*files, reference])
        known = _reference(reference, files, manner)
        work = partial(_one, known=known, out=None if table is not None else out, manner=manner, found=found)
        code = each(left, work, label="register", say=_line, json=json, beside=[reference])
        if table is not None and found and code != STOPPED:
            _write(table, found, known, overwrite=manner.overwrite)
        return code

    return checked(run)


def _reference(path: Path, files: Sequence[Path], manner: Manner) -> _Reference:
    """Read the reference and decide what frames are registered by."""
    from pictor.imaging.errors import ImagingError

    try:
        frame = Frame.from_fits(path)
        by_sky = manner.by == "wcs" or (manner.by == "auto" and all(_has_wcs(one) for one in (path, *files)))
        if by_sky and frame.wcs is None:
            raise CommandError(f"--reference {path} has no world coordinates; solve it, or use --by stars", 2)
        return _Reference(path, frame, None if by_sky else places_of(frame), Input.of(path))
    except ImagingError as error:
        raise CommandError(f"--reference {path}: {error}", 2) from error


def _has_wcs(path: Path) -> bool:
    from pictor.imaging.errors import ImagingError

    try:
        return read_wcs(read_header(path)) is not None
    except (ImagingError, OSError):
        return True


def _one(path: Path, *, known: _Reference, out: Path | None, manner: Manner, found: list[Told]) -> Told:
    frame = Frame.from_fits(path)
    if known.stars is None:
        grid = Grid.of(known.frame)
        transform = transform_by_sky(grid, frame)
    else:
        grid = None
        stars = known.stars if path.samefile(known.path) else places_of(frame)
        transform = match_stars(known.stars, stars, mirrored=manner.mirrored)
        transform = replace(transform, wcs=known.frame.wcs)
    told = _told(transform, "wcs" if grid else "stars")
    found.append({"input": path.name, "sha256": Input.of(path).sha256, **told})
    if out is not None:
        target = named(path, "registered", out)
        made = resample(frame, grid or transform, kernel=manner.kernel)
        settings = {"kernel": manner.kernel, "by": told["by"], "matches": told["matches"], "rms_px": told["rms_px"]}
        inputs = [Input.of(path), known.given]
        write_product(target, made, Provenance("register", inputs, settings, SOFTWARE), overwrite=manner.overwrite)
        told["output"] = str(target)
    return told


def _told(transform: Transform, by: str) -> Told:
    x, y = transform.middle_shift()
    matrix = [[float(value) for value in row] for row in transform.matrix]
    told: Told = finite({
        "by": by, "kind": str(transform.kind), "matches": transform.matches, "rms_px": transform.rms,
        "spread": transform.spread, "chance": transform.chance, "shift_x_px": x, "shift_y_px": y,
        "rotation_deg": transform.rotation_deg, "scale": transform.scale, "mirrored": transform.mirrored,
        "matrix": matrix,
    })  # fmt: skip
    return told


def _write(path: Path, found: Sequence[Told], known: _Reference, *, overwrite: bool) -> None:
    """Write the transforms with what they were made of."""
    if path.suffix == ".json":
        document = {
            "made_by": SOFTWARE, "coordinates": "pixels from 0, other frame to reference, (x, y, 1)",
            "reference": {"name": known.given.name, "sha256": known.given.sha256, "shape": list(known.frame.shape)},
            "frames": list(found),
        }  # fmt: skip
        _put(path, jsonlib.dumps(document, indent=2, allow_nan=False) + "\n", overwrite=overwrite)
        return
    text = io.StringIO()
    text.write(f"# {SOFTWARE} register; reference {known.given.name} SHA-256 {known.given.sha256}; pixels from 0\n")
    elements = [f"m{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3)]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *elements, "sha256"])
    for told in found:
        writer.writerow([*(told[name] for name in COLUMNS), *chain(*told["matrix"]), told["sha256"]])
    _put(path, text.getvalue(), overwrite=overwrite)


def _put(path: Path, text: str, *, overwrite: bool) -> None:
    def write(part: Path) -> None:
        write_text(part, text)

    write_whole(path, write, overwrite=overwrite)


def _line(told: Told) -> str:
    where = (
        f"shift {told['shift_x_px']:+.2f} {told['shift_y_px']:+.2f} px, rotation {told['rotation_deg']:+.3f} deg, "
        f"scale {told['scale']:.5f}{', mirrored' if told['mirrored'] else ''}"
    )
    how = "by world coordinates"
    if told["by"] == "stars":
        how = f"{told['matches']} stars, {told['rms_px']:.3f} px RMS, {told['kind']}"
    return f"{told['input']}: {where} ({how})"
