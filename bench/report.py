"""The results as a table and as a page of the documentation."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.peers import missing, versions
from bench.rows import Row, rounded
from bench.why import why

MET = {True: "yes", False: "**no**", None: ""}


@dataclass(slots=True)
class Results:
    """What a run has found so far, and under which circumstances."""

    command: str
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    rows: list[Row] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Groups still to come; a run that is stopped leaves them on the page."""
    loads: list[float] = field(default_factory=lambda: [os.getloadavg()[0]])
    """Load average before the run and after each group."""


def machine() -> str:
    """Processor, cores and memory."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model or platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"


def cells(row: Row) -> list[str]:
    """Return one row of the table."""

    def shown(value: float | None) -> str:
        number = rounded(value)
        return "" if number is None else f"{number:g}"

    goal = row.goal.replace("<=", "≤").replace(">=", "≥")
    return [
        row.name, f"{shown(row.ours)} {row.unit}", f"{shown(row.peer)} {row.peer_name}".strip() if row.peer else "",
        shown(row.ratio), shown(row.rss_mib), str(row.n), goal, MET[row.met], row.accuracy,
    ]  # fmt: skip


HEADINGS = ("measurement", "ours", "peer", "ratio", "MiB", "n", "goal", "met", "accuracy")


def table(rows: Sequence[Row]) -> str:
    """Text in columns, for a terminal."""
    lines = [list(HEADINGS), *(cells(row) for row in rows)]
    lines = [[cell.replace("**", "") for cell in line[:-1]] for line in lines]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def page(results: Results) -> str:
    """Return the page ``docs/benchmarks.md``."""
    rows = results.rows
    short = [row for row in rows if row.met is False]
    parts = [
        "# Benchmarks",
        f"Written by `{results.command}` on {results.began:%Y-%m-%d %H:%M} UTC; do not edit.",
        _setting(results),
        (
            f"{len(rows)} measurements, {len(short)} short of their goal, "
            f"{sum(row.met is None for row in rows)} without a goal or without the peer to judge it."
        ),
        "\n".join(
            [_line(HEADINGS), _line(["---"] * len(HEADINGS)), *(_line(cells(row)) for row in rows)],
        ),
        *_listed("Short of the goal", [_short(row) for row in short]),
        *_listed("Peers that were not here", missing()),
        *_listed("Measurements that could not be made", results.broken),
        *_listed("Groups this run did not reach", results.left),
        "## Versions",
        ", ".join(f"{name} {version}" for name, version in versions().items()),
    ]
    return "\n\n".join(parts) + "\n"


def _short(row: Row) -> str:
    ratio = "" if row.ratio is None else f", {rounded(row.ratio):g} of the peer's"
    reason = why(row.name)
    return f"{row.name}: {rounded(row.ours):g} {row.unit}{ratio} ({row.goal}){': ' if reason else ''}{reason}"


def _setting(results: Results) -> str:
    low, high = min(results.loads), max(results.loads)
    return (
        f"Machine: {machine()}. Load average during the run: {low:.1f} to {high:.1f}. Under more foreign load than a "
        "core or so absolute times say little; ratios hold better, because most rows take both sides in turns. `ours` "
        "and `peer` are medians of `n`; a ratio is ours over the peer's."
    )


def _line(cells_: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells_) + " |"


def _listed(title: str, items: Sequence[str]) -> list[str]:
    return [f"## {title}", "\n".join(f"- {item}" for item in items)] if items else []
