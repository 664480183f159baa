"""For operators of the server: clear the cache, check expiry, clean up, and how the library does."""

import asyncio
from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.params import Parameter
from pydantic import BaseModel, Field

from pictor.contracts.access import Role, Scope
from pictor.contracts.frames import FrameType
from pictor.gateway import trail
from pictor.gateway.auth import changing, require
from pictor.gateway.observatories import own_observatory
from pictor.gateway.problems import Http
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.runtime import Runtime
from pictor.runtime.stacking.expiry import check_expiry, default_ages
from pictor.runtime.stacking.retention import clean_up
from pictor.runtime.store.errors import ObjectMissing
from pictor.state import librarian, light_sets, observatories
from pictor.state.librarian import File
from pictor.state.retention import Due, OldMaster

SERVER = [require(Scope.ADMIN, role=Role.SERVER_ADMIN)]
DryRun = Annotated[bool, Parameter(description="Only show what would be done")]

LISTED = 200
"""Things an answer names; more are counted."""

STATS_AT_ONCE = 8
STATS_S = 5.0


class Cleared(BaseModel):
    """What clearing the cache of calibrated lights removed."""

    dry_run: bool
    calibrated: int = Field(description="Calibrated lights; each is made again when somebody asks for it")


class ExpiredMaster(View):
    """An active master beyond its age; it stays in use until a newer one replaces it."""

    id: UUID
    observatory: str
    frame_type: FrameType
    group_key: str
    taken_at: datetime
    age_days: float
    max_age_days: int


class ExpiryReport(BaseModel):
    """The masters that were warned of now."""

    dry_run: bool
    expired: int
    taken_back: int = Field(description="Warnings that a longer age of the policy made wrong")
    masters: list[ExpiredMaster]


class DueView(View):
    """A frame or superseded master whose time is over."""

    id: UUID
    observatory_id: UUID
    name: str = Field(description="File name, or group of a master")
    size: int
    since: datetime = Field(description="First used, or superseded")
    days: int = Field(description="How long the policy keeps it after that")


class RetentionReport(BaseModel):
    """What was deleted, or would be."""

    dry_run: bool
    frame_count: int
    master_count: int
    size: int = Field(description="Bytes")
    frames: list[DueView]
    masters: list[DueView]


class BlockedGroup(View):
    """A group that waits for something a person can bring about."""

    group_key: str
    message: str
    have: int
    needed: int
    since: datetime


class FailedStackView(View):
    """A stack that failed in the last week."""

    job_id: UUID
    group_key: str | None
    frame_type: FrameType | None
    finished_at: datetime | None
    reasons: list[str]


class ObservatoryHealth(BaseModel):
    """How the library of one observatory does."""

    observatory_id: UUID
    observatory: str
    active: int
    expired: int
    needs_review: int
    open_stacks: int
    sweep_age_s: float | None = Field(description="How long the oldest change waits for a decision; null when none")
    failed_stacks: int
    blocked: list[BlockedGroup]
    failed: list[FailedStackView]
    missing: list[UUID] = Field(description="Active masters without their object")


class LibraryHealth(BaseModel):
    """How all libraries do; ``problems`` is empty when nobody has to do anything."""

    problems: list[str]
    observatories: list[ObservatoryHealth]


@post("/calibration/maintenance/cache-clear", guards=SERVER, status_code=200, summary="Clear the calibrated cache")
async def clear_cache(
    request: Http, runtime: RuntimeDep, caller: Caller, *,
    observatory_id: UUID | None = None, dry_run: DryRun = False,
) -> Cleared:  # fmt: skip
    """Remove all calibrated lights, of one observatory or of all; masters and measurements stay."""
    async with runtime.pool.acquire() as db:
        if observatory_id is None:
            places = [one.id for one in await observatories.visible(db, None)]
        else:
            places = [(await own_observatory(db, caller, observatory_id)).id]
        if dry_run:
            return Cleared(dry_run=True, calibrated=await light_sets.cached(db, places))
    async with changing(runtime, caller) as db:
        keys = [key for place in places for key in await light_sets.forget_calibrated(db, place)]
        await trail.record(
            db, request, caller, "calibration.cache-clear", str(observatory_id or "library"),
            observatory_id=observatory_id, detail={"calibrated": len(keys)},
        )  # fmt: skip
    for key in keys:
        await runtime.store.delete(key)
    return Cleared(dry_run=False, calibrated=len(keys))


@post("/calibration/maintenance/expiry-check", guards=SERVER, status_code=200, summary="Check masters for expiry")
async def run_expiry_check(
    request: Http, runtime: RuntimeDep, caller: Caller, *, dry_run: DryRun = False
) -> ExpiryReport:  # fmt: skip
    """Warn of every active master that is too old, once for each; none is taken out of use."""
    found = await check_expiry(runtime, dry_run=dry_run)
    if not dry_run:
        async with changing(runtime, caller) as db:
            await trail.record(
                db, request, caller, "calibration.expiry-check", "masters", detail={"expired": len(found.masters)}
            )
    return ExpiryReport(
        dry_run=dry_run, expired=len(found.masters), taken_back=found.taken_back,
        masters=[_expired(one) for one in found.masters[:LISTED]],
    )  # fmt: skip


