"""How much an observatory may send and keep: the installation's limits, or its own."""

import asyncio
import shutil
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from litestar import get, put
from pydantic import BaseModel, ConfigDict, Field

from pictor.contracts.access import Role, Scope
from pictor.contracts.messages import utc_now
from pictor.gateway import trail
from pictor.gateway.auth import changing, permit, require
from pictor.gateway.bodies import body_of
from pictor.gateway.problems import Http, Problem, not_found
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.runtime import Runtime
from pictor.runtime.settings import Settings
from pictor.state import observatories, quotas
from pictor.state.database import Connection
from pictor.state.quotas import Use

MAX_BYTES = 2**53
RETRY_S = 60


class Quota(BaseModel):
    """Limits of one observatory and what it uses, in bytes of raw frames; 0 limits nothing."""

    bytes_per_day: int
    bytes_total: int
    own: bool = Field(description="Whether any of the limits is the observatory's own")
    received_today: int = Field(description="Since midnight UTC; deleting gives nothing back")
    kept: int


class QuotaChange(BaseModel):
    """Limits of an observatory's own."""

    model_config = ConfigDict(extra="forbid")

    bytes_per_day: int | None = Field(default=None, ge=0, le=MAX_BYTES, description="The installation's when left out")
    bytes_total: int | None = Field(default=None, ge=0, le=MAX_BYTES, description="The installation's when left out")


@get("/observatories/{observatory_id:uuid}/quota", guards=[require()], summary="Quota of an observatory")
async def read_quota(runtime: RuntimeDep, caller: Caller, observatory_id: UUID) -> Quota:
    """Return the limits of an observatory, and how much of them is used."""
    async with runtime.pool.acquire() as db:
        await _own(db, caller, observatory_id)
        permit(caller, Role.OBSERVATORY_ADMIN, observatory_id)
        return _shown(await quotas.use(db, observatory_id), runtime.settings)


@put(
    "/observatories/{observatory_id:uuid}/quota",
    guards=[require(Scope.ADMIN, role=Role.SERVER_ADMIN)],
    opt={"body": QuotaChange},
    summary="Set the quota of an observatory",
)
async def change_quota(request: Http, runtime: RuntimeDep, caller: Caller, observatory_id: UUID) -> Quota:
    """Give an observatory limits of its own, or take them back by leaving them out."""
    wanted = await body_of(request, QuotaChange)
    async with changing(runtime, caller) as db:
        await _own(db, caller, observatory_id)
        before = await quotas.use(db, observatory_id)
        await quotas.set_limits(
            db, observatory_id, bytes_per_day=wanted.bytes_per_day, bytes_total=wanted.bytes_total
        )  # fmt: skip
        await trail.record(
            db, request, caller, "observatory.quota", str(observatory_id), observatory_id=observatory_id,
            detail=trail.difference(asdict(before), wanted.model_dump()),
        )  # fmt: skip
        return _shown(await quotas.use(db, observatory_id), runtime.settings)


async def _own(db: Connection, caller: Caller, observatory_id: UUID) -> None:
    seen = caller.observatories
    if (seen is not None and observatory_id not in seen) or await observatories.get(db, observatory_id) is None:
        raise not_found("observatory", observatory_id)


def _shown(use: Use, settings: Settings) -> Quota:
    day, total = _limits(use, settings)
    own = use.bytes_per_day is not None or use.bytes_total is not None
    return Quota(bytes_per_day=day, bytes_total=total, own=own, received_today=use.received_today, kept=use.kept)


def _limits(use: Use, settings: Settings) -> tuple[int, int]:
    day = settings.quota_bytes_per_day if use.bytes_per_day is None else use.bytes_per_day
    total = settings.quota_bytes_total if use.bytes_total is None else use.bytes_total
    return day, total


async def check_quota(db: Connection, settings: Settings, observatory_id: UUID, more: int) -> None:
    """Refuse bytes for which an observatory has no room; in the transaction of the frame ``more`` is 0."""
    use = await quotas.use(db, observatory_id)
    day, total = _limits(use, settings)
    if total and use.kept + more > total:
        raise Problem(
            "quota-exceeded", f"The observatory may keep {total} bytes, and this frame does not fit any more: delete "
            "frames, or have the quota raised.",
        )  # fmt: skip
    if day and use.received_today + more > day:
        raise Problem(
            "quota-exceeded", f"The observatory may send {day} bytes per day; there is room again at midnight UTC.",
            headers={"Retry-After": str(_until_midnight(utc_now()))},
        )  # fmt: skip


def _until_midnight(now: datetime) -> int:
    tomorrow = (now.astimezone(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(1, int((tomorrow - now).total_seconds()))


async def check_room(runtime: Runtime, size: int) -> None:
    """Refuse an upload the store's disk has no room for, where that disk is this computer's."""
    folder = _store_folder(runtime.settings)
    if folder is None:
        return
    free = (await asyncio.to_thread(shutil.disk_usage, folder)).free
    if free - size < runtime.settings.min_free_bytes:
        raise Problem(
            "unavailable", "The store's disk is nearly full; frames are taken again once there is room.",
            headers={"Retry-After": str(RETRY_S)},
        )  # fmt: skip


def _store_folder(settings: Settings) -> Path | None:
    """Return the folder the store writes to: that of the file store, or of the embedded S3 store."""
    if settings.s3_endpoint is None:
        folder = settings.store_dir or settings.data_dir / "store"
    else:
        folder = settings.data_dir / "store"
    return folder if folder.is_dir() else None
