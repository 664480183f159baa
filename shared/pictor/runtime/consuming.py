"""Subscriptions: durable, pulled one by one, acknowledged by hand; created by nobody but the provisioner."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from pydantic import ValidationError

from pictor.contracts.messages import M, Subject
from pictor.contracts.modules import Lane, Module
from pictor.contracts.subjects import WORK
from pictor.runtime.bus import inbox
from pictor.runtime.delivery import (
    DELAYS_S,
    MAX_HEARD,
    MOST_HEARD,
    Handler,
    deliver,
    heartbeats,
    park_message,
)
from pictor.runtime.errors import ExhaustedError
from pictor.runtime.outages import is_outage
from pictor.runtime.runtime import Runtime

log = structlog.get_logger()

PULL_TIMEOUT_S = 5.0
"""After a reconnect a pull may wait this long before it asks again."""

AT_ONCE = 4
"""Most orders of one lane of a module in the hands of one process; each is pulled when its turn is near."""

Listener = Callable[[M, Runtime], Awaitable[None]]


@dataclass(slots=True)
class NatsDelivery:
    """A FastStream message as a delivery."""

    message: NatsMessage

    @property
    def body(self) -> bytes:
        """The bytes on the wire."""
        return bytes(self.message.raw_message.data)

    @property
    def subject(self) -> str:
        """Where it was published."""
        return str(self.message.raw_message.subject)

    @property
    def times(self) -> int:
        """How often it was delivered, this time included."""
        return int(self.message.raw_message.metadata.num_delivered or 1)

    @property
    def sequence(self) -> int | None:
        """Its sequence in the stream."""
        return int(self.message.raw_message.metadata.sequence.stream)

    async def ack(self) -> None:
        """Settle it for good, and wait until the server says so."""
        await self.message.ack_sync()

    async def nak(self, delay_s: float) -> None:
        """Give it back for later."""
        await self.message.nack(delay=delay_s)

    async def term(self) -> None:
        """Take it off the stream."""
        await self.message.reject()

    async def working(self) -> None:
        """Ask for more time."""
        await self.message.in_progress()


async def _as_is(message: NatsMessage) -> NatsMessage:
    """Hand on the message itself: nothing is injected, which costs four changes of thread a message."""
    return message


def durable_name(module: Module, lane: Lane) -> str:
    """Name of the durable consumer of a module's lane."""
    return f"{module}-{lane}"


def consume(broker: NatsBroker, runtime: Runtime, module: Module, handler: Handler) -> None:
    """Subscribe a handler to all lanes of a module, as often as frames can be computed at a time."""
    for lane in Lane:
        for _ in range(min(runtime.children.size, AT_ONCE)):
            _subscribe(broker, runtime, WORK[module][lane], durable_name(module, lane))(
                _worker(runtime, module, lane, handler)
            )


def _worker(runtime: Runtime, module: Module, lane: Lane, handler: Handler) -> Callable[[NatsMessage], Awaitable[None]]:
    async def work(message: NatsMessage) -> None:
        structlog.contextvars.clear_contextvars()
        await deliver(runtime, module, lane, handler, NatsDelivery(message))

    return work


def listen(broker: NatsBroker, runtime: Runtime, subject: Subject[M], durable: str, listener: Listener[M]) -> None:
    """Subscribe to facts; one that cannot be used is parked, an outage is waited out."""

    async def hear(message: NatsMessage) -> None:
        structlog.contextvars.clear_contextvars()
        delivery = NatsDelivery(message)
        try:
            async with heartbeats(delivery):
                await listener(_fact(subject, delivery), runtime)
        except ValidationError as error:
            await park_message(runtime, delivery, durable, reason="poison", text=f"the fact cannot be read: {error}")
        except Exception as error:  # noqa: BLE001 - the delivery must be settled whatever a listener raises
            await _not_heard(runtime, durable, delivery, error)
        else:
            await delivery.ack()

    _subscribe(broker, runtime, subject, durable)(hear)


def _fact(subject: Subject[M], delivery: NatsDelivery) -> M:
    if delivery.times > MOST_HEARD:
        raise ExhaustedError("its listener died every time without a word")
    return subject.message.decode(delivery.body)


async def _not_heard(runtime: Runtime, durable: str, delivery: NatsDelivery, error: Exception) -> None:
    """Hear a fact again later; at the last time lay it on the desk."""
    if delivery.times >= (MOST_HEARD if is_outage(error) else MAX_HEARD):
        text = f"heard {delivery.times} times, never without an error: {error!r}"
        await park_message(runtime, delivery, durable, reason="exhausted", text=text)
        return
    if is_outage(error):
        log.warning("outage, fact heard again later", reason=repr(error))
    else:
        log.error("listener failed, fact heard again later", subject=delivery.subject, exc_info=error)
    await delivery.nak(DELAYS_S[min(delivery.times, len(DELAYS_S)) - 1])


def _subscribe(broker: NatsBroker, runtime: Runtime, subject: Subject[Any], durable: str) -> Any:  # noqa: ANN401
    return broker.subscriber(
        subject.pattern,
        stream=JStream(subject.stream, declare=False),
        durable=durable,
        pull_sub=PullSub(batch_size=1, timeout=PULL_TIMEOUT_S),
        ack_policy=AckPolicy.MANUAL,
        decoder=_as_is,
        inbox_prefix=f"{inbox(str(runtime.service))}.".encode(),
        title=durable,
    )
