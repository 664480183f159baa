"""For operators: how busy every module is, pause and resume, dead letters."""

import asyncio
from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.params import Parameter
from pydantic import BaseModel, ValidationError

from pictor.contracts.access import Role, Scope
from pictor.contracts.messages import utc_now
from pictor.contracts.modules import Lane, Module, RunState
from pictor.contracts.subjects import STREAM_WORK, WORK
from pictor.contracts.work import WorkOrder
from pictor.gateway import trail
from pictor.gateway.auth import changing, require
from pictor.gateway.paging import Limit, Page, PageNumber, page_of
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem, not_found
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.consuming import durable_name
from pictor.runtime.runtime import Runtime
from pictor.state import jobs, loads, outbox, parked, reopening, runs
from pictor.state.database import Connection
from pictor.state.outbox import Outgoing
from pictor.state.parked import DeadLetter

SERVER = [require(Scope.ADMIN, role=Role.SERVER_ADMIN)]


class LaneLoad(BaseModel):
    """One queue of a module, as the broker counts it."""

    lane: Lane
    waiting: int
    in_flight: int
    redelivered: int


class ModuleStatus(View):
    """One module: its queues, and what the database knows."""

    module: Module
    paused: bool
    lanes: list[LaneLoad]
    waiting: int
    in_flight: int
    completed: int
    failed: int
    parked: int
    oldest_ordered_at: datetime | None
    oldest_waiting_s: float | None
    median_s: float | None


class Operations(BaseModel):
    """The whole flow at this moment; ends are counted over the last 24 hours."""

    modules: list[ModuleStatus]
    outbox_unsent: int


@get("/operations", guards=SERVER, summary="State of every module")
async def read_operations(runtime: RuntimeDep) -> Operations:
    """Count waiting, in flight, failed and parked per module, from the broker and from the database."""
    async with runtime.pool.acquire() as db:
        known = await loads.loads(db)
        unsent = await outbox.unsent_count(db, older_than_s=30)
    queues = await asyncio.gather(*(_lanes(runtime, load.module) for load in known))
    now = utc_now()
    modules = []
    for load, lanes in zip(known, queues, strict=True):
        facts = {name: getattr(load, name) for name in loads.ModuleLoad.__dataclass_fields__}
        age = (now - load.oldest_ordered_at).total_seconds() if load.oldest_ordered_at else None
        modules.append(
            ModuleStatus(**facts, paused=load.module in runtime.control.paused, lanes=lanes, oldest_waiting_s=age)
        )
    return Operations(modules=modules, outbox_unsent=unsent)


async def _lanes(runtime: Runtime, module: Module) -> list[LaneLoad]:
    found = []
    for lane in Lane:
        info = await runtime.bus.js.consumer_info(STREAM_WORK, durable_name(module, lane))
        found.append(
            LaneLoad(lane=lane, waiting=info.num_pending or 0, in_flight=info.num_ack_pending or 0,
                     redelivered=info.num_redelivered or 0)
        )  # fmt: skip
    return found


@post("/operations/{module:str}/pause", guards=SERVER, status_code=202, summary="Pause a module")
async def pause_module(request: Http, runtime: RuntimeDep, caller: Caller, module: Module) -> None:
    """Let a module begin nothing new; what it has begun it ends."""
    await _switch(request, runtime, caller, module, paused=True)


@post("/operations/{module:str}/resume", guards=SERVER, status_code=202, summary="Resume a module")
async def resume_module(request: Http, runtime: RuntimeDep, caller: Caller, module: Module) -> None:
    """Let a paused module go on."""
    await _switch(request, runtime, caller, module, paused=False)


async def _switch(request: Http, runtime: Runtime, caller: Principal, module: Module, *, paused: bool) -> None:
    async with changing(runtime, caller) as db:
        await runtime.control.pause(module, paused=paused)
        await trail.record(db, request, caller, "module.pause" if paused else "module.resume", str(module))


