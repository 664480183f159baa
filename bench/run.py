"""All measurements of the project: ``python -m bench.run [--quick] [--only NAME ...] [--no-page]``.

Prints one JSON line per measurement and a table, and writes docs/benchmarks.md.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Iterable

from bench import peers, scripts
from bench.clock import ROOT
from bench.report import Circumstances, now, page, table
from bench.rows import Row

from pictor.runtime import logs

PAGE = ROOT / "docs" / "benchmarks.md"
Group = Callable[..., Iterable[Row]]


def _module(name: str) -> Group:
    def group(*, quick: bool) -> Iterable[Row]:
        rows: Group = importlib.import_module(f"bench.{name}").rows
        return rows(quick=quick)

    return group


def _script(measure: Callable[..., Iterable[Row]]) -> Group:
    def group(*, quick: bool) -> Iterable[Row]:
        return measure(sys.executable, quick=quick)

    return group


GROUPS: dict[str, Group] = {
    "starting": _module("starting"),
    "bus": _module("bus"),
    "uploading": _module("uploading"),
    "pipeline": _module("pipeline"),
    "solving": _script(scripts.solving),
    "previews": _script(scripts.previews),
    "extracting": _module("extracting"),
    "light": _module("light"),
    "background": _script(scripts.background),
    "stacking": _script(scripts.stacking),
}


def main() -> int:
    """Run what was asked for; a group that breaks is reported and does not stop the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats, fewer frames")
    parser.add_argument("--only", nargs="+", choices=GROUPS, help="groups to run")
    parser.add_argument("--no-page", action="store_true", help="do not write docs/benchmarks.md")
    asked = parser.parse_args()
    logs.configure(style="json", level="error")
    began, load = now(), os.getloadavg()[0]
    for sentence in peers.missing():
        print(sentence, file=sys.stderr)
    rows, broken = measured(asked.only or list(GROUPS), quick=asked.quick)
    print(table(rows))
    if not asked.no_page:
        flags = "".join([" --quick" if asked.quick else "", f" --only {' '.join(asked.only)}" if asked.only else ""])
        found = Circumstances(
            f"python -m bench.run{flags}", began, load, os.getloadavg()[0], peers.versions(), peers.missing(), broken
        )
        PAGE.write_text(page(rows, found), encoding="utf-8")
    return 1 if broken else 0


def measured(names: Iterable[str], *, quick: bool) -> tuple[list[Row], list[str]]:
    """Run groups, printing each row as it comes."""
    rows: list[Row] = []
    broken = []
    for name in names:
        try:
            for row in GROUPS[name](quick=quick):
                print(row.line(), flush=True)
                rows.append(row)
        except Exception as error:  # noqa: BLE001 - one group must not take the others with it
            broken.append(f"{name}: {type(error).__name__}: {error}")
            print(broken[-1], file=sys.stderr, flush=True)
    return rows, broken


if __name__ == "__main__":
    raise SystemExit(main())
