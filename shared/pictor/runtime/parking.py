"""The desk of dead letters: what will not be tried again by itself, with its reason; nothing is dropped."""

import structlog

from pictor.contracts.modules import Module, RunState
from pictor.contracts.parked import Parked
from pictor.contracts.subjects import PARKED
from pictor.contracts.work import WorkOrder
from pictor.runtime import metrics
from pictor.runtime.passing import close_or_pass_on
from pictor.state import outbox, parked, runs
from pictor.state.database import Connection, Pool, storable
from pictor.state.outbox import Outgoing

log = structlog.get_logger()

KEPT_BODY = 4096
"""Characters of a message kept with its dead letter: escaped six-fold they still fit into one message."""

KEPT_TEXT = 4000

OUTBOX = "outbox"
"""What stands in place of a module for messages that nobody could publish."""


def order_letter(
    order: WorkOrder, *, subject: str, reason: str, text: str, body: bytes, sequence: int | None
) -> Parked:
    """Write the dead letter of an order."""
    return Parked(
        observatory=order.observatory, module=str(order.module), subject=subject, reason=reason,
        message=storable(text)[:KEPT_TEXT], attempt=order.run, stream_seq=sequence, job_id=order.job_id,
        body=kept(body),
    )  # fmt: skip


def letter(module: str, *, subject: str, reason: str, text: str, body: bytes, sequence: int | None) -> Parked:
    """Write the dead letter of a message that belongs to no job: poison, an event, a message without a stream."""
    return Parked(
        observatory="unknown", module=module, subject=subject[:1000], reason=reason,
        message=storable(text)[:KEPT_TEXT], stream_seq=sequence, body=kept(body),
    )  # fmt: skip


def kept(body: bytes) -> str:
    """Return what is kept of a message's bytes."""
    return storable(body.decode("utf-8", "replace"))[:KEPT_BODY]


async def park(pool: Pool, order: WorkOrder, dead: Parked, *, outbox_id: int | None = None) -> list[Outgoing]:
    """Lay an order on the desk and fail its module; the rest of the job goes on."""
    sentence = f"{order.module} was tried and did not end: {dead.message} An operator can put it back."
    async with pool.acquire() as db, db.transaction():
        outgoing = await _lay(db, dead, outbox_id)
        if await runs.end_open(db, order, state=RunState.FAILED, reason=dead.reason, message=sentence):
            outgoing += await close_or_pass_on(
                db, order, order.itinerary, state=RunState.FAILED, reason=dead.reason, message=sentence,
                duration_s=None,
            )  # fmt: skip
    return _told(dead, outgoing)


async def park_alone(pool: Pool, dead: Parked, *, outbox_id: int | None = None) -> list[Outgoing]:
    """Lay a message that belongs to no job on the desk."""
    async with pool.acquire() as db, db.transaction():
        outgoing = await _lay(db, dead, outbox_id)
    return _told(dead, outgoing)


async def _lay(db: Connection, dead: Parked, outbox_id: int | None) -> list[Outgoing]:
    if outbox_id is not None:
        await outbox.park(db, outbox_id, dead.message)
    if not await parked.add(db, dead, outbox_id=outbox_id):
        return []
    return [await outbox.put(db, PARKED[Module(dead.module)], dead)] if dead.module in set(Module) else []


def _told(dead: Parked, outgoing: list[Outgoing]) -> list[Outgoing]:
    metrics.parked_total.labels(dead.module, dead.reason).inc()
    log.error("parked", module=dead.module, reason=dead.reason, detail=dead.message, subject=dead.subject)
    return outgoing
