"""The event stream: what happens, as it happens, and after a broken line from where it broke."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, aclosing
from typing import Annotated
from uuid import uuid4

import structlog
from litestar import get
from litestar.params import Parameter
from litestar.response import Stream
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from pictor.contracts.access import Scope
from pictor.contracts.subjects import EVENTS, STREAM_EVENTS
from pictor.gateway.auth import identify, require
from pictor.gateway.limits import AtOnce
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.bus import BUS_OUTAGES
from pictor.runtime.runtime import Runtime
from pictor.state import observatories

log = structlog.get_logger()

HEARTBEAT_S = 15.0
LOOK_S = 3.0
"""How often a quiet stream looks whether its token is still good."""

IDLE_S = 60.0
"""The broker forgets a consumer nobody pulled from for this long."""

BATCH = 64
KINDS = {subject.name.removeprefix("pictor.event."): subject for subject in EVENTS}

Pull = JetStreamContext.PullSubscription


@get("/events", guards=[require(Scope.EVENTS_READ)], opt={"sse": True}, summary="Follow events")
async def follow_events(
    request: Http, runtime: RuntimeDep, caller: Caller, *,
    last_event_id: Annotated[str | None, Parameter(header="Last-Event-ID", max_length=20)] = None,
    after: Annotated[int | None, Parameter(ge=0, description="As Last-Event-ID, for a first connection")] = None,
    types: Annotated[str | None, Parameter(max_length=500, description="Such as frame.measured,job.finished")] = None,
) -> Stream:  # fmt: skip
    """Stream server-sent events; the id is the event's sequence, and Last-Event-ID goes on after it."""
    streams: AtOnce = request.app.state.limits.streams
    with streams.hold(caller.key):
        pass
    position = _position(last_event_id) if last_event_id else after
    wanted = _kinds(types)
    slugs = await _slugs(runtime, caller)
    follower = Follower(runtime, slugs, wanted, position)
    await follower.open()
    body = _until_revoked(request, follower, streams.hold(caller.key))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(body, media_type="text/event-stream", headers=headers)


def _position(text: str) -> int | None:
    if not text.isdecimal() or len(text) > 18:
        raise Problem("invalid-value", "Last-Event-ID is the id of an event: a number.")
    return int(text)


def _kinds(types: str | None) -> frozenset[str] | None:
    if types is None:
        return None
    wanted = frozenset(name.strip() for name in types.split(",") if name.strip())
    unknown = wanted - set(KINDS)
    if unknown or not wanted:
        raise Problem("invalid-value", f"Choose types among {', '.join(sorted(KINDS))}.")
    return wanted


async def _slugs(runtime: Runtime, caller: Principal) -> tuple[str, ...] | None:
    if caller.observatories is None:
        return None
    async with runtime.pool.acquire() as db:
        return tuple(one.slug for one in await observatories.visible(db, caller.observatories))


class Follower:
    """One reader of the event stream; an outage of the broker only delays it."""

    def __init__(
        self, runtime: Runtime, slugs: tuple[str, ...] | None, wanted: frozenset[str] | None, position: int | None
    ) -> None:
        self._js = runtime.bus.js
        self._subjects = _subjects(slugs, wanted)
        self._position = position
        self._pull: Pull | None = None

    async def open(self) -> None:
        """Make the consumer; events from now on (or after the position) will be seen."""
        if not self._subjects:
            return
        policy = DeliverPolicy.NEW if self._position is None else DeliverPolicy.BY_START_SEQUENCE
        name = f"sse-{uuid4().hex}"
        config = ConsumerConfig(
            name=name, filter_subjects=self._subjects, deliver_policy=policy, ack_policy=AckPolicy.NONE,
            opt_start_seq=None if self._position is None else self._position + 1, inactive_threshold=IDLE_S,
            mem_storage=True, num_replicas=1,
        )  # fmt: skip
        await self._js.add_consumer(STREAM_EVENTS, config)
        self._pull = await self._js.pull_subscribe_bind(name, STREAM_EVENTS)

    async def next(self, timeout_s: float) -> list[Msg]:
        """Return the events that came, none when nothing came in time."""
        if self._pull is None:
            await asyncio.sleep(timeout_s)
            return []
        try:
            messages = await self._pull.fetch(BATCH, timeout=timeout_s)
        except TimeoutError:
            return []
        except BUS_OUTAGES as error:
            log.debug("event stream interrupted", reason=repr(error))
            await asyncio.sleep(1.0)
            await self._again()
            return []
        if messages:
            self._position = int(messages[-1].metadata.sequence.stream)
        return list(messages)

    async def _again(self) -> None:
        try:
            await self.open()
        except BUS_OUTAGES as error:
            log.debug("event stream still interrupted", reason=repr(error))

    async def aclose(self) -> None:
        """Stop reading; the broker forgets the consumer by itself."""
        if self._pull is not None:
            try:
                await self._pull.unsubscribe()
            except BUS_OUTAGES as error:
                log.debug("event stream not closed cleanly", reason=repr(error))


def _subjects(slugs: tuple[str, ...] | None, wanted: frozenset[str] | None) -> list[str]:
    names = [KINDS[kind].name for kind in sorted(wanted)] if wanted else ["pictor.event.*.*"]
    return [f"{name}.{slug}" for name in names for slug in (slugs if slugs is not None else ("*",))]


async def _until_revoked(request: Http, follower: Follower, held: AbstractContextManager[None]) -> AsyncIterator[bytes]:
    """Yield events while the token lives; a quiet line gets a comment every fifteen seconds."""
    loop = asyncio.get_running_loop()
    async with aclosing(follower):
        with held:
            yield b": connected\nretry: 2000\n\n"
            spoke = loop.time()
            while not request.app.state.runtime.stopping.is_set():
                messages = await follower.next(LOOK_S)
                if messages:
                    yield b"".join(_event(message) for message in messages)
                    spoke = loop.time()
                elif loop.time() - spoke >= HEARTBEAT_S - LOOK_S:
                    yield b": still here\n\n"
                    spoke = loop.time()
                if await identify(request) is None:
                    return


def _event(message: Msg) -> bytes:
    """Write one event: its kind, its sequence, its body on one line."""
    kind = ".".join(message.subject.split(".")[2:4])
    body = json.dumps(json.loads(message.data), separators=(",", ":"))
    return f"id: {message.metadata.sequence.stream}\nevent: {kind}\ndata: {body}\n\n".encode()
