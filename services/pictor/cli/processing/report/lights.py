"""The lights in the page: plots over time, pointing, and the table."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from pictor.cli.processing.report.charts import Point, legend, over_time, pointing
from pictor.cli.processing.report.pictures import MOST, SMALL, embedded
from pictor.cli.processing.report.text import clock, file_name, linked, number, text
from pictor.cli.processing.rows import Row, Status

PLOTS = (
    ("fwhm_px", "FWHM", "pixels", 2, False), ("eccentricity", "Eccentricity", "0 round, 1 a line", 2, False),
    ("star_count", "Stars", "unsaturated, unflagged", 0, True), ("background_adu", "Sky", "ADU per pixel", 0, False),
)  # fmt: skip
MANY = 30
"""Rows of a table that need no search."""

_SEARCH = (
    '<label class="search" hidden>Show only rows with <input type="search" placeholder="M 31, SKIP, trail ..."></label>'
)

FEWEST_TO_PLOT = 3
"""Two times are no course of a night."""

COLUMNS = (
    ("", "t"), ("File", "f"), ("Status", ""), ("Grade", ""), ("Target", "p"), ("Filter", "p"), ("Start (UTC)", "w"),
    ("Exp. s", "n"), ("FWHM px", "n"), ("FWHM \N{DOUBLE PRIME}", "n"), ("Ecc.", "n"), ("Stars", "n"), ("Sky ADU", "n"),
    ("Why, and what was done", "why"),
)  # fmt: skip


def lights_of(rows: Iterable[Row]) -> list[Row]:
    """Take the lights that were read, in the order of time."""
    found = [row for row in rows if row.kind in {"light", "snapshot"}]
    return sorted(found, key=lambda row: (str(row.facts.get("start_utc") or ""), row.label))


def plots(lights: Sequence[Row]) -> str:
    """Plot the lights that were measured and tell their time, one set of plots for each rig."""
    measured = [row for row in lights if row.numbers and row.facts.get("start_utc")]
    rigs = sorted({str(row.facts.get("rig") or "") for row in measured})
    parts = []
    for rig in rigs:
        mine = [row for row in measured if str(row.facts.get("rig") or "") == rig]
        if len({seconds_of(row) for row in mine}) < FEWEST_TO_PLOT:
            continue
        numbers = [(points_of(mine, name), how) for name, *how in PLOTS]
        drawn = [
            over_time(points, *how[:2], digits=how[2], zero=how[3])  # type: ignore[arg-type]
            for points, how in numbers
            if len(points) >= FEWEST_TO_PLOT
        ]
        drawn.append(pointing(offsets_of(mine), "Pointing: centre from the target"))
        if any(drawn):
            title = f'<h3 class="dim">{text(rig)}</h3>' if len(rigs) > 1 and rig else ""
            shown = legend([str(row.facts.get("filter") or "") for row in mine])
            parts.append(f'{title}{shown}<div class="charts">{"".join(drawn)}</div>')
    return "".join(parts)


def points_of(rows: Iterable[Row], name: str) -> list[Point]:
    """Give one number of every row as a point over time."""
    points = []
    for row in rows:
        value = row.numbers.get(name)
        start = seconds_of(row)
        if isinstance(value, int | float) and math.isfinite(value) and start is not None:
            points.append(Point(start, float(value), _filter(row), row.status is not Status.OK, _told(row, value)))
    return points


def seconds_of(row: Row) -> float | None:
    """Give the start of an exposure in seconds since 1970; None where the header tells none that makes sense."""
    try:
        return datetime.fromisoformat(str(row.facts.get("start_utc"))).timestamp()
    except (ValueError, OverflowError):
        return None


def offsets_of(rows: Iterable[Row]) -> list[Point]:
    """Give where the solved centres lie around the median centre of their target, in arcminutes."""
    by_target: dict[str, list[Row]] = {}
    for row in rows:
        if row.numbers.get("ra_deg") is not None and row.numbers.get("dec_deg") is not None:
            by_target.setdefault(str(row.facts.get("target") or "").casefold(), []).append(row)
    points = []
    for members in by_target.values():
        ra0, dec0 = _aim(members)
        for row in members:
            ra, dec = row.numbers["ra_deg"], row.numbers["dec_deg"]
            x = math.remainder(ra - ra0, 360.0) * math.cos(math.radians(dec0)) * 60
            y = (dec - dec0) * 60
            told = f"{row.label}: {number(math.hypot(x, y), 2)} arcmin from the target"
            points.append(Point(x, y, _filter(row), row.status is not Status.OK, told))
    return points


def _aim(members: Sequence[Row]) -> tuple[float, float]:
    """Give the target's position where the header tells it, else the middle of the centres."""
    for row in members:
        if row.facts.get("target_ra_deg") is not None and row.facts.get("target_dec_deg") is not None:
            return float(row.facts["target_ra_deg"]), float(row.facts["target_dec_deg"])
    middle = members[len(members) // 2].numbers
    return float(middle["ra_deg"]), float(middle["dec_deg"])


def _filter(row: Row) -> str:
    return str(row.facts.get("filter") or "")


def _told(row: Row, value: float) -> str:
    grade = f", grade {row.facts['grade']}" if row.facts.get("grade") else ""
    through = f" ({_filter(row)})" if _filter(row) else ""
    return f"{row.label}{through}: {value:.4g}{grade}{f', {row.status}: {row.reason}' if row.reason else ''}"


def table(lights: Sequence[Row], out: Path) -> str:
    """Write the table of lights; on a phone every row is a card. A long one scrolls by itself and can be searched."""
    tall = len(lights) > MANY
    search = _SEARCH if tall else ""
    head = "".join(f'<th scope="col" class="{shape}">{text(name)}</th>' for name, shape in COLUMNS)
    years = {str(row.facts["start_utc"])[:4] for row in lights if row.facts.get("start_utc")}
    body = "".join(_line(row, out, thumbnail=index < MOST, year=len(years) > 1) for index, row in enumerate(lights))
    return (
        f'{search}<div class="card scroll{" tall" if tall else ""}"><table class="sortable cards">'
        "<caption hidden>Lights</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _line(row: Row, out: Path, *, thumbnail: bool, year: bool) -> str:
    facts, numbers = row.facts, row.numbers
    shown = embedded(out / row.outputs["thumbnail"], SMALL) if thumbnail and "thumbnail" in row.outputs else None
    image = f'<img src="{shown}" alt="picture of {text(row.label)}" width="64">'
    picture = "" if shown is None else linked(row.outputs["thumbnail"], image)
    grade = facts.get("grade")
    cells = [
        picture, file_name(row.label), status(row.status),
        f'<span class="g g-{text(grade)}">{text(grade)}</span>' if grade else "",
        file_name(facts.get("target") or ""), file_name(facts.get("filter") or ""),
        clock(facts.get("start_utc"), year=year),
        _exposure(facts.get("exposure_s")), number(numbers.get("fwhm_px"), 2), number(numbers.get("fwhm_arcsec"), 2),
        number(numbers.get("eccentricity"), 2), number(numbers.get("star_count"), 0),
        number(numbers.get("background_adu"), 0), why(row),
    ]  # fmt: skip
    raw = [facts.get("exposure_s"), *(numbers.get(name) for name in _RAW)]
    values: list[object] = [*[None] * 7, *raw, None]
    return _joined(cells, values)


_RAW = ("fwhm_px", "fwhm_arcsec", "eccentricity", "star_count", "background_adu")


def _exposure(seconds: float | None) -> str:
    return number(seconds, 2 if (seconds or 0.0) < 10 else 0)


def _joined(cells: Sequence[str], values: Sequence[object]) -> str:
    parts = []
    for (name, shape), cell, value in zip(COLUMNS, cells, values, strict=True):
        raw = f' data-v="{value:.6g}"' if isinstance(value, int | float) and math.isfinite(value) else ""
        empty = " e" if cell in {"", "\N{EN DASH}"} else ""
        parts.append(f'<td class="{shape}{empty}" data-h="{text(name)}"{raw}>{cell}</td>')
    return f"<tr>{''.join(parts)}</tr>"


def status(value: Status) -> str:
    """Show what became of a file."""
    return f'<span class="s s-{value}">{value}</span>'


def why(row: Row) -> str:
    """Say why, and behind a click what else was done."""
    notes = [*_sky(row), *(row.facts.get("grade_reasons") or ()), *row.notes]
    if not notes:
        return text(row.reason)
    first = row.reason or _shortly(row)
    listed = "".join(f"<li>{text(note)}</li>" for note in notes)
    return f'<details><summary>{text(first)}</summary><ul class="checks">{listed}</ul></details>'


def _sky(row: Row) -> list[str]:
    """Say where a solved light looked."""
    told = row.numbers
    if told.get("ra_deg") is None:
        return []
    offset = told.get("target_offset_arcsec")
    off = "" if offset is None else f", {number(offset / 60, 2)} arcmin from the target"
    where = f"centre {number(told['ra_deg'], 4)} {number(told['dec_deg'], 4)} degrees{off}"
    scale = f"{number(told.get('scale_arcsec'), 4)} arcsec per pixel, at {number(told.get('pa_deg'), 2)} degrees"
    match = f"{number(told.get('matched'), 0)} stars matched within {number(told.get('rms_arcsec'), 2)} arcsec"
    return [f"{where}, {scale}, {match}"]


def _shortly(row: Row) -> str:
    done = f"calibrated {row.facts['calstat']}" if row.facts.get("calstat") else "not calibrated"
    if row.facts.get("grade_reasons"):
        return f"{done}; {row.facts['grade_reasons'][0]}"
    solved = "solved" if row.numbers.get("ra_deg") is not None else "not solved"
    return f"{done}, {solved}" if row.numbers else "; ".join(row.notes[:1])
