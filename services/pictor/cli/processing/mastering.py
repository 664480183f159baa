"""Second stage: groups of calibration frames become masters; the gate's verdicts are told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pictor.cli.processing.choosing import bias_of, dark_of_flats, master_names
from pictor.cli.processing.crew import FAILED, Order
from pictor.cli.processing.finding import Source
from pictor.cli.processing.journal import Done, sha256_of
from pictor.cli.processing.reading import source_of
from pictor.cli.processing.rows import NOT_MADE_BY_FAULT, MasterRow, Row, by_label
from pictor.cli.processing.run import MASTERS, Ready, Run
from pictor.cli.processing.seen import Seen, master_of
from pictor.cli.processing.sorting import Individuals, Sorted, slug
from pictor.imaging.errors import ImagingError
from pictor.imaging.matching.frames import FrameType
from pictor.imaging.matching.policy import as_facts

ORDER = ((FrameType.BIAS,), (FrameType.DARK, FrameType.FLAT_DARK), (FrameType.FLAT,))
"""A bias tells darks their level, a dark is taken off flats."""

UNPACKED = "unpacked"
"""Folder of ready masters that were packed, below that of masters."""

ALONE = "there is only one; a master needs at least 2"
SECONDS_PER_FRAME = 30.0
"""Stacking may take this much longer for every frame of the group."""


async def make_masters(run: Run, files: Sorted, sources: Mapping[str, Source]) -> None:
    """Take over ready masters and make the others, kind after kind."""

    async def take(master: Seen) -> None:
        await _take(run, master, sources[master.label])

    await run.each(files.masters, take, "ready masters")
    run.report.masters.sort(key=lambda master: master.name)
    run.ready = dict(sorted(run.ready.items()))
    named = dict(zip([id(group) for group in files.groups], master_names(files.groups), strict=True))
    rows = by_label(run.report.rows)
    for kinds in ORDER:

        async def one(group: Individuals) -> None:
            await _make(run, group, named[id(group)], sources, rows)

        chosen = [group for group in files.groups if group.key.frame_type in kinds]
        await run.each(chosen, one, f"masters: {' and '.join(map(str, kinds))}")


async def _take(run: Run, file: Seen, source: Source) -> None:
    """Use a ready master where it lies; a packed one is unpacked into the folder of products."""
    row = by_label(run.report.rows)[file.label]
    if file.master is None:
        return
    try:
        path = await _plain(run, file, source)
    except ImagingError as error:
        row.fail(str(error))
        return
    master = replace(file.master, master_id=file.label)
    beside = path.with_name(f"{path.stem}_bad_pixels.fits")
    mapped = beside if master.frame_type is FrameType.DARK and beside.is_file() else None
    run.ready[file.label] = Ready(master, path, file.sha256, mapped, None if mapped is None else sha256_of(mapped))
    shown = MasterRow(file.label, str(master.frame_type), "ready", master.frames, made=False)
    shown.path = str(path.relative_to(run.wish.out) if path.is_relative_to(run.wish.out / MASTERS / UNPACKED) else path)
    shown.facts = row.facts
    run.report.masters.append(shown)


async def _plain(run: Run, file: Seen, source: Source) -> Path:
    """Give a master as plain FITS."""
    if source.member is None and not file.packed:
        return source.path
    name = f"{slug(Path(source.name).stem)}_{file.sha256[:8]}.fits"
    arguments = {
        "source": source_of(source), "packed": file.packed, "out": str(run.wish.out / MASTERS / UNPACKED / name),
    }  # fmt: skip
    done = await run.crew.do(Order("unpack_master", arguments, {**run.basis, "file": file.sha256, "name": name}))
    return run.wish.out / next(iter(done.outputs))


async def _make(
    run: Run, group: Individuals, name: str, sources: Mapping[str, Source], rows: Mapping[str, Row]
) -> None:
    """Make the master of one group, and tell every member what became of it."""
    kind = group.key.frame_type
    mine = [rows[one.label] for one in group.members]
    for row in mine:
        row.facts["group"] = name
    shown = MasterRow(name, str(kind), "not made", len(group.members), made=True)
    shown.facts = {**mine[len(mine) // 2].facts, "exposure_s": group.key.exposure_s, "temperature_c": group.key.temp_c}
    run.report.masters.append(shown)
    dark = None
    if kind is FrameType.FLAT:
        found = dark_of_flats(group, run.masters, run.wish.policy)
        if found.master is None:
            _give_up(shown, mine, f"flats need a dark of their exposure: {found.reason}{_instead(run, group)}")
            return
        dark = run.ready[found.master.master_id]
        shown.note = f"dark taken off: {found.reason}"
    bias = bias_of(group, run.masters) if kind is not FrameType.BIAS else None
    if len(group.members) < 2:
        _give_up(shown, mine, ALONE)
        return
    try:
        done = await run.crew.do(
            _order(run, group, name, sources, (dark, None if bias is None else run.ready[bias.master_id])),
            seconds=run.wish.frame_seconds + SECONDS_PER_FRAME * len(group.members),
        )
    except ImagingError as error:
        _give_up(shown, mine, str(error), failed=error.reason in FAILED)
        return
    _settle(run, name, shown, mine, done)


def _instead(run: Run, group: Individuals) -> str:
    """Say how a bias could stand in."""
    if bias_of(group, run.masters) is None or group.key.frame_type is not FrameType.FLAT:
        return ""
    longest = max(float(one.description.get("exposure_s") or 0) for one in group.members)
    if not longest < 60:
        return ""
    return f"; a master bias is there: --setting bias_for_flats_below_s={int(longest) + 1} lets it stand in"


def _order(
    run: Run,
    group: Individuals,
    name: str,
    sources: Mapping[str, Source],
    below: tuple[Ready | None, Ready | None],
) -> Order:
    members = [_member(one, sources[one.label]) for one in group.members]
    dark, bias = below
    mixed = len({one.description.get("filter") for one in group.members}) > 1
    policy = {
        key: str(value) if isinstance(value, str) else value
        for key, value in as_facts(run.wish.policy, mixed=mixed).items()
    }
    arguments = {
        "members": members, "kind": str(group.key.frame_type), "policy": policy,
        "out": str(run.wish.out / MASTERS / f"{name}.fits"),
        "dark": None if dark is None else str(dark.path), "bias": None if bias is None else str(bias.path),
    }  # fmt: skip
    content = {
        **run.basis, "members": [(one.label, one.sha256) for one in group.members], "policy": policy, "name": name,
        "kind": arguments["kind"], "dark": dark and dark.sha256, "bias": bias and bias.sha256,
    }  # fmt: skip
    return Order("make_master", arguments, content)


def _member(one: Seen, source: Source) -> dict[str, Any]:
    told: dict[str, Any] = {
        "sha256": one.sha256, "description": dict(one.description), "statistics": dict(one.statistics),
        "problems": [], "warnings": [], "master": None, "whole": one.whole, "packed": one.packed,
    }  # fmt: skip
    return {"label": one.label, "source": source_of(source), "told": told}


def _give_up(shown: MasterRow, members: Sequence[Row], why: str, *, failed: bool = False) -> None:
    shown.note = why
    shown.verdict = NOT_MADE_BY_FAULT if failed else shown.verdict
    for row in members:
        tell = row.fail if failed else row.skip
        tell(f"no master was made of it: {why.splitlines()[0]}")


def _settle(run: Run, name: str, shown: MasterRow, members: Sequence[Row], done: Done) -> None:
    """Tell what the gate said, and keep a master that passed."""
    told = done.result
    shown.verdict, shown.frames, shown.checks = told["verdict"], told["ncombine"], list(told["checks"])
    shown.left_out, shown.seconds = list(told["left_out"]), done.seconds
    shown.facts |= {key: value for key, value in told["facts"].items() if value is not None}
    shown.path = next(one for one in done.outputs if not one.endswith("_bad_pixels.fits"))
    rows = {row.label: row for row in members}
    for one in told["left_out"]:
        rows[one["file"]].skip(f"left out of the master: {one['reason']}")
    path = run.wish.out / shown.path
    if told["master"] is None:
        why = "; ".join(check["detail"] for check in told["checks"] if check["verdict"] != "active")
        shown.note = why
        for row in members:
            row.notes.append(f"its master {name} is {shown.verdict} and not used: {why}")
        return
    mapped = next((run.wish.out / one for one in done.outputs if one.endswith("_bad_pixels.fits")), None)
    run.ready[name] = Ready(
        replace(master_of(told["master"]), master_id=name), path, sha256_of(path),
        mapped, None if mapped is None else sha256_of(mapped),
    )  # fmt: skip
    for row in members:
        row.outputs["master"] = shown.path


def folder_of_masters(out: Path) -> Path:
    """Make the folder masters are written into."""
    place = out / MASTERS
    place.mkdir(exist_ok=True)
    return place
