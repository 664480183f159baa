"""The command `pictor process`: checks the call, runs it, writes and tells the report."""

import os
import sys
from pathlib import Path

from rich.console import Console

from pictor.cli.client import CommandError, guarded
from pictor.cli.processing import night
from pictor.cli.processing.defects import KIND
from pictor.cli.processing.report.tables import csv_of, json_of
from pictor.cli.processing.rows import Report, Status
from pictor.cli.processing.run import Wish
from pictor.cli.telling import tell
from pictor.imaging.scratch import scratch_folder

STOPPED_CODE = 130
"""As programs end that Ctrl-C ended."""


def main(wish: Wish, *, dry_run: bool, json: bool) -> int:
    """Process a folder; 0: every file OK or SKIP, 1: some ERROR, 2: the call was wrong, 130: stopped."""
    console = Console(stderr=True)
    try:
        if dry_run:
            return _plan(wish, json=json)
        night.check(wish)
        report = night.run(wish, console)
        write_reports(report, wish.out)
    except CommandError as error:
        return guarded(error)
    except KeyboardInterrupt:
        return STOPPED_CODE
    except OSError as error:
        return guarded(CommandError(f"{wish.out} cannot be written to: {error.strerror or error}", 2))
    if json:
        tell(json_of(report), end="")
    else:
        _tell(report, wish.out)
    if report.stopped:
        tell(f"pictor: {report.stopped}", file=sys.stderr)
        return STOPPED_CODE if report.stopped == night.STOPPED else 1
    return 1 if report.failed else 0


def _plan(wish: Wish, *, json: bool) -> int:
    from pictor.cli.processing import planning

    return planning.show(wish, json=json)


def write_reports(report: Report, out: Path) -> None:
    """Write CSV, JSON and HTML; each is replaced as a whole."""
    from pictor.cli.processing.report.page import page_of

    put(out / "report.csv", csv_of(report))
    put(out / "report.json", json_of(report))
    put(out / "report.html", page_of(report, out))


def put(path: Path, text: str) -> None:
    """Write a text file: whole or not at all."""
    with scratch_folder(path.parent) as folder:
        part = folder / path.name
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def stale_words(report: Report) -> str:
    """Say in a sentence what is left of earlier runs."""
    count, shown = len(report.stale), ", ".join(report.stale[:3])
    more = f" and {count - 3} more" if count > 3 else ""
    became = "removed" if report.pruned else "left as they are; --prune removes them"
    what = f"{count} product{'s' * (count != 1)} of frames that are gone or of other settings"
    return f"stale: {what}, {became}: {shown}{more}"


def _tell(report: Report, out: Path) -> None:
    for row in report.rows:
        if row.status is not Status.OK:
            tell(f"{row.status:<5} {row.label}: {row.reason}")
    for master in report.masters:
        if master.made:
            where = master.path or master.note.partition("\n")[0] or night.STOPPED
            name = "map of" if master.kind == KIND else "master"
            tell(f"{master.verdict:<12} {name} {master.kind} of {master.frames}: {where}")
    for coadd in report.coadds:
        tell(f"{coadd.status:<5} {coadd.kind} {coadd.name}: {coadd.reason or next(iter(coadd.outputs.values()), '')}")
    for sentence in report.missing:
        tell(f"missing: {sentence}")
    if report.stale:
        tell(stale_words(report))
    if not report.rows:
        tell("no frames were found: files are told by their ending (.fits, .fit, .fts, .fz, .gz, .xisf, .zip)")
    counted = ", ".join(f"{report.count(status)} {status}" for status in Status)
    again = f", {report.reused} steps known from before" if report.reused else ""
    tell(f"{counted} of {len(report.rows)} files in {report.seconds['all']:g} s{again}")
    tell(out / "report.html")
