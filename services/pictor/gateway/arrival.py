"""The arrival of a frame: bytes into the store, then frame, job and first order in one transaction."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from uuid import UUID, uuid4

import structlog

from pictor.contracts.access import Role
from pictor.contracts.frames import FrameReceived, UploadMetadata
from pictor.contracts.jobs import JobKind
from pictor.contracts.modules import LIGHT_ITINERARY, Lane, Module
from pictor.contracts.subjects import FRAME_RECEIVED
from pictor.contracts.work import WorkOrder
from pictor.gateway.identity import still
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Problem, not_found
from pictor.gateway.quotas import check_quota
from pictor.runtime.crashpoints import crashpoint
from pictor.runtime.outages import OUTAGE
from pictor.runtime.passing import give_first
from pictor.runtime.runtime import Runtime
from pictor.runtime.step import CORRUPT, traceparent
from pictor.runtime.store.errors import ObjectDamaged, ObjectMissing
from pictor.state import audit, deleting, frames, jobs, observatories, outbox
from pictor.state.database import Connection, with_all_rows
from pictor.state.frames import Frame
from pictor.state.observatories import Observatory
from pictor.state.outbox import Outgoing

log = structlog.get_logger()

Place: TypeAlias = tuple[Observatory, UUID | None]
"""An observatory and one of its rigs, where that is known."""

DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
"""File names that mean a device to Windows."""

BEGUN_BYTES = 256 * 1024
"""Bytes of a body that must be here before the store is asked to take it."""

STORE_S = 5.0
"""Longest wait for the store while a connection to the database is held."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What an upload says about itself, and who brings it where."""

    principal: Principal
    observatory: Observatory
    rig_id: UUID | None
    sha256: str
    metadata: UploadMetadata
    address: str | None

    @property
    def key(self) -> str:
        """Where the raw bytes are kept, for ever under their digest."""
        return f"raw/{self.observatory.id}/{self.sha256[:2]}/{self.sha256}"

    @property
    def name(self) -> str:
        """Name of the frame, fit for any page and file system."""
        return clean_name(self.metadata.name or "") or f"frame-{self.sha256[:12]}.fits"


@dataclass(frozen=True, slots=True)
class Received:
    """The frame there is now, and the job that processes it."""

    frame_id: UUID
    job_id: UUID | None
    duplicate: bool
    size: int
    name: str
    state: str


def clean_name(name: str) -> str:
    """Reduce a file name from anywhere to its last part, without characters that mean something elsewhere."""
    last = re.split(r"[/\\]", name)[-1]
    printable = "".join(letter if letter.isprintable() else "_" for letter in last)
    kept = printable.strip(" .")[:255]
    return f"_{kept}" if DEVICE.match(kept) else kept


async def known(runtime: Runtime, observatory_id: UUID, sha256: str) -> Received | None:
    """Return the frame this observatory already has with these bytes; None, too, when its bytes are gone or damaged."""
    async with runtime.pool.acquire() as db:
        frame = await frames.by_content(db, observatory_id, sha256)
        found = None if frame is None else await _duplicate(db, frame)
    if frame is None or frame.reason == CORRUPT or not await _is_stored(runtime, frame.raw_key):
        return None
    return found


async def receive(runtime: Runtime, arrival: Arrival, body: AsyncIterable[bytes], size: int | None) -> Received:
    """Store a body and register its frame; known bytes make no second frame and no second job."""
    await _make_way(runtime, arrival)
    stored = await runtime.store.put_stream(arrival.key, await _underway(body), size, sha256=arrival.sha256)
    return await register(runtime, arrival, stored.size, created=stored.created)