def _expired(one: OldMaster) -> ExpiredMaster:
    return ExpiredMaster.model_validate(one)


@post("/calibration/maintenance/retention-cleanup", guards=SERVER, status_code=200, summary="Delete what is old")
async def run_retention(
    request: Http, runtime: RuntimeDep, caller: Caller, *, dry_run: DryRun = False
) -> RetentionReport:  # fmt: skip
    """Delete used individual frames and superseded masters beyond their policy's days, rows and objects."""
    done = await clean_up(runtime, dry_run=dry_run, actor=caller.actor)
    if not dry_run:
        async with changing(runtime, caller) as db:
            await trail.record(
                db, request, caller, "calibration.retention-cleanup", "library",
                detail={"frames": len(done.frames), "masters": len(done.masters), "bytes": done.size},
            )  # fmt: skip
    return RetentionReport(
        dry_run=dry_run, frame_count=len(done.frames), master_count=len(done.masters), size=done.size,
        frames=_shown(done.frames), masters=_shown(done.masters),
    )  # fmt: skip


def _shown(due: list[Due]) -> list[DueView]:
    return [DueView.model_validate(one) for one in due[:LISTED]]


@get("/calibration/health", guards=SERVER, summary="How the calibration library does")
async def read_calibration_health(runtime: RuntimeDep) -> LibraryHealth:
    """Tell what blocks groups, which masters are expired or without their object, and which stacks failed."""
    return await health_of(runtime)


async def health_of(runtime: Runtime) -> LibraryHealth:
    """Look at all libraries, and in the store for their masters."""
    async with runtime.pool.acquire() as db:
        counted, blocked = await librarian.counted(db, default_ages()), await librarian.blocked(db)
        failed, files = await librarian.failed(db), await librarian.files(db, limit=LISTED)
    missing = await _missing(runtime, files)
    shown = [
        ObservatoryHealth(
            observatory_id=one.id, observatory=one.slug, active=one.active, expired=one.expired,
            needs_review=one.needs_review, open_stacks=one.open_stacks, sweep_age_s=one.oldest_due_s,
            failed_stacks=one.failed_stacks,
            blocked=[BlockedGroup.model_validate(group) for group in blocked if group.observatory_id == one.id],
            failed=[FailedStackView.model_validate(job) for job in failed if job.observatory_id == one.id],
            missing=[file.master_id for file in missing if file.observatory_id == one.id],
        )
        for one in counted
    ]  # fmt: skip
    gone = {one.slug: one.without_file for one in counted}
    return LibraryHealth(problems=[text for one in shown for text in _problems(one, gone[one.observatory])],
                         observatories=shown)  # fmt: skip


SWEEP_LATE_S = 900.0
"""Three sweeps: a change that waits longer is not looked at by anybody."""


def _problems(one: ObservatoryHealth, without_file: int) -> list[str]:
    """Say in sentences what somebody has to do."""
    deferred = sum("deferred" in group.message for group in one.blocked)
    told = (
        (len(one.missing) + without_file, "active master has lost its file: upload or stack it again",
         "active masters have lost their file: upload or stack them again"),
        (deferred, "group of flats waits for a matching master dark",
         "groups of flats wait for a matching master dark"),
        (one.expired, "master is expired and waits for fresh frames", "masters are expired and wait for fresh frames"),
        (one.needs_review, "master needs review", "masters need review"),
        (one.failed_stacks, "stack failed within a week: retry or delete it",
         "stacks failed within a week: retry or delete them"),
    )  # fmt: skip
    problems = [f"{one.observatory}: {count} {single if count == 1 else text}" for count, single, text in told if count]
    if one.sweep_age_s is not None and one.sweep_age_s > SWEEP_LATE_S and not one.open_stacks:
        problems.append(f"{one.observatory}: a change waits {one.sweep_age_s:.0f} s for the sweep; is the stacker up?")
    return problems


async def _missing(runtime: Runtime, files: list[File]) -> list[File]:
    """Ask the store for the objects of masters, a few at a time and not for long."""
    places = asyncio.Semaphore(STATS_AT_ONCE)

    async def gone(file: File) -> bool:
        async with places:
            try:
                await runtime.store.stat(file.key)
            except ObjectMissing:
                return True
            return False

    async with asyncio.timeout(STATS_S):
        found = await asyncio.gather(*(gone(file) for file in files))
    return [file for file, is_gone in zip(files, found, strict=True) if is_gone]