class DeadLetterView(View):
    """A parked order and what was decided about it."""

    id: int
    module: str
    reason: str
    message: str
    attempt: int
    job_id: UUID | None
    parked_at: datetime
    settled_at: datetime | None
    settled_as: str | None
    settled_by: str | None


@get("/dead-letters", guards=SERVER, summary="List dead letters")
async def list_letters(
    request: Http, runtime: RuntimeDep, *,
    page: PageNumber = 1, limit: Limit = 50, module: Module | None = None,
    settled: Annotated[bool, Parameter(description="Those already decided about")] = False,
) -> Page[DeadLetterView]:  # fmt: skip
    """List orders that were tried often enough, newest first."""
    async with runtime.pool.acquire() as db:
        found, total = await parked.page(
            db, module=str(module) if module else None, settled=settled, limit=limit, offset=(page - 1) * limit
        )
    shown = [DeadLetterView.model_validate(letter) for letter in found]
    return page_of(request, shown, page=page, limit=limit, total=total)


@post("/dead-letters/{letter_id:int}/requeue", guards=SERVER, status_code=200, summary="Put a dead letter back")
async def requeue_letter(request: Http, runtime: RuntimeDep, caller: Caller, letter_id: int) -> DeadLetterView:
    """Order the module once more, under a new run number; its job is open again."""
    async with changing(runtime, caller) as db:
        letter = await _open_letter(db, letter_id)
        outgoing = await _requeue(db, letter)
        settled = await _settle(db, request, caller, letter_id, "requeued")
    await runtime.bus.publish(outgoing)
    return settled


async def _requeue(db: Connection, letter: DeadLetter) -> list[Outgoing]:
    try:
        order = WorkOrder.model_validate_json(letter.body)
    except ValidationError as error:
        raise Problem("conflict", "This letter is not a readable order; it can only be discarded.") from error
    again = await runs.again(db, order) if await jobs.reopen(db, order.job_id) else None
    if again is None:
        raise Problem("conflict", "The job has moved on: it was cancelled, deleted, or the module has succeeded since.")
    following = still_to_run(order, await runs.states(db, order.job_id))
    await reopening.reopen(db, order.job_id, following)
    again = again.model_copy(update={"issued_at": utc_now(), "itinerary": following})
    await runs.ordered(db, again)
    return [await outbox.put(db, WORK[again.module][again.lane], again)]


def still_to_run(order: WorkOrder, states: dict[Module, RunState]) -> tuple[Module, ...]:
    """Return what follows a module put back: what was left out because of it, and the cards that tell its result."""
    return tuple(
        module
        for module in order.itinerary
        if states.get(module) is not RunState.COMPLETED or module is Module.QUALITY_HEADERS
    )


@post("/dead-letters/{letter_id:int}/discard", guards=SERVER, status_code=200, summary="Discard a dead letter")
async def discard_letter(request: Http, runtime: RuntimeDep, caller: Caller, letter_id: int) -> DeadLetterView:
    """Leave an order as it is; its job keeps the reason."""
    async with changing(runtime, caller) as db:
        await _open_letter(db, letter_id)
        return await _settle(db, request, caller, letter_id, "discarded")


async def _open_letter(db: Connection, letter_id: int) -> DeadLetter:
    letter = await parked.get(db, letter_id) if letter_id < 2**63 else None
    if letter is None:
        raise not_found("dead letter")
    if letter.settled_at is not None:
        raise Problem("conflict", f"This letter was {letter.settled_as} by {letter.settled_by}.")
    return letter


async def _settle(
    db: Connection, request: Http, caller: Principal, letter_id: int, settled_as: str
) -> DeadLetterView:
    if not await parked.settle(db, letter_id, settled_as=settled_as, by=caller.actor):
        raise Problem("conflict", "Someone decided about this letter at the same moment.")
    await trail.record(db, request, caller, f"dead-letter.{settled_as}", str(letter_id))
    return DeadLetterView.model_validate(await parked.get(db, letter_id))
