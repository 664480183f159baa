"""The masters in the page: what they are made of, what the gate said, who uses them."""

from collections.abc import Iterable

from pictor.cli.processing.report.text import file_name, link, number, text
from pictor.cli.processing.rows import MasterRow, Report

_VERDICTS = {"active": "OK", "ready": "OK", "found": "OK", "rejected": "ERROR", "failed": "ERROR"}
_HEAD = (
    ("Master", "f"), ("Verdict", ""), ("Kind", ""), ("Frames", "n"), ("Filter", ""), ("Exp. s", "n"), ("Temp. C", "n"),
    ("Read noise e-", "n"), ("Gain e-/ADU", "n"), ("Used by", "n"), ("What was found", "why"),
)  # fmt: skip


def masters_table(report: Report) -> str:
    """Write the table of masters."""
    if not report.masters:
        return ""
    head = "".join(f'<th scope="col" class="{shape}">{text(name)}</th>' for name, shape in _HEAD)
    body = "".join(_line(one) for one in report.masters)
    return (
        f'<div class="card scroll"><table class="sortable cards"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _line(one: MasterRow) -> str:
    facts = one.facts
    name = link(one.path, one.name) if one.path and one.made else file_name(one.name)
    shade = _VERDICTS.get(one.verdict, "SKIP")
    cells = [
        name, f'<span class="s s-{shade}">{text(one.verdict)}</span>', text(one.kind), str(one.frames),
        text(facts.get("filter") or ""), number(facts.get("exposure_s"), 2), number(facts.get("temperature_c"), 1),
        number(facts.get("read_noise_e"), 2), number(facts.get("egain"), 3), f"{one.used_by} lights", _found(one),
    ]  # fmt: skip
    parts = []
    for (title, shape), cell in zip(_HEAD, cells, strict=True):
        empty = " e" if cell in {"", "\N{EN DASH}"} else ""
        parts.append(f'<td class="{shape}{empty}" data-h="{text(title)}">{cell}</td>')
    return f"<tr>{''.join(parts)}</tr>"


def _found(one: MasterRow) -> str:
    left = [f"{told['file']}: {told['reason']}" for told in one.left_out]
    said = [f"{told['verdict']}: {told['name']}: {told['detail']}" for told in one.checks]
    if not said and not left:
        return text(one.note)
    first = one.note or (f"{len(left)} frames left out" if left else "every check passed")
    return f'<details><summary>{text(first)}</summary><ul class="checks">{_items([*left, *said])}</ul></details>'


def _items(sentences: Iterable[str]) -> str:
    return "".join(f"<li>{text(one)}</li>" for one in sentences)
