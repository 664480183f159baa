"""Bad columns and rows of frames in files, as a list."""

import json as jsonlib
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from pictor.cli.client import CommandError
from pictor.cli.stages.members import Member, differing, read_member
from pictor.cli.stages.running import Told, checked, refusal, require_free, shown, write_text
from pictor.cli.stages.sums import sums_beside
from pictor.cli.telling import tell
from pictor.imaging.calibration.badlines import BadLines, find_lines
from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import NO_DATA, Frame
from pictor.imaging.products import write_whole
from pictor.imaging.scratch import scratch_folder
from pictor.runtime.version import SOFTWARE


@dataclass(frozen=True, slots=True)
class Wish:
    """Frames to look at, and how."""

    files: Sequence[Path]
    out: Path | None = None
    sigma: float = 5.0
    window: int = 11
    overwrite: bool = False


def main(wish: Wish, *, json: bool) -> int:
    """Find the lines; 0: done, 1: a frame was refused, 2: the call was wrong."""

    def run() -> int:
        if wish.window % 2 == 0:
            raise CommandError(f"--window must be odd, not {wish.window}", 2)
        if wish.out is not None:
            require_free([wish.out], overwrite=wish.overwrite, inputs=wish.files)
        return _find(wish, json=json)

    return checked(run)


def _find(wish: Wish, *, json: bool) -> int:
    members: list[Member] = []
    results: list[Told] = []
    found: list[BadLines] = []
    for path in shown(wish.files, "bad columns"):
        try:
            told = sums_beside([path], partial(_one, path, wish, members, found))
        except (ImagingError, CommandError, OSError) as error:
            results.append(refusal(path, error))
            continue
        results.append({"input": str(path), **told})
    _require_one_mode(members)
    refused = len(results) - len(found)
    if not found:
        raise CommandError("no frame could be looked at")
    text = listing(wish, members, found)
    if wish.out is not None:
        write_whole(wish.out, lambda part: _write(part, text), overwrite=wish.overwrite)
    _tell(results, found, text, wish.out, json=json)
    return 1 if refused else 0


def _one(path: Path, wish: Wish, members: list[Member], found: list[BadLines]) -> Told:
    """Look at one frame; what it is and its lines are added to those of the others."""
    with scratch_folder() as scratch:
        member = read_member(path, scratch / "frame")
        bayer = bool(member.described.bayer) and member.described.planes == 1
        lines = find_lines(_frame(member), sigma=wish.sigma, window=wish.window, bayer=bayer)
    members.append(member)
    found.append(lines)
    return _counted_from_one(lines)


def _frame(member: Member) -> Frame:
    """Read a frame; pixels without data do not count, those a mask calls bad are what is looked for."""
    frame = Frame.from_fits(member.plain).plane()
    if not np.isfinite(frame.data).any():
        raise CommandError(f"{member.path}: no pixel has a value, all are NaN")
    return frame if frame.mask is None else replace(frame, mask=frame.mask & np.uint8(NO_DATA))


def _require_one_mode(members: Sequence[Member]) -> None:
    """Refuse frames whose columns are not the same columns."""
    size = differing("size", members, lambda member: member.size)
    binning = differing("binning", members, lambda member: member.described.binning_x)
    camera = differing("camera", members, lambda member: member.described.camera)
    if size or binning or camera:
        raise CommandError("; ".join(sentence for sentence in (size, binning, camera) if sentence))


def _counted_from_one(lines: BadLines) -> Told:
    told: Told = asdict(lines)
    return {**told, "columns": [c + 1 for c in lines.columns], "rows": [r + 1 for r in lines.rows]}


def listing(wish: Wish, members: Sequence[Member], found: Sequence[BadLines]) -> str:
    """Write the list as YAML: lines that any frame shows, counted from 1, in the pixels of the frames."""
    names = ", ".join(member.path.name for member in members[:3]) + (", ..." if len(members) > 3 else "")
    head = [
        f"# bad columns and rows found by {SOFTWARE} bad-columns in {len(members)} of {names}",
        f"# threshold {wish.sigma:g} standard deviations, window {wish.window}; counted from 1",
    ]
    body = [f"binning: {members[0].described.binning_x}"]
    body += _section("bad_columns", (lines.columns for lines in found), len(found))
    body += _section("bad_rows", (lines.rows for lines in found), len(found))
    return "\n".join([*head, *body, "bad_rectangles: []", ""])


def _section(name: str, places: Iterable[Sequence[int]], frames: int) -> list[str]:
    seen = Counter(place + 1 for one in places for place in one)
    if not seen:
        return [f"{name}: []"]
    share = "" if frames == 1 else "  # in {} of {} frames"
    told = [f"  - {place}{share.format(seen[place], frames)}" for place in sorted(seen)]
    return [f"{name}:", *told]


def _write(path: Path, text: str) -> None:
    write_text(path, text)


def _tell(results: Sequence[Told], found: Sequence[BadLines], text: str, out: Path | None, *, json: bool) -> None:
    columns = sorted({place + 1 for lines in found for place in lines.columns})
    rows = sorted({place + 1 for lines in found for place in lines.rows})
    if json:
        told = {"output": None if out is None else str(out), "columns": columns, "rows": rows, "frames": list(results)}
        tell(jsonlib.dumps(told, indent=2, allow_nan=False))
        return
    if out is None:
        tell(text, end="")
        return
    tell(f"{out}: {len(columns)} columns and {len(rows)} rows", file=sys.stdout)
