"""What becomes of a delivery: acknowledged, delayed, parked; never lost and never in a hot loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import structlog
from pydantic import ValidationError

from pictor.contracts.modules import Lane, Module
from pictor.contracts.work import WorkOrder
from pictor.runtime import metrics
from pictor.runtime.bus import BUS_OUTAGES
from pictor.runtime.child.errors import ChildCancelled, ChildFailed
from pictor.runtime.closing import beside
from pictor.runtime.errors import ExhaustedError, FencedError, NotOursError
from pictor.runtime.outages import OUTAGE, is_outage
from pictor.runtime.parking import letter, order_letter, park, park_alone
from pictor.runtime.runtime import Runtime
from pictor.state import outbox, runs

log = structlog.get_logger()

Handler = Callable[[WorkOrder, Runtime], Awaitable[None]]

DELAYS_S = (2.0, 10.0, 60.0, 300.0)
"""Waiting times of a fact after the first, second, ... failed delivery."""

ORDER_DELAYS_S = (2.0, 10.0, 20.0, 20.0)
"""Those of an order: it may have met several outages, and must still begin soon after the last one is over."""

MAX_DELIVER = 5
"""Deliveries after which JetStream gives up; the last one is settled by us."""

MAX_HEARD = 20
"""Deliveries of an event after which it is parked; what it would have caused the sweep causes."""

MOST_HEARD = 150
"""Deliveries of an event when only outages came between, or its worker died every time: twelve hours."""

HEARTBEAT_S = 10.0

GRACE_SHARE = 0.6
"""Part of the time for shutdown in which running work may end; the rest is for giving it back."""

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
        await _nak_or_leave(message, CALLED_OFF_S)
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
    elif answer is runs.Claim.UNKNOWN and not await outbox.was_ordered(runtime.pool, order.job_id):
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
        never_begun = failures == 0 and message.times >= MAX_DELIVER
        if failures >= runtime.settings.max_attempts or never_begun:
            await _park(runtime, order, message, reason=reason, text=f"{type(error).__name__}: {error}")
        else:
            await _give_back(message)
    except OUTAGE as outage:
        log.warning("outage while settling", reason=repr(outage))


async def _give_back(message: Delivery, *, delay_s: float | None = None) -> None:
    delay = ORDER_DELAYS_S[min(message.times, len(ORDER_DELAYS_S)) - 1] if delay_s is None else delay_s
    await _nak_or_leave(message, delay)


async def _nak_or_leave(message: Delivery, delay_s: float, *, leave: bool = True) -> None:
    """Give a message back; after the last delivery the reconciler orders the run anew from the database."""
    with suppress(*BUS_OUTAGES):
        await (message.ack() if leave and message.times >= MAX_DELIVER else message.nak(delay_s))


async def _park(runtime: Runtime, order: WorkOrder, message: Delivery, *, reason: str, text: str) -> None:
    dead = order_letter(
        order, subject=message.subject, reason=reason, text=text, body=message.body, sequence=message.sequence
    )
    await _settle_parked(runtime, message, lambda: park(runtime.pool, order, dead))


async def _park_poison(runtime: Runtime, module: Module, message: Delivery, error: Exception) -> None:
    text = f"not an order for {module}: {error}"
    await park_message(runtime, message, str(module), reason="poison", text=text)


async def park_message(runtime: Runtime, message: Delivery, module: str, *, reason: str, text: str) -> None:
    """Park a message that belongs to no job, and take it off its stream."""
    dead = letter(
        module, subject=message.subject, reason=reason, text=text, body=message.body, sequence=message.sequence
    )
    await _settle_parked(runtime, message, lambda: park_alone(runtime.pool, dead))


async def _settle_parked(
    runtime: Runtime, message: Delivery, lay: Callable[[], Awaitable[list[outbox.Outgoing]]]
) -> None:
    """Take a message off its stream once it lies on the desk; the desk being away, it comes again."""
    try:
        outgoing = await lay()
    except OUTAGE as error:
        log.warning("outage while parking", reason=repr(error))
        await _nak_or_leave(message, ORDER_DELAYS_S[1], leave=False)
        return
    await runtime.bus.publish(outgoing)
    with suppress(*BUS_OUTAGES):
        await message.term()


@asynccontextmanager
async def heartbeats(message: Delivery) -> AsyncIterator[None]:
    """Ask for more time again and again until the block ends."""

    async def beat() -> None:
        while True:
            with suppress(*BUS_OUTAGES):
                await message.working()
            await asyncio.sleep(HEARTBEAT_S)

    async with beside(beat, after_s=HEARTBEAT_S, name="heartbeat"):
        yield
