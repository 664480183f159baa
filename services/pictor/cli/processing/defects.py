"""Between masters and lights: columns and rows that stay bad in the lights of one sensor are found, to be mended."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pictor.cli.processing.choosing import Choice
from pictor.cli.processing.crew import FAILED, Order
from pictor.cli.processing.finding import Source
from pictor.cli.processing.reading import source_of
from pictor.cli.processing.rows import NOT_MADE_BY_FAULT, MasterRow
from pictor.cli.processing.run import MASTERS, Ready, Run
from pictor.cli.processing.seen import Seen
from pictor.imaging.errors import ImagingError
from pictor.imaging.matching.frames import CameraMode, FrameType

LOOKED_AT = 3
"""Lights of a set that are looked at, the first: a light that is added does not change what is known."""

KIND = "bad lines"
SECONDS_PER_LIGHT = 60.0
PATTERN = "more than 2 % of its lines leave their neighbours: a pattern of the sensor, which is not mended"


@dataclass(frozen=True, slots=True)
class Defects:
    """Lights of one sensor that lack the same: every one of them gets the same map of bad pixels.

    Parameters
    ----------
    name
        Of the map.
    members
        The lights, in the order of time.
    others
        Ids of masters of the sensor that the lights do not get.
    """

    name: str
    members: tuple[Seen, ...]
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Map:
    """A map of bad pixels, lines among them: its name, where it is, and its hash."""

    name: str
    path: Path
    sha256: str


def sensor_of(mode: CameraMode) -> CameraMode:
    """Give what must be equal for two frames to show the same columns and rows: not gain, offset or read-out."""
    return replace(mode, gain_setting=None, offset_setting=None, readout_mode=None, bayer=None)


def sets_of(lights: Sequence[Seen], choices: Mapping[str, Choice], ready: Mapping[str, Ready]) -> list[Defects]:
    """Group the lights whose columns and rows can be told: two lights at least, or a master they do not get.

    Parameters
    ----------
    lights
        In the order of time.
    choices
        What each is calibrated with, by label.
    ready
        Masters by their id.
    """
    parts: dict[tuple[CameraMode, str, bool], list[Seen]] = defaultdict(list)
    for light in lights:
        choice = choices[light.label]
        if not choice.came_calibrated and light.description.get("planes", 1) == 1:
            key = sensor_of(light.frame().mode), choice.masters.get("dark", ""), "flat" in choice.masters
            parts[key].append(light)
    found = []
    for key, members in parts.items():
        others = _others(key, ready)
        if len(members) > 1 or others:
            sensor, digest = key[0], hashlib.sha256(repr(key).encode()).hexdigest()[:6]
            name = f"bad_lines_{sensor.width}x{sensor.height}_bin{sensor.binning_x}_{digest}"
            found.append(Defects(name, tuple(members), others))
    return found


def _others(key: tuple[CameraMode, str, bool], ready: Mapping[str, Ready]) -> tuple[str, ...]:
    """Find a flat and a dark of the sensor where its lights get none; of several the first name counts."""
    sensor, dark, flat = key
    wanted = [FrameType.FLAT] * (not flat) + [FrameType.DARK] * (not dark)
    found = []
    for kind in wanted:
        fitting = [name for name, one in ready.items()
                   if one.seen.frame_type is kind and sensor_of(one.seen.mode) == sensor]  # fmt: skip
        found += sorted(fitting)[:1]
    return tuple(found)


async def find_defects(
    run: Run, files: Sequence[Seen], sources: Mapping[str, Source], choices: Mapping[str, Choice]
) -> dict[str, Map]:
    """Look for bad columns and rows; give the map of every light that gets one, by label."""
    maps: dict[str, Map] = {}

    async def one(defects: Defects) -> None:
        shown = MasterRow(defects.name, KIND, "not made", min(LOOKED_AT, len(defects.members)), made=True)
        try:
            done = await run.crew.do(
                _order(run, defects, sources, choices), seconds=run.wish.frame_seconds + SECONDS_PER_LIGHT * LOOKED_AT
            )
        except ImagingError as error:
            shown.note = str(error)
            shown.verdict = NOT_MADE_BY_FAULT if error.reason in FAILED else shown.verdict
            run.report.masters.append(shown)
            return
        told = done.result
        if told["outputs"] or told["pattern"]:
            shown.seconds, shown.note = done.seconds, PATTERN if told["pattern"] else said(told)
            run.report.masters.append(shown)
        if told["outputs"]:
            shown.verdict, shown.path, shown.used_by = "found", next(iter(done.outputs)), len(defects.members)
            found = Map(defects.name, run.wish.out / shown.path, told["sha256"])
            maps.update({light.label: found for light in defects.members})

    await run.each(sets_of(files, choices, run.ready), one, "bad columns and rows")
    return maps


def _order(run: Run, defects: Defects, sources: Mapping[str, Source], choices: Mapping[str, Choice]) -> Order:
    chosen = defects.members[:LOOKED_AT]
    lights = [_sight(run, light, sources[light.label], choices[light.label]) for light in chosen]
    dark = choices[chosen[0].label].masters.get("dark")
    known = None if dark is None else run.ready[dark]
    others = [run.ready[name] for name in defects.others]
    arguments = {
        "lights": lights, "known": None if known is None or known.bad_pixels is None else str(known.bad_pixels),
        "others": [str(one.path) for one in others], "out": str(run.wish.out / MASTERS / f"{defects.name}.fits"),
    }  # fmt: skip
    content = {
        **run.basis, "lights": [(light.sha256, _hashes(run, choices[light.label])) for light in chosen],
        "known": None if known is None else known.bad_pixels_sha256, "others": [one.sha256 for one in others],
        "name": defects.name,
    }  # fmt: skip
    return Order("find_bad_lines", arguments, content)


def _sight(run: Run, light: Seen, source: Source, choice: Choice) -> dict[str, Any]:
    seen = {"description": dict(light.description), "statistics": dict(light.statistics), "packed": light.packed}
    masters = {place: str(run.ready[one].path) for place, one in choice.masters.items()}
    return {"source": source_of(source), "seen": seen, "masters": masters, "dark_scale": choice.dark_scale}


def _hashes(run: Run, choice: Choice) -> dict[str, str]:
    return {place: run.ready[one].sha256 for place, one in choice.masters.items()}


def said(told: Mapping[str, Any]) -> str:
    """Name the lines that are mended."""
    words = []
    for name, of_what in (("columns", "rows"), ("rows", "columns")):
        found = told[name]
        if found:
            listed = ", ".join(f"{line} ({of_what} {first} to {last})" for line, first, last in found[:12])
            more = f" and {len(found) - 12} more" if len(found) > 12 else ""
            words.append(f"{name if len(found) > 1 else name[:-1]} {listed}{more}")
    return f"mended in its lights: {'; '.join(words) or 'single pixels'}"
