"""One run over a folder, from reading to the report."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from rich.console import Console

from pictor.cli.client import CommandError
from pictor.cli.processing.combining import make_coadds
from pictor.cli.processing.crew import WORK, Crew, StoppedError
from pictor.cli.processing.finding import JOURNAL, Found
from pictor.cli.processing.grading import grade_lights
from pictor.cli.processing.journal import Journal
from pictor.cli.processing.lights import process_lights
from pictor.cli.processing.mastering import folder_of_masters, make_masters
from pictor.cli.processing.missing import missing
from pictor.cli.processing.reading import look, read_all
from pictor.cli.processing.rows import Report
from pictor.cli.processing.run import Run, Wish, showing
from pictor.cli.processing.sorting import Sorted, sort, with_names_of
from pictor.cli.processing.stale import remove, stale_of
from pictor.cli.signals import on_stop
from pictor.imaging.matching.policy import Switch
from pictor.runtime.version import SOFTWARE

STOPPED = "stopped before it was done; the same command goes on"


def check(wish: Wish) -> None:
    """Refuse a call that cannot work, before any work is done.

    Raises
    ------
    CommandError
        With exit code 2.
    """
    folder, out = wish.folder.resolve(), wish.out.resolve()
    if out == folder or folder.is_relative_to(out):
        raise CommandError(f"the products cannot go into {wish.out}: the frames lie there; name another folder", 2)
    try:
        wish.out.mkdir(parents=True, exist_ok=True)
        known = {JOURNAL, WORK, ".process.lock", f".{JOURNAL}.part"}
        names = {one.name for one in wish.out.iterdir()}
        if names and not names & known and not wish.overwrite:
            raise CommandError(f"{wish.out} is not empty and not of an earlier run; name another folder", 2)
        probe = wish.out / f".{JOURNAL}.probe"
        probe.write_bytes(b"0" * 4096)
        probe.unlink()
    except OSError as error:
        raise CommandError(f"{wish.out} cannot be written to: {error.strerror}", 2) from error


async def process(wish: Wish, console: Console) -> Report:
    """Process a folder; Ctrl-C ends it with what was done.

    Parameters
    ----------
    wish
        What was asked for.
    console
        Where progress is shown.
    """
    report = Report(str(wish.folder), str(wish.out), SOFTWARE, settings_of(wish))
    begin = time.monotonic()
    found = look(wish)
    with Journal(wish.out, overwrite=wish.overwrite) as journal, showing(console) as progress:
        crew = Crew(journal, jobs=wish.jobs, seconds=wish.frame_seconds)
        on_stop(crew.stop)
        try:
            async with crew:
                await _stages(Run(wish, crew, report, progress), found)
        except* StoppedError:
            report.stopped = STOPPED
        except* CommandError as errors:
            report.stopped = str(errors.exceptions[0])
        except* OSError as errors:
            report.stopped = f"{wish.out} cannot be written to: {errors.exceptions[0]}"
        report.reused = crew.reused
        if not report.stopped:
            report.stale, report.pruned = stale_of(journal.unused(), report, wish), wish.prune
            if wish.prune:
                remove(report.stale, wish.out)
    report.seconds["all"] = round(time.monotonic() - begin, 1)
    _settle(report)
    return report


async def _stages(run: Run, found: Found) -> None:
    async with _timed(run.report, "reading"):
        seen = await read_all(run, found)
        run.wish = replace(run.wish, policy=with_names_of(run.wish.policy, seen))
        files = sort(seen, run.wish.policy)
        leave_out(run.report, files)
    sources = {source.label: source for source in found.sources}
    run.report.missing = []
    async with _timed(run.report, "masters"):
        folder_of_masters(run.wish.out)
        await make_masters(run, files, sources)
    async with _timed(run.report, "lights"):
        await process_lights(run, files, sources)
    run.report.missing = missing(files, run.masters, run.wish.policy)
    grade_lights(run.report.rows, run.wish.rules)
    if run.wish.coadd:
        async with _timed(run.report, "coadds"):
            await make_coadds(run, {one.label: one for one in files.lights})


@asynccontextmanager
async def _timed(report: Report, stage: str) -> AsyncIterator[None]:
    begin = time.monotonic()
    try:
        yield
    finally:
        report.seconds[stage] = round(time.monotonic() - begin, 1)


def leave_out(report: Report, files: Sorted) -> None:
    """Tell the files that are not used."""
    why = dict(files.left_out)
    for row in report.rows:
        if row.label in why:
            row.skip(why[row.label])


def _settle(report: Report) -> None:
    """Say of every light that was not reached that it was not."""
    if not report.stopped:
        return
    for row in report.rows:
        if not row.numbers and not row.reason and row.kind in {"light", None}:
            row.skip(STOPPED)


def settings_of(wish: Wish) -> dict[str, object]:
    """Tell what was chosen."""
    return {
        "rules": "grade D" if wish.rules is None else wish.rules.name,
        "cosmics": wish.cosmics, "require_masters": wish.require_masters,
        "contsub": wish.contsub, "coadd": wish.coadd, "filters_as_named": wish.policy.filters_as_named is Switch.YES,
        "solve": wish.indexes is not None, "jobs": wish.jobs, "include": ", ".join(wish.include),
        "exclude": ", ".join(wish.exclude),
    }  # fmt: skip


def run(wish: Wish, console: Console) -> Report:
    """Process a folder in an event loop of its own.

    Raises
    ------
    CommandError
        If another run writes into the output folder.
    """
    return asyncio.run(process(wish, console))
