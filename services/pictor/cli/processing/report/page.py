"""The report as one page of HTML that needs nothing else: no network, no script."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from pictor.cli.processing.report.charts import bars
from pictor.cli.processing.report.gallery import gallery
from pictor.cli.processing.report.lights import lights_of, plots, status, table
from pictor.cli.processing.report.masters import masters_table
from pictor.cli.processing.report.text import duration, file_name, text
from pictor.cli.processing.rows import Report, Row, Status
from pictor.imaging.fits.sums import UNSOUND

_KINDS = ("bias", "dark", "flat-dark", "flat")
_SETTINGS = {
    "rules": "Lights are left out by", "cosmics": "Cosmic rays removed", "require_masters": "Masters required",
    "contsub": "Continuum subtracted", "coadd": "Lights coadded", "filters_as_named": "Filters as named",
    "solve": "Lights solved", "jobs": "Children at a time", "include": "Only files like", "exclude": "No files like",
}  # fmt: skip


def page_of(report: Report, out: Path) -> str:
    """Write the page.

    Parameters
    ----------
    report
        What the run tells.
    out
        Folder the paths of products are below; small pictures are taken into the page.
    """
    style, script = (_part(name) for name in ("report.css", "report.js"))
    lights = lights_of(report.rows)
    sections = [
        ("pictures", "Pictures", gallery(report, out)), ("night", "The lights over time", plots(lights)),
        ("lights", "Lights", table(lights, out) if lights else ""),
        ("masters", "Masters", masters_table(report)), ("files", "All other files", _others(report.rows)),
        ("time", "Where the time went", _timings(report)), ("run", "This run", _about(report)),
    ]  # fmt: skip
    shown = [(name, title, body) for name, title, body in sections if body]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title, _ in shown)
    body = "".join(f'<section id="{name}"><h2>{title}</h2>{part}</section>' for name, title, part in shown)
    title = text(Path(report.folder).resolve().name or report.folder)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}: Pictor report</title><style>{style}</style></head><body>"
        f'<header class="top"><h1>{title}</h1><p class="sub">{_subtitle(lights)}</p>{_tiles(report, lights)}'
        f'{_attention(report)}<nav aria-label="Sections">{links}</nav></header><main>{body}</main>'
        f"<footer>{text(report.software)}. The same numbers are in report.csv and report.json.</footer>"
        f"<script>{script}</script></body></html>\n"
    )


def _part(name: str) -> str:
    return files("pictor.cli.processing.report").joinpath(name).read_text(encoding="utf-8")


def _subtitle(lights: Sequence[Row]) -> str:
    starts = sorted(str(row.facts["start_utc"])[:10] for row in lights if row.facts.get("start_utc"))
    days = "" if not starts else starts[0] if starts[0] == starts[-1] else f"{starts[0]} to {starts[-1]}"
    rigs = sorted({str(row.facts["rig"]) for row in lights if row.facts.get("rig")})
    shown = ", ".join(rigs[:3]) + (f" and {len(rigs) - 3} more" if len(rigs) > 3 else "")
    return " \N{MIDDLE DOT} ".join(text(part) for part in (days, shown) if part) or "no lights"


def _tiles(report: Report, lights: Sequence[Row]) -> str:
    used = [row for row in lights if row.status is Status.OK]
    exposure = sum(float(row.facts.get("exposure_s") or 0) for row in used)
    solved = sum(row.numbers.get("ra_deg") is not None for row in lights)
    made = sum(one.made and one.verdict == "active" for one in report.masters)
    tiles = [
        ("", len(report.rows), "files"), ("ok", report.count(Status.OK), "OK"),
        ("skip", report.count(Status.SKIP), "skipped"),
        ("err", report.count(Status.ERROR), "errors"), ("", f"{len(used)} / {len(lights)}", "lights used"),
        ("", duration(exposure), "exposure used"), ("", f"{solved} / {len(lights)}", "lights solved"),
        ("", made, "masters made"),
    ]  # fmt: skip
    return '<div class="tiles">' + "".join(
        f'<div class="{kind if value else ""}"><b>{text(value)}</b><span>{text(name)}</span></div>'
        for kind, value, name in tiles
    ) + "</div>"  # fmt: skip


def _attention(report: Report) -> str:
    """Say first what went wrong and what is missing."""
    parts = []
    if report.stopped:
        parts.append(f'<div class="card note bad"><b>The run did not end.</b> {text(report.stopped)}</div>')
    failed = [(row.label, row.reason) for row in report.rows if row.status is Status.ERROR]
    failed += [(one.name, one.reason) for one in report.coadds if one.status is Status.ERROR]
    parts.append(_listed("bad", "Errors", [f"{name}: {why}" for name, why in failed]))
    parts.append(_listed("", "What is missing", report.missing))
    doubtful = [f"{row.label}: {note}" for row in report.rows for note in row.notes if UNSOUND in note]
    parts.append(_listed("", "Files that are not as they were written", doubtful))
    became = "Removed: products" if report.pruned else "Left of earlier runs: products"
    parts.append(_listed("", f"{became} of frames that are gone, or of other settings", report.stale))
    return "".join(parts)


def _listed(kind: str, title: str, sentences: Sequence[str], *, most: int = 6) -> str:
    if not sentences:
        return ""
    first = "".join(f"<li>{text(one)}</li>" for one in sentences[:most])
    rest = "".join(f"<li>{text(one)}</li>" for one in sentences[most:])
    more = f"<details><summary>{len(sentences) - most} more</summary><ul>{rest}</ul></details>" if rest else ""
    return f'<div class="card note {kind}"><b>{title}</b><ul>{first}</ul>{more}</div>'


def _others(rows: Sequence[Row]) -> str:
    """Tell every file that is no light, folded by kind."""
    parts = []
    for kind in (*_KINDS, *sorted({str(row.kind) for row in rows} - {*_KINDS, "light", "snapshot"})):
        mine = [row for row in rows if str(row.kind) == kind]
        if mine:
            told = ", ".join(f"{count} {one}" for one in Status if (count := sum(row.status is one for row in mine)))
            name = "not read" if kind == "None" else kind
            opened = " open" if any(row.status is Status.ERROR for row in mine) else ""
            parts.append(f'<details class="card"{opened}><summary class="big">{text(name)}: {told}</summary>'
                         f'<div class="scroll">{_files(mine)}</div></details>')  # fmt: skip
    return "".join(parts)


def _files(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        group = row.facts.get("group") or ""
        reason = row.reason or "; ".join(row.notes)
        lines.append(f'<tr><td class="f">{file_name(row.label)}</td><td>{status(row.status)}</td>'
                     f'<td class="f">{text(group)}</td><td class="why">{text(reason)}</td></tr>')  # fmt: skip
    head = "".join(f'<th scope="col">{name}</th>' for name in ("File", "Status", "Group", "Why"))
    return f'<table class="sortable"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def _timings(report: Report) -> str:
    spent: dict[str, float] = {}
    for row in report.rows:
        for stage, seconds in row.seconds.items():
            spent[stage] = spent.get(stage, 0.0) + seconds
    for name, many in (("masters", report.masters), ("coadds", report.coadds)):
        spent[name] = sum(one.seconds for one in many)
    drawn = bars({name: seconds for name, seconds in spent.items() if seconds >= 0.05}, "Processor time by stage")
    if not drawn:
        return ""
    again = (
        f" {report.reused} steps were known from an earlier run, with the time they took then." if report.reused else ""
    )
    whole = f"The run took {duration(report.seconds.get('all'))} on the clock.{again}"
    return f'<div class="card">{drawn}</div><p class="dim">{text(whole)}</p>'


def _about(report: Report) -> str:
    told: dict[str, object] = {"Folder": report.folder, "Products": report.out, "Software": report.software}
    told |= {_SETTINGS.get(name, name): value for name, value in report.settings.items() if value != ""}
    told["Other files passed over"] = report.others
    words = {True: "yes", False: "no"}
    listed = "".join(
        f"<dt>{text(name)}</dt><dd>{text(words[value] if isinstance(value, bool) else str(value))}</dd>"
        for name, value in told.items()
    )
    return f'<div class="card" style="padding:16px 18px"><dl>{listed}</dl></div>'
