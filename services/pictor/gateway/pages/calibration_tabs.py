"""What each tab of the calibration page reads."""

import math
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from pictor.contracts.frames import CALIBRATION_TYPES, FrameType
from pictor.gateway.calibration.settings import ages_of, policy_of
from pictor.gateway.pages.calibration_groups import Waiting, waiting
from pictor.gateway.pages.calibration_standing import standing
from pictor.imaging.matching.policy import Policy
from pictor.runtime.filters import spelled
from pictor.runtime.runtime import Runtime
from pictor.state import calibrations, observatories, shelves
from pictor.state.calibrations import UNAGED, LibraryFilter, Picked
from pictor.state.database import Connection

PAGE = 50
"""Lines on one page, as many as the API gives."""

TYPES = [kind for kind in FrameType if kind in CALIBRATION_TYPES]
STATUSES = ["active", "expired", "superseded", "needs-review", "rejected"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for."""

    page: int = 1
    frame_type: FrameType | None = None
    camera: str | None = None
    filter: str | None = None
    status: str | None = None
    claimed: bool = False
    rig: UUID | None = None


async def policy_at(db: Connection, observatory_id: UUID) -> Policy:
    """Return the settings in force."""
    return await policy_of(db, observatory_id)


async def rig_names(db: Connection, observatory_id: UUID) -> dict[str, str]:
    """Return the names of an observatory's rigs by their ids."""
    return {str(rig.id): rig.name for rig in await observatories.rigs(db, [observatory_id])}


async def read_masters(runtime: Runtime, observatory_id: UUID, wanted: Wanted) -> dict[str, Any]:
    """Read one page of masters, with how each stands."""
    sought = LibraryFilter(
        is_master=True, frame_type=wanted.frame_type, camera_name=wanted.camera,
        status=wanted.status if wanted.status in STATUSES else None,
    )  # fmt: skip
    async with runtime.pool.acquire() as db:
        sought = await _of_filter(db, observatory_id, sought, wanted)
        policy = await policy_at(db, observatory_id)
        found = await calibrations.browse(
            db, observatory_id, sought, ages_of(policy), limit=PAGE, offset=(wanted.page - 1) * PAGE
        )
        notes = await shelves.master_notes(db, [row.id for row in found.rows])
        cameras, filters = await shelves.cameras_and_filters(db, observatory_id)
        names = await rig_names(db, observatory_id)
    lines = [
        (row, notes[row.id], standing(
            notes[row.id].state, row.frame_type, row.aged_from, policy,
            recalled=notes[row.id].recall_reason is not None,
        ))
        for row in found.rows if row.id in notes
    ]  # fmt: skip
    return {"lines": lines, "cameras": cameras, "filters": filters, "rigs": sorted(names.values()), **_pages(found)}


async def _of_filter(db: Connection, observatory_id: UUID, sought: LibraryFilter, wanted: Wanted) -> LibraryFilter:
    """Look for a filter by every name it has at the observatory."""
    if wanted.filter is None:
        return sought
    return replace(sought, filters=await spelled(db, [observatory_id], wanted.filter))


def _pages(found: Picked) -> dict[str, Any]:
    pages = max(1, math.ceil(found.total / PAGE))
    return {
        "total": found.total, "more": found.total_estimated, "pages": pages, "types": TYPES, "statuses": STATUSES,
    }  # fmt: skip


async def read_frames(runtime: Runtime, observatory_id: UUID, wanted: Wanted) -> dict[str, Any]:
    """Read one page of individual frames, why some are never stacked, and how their groups accumulate."""
    sought = LibraryFilter(
        is_master=False, exclude_mastered=not wanted.claimed, frame_type=wanted.frame_type,
        camera_name=wanted.camera,
    )  # fmt: skip
    async with runtime.pool.acquire() as db:
        sought = await _of_filter(db, observatory_id, sought, wanted)
        found = await calibrations.browse(
            db, observatory_id, sought, UNAGED, limit=PAGE, offset=(wanted.page - 1) * PAGE
        )
        groups = await groups_of(db, observatory_id)
        cameras, filters = await shelves.individual_choices(db, observatory_id)
    return {
        "lines": [(row, row.not_stacked) for row in found.rows], "groups": groups, "cameras": cameras,
        "filters": filters, **_pages(found),
    }  # fmt: skip


async def groups_of(db: Connection, observatory_id: UUID) -> list[Waiting]:
    """Return the groups of an observatory and how far each is."""
    names = await rig_names(db, observatory_id)
    in_use = {master.group_key for master in await shelves.active_masters(db, observatory_id)}
    return [
        waiting(note, names, has_master=note.group_key in in_use) for note in await shelves.notes(db, observatory_id)
    ]
