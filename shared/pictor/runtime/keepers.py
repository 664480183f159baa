"""What keeps the flow whole: relay, reconciler, advisory reader. All may run anywhere, any number of times."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from nats.js.api import ConsumerInfo
from nats.js.errors import NotFoundError
from pydantic import ValidationError

from pictor.contracts.modules import Lane, Module
from pictor.contracts.parked import Parked
from pictor.contracts.subjects import STREAM_ADVISORIES, STREAM_EVENTS, STREAM_WORK, WORK
from pictor.contracts.work import WorkOrder
from pictor.runtime import metrics
from pictor.runtime.bus import BUS_OUTAGES, relay_once
from pictor.runtime.delivery import park
from pictor.runtime.outages import OUTAGE
from pictor.runtime.provision import ADVISORY_READER, provision
from pictor.runtime.runtime import Runtime
from pictor.state import outbox, runs

log = structlog.get_logger()

RELAY_S = 2.0
STALE_S = 45.0
"""Longer than a lease and its first redelivery, so that a live message is rarely looked up."""


async def keep(runtime: Runtime) -> None:
    """Run all keepers until cancelled."""
    await asyncio.gather(
        _every(RELAY_S, "relay", runtime, relay),
        _every(runtime.settings.reconcile_seconds, "reconciler", runtime, reconcile),
        _every(1.0, "advisory reader", runtime, read_advisories),
        _every(3600.0, "outbox cleaner", runtime, clean),
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
    """Publish what a crash left in the outbox."""
    if not runtime.bus.connected:
        return 0
    count = await relay_once(runtime.bus)
    if count:
        metrics.relayed_total.inc(count)
        log.info("outbox relayed", count=count)
    return count


async def reconcile(runtime: Runtime) -> int:
    """Give again every open order whose message is gone, as after the loss of the whole broker store."""
    if not runtime.bus.connected:
        return 0
    async with runtime.pool.acquire() as db:
        candidates = await runs.stale(db, older_than_s=STALE_S)
    if candidates:
        await ensure_streams(runtime)
    queues = {(order.module, order.lane) for order, _ in candidates}
    try:
        passed = await _passed_by(runtime, queues)
    except NotFoundError:
        log.warning("a consumer is gone; provisioning again")
        await provision(runtime.bus.js, runtime.settings)
        passed = await _passed_by(runtime, queues)
    count = 0
    for order, sequence in candidates:
        exists = await _message_exists(runtime, order, sequence)
        if exists and sequence is not None and sequence <= passed[order.module, order.lane]:
            await _delete(runtime, sequence)
            exists = False
        if not exists:
            await _give_again(runtime, order)
            count += 1
    return count


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


async def ensure_streams(runtime: Runtime) -> None:
    """Make streams and consumers anew when the broker's store was erased."""
    try:
        await runtime.bus.js.stream_info(STREAM_WORK)
        await runtime.bus.js.stream_info(STREAM_EVENTS)
    except NotFoundError:
        log.warning("the work stream is gone; provisioning again")
        await provision(runtime.bus.js, runtime.settings)


async def _message_exists(runtime: Runtime, order: WorkOrder, sequence: int | None) -> bool:
    if sequence is None:
        return False
    try:
        message = await runtime.bus.js.get_msg(STREAM_WORK, seq=sequence)
        found = WorkOrder.decode(message.data or b"")
    except (NotFoundError, ValidationError):
        return False
    return (found.job_id, found.module, found.run) == (order.job_id, order.module, order.run)


async def _give_again(runtime: Runtime, order: WorkOrder) -> None:
    async with runtime.pool.acquire() as db, db.transaction():
        await runs.ordered(db, order)
        message = await outbox.put(db, WORK[order.module][order.lane], order)
        message = await outbox.rename(db, message, f"{order.dedup_id}:again:{message.id}")
    await runtime.bus.publish([message])
    metrics.reissued_total.labels(order.module).inc()
    log.warning("order given again, its message was gone", job=str(order.job_id), module=str(order.module))


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
    if advisory.get("type") != "io.nats.jetstream.advisory.v1.max_deliver":
        return
    sequence = int(str(advisory["stream_seq"]))
    try:
        message = await runtime.bus.js.get_msg(STREAM_WORK, seq=sequence)
        order = WorkOrder.decode(message.data or b"")
    except NotFoundError:
        return
    except ValidationError:
        await _delete(runtime, sequence)
        return
    async with runtime.pool.acquire() as db:
        waiting = await runs.is_open(db, order)
    if not waiting:
        await _delete(runtime, sequence)
        return
    letter = Parked(
        observatory=order.observatory, module=str(Module(order.module)), subject=message.subject or "",
        reason="abandoned", message="its worker died every time without a word", attempt=order.run,
        stream_seq=sequence, job_id=order.job_id, body=(message.data or b"").decode(),
    )  # fmt: skip
    await runtime.bus.publish(await park(runtime, order, letter))
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
