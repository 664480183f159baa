"""Frames in files combined into one."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pictor.cli.client import CommandError
from pictor.cli.stages.members import Member, at_temperature, kind_of, listed, read_members, require_alike
from pictor.cli.stages.running import Told, checked, finite, once, require_free
from pictor.cli.stages.underneath import Underneath, underneath
from pictor.cli.telling import tell
from pictor.imaging.calibration.below import digest_of
from pictor.imaging.calibration.masters import Kind, bias_level
from pictor.imaging.calibration.stackfiles import stack_files
from pictor.imaging.combine.combining import Statistics
from pictor.imaging.combine.method import Method, Scaling
from pictor.imaging.combine.plain import combine_plain, write_plain
from pictor.imaging.fits.reading import read_header
from pictor.imaging.frame import Frame
from pictor.imaging.products import Input, Provenance, Setting, product_header, write_whole
from pictor.imaging.scratch import scratch_folder
from pictor.runtime.version import SOFTWARE

LEAST = 2
"""One frame is not combined with anything."""

OF_ONE_EXPOSURE = (
    "DATE-OBS", "DATE-END", "TIME-OBS", "UT", "DATE-LOC", "DATE-AVG", "CCD-TEMP", "AIRMASS",
    "SWOWNER", "SBSTDVER",
)  # fmt: skip
"""Cards that are true of one exposure only."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants combined, and how."""

    files: Sequence[Path]
    out: Path
    kind: str | None = None
    method: Method = Method.SIGMA_CLIP
    sigma: float = 3.0
    iterations: int = 5
    scale: Scaling = Scaling.NONE
    dark: Path | None = None
    bias: Path | None = None
    temperature_tolerance_c: float = 0.5
    egain: float | None = None
    read_noise_e: float | None = None
    overwrite: bool = False

    def settings(self, kind: str) -> dict[str, Setting]:
        """List what was chosen, for HISTORY."""
        clipped: dict[str, Setting] = {"sigma": self.sigma, "iterations": self.iterations}
        return {
            "kind": kind, "method": str(self.method), **(clipped if self.method is Method.SIGMA_CLIP else {}),
            "scale": str(self.scale) if kind == "plain" else None, "egain": self.egain,
            "read_noise_e": self.read_noise_e, "dark": None if self.dark is None else self.dark.name,
            "bias": None if self.bias is None else self.bias.name,
            "temperature_tolerance_c": self.temperature_tolerance_c,
        }  # fmt: skip


def main(wish: Wish, *, json: bool) -> int:
    """Combine; 0: done, 1: refused, 2: the call was wrong."""

    def run() -> int:
        inputs = [*wish.files, wish.dark, wish.bias]
        require_free([wish.out], overwrite=wish.overwrite, inputs=inputs)
        with scratch_folder(wish.out.parent) as scratch:
            return once(lambda: _combine(wish, scratch), say=_said, json=json, inputs=inputs)

    return checked(run)


def _combine(wish: Wish, scratch: Path) -> Told:
    paths, notes = listed(wish.files)
    require_free([wish.out], overwrite=True, inputs=paths)
    members = read_members(paths, scratch)
    kind, more = kind_of(members, wish.kind)
    if wish.files[0].is_dir() and wish.kind is None and kind == "plain":
        raise CommandError(f"{wish.files[0]} holds {members[0].described.frame_type} frames; give --kind plain", 2)
    _require_sense(wish, kind)
    kept, left_out = _admitted(members, kind, wish.temperature_tolerance_c)
    require_alike(kept, kind, exposures=kind != "flat" or wish.dark is not None)
    if len(kept) < LEAST:
        why = "".join(f"\n  {one['file']}: {one['reason']}" for one in left_out)
        raise CommandError(f"{len(kept)} of {len(members)} frames can be used; {LEAST} are needed{why}")
    made = Provenance(
        "combine", [one.input for one in kept], wish.settings(kind), SOFTWARE,
        [f"left out {Path(one['file']).name}: {one['reason']}" for one in left_out],
    )  # fmt: skip
    found = _plain(kept, wish, made, scratch) if kind == "plain" else _master(kept, Kind(kind), wish, made, scratch)
    told: Told = {"output": str(wish.out), "kind": kind, "left_out": left_out, "notes": [*notes, *more], **found}
    _warn(told)
    result: Told = finite(told)
    return result


def _require_sense(wish: Wish, kind: str) -> None:
    if kind != "flat" and wish.dark is not None:
        raise CommandError(f"--dark is for flats, these are {kind} frames", 2)
    if kind == "plain" and wish.bias is not None:
        raise CommandError("plain frames are combined as they are; --bias is for masters", 2)
    if kind != "plain" and wish.scale is not Scaling.NONE:
        why = "flats are scaled by themselves" if kind == "flat" else f"a {kind} must not be scaled"
        raise CommandError(f"--scale is for plain frames: {why}", 2)
    if kind == "flat" and wish.dark is None and wish.bias is None:
        raise CommandError(
            "flats need --dark (a master of their exposure) or --bias; flats that are calibrated already: "
            "--kind plain --scale median", 2,
        )  # fmt: skip


