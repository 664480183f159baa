"""Whether this process can do its work at this moment."""

import asyncio

from pictor.contracts.modules import Service
from pictor.contracts.subjects import BUCKET_CONTROL
from pictor.runtime.bus import BUS_OUTAGES
from pictor.runtime.outages import OUTAGE
from pictor.runtime.permissions import permissions
from pictor.runtime.runtime import Runtime

ANSWER_S = 3.0

INFO = "$JS.API.CONSUMER.INFO."


async def readiness(runtime: Runtime) -> dict[str, bool]:
    """Ask database, store and bus, and for a worker its consumers, of orders, events and timers."""
    names = ("database", "store", "bus")
    answers = await asyncio.gather(_database(runtime), _store(runtime), _bus(runtime))
    return dict(zip(names, answers, strict=True))


async def _database(runtime: Runtime) -> bool:
    try:
        async with asyncio.timeout(ANSWER_S):
            return bool(await runtime.pool.fetchval("SELECT true"))
    except OUTAGE:
        return False


async def _store(runtime: Runtime) -> bool:
    try:
        async with asyncio.timeout(ANSWER_S):
            await runtime.store.health()
    except OUTAGE:
        return False
    return True


async def _bus(runtime: Runtime) -> bool:
    if not runtime.bus.connected or runtime.lost or any(pull.deaf for pull in runtime.pulls):
        return False
    try:
        async with asyncio.timeout(ANSWER_S):
            await runtime.bus.js.stream_info(f"KV_{BUCKET_CONTROL}")
            consumers = {(pull.stream, pull.durable) for pull in runtime.pulls if _is_own(runtime, pull.durable)}
            await asyncio.gather(*(runtime.bus.js.consumer_info(*one) for one in consumers))
    except BUS_OUTAGES:
        return False
    return True


def _is_own(runtime: Runtime, durable: str) -> bool:
    """Whether this service may ask for a consumer; in one process with others each asks for its own."""
    return any(right.endswith(f".{durable}") for right in permissions(runtime.service).publish if INFO in right)


def can_work(runtime: Runtime, parts: dict[str, bool]) -> bool:
    """Whether a service does what it is there for: the gateway takes uploads without the bus, which hears later."""
    return all(good for name, good in parts.items() if name != "bus" or runtime.service is not Service.GATEWAY)


def liveness(runtime: Runtime) -> str | None:
    """Return why this process must be replaced; None while it is well or waits for a server that is away."""
    if runtime.bus.nats.is_closed:
        return "the connection to the bus is closed for good"
    dead = sorted({pull.durable for pull in runtime.pulls if pull.dead})
    return f"hears nothing from {', '.join(dead)}" if dead else None
