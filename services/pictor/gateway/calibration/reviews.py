"""What people decide about masters: accept or reject a candidate, take back one that was used."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import structlog
from litestar import post
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pictor.contracts.access import Role, Scope
from pictor.contracts.masters import MasterState
from pictor.gateway import trail
from pictor.gateway.auth import changing, permit, require
from pictor.gateway.bodies import body_of
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem, not_found
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.crashpoints import crashpoint
from pictor.runtime.outages import OUTAGE
from pictor.runtime.runtime import Runtime
from pictor.runtime.stacking import reviewing
from pictor.runtime.stacking.reviewing import NotNowError, Reviewed
from pictor.state import masters, reviews
from pictor.state.database import Connection
from pictor.state.masters import Master

log = structlog.get_logger()

WRITE = [require(Scope.CALIBRATION_WRITE, role=Role.OBSERVATORY_ADMIN)]

Because = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]

REDONE_AT_ONCE = 500
"""Lights ordered before the answer; the keeper orders the rest within a minute."""


class Verdict(StrEnum):
    """What becomes of a candidate."""

    ACCEPT = "accept"
    REJECT = "reject"


class MasterReview(BaseModel):
    """A person's verdict on a candidate that needs one."""

    model_config = ConfigDict(extra="forbid")

    decision: Verdict
    because: Because


class MasterRecall(BaseModel):
    """Why a master must not be used any more."""

    model_config = ConfigDict(extra="forbid")

    because: Because


class MasterReviewed(BaseModel):
    """What the verdict changed."""

    id: UUID
    state: MasterState
    superseded: list[UUID] = Field(description="Masters this one replaced")


class RecallReport(BaseModel):
    """What a recall changed, and what follows from it; of a dry run: what it would."""

    id: UUID
    dry_run: bool = False
    state: MasterState
    reinstated: UUID | None = Field(description="The older master of the group that is in use again")
    light_count: int = Field(description="Lights measured or calibrated with it; all are processed again, last in line")
    lights: list[UUID] = Field(description="The first of them")
    frames: list[UUID] = Field(description="Its individual frames; they are not stacked again unless asked for")
    flats: list[UUID] = Field(description="Master flats this dark was taken off: used until stacked anew with another")


@post(
    "/calibration/masters/{master_id:uuid}/review",
    guards=WRITE,
    opt={"body": MasterReview},
    status_code=200,
    summary="Decide about a candidate",
)
async def review_master(request: Http, runtime: RuntimeDep, caller: Caller, master_id: UUID) -> MasterReviewed:
    """Use a candidate that needs review, which supersedes the active master, or reject it."""
    async with runtime.pool.acquire() as db:
        await _own_master(db, caller, master_id)
    wanted = await body_of(request, MasterReview)
    try:
        async with changing(runtime, caller) as db:
            master = await _locked(db, caller, master_id)
            if wanted.decision is Verdict.ACCEPT:
                done = await reviewing.accept(db, master, by=caller.actor, because=wanted.because)
            else:
                done = await reviewing.reject(db, master, by=caller.actor, because=wanted.because)
            detail: dict[str, object] = {
                "decision": str(wanted.decision),
                "because": wanted.because,
                "group": master.group_key,
            }
            await _recorded(db, request, caller, "calibration.review", master, detail=detail)
    except NotNowError as error:
        raise Problem("conflict", f"Nothing was changed: {error}.") from error
    await _finish(runtime, done)
    return MasterReviewed(id=master_id, state=done.state, superseded=done.superseded)


@post(
    "/calibration/masters/{master_id:uuid}/recall",
    guards=WRITE,
    opt={"body": MasterRecall},
    status_code=200,
    summary="Recall a master",
)
async def recall_master(
    request: Http, runtime: RuntimeDep, caller: Caller, master_id: UUID, *, dry_run: bool = False
) -> RecallReport:  # fmt: skip
    """Take a bad master out of use for good; whatever was made with it is made anew, last in line.

    ``dry_run`` tells what it would do and changes nothing.
    """
    async with runtime.pool.acquire() as db:
        await _own_master(db, caller, master_id)
    wanted = await body_of(request, MasterRecall)
    if dry_run:
        return await _only_look(runtime, caller, master_id, because=wanted.because)
    try:
        async with changing(runtime, caller) as db:
            master = await _locked(db, caller, master_id)
            done = await reviewing.recall(db, master, by=caller.actor, because=wanted.because)
            detail: dict[str, object] = {
                "because": wanted.because,
                "group": master.group_key,
                "lights": done.light_count,
            }
            await _recorded(db, request, caller, "calibration.recall", master, detail=detail)
            crashpoint("recall.before_commit")
    except NotNowError as error:
        raise Problem("conflict", f"Nothing was changed: {error}.") from error
    crashpoint("recall.after_commit")
    await _finish(runtime, done)
    await reviewing.redo_lights(runtime, at_most=REDONE_AT_ONCE)
    return _report(master_id, done)


async def _only_look(runtime: Runtime, caller: Principal, master_id: UUID, *, because: str) -> RecallReport:
    """Recall a master in a transaction that is never committed."""
    async with runtime.pool.acquire() as db:
        attempt = db.transaction()
        await attempt.start()
        try:
            done = await reviewing.recall(db, await _locked(db, caller, master_id), by=caller.actor, because=because)
        except NotNowError as error:
            raise Problem("conflict", f"Nothing would be changed: {error}.") from error
        finally:
            await attempt.rollback()
    return _report(master_id, done, dry_run=True)


def _report(master_id: UUID, done: Reviewed, *, dry_run: bool = False) -> RecallReport:
    return RecallReport(
        id=master_id, dry_run=dry_run, state=done.state, reinstated=done.reinstated, light_count=done.light_count,
        lights=done.lights, frames=done.frames, flats=done.flats,
    )  # fmt: skip


async def _own_master(db: Connection, caller: Principal, master_id: UUID) -> Master:
    """Return a master the caller may decide about; one that may not be seen does not exist."""
    master = await masters.get(db, master_id)
    if master is None or caller.role_at(master.observatory_id) is None:
        raise not_found("master", master_id)
    permit(caller, Role.OBSERVATORY_ADMIN, master.observatory_id)
    return master


async def _locked(db: Connection, caller: Principal, master_id: UUID) -> Master:
    await _own_master(db, caller, master_id)
    master = await reviews.lock(db, master_id)
    if master is None:
        raise not_found("master", master_id)
    return master


async def _recorded(
    db: Connection, request: Http, caller: Principal, action: str, master: Master, *, detail: dict[str, object]
) -> None:
    await trail.record(
        db, request, caller, action, str(master.id), observatory_id=master.observatory_id, detail=detail
    )  # fmt: skip


async def _finish(runtime: Runtime, done: Reviewed) -> None:
    """Publish what was decided and delete what nobody refers to; what fails here, relay and sweep make good."""
    await runtime.bus.publish(done.outgoing)
    try:
        for key in done.unused_keys:
            await runtime.store.delete(key)
    except OUTAGE as error:
        log.warning("calibrated lights left for the sweep to remove", reason=repr(error))
