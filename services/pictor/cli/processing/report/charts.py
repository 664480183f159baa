"""Plots as SVG whose text is text: no library, no script, colours by the page's style."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from pictor.cli.processing.coadds import band_of
from pictor.cli.processing.report.scales import Session, sessions, tick_text, ticks, time_ticks
from pictor.cli.processing.report.text import number, text

WIDTH, HEIGHT = 420, 210
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 12, 34
LABEL = 34.0
"""Room a clock time needs."""

_SHADES = {"L": "L", "Red": "R", "Green": "G", "Blue": "B", "Ha": "Ha", "OIII": "OIII", "SII": "SII"}
_OTHERS = 4
_SHAPES = {
    "f-L": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0", "f-R": "M-3.6 -3.6h7.2v7.2h-7.2z", "f-G": "M0 -4.8L4.8 3.6H-4.8z",
    "f-B": "M0 -5L5 0L0 5L-5 0z", "f-Ha": "M0 4.8L4.8 -3.6H-4.8z", "f-OIII": "M-2.1 -5h4.2v10h-4.2z",
    "f-SII": "M-5 -2.1h10v4.2h-10z", "f-0": "M0 -5L4.8 -1.5L2.9 4H-2.9L-4.8 -1.5z",
    "f-1": "M-1.5 -5h3v3.5H5v3h-3.5V5h-3v-3.5H-5v-3h3.5z",
    "f-2": "M0 -6L1.6 -1.6L6 0L1.6 1.6L0 6L-1.6 1.6L-6 0L-1.6 -1.6z", "f-3": "M-4 2a4 4 0 0 1 8 0z",
}  # fmt: skip
"""A shape for every colour, about its middle: who does not tell the colours apart tells the filters by these."""
_ORDER = ("f-L", "f-R", "f-G", "f-B", "f-SII", "f-Ha", "f-OIII")


@dataclass(frozen=True, slots=True)
class Point:
    """One frame in a plot: where, which filter, whether it was left out, and what a reader is told about it."""

    x: float
    y: float
    filter: str
    out: bool
    told: str


def colours(filters: Sequence[str]) -> dict[str, str]:
    """Give every filter its class of colour, in the usual order: known bands have their own, the others take turns."""
    found: dict[str, str] = {}
    turn = 0
    for name in sorted(set(filters)):
        known = _SHADES.get(band_of(name) or "")
        if known is not None:
            found[name] = f"f-{known}"
        else:
            found[name] = f"f-{turn % _OTHERS}"
            turn += 1
    return dict(sorted(found.items(), key=lambda one: _ORDER.index(one[1]) if one[1] in _ORDER else len(_ORDER)))


def over_time(points: Sequence[Point], title: str, unit: str, *, digits: int = 1, zero: bool = False) -> str:
    """Plot a number over time; frames that were left out are crosses.

    Parameters
    ----------
    points
        ``x`` in seconds since 1970, UTC.
    title, unit
        What the number is.
    digits
        Of the numbers told.
    zero
        Whether the axis begins at zero.
    """
    if not points:
        return ""
    runs = sessions([point.x for point in points])
    marks = ticks(0.0 if zero else min(point.y for point in points), max(point.y for point in points))
    low, high = marks[0], marks[-1]

    def x(point: Point) -> float:
        run = next(run for run in runs if run.first <= point.x <= run.last)
        return _across(run.place(point.x))

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low))

    shades = colours([point.filter for point in points])
    drawn = [_mark(x(point), y(point.y), shades[point.filter], point) for point in points]
    used = [point.y for point in points if not point.out]
    middle = median(used) if used else None
    told = "" if middle is None else f" The median of the frames used is {number(middle, digits)} {unit}."
    out = sum(point.out for point in points)
    said = f"{len(points)} frames, {out} of them left out.{told}"
    parts = [_grid(marks, y), _clock(runs), *(_time_axis(run, many=len(runs)) for run in runs), *drawn]
    if middle is not None:
        parts.insert(1, f'<line class="median" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(middle):.1f}" '
                        f'y2="{y(middle):.1f}"/>')  # fmt: skip
    return _figure(title, unit, said, parts)


def _across(share: float) -> float:
    return LEFT + 6 + (WIDTH - LEFT - RIGHT - 12) * share


def _grid(marks: Sequence[float], y: object) -> str:
    place = y if callable(y) else None
    step = marks[1] - marks[0]
    parts = []
    for mark in marks:
        at = place(mark) if place else 0.0
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">'
                     f"{tick_text(mark, step)}</text>")  # fmt: skip
    return "".join(parts)


def _clock(runs: Sequence[Session]) -> str:
    """Write clock times below the sessions, none so near to another that they touch."""
    parts, last = [], -float(WIDTH)
    for run in runs:
        wide = run.right - run.left
        for at in time_ticks(run, most=max(1, int(wide * 5))) if wide > 0.1 else ():
            x = _across(run.place(at))
            if x - last >= LABEL:
                last = x
                parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">'
                             f"{datetime.fromtimestamp(at, UTC):%H:%M}</text>")  # fmt: skip
    return "".join(parts)


def _time_axis(run: Session, *, many: int) -> str:
    """Draw the axis of a session, and write its date."""
    base = HEIGHT - BOTTOM
    wide = run.right - run.left
    parts = []
    if wide > 0.1 or many <= 8:
        day = datetime.fromtimestamp(run.first, UTC)
        shown = f"{day:%Y-%m-%d}" if wide > 0.3 else f"{day:%d %b}" if wide > 0.12 else f"{day:%d}"
        parts.append(f'<text class="day" x="{_across((run.left + run.right) / 2):.1f}" y="{base + 28}" '
                     f'text-anchor="middle">{shown}</text>')  # fmt: skip
    left, right = _across(run.left) - 4, _across(run.right) + 4
    parts.append(f'<line class="axis" x1="{left:.1f}" x2="{right:.1f}" y1="{base}" y2="{base}"/>')
    return "".join(parts)


def _mark(x: float, y: float, shade: str, point: Point) -> str:
    """Draw one frame: the shape of its filter, or a cross where it was left out."""
    told = f"<title>{text(point.told)}</title>"
    if point.out:
        return (f'<g class="out {shade}">{told}<path d="M{x - 4:.1f} {y - 4:.1f}l8 8m0-8l-8 8"/>'
                f'<circle class="hit" cx="{x:.1f}" cy="{y:.1f}" r="7"/></g>')  # fmt: skip
    return f'<path class="dot {shade}" transform="translate({x:.1f} {y:.1f})" d="{_SHAPES[shade]}">{told}</path>'


def _figure(title: str, unit: str, said: str, parts: Sequence[str], *, height: int = HEIGHT) -> str:
    shown = f"{title} <span>{text(unit)}</span>" if unit else title
    return (
        f'<figure class="chart"><figcaption>{shown}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{text(title)}: {text(said)}">'
        f"<title>{text(title)}</title><desc>{text(said)}</desc>{''.join(parts)}</svg></figure>"
    )


def pointing(points: Sequence[Point], title: str) -> str:
    """Plot offsets on the sky, east to the left, both axes alike; ``x`` and ``y`` in arcminutes."""
    if not points:
        return ""
    reach = max(max(abs(point.x), abs(point.y)) for point in points) * 1.08 or 0.5
    marks = ticks(-reach, reach)
    side = HEIGHT - TOP - BOTTOM
    middle = (LEFT + WIDTH - RIGHT) / 2
    unit = side / (marks[-1] - marks[0])
    step = marks[1] - marks[0]

    def y(value: float) -> float:
        return TOP + side * (marks[-1] - value) / (marks[-1] - marks[0])

    shades = colours([point.filter for point in points])
    parts = [_grid(marks, y), f'<line class="cross" x1="{middle}" x2="{middle}" y1="{TOP}" y2="{TOP + side}"/>']
    parts += [
        f'<text class="tick" x="{middle - mark * unit:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">'
        f"{tick_text(mark, step)}</text>" for mark in marks
    ]  # fmt: skip
    parts.append(f'<text class="day" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">'
                 "east \N{LEFTWARDS ARROW} arcmin \N{RIGHTWARDS ARROW} west</text>")  # fmt: skip
    parts += [_mark(middle - point.x * unit, y(point.y), shades[point.filter], point) for point in points]
    widest = max(points, key=lambda point: point.x**2 + point.y**2)
    said = f"{len(points)} frames, the farthest {number((widest.x**2 + widest.y**2) ** 0.5, 2)} arcmin off"
    return _figure(title, "north up", said, parts)


def bars(parts: Mapping[str, float], title: str) -> str:
    """Show how a time is made up, as one bar and a list."""
    whole = sum(parts.values())
    if not whole > 0:
        return ""
    left, drawn, listed = 0.0, [], []
    for index, (name, seconds) in enumerate(sorted(parts.items(), key=lambda part: -part[1])):
        width = 100 * seconds / whole
        long = max(width - 0.25, 0.1)
        told = f"{name}: {seconds:.1f} s"
        drawn.append(f'<rect class="b-{index % 8}" x="{left:.2f}" width="{long:.2f}" height="6" rx="0.6">'
                     f"<title>{text(told)}</title></rect>")  # fmt: skip
        listed.append(f'<li><i class="b-{index % 8}"></i>{text(name)} <b>{seconds:.1f} s</b></li>')
        left += width
    return (
        f'<div class="bars"><svg viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{text(title)}">'
        f"<title>{text(title)}</title>{''.join(drawn)}</svg><ul>{''.join(listed)}</ul></div>"
    )


def legend(filters: Sequence[str]) -> str:
    """Name the colours and shapes of the filters and the cross."""
    entries = [
        f'<li><svg viewBox="-6 -6 12 12" aria-hidden="true"><path class="dot {shade}" d="{_SHAPES[shade]}"/></svg>'
        f"{text(name or 'no filter')}</li>"
        for name, shade in colours(filters).items()
    ]
    crossed = '<li><svg viewBox="0 0 10 10" aria-hidden="true"><path d="M1 1l8 8m0-8l-8 8"/></svg>left out</li>'
    return f'<ul class="legend">{"".join(entries)}{crossed}</ul>'
