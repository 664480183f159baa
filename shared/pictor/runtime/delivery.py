"""What becomes of a delivery: acknowledged, delayed, parked; never lost and never in a hot loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import structlog
from pydantic import ValidationError

from pictor.contracts.modules import Lane, Module, RunState
from pictor.contracts.parked import Parked
from pictor.contracts.subjects import PARKED
from pictor.contracts.work import WorkOrder
from pictor.runtime import metrics
from pictor.runtime.bus import BUS_OUTAGES
from pictor.runtime.child.errors import ChildCancelled, ChildFailed
from pictor.runtime.closing import end
from pictor.runtime.errors import ExhaustedError, FencedError, NotOursError
from pictor.runtime.outages import OUTAGE, is_outage
from pictor.runtime.passing import close_or_pass_on
from pictor.runtime.runtime import Runtime
from pictor.state import outbox, parked, runs
from pictor.state.database import storable

log = structlog.get_logger()

Handler = Callable[[WorkOrder, Runtime], Awaitable[None]]

DELAYS_S = (2.0, 10.0, 60.0, 300.0)
"""Waiting times after the first, second, ... failed delivery."""

MAX_DELIVER = 5
"""Deliveries after which JetStream gives up; the last one is settled by us."""

HEARTBEAT_S = 10.0

GRACE_SHARE = 0.6
"""Part of the time for shutdown in which running work may end; the rest is for giving it back."""

KEPT_BODY = 4096
"""Characters of an order kept with its dead letter: escaped six-fold they still fit into one message."""

CALLED_OFF_S = 1.0
"""After a child was stopped the next delivery tells why: cancelled, or begun by another worker."""


class Delivery(Protocol):
    """One message in our hands."""

    @property
    def body(self) -> bytes:
        """The bytes on the wire."""

    @property
    def subject(self) -> str:
        """Where it was published."""

    @property
    def times(self) -> int:
        """How often it was delivered, this time included."""

    @property
    def sequence(self) -> int | None:
        """Its sequence in the stream."""

    async def ack(self) -> None:
        """Settle it for good."""

    async def nak(self, delay_s: float) -> None:
        """Give it back for later."""

    async def term(self) -> None:
        """Take it off the stream."""

    async def working(self) -> None:
        """Ask for more time."""


async def deliver(runtime: Runtime, module: Module, lane: Lane, handler: Handler, message: Delivery) -> None:
    """Work one order off and settle its message."""
    try:
        order = _read(message.body, module)
    except (ValidationError, ValueError) as error:
        await _park_poison(runtime, module, message, error)
        return
    structlog.contextvars.bind_contextvars(
        job=str(order.job_id), frame=str(order.frame_id), module=str(module), observatory=order.observatory
    )
    try:
        async with _ends_in_time(runtime) as patience, heartbeats(message):
            await runtime.control.until_resumed(module)
            async with runtime.gate.slot(lane, module):
                patience.grace_s = GRACE_SHARE * runtime.settings.shutdown_seconds
                await _settle(runtime, order, handler, message)
    except TimeoutError:
        if not runtime.stopping.is_set():
            raise
        log.info("given back, this worker stops")
        await _nak_or_leave(message, 0.0)


@dataclass(slots=True)
class _Patience:
    """How long after the wish to stop an order may go on; one that has not begun does not."""

    grace_s: float = 0.0


@asynccontextmanager
async def _ends_in_time(runtime: Runtime) -> AsyncIterator[_Patience]:
    """End the block with a TimeoutError some time after this worker was asked to stop."""
    patience = _Patience()

    async def watch(limit: asyncio.Timeout) -> None:
        await runtime.stopping.wait()
        limit.reschedule(asyncio.get_running_loop().time() + patience.grace_s)

    async with asyncio.timeout(None) as limit:
        task = asyncio.create_task(watch(limit), name="stop watch")
        try:
            yield patience
        finally:
            task.cancel()


def _read(body: bytes, module: Module) -> WorkOrder:
    order = WorkOrder.decode(body)
    if order.module is not module:
        raise ValueError(f"an order for {order.module} on the subject of {module}")
    return order


async def _settle(runtime: Runtime, order: WorkOrder, handler: Handler, message: Delivery) -> None:
    try:
        await handler(order, runtime)
        await message.ack()
    except NotOursError as refusal:
        await _refused(runtime, order, refusal, message)
    except FencedError:
        metrics.fenced_total.labels(order.module).inc()
        log.warning("late result refused by the fence")
    except ChildCancelled:
        log.info("called off")
        await _nak_or_leave(message, CALLED_OFF_S)
    except ExhaustedError as error:
        await _park(runtime, order, message, reason="exhausted", text=str(error))
    except asyncio.CancelledError:
        with suppress(*OUTAGE):
            await asyncio.shield(_give_back(message, delay_s=0.0))
        raise
    except Exception as error:  # noqa: BLE001 - the delivery must be settled whatever a handler raises
        if is_outage(error):
            log.warning("outage, tried again later", reason=repr(error))
            await _give_back(message)
            return
        await _failed(runtime, order, message, error)


async def _refused(runtime: Runtime, order: WorkOrder, refusal: NotOursError, message: Delivery) -> None:
    answer = refusal.claimed.answer
    if answer is runs.Claim.BUSY:
        await _nak_or_leave(message, refusal.claimed.wait_s + 1.0)
    elif answer is runs.Claim.UNKNOWN:
        await _park(runtime, order, message, reason="poison", text="the order names a job that does not exist")
    else:
        log.info("order settled before", answer=str(answer))
        await message.ack()


async def _failed(runtime: Runtime, order: WorkOrder, message: Delivery, error: Exception) -> None:
    reason = error.reason if isinstance(error, ChildFailed) else "internal-error"
    log.error("attempt failed", reason=reason, detail=str(error), trace=getattr(error, "traceback", ""), exc_info=error)
    try:
        async with runtime.pool.acquire() as db:
            failures = await runs.failures(db, order)
        if failures >= runtime.settings.max_attempts or message.times >= MAX_DELIVER:
            await _park(runtime, order, message, reason=reason, text=f"{type(error).__name__}: {error}")
        else:
            await _give_back(message)
    except OUTAGE as outage:
        log.warning("outage while settling", reason=repr(outage))


async def _give_back(message: Delivery, *, delay_s: float | None = None) -> None:
    delay = DELAYS_S[min(message.times, len(DELAYS_S)) - 1] if delay_s is None else delay_s
    await _nak_or_leave(message, delay)


async def _nak_or_leave(message: Delivery, delay_s: float) -> None:
    """Give a message back; after the last delivery the reconciler orders the run anew from the database."""
    with suppress(*BUS_OUTAGES):
        await (message.ack() if message.times >= MAX_DELIVER else message.nak(delay_s))


async def _park(runtime: Runtime, order: WorkOrder, message: Delivery, *, reason: str, text: str) -> None:
    letter = Parked(
        observatory=order.observatory, module=str(order.module), subject=message.subject, reason=reason,
        message=storable(text)[:4000], attempt=order.run, stream_seq=message.sequence, job_id=order.job_id,
        body=_text(message.body),
    )  # fmt: skip
    try:
        outgoing = await park(runtime, order, letter)
    except OUTAGE as error:
        log.warning("outage while parking", reason=repr(error))
        await _nak_or_leave(message, DELAYS_S[1])
        return
    await runtime.bus.publish(outgoing)
    await message.term()


async def park(runtime: Runtime, order: WorkOrder, letter: Parked) -> list[outbox.Outgoing]:
    """Lay a dead letter on the desk and fail the module; the rest of the job goes on."""
    sentence = f"{order.module} was tried and did not end: {letter.message} An operator can put it back."
    async with runtime.pool.acquire() as db, db.transaction():
        await parked.add(db, letter)
        outgoing = [await outbox.put(db, PARKED[order.module], letter)]
        if await runs.end_open(db, order, state=RunState.FAILED, reason=letter.reason, message=sentence):
            outgoing += await close_or_pass_on(
                db, order, order.itinerary, state=RunState.FAILED, reason=letter.reason, message=sentence,
                duration_s=None,
            )  # fmt: skip
    metrics.parked_total.labels(order.module, letter.reason).inc()
    log.error("parked", reason=letter.reason, detail=letter.message)
    return outgoing


async def _park_poison(runtime: Runtime, module: Module, message: Delivery, error: Exception) -> None:
    letter = Parked(
        observatory="unknown", module=str(module), subject=message.subject, reason="poison",
        message=f"not an order for {module}: {storable(str(error))}"[:4000], stream_seq=message.sequence,
        body=_text(message.body),
    )  # fmt: skip
    try:
        async with runtime.pool.acquire() as db, db.transaction():
            await parked.add(db, letter)
            outgoing = [await outbox.put(db, PARKED[module], letter)]
        await runtime.bus.publish(outgoing)
        await message.term()
    except OUTAGE as outage:
        log.warning("outage while parking", reason=repr(outage))
        await _nak_or_leave(message, DELAYS_S[1])
    metrics.parked_total.labels(module, "poison").inc()


def _text(body: bytes) -> str:
    return storable(body.decode("utf-8", "replace"))[:KEPT_BODY]


@asynccontextmanager
async def heartbeats(message: Delivery) -> AsyncIterator[None]:
    """Ask for more time again and again until the block ends."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            with suppress(*BUS_OUTAGES):
                await message.working()

    task = asyncio.create_task(beat(), name="heartbeat")
    try:
        yield
    finally:
        await end(task)
