"""Fifth stage: lights of every target are placed on one grid and coadded per filter; then colours are made."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pictor.cli.processing.coadds import CoaddGroup, coadd_groups
from pictor.cli.processing.colours import make_colours
from pictor.cli.processing.crew import Order
from pictor.cli.processing.emission import make_lines
from pictor.cli.processing.journal import Done, content_key
from pictor.cli.processing.panels import number_panels
from pictor.cli.processing.rows import CoaddRow, Row, Status
from pictor.cli.processing.run import COADDS, PICTURES, Run
from pictor.cli.processing.seen import Seen
from pictor.imaging.errors import ImagingError

SECONDS_PER_LIGHT = 30.0
_SHOWN = ("colour", "line", "coadd")
MIXED = "not calibrated, while others of its target and filter are: left out of the coadd"


async def make_coadds(run: Run, lights: Mapping[str, Seen]) -> None:
    """Coadd everything that may be coadded, target after target."""
    number_panels(run.report.rows)
    leave_mixed_out(coadd_groups(run.report.rows, names=run.wish.policy.filters))
    by_target: dict[tuple[str, str], list[CoaddGroup]] = defaultdict(list)
    for group in coadd_groups(run.report.rows, names=run.wish.policy.filters):
        by_target[group.target.casefold(), group.rig].append(group)

    async def one(groups: list[CoaddGroup]) -> None:
        await _target(run, groups, lights)

    await run.each(by_target.values(), one, "coadds")
    await make_colours(run)
    if run.wish.contsub:
        await make_lines(run)
    run.report.coadds.sort(key=lambda row: (row.target.casefold(), _SHOWN.index(row.kind), row.name))


def leave_mixed_out(groups: Sequence[CoaddGroup]) -> None:
    """Leave lights out of a coadd that hold their bias while the others do not."""
    for group in groups:
        raw = [row for row in group.members if not row.masters and not _calibrated_before(row)]
        if len(raw) < len(group.members):
            for row in raw:
                row.skip(MIXED)


def _calibrated_before(row: Row) -> bool:
    return bool({"B", "D", "F"} & set(str(row.facts.get("calstat") or "").upper()))


async def _target(run: Run, groups: Sequence[CoaddGroup], lights: Mapping[str, Seen]) -> None:
    """Place the lights of one target, and coadd each filter."""
    rows = {row.label: row for group in groups for row in group.members}
    order = _placing(run, list(rows.values()))
    try:
        placed = await run.crew.do(order, seconds=run.wish.frame_seconds + SECONDS_PER_LIGHT * len(rows))
    except ImagingError as error:
        for group in groups:
            run.report.coadds.append(_failed(group, str(error)))
        return
    for label, why in placed.result["dropped"].items():
        rows[label].skip(why)
    key = content_key(order.step, order.content)
    for group in groups:
        members = [row for row in group.members if row.label not in placed.result["dropped"]]
        if members:
            await _coadd(run, group, members, {**placed.result, "key": key}, lights)


def _placing(run: Run, rows: Sequence[Row]) -> Order:
    lights = [
        {"label": row.label, "path": str(run.wish.out / row.outputs["light"]),
         "stars": str(run.wish.out / row.outputs["stars"]), "solved": row.numbers.get("ra_deg") is not None}
        for row in rows
    ]  # fmt: skip
    content = {**run.basis, "lights": [(row.label, run.keys[row.label]) for row in rows]}
    return Order("place", {"lights": lights}, content)


async def _coadd(
    run: Run, group: CoaddGroup, members: Sequence[Row], placed: Mapping[str, Any], seen: Mapping[str, Seen]
) -> None:
    shown = _shown(group, len(members))
    run.report.coadds.append(shown)
    lights = [
        {"label": row.label, "path": str(run.wish.out / row.outputs["light"]), "seen": _sight(seen[row.label])}
        for row in members
    ]
    renamed = group.channel is not None or group.taken_together
    labels = {"OBJECT": group.target, **({"FILTER": group.filter} if renamed else {})}
    arguments = {
        "lights": lights, "placed": dict(placed), "name": group.name, "channel": group.channel, "labels": labels,
        "out": str(run.wish.out / COADDS), "pictures": str(run.wish.out / PICTURES),
    }  # fmt: skip
    content = {
        **run.basis, "lights": [(row.label, run.keys[row.label]) for row in members], "placed": placed["key"],
        "name": group.name, "channel": group.channel, "labels": labels,
    }  # fmt: skip
    order = Order("make_coadd", arguments, content)
    try:
        done = await run.crew.do(order, seconds=run.wish.frame_seconds + SECONDS_PER_LIGHT * len(lights))
    except ImagingError as error:
        shown.status, shown.reason = Status.ERROR, str(error)
        return
    _tell(shown, done, group.taken_together)
    shown.notes.insert(0, _how(placed, done.result["method"], len(members)))
    for row in members:
        row.outputs[f"coadd {group.filter}"] = shown.outputs["fits"]
    run.keys[f"coadd/{group.name}"] = content_key(order.step, order.content)


def _tell(shown: CoaddRow, done: Done, taken_together: Sequence[str]) -> None:
    """Write what was coadded into the row of a coadd."""
    told, quality = done.result, done.result["quality"]
    shown.exposure_s, shown.seconds = told["exposure_s"], done.seconds
    shown.outputs = dict(zip(told["outputs"], done.outputs, strict=True))
    shown.numbers = {name: quality.get(name) for name in ("fwhm_px", "eccentricity", "star_count", "noise_adu")}
    shown.numbers |= {"rejected_share": told["rejected_share"]}
    if taken_together:
        shown.notes.append(f"filters taken together: {', '.join(name or 'none' for name in taken_together)}")
    if told["filled"]:
        shown.notes.append(f"{told['filled']} pixels that are bad in every light filled from their neighbours")


def _sight(one: Seen) -> dict[str, Any]:
    told = one.description
    return {name: told.get(name) for name in ("bayer", "bayer_offset_x", "bayer_offset_y", "row_order", "height")}


def _how(placed: Mapping[str, Any], method: str, count: int) -> str:
    where = "aligned by their solutions" if placed["grid"] is not None else f"aligned by stars to {placed['reference']}"
    return f"{count} lights {where}, {method}, weighted by the noise of their sky"


def _shown(group: CoaddGroup, frames: int) -> CoaddRow:
    return CoaddRow(
        group.name, "coadd", group.target, group.filter, frames=frames, rig=group.rig, channel=group.channel
    )  # fmt: skip


def _failed(group: CoaddGroup, why: str) -> CoaddRow:
    row = _shown(group, len(group.members))
    row.status, row.reason = Status.ERROR, why
    return row
