"""Changes to a frame: grade it, process it again, delete it; each with its line in the audit log."""

import hashlib
from typing import Annotated
from uuid import UUID, uuid4

from litestar import Response, delete, get, patch, post
from litestar.params import Parameter
from pydantic import BaseModel, ConfigDict, Field

from pictor.contracts.access import Role, Scope
from pictor.contracts.jobs import JobKind
from pictor.contracts.modules import LIGHT_ITINERARY, Lane, Module
from pictor.contracts.quality import Grade, GradeStatus
from pictor.gateway import trail
from pictor.gateway.arrival import first_order, itinerary
from pictor.gateway.auth import changing, limits_of, permit, require
from pictor.gateway.bodies import body_of
from pictor.gateway.frames import own_frame
from pictor.gateway.identity import still
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.passing import give_first
from pictor.runtime.runtime import Runtime
from pictor.state import deleting, frames, jobs, observatories, quality
from pictor.state.database import Connection
from pictor.state.frames import Frame
from pictor.state.outbox import Outgoing

LETTER = {GradeStatus.ACCEPTED: "B", GradeStatus.PENDING: "C", GradeStatus.REJECTED: "D"}
"""Letter of a human grade that names only a status, where no rule gave one before."""

ETag = Annotated[str | None, Parameter(header="If-Match", max_length=200)]


class GradeChange(BaseModel):
    """A person's verdict; it wins over every rule."""

    model_config = ConfigDict(extra="forbid")

    status: GradeStatus
    letter: str | None = Field(default=None, pattern="^[ABCD]$", description="Kept as it is when left out")
    reasons: list[str] = Field(default_factory=lambda: ["Manual"], max_length=10)


class Reprocess(BaseModel):
    """Which modules to run again."""

    model_config = ConfigDict(extra="forbid")

    modules: list[Module] | None = Field(default=None, description="All that are switched on when left out")


class JobStarted(BaseModel):
    """The job that does it."""

    job_id: UUID
    modules: list[Module]
    already_open: bool = Field(description="True when such a job was waiting or running; no second one was made")


@get("/frames/{frame_id:uuid}/grade", guards=[require(Scope.FRAMES_READ)], summary="Grade of a frame")
async def read_grade(runtime: RuntimeDep, caller: Caller, frame_id: UUID) -> Response[Grade | None]:
    """Return the grade that counts, or null; its ETag is what If-Match takes."""
    async with runtime.pool.acquire() as db:
        await own_frame(db, caller, frame_id)
        grade = await quality.grade_of(db, frame_id)
    return Response(grade, headers={"ETag": tag_of(grade)})


def tag_of(grade: Grade | None) -> str:
    """Return the entity tag of a grade."""
    text = grade.model_dump_json() if grade else "none"
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


@patch(
    "/frames/{frame_id:uuid}/grade",
    guards=[require(Scope.FRAMES_WRITE, role=Role.MEMBER)],
    opt={"body": GradeChange},
    summary="Grade a frame by hand",
)
async def change_grade(
    request: Http, runtime: RuntimeDep, caller: Caller, frame_id: UUID, *, if_match: ETag = None
) -> Response[Grade]:
    """Add a human grade; earlier ones stay in the history."""
    async with runtime.pool.acquire() as db:
        await own_frame(db, caller, frame_id)
    wanted = await body_of(request, GradeChange)
    async with changing(runtime, caller) as db:
        frame = await own_frame(db, caller, frame_id)
        await frames.lock_content(db, frame.raw_key)
        before = await quality.grade_of(db, frame_id)
        if if_match not in {None, "*", tag_of(before)}:
            raise Problem("precondition-failed", "Someone graded this frame in the meantime; look again.")
        letter = wanted.letter or (before.letter if before else LETTER[wanted.status])
        grade = Grade(letter=letter, status=wanted.status, reasons=tuple(wanted.reasons), rules="manual")
        await quality.save_grade(db, frame_id, None, grade, by=caller.actor)
        await _recorded(db, request, caller, "frame.grade", frame, detail=wanted.model_dump(mode="json"))
    return Response(grade, headers={"ETag": tag_of(grade)})


