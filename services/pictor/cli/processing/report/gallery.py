"""The pictures in the page: per target the colour pictures, then the coadds."""

from collections.abc import Sequence
from pathlib import Path

from pictor.cli.processing.report.pictures import LARGE, WIDE, embedded
from pictor.cli.processing.report.text import duration, link, linked, number, text
from pictor.cli.processing.rows import CoaddRow, Report, Status

COLOUR = "colour"


def gallery(report: Report, out: Path) -> str:
    """Show the pictures of every target: those with colour first, then those exposed longest."""
    targets = sorted(dict.fromkeys(one.target for one in report.coadds), key=lambda one: _rank(report, one))
    shown = [_target(target, [one for one in report.coadds if one.target == target], out) for target in targets]
    return f'<div class="targets">{"".join(shown)}</div>' if any(shown) else ""


def _rank(report: Report, target: str) -> tuple[bool, float, str]:
    mine = [one for one in report.coadds if one.target == target]
    coloured = any(one.kind == COLOUR and one.status is Status.OK for one in mine)
    return not coloured, -sum(one.exposure_s or 0.0 for one in mine if one.kind == "coadd"), target


def _target(target: str, coadds: Sequence[CoaddRow], out: Path) -> str:
    large = [one for one in coadds if one.kind == COLOUR and one.status is Status.OK]
    small = [one for one in coadds if one.kind != COLOUR]
    single = [one for one in coadds if one.kind == "coadd" and not one.channel]
    exposure, frames = sum(one.exposure_s or 0.0 for one in single), sum(one.frames for one in single)
    counted = f"{frames} light{'s' * (frames != 1)}, {duration(exposure)}"
    head = f'<header><h3>{text(target)}</h3><span class="dim">{counted}</span></header>'
    many = "".join(_picture(one, out, LARGE) for one in small)
    if large:
        first = "".join(_picture(one, out, WIDE) for one in large)
        body = f'<div class="gallery wide"><div>{first}</div><div class="small">{many}</div></div>'
    else:
        body = f'<div class="gallery">{many}</div>'
    wide = " full" if large or len(small) > 2 else ""
    return f'<article class="card target{wide}">{head}{body}</article>'


def _picture(one: CoaddRow, out: Path, edge: int) -> str:
    path = one.outputs.get("picture")
    shown = None if path is None else embedded(out / path, edge, quality=80 if edge == WIDE else 72)
    image = "" if shown is None else f'<img src="{shown}" alt="{text(f"{one.kind} of {one.target}, {one.filter}")}">'
    if image and path:
        image = linked(path, image)
    told = [
        f"{one.frames} light{'s' * (one.frames != 1)}" if one.frames else "",
        duration(one.exposure_s) if one.exposure_s else "",
        f"FWHM {number(one.numbers.get('fwhm_px'), 2)} px" if one.numbers.get("fwhm_px") else "",
    ]
    words = ", ".join(text(part) for part in told if part)
    bad = f'<br><span class="s s-{one.status}">{one.status}</span> {text(one.reason)}' if one.reason else ""
    file = f"<br>{link(one.outputs['fits'], Path(one.outputs['fits']).name)}" if "fits" in one.outputs else ""
    caption = f"<b>{text(one.filter or one.name)}</b> {words}{bad}{file}{_how(one.notes)}"
    return f'<figure class="picture">{image}<figcaption>{caption}</figcaption></figure>'


def _how(notes: Sequence[str]) -> str:
    """Fold away how a picture was made."""
    listed = "".join(f"<li>{text(note)}</li>" for note in notes)
    return f"<details><summary>how it was made</summary><ul>{listed}</ul></details>" if listed else ""
