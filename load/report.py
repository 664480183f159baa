"""The results as a table and as a page of the documentation."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from load.rows import Row


def machine() -> str:
    """Name processor, cores and memory."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model or platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| row | load | measured (goal) | check | load average | took |", "|---|---|---|---|---|---|"]
    for row in rows:
        measured = "; ".join(map(str, row.figures))
        lines.append(
            f"| {row.name} | {row.load} | {measured} | {row.check or 'no installation'} | {row.load_average:.1f} "
            f"| {row.note} |"
        )
    return "\n".join(lines)


def page(rows: Sequence[Row], broken: Sequence[str], *, full: bool) -> str:
    """Return the page."""
    kind = "full" if full else "scaled"
    text = [
        "# Load",
        "",
        f"Written by `make load{' FULL=1' if full else ''}` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
        f"Machine: {machine()}. Load generator, servers and services share it.",
        f"These are the {kind} loads. The load average beside a row is that of the last minute when it ended:",
        "what else the machine was doing is in it.",
        "",
        "A goal that was not reached is marked as missed. `check` is the verdict of `pictor check` on what the row",
        "left, the journal of its uploads included.",
        "",
        table(rows),
        "",
    ]
    if broken:
        text += ["Not measured:", "", *(f"- {sentence}" for sentence in broken), ""]
    return "\n".join(text)
