"""Third stage: every light is calibrated, measured and solved."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pictor.cli.processing.choosing import Choice, choose, common_times
from pictor.cli.processing.crew import Order
from pictor.cli.processing.defects import KIND, Map, find_defects
from pictor.cli.processing.finding import Source
from pictor.cli.processing.journal import Done, content_key
from pictor.cli.processing.reading import source_of
from pictor.cli.processing.rows import Row, Status, by_label, numbers_of
from pictor.cli.processing.run import LIGHTS, Run
from pictor.cli.processing.seen import Seen
from pictor.cli.processing.sorting import Sorted, slug, target_key, unique_names
from pictor.imaging.errors import ImagingError

ARCSEC_PER_RADIAN = math.degrees(1) * 3600
NO_MASTERS = "no master fits, and --require-masters was given"
SOLVE_SECONDS = 30.0
NO_INDEX = "not-configured"
HOPELESS = "not solved: no star index covers its target, as its first light showed; pictor index install FOLDER"


Field = tuple[str, str]


async def process_lights(run: Run, files: Sorted, sources: Mapping[str, Source]) -> None:
    """Process every light; what is wrong with one leaves the others alone."""
    rows, times = by_label(run.report.rows), common_times(files.lights, run.wish.policy)
    names = unique_names([(one.label, one.sha256) for one in files.lights])
    choices = {one.label: choose(one, run.masters, run.wish.policy, at=times[one.label]) for one in files.lights}
    maps = await find_defects(run, [one for one in files.lights if _wanted(run, choices[one.label])], sources, choices)
    first, rest = scouts(files.lights)
    hopeless: frozenset[Field] = frozenset()

    async def one(light: Seen) -> None:
        row = rows[light.label]
        choice, mapped = choices[light.label], maps.get(light.label)
        row.notes += choice.why
        if not _wanted(run, choice):
            row.skip(NO_MASTERS)
            return
        solve = field_of(light) not in hopeless
        if not solve:
            row.notes.append(HOPELESS)
        if mapped is not None:
            row.facts["bad_lines"] = mapped.name
        order = _order(run, light, sources[light.label], (choice, mapped), names[light.label], solve=solve)
        await _process(run, row, order)
        row.masters = {place: name for place, name in choice.masters.items() if place != "bias_level" and row.numbers}

    await run.each(first, one, "lights: the first of each target")
    hopeless = frozenset(field_of(light) for light in first if rows[light.label].facts.get("unsolved") == NO_INDEX)
    await run.each(rest, one, "lights")
    _count_uses(run, [rows[light.label] for light in files.lights])
    for label, other in ((label, other) for label, other in files.twins if rows[label].status is Status.OK):
        rows[label].skip(f"the same exposure as {other}, which counts; measured all the same")


def _wanted(run: Run, choice: Choice) -> bool:
    return bool(choice.masters) or choice.came_calibrated or not run.wish.require_masters


async def _process(run: Run, row: Row, order: Order) -> None:
    """Process one light and write down what became of it."""
    try:
        done = await run.crew.do(order)
    except ImagingError as error:
        row.fail(str(error))
        return
    _tell(row, done)
    run.keys[row.label] = content_key(order.step, order.content)


def _count_uses(run: Run, lights: Sequence[Row]) -> None:
    for master in (one for one in run.report.masters if one.kind != KIND):
        master.used_by = sum(master.name in row.masters.values() for row in lights)


def field_of(light: Seen) -> Field:
    """Give what lights share that look at one field: target and rig; a light that names no target stands alone."""
    return target_key(light) or light.label, light.rig


def scouts(lights: Sequence[Seen]) -> tuple[list[Seen], list[Seen]]:
    """Part the lights: the first of every target and rig shows whether any star index covers the field."""
    first: dict[Field, Seen] = {}
    for light in lights:
        first.setdefault(field_of(light), light)
    ahead = {one.label for one in first.values()}
    return [one for one in lights if one.label in ahead], [one for one in lights if one.label not in ahead]


def _order(
    run: Run, light: Seen, source: Source, applied: tuple[Choice, Map | None], name: str, *, solve: bool
) -> Order:
    choice, lines = applied
    masters = {place: str(run.ready[one].path) for place, one in choice.masters.items()}
    hashes = {place: run.ready[one].sha256 for place, one in choice.masters.items()}
    calibrated = "_calibrated" if masters else ""
    dark = run.ready[choice.masters["dark"]] if "dark" in choice.masters else None
    if lines is not None:
        masters["bad_pixels"], hashes["bad_pixels"] = str(lines.path), lines.sha256
    elif dark is not None and dark.bad_pixels is not None:
        masters["bad_pixels"], hashes["bad_pixels"] = str(dark.bad_pixels), str(dark.bad_pixels_sha256)
    wanted = run.wish.indexes if solve else None
    solving = None if wanted is None else solving_of(light.description, wanted)
    how = {"dark_scale": choice.dark_scale, "weak": choice.weak, "cosmics": run.wish.cosmics, "solving": solving}
    target = slug(str(light.description.get("target_name") or "no target"))
    place = f"{LIGHTS}/{target}/{name}{calibrated}"
    seen = {
        "description": dict(light.description), "statistics": dict(light.statistics), "packed": light.packed,
    }  # fmt: skip
    arguments = {"source": source_of(source), "seen": seen, "masters": masters, "out": str(run.wish.out / place), **how}
    content = {
        **run.basis, "light": light.sha256, "label": light.label, "masters": hashes, "out": place, **how,
        "stars": [] if solving is None else index_files(run.wish.indexes or ()),
    }  # fmt: skip
    return Order("process_light", arguments, content)


def index_files(folders: Sequence[Path]) -> list[tuple[str, int]]:
    """Tell which star indexes there are: with another one a light may be solved that was not."""
    files = [path for folder in folders for path in folder.glob("*.fits")]
    return sorted((path.name, path.stat().st_size) for path in files)


def solving_of(described: Mapping[str, Any], indexes: Any) -> dict[str, Any]:  # noqa: ANN401 - folders
    """Give the solver every hint a header holds."""
    mount = _pair(described.get("ra_deg"), described.get("dec_deg"))
    target = _pair(described.get("target_ra_deg"), described.get("target_dec_deg"))
    focal, pixel = described.get("focal_mm"), described.get("pixel_um_binned")
    return {
        "position": mount or target, "target": target, "mount": mount,
        "scale_arcsec": pixel / 1000 / focal * ARCSEC_PER_RADIAN if pixel and focal else None,
        "index_dirs": [str(one) for one in indexes], "wall_s": SOLVE_SECONDS,
    }  # fmt: skip


def _pair(ra: float | None, dec: float | None) -> list[float] | None:
    return None if ra is None or dec is None else [ra, dec]


def _tell(row: Row, done: Done) -> None:
    """Write what was done into the row of a light."""
    told = done.result
    row.numbers = numbers_of(told)
    row.outputs = dict(zip(told["outputs"], done.outputs, strict=True))
    row.seconds |= told["seconds"]
    row.facts["planes"] = told["planes"]
    applied = told["calibration"]
    if applied is None:
        mended = told["mended"]
        row.notes.append("not calibrated" + (f"; {mended} pixels of bad lines mended" if mended else ""))
    else:
        row.facts["calstat"] = applied["calstat"]
        row.notes.append(f"calibrated ({applied['calstat']}): {applied['repaired']} bad pixels repaired, "
                         f"{applied['left']} left")  # fmt: skip
    if told["solution"] is None:
        row.facts["unsolved"] = told["reason"]
        if told["reason"] != "not-asked":
            row.notes.append(f"not solved: {told['unsolved']}")