async def _underway(body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Wait for the first bytes of a body, so that clients who dribble hold no connection to the store."""
    chunks = aiter(body)
    held: list[bytes] = []
    size = 0
    async for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= BEGUN_BYTES:
            break

    async def rest() -> AsyncIterator[bytes]:
        yield b"".join(held)
        held.clear()
        async for chunk in chunks:
            yield chunk

    return rest()


async def receive_file(runtime: Runtime, arrival: Arrival, path: Path) -> Received:
    """Store a spooled file and register its frame."""
    await _make_way(runtime, arrival)
    stored = await runtime.store.put_file(arrival.key, path, sha256=arrival.sha256)
    return await register(runtime, arrival, stored.size, created=stored.created)


async def _make_way(runtime: Runtime, arrival: Arrival) -> None:
    """Remove bytes that a worker found damaged and that still are, so that those which come take their place."""
    async with runtime.pool.acquire() as db:
        frame = await frames.by_content(db, arrival.observatory.id, arrival.sha256)
    if frame is None or frame.reason != CORRUPT:
        return
    digest = hashlib.sha256()
    try:
        async for chunk in runtime.store.open_range(arrival.key):
            digest.update(chunk)
    except ObjectDamaged:
        digest.update(b"damaged")
    except ObjectMissing:
        return
    if digest.hexdigest() != arrival.sha256:
        log.warning("damaged bytes make way for the same frame sent again", key=arrival.key)
        await runtime.store.delete(arrival.key)


async def register(runtime: Runtime, arrival: Arrival, size: int, *, created: bool) -> Received:
    """Make frame, job and first order real at once, and publish them; what is refused now leaves no bytes."""
    crashpoint("gateway.after_put")
    try:
        received, outgoing = await _committed(runtime, arrival, size, created=created)
    except Problem:
        if created:
            await _take_back(runtime, arrival)
        raise
    crashpoint("gateway.after_commit")
    await runtime.bus.publish(outgoing)
    return received


async def _committed(
    runtime: Runtime, arrival: Arrival, size: int, *, created: bool
) -> tuple[Received, list[Outgoing]]:
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(runtime.pool.acquire())
        if not created:
            await stack.enter_async_context(deleting.content_held(db, arrival.key))
            if not await _is_stored(runtime, arrival.key):
                raise Problem(
                    "unavailable", "The same frame was being deleted; send it again.", headers={"Retry-After": "1"}
                )
        async with db.transaction():
            await frames.lock_content(db, arrival.key)
            await still(db, arrival.principal)
            if await observatories.get(db, arrival.observatory.id) is None:
                raise Problem("not-found", "The observatory was removed while the frame was on its way.")
            received, outgoing = await _register(db, arrival, size)
            if created and received.duplicate:
                await _recorded(db, arrival, received, "frame.restore")
            if not received.duplicate:
                await check_quota(db, runtime.settings, arrival.observatory.id, 0)
    return received, outgoing


async def _is_stored(runtime: Runtime, key: str) -> bool:
    """Say whether the store has an object; it may not keep us waiting, we may hold a connection."""
    try:
        async with asyncio.timeout(STORE_S):
            await runtime.store.stat(key)
    except ObjectMissing:
        return False
    return True


async def _take_back(runtime: Runtime, arrival: Arrival) -> None:
    """Remove bytes that became no frame, unless another upload of the same made them one."""
    try:
        async with with_all_rows(runtime.pool) as db, deleting.content_held(db, arrival.key):
            if await frames.by_content(db, arrival.observatory.id, arrival.sha256) is None:
                async with asyncio.timeout(STORE_S):
                    await runtime.store.delete(arrival.key)
    except OUTAGE as error:
        log.warning("refused bytes are left for the check to remove", key=arrival.key, reason=repr(error))


async def _register(db: Connection, arrival: Arrival, size: int) -> tuple[Received, list[Outgoing]]:
    frame_id, job_id = uuid4(), uuid4()
    who = arrival.principal.actor
    new = await frames.create(
        db, frame_id, arrival.observatory.id,
        rig_id=arrival.rig_id, sha256=arrival.sha256, size=size, name=arrival.name, raw_key=arrival.key,
        uploaded_by=who, metadata=arrival.metadata.model_dump(mode="json", exclude_none=True),
    )  # fmt: skip
    if not new:
        frame = await frames.by_content(db, arrival.observatory.id, arrival.sha256)
        if frame is None:
            raise AssertionError("a frame that exists is not there")
        return await _duplicate(db, frame), []
    lane = Lane(arrival.metadata.lane or Lane.LIVE)
    await jobs.create(
        db, job_id, arrival.observatory.id, frame_id=frame_id, kind=JobKind.UPLOAD, lane=lane, owner=who
    )  # fmt: skip
    order = first_order(arrival.observatory, frame_id, job_id, lane, itinerary(arrival.observatory))
    fact = FrameReceived(
        observatory=order.observatory, frame_id=frame_id, job_id=job_id, sha256=arrival.sha256, size=size
    )
    outgoing = [
        await give_first(db, order),
        await outbox.put(db, FRAME_RECEIVED, fact, headers={"traceparent": traceparent(job_id)}),
    ]
    received = Received(frame_id, job_id, duplicate=False, size=size, name=arrival.name, state="received")
    await _recorded(db, arrival, received, "frame.upload")
    return received, outgoing


async def _recorded(db: Connection, arrival: Arrival, received: Received, action: str) -> None:
    await audit.record(
        db, arrival.principal.actor, action, str(received.frame_id), observatory_id=arrival.observatory.id,
        address=arrival.address, detail={"sha256": arrival.sha256, "size": received.size, "name": arrival.name},
    )  # fmt: skip


async def _duplicate(db: Connection, frame: Frame) -> Received:
    newest, _ = await jobs.page(db, None, frame_id=frame.id, limit=1)
    job_id = newest[0].id if newest else None
    return Received(frame.id, job_id, duplicate=True, size=frame.size, name=frame.name, state=str(frame.state))


def itinerary(observatory: Observatory) -> tuple[Module, ...]:
    """Return the modules a new frame of an observatory passes."""
    return tuple(module for module in LIGHT_ITINERARY if module not in observatory.modules_off)


def first_order(
    observatory: Observatory, frame_id: UUID, job_id: UUID, lane: Lane, modules: tuple[Module, ...]
) -> WorkOrder:
    """Make the order that starts a job."""
    return WorkOrder(
        observatory=observatory.slug, job_id=job_id, observatory_id=observatory.id, frame_id=frame_id,
        module=modules[0], lane=lane, itinerary=modules[1:],
    )  # fmt: skip


async def where(runtime: Runtime, principal: Principal, *, observatory: str | None, rig: str | None) -> Place:
    """Return the observatory and rig an upload belongs to: the token's, or those a server administrator names."""
    async with runtime.pool.acquire() as db:
        found = (
            await observatories.by_slug(db, observatory)
            if observatory
            else await observatories.get(db, principal.observatory_id or UUID(int=0))
        )
        if found is None or (principal.observatories is not None and found.id not in principal.observatories):
            raise not_found("observatory", observatory)
        if principal.rig_id is not None and found.id == principal.observatory_id and rig is None:
            return found, principal.rig_id
        named = await observatories.rig_by_name(db, found.id, rig) if rig else None
    bound = principal.rig_id is not None and not principal.may(Role.OBSERVATORY_ADMIN, found.id)
    if rig is not None and (named is None or (bound and principal.rig_id != named.id)):
        raise Problem("not-found", "There is no such rig, or this token is not for it.")
    return found, named.id if named else None