@post(
    "/frames/{frame_id:uuid}/reprocess",
    guards=[require(Scope.FRAMES_WRITE, role=Role.MEMBER)],
    opt={"body": Reprocess},
    status_code=202,
    summary="Process a frame again",
)
async def reprocess(request: Http, runtime: RuntimeDep, caller: Caller, frame_id: UUID) -> JobStarted:
    """Run modules again on the high lane; at most one such job of a frame is open."""
    limits_of(request).reprocesses.take(caller.key)
    async with runtime.pool.acquire() as db:
        await own_frame(db, caller, frame_id)
    wanted = await body_of(request, Reprocess, optional=True)
    async with changing(runtime, caller) as db:
        frame = await own_frame(db, caller, frame_id)
        started, outgoing = await _start(db, frame, caller, wanted.modules)
        if not started.already_open:
            await _recorded(db, request, caller, "frame.reprocess", frame, detail=started.model_dump(mode="json"))
    await runtime.bus.publish(outgoing)
    return started


async def _start(
    db: Connection, frame: Frame, caller: Principal, modules: list[Module] | None
) -> tuple[JobStarted, list[Outgoing]]:
    observatory = await observatories.get(db, frame.observatory_id)
    if observatory is None:
        raise AssertionError("a frame without its observatory")
    planned = itinerary(observatory) if modules is None else tuple(m for m in LIGHT_ITINERARY if m in modules)
    if not planned or (modules is not None and set(modules) - set(planned)):
        raise Problem("invalid-value", f"Choose among {', '.join(LIGHT_ITINERARY)}.")
    if frame.description is None and Module.INGEST not in planned:
        planned = (Module.INGEST, *planned)
    job_id = uuid4()
    made = await jobs.create(
        db, job_id, frame.observatory_id, frame_id=frame.id, kind=JobKind.REPROCESS, lane=Lane.HIGH,
        owner=caller.actor,
    )  # fmt: skip
    if not made:
        open_one = await jobs.open_reprocess(db, frame.id)
        if open_one is None:
            raise Problem("conflict", "The frame's other job ended at this moment; ask again.")
        return JobStarted(job_id=open_one, modules=list(planned), already_open=True), []
    order = first_order(observatory, frame.id, job_id, Lane.HIGH, planned)
    return JobStarted(job_id=job_id, modules=list(planned), already_open=False), [await give_first(db, order)]


@delete(
    "/frames/{frame_id:uuid}",
    guards=[require(Scope.FRAMES_WRITE, role=Role.OBSERVATORY_ADMIN)],
    summary="Delete a frame",
)
async def delete_frame(request: Http, runtime: RuntimeDep, caller: Caller, frame_id: UUID) -> None:
    """Delete a frame with all that was made from it; masters it is part of stay, and so does the audit log."""
    async with runtime.pool.acquire() as db:
        frame = await own_frame(db, caller, frame_id)
        permit(caller, Role.OBSERVATORY_ADMIN, frame.observatory_id)
    await remove_frame(request, runtime, caller, frame)


async def remove_frame(request: Http, runtime: Runtime, caller: Principal, frame: Frame) -> None:
    """Delete a frame the caller may delete: its open jobs end, its rows go, then its objects."""
    async with runtime.pool.acquire() as db, deleting.content_held(db, frame.raw_key):
        async with db.transaction():
            await still(db, caller)
            open_jobs = await deleting.open_jobs(db, frame.id)
            for job_id in open_jobs:
                await jobs.cancel(db, job_id)
            keys = await deleting.delete_frame(db, frame.id)
            detail: dict[str, object] = {"sha256": frame.sha256, "size": frame.size, "name": frame.name}
            await _recorded(db, request, caller, "frame.delete", frame, detail=detail)
        await delete_objects(runtime, keys)
    for job_id in open_jobs:
        await runtime.control.cancel(job_id)


async def delete_objects(runtime: Runtime, keys: list[str]) -> None:
    """Delete objects whose rows are gone."""
    for key in keys:
        await runtime.store.delete(key)


async def _recorded(
    db: Connection, request: Http, caller: Principal, action: str, frame: Frame, *, detail: dict[str, object]
) -> None:
    await trail.record(
        db, request, caller, action, str(frame.id), observatory_id=frame.observatory_id, detail=detail
    )  # fmt: skip
