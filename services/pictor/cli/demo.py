"""The demo: everything started, a simulated night uploaded as a plugin would, every result held against the truth."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pictor.cli import demo_calibration as library
from pictor.cli.client import gateway
from pictor.cli.demo_calibration import Shown
from pictor.cli.demo_report import Outcome, judge, masters_of, report_of, table_of
from pictor.cli.links import login_link
from pictor.cli.processes import die_with_parent
from pictor.cli.upload import Sent, upload_one

if TYPE_CHECKING:
    from pictor.imaging.simulator.night import Night

PROCESSED_S = 600.0
WIDE = 150
"""Columns from which the table fits a terminal whole; narrower ones get the masters below it."""

Truth = dict[str, Any]

QUIET_POLLS = 3
"""Polls without an open job after which the night counts as done: a stack is ordered a moment after its last frame."""


def main(data: Path | None, *, port: int, leave: bool, report: Path | None, small: bool) -> int:
    """Run the demo; exit 0 only if every frame ended as the truth says."""
    folder = (data or Path(tempfile.mkdtemp(prefix="pictor-demo-"))).absolute()
    console = Console(width=None if sys.stdout.isatty() else 200)
    began = time.monotonic()
    _listen_to_signals()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with ThreadPoolExecutor(1) as pool, _running(folder, port, console) as process:
            url, frames = _started(process, pool, folder, console, small=small)
            seen = _night(folder, url, frames, console)
            outcomes = seen.outcomes
            elapsed = time.monotonic() - began
            console.print(table_of(outcomes, wide=console.width >= WIDE))
            for line in masters_of(outcomes) if console.width < WIDE else ():
                console.print(line, style="dim", markup=False, highlight=False)
            console.print(library.table_of(seen.library, wide=console.width >= WIDE))
            _say(console, seen, elapsed, url, folder)
            if report is not None:
                told = report_of(outcomes, elapsed, seen.library)
                report.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
            if not leave and sys.stdout.isatty():
                console.print("Ctrl-C stops everything.")
                _wait_for_interrupt()
    except KeyboardInterrupt:
        console.print("stopped before its end")
        return 130
    finally:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if seen.ok else 1


@contextmanager
def _running(folder: Path, port: int, console: Console) -> Iterator["subprocess.Popen[str]"]:
    """Run ``pictor up`` on a folder."""
    command = [sys.executable, "-m", "pictor.cli", "up", "--data", str(folder), "--port", str(port)]
    console.print(f"starting NATS, PostgreSQL, SeaweedFS and seven services in {folder}", highlight=False)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - no thread runs yet
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _started(
    process: "subprocess.Popen[str]", pool: ThreadPoolExecutor, folder: Path, console: Console, *, small: bool
) -> tuple[str, list[Truth]]:
    """Simulate the night while everything starts; return the address once a first upload would succeed."""
    with _progress(console) as progress:
        made = _simulate(pool, folder / "night", progress, small=small)
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith("Pictor ready at "):
            raise SystemExit(f"pictor up did not start; see {folder / 'logs'}")
        console.print(line.strip(), highlight=False)
        frames = [dict(frame.truth) for frame in made.result().frames]
    return line.removeprefix("Pictor ready at ").strip(), frames


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:<19}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of every frame and of the calibration library, and where it is shown."""

    outcomes: list[Outcome]
    library: list[Shown]
    pages: list[str]

    @property
    def ok(self) -> bool:
        """Whether everything is as the truth says."""
        return all(one.ok for one in self.outcomes) and all(one.ok for one in self.library)


def _night(folder: Path, url: str, frames: list[Truth], console: Console) -> Seen:
    """Send the night as it would come, but the darks of the flats after the flats, and look at what became of it."""
    token, night = (folder / "admin.token").read_text(encoding="ascii").strip(), folder / "night"
    with gateway(url, token) as client, _progress(console) as progress:
        calibration = [one for one in frames if one["type"] != "LIGHT"]
        lights = [one for one in frames if one["type"] == "LIGHT"]
        place, (early, late) = library.home_of(client), library.in_two(calibration)
        sent = _send(client, night, early, progress, "calibration")
        _until_done(client, progress, "masters")
        shown = library.waiting_flats(client, place, calibration)
        sent |= _send(client, night, late, progress, "flat-darks")
        shown += library.masters(client, place, calibration)
        sent |= _send(client, night, lights, progress, "lights")
        _until_done(client, progress, "processing")
        shown += [*library.unmatched(client, lights, sent), *library.needs(client, place)]
        outcomes = [judge(client, truth, sent[str(truth["file"])]) for truth in (*lights, *calibration)]
        return Seen(outcomes, shown, library.pages(url, lights, sent))


def _simulate(pool: ThreadPoolExecutor, folder: Path, progress: Progress, *, small: bool) -> "Future[Night]":
    from pictor.imaging.simulator.night import sample_night

    task = progress.add_task("simulating", total=None)
    return pool.submit(
        sample_night, folder, scale="small" if small else "full", before=datetime.now(UTC),
        progress=lambda done, total: progress.update(task, completed=done, total=total),
    )  # fmt: skip


def _send(client: httpx.Client, folder: Path, frames: list[Truth], progress: Progress, what: str) -> dict[str, Sent]:
    sent = {}
    for truth in progress.track(frames, description=f"sending {what}"[:22]):
        name = str(truth["file"])
        sent[name] = upload_one(client, folder / name)
    return sent


def _until_done(client: httpx.Client, progress: Progress, what: str) -> None:
    """Wait until no job is open; the bar follows the jobs that have ended."""
    task = progress.add_task(what, total=None)
    quiet, end = 0, time.monotonic() + PROCESSED_S
    while quiet < QUIET_POLLS:
        if time.monotonic() > end:
            raise SystemExit(f"jobs are still open after {PROCESSED_S:.0f} s; see the Operations page")
        waiting = sum(_count(client, state) for state in ("pending", "running"))
        everything = _count(client, None)
        progress.update(task, completed=everything - waiting, total=everything)
        quiet = quiet + 1 if waiting == 0 else 0
        time.sleep(0.4)


def _count(client: httpx.Client, state: str | None) -> int:
    parameters: dict[str, str | int] = {"limit": 1} if state is None else {"limit": 1, "state": state}
    total: int = client.get("/jobs", params=parameters).raise_for_status().json()["total"]
    return total


def _say(console: Console, seen: Seen, elapsed: float, url: str, folder: Path) -> None:
    wrong = [f"{one.file}: {one.complaint}" for one in seen.outcomes if not one.ok]
    missed = [one.complaint for one in seen.library if one.complaint is not None]
    for complaint in (*wrong, *missed):
        console.print(f"NOT as the truth says: {complaint}", style="bold red", markup=False)
    verdict = "every frame ended as the truth says" if not wrong else f"{len(wrong)} frames did not end as they should"
    rest = "" if not missed else f", {len(missed)} lines of the calibration library are not as they should be"
    console.print(f"{len(seen.outcomes)} files in {elapsed:.0f} s: {verdict}{rest}.", highlight=False)
    link = asyncio.run(login_link(url, folder))
    console.print(f"Look at the night: {link}", highlight=False, soft_wrap=True)
    console.print("and, once logged in, at its calibration:", highlight=False)
    for page in seen.pages:
        console.print(f"  {page}", highlight=False, soft_wrap=True)


def _listen_to_signals() -> None:
    """Let Ctrl-C and a polite kill end the demo the same way, even when it was started in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _wait_for_interrupt() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        os.write(sys.stdout.fileno(), b"\n")
