"""Stack frames that lie in files, with the pixels and the gate of the services and no server."""

import json as jsonlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pictor.calibration_stacker.sensor import place_of
from pictor.cli.calib_files import (
    LocalFrame,
    as_kind,
    put,
    read_frame_file,
    read_master_file,
    require_free,
)
from pictor.cli.client import CommandError, guarded
from pictor.cli.telling import tell
from pictor.contracts.frames import FrameType as StoredType
from pictor.imaging.calibration.masters import bias_level
from pictor.imaging.errors import ImagingError
from pictor.imaging.matching.frames import FrameType
from pictor.imaging.matching.grouping import GroupKey, group_frames
from pictor.imaging.matching.policy import Policy, PolicyError, validate
from pictor.imaging.matching.selection import dark_for_flats
from pictor.imaging.scratch import scratch_folder
from pictor.runtime.library import frame_seen
from pictor.runtime.stacking.decide import LEAST_FRAMES
from pictor.runtime.stacking.judging import reasons, samples_of
from pictor.runtime.stacking.outliers import outliers
from pictor.state.individuals import Measured, Unjudged

__all__ = ["Wish", "admitted", "bias_level", "main", "named"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants stacked, and what they know of the detector."""

    files: Sequence[Path]
    out: Path
    kind: str | None = None
    dark: Path | None = None
    bias: Path | None = None
    active: Path | None = None
    bad_pixels: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    egain: float | None = None
    read_noise_e: float | None = None
    insist: bool = False
    overwrite: bool = False
    json: bool = False


def main(wish: Wish) -> int:
    """Stack files; 0: the master passed its gate, 1: it did not or could not be made, 2: the call was wrong."""
    try:
        require_free([wish.out, _map_beside(wish.out)], overwrite=wish.overwrite)
        with scratch_folder(wish.out.parent) as scratch, _showing() as progress:
            report = _stack(wish, scratch, progress)
    except PolicyError as error:
        return guarded(CommandError(str(error), 2))
    except ImagingError as error:
        return guarded(CommandError(str(error)))
    except CommandError as error:
        return guarded(error)
    _tell(report, json=wish.json)
    return 0 if report["verdict"] == "active" else 1


def _map_beside(out: Path) -> Path:
    return out.with_name(f"{out.stem}_bad_pixels.fits")


@contextmanager
def _showing() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress


def _stack(wish: Wish, scratch: Path, progress: Progress) -> dict[str, Any]:
    policy = validate(dict(wish.settings))
    task = progress.add_task("reading", total=len(wish.files) + 1)
    frames = []
    for number, path in enumerate(wish.files):
        frames.append(read_frame_file(path, scratch / f"{number:04d}"))
        progress.advance(task)
    _require_different(frames)
    kind = wish.kind or _kind_of(frames)
    kept, left_out = admitted([as_kind(frame, kind) for frame in frames], wish)
    _require_one_group(kept, policy)
    _require_dark(kept, kind, policy, wish)
    progress.update(task, description=f"combining {len(kept)} frames")
    from pictor.calibration_stacker.compute import stack

    found = stack(**_arguments(kept, kind, policy, wish, scratch))
    progress.advance(task)
    told = {name: value for name, value in found.items() if name != "pictures"}
    return {**told, **_keep(found, wish), "left_out": left_out}


def _require_different(frames: Sequence[LocalFrame]) -> None:
    """Refuse the same exposure twice: it would count as two and its noise would not be noise."""
    seen: dict[str, Path] = {}
    for frame in frames:
        other = seen.setdefault(frame.stored.sha256, frame.path)
        if other is not frame.path:
            raise CommandError(f"{other} and {frame.path} are the same frame")


def _kind_of(frames: Sequence[LocalFrame]) -> str:
    kinds = sorted({str(frame.stored.frame_type) for frame in frames})
    allowed = set(FrameType) - {FrameType.LIGHT}
    if len(kinds) == 1 and kinds[0] in allowed:
        return kinds[0]
    raise CommandError(f"the files are {' and '.join(kinds)}; give bias, darks or flats alone, or say --kind")


def admitted(frames: Sequence[LocalFrame], wish: Wish) -> tuple[list[LocalFrame], list[dict[str, str]]]:
    """Part frames that may be stacked from those that may not, each with the sentence the server would store."""
    level = None if wish.bias is None else bias_level(wish.bias)
    why = {frame.path: reasons(_unjudged(frame, wish), bias_level=level) for frame in frames}
    good = [frame for frame in frames if not why[frame.path]]
    kind = FrameType(str(frames[0].stored.frame_type))
    unlike = outliers(kind, samples_of([_measured(frame) for frame in good]))
    why |= {frame.path: (unlike[str(frame.stored.id)],) for frame in good if str(frame.stored.id) in unlike}
    left_out = [{"file": str(path), "reason": "; ".join(told)} for path, told in why.items() if told]
    kept = [frame for frame in frames if not why[frame.path]]
    if len(kept) < LEAST_FRAMES:
        told = "".join(f"\n  {one['file']}: {one['reason']}" for one in left_out)
        raise CommandError(f"{len(kept)} of {len(frames)} frames may be stacked; {LEAST_FRAMES} are needed{told}")
    return kept, left_out


def _unjudged(frame: LocalFrame, wish: Wish) -> Unjudged:
    """Hand a frame to the judge who admits those of the library."""
    stored, described = frame.stored, frame.stored.description or {}
    return Unjudged(
        id=stored.id, frame_type=stored.frame_type or StoredType.UNKNOWN, is_master=stored.is_master,
        exposure_s=stored.exposure_s, set_temp_c=described["set_temp_c"], ccd_temp_c=described["ccd_temp_c"],
        egain=wish.egain or described["egain"], read_noise_e=wish.read_noise_e, combined=described["n_combined"],
        real_valued=(stored.geometry or {}).get("bitpix", 16) < 0, measured=stored.statistics or {},
    )  # fmt: skip


def _measured(frame: LocalFrame) -> Measured:
    return Measured(frame.stored.id, frame.stored.exposure_s, frame.stored.statistics or {})


def _require_one_group(frames: Sequence[LocalFrame], policy: Policy) -> None:
    groups = group_frames([frame_seen(frame.stored) for frame in frames], policy)
    if len(groups) > 1:
        told = "".join(f"\n  {len(group.frames)} x {named(group.key)}" for group in groups)
        raise CommandError(f"the frames belong to {len(groups)} groups; stack one at a time:{told}")


def named(key: GroupKey) -> str:
    """Say in words what makes a group."""
    mode = key.mode
    words = [
        str(key.frame_type),
        f"{mode.width} x {mode.height} binning {mode.binning_x}",
        None if key.exposure_s is None else f"{key.exposure_s:g} s",
        None if key.filter is None else f"filter {key.filter}",
        None if mode.gain_setting is None else f"gain {mode.gain_setting:g}",
        None if mode.offset_setting is None else f"offset {mode.offset_setting:g}",
        None if key.temp_c is None else f"{key.temp_c:g} C",
        None if key.rotator_deg is None else f"rotator {key.rotator_deg:g}",
    ]
    return ", ".join(word for word in words if word)


def _require_dark(frames: Sequence[LocalFrame], kind: str, policy: Policy, wish: Wish) -> None:
    """Refuse flats without a dark that fits them by the rules of the library, unless a person insists on this one."""
    if kind != FrameType.FLAT:
        return
    if wish.dark is None:
        raise CommandError("flats need --dark: a master dark of their exposure", 2)
    master = read_master_file(wish.dark)
    found = dark_for_flats(frame_seen(frames[len(frames) // 2].stored), [master], policy)
    if found.master is None and not wish.insist:
        why = found.reason
        if master.frame_type is FrameType.BIAS:
            why = f"a bias stands in below bias_for_flats_below_s, now {policy.bias_for_flats_below_s:g} s"
        raise CommandError(f"{wish.dark.name} does not fit these flats: {why}. --insist uses it all the same")


def _arguments(frames: Sequence[LocalFrame], kind: str, policy: Policy, wish: Wish, scratch: Path) -> dict[str, Any]:
    """Say to the pixel function what the service would say."""
    first = frames[0].stored
    described, measured = first.description or {}, first.statistics or {}
    return {
        "paths": [str(frame.pixels) for frame in frames],
        "frame_ids": [frame.path.name for frame in frames],
        "sha256s": [frame.stored.sha256 for frame in frames],
        "kind": kind,
        "policy": asdict(policy),
        "scratch": str(scratch),
        "read_noise_e": wish.read_noise_e,
        "egain": wish.egain or described.get("egain"),
        "bias_level_adu": None if wish.bias is None else bias_level(wish.bias),
        "saturation_adu": measured.get("saturation_adu"),
        "bayer": bool(described.get("bayer")),
        "dark_path": None if wish.dark is None else str(wish.dark),
        "active_path": None if wish.active is None else str(wish.active),
        "bad_pixel_list": None if wish.bad_pixels is None else wish.bad_pixels.read_text(encoding="utf-8"),
        "sensor": place_of(described),
    }


def _keep(found: Mapping[str, Any], wish: Wish) -> dict[str, Any]:
    """Give the files their names; a master that did not pass gets its verdict into the name."""
    passed = found["verdict"] == "active"
    out = wish.out if passed else wish.out.with_name(f"{wish.out.stem}.{found['verdict']}{wish.out.suffix}")
    put(Path(found["master_path"]), out, overwrite=wish.overwrite)
    kept: dict[str, Any] = {"master_path": str(out), "bad_pixels_path": None}
    if found["bad_pixels_path"] and passed:
        put(Path(found["bad_pixels_path"]), _map_beside(wish.out), overwrite=wish.overwrite)
        kept["bad_pixels_path"] = str(_map_beside(wish.out))
    return kept


def _tell(report: Mapping[str, Any], *, json: bool) -> None:
    if json:
        tell(jsonlib.dumps(report, indent=2))
        return
    for one in report["left_out"]:
        tell(f"left out: {one['file']}: {one['reason']}", file=sys.stderr)
    for check in report["checks"]:
        tell(f"{check['verdict']:<13} {check['name']}: {check['detail']}")
    tell(f"{report['verdict']:<13} {report['ncombine']} frames")
    for name, value in report["facts"].items():
        if value is not None:
            tell(f"{'measured':<13} {name} {value:.4g}")
    tell(report["master_path"])
    if report["bad_pixels_path"]:
        tell(report["bad_pixels_path"])
