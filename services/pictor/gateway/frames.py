"""Frames: lists, one frame with all that is known, its header and its history."""

import math
import re
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import get
from litestar.di import Provide
from litestar.params import Dependency, Parameter
from pydantic import BaseModel

from pictor.contracts.access import Scope
from pictor.contracts.frames import FrameState, FrameType
from pictor.contracts.jobs import JobState
from pictor.contracts.quality import GradeStatus, Quality
from pictor.contracts.solutions import Solution
from pictor.gateway.auth import require
from pictor.gateway.paging import Limit, Page, PageNumber, cursor_address, page_of, read_cursor
from pictor.gateway.problems import Http, Problem, not_found
from pictor.gateway.views import (
    Card,
    FrameBrief,
    FrameDetail,
    JobDetail,
    ProductView,
    QualityView,
    RunView,
    SupersededUse,
)  # fmt: skip
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.filters import spelled
from pictor.runtime.stacking.succession import superseded_for
from pictor.state import audit, frames, jobs, listing, masters, observatories, products, quality, runs, solutions
from pictor.state.database import Connection
from pictor.state.frames import Frame
from pictor.state.listing import FrameFilter

READ = [require(Scope.FRAMES_READ)]
CIRCLE = re.compile(r"CIRCLE\s+(\S+)\s+(\S+)\s+(\S+)", re.IGNORECASE)
Word = Annotated[str | None, Parameter(max_length=200)]


Wanted = Annotated[FrameFilter, Dependency(skip_validation=True)]


def provide_wanted(
    *, observatory: Word = None, rig: Word = None, target: Word = None, night: date | None = None,
    frame_type: Annotated[FrameType | None, Parameter(query="type")] = None,
    filter_name: Annotated[str | None, Parameter(query="filter", max_length=200)] = None,
    frame_state: Annotated[FrameState | None, Parameter(query="state")] = None,
    status: JobState | None = None, grade: GradeStatus | None = None,
    exptime_min: float | None = None, exptime_max: float | None = None,
    pos: Annotated[str | None, Parameter(max_length=200, description="CIRCLE ra dec radius, in degrees")] = None,
) -> FrameFilter:  # fmt: skip
    """Read the filters of a list of frames."""
    ra, dec, radius = (None, None, None) if pos is None else circle(pos)
    return FrameFilter(
        observatory=observatory, rig=rig, frame_type=frame_type, filter=filter_name, target=_pattern(target),
        night=night, state=frame_state, status=status, grade=grade, exptime_min=exptime_min,
        exptime_max=exptime_max, ra_deg=ra, dec_deg=dec, radius_deg=radius,
    )  # fmt: skip


@get(
    "/frames",
    guards=READ,
    dependencies={"wanted": Provide(provide_wanted, sync_to_thread=False)},
    summary="List frames",
)
async def list_frames(
    request: Http, runtime: RuntimeDep, caller: Caller, *, wanted: Wanted,
    page: PageNumber = 1, limit: Limit = 50, cursor: Word = None,
) -> Page[FrameBrief]:  # fmt: skip
    """List frames by arrival, newest first, narrowed by what their header and processing say."""
    after = read_cursor(cursor) if cursor is not None else None
    async with runtime.pool.acquire() as db:
        if wanted.filter is not None:
            places = [one.id for one in await observatories.visible(db, caller.observatories)]
            wanted = replace(wanted, filters=await spelled(db, places, wanted.filter))
        found = await listing.frames(
            db, caller.observatories, wanted, limit=limit, offset=(page - 1) * limit, after=after
        )
    shown = page_of(
        request, [FrameBrief.of(row) for row in found.rows], page=1 if after else page, limit=limit,
        total=found.total, estimated=found.total_estimated,
    )  # fmt: skip
    full = len(found.rows) == limit
    last = cursor_address(request, found.rows[-1].received_at, found.rows[-1].id) if full else None
    return shown.model_copy(update={"next": last if after or shown.next else None})


def circle(text: str) -> tuple[float, float, float]:
    """Read a position as SIA2 writes it: CIRCLE ra dec radius, in degrees."""
    found = CIRCLE.fullmatch(text.strip())
    try:
        ra, dec, radius = (float(part) for part in found.groups()) if found else (math.nan,) * 3
    except ValueError:
        ra = dec = radius = math.nan
    if not (0 <= ra < 360 and -90 <= dec <= 90 and 0 < radius <= 180):
        raise Problem("invalid-value", "Write pos as 'CIRCLE ra dec radius' in degrees, such as CIRCLE 10.68 41.27 1.")
    return ra, dec, radius


def _pattern(text: str | None) -> str | None:
    """Take a name literally where SQL would see a pattern."""
    return None if text is None else re.sub(r"([\\%_])", r"\\\1", text)


async def own_frame(db: Connection, caller: Caller, frame_id: UUID) -> Frame:
    """Return a frame the caller may see; any other does not exist."""
    frame = await frames.get(db, frame_id, caller.observatories)
    if frame is None:
        raise not_found("frame", frame_id)
    return frame


@get("/frames/{frame_id:uuid}", guards=READ, summary="One frame")
async def read_frame(runtime: RuntimeDep, caller: Caller, frame_id: UUID) -> FrameDetail:
    """Return everything known about a frame; what is not known yet is null."""
    async with runtime.pool.acquire() as db:
        frame = await own_frame(db, caller, frame_id)
        return await _detail(db, frame)


