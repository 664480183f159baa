"""Objects nobody refers to: what a killed service left is deleted, a frame whose upload was cut off is adopted."""

import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import structlog

from pictor.contracts.frames import FrameReceived
from pictor.contracts.jobs import JobKind
from pictor.contracts.modules import LIGHT_ITINERARY, Lane
from pictor.contracts.subjects import FRAME_RECEIVED
from pictor.contracts.work import WorkOrder
from pictor.runtime.bus import Bus
from pictor.runtime.passing import give_first
from pictor.runtime.store.errors import ObjectMissing
from pictor.runtime.store.protocol import FrameStore, StoredObject
from pictor.state import audit, deleting, frames, jobs, observatories, outbox
from pictor.state.database import Connection, Pool
from pictor.state.invariants import things_of
from pictor.state.observatories import Observatory
from pictor.state.outbox import Outgoing

log = structlog.get_logger()

GRACE_S = 86_400.0
"""No upload or module takes a day: what is older and belongs to nothing never will."""

ARRIVAL_S = 3600.0
"""Longer than an upload may take between store and database: younger frames are never deleted, whatever the grace."""

SWEEP_S = 86_400.0
SETTLE_S = 300.0
"""After a start the first sweep waits until the flow runs."""

RAW, PROBES, ASIDE = "raw/", "ready/", "/aside/"
"""Frames as uploaded, probes of the embedded store, and the folder of damaged frames kept beside the good ones."""

BATCH = 500

ACTOR = "pictor"


SWEEP_LOCK = 7_420_118
"""Key of the advisory lock that lets one process sweep at a time."""


