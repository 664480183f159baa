"""The results as a table and as a page of the documentation."""

import os
import platform
from collections.abc import Sequence
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
    lines = [
        "| row | load | measured (goal) | check | load average | took | at, UTC |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        measured = "; ".join(map(str, row.figures))
        lines.append(
            f"| {row.name}{' full' if row.full else ''} | {row.load} | {measured} | {row.check or 'no installation'} "
            f"| {row.load_average:.1f} | {row.took_s:.0f} s | {row.at} |"
        )
    return "\n".join(lines)


def page(rows: Sequence[Row]) -> str:
    """Return the page."""
    return "\n".join(
        [
            "# Load",
            "",
            'Written by `make load` (scaled loads; `FULL=1` as the goals name them; `ARGS="L1 L4"` some of them), each',
            "row as it was measured last.",
            f"Machine: {machine()}. Load generator, servers and services share it.",
            "The load average beside a row is that of the last minute when it ended: what else the machine did is",
            "in it, and so it is in the figures. A run that ends at more than 10 per core is printed, but does not",
            "replace a calmer one here.",
            "",
            "A goal that was not reached is marked as missed. `check` is the verdict of `pictor check` on what the row",
            "left, the journal of its uploads included.",
            "",
            table(rows),
            "",
        ]
    )