async def _detail(db: Connection, frame: Frame) -> FrameDetail:
    brief = await listing.one(db, frame.id)
    measured = await quality.quality_of(db, frame.id)
    solution = await solutions.solution_of(db, frame.id)
    made = await products.of_frame(db, frame.id)
    used = await masters.use_of(db, frame.id)
    known = frame.description or {}
    binned = known.get("binning_x"), known.get("binning_y")
    return FrameDetail(
        **FrameBrief.of(brief).model_dump(),
        camera=known.get("camera"), program=known.get("program"), width=known.get("width"),
        height=known.get("height"), binning="x".join(map(str, binned)) if all(binned) else None,
        camera_mode=frame.camera_mode, uploaded_by=frame.uploaded_by, warnings=[str(one) for one in frame.warnings],
        metadata=frame.metadata, description=frame.description, observation=frame.observation,
        statistics=frame.statistics, geometry=frame.geometry,
        quality=_quality(measured, solution), grading=await quality.grade_of(db, frame.id), solution=solution,
        calibration=_explained(used),
        superseded=[SupersededUse.model_validate(one) for one in await superseded_for(db, frame)],
        products=[ProductView.of(one, frame.id) for one in made.values()],
        timeline=[] if brief.job_id is None else await _timeline(db, brief.job_id),
    )  # fmt: skip


def _quality(measured: tuple[Quality, dict[str, Any]] | None, solution: Solution | None) -> QualityView | None:
    if measured is None:
        return None
    metrics, details = measured
    arcsec = None if metrics.fwhm_px is None or solution is None else metrics.fwhm_px * solution.scale_arcsec
    return QualityView(**metrics.model_dump(), details=details, fwhm_arcsec=arcsec)


def _explained(used: dict[str, Any] | None) -> dict[str, Any] | None:
    if used is None:
        return None
    return {name: str(used[name]) if isinstance(used[name], (UUID, datetime)) else used[name] for name in used}


async def _timeline(db: Connection, job_id: UUID) -> list[RunView]:
    return [RunView.model_validate(run) for run in await runs.timeline(db, job_id)]


class Header(BaseModel):
    """The header as uploaded, card by card."""

    cards: list[Card]


@get("/frames/{frame_id:uuid}/header", guards=READ, summary="Header of a frame")
async def read_header(runtime: RuntimeDep, caller: Caller, frame_id: UUID) -> Header:
    """Return every card of the uploaded header, in order."""
    async with runtime.pool.acquire() as db:
        frame = await own_frame(db, caller, frame_id)
    if frame.cards is None:
        raise Problem("not-found", _not_yet(frame, "header"))
    rows = [[*card, None, None][:3] for card in frame.cards]
    return Header(cards=[Card(keyword=str(k), value=v, comment=c) for k, v, c in rows])


class Wcs(BaseModel):
    """The position of a frame on the sky, and the cards that say so."""

    solution: Solution
    cards: list[Card]


@get("/frames/{frame_id:uuid}/wcs", guards=READ, summary="Astrometric solution of a frame")
async def read_wcs(runtime: RuntimeDep, caller: Caller, frame_id: UUID) -> Wcs:
    """Return the verified solution and its WCS cards."""
    async with runtime.pool.acquire() as db:
        frame = await own_frame(db, caller, frame_id)
        solution = await solutions.solution_of(db, frame_id)
        cards = await solutions.cards_of(db, frame_id)
    if solution is None or cards is None:
        raise Problem("not-found", _not_yet(frame, "solution"))
    rows = [[*card, None, None][:3] for card in cards]
    return Wcs(solution=solution, cards=[Card(keyword=str(k), value=v, comment=c) for k, v, c in rows])


def _not_yet(frame: Frame, what: str) -> str:
    if frame.state is FrameState.QUARANTINED:
        return f"The frame has no {what}, because it is in quarantine: {frame.message}"
    return f"The frame has no {what} so far; its timeline says how far its processing is."


class GradeEntry(BaseModel):
    """One grade ever given."""

    letter: str
    status: GradeStatus
    reasons: list[str]
    rules: str
    graded_by: str | None
    graded_at: datetime


class AuditView(BaseModel):
    """One line of the audit log."""

    at: datetime
    actor: str
    action: str
    outcome: str
    detail: dict[str, object]


class History(BaseModel):
    """All that was done to a frame, newest first."""

    jobs: list[JobDetail]
    grades: list[GradeEntry]
    changes: list[AuditView]


@get("/frames/{frame_id:uuid}/history", guards=READ, summary="History of a frame")
async def read_history(runtime: RuntimeDep, caller: Caller, frame_id: UUID) -> History:
    """Return jobs with reasons, grades ever given, and who changed what."""
    async with runtime.pool.acquire() as db:
        await own_frame(db, caller, frame_id)
        return await _history(db, frame_id)


async def _history(db: Connection, frame_id: UUID) -> History:
    done, _ = await jobs.page(db, None, frame_id=frame_id, limit=50)
    changes, _ = await audit.page(db, None, audit.Sought(str(frame_id)), limit=100)
    return History(
        jobs=[JobDetail.of(job).model_copy(update={"timeline": await _timeline(db, job.id)}) for job in done],
        grades=[GradeEntry.model_validate(one, from_attributes=True) for one in await quality.grades(db, frame_id)],
        changes=[AuditView.model_validate(one, from_attributes=True) for one in changes],
    )