def _admitted(members: Sequence[Member], kind: str, tolerance_c: float) -> tuple[list[Member], list[dict[str, str]]]:
    """Leave out masters among individual frames, and frames away from their set point."""
    if kind == "plain":
        return list(members), []
    masters = [one for one in members if one.described.is_master or (one.described.n_combined or 1) > 1]
    left_out = [{"file": str(one.path), "reason": "it is a master already"} for one in masters]
    kept, warm = at_temperature([one for one in members if one not in masters], tolerance_c)
    return kept, left_out + warm


def _master(members: Sequence[Member], kind: Kind, wish: Wish, made: Provenance, scratch: Path) -> Told:
    """Make a master of bias, darks or flats."""
    below = (
        underneath(wish.dark, wish.bias, scratch)
        if kind is Kind.FLAT
        else Underneath(None, None if wish.bias is None else bias_level(wish.bias))
    )
    first = members[0].described
    beside = [f"with {name}: {one.name} sha256 {one.sha256}" for name, one in _beside(wish)]
    packed = [f"{one.input.name}: sha256 {one.input.sha256} as packed" for one in members if one.plain != one.path]
    done = []

    def write(part: Path) -> None:
        done.append(
            stack_files(
                [one.plain for one in members], part, kind=kind, dark=below.path, method=wish.method, sigma=wish.sigma,
                iterations=wish.iterations, egain=wish.egain or first.egain, read_noise_e=wish.read_noise_e,
                bias_level=below.bias_level, saturation=first.saturation_adu, bayer=bool(first.bayer),
                sha256s=[one.input.sha256 if one.plain == one.path else digest_of(one.plain) for one in members],
                notes=[*made.history(), *beside, *packed],
            )
        )  # fmt: skip

    write_whole(wish.out, write, overwrite=wish.overwrite)
    found = done[0]
    warnings = [f"{name} is unlike the others: {sentence}" for name, sentence in found.unlike.items()]
    return {**_counted(found.statistics), "facts": asdict(found.facts), "warnings": warnings}


def _beside(wish: Wish) -> list[tuple[str, Input]]:
    given = {"dark": wish.dark, "bias": wish.bias}
    return [(name, Input.of(path)) for name, path in given.items() if path is not None]


def _plain(members: Sequence[Member], wish: Wish, made: Provenance, scratch: Path) -> Told:
    """Combine frames as they are."""
    found = combine_plain(
        [one.plain for one in members], method=wish.method, sigma=wish.sigma, iterations=wish.iterations,
        scale=wish.scale, egain=wish.egain, scratch=scratch,
    )  # fmt: skip
    done = found.combined
    header = read_header(members[0].plain)
    for keyword in OF_ONE_EXPOSURE:
        header.remove(keyword, ignore_missing=True, remove_all=True)
    header["NCOMBINE"] = (len(members), "frames combined")
    header["COMBMETH"] = (str(wish.method), "how samples were combined")
    header = product_header(Frame(done.sci, None, done.mask, header, found.unit), made)
    write_whole(wish.out, lambda part: write_plain(part, found, header), overwrite=wish.overwrite)
    scaled = {"factors": found.factors} if wish.scale is not Scaling.NONE else {}
    return {**_counted(done.statistics), "unit": found.unit, **scaled, "warnings": []}


def _counted(statistics: Statistics) -> dict[str, object]:
    return {
        "frames": statistics.frames,
        "rejected": statistics.rejected,
        "rejected_share": statistics.rejected_share,
        "note": statistics.note,
    }


def _warn(told: Told) -> None:
    for one in told["left_out"]:
        tell(f"left out: {one['file']}: {one['reason']}", file=sys.stderr)
    for sentence in [*told["notes"], *told["warnings"], *([told["note"]] if told["note"] else [])]:
        tell(f"note: {sentence}", file=sys.stderr)


CALLED = {
    "read_noise_adu": "read noise",
    "read_noise_e": "read noise",
    "dark_current_e_per_s": "dark current",
    "egain": "gain",
}
UNITS = {"read_noise_adu": "ADU", "read_noise_e": "e-", "egain": "e-/ADU", "dark_current_e_per_s": "e-/s"}


def _said(told: Told) -> str:
    facts = [
        f"\nmeasured {CALLED.get(name, name.replace('_', ' '))}: {value:.4g} {UNITS.get(name, '')}".rstrip()
        for name, value in told.get("facts", {}).items()
        if value is not None
    ]
    share = f"{100 * told['rejected_share']:.3g} % of the samples rejected"
    return f"{told['output']}: {told['kind']} of {told['frames']} frames, {share}{''.join(facts)}"
