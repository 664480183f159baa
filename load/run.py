"""Loads L1 to L10: ``python -m load.run [--full] [ROW ...]``.

Every row runs on servers of its own in a temporary folder and ends with ``pictor check``. Scaled variants take less
than three minutes each on a quiet machine. The newest result of every row is kept in docs/load.jsonl, and docs/load.md
is written from it.
"""

import argparse
import asyncio
import importlib
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from load.report import page, table
from load.rows import Row

from pictor.runtime import logs

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "load.md"
RESULTS = ROOT / "docs" / "load.jsonl"
CROWDED = 10
"""Load average per core above which a run measures the machine's other work."""

MODULE_OF = {
    "L1": "sending", "L2": "mixing", "L3": "flowing", "L4": "mixing", "L5": "mixing", "L6": "sending", "L7": "library",
    "L8": "stacking", "L9": "flowing", "L10": "flowing",
}  # fmt: skip


def load_of(name: str) -> Callable[..., Awaitable[Row]]:
    """Return what runs a row."""
    found: Callable[..., Awaitable[Row]] = importlib.import_module(f"load.{MODULE_OF[name]}").ROWS[name]
    return found


def main() -> int:
    """Run what was asked for; a row that breaks is told and does not stop the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(MODULE_OF)}; default: all")
    parser.add_argument("--full", action="store_true", help="the loads as the goals name them, not scaled ones")
    asked = parser.parse_args()
    if unknown := set(asked.rows) - set(MODULE_OF):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    logs.configure(style="json", level="error")
    done: list[Row] = []
    broken = 0
    for name in asked.rows or MODULE_OF:
        began = time.monotonic()
        try:
            row = asyncio.run(load_of(name)(full=asked.full))
        except Exception as error:  # noqa: BLE001 - one row must not take the others with it
            broken += 1
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            continue
        row.took_s, row.full = round(time.monotonic() - began), asked.full
        print(row.line(), flush=True)
        done.append(row)
        keep(row)
    print(table(done))
    return 1 if broken or not all(row.met for row in done) else 0


def keep(row: Row) -> None:
    """Keep a row in place of the older result of the same load, unless the machine was crowded; write the page."""
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    rows = {(one.name, one.full): one for one in map(Row.read, lines)}
    before = rows.get((row.name, row.full))
    if before is None or row.load_average <= max(CROWDED * (os.cpu_count() or 1), before.load_average):
        rows[row.name, row.full] = row
    names = list(MODULE_OF)
    ordered = sorted(rows.values(), key=lambda one: (names.index(one.name), one.full))
    RESULTS.write_text("".join(f"{one.line()}\n" for one in ordered), encoding="utf-8")
    PAGE.write_text(page(ordered), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