@dataclass(slots=True)
class Swept:
    """What became of the orphans."""

    deleted: list[str] = field(default_factory=list)
    adopted: dict[str, UUID] = field(default_factory=dict)
    """Key and frame."""
    kept: dict[str, str] = field(default_factory=dict)
    """Key and why it was left alone."""


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Deletes and adopts orphans; ``dry`` only tells."""

    pool: Pool
    store: FrameStore
    bus: Bus | None
    actor: str = ACTOR
    grace_s: float = GRACE_S
    dry: bool = False

    async def sweep(self) -> Swept:
        """Go through the whole store once."""
        swept = Swept()
        async for batch in self._batches():
            async with self.pool.acquire() as db:
                known = await things_of(db, [one.key for one in batch])
            for one in batch:
                if one.key not in known:
                    await self._settle(one, swept)
        return swept

    async def _batches(self) -> AsyncIterator[list[StoredObject]]:
        batch: list[StoredObject] = []
        async for one in self.store.list(""):
            if _age_s(one) > self.grace_s and is_swept(one.key):
                batch.append(one)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _settle(self, one: StoredObject, swept: Swept) -> None:
        if not one.key.startswith(RAW):
            await self._delete(one.key, swept)
            return
        place, digest = _parts(one.key)
        async with self.pool.acquire() as db:
            observatory = await observatories.get(db, place) if place else None
            if observatory is None or digest is None:
                swept.kept[one.key] = "it names no observatory of this installation"
                return
            unwanted = await deleting.was_deleted(db, observatory.id, digest)
        if unwanted and _age_s(one) > ARRIVAL_S:
            await self._delete(one.key, swept)
        elif unwanted:
            swept.kept[one.key] = "it was deleted lately; it is looked at again after an hour"
        elif self.dry:
            swept.adopted[one.key] = UUID(int=0)
        else:
            await self._adopt(one.key, observatory, digest, swept)

    async def _delete(self, key: str, swept: Swept) -> None:
        """Delete what belongs to nothing, unless somebody is at work on its frame or group and may refer to it soon."""
        if self.dry:
            swept.deleted.append(key)
            return
        async with self.pool.acquire() as db, deleting.content_held(db, key):
            if await things_of(db, [key]) or await deleting.is_worked_on(db, key):
                return
            await self.store.delete(key)
            await audit.record(db, self.actor, "orphan.delete", key)
        swept.deleted.append(key)

    async def _adopt(self, key: str, observatory: Observatory, digest: str, swept: Swept) -> None:
        """Register a frame whose upload was cut off between store and database; the lock keeps its retry waiting."""
        found = await _digest_and_size(self.store, key)
        if found is None or found[0] != digest:
            swept.kept[key] = "its bytes are not those its name tells of"
            return
        async with self.pool.acquire() as db, db.transaction():
            await frames.lock_content(db, key)
            made = None if await _is_gone(self.store, key) else await self._register(db, observatory, key, found)
        if made is not None:
            swept.adopted[key] = made[0]
            if self.bus is not None:
                await self.bus.publish(made[1])

    async def _register(
        self, db: Connection, observatory: Observatory, key: str, found: tuple[str, int]
    ) -> tuple[UUID, list[Outgoing]] | None:
        frame_id, (digest, size) = uuid4(), found
        new = await frames.create(
            db, frame_id, observatory.id, rig_id=None, sha256=digest, size=size, name=f"adopted-{digest[:12]}.fits",
            raw_key=key, uploaded_by=None, metadata={},
        )  # fmt: skip
        if not new:
            return None
        detail = {"sha256": digest, "size": size, "key": key}
        await audit.record(db, self.actor, "frame.adopt", str(frame_id), observatory_id=observatory.id, detail=detail)
        return frame_id, await start_job(db, observatory, frame_id, digest, size)


def is_swept(key: str) -> bool:
    """Say whether an object may be an orphan at all."""
    return not key.startswith(PROBES) and ASIDE not in key


def aside(key: str) -> str:
    """Return where the damaged bytes of a frame are kept, so that the same frame can be sent again."""
    place, digest = key.split("/")[1], key.rsplit("/", 1)[1]
    return f"{RAW}{place}{ASIDE}{digest}"


def _parts(key: str) -> tuple[UUID | None, str | None]:
    parts = key.split("/")
    try:
        return (UUID(parts[1]), parts[3]) if len(parts) == 4 and len(parts[3]) == 64 else (None, None)
    except ValueError:
        return None, None


async def _digest_and_size(store: FrameStore, key: str) -> tuple[str, int] | None:
    digest, size = hashlib.sha256(), 0
    try:
        async for chunk in store.open_range(key):
            digest.update(chunk)
            size += len(chunk)
    except ObjectMissing:
        return None
    return digest.hexdigest(), size


async def _is_gone(store: FrameStore, key: str) -> bool:
    try:
        await store.stat(key)
    except ObjectMissing:
        return True
    return False


def _age_s(one: StoredObject) -> float:
    return 0.0 if one.modified is None else time.time() - one.modified.timestamp()


async def start_job(db: Connection, observatory: Observatory, frame_id: UUID, digest: str, size: int) -> list[Outgoing]:
    """Make the job of a frame that has none, and order its first module."""
    job_id = uuid4()
    await jobs.create(
        db, job_id, observatory.id, frame_id=frame_id, kind=JobKind.UPLOAD, lane=Lane.BULK, owner=ACTOR
    )  # fmt: skip
    planned = tuple(module for module in LIGHT_ITINERARY if module not in observatory.modules_off)
    order = WorkOrder(
        observatory=observatory.slug, observatory_id=observatory.id, job_id=job_id, frame_id=frame_id,
        module=planned[0], lane=Lane.BULK, itinerary=planned[1:],
    )  # fmt: skip
    fact = FrameReceived(
        observatory=observatory.slug, frame_id=frame_id, job_id=job_id, sha256=digest, size=size
    )  # fmt: skip
    return [await give_first(db, order), await outbox.put(db, FRAME_RECEIVED, fact)]


async def sweep_once(pool: Pool, store: FrameStore, bus: Bus) -> Swept | None:
    """Sweep, unless another process does; returns what became of the orphans."""
    async with pool.acquire() as db:
        if not await db.fetchval("SELECT pg_try_advisory_lock($1)", SWEEP_LOCK):
            return None
        try:
            swept = await Sweeper(pool, store, bus).sweep()
        finally:
            await db.execute("SELECT pg_advisory_unlock($1)", SWEEP_LOCK)
    if swept.deleted or swept.adopted:
        log.warning("orphans swept", deleted=len(swept.deleted), adopted=len(swept.adopted), kept=len(swept.kept))
    return swept
