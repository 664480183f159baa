"""Decisions of people about masters, each in one transaction; and the lights a recalled master leaves to be redone."""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

from pictor.contracts.jobs import JobKind
from pictor.contracts.masters import MasterCreated, MasterRecalled, MasterState
from pictor.contracts.modules import LIGHT_ITINERARY, Lane, Module
from pictor.contracts.subjects import MASTER_CREATED, MASTER_RECALLED
from pictor.contracts.work import WorkOrder
from pictor.runtime.passing import give_first
from pictor.runtime.runtime import Runtime
from pictor.state import jobs, light_sets, masters, observatories, outbox, reviews
from pictor.state.database import Connection
from pictor.state.masters import Master
from pictor.state.observatories import Observatory
from pictor.state.outbox import Outgoing

CALIBRATED_BY = (Module.QUALITY, Module.ASTROMETRY, Module.QUALITY_HEADERS)
"""Modules whose results depend on the masters of a light."""

LISTED = 100
"""Lights a recall names; all of them are processed again."""

AT_ONCE = 100
"""Lights ordered in one transaction."""

OWNER = "pictor"


class NotNowError(Exception):
    """The state of a master does not allow the decision; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a decision did: messages to publish and objects to delete after it."""

    state: MasterState
    superseded: list[UUID] = field(default_factory=list)
    reinstated: UUID | None = None
    frames: list[UUID] = field(default_factory=list)
    flats: list[UUID] = field(default_factory=list)
    lights: list[UUID] = field(default_factory=list)
    light_count: int = 0
    outgoing: list[Outgoing] = field(default_factory=list)
    unused_keys: list[str] = field(default_factory=list)


async def accept(db: Connection, master: Master, *, by: str, because: str) -> Reviewed:
    """Let a locked candidate under review replace the active master of its group."""
    await _under_review(db, master)
    superseded = await reviews.accept(db, master, by=by, because=f"accepted by a person: {because}")
    keys = await light_sets.forget_calibrated(db, master.observatory_id, superseded) if superseded else []
    fact = MasterCreated(
        observatory=(await _observatory(db, master)).slug, master_id=master.id, job_id=_job_of(master),
        frame_type=master.frame_type, group_key=master.group_key, ncombine=master.ncombine,
        superseded=tuple(superseded),
    )  # fmt: skip
    told = [await outbox.put(db, MASTER_CREATED, fact)]
    return Reviewed(MasterState.ACTIVE, superseded=superseded, outgoing=told, unused_keys=keys)


async def reject(db: Connection, master: Master, *, by: str, because: str) -> Reviewed:
    """Reject a locked candidate under review; the active master stays in use."""
    await _under_review(db, master, pixels=False)
    await reviews.reject(db, master.id, by=by, because=f"rejected by a person: {because}")
    return Reviewed(MasterState.REJECTED)


async def recall(db: Connection, master: Master, *, by: str, because: str) -> Reviewed:
    """Take a locked master out of use; the newest older one of its group is in use again where it was active."""
    if master.state not in {MasterState.ACTIVE, MasterState.SUPERSEDED}:
        raise NotNowError(f"only a master that is or was in use can be recalled; this one is {master.state}")
    lights, count = await reviews.lights_of(db, master.id, limit=LISTED)
    await reviews.recall(db, master.id, by=by, because=because)
    flats = await reviews.doubt_flats(db, master, because=because)
    was_active = master.state is MasterState.ACTIVE
    reinstated = await reviews.reinstate(db, master) if was_active else None
    keys = await light_sets.forget_calibrated(db, master.observatory_id, [master.id], drop_sets=True)
    fact = MasterRecalled(
        observatory=(await _observatory(db, master)).slug, master_id=master.id, frame_type=master.frame_type,
        group_key=master.group_key, reason=because, lights=count, reinstated=reinstated,
    )  # fmt: skip
    told = [await outbox.put(db, MASTER_RECALLED, fact)]
    freed = sorted(await masters.components(db, master.id))
    return Reviewed(MasterState.REJECTED, [], reinstated, freed, flats, lights, count, told, keys)


async def _under_review(db: Connection, master: Master, *, pixels: bool = True) -> None:
    if master.state is not MasterState.NEEDS_REVIEW:
        raise NotNowError(f"only a master that needs review can be decided about; this one is {master.state}")
    if pixels and not await reviews.has_pixels(db, master.id):
        raise NotNowError("the file of this master is gone, so it cannot be used")


async def _observatory(db: Connection, master: Master) -> Observatory:
    found = await observatories.get(db, master.observatory_id)
    if found is None:
        raise AssertionError("a master without its observatory")
    return found


def _job_of(master: Master) -> UUID:
    """Return the job that made a master; that of an upload is told in its provenance."""
    if master.job_id is not None:
        return master.job_id
    told = master.statistics.get("upload", {}).get("job_id")
    return UUID(told) if told else master.id


async def redo_lights(runtime: Runtime, *, at_most: int | None = None) -> int:
    """Order lights measured with recalled masters to be processed again, on the lane that waits; return how many."""
    total = 0
    while at_most is None or total < at_most:
        async with runtime.pool.acquire() as db, db.transaction():
            outgoing = [
                message
                for frame_id, place in await reviews.to_redo(db, list(CALIBRATED_BY), limit=AT_ONCE)
                for message in await order_again(db, frame_id, place)
            ]
        if not outgoing:
            break
        await runtime.bus.publish(outgoing)
        total += len(outgoing)
    return total


async def order_again(
    db: Connection, frame_id: UUID, observatory_id: UUID, *, owner: str = OWNER
) -> list[Outgoing]:  # fmt: skip
    """Order what depends on masters to be done again for a light, behind all other work; nothing if it is ordered."""
    observatory = await observatories.get(db, observatory_id)
    if observatory is None:
        return []
    planned = tuple(one for one in LIGHT_ITINERARY if one in CALIBRATED_BY and one not in observatory.modules_off)
    job_id = uuid4()
    if not planned or not await jobs.create(
        db, job_id, observatory_id, frame_id=frame_id, kind=JobKind.REPROCESS, lane=Lane.BULK, owner=owner
    ):
        return []
    order = WorkOrder(
        observatory=observatory.slug, observatory_id=observatory_id, job_id=job_id, frame_id=frame_id,
        module=planned[0], lane=Lane.BULK, itinerary=planned[1:],
    )  # fmt: skip
    return [await give_first(db, order)]
