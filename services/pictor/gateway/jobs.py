"""Jobs: lists, one with its timeline, cancel."""

from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.params import Parameter

from pictor.contracts.access import Role, Scope
from pictor.contracts.jobs import JobFinished, JobState
from pictor.contracts.subjects import JOB_FINISHED
from pictor.gateway import trail
from pictor.gateway.auth import changing, require
from pictor.gateway.paging import Limit, Page, PageNumber, page_of
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem, not_found
from pictor.gateway.views import JobDetail, JobView, RunView
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.state import jobs, outbox, runs
from pictor.state.database import Connection
from pictor.state.jobs import Among, Job

READ = [require(Scope.JOBS_READ)]
StateParameter = Annotated[JobState | None, Parameter(query="state")]


@get("/jobs", guards=READ, summary="List jobs")
async def list_jobs(
    request: Http, runtime: RuntimeDep, caller: Caller, *,
    page: PageNumber = 1, limit: Limit = 50, job_state: StateParameter = None, frame: UUID | None = None,
) -> Page[JobView]:  # fmt: skip
    """List jobs, newest first: all of an administrator's observatory, else those the caller started."""
    async with runtime.pool.acquire() as db:
        found, total = await jobs.page(
            db, caller.observatories, state=job_state, frame_id=frame, among=own_jobs(caller), limit=limit,
            offset=(page - 1) * limit,
        )  # fmt: skip
    return page_of(request, [JobView.of(job) for job in found], page=page, limit=limit, total=total)


def own_jobs(caller: Principal) -> Among | None:
    """Return whose jobs a caller may see; None for all."""
    administered = caller.administered
    return None if administered is None else Among(administered, sorted(caller.aliases))


async def own_job(db: Connection, caller: Principal, job_id: UUID) -> Job:
    """Return a job the caller may see; any other does not exist."""
    job = await jobs.get(db, job_id, caller.observatories)
    own = job is not None and (job.owner in caller.aliases or caller.may(Role.OBSERVATORY_ADMIN, job.observatory_id))
    if job is None or not own:
        raise not_found("job", job_id)
    return job


@get("/jobs/{job_id:uuid}", guards=READ, summary="One job")
async def read_job(runtime: RuntimeDep, caller: Caller, job_id: UUID) -> JobDetail:
    """Return a job with every module, how it ended, and why."""
    async with runtime.pool.acquire() as db:
        job = await own_job(db, caller, job_id)
        return await detail_of(db, job)


async def detail_of(db: Connection, job: Job) -> JobDetail:
    """Show a job with its timeline."""
    timeline = [RunView.model_validate(run) for run in await runs.timeline(db, job.id)]
    return JobDetail.of(job).model_copy(update={"timeline": timeline})


@post(
    "/jobs/{job_id:uuid}/cancel",
    guards=[require(Scope.JOBS_WRITE, role=Role.MEMBER)],
    status_code=200,
    summary="Cancel a job",
)
async def cancel_job(request: Http, runtime: RuntimeDep, caller: Caller, job_id: UUID) -> JobDetail:
    """Cancel a pending or running job; what already ended stays, a running module stops within seconds."""
    async with changing(runtime, caller) as db:
        job = await own_job(db, caller, job_id)
        if not await jobs.cancel(db, job_id) and job.state is not JobState.CANCELLED:
            raise Problem("conflict", f"The job has ended: it is {job.state}.")
        fact = JobFinished(
            observatory=job.observatory, job_id=job_id, frame_id=job.frame_id, state=JobState.CANCELLED,
            reasons=("cancelled by request",),
        )  # fmt: skip
        outgoing = [] if job.state is JobState.CANCELLED else [await outbox.put(db, JOB_FINISHED, fact)]
        if outgoing:
            await trail.record(
                db, request, caller, "job.cancel", str(job_id), observatory_id=job.observatory_id
            )  # fmt: skip
    await runtime.control.cancel(job_id)
    await runtime.bus.publish(outgoing)
    async with runtime.pool.acquire() as db:
        return await detail_of(db, await own_job(db, caller, job_id))
