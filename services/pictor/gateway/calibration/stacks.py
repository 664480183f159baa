"""Stacking jobs: how they stand, once more, and away with the failed ones."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import delete, get, post
from litestar.params import Parameter
from pydantic import Field

from pictor.contracts.access import Role, Scope
from pictor.contracts.frames import FrameType
from pictor.contracts.jobs import JobState
from pictor.contracts.masters import MasterState
from pictor.contracts.messages import utc_now
from pictor.contracts.subjects import WORK
from pictor.gateway import trail
from pictor.gateway.auth import changing, permit, require
from pictor.gateway.observatories import own_observatory
from pictor.gateway.paging import Limit, Page, PageNumber, page_of
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem, not_found
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.state import jobs, outbox, runs, stackjobs
from pictor.state.database import Connection
from pictor.state.outbox import Outgoing
from pictor.state.stackjobs import StackJob

ADMIN = [require(Scope.CALIBRATION_WRITE, role=Role.OBSERVATORY_ADMIN)]
SERVER = [require(Scope.ADMIN, role=Role.SERVER_ADMIN)]
StateParameter = Annotated[JobState | None, Parameter(query="state")]


class StackJobView(View):
    """One stack, or the judgement of one uploaded master."""

    id: UUID
    state: JobState
    reasons: list[str]
    owner: str | None = Field(description="Who asked; calibration-stacker for trigger and sweep")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    group_key: str | None
    frame_type: FrameType | None
    frames: int = Field(description="Individual frames it was asked to combine; 0 for an uploaded master")
    force: bool
    upload_id: UUID | None = Field(description="The raw frame of an uploaded master")
    master_id: UUID | None = Field(description="The master or candidate that came of it")
    master_state: MasterState | None


@get("/calibration/jobs/{observatory_id:uuid}", guards=ADMIN, summary="Stacking jobs")
async def list_stacks(
    request: Http, runtime: RuntimeDep, caller: Caller, observatory_id: UUID, *,
    page: PageNumber = 1, limit: Limit = 50, job_state: StateParameter = None,
) -> Page[StackJobView]:  # fmt: skip
    """List the stacking jobs of an observatory, newest first."""
    async with runtime.pool.acquire() as db:
        await own_observatory(db, caller, observatory_id, role=Role.OBSERVATORY_ADMIN)
        found, total = await stackjobs.page(
            db, observatory_id, state=job_state, limit=limit, offset=(page - 1) * limit
        )  # fmt: skip
    return page_of(request, [StackJobView.model_validate(one) for one in found], page=page, limit=limit, total=total)


@post("/calibration/jobs/{stack_id:uuid}/retry", guards=ADMIN, status_code=202, summary="Retry a stacking job")
async def retry_stack(request: Http, runtime: RuntimeDep, caller: Caller, stack_id: UUID) -> StackJobView:
    """Order a failed stack once more with the same frames and policy; not while its group is stacked anew."""
    async with changing(runtime, caller) as db:
        job = await _own_stack(db, caller, stack_id)
        await stackjobs.lock(db, stack_id)
        outgoing = await _again(db, job)
        await trail.record(
            db, request, caller, "calibration.retry", str(stack_id), observatory_id=job.observatory_id,
            detail={"group": job.group_key},
        )  # fmt: skip
        shown = await _own_stack(db, caller, stack_id)
    await runtime.bus.publish(outgoing)
    return StackJobView.model_validate(shown)


async def _again(db: Connection, job: StackJob) -> list[Outgoing]:
    """Open a failed job and its run again under the next run number."""
    order = await stackjobs.last_order(db, job.id)
    current = await stackjobs.get(db, job.id)
    if order is None or current is None or current.state is not JobState.FAILED:
        raise Problem("conflict", f"Only a failed stack can be tried again; this one is {job.state}.")
    again = await runs.again(db, order) if await jobs.reopen(db, job.id) else None
    if again is None:
        raise Problem("conflict", "The group is stacked anew already; wait for that stack to end.")
    again = again.model_copy(update={"issued_at": utc_now()})
    return [await outbox.put(db, WORK[again.module][again.lane], again)]


@delete("/calibration/jobs/{stack_id:uuid}", guards=SERVER, summary="Delete a failed stacking job")
async def delete_stack(request: Http, runtime: RuntimeDep, caller: Caller, stack_id: UUID) -> None:
    """Delete a failed or cancelled stack with the candidate it left; masters people decided about stay."""
    async with changing(runtime, caller) as db:
        job = await _own_stack(db, caller, stack_id)
        await stackjobs.lock(db, stack_id)
        keys = await stackjobs.forget_candidate(db, stack_id) if job.state in _ENDED else []
        if not await stackjobs.delete(db, stack_id):
            raise Problem("conflict", f"Only a failed or cancelled stack can be deleted; this one is {job.state}.")
        await trail.record(
            db, request, caller, "calibration.job-delete", str(stack_id), observatory_id=job.observatory_id,
            detail={"group": job.group_key, "reasons": list(job.reasons)},
        )  # fmt: skip
    for key in keys:
        await runtime.store.delete(key)


_ENDED = frozenset({JobState.FAILED, JobState.CANCELLED})


async def _own_stack(db: Connection, caller: Principal, job_id: UUID) -> StackJob:
    """Return a stacking job the caller may decide about; any other does not exist."""
    job = await stackjobs.get(db, job_id)
    if job is None or caller.role_at(job.observatory_id) is None:
        raise not_found("job", job_id)
    permit(caller, Role.OBSERVATORY_ADMIN, job.observatory_id)
    return job
