"""Which files belong together: groups of calibration frames, ready masters, lights, and what is left out and why."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pictor.cli.processing.seen import Seen
from pictor.imaging.matching.frames import FrameType
from pictor.imaging.matching.grouping import GroupKey, group_frames
from pictor.imaging.matching.policy import Policy, told_by

MAP, LINES = "_bad_pixels", "bad_lines_"
"""Ending of the name of a map of bad pixels, after that of its master dark; beginning of that of a map of bad lines."""

CALIBRATION = tuple(str(kind) for kind in FrameType if kind is not FrameType.LIGHT)


@dataclass(frozen=True, slots=True)
class Individuals:
    """Calibration frames that may be stacked together."""

    key: GroupKey
    members: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class Sorted:
    """Everything in a folder, each file once.

    Parameters
    ----------
    groups
        Calibration frames by what must be equal.
    masters
        Ready masters.
    lights
        Lights in the order of time.
    twins
        Labels of lights that show the same exposure as another file, with that file's label.
    left_out
        Labels of files that are not used, with the reason.
    """

    groups: tuple[Individuals, ...] = ()
    masters: tuple[Seen, ...] = ()
    lights: tuple[Seen, ...] = ()
    twins: tuple[tuple[str, str], ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()


def with_names_of(policy: Policy, files: Iterable[Seen]) -> Policy:
    """Read the names of filters as all files together tell: R beside V is another filter than R beside G."""
    named = [(one, str(name)) for one in files if (name := one.description.get("filter"))]
    return told_by(policy, [(rig, name) for one, name in named for rig in (one.rig, one.camera)])


def sort(files: Iterable[Seen], policy: Policy) -> Sorted:
    """Sort files that were read; the result does not depend on their order."""
    left_out: list[tuple[str, str]] = []
    kept = _without_copies(sorted(files, key=lambda one: one.label), left_out)
    usable: list[Seen] = []
    known = {one.label for one in kept if one.master is not None}
    for one in kept:
        why = _map_of(one, known) or _why_not(one)
        if why is None:
            usable.append(one)
        else:
            left_out.append((one.label, why))
    masters = tuple(one for one in usable if one.master is not None)
    single = [one for one in usable if one.master is None]
    lights = sorted((one for one in single if one.kind == "light"), key=lambda one: (one.start, one.label))
    groups = _grouped([one for one in single if one.kind in CALIBRATION], policy)
    return Sorted(groups, masters, tuple(lights), tuple(_twins(lights, single)), tuple(left_out))


def _without_copies(files: Sequence[Seen], left_out: list[tuple[str, str]]) -> list[Seen]:
    first: dict[str, Seen] = {}
    for one in files:
        known = first.setdefault(one.sha256, one)
        if known is not one:
            left_out.append((one.label, f"the same bytes as {known.label}"))
    return list(first.values())


def _map_of(one: Seen, masters: set[str]) -> str | None:
    """Recognise the map of bad pixels that lies beside its master, and that of bad lines of another run."""
    if one.label.rpartition("/")[2].startswith(LINES) and one.kind == "unknown":
        return "a map of bad columns and rows; they are looked for anew in the lights"
    master = one.label.removesuffix(f"{MAP}.fits") + ".fits"
    return (
        f"the bad pixels of {master}, used with it" if one.label.endswith(f"{MAP}.fits") and master in masters else None
    )


def _why_not(one: Seen) -> str | None:
    if one.problems:
        return " ".join(one.problems)
    if one.kind in {"light", *CALIBRATION}:
        return None
    return "nothing says what it is" if one.kind == "unknown" else f"it is a {one.kind}, which is not processed"


def _grouped(files: Sequence[Seen], policy: Policy) -> tuple[Individuals, ...]:
    by_label = {one.label: one for one in files}
    groups = group_frames([one.frame() for one in files], policy)
    made = [Individuals(group.key, tuple(by_label[frame.frame_id] for frame in group.frames)) for group in groups]
    return tuple(sorted(made, key=lambda group: (group.key.frame_type, group.members[0].label)))


def _twins(lights: Sequence[Seen], all_single: Sequence[Seen]) -> Iterable[tuple[str, str]]:
    """Find files that show the same exposure: iTelescope sends every light raw and calibrated.

    The raw one counts where calibration frames of its camera are there, else the calibrated one.
    """
    same: dict[tuple[object, ...], list[Seen]] = defaultdict(list)
    for one in lights:
        if one.description.get("start_utc"):
            told = one.description
            same[one.start, told.get("exposure_s"), told.get("filter"), one.rig, target_key(one)].append(one)
    have = {one.frame().mode for one in all_single if one.kind in CALIBRATION}
    for members in same.values():
        best = min(members, key=lambda one: (_calibrated(one) == (one.frame().mode in have), -_pixels(one), one.label))
        yield from ((one.label, best.label) for one in members if one is not best)


def _pixels(one: Seen) -> int:
    return int(one.description.get("width") or 0) * int(one.description.get("height") or 0)


def _calibrated(one: Seen) -> bool:
    return bool({"B", "D", "F"} & set(str(one.description.get("calstat") or "").upper()))


def target_key(one: Seen) -> str:
    """Give a target's name without what people write differently; empty where the header names none."""
    return re.sub(r"[\W_]+", "", str(one.description.get("target_name") or "").casefold())


def slug(text: str) -> str:
    """Make a file name of any text."""
    plain = re.sub(r"[^A-Za-z0-9+-]+", "_", text.strip()).strip("_.-")
    return plain[:60] or "unnamed"


def unique_names(files: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Name the products of files: their stem, with a part of the SHA-256 where two would have the same.

    Parameters
    ----------
    files
        Label and SHA-256 of each.
    """
    stems = {label: slug(stem_of(label)) for label, _ in files}
    often: dict[str, int] = defaultdict(int)
    for stem in stems.values():
        often[stem.casefold()] += 1
    digests = dict(files)
    return {
        label: stem if often[stem.casefold()] == 1 else f"{stem}_{digests[label][:8]}" for label, stem in stems.items()
    }


def stem_of(label: str) -> str:
    """Give the name of a file without folders and endings."""
    name = label.rsplit("/", 1)[-1]
    return re.sub(r"\.(fits?|fts|xisf|fz|gz|z|bz2|xz)(?=\.|\Z)", "", name, flags=re.IGNORECASE)
