"""The relay: publishes what a crash or an outage left in the outbox; every message is tried for itself."""

import asyncio

import nats.errors
import nats.js.errors
import structlog
from nats.js.errors import APIError, NotFoundError, ServerError, ServiceUnavailableError
from pydantic import ValidationError

from pictor.contracts.subjects import STREAM_WORK
from pictor.contracts.work import WorkOrder
from pictor.runtime import crashpoints, metrics
from pictor.runtime.bus import BUS_OUTAGES, Bus
from pictor.runtime.parking import OUTBOX, letter, order_letter, park, park_alone
from pictor.state import outbox
from pictor.state.outbox import Outgoing

log = structlog.get_logger()

BATCH = 500
"""Messages in flight at a time."""

MOST_TRIES = 12
"""Refusals, the waits between them growing to a minute, after which a message is parked: about eight minutes."""

TOO_LARGE = 10054
"""JetStream's code for a message longer than its stream takes."""

HOPELESS = (nats.errors.MaxPayloadError, nats.errors.BadSubjectError, nats.errors.BadHeaderError)
"""The client itself refuses such a message; it will never be another."""


async def relay_once(bus: Bus, *, older_than_s: float = 2.0, limit: int = BATCH) -> int:
    """Publish some of what waits; return how many were sent."""
    async with bus.pool.acquire() as db:
        waiting = await outbox.take_unsent(db, older_than_s=older_than_s, limit=limit)
    crashpoints.crashpoint("relay.before_publish")
    answers = await asyncio.gather(*(bus.attempt(message) for message in waiting))
    crashpoints.crashpoint("relay.after_puback")
    sent = [(one.id, answer) for one, answer in zip(waiting, answers, strict=True) if isinstance(answer, int)]
    failed = [(one, answer) for one, answer in zip(waiting, answers, strict=True) if isinstance(answer, Exception)]
    async with bus.pool.acquire() as db:
        if sent:
            await outbox.mark_sent(db, sent)
        await outbox.release(db, [message.id for message, error in failed if _is_away(error)])
    await _refused(bus, [(message, error) for message, error in failed if not _is_away(error)])
    return len(sent)


async def relay_all(bus: Bus) -> int:
    """Publish everything that waits, as far as the bus takes it; return how many were sent."""
    total = 0
    while bus.connected:
        sent = await relay_once(bus)
        total += sent
        if sent < BATCH // 2:
            break
    if total:
        metrics.relayed_total.inc(total)
        log.info("outbox relayed", count=total)
    return total


def _is_away(error: Exception) -> bool:
    """Whether the bus, not the message, is to blame: no answer, no room, no leader."""
    if isinstance(error, HOPELESS):
        return False
    if isinstance(error, APIError):
        return isinstance(error, (ServiceUnavailableError, ServerError)) and error.err_code != TOO_LARGE
    return not isinstance(error, nats.js.errors.NoStreamResponseError)


async def _refused(bus: Bus, failed: list[tuple[Outgoing, Exception]]) -> None:
    if not failed:
        return
    log.warning("the bus refuses messages", count=len(failed), subject=failed[0][0].subject, reason=repr(failed[0][1]))
    async with bus.pool.acquire() as db:
        tries = await outbox.refused(db, {message.id: repr(error) for message, error in failed})
    for message, error in failed:
        hopeless = isinstance(error, HOPELESS) or (isinstance(error, APIError) and error.err_code == TOO_LARGE)
        if hopeless or (tries.get(message.id, 0) >= MOST_TRIES and await _stream_is_there(bus, message.stream)):
            await _park(bus, message, error)


async def _stream_is_there(bus: Bus, stream: str) -> bool:
    """Whether the stream lives and still refuses; one that is gone will be made anew."""
    try:
        await bus.js.stream_info(stream)
    except NotFoundError:
        return False
    except BUS_OUTAGES as error:
        return "permission" in repr(error).lower()
    return True


async def _park(bus: Bus, message: Outgoing, error: Exception) -> None:
    text = f"the bus does not take this message of {len(message.body)} bytes on {message.subject}: {error}."
    try:
        order = WorkOrder.decode(message.body) if message.stream == STREAM_WORK else None
    except ValidationError:
        order = None
    if order is None:
        dead = letter(
            OUTBOX, subject=message.subject, reason="unpublishable", text=text, body=message.body, sequence=None
        )
        outgoing = await park_alone(bus.pool, dead, outbox_id=message.id)
    else:
        dead = order_letter(
            order, subject=message.subject, reason="unpublishable", text=text, body=message.body, sequence=None
        )
        outgoing = await park(bus.pool, order, dead, outbox_id=message.id)
    await bus.publish(outgoing)
