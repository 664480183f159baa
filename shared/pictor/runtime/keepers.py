"""What keeps the flow whole: relay, reconciler, advisory reader. All may run anywhere, any number of times."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import TypeVar

import structlog
from nats.js.api import ConsumerInfo
from nats.js.errors import NotFoundError
from pydantic import ValidationError

from pictor.contracts.modules import Lane, Module
from pictor.contracts.subjects import STREAM_ADVISORIES, STREAM_WORK
from pictor.contracts.work import WorkOrder
from pictor.runtime.again import give_again
from pictor.runtime.bus import BUS_OUTAGES
from pictor.runtime.outages import OUTAGE
from pictor.runtime.parking import letter, order_letter, park, park_alone
from pictor.runtime.provision import ADVISORY_READER, GONE, differences, provision
from pictor.runtime.relaying import relay_all
from pictor.runtime.runtime import Runtime
from pictor.runtime.stacking.retention import keep_library, keep_recalled
from pictor.state import outbox, runs, stranded

log = structlog.get_logger()

RELAY_S = 2.0
WATCH_S = 10.0
"""Time between two looks at what must be on the bus: after the loss of everything work flows again within a minute."""

STALE_S = 45.0
"""Longer than a lease and its first redelivery, so that a live message is rarely looked up."""

AT_ONCE = 50
"""Messages looked up at a time."""

LIBRARY_S = 3600.0
"""Time between two looks at what is too old in the calibration library."""

RECALLS_S = 60.0
"""Time until lights of a recalled master are ordered that its recall left to the keeper."""

T = TypeVar("T")


async def keep(runtime: Runtime) -> None:
    """Run all keepers until cancelled."""
    await asyncio.gather(
        _every(RELAY_S, "relay", runtime, relay),
        _every(min(WATCH_S, runtime.settings.reconcile_seconds), "bus watch", runtime, watch_bus),
        _every(runtime.settings.reconcile_seconds, "reconciler", runtime, reconcile),
        _every(1.0, "advisory reader", runtime, read_advisories),
        _every(3600.0, "outbox cleaner", runtime, clean),
        _every(LIBRARY_S, "calibration library", runtime, keep_library),
        _every(RECALLS_S, "recalls", runtime, keep_recalled),
    )


async def _every(seconds: float, name: str, runtime: Runtime, work: Callable[[Runtime], Awaitable[object]]) -> None:
    while True:
        try:
            await work(runtime)
        except OUTAGE as error:
            log.debug("keeper waits for an outage to end", keeper=name, reason=repr(error))
        except Exception:
            log.exception("keeper failed, goes on", keeper=name)
        await asyncio.sleep(seconds)


async def relay(runtime: Runtime) -> int:
    """Publish what a crash or an outage left in the outbox."""
    return await relay_all(runtime.bus)


async def watch_bus(runtime: Runtime) -> list[str]:
    """Make anew whatever is gone from the bus or was changed there; after a restart look for lost orders at once."""
    if not runtime.bus.connected:
        return []
    found = await differences(runtime.bus.js, runtime.settings)
    if found:
        log.warning("the bus is not as it should be; provisioning again", found=found)
        await provision(runtime.bus.js, runtime.settings)
    if runtime.bus.came_back() or any(STREAM_WORK in sentence and GONE in sentence for sentence in found):
        await reconcile(runtime, stale_s=0.0)
    return found


async def reconcile(runtime: Runtime, *, stale_s: float = STALE_S) -> int:
    """Give again every open order whose message is gone, as after the loss of the whole broker store."""
    if not runtime.bus.connected:
        return 0
    async with runtime.pool.acquire() as db:
        candidates = await stranded.stale(db, older_than_s=stale_s)
    queues = {(order.module, order.lane) for order, _ in candidates}
    try:
        passed = await _passed_by(runtime, queues)
    except NotFoundError:
        log.warning("a consumer is gone; provisioning again")
        await provision(runtime.bus.js, runtime.settings)
        passed = await _passed_by(runtime, queues)
    count = 0
    for some in batched(candidates, AT_ONCE):
        gone = await asyncio.gather(
            *(_is_gone(runtime, order, sequence, passed[order.module, order.lane]) for order, sequence in some)
        )
        for (order, _), is_gone in zip(some, gone, strict=True):
            if is_gone:
                await give_again(runtime, order)
                count += 1
    return count


def batched(things: list[T], size: int) -> Iterator[list[T]]:
    """Cut a list into pieces."""
    return (things[start : start + size] for start in range(0, len(things), size))


async def _is_gone(runtime: Runtime, order: WorkOrder, sequence: int | None, passed: int) -> bool:
    """Whether no message will ever bring this order; one the broker gave up is taken out of its way."""
    if sequence is None or not await _message_exists(runtime, order, sequence):
        return True
    if sequence > passed:
        return False
    await _delete(runtime, sequence)
    return True


async def _passed_by(runtime: Runtime, queues: set[tuple[Module, Lane]]) -> dict[tuple[Module, Lane], int]:
    """Return up to which sequence each queue is settled: a message left there will never be delivered again."""
    infos = {
        queue: await runtime.bus.js.consumer_info(STREAM_WORK, f"{queue[0]}-{queue[1]}") for queue in sorted(queues)
    }
    return {queue: _settled_up_to(info) for queue, info in infos.items()}


def _settled_up_to(info: ConsumerInfo) -> int:
    """Return the last settled sequence; the floor does not pass a message given up, an empty hand does."""
    known = info.ack_floor if info.num_ack_pending else info.delivered
    return known.stream_seq if known else 0


async def _message_exists(runtime: Runtime, order: WorkOrder, sequence: int) -> bool:
    try:
        message = await runtime.bus.js.get_msg(STREAM_WORK, seq=sequence)
        found = WorkOrder.decode(message.data or b"")
    except (NotFoundError, ValidationError):
        return False
    return (found.job_id, found.module, found.run) == (order.job_id, order.module, order.run)


async def read_advisories(runtime: Runtime) -> None:
    """Park orders whose workers died silently until JetStream gave up."""
    subscription = await runtime.bus.js.pull_subscribe_bind(ADVISORY_READER, STREAM_ADVISORIES)
    try:
        while True:
            try:
                messages = await subscription.fetch(10, timeout=5)
            except TimeoutError:
                continue
            for message in messages:
                await _advised(runtime, json.loads(message.data))
                await message.ack()
    finally:
        with suppress(*BUS_OUTAGES):
            await subscription.unsubscribe()


async def _advised(runtime: Runtime, advisory: dict[str, object]) -> None:
    """Settle what the broker gave up or was told to drop: it is parked or given again, never silent."""
    stream, sequence = str(advisory.get("stream")), int(str(advisory.get("stream_seq", 0)))
    kind = str(advisory.get("type")).rpartition(".")[2]
    if stream == STREAM_WORK and kind == "terminated":
        async with runtime.pool.acquire() as db:
            order = await stranded.by_place(db, sequence)
        if order is not None and not await _message_exists(runtime, order, sequence):
            await give_again(runtime, order)
    elif stream == STREAM_WORK and kind == "max_deliver":
        await _given_up(runtime, sequence)


async def _given_up(runtime: Runtime, sequence: int) -> None:
    try:
        message = await runtime.bus.js.get_msg(STREAM_WORK, seq=sequence)
    except NotFoundError:
        return
    body, subject = message.data or b"", message.subject or ""
    try:
        order = WorkOrder.decode(body)
    except ValidationError as error:
        module = subject.split(".")[2] if subject.count(".") > 1 else subject
        text = f"not an order: {error}"
        dead = letter(module, subject=subject, reason="poison", text=text, body=body, sequence=sequence)
        await runtime.bus.publish(await park_alone(runtime.pool, dead))
    else:
        async with runtime.pool.acquire() as db:
            waiting = await runs.is_open(db, order)
        if waiting:
            text = "its worker died every time without a word"
            dead = order_letter(order, subject=subject, reason="abandoned", text=text, body=body, sequence=sequence)
            await runtime.bus.publish(await park(runtime.pool, order, dead))
    await _delete(runtime, sequence)


async def _delete(runtime: Runtime, sequence: int) -> None:
    try:
        await runtime.bus.js.delete_msg(STREAM_WORK, sequence)
    except BUS_OUTAGES as error:
        log.debug("message to delete is gone", sequence=sequence, reason=repr(error))


async def clean(runtime: Runtime) -> None:
    """Forget messages published long ago."""
    async with runtime.pool.acquire() as db:
        await outbox.forget_sent(db)
