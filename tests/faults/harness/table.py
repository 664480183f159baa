"""The table of ``make faults``: every row of the catalogue, what happened to it, or why it was not injected."""

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness.catalogue import CATALOGUE
from tests.faults.harness.rows import Row

Outcome = dict[str, Any]
PROPERTY = "fault row"

HEAD = """# What Pictor survives

Written by `make faults`, which injects every fault below into real servers and services on loopback, waits, and ends
with `pictor check --deep` and the journal of a client that wrote down every answered upload. A row is *whole* when the
check finds nothing lost, doubled or stuck; *seconds* is the time from the end of the fault until then (of the slowest
run), *limit* what it may take on an idle machine. On a busy one the limit is stretched by the load per processor, at
most four-fold; the factor is given where it was needed. *Run* is the day of the last run, and the highest load then;
`make faults ARGS="-k test_f13"` runs some rows, and leaves what the page says of the others. `make chaos SEED=n
MINUTES=m` injects them at random.

"""

NOTES = "## Measured on the way"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of ``make faults``."""
    group = parser.getgroup("faults")
    group.addoption("--faults", choices=("core", "all"), default="core", help="fault rows to run")
    group.addoption("--faults-page", type=Path, default=None, help="file to write the table of faults to")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of rows."""
    config.addinivalue_line("markers", "fault(number, how, limit_s, core): a row of the fault catalogue")
    config.pluginmanager.register(Table(config.getoption("--faults-page")), "fault table")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the rows out that are not part of every test run."""
    if config.getoption("--faults") == "all":
        return
    left_out = [item for item in items if (mark := item.get_closest_marker("fault")) and not mark.kwargs["core"]]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Iterator[Row]:
    """The row of the catalogue that the test is a run of."""
    mark = request.node.get_closest_marker("fault")
    found = Row(mark.kwargs["number"], mark.kwargs["limit_s"])
    yield found
    outcome = {
        **mark.kwargs, "seconds": found.seconds, "factor": found.factor, "reason": found.reason, "notes": found.notes,
        "load": os.getloadavg()[0],
    }  # fmt: skip
    request.node.user_properties.append((PROPERTY, outcome))


class Table:
    """Gathers what became of every run of a row, from this process and from workers."""

    def __init__(self, page: Path | None) -> None:
        self._page = page
        self._verdicts: dict[str, str] = {}
        self._rows: dict[str, Outcome] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a verdict, and at the end of a test what its row wrote down."""
        if report.outcome == "failed" or (report.when == "call" and report.nodeid not in self._verdicts):
            self._verdicts[report.nodeid] = report.outcome
        row = dict(report.user_properties).get(PROPERTY)
        if isinstance(row, dict):
            self._rows[report.nodeid] = row

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table, and write its page when asked."""
        runs: dict[str, list[Outcome]] = defaultdict(list)
        for node, row in self._rows.items():
            runs[row["number"]].append({**row, "verdict": self._verdicts.get(node, "failed")})
        if not runs:
            return
        lines = [_line(number, runs.get(number, [])) for number in CATALOGUE]
        terminalreporter.section("faults")
        for number, fields in zip(CATALOGUE, lines, strict=True):
            if runs.get(number) or self._page:
                terminalreporter.write_line(" | ".join(fields))
        if self._page is not None:
            before = self._page.read_text(encoding="utf-8") if self._page.exists() else ""
            self._page.write_text(HEAD + markdown(lines, runs, before), encoding="utf-8")


def _line(number: str, runs: list[Outcome]) -> list[str]:
    title, rank = CATALOGUE[number]
    if not runs:
        return [number, title, "", f"not part of this release ({rank})" if rank != "R1" else "not run", "", ""]
    how = "; ".join(dict.fromkeys(one["how"] for one in runs))
    reason = next((one["reason"] for one in runs if one["reason"]), None)
    if reason:
        return [number, title, how, f"not injectable here: {reason}", "", ""]
    bad = [one for one in runs if one["verdict"] != "passed"]
    times = f" ({len(runs)} runs)" if len(runs) > 1 else ""
    verdict = f"FAILED{times}" if bad else f"whole{times}"
    seconds = [one["seconds"] for one in runs if one["seconds"] is not None]
    factor = max(one["factor"] for one in runs)
    stretched = f" (x {factor:.1f})" if factor > 1 else ""
    limit = max(one["limit_s"] for one in runs)
    return [number, title, how, verdict, f"{max(seconds):.1f}" if seconds else "-", f"{limit:g} s{stretched}"]


def markdown(lines: list[list[str]], runs: dict[str, list[Outcome]], before: str) -> str:
    """Write the table and what was measured; rows that were not run stay as they were on the page before."""
    table, _, notes = before.partition(NOTES)
    known = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines() if line.startswith("| F")}
    rows = [
        "| row | fault | injected by | verdict | seconds | limit | run |",
        "|---|---|---|---|---|---|---|",
        *(_row(fields, runs.get(fields[0], []), known.get(fields[0])) for fields in lines),
    ]
    old = [line for line in notes.splitlines() if line.startswith("- F")]
    measured = [line for line in old if not runs.get(line[2:].partition(":")[0])]
    measured += [f"- {number}: {note}" for number, found in runs.items() for one in found for note in one["notes"]]
    foot = ["", NOTES, "", *measured] if measured else []
    return "\n".join([*rows, "", f"Processors: {os.cpu_count()}.", *foot, ""])


def _row(fields: list[str], runs: list[Outcome], known: str | None) -> str:
    if known is not None and not runs:
        return known
    when = f"{time.strftime('%Y-%m-%d')}, load {max(one['load'] for one in runs):.0f}" if runs else ""
    return "| " + " | ".join(field.replace("|", "\\|") for field in [*fields, when]) + " |"
