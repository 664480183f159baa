"""The page of one frame."""

from typing import Any
from uuid import UUID

from litestar import Response, get

from pictor.contracts.access import Role, Scope
from pictor.contracts.frames import CALIBRATION_TYPES, ProductKind
from pictor.contracts.modules import Module, RunState
from pictor.gateway.calibration.explaining import explanation_of
from pictor.gateway.pages.calibration_rooms import LABELS
from pictor.gateway.pages.rendering import page
from pictor.gateway.pages.visitors import Visitor, within
from pictor.gateway.wiring import RuntimeDep
from pictor.state import frames, jobs, masters, nights, products, quality, runs, shelves, solutions
from pictor.state.database import Connection
from pictor.state.jobs import Job
from pictor.state.products import Product
from pictor.state.runs import ModuleRun

Timeline = list[tuple[Job, list[ModuleRun]]]

CANDIDATES = 8
"""Masters explained for each place of a light; the API tells more."""

SEES_FRAMES = [within(Scope.FRAMES_READ)]

OBSERVATION = {
    "airmass": ("Airmass", "{:.2f}"),
    "altitude_deg": ("Altitude", "{:.1f}°"),
    "azimuth_deg": ("Azimuth", "{:.1f}°"),
    "hour_angle_deg": ("Hour angle", "{:+.1f}°"),
    "moon_separation_deg": ("Moon distance", "{:.0f}°"),
    "moon_altitude_deg": ("Moon altitude", "{:.0f}°"),
    "moon_illumination": ("Moon lit", "{:.0%}"),
    "sun_altitude_deg": ("Sun altitude", "{:.0f}°"),
}
"""Observation facts worth a line, and how to write them."""

DOWNLOADS = {
    ProductKind.PROCESSED: ("Processed FITS", "fits?kind=processed"),
    ProductKind.PREVIEW: ("PNG", "preview"),
    ProductKind.STARS: ("Stars", "catalog"),
}
"""Products offered, and where the API serves them."""


@get("/frames/{frame_id:uuid}", guards=SEES_FRAMES, include_in_schema=False)
async def show_frame(runtime: RuntimeDep, visitor: Visitor, frame_id: UUID) -> Response[str]:
    """Picture, numbers, position, header and history of one frame."""
    async with runtime.pool.acquire() as db:
        shown = await _read(db, visitor, frame_id)
    if shown is None:
        sentence = "There is no such frame, or it belongs to another observatory."
        return page("problem.html", status=404, visitor=visitor, here="", heading="No such frame", sentence=sentence)
    return page("frame.html", visitor=visitor, here="", **shown)


async def _read(db: Connection, visitor: Visitor, frame_id: UUID) -> dict[str, Any] | None:
    """Gather what the page shows; None if the frame is not there for this visitor."""
    frame = await frames.get(db, frame_id, visitor.observatories)
    line = await nights.frame(db, visitor.observatories, frame_id)
    if frame is None or line is None:
        return None
    before, after = await nights.neighbours(db, visitor.observatories, frame_id)
    measured = await quality.quality_of(db, frame_id)
    timeline = await read_timeline(db, visitor, frame_id)
    return {
        "frame": frame,
        "line": line,
        "before": before,
        "after": after,
        "quality": measured[0] if measured else None,
        "grade": await quality.grade_of(db, frame_id),
        "solution": await solutions.solution_of(db, frame_id),
        "masters": masters_used(await masters.use_of(db, frame_id)),
        "unsolved": why_unsolved(timeline),
        "jobs": timeline,
        "cards": frame.cards or [],
        "observation": observed((frame.observation or {}).get("facts") or {}),
        "downloads": offered(frame_id, await products.of_frame(db, frame_id)),
    }


def offered(frame_id: UUID, made: dict[ProductKind, Product]) -> list[tuple[str, str, int]]:
    """Return name, address and size of the products there are."""
    return [
        (name, f"/api/v1/frames/{frame_id}/{path}", made[kind].size)
        for kind, (name, path) in DOWNLOADS.items()
        if kind in made
    ]


@get("/frames/{frame_id:uuid}/calibration", guards=[within(Scope.CALIBRATION_READ)], include_in_schema=False)
async def show_calibration_of(runtime: RuntimeDep, visitor: Visitor, frame_id: UUID) -> Response[str]:
    """Explain what a light is calibrated with and why; of an individual frame, what keeps it out of masters."""
    async with runtime.pool.acquire() as db:
        frame = await frames.get(db, frame_id, visitor.observatories)
        if frame is None:
            return Response("", status_code=404)
        told = await explanation_of(db, frame, shown=CANDIDATES)
        fate = await shelves.fate_of(db, frame_id)
        used = await masters.use_of(db, frame_id)
    return page(
        "explain.html", frame=frame, told=told, fate=fate, used=used, labels=LABELS,
        individual=frame.frame_type in CALIBRATION_TYPES and not frame.is_master,
        may_reprocess=may_reprocess(visitor, frame.observatory_id),
    )  # fmt: skip


def may_reprocess(visitor: Visitor, observatory_id: UUID) -> bool:
    """Whether somebody may have a frame processed again."""
    caller = visitor.principal
    return Scope.FRAMES_WRITE in caller.scopes and caller.may(Role.MEMBER, observatory_id)


@get("/frames/{frame_id:uuid}/timeline", guards=SEES_FRAMES, include_in_schema=False)
async def show_timeline(runtime: RuntimeDep, visitor: Visitor, frame_id: UUID) -> Response[str]:
    """List the jobs of a frame, for the open page to follow."""
    async with runtime.pool.acquire() as db:
        frame = await frames.get(db, frame_id, visitor.observatories)
        timeline = await read_timeline(db, visitor, frame_id) if frame else []
    if frame is None:
        return Response("", status_code=404)
    return page("timeline.html", frame=frame, jobs=timeline)


async def read_timeline(db: Connection, visitor: Visitor, frame_id: UUID) -> Timeline:
    """Return the newest jobs of a frame with their module runs."""
    newest, _ = await jobs.page(db, visitor.observatories, frame_id=frame_id, limit=10)
    return [(job, await runs.timeline(db, job.id)) for job in newest]


def why_unsolved(timeline: Timeline) -> str | None:
    """Return what the newest try to solve has to say."""
    for _, steps in timeline:
        for step in steps:
            if step.module is Module.ASTROMETRY and step.state is not RunState.COMPLETED:
                return step.message or f"astrometry is {step.state}."
    return None


def masters_used(used: dict[str, Any] | None) -> list[str]:
    """Say of dark and flat which master a light was measured with, or why with none."""
    told = (used or {}).get("explanation") or {}
    return [f"{kind}: {told[kind]['reason']}" for kind in ("dark", "flat") if told.get(kind, {}).get("reason")]


def observed(facts: dict[str, object]) -> list[tuple[str, str]]:
    """Write the observation facts that are known."""
    return [
        (label, form.format(facts[name]))
        for name, (label, form) in OBSERVATION.items()
        if isinstance(facts.get(name), int | float)
    ]
