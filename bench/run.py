"""All measurements of the project: ``python -m bench.run [--quick] [--only NAME ...]``.

Prints one JSON line per measurement and a table, and writes docs/benchmarks.md.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Iterable

from bench import peers, scripts
from bench.clock import ROOT
from bench.report import Results, page, table
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
    "headers": _module("headers"),
    "previews": _script(scripts.previews),
    "extracting": _module("extracting"),
    "astap": _module("astap"),
    "light": _module("light"),
    "background": _script(scripts.background),
    "sky": _module("background"),
    "stacking": _module("masters"),
    "calibrating": _module("calibrating"),
    "cosmics": _module("cosmics"),
    "aligning": _module("aligning"),
    "processing": _module("processing"),
    "colour": _module("colour"),
}


def main() -> int:
    """Run what was asked for; a group that breaks is reported and does not stop the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats, fewer frames")
    parser.add_argument("--only", nargs="+", choices=GROUPS, help="groups to run; the page is not written")
    asked = parser.parse_args()
    logs.configure(style="json", level="error")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for sentence in peers.missing():
        print(sentence, file=sys.stderr)
    results = Results(f"python -m bench.run{' --quick' * asked.quick}")
    results.left = list(asked.only or GROUPS)
    for name in list(results.left):
        measure(name, results, quick=asked.quick)
        results.left.remove(name)
        if not asked.only:
            PAGE.write_text(page(results), encoding="utf-8")
    print(table(results.rows))
    return 1 if results.broken else 0


def measure(name: str, results: Results, *, quick: bool) -> None:
    """Run one group, printing each row as it comes."""
    try:
        for row in GROUPS[name](quick=quick):
            print(row.line(), flush=True)
            results.rows.append(row)
    except Exception as error:  # noqa: BLE001 - one group must not take the others with it
        results.broken.append(f"{name}: {type(error).__name__}: {error}")
        print(results.broken[-1], file=sys.stderr, flush=True)
    results.loads.append(os.getloadavg()[0])


if __name__ == "__main__":
    raise SystemExit(main())
