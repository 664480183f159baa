"""What one run was asked for, and what its stages share."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pictor.cli.processing.crew import Crew
from pictor.cli.processing.rows import Report
from pictor.imaging.matching.policy import Policy
from pictor.imaging.matching.rules import MasterFrame
from pictor.imaging.quality.rejection import RuleSet
from pictor.runtime.version import VERSION

T = TypeVar("T")

STEPS = 4
"""Counts up when a step gives another result for the same inputs and settings."""

LIGHTS, MASTERS, COADDS, PICTURES = "calibrated", "masters", "coadds", "pictures"
"""Folders of the output."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked for.

    Parameters
    ----------
    folder, out
        Folder of frames, and folder of products.
    masters
        Further folders of ready masters.
    policy
        Settings of matching and stacking.
    rules
        Rules besides the grades that leave lights out; None: grade D alone does.
    indexes
        Folders of star indexes; None: lights are not solved.
    cosmics
        Whether cosmic rays are removed.
    require_masters
        Whether lights without masters are left out.
    contsub
        Whether narrowband coadds also get their continuum subtracted.
    coadd
        Whether lights are coadded.
    jobs, frame_seconds
        Children at a time, and wall time of one step.
    overwrite
        Do everything anew.
    prune
        Whether products of files that are no longer there are removed.
    include, exclude
        Patterns of files: only these, and of them not those; empty: all.
    line_shares
        Which part of a line its broadband lets through where its own filter lets 1 through; 1 unless told.
    """

    folder: Path
    out: Path
    masters: Sequence[Path] = ()
    policy: Policy = field(default_factory=Policy)
    rules: RuleSet | None = None
    indexes: Sequence[Path] | None = ()
    cosmics: bool = False
    require_masters: bool = False
    contsub: bool = False
    coadd: bool = True
    jobs: int = 2
    frame_seconds: float = 300.0
    overwrite: bool = False
    prune: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    line_shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Ready:
    """A master that may be used: as the rules see it, where it is, and its hash."""

    seen: MasterFrame
    path: Path
    sha256: str
    bad_pixels: Path | None = None
    bad_pixels_sha256: str | None = None


@dataclass(slots=True)
class Run:
    """A run as its stages see it."""

    wish: Wish
    crew: Crew
    report: Report
    progress: Progress
    ready: dict[str, Ready] = field(default_factory=dict)
    """Masters by their id."""

    keys: dict[str, str] = field(default_factory=dict)
    """Content keys of what was made, by label of the light or name of the coadd."""

    @property
    def masters(self) -> list[MasterFrame]:
        """All masters that may be used."""
        return [one.seen for one in self.ready.values()]

    @property
    def basis(self) -> Mapping[str, Any]:
        """What every step's result depends on."""
        return {"software": VERSION, "steps": STEPS}

    async def each(self, things: Iterable[T], work: Callable[[T], Awaitable[None]], label: str) -> None:
        """Do one thing to many at the same time, with progress; what one raises ends all."""
        things = list(things)
        if not things:
            return
        task = self.progress.add_task(label, total=len(things))

        async def one(thing: T) -> None:
            await work(thing)
            self.progress.advance(task)

        async with asyncio.TaskGroup() as group:
            for thing in things:
                group.create_task(one(thing))


def showing(console: Console) -> Progress:
    """Show progress and the time left on a terminal, nothing elsewhere."""
    counted = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    columns = (TextColumn("{task.description}"), *counted, TimeRemainingColumn(), TextColumn("left"))
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
