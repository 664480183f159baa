"""Open what a service needs and run it: in a process of its own, or all in one loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import cast

import structlog
from faststream import FastStream
from faststream.nats import NatsBroker
from faststream.nats.subscriber.usecases import PullStreamSubscriber
from faststream.security import SASLPlaintext
from nats.js import JetStreamContext

from pictor.contracts.modules import Service
from pictor.runtime.again import take_over
from pictor.runtime.broker import require_safe_now
from pictor.runtime.bus import PUBLISH_TIMEOUT_S, Bus, connection_options, inbox
from pictor.runtime.cache import FrameCache
from pictor.runtime.child.limits import Limits
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.closing import close, close_client, end, end_all
from pictor.runtime.control import Control
from pictor.runtime.keepers import keep
from pictor.runtime.lanes import Gate
from pictor.runtime.pulling import PatientPull, keep_hearing
from pictor.runtime.reach import reach_of
from pictor.runtime.runtime import Runtime
from pictor.runtime.scratch import keep_scratch_clean
from pictor.runtime.settings import Settings
from pictor.runtime.store.opening import open_store
from pictor.runtime.waiting import until_answered
from pictor.state.database import Pool, open_pool

log = structlog.get_logger()

STATEMENT_MS = 15_000
REQUEST_STATEMENT_MS = 6_000
"""A statement and its rollback may both meet a silent database; a request hears of it within 15 s all the same."""

CLOSE_S = 2.0
"""Time one connection or task may take to close; a server that does not answer is not waited for."""

STOP_SHARE = 0.7
"""Part of the time for shutdown after which work still in hand is broken off; the rest is for closing."""

CreateApp = Callable[[NatsBroker, Runtime], FastStream]

WARM: dict[Service, tuple[str, ...]] = {
    Service.INGEST: ("pictor.ingest.compute",),
    Service.HEADER: ("pictor.header.compute",),
    Service.PREVIEW: ("pictor.preview.compute",),
    Service.QUALITY: ("pictor.quality.compute",),
    Service.ASTROMETRY: ("pictor.astrometry.compute",),
    Service.CALIBRATION_STACKER: ("pictor.calibration_stacker.compute",),
}
"""What the pixel children of a service import before its first frame."""


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    service: Service,
    *,
    pixels: tuple[Service, ...],
    slots: int,
    children: ChildPool | None = None,
) -> AsyncIterator[Runtime]:
    """Open connections, store and children, waiting for servers that appear later."""
    async with AsyncExitStack() as stack:
        dsn = settings.postgres_dsn.get_secret_value()
        limit_ms = REQUEST_STATEMENT_MS if service is Service.GATEWAY else STATEMENT_MS
        pool = await until_answered(
            "database", lambda: open_pool(dsn, size=settings.postgres_pool, statement_timeout_ms=limit_ms)
        )
        stack.push_async_callback(close_pool, pool)
        store = await until_answered("store", lambda: open_store(settings))
        stack.push_async_callback(lambda: close("store", store.close(), within_s=CLOSE_S))
        bus = await until_answered("bus", lambda: Bus.connect(settings, pool, name=str(service)))
        stack.push_async_callback(bus.close)
        if settings.nats_monitor_url:
            await require_safe_now(settings)
        control = Control(bus)
        await control.start()
        stack.push_async_callback(control.stop)
        sweeper = asyncio.create_task(keep_scratch_clean(settings.scratch, pool), name="scratch")
        stack.push_async_callback(end, sweeper, within_s=CLOSE_S)
        if children is None:
            children = pixel_children(settings, pixels, slots)
            if pixels:
                await stack.enter_async_context(children)
        cache = FrameCache(settings.data_dir / "cache", settings.cache_bytes)
        yield Runtime(
            settings=settings, service=service, pool=pool, store=store, bus=bus, control=control, children=children,
            cache=cache, gate=Gate(slots), stopping=asyncio.Event(),
        )  # fmt: skip


async def close_pool(pool: Pool) -> None:
    """Close the connections to the database; those a frozen server holds are dropped."""
    if not await close("database", pool.close(), within_s=CLOSE_S):
        pool.terminate()


def pixel_children(settings: Settings, pixels: Iterable[Service], slots: int) -> ChildPool:
    """Make the pool of pixel children for some services; the caller starts and closes it."""
    return ChildPool(
        slots,
        limits=Limits(address_space=settings.child_memory_bytes),
        recycle_after=settings.child_recycle,
        warm=tuple(name for wanted in pixels for name in WARM.get(wanted, ())),
        environment={"TMPDIR": str(settings.scratch.absolute())},
        reach=reach_of(settings),
    )


def as_service(runtime: Runtime, service: Service, settings: Settings) -> Runtime:
    """Return the same runtime under the name and bus user of another service of this process."""
    return replace(runtime, service=service, settings=settings)


@asynccontextmanager
async def serving(runtime: Runtime, create_app: CreateApp) -> AsyncIterator[None]:
    """Run one bus service until the block ends; running work ends or is given back."""
    options = connection_options(runtime.settings, str(runtime.service))
    user, password = options.pop("user", None), options.pop("password", "")
    security = SASLPlaintext(username=user, password=password) if user else None
    grace_s = STOP_SHARE * runtime.settings.shutdown_seconds
    broker = NatsBroker(**options, security=security, logger=None, graceful_timeout=grace_s, apply_types=False)
    app = create_app(broker, runtime)
    pulls: list[PatientPull] = []
    hearing: asyncio.Task[None] | None = None
    try:
        await until_answered("consumers", lambda: _consumers(broker))
        await until_answered("database", lambda: take_over(runtime))
        await app.start()
        pulls = _patient(broker, runtime)
        runtime.pulls.extend(pulls)
        js = (await broker.connect()).jetstream(timeout=PUBLISH_TIMEOUT_S)
        prefix = f"{inbox(str(runtime.service))}.".encode()
        hearing = asyncio.create_task(keep_hearing(pulls, js, prefix), name="hearing")
        log.info("service started", service=str(runtime.service))
        yield
    finally:
        if hearing is not None:
            await end(hearing, within_s=CLOSE_S)
        await _stop(app, broker, runtime, within_s=grace_s + CLOSE_S)
        for pull in pulls:
            runtime.pulls.remove(pull)
        log.info("service stopped", service=str(runtime.service))


async def _stop(app: FastStream, broker: NatsBroker, runtime: Runtime, *, within_s: float) -> None:
    """End subscriptions, then the work in hand, then the connection; draining it would wait for a frozen broker."""
    client, broker._connection = broker._connection, None  # noqa: SLF001 - so that FastStream does not drain it
    work = [task for subscriber in _pulling(broker) for task in subscriber.tasks]
    await close(f"subscriptions of {runtime.service}", app.stop(), within_s=within_s)
    await end_all(work, within_s=CLOSE_S)
    await close(f"marks of {runtime.service}", runtime.bus.settled(), within_s=CLOSE_S)
    if client is not None:
        await close_client(client, str(runtime.service))


async def _consumers(broker: NatsBroker) -> None:
    """Ask for every consumer of a service, so that none is made by accident where the setup has not run yet."""
    js = (await broker.connect()).jetstream(timeout=PUBLISH_TIMEOUT_S)
    for subscriber in _pulling(broker):
        await js.consumer_info(subscriber.stream.name, subscriber.extra_options["durable"])


def _patient(broker: NatsBroker, runtime: Runtime) -> list[PatientPull]:
    pulls = []
    for subscriber in _pulling(broker):
        if subscriber.subscription is not None:
            durable = subscriber.extra_options["durable"]
            pull = PatientPull(subscriber.subscription, subscriber.stream.name, durable, runtime.stopping)
            subscriber.subscription = cast("JetStreamContext.PullSubscription", pull)
            pulls.append(pull)
    return pulls


def _pulling(broker: NatsBroker) -> list[PullStreamSubscriber]:
    return [subscriber for subscriber in broker.subscribers if isinstance(subscriber, PullStreamSubscriber)]


@asynccontextmanager
async def keeping(runtime: Runtime) -> AsyncIterator[None]:
    """Run relay, reconciler and advisory reader beside the block."""
    task = asyncio.create_task(keep(runtime), name="keepers")
    try:
        yield
    finally:
        await end(task)
