"""Quality of many frames: gathered, compared within sets, accepted or rejected."""

import json as jsonlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pictor.cli.client import CommandError
from pictor.cli.stages.measured import KIND, graded, measure_loaded
from pictor.cli.stages.running import Told, checked, refusal, require_free, shown, write_text
from pictor.cli.stages.stars import How
from pictor.cli.stages.summary_rules import load_rules, rules_text
from pictor.cli.stages.summary_tables import frames_csv, set_rows, sets_csv, text_of
from pictor.cli.stages.sums import sums_beside
from pictor.cli.telling import tell
from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import Frame
from pictor.imaging.headers.description import FrameDescription
from pictor.imaging.headers.of_frame import describe_header
from pictor.imaging.products import Input, write_whole
from pictor.imaging.quality.rejection import RuleSet, reject

_FRAMES = (".fits", ".fit", ".fts", ".fz", ".gz", ".xisf")
_DOCUMENTS = (".json", ".yaml", ".yml")
_NO_EXPOSURES = tuple(f"made by {stage}" for stage in ("background", "coadd", "contsub", "composite"))
_NO_LIGHTS = ("dark", "flat", "bias", "flat-dark")


def main(things: Sequence[Path], out: Path, *, rules: str, overwrite: bool, json: bool) -> int:
    """Summarize; 0: all done, 1: a frame was refused, 2: the call was wrong."""

    def run() -> int:
        chosen = load_rules(rules)
        targets = _targets(out)
        if not things:
            raise CommandError("give frames, folders, or files of pictor quality", 2)
        require_free(list(targets.values()), overwrite=overwrite, inputs=things)
        rows, left = gather(things)
        told = summarized(rows, chosen)
        for kind, text in _texts(told).items():
            write_whole(targets[kind], partial(_write, text=text), overwrite=overwrite)
        told |= {"left_out": left, "output": {kind: str(target) for kind, target in targets.items()}}
        tell(jsonlib.dumps(told, indent=2, allow_nan=False) if json else text_of(told))
        return 1 if any(one["refused"] for one in left) else 0

    return checked(run)


def show(rules: str) -> int:
    """Print the text of a rule set."""

    def run() -> int:
        load_rules(rules)
        tell(rules_text(rules), end="")
        return 0

    return checked(run)


def summarized(rows: Sequence[Told], rules: RuleSet) -> Told:
    """Judge rows within their sets: target, telescope and filter, in the order of time."""
    rows = sorted(graded(rows), key=lambda row: (row["start_utc"] is None, row["start_utc"] or "", row["file"]))
    sets: dict[str, list[Told]] = {}
    for row in rows:
        sets.setdefault(set_of(row), []).append(row)
    frames: list[Told] = []
    for name, members in sets.items():
        for row, reasons in zip(members, reject([row["metrics"] for row in members], rules), strict=True):
            status = "rejected" if reasons else "accepted"
            frames.append({**row, "set": name, "status": status, "reasons": list(reasons), "rejected_by": rules.name})
    return {"rules": rules.name, "frames": frames, "sets": set_rows(frames)}


def set_of(row: Told) -> str:
    """Name the set of a frame: target:telescope:filter, with ? for what is not known."""
    return ":".join(str(row[name]) if row[name] else "?" for name in ("target", "telescope", "filter"))


def gather(things: Sequence[Path]) -> tuple[list[Told], list[Told]]:
    """Measure frames and read documents; give rows, and what was left out with the reason."""
    rows: dict[str, Told] = {}
    left: list[Told] = []
    for path, named in shown([pair for thing in things for pair in _found(thing)], "summary"):
        try:
            for row in _rows_of(path, named=named):
                first = rows.setdefault(row["sha256"], row)
                if first["file"] != row["file"]:
                    left.append({"input": row["input"], "why": f"the same bytes as {first['file']}", "refused": False})
        except (ImagingError, CommandError, OSError) as error:
            skipped = isinstance(error, _SkippedError) or (not named and getattr(error, "reason", "") == "no-image")
            left.append({"input": str(path), "why": str(error), "refused": not skipped})
            if not skipped:
                refusal(path, error)
    return list(rows.values()), left


class _SkippedError(ImagingError):
    """A file that is no business of a summary."""


def _found(thing: Path) -> list[tuple[Path, bool]]:
    """List a file, or what a folder holds; and whether it was named itself."""
    if not thing.is_dir():
        return [(thing, True)]
    known = (*_FRAMES, *_DOCUMENTS)
    return [(path, False) for path in sorted(thing.iterdir()) if path.suffix.lower() in known and path.is_file()]


def _rows_of(path: Path, *, named: bool) -> list[Told]:
    if path.suffix.lower() in _DOCUMENTS:
        return _read_document(path)
    return [{"input": str(path), **sums_beside([path], lambda: _row_of(path, named=named))}]


def _row_of(path: Path, *, named: bool) -> Told:
    """Measure a frame, unless it is no business of a summary."""
    frame = Frame.from_fits(path)
    described = describe_header(frame.header, name=path.name)
    if described.frame_type in _NO_LIGHTS or described.is_master:
        raise _SkippedError(f"a {described.frame_type}, no light")
    if not named and (what := _no_exposure(frame, described)):
        raise _SkippedError(what)
    return measure_loaded(frame, described, Input.of(path), How())


def _no_exposure(frame: Frame, described: FrameDescription) -> str | None:
    """Say what a file of a folder is that looks like a light and is no single exposure."""
    if (described.n_combined or 1) > 1:
        return f"a stack of {described.n_combined} exposures"
    made = frame.header.comments["CREATOR"] if "CREATOR" in frame.header else ""
    return f"{made}: not the exposure itself" if made in _NO_EXPOSURES else None


def _read_document(path: Path) -> list[Told]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        told: Any = jsonlib.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise CommandError(f"no document that can be read: {str(error).splitlines()[0]}") from error
    if not isinstance(told, dict) or told.get("kind") != KIND:
        raise _SkippedError("not written by pictor quality")
    rows = [row for row in told.get("frames", []) if isinstance(row, dict) and "refused" not in row]
    for row in rows:
        lacking = [name for name in ("file", "sha256", "metrics", "target", "telescope", "filter") if name not in row]
        if lacking or not isinstance(row["metrics"], dict):
            raise CommandError(f"a frame lacks {', '.join(lacking) or 'metrics'}; measure it again with pictor quality")
    return [{"start_utc": None, "exposure_s": None, "unit": "adu", "input": row["file"], **row} for row in rows]


def _targets(out: Path) -> dict[str, Path]:
    return {
        "frames": out,
        "sets": out.with_name(f"{out.stem}_sets.csv"),
        "accepted": out.with_name(f"{out.stem}_accepted.txt"),
        "rejected": out.with_name(f"{out.stem}_rejected.txt"),
    }


def _texts(told: Told) -> dict[str, str]:
    accepted = [row["input"] for row in told["frames"] if row["status"] == "accepted"]
    rejected = [f"{row['input']}\t{'; '.join(row['reasons'])}" for row in told["frames"] if row["status"] == "rejected"]
    lists = {"accepted": accepted, "rejected": rejected}
    return {
        "frames": frames_csv(told["frames"]),
        "sets": sets_csv(told["sets"]),
        **{kind: "".join(f"{line}\n" for line in lines) for kind, lines in lists.items()},
    }


def _write(path: Path, *, text: str) -> None:
    write_text(path, text)
