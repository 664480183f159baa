"""The pages of jobs and of the modules that run them."""

import math
from typing import Annotated
from urllib.parse import urlencode

from litestar import Response, get
from litestar.params import Parameter

from pictor.contracts.access import Scope
from pictor.contracts.jobs import JobState
from pictor.gateway.jobs import own_jobs
from pictor.gateway.pages.rendering import page
from pictor.gateway.pages.visitors import Visitor, within
from pictor.gateway.problems import Problem
from pictor.gateway.wiring import RuntimeDep
from pictor.state import jobs, loads, parked, runs

PAGE = 50
"""Jobs on one page."""


@get("/jobs", guards=[within(Scope.JOBS_READ)], include_in_schema=False)
async def show_jobs(
    runtime: RuntimeDep,
    visitor: Visitor,
    only: Annotated[JobState | None, Parameter(query="state")] = None,
    number: Annotated[int, Parameter(query="page", ge=1, le=100_000)] = 1,
) -> Response[str]:
    """Jobs, newest first."""
    async with runtime.pool.acquire() as db:
        found, total = await jobs.page(
            db, visitor.observatories, state=only, among=own_jobs(visitor.principal), limit=PAGE,
            offset=(number - 1) * PAGE,
        )  # fmt: skip
        listed = [(job, await runs.timeline(db, job.id)) for job in found]
    return page(
        "jobs.html",
        visitor=visitor,
        here="/jobs",
        jobs=listed,
        total=total,
        page=number,
        pages=max(1, math.ceil(total / PAGE)),
        state=only,
        states=[str(each) for each in JobState],
        url="/jobs?" + urlencode({"state": only or "", "page": number}),
    )


@get("/operations", guards=[within(Scope.ADMIN)], include_in_schema=False)
async def show_operations(runtime: RuntimeDep, visitor: Visitor) -> Response[str]:
    """Load of every module, and parked orders."""
    if not visitor.may_operate:
        raise Problem("forbidden", "This page shows the work of all observatories; it is for server administrators.")
    async with runtime.pool.acquire() as db:
        letters, total = await parked.page(db, limit=100)
        found = await loads.loads(db)
    return page(
        "operations.html",
        visitor=visitor,
        here="/operations",
        loads=found,
        paused=runtime.control.paused,
        letters=letters,
        total=total,
    )
