"""Sixth stage: the colour pictures the coadds of a target allow."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pictor.cli.processing.coadds import band_of
from pictor.cli.processing.crew import Order
from pictor.cli.processing.rows import CoaddRow, Status
from pictor.cli.processing.run import PICTURES, Run
from pictor.cli.processing.sorting import slug
from pictor.imaging.compositing.filters import CHANNELS, Palette
from pictor.imaging.errors import ImagingError


@dataclass(frozen=True, slots=True)
class Picture:
    """A colour picture that can be made: its palette, and the coadds shown in red, green and blue."""

    palette: Palette
    colours: tuple[CoaddRow, CoaddRow, CoaddRow]
    luminance: CoaddRow | None = None


def possible(coadds: Sequence[CoaddRow]) -> list[Picture]:
    """Say which colour pictures the coadds of one target and rig allow; HOO only where SHO is not possible."""
    bands = bands_of(coadds)
    found: list[Picture] = []
    for palette in (Palette.RGB, Palette.SHO, Palette.HOO):
        wanted = CHANNELS[palette]
        better = palette is Palette.HOO and any(one.palette is Palette.SHO for one in found)
        if all(name in bands for name in wanted) and not better:
            red, green, blue = (bands[name] for name in wanted)
            found.append(Picture(palette, (red, green, blue), bands.get("L") if palette is Palette.RGB else None))
    return found


def bands_of(coadds: Sequence[CoaddRow]) -> Mapping[str, CoaddRow]:
    """Find the coadd of every band that is known; the one with most exposure where there are several."""
    found: dict[str, CoaddRow] = {}
    for one in sorted(coadds, key=lambda row: (-(row.exposure_s or 0.0), row.name)):
        band = band_of(one.filter)
        if band is not None and one.kind == "coadd" and one.status is Status.OK and one.outputs:
            found.setdefault(band, one)
    return found


async def make_colours(run: Run) -> None:
    """Make the colour pictures of every target."""
    groups: dict[tuple[str, str], list[CoaddRow]] = defaultdict(list)
    for row in run.report.coadds:
        groups[row.target.casefold(), row.rig].append(row)
    wanted: list[tuple[CoaddRow, Order]] = []
    for members in groups.values():
        wanted += [_composed(run, members, picture) for picture in possible(members)]

    async def one(task: tuple[CoaddRow, Order]) -> None:
        row, order = task
        try:
            done = await run.crew.do(order, seconds=3 * run.wish.frame_seconds)
        except ImagingError as error:
            row.status, row.reason = Status.ERROR, str(error)
            return
        row.seconds, row.outputs = done.seconds, dict(zip(done.result["outputs"], done.outputs, strict=True))
        row.notes.append(_told(done.result))

    run.report.coadds += [row for row, _ in wanted]
    await run.each(wanted, one, "colours")


def _told(result: Mapping[str, Any]) -> str:
    return f"white balance {', '.join(f'{one:.3f}' for one in result['white'])} by {result['star_count']} stars"


def _composed(run: Run, members: Sequence[CoaddRow], picture: Picture) -> tuple[CoaddRow, Order]:
    first = members[0]
    used = [*dict.fromkeys(row.name for row in picture.colours)]
    name = f"{slug(first.target)}_{picture.palette.upper()}{_rig(run, first)}"
    exposure = sum(row.exposure_s or 0.0 for row in members if row.name in used and not row.channel)
    row = CoaddRow(name, "colour", first.target, picture.palette.upper(), exposure_s=exposure, rig=first.rig)
    row.frames = sum(one.frames for one in members if one.name in used and not one.channel)
    bright = picture.luminance
    arguments = {
        "colours": [_path(run, one) for one in picture.colours], "palette": picture.palette.value, "name": name,
        "luminance": None if bright is None else _path(run, bright), "pictures": str(run.wish.out / PICTURES),
    }  # fmt: skip
    content = {
        **run.basis, "colours": [run.keys[f"coadd/{one.name}"] for one in picture.colours], "name": name,
        "palette": picture.palette.value, "luminance": None if bright is None else run.keys[f"coadd/{bright.name}"],
    }  # fmt: skip
    return row, Order("compose", arguments, content)


def _path(run: Run, row: CoaddRow) -> str:
    return str(run.wish.out / row.outputs["fits"])


def _rig(run: Run, row: CoaddRow) -> str:
    """Name the rig where another took the same target."""
    rigs = {one.rig for one in run.report.coadds if one.target.casefold() == row.target.casefold()}
    return f"_{slug(row.rig)}" if len(rigs) > 1 else ""
