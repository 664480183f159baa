"""What may become of a dead letter: put back for another run, published once more, or discarded with a reason."""

import json

from pydantic import ValidationError

from pictor.contracts.messages import utc_now
from pictor.contracts.modules import Module, RunState
from pictor.contracts.subjects import EVENTS, WORK
from pictor.contracts.work import WorkOrder
from pictor.gateway.problems import Problem
from pictor.runtime.parking import OUTBOX
from pictor.state import jobs, outbox, parked, reopening, runs
from pictor.state.database import Connection
from pictor.state.outbox import Outgoing
from pictor.state.parked import DeadLetter

ADVICE = {
    "poison": "The message is not one Pictor writes. Find out who published it; discard it.",
    "exhausted": "It was tried as often as allowed. Read the message, mend the cause, then put it back.",
    "abandoned": "Its worker died each time: memory or a crash. Look into the worker's log, give it more memory or "
    "mend it, then put it back.",
    "unpublishable": "The bus does not take the message. If the message speaks of a missing stream, run 'pictor setup' "
    "and put it back; a message that is too long can only be discarded.",
}
OTHER_ADVICE = "The work failed each time for this reason. Mend the cause, then put it back; or discard it, saying why."


def advice(letter: DeadLetter) -> str:
    """Say what a person should do."""
    if order_of(letter) is None and letter.job_id is None and letter.outbox_id is None and fact_of(letter) is None:
        return ADVICE["poison"]
    return ADVICE.get(letter.reason, OTHER_ADVICE)


def order_of(letter: DeadLetter) -> WorkOrder | None:
    """Return the order a letter holds, if it is one."""
    try:
        return WorkOrder.model_validate_json(letter.body)
    except ValidationError:
        return None


def fact_of(letter: DeadLetter) -> tuple[int, bytes] | None:
    """Return which event a letter holds and its body, if it is one that can be read."""
    for position, subject in enumerate(EVENTS):
        if letter.subject.startswith(f"{subject.name}."):
            try:
                subject.message.decode(letter.body.encode())
            except ValidationError:
                return None
            return position, letter.body.encode()
    return None


async def put_back(db: Connection, letter: DeadLetter) -> list[Outgoing]:
    """Let what a letter holds be tried once more; returns what is to be published now.

    Raises
    ------
    Problem
        If it cannot be: unreadable, or its job has moved on.
    """
    order = order_of(letter)
    if order is not None and letter.job_id is not None:
        return [await _order_again(db, order)]
    if letter.outbox_id is not None and letter.module == OUTBOX:
        if await outbox.unpark(db, letter.outbox_id):
            return []
        raise Problem("conflict", "The message was published in the meantime.")
    fact = fact_of(letter)
    if fact is None:
        raise Problem("conflict", "This letter holds nothing Pictor can read; it can only be discarded.")
    subject, body = EVENTS[fact[0]], fact[1]
    message = await outbox.put(db, subject, subject.message.decode(body))
    return [await outbox.rename(db, message, f"{message.msg_id}:again:{message.id}")]


async def _order_again(db: Connection, order: WorkOrder) -> Outgoing:
    again = await runs.again(db, order) if await jobs.reopen(db, order.job_id) else None
    if again is None:
        raise Problem("conflict", "The job has moved on: it was cancelled, deleted, or the module has succeeded since.")
    following = still_to_run(order, await runs.states(db, order.job_id))
    await reopening.reopen(db, order.job_id, following)
    again = again.model_copy(update={"issued_at": utc_now(), "itinerary": following})
    return await outbox.put(db, WORK[again.module][again.lane], again)


def still_to_run(order: WorkOrder, states: dict[Module, RunState]) -> tuple[Module, ...]:
    """Return what follows a module put back: what was left out because of it, and the cards that tell its result."""
    return tuple(
        module
        for module in order.itinerary
        if states.get(module) is not RunState.COMPLETED or module is Module.QUALITY_HEADERS
    )


async def give_up(db: Connection, letter: DeadLetter, reason: str, actor: str) -> None:
    """Leave what a letter holds for good; its job says so."""
    if letter.job_id is not None:
        await parked.conclude(db, letter, f"Discarded by {actor}: {reason}.")


def shown_body(letter: DeadLetter) -> object:
    """Return the message as JSON where it is JSON, else as the text it is."""
    try:
        return json.loads(letter.body)
    except ValueError:
        return letter.body
