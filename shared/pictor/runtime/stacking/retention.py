"""What is deleted when its time is over: individual frames after use, superseded masters; rows and objects."""

from dataclasses import dataclass, field
from uuid import UUID

import structlog

from pictor.runtime.runtime import Runtime
from pictor.runtime.stacking.expiry import check_expiry, default_ages
from pictor.runtime.stacking.reviewing import redo_lights
from pictor.state import audit, deleting, frames, light_sets, retention
from pictor.state.database import Connection
from pictor.state.retention import KEEPER_LOCK, Due

log = structlog.get_logger()

AT_ONCE = 100
MOST = 5000
"""Frames and masters looked at in one go; the next one comes within the hour."""

ACTOR = "pictor"


@dataclass(slots=True)
class Deleted:
    """What was deleted, or would be."""

    frames: list[Due] = field(default_factory=list)
    masters: list[Due] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of their objects."""
        return sum(one.size for one in (*self.frames, *self.masters))


async def clean_up(runtime: Runtime, *, dry_run: bool = False, actor: str = ACTOR) -> Deleted:
    """Delete whatever its observatory's policy keeps no longer, each with its line in the audit log."""
    deleted, ages = Deleted(), default_ages()
    for kind, due_of, remove in (
        (deleted.frames, retention.frames_due, _frame), (deleted.masters, retention.masters_due, _master),
    ):  # fmt: skip
        last, seen = UUID(int=0), 0
        while seen < MOST:
            async with runtime.pool.acquire() as db:
                batch = await due_of(db, ages, after=last, limit=AT_ONCE)
            if not batch:
                break
            kind += [one for one in batch if dry_run or await remove(runtime, one, actor)]
            last, seen = batch[-1].id, seen + len(batch)
    return deleted


async def _frame(runtime: Runtime, due: Due, actor: str) -> bool:
    """Delete one individual frame, unless something changed about it; its master keeps its name and digest."""
    async with runtime.pool.acquire() as db:
        frame = await frames.get(db, due.id)
        if frame is None:
            return False
        async with deleting.content_held(db, frame.raw_key):
            async with db.transaction():
                if not await retention.frame_still_due(db, due.id, due.since):
                    return False
                keys = await deleting.delete_frame(db, due.id)
                await _recorded(db, due, actor, "frame.delete")
            for key in keys:
                await runtime.store.delete(key)
    return True


async def _master(runtime: Runtime, due: Due, actor: str) -> bool:
    async with runtime.pool.acquire() as db, db.transaction():
        keys = await retention.delete_superseded(db, due)
        if keys is None:
            return False
        keys += await light_sets.forget_calibrated(db, due.observatory_id, [due.id], drop_sets=True)
        await _recorded(db, due, actor, "master.delete")
    for key in keys:
        await runtime.store.delete(key)
    return True


async def _recorded(db: Connection, due: Due, actor: str, action: str) -> None:
    detail: dict[str, object] = {
        "name": due.name, "size": due.size, "sha256": due.sha256, "why": "retention", "since": due.since.isoformat(),
        "days": due.days,
    }  # fmt: skip
    await audit.record(db, actor, action, str(due.id), observatory_id=due.observatory_id, detail=detail)


async def keep_library(runtime: Runtime) -> bool:
    """Warn and delete, unless another process does at this moment; returns whether it was done here."""
    async with runtime.pool.acquire() as db:
        if not await db.fetchval("SELECT pg_try_advisory_lock($1)", KEEPER_LOCK):
            return False
        try:
            warned, deleted = await check_expiry(runtime), await clean_up(runtime)
        finally:
            await db.execute("SELECT pg_advisory_unlock($1)", KEEPER_LOCK)
    if warned.masters or deleted.frames or deleted.masters:
        log.info(
            "calibration library kept", expired=len(warned.masters), frames_deleted=len(deleted.frames),
            masters_deleted=len(deleted.masters), bytes=deleted.size,
        )  # fmt: skip
    return True


async def keep_recalled(runtime: Runtime) -> None:
    """Order lights of recalled masters that a recall left to be ordered."""
    await redo_lights(runtime)
