"""The desk of dead letters over HTTP: list, show, put back, discard; one or all of a kind."""

from datetime import datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from litestar import get, post
from litestar.params import Parameter
from pydantic import BaseModel

from pictor.contracts.access import Role, Scope
from pictor.gateway import desk, trail
from pictor.gateway.auth import changing, require
from pictor.gateway.paging import Limit, Page, PageNumber, aware, page_of
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem, not_found
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.runtime import Runtime
from pictor.state import parked
from pictor.state.database import Connection
from pictor.state.parked import DeadLetter, Wanted

SERVER = [require(Scope.ADMIN, role=Role.SERVER_ADMIN)]

MOST_AT_ONCE = 1000
"""Letters one request decides about; ask again for the rest."""

Name: TypeAlias = Annotated[str | None, Parameter(max_length=64, description="Module, or name of a listener")]
ReasonClass: TypeAlias = Annotated[str | None, Parameter(max_length=64, description="Class of the reason")]
Since: TypeAlias = Annotated[datetime | None, Parameter(description="Parked at this time or later")]
Because: TypeAlias = Annotated[str, Parameter(max_length=500, description="Why nobody will try it again")]


class DeadLetterView(View):
    """A parked message and what was decided about it."""

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
    settled_reason: str | None = None


class DeadLetterDetail(DeadLetterView):
    """A parked message with what it holds and what to do about it."""

    subject: str
    stream_seq: int | None
    advice: str
    body: Any


class Refused(BaseModel):
    """A letter that could not be decided about, and why."""

    id: int
    detail: str


class Decided(BaseModel):
    """What became of all letters of a kind."""

    settled: list[int]
    refused: list[Refused]
    left: int


@get("/dead-letters", guards=SERVER, summary="List dead letters")
async def list_letters(
    request: Http, runtime: RuntimeDep, *,
    page: PageNumber = 1, limit: Limit = 50, module: Name = None, reason: ReasonClass = None, since: Since = None,
    settled: Annotated[bool, Parameter(description="Those already decided about")] = False,
) -> Page[DeadLetterView]:  # fmt: skip
    """List what will not be tried again by itself, newest first."""
    wanted = Wanted(module, reason, aware("since", since), settled)
    async with runtime.pool.acquire() as db:
        found, total = await parked.page(db, wanted, limit=limit, offset=(page - 1) * limit)
    shown = [DeadLetterView.model_validate(letter) for letter in found]
    return page_of(request, shown, page=page, limit=limit, total=total)


@get("/dead-letters/{letter_id:int}", guards=SERVER, summary="Show a dead letter")
async def show_letter(runtime: RuntimeDep, letter_id: int) -> DeadLetterDetail:
    """Show what a letter holds, how often it was tried, why it was parked and what to do."""
    async with runtime.pool.acquire() as db:
        letter = await _letter(db, letter_id)
    facts = {name: getattr(letter, name) for name in DeadLetter.__dataclass_fields__ if name != "body"}
    return DeadLetterDetail(**facts, advice=desk.advice(letter), body=desk.shown_body(letter))


@post("/dead-letters/{letter_id:int}/requeue", guards=SERVER, status_code=200, summary="Put a dead letter back")
async def requeue_letter(request: Http, runtime: RuntimeDep, caller: Caller, letter_id: int) -> DeadLetterView:
    """Order the module once more, under a new run number, its job being open again; or publish the message again."""
    return await _requeue(request, runtime, caller, letter_id)


@post("/dead-letters/{letter_id:int}/discard", guards=SERVER, status_code=200, summary="Discard a dead letter")
async def discard_letter(
    request: Http, runtime: RuntimeDep, caller: Caller, letter_id: int, *, because: Because = "no reason given"
) -> DeadLetterView:
    """Leave a message as it is for good; its job keeps the reason."""
    return await _discard(request, runtime, caller, letter_id, because)


@post("/dead-letters/requeue", guards=SERVER, status_code=200, summary="Put back all dead letters of a kind")
async def requeue_letters(
    request: Http, runtime: RuntimeDep, caller: Caller, *,
    module: Name = None, reason: ReasonClass = None, since: Since = None,
) -> Decided:  # fmt: skip
    """Put back every open letter of a module, of a class of reasons, since a time; without a filter all."""
    decided = Decided(settled=[], refused=[], left=0)
    wanted = Wanted(module, reason, aware("since", since))
    for letter_id in await _numbers(runtime, wanted):
        try:
            decided.settled.append((await _requeue(request, runtime, caller, letter_id)).id)
        except Problem as problem:
            decided.refused.append(Refused(id=letter_id, detail=problem.detail))
    return await _counted(runtime, wanted, decided)


@post("/dead-letters/discard", guards=SERVER, status_code=200, summary="Discard all dead letters of a kind")
async def discard_letters(
    request: Http, runtime: RuntimeDep, caller: Caller, *, because: Because,
    module: Name = None, reason: ReasonClass = None, since: Since = None,
) -> Decided:  # fmt: skip
    """Discard every open letter of a module, of a class of reasons, since a time; without a filter all."""
    decided = Decided(settled=[], refused=[], left=0)
    wanted = Wanted(module, reason, aware("since", since))
    for letter_id in await _numbers(runtime, wanted):
        try:
            decided.settled.append((await _discard(request, runtime, caller, letter_id, because)).id)
        except Problem as problem:
            decided.refused.append(Refused(id=letter_id, detail=problem.detail))
    return await _counted(runtime, wanted, decided)


async def _numbers(runtime: Runtime, wanted: Wanted) -> list[int]:
    async with runtime.pool.acquire() as db:
        return await parked.numbers(db, wanted, limit=MOST_AT_ONCE)


async def _counted(runtime: Runtime, wanted: Wanted, decided: Decided) -> Decided:
    async with runtime.pool.acquire() as db:
        _, left = await parked.page(db, wanted, limit=1)
    return decided.model_copy(update={"left": left})


async def _requeue(request: Http, runtime: Runtime, caller: Principal, letter_id: int) -> DeadLetterView:
    async with changing(runtime, caller) as db:
        outgoing = await desk.put_back(db, await _open_letter(db, letter_id))
        settled = await _settle(db, request, caller, letter_id, "requeued")
    await runtime.bus.publish(outgoing)
    return settled


async def _discard(request: Http, runtime: Runtime, caller: Principal, letter_id: int, reason: str) -> DeadLetterView:
    async with changing(runtime, caller) as db:
        await desk.give_up(db, await _open_letter(db, letter_id), reason, caller.actor)
        return await _settle(db, request, caller, letter_id, "discarded", reason=reason)


async def _letter(db: Connection, letter_id: int) -> DeadLetter:
    letter = await parked.get(db, letter_id) if letter_id < 2**63 else None
    if letter is None:
        raise not_found("dead letter")
    return letter


async def _open_letter(db: Connection, letter_id: int) -> DeadLetter:
    letter = await _letter(db, letter_id)
    if letter.settled_at is not None:
        raise Problem("conflict", f"This letter was {letter.settled_as} by {letter.settled_by}.")
    return letter


async def _settle(
    db: Connection, request: Http, caller: Principal, letter_id: int, settled_as: str, *, reason: str | None = None
) -> DeadLetterView:
    if not await parked.settle(db, letter_id, settled_as=settled_as, by=caller.actor, reason=reason):
        raise Problem("conflict", "Someone decided about this letter at the same moment.")
    detail: dict[str, object] = {} if reason is None else {"reason": reason}
    await trail.record(db, request, caller, f"dead-letter.{settled_as}", str(letter_id), detail=detail)
    return DeadLetterView.model_validate(await parked.get(db, letter_id))
