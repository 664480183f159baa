"""Mend the store: orphans deleted or adopted, scratch folders removed, damaged products made again."""

import asyncio
import shutil
from pathlib import Path
from uuid import UUID, uuid4

from pictor.cli.checking.findings import Violation
from pictor.cli.repairing.actions import Action, Workshop
from pictor.contracts.frames import ProductKind
from pictor.contracts.jobs import JobKind, JobState
from pictor.contracts.modules import LIGHT_ITINERARY, Lane, Module
from pictor.contracts.work import WorkOrder
from pictor.runtime.orphans import Sweeper, aside
from pictor.runtime.passing import give_first
from pictor.state import frames, jobs, light_sets
from pictor.state.frames import Frame
from pictor.state.light_sets import CALIBRATED

MADE_BY = {
    ProductKind.STORED: Module.INGEST,
    ProductKind.STARS: Module.QUALITY,
    ProductKind.WCS: Module.ASTROMETRY,
    ProductKind.PROCESSED: Module.QUALITY_HEADERS,
}
"""What makes a product of a frame; all others are made by the preview."""

OPEN = (JobState.PENDING, JobState.RUNNING)

DAMAGED = ("product-missing", "product-truncated", "product-damaged", "product-unreadable")


async def sweep(workshop: Workshop) -> None:
    """Delete what belongs to nothing; register frames whose upload was cut off."""
    if not any(True for _ in workshop.found("orphan-object", "orphan-frame")):
        return
    place = workshop.access
    sweeper = Sweeper(
        place.pool, place.store, place.bus, actor=workshop.actor, grace_s=workshop.wishes.grace_s, dry=workshop.dry
    )
    swept = await sweeper.sweep()
    workshop.actions += [Action("delete-orphan", key) for key in swept.deleted]
    for key, frame_id in swept.adopted.items():
        workshop.actions.append(Action("adopt-frame", key, "" if workshop.dry else f"frame {frame_id}"))
    workshop.report.notes += [f"{key} is left alone: {why}" for key, why in swept.kept.items()]


async def set_aside(workshop: Workshop) -> None:
    """Keep damaged bytes of a frame under another key: while they hold its place the frame cannot be sent again."""
    store = workshop.access.store
    for one in list(workshop.found("frame-damaged", "frame-truncated")):
        key = one.subject["key"]
        if workshop.dry:
            workshop.would("set-aside", key, aside(key))
            continue
        await store.put_stream(aside(key), store.open_range(key), None)
        await store.delete(key)
        async with workshop.pool.acquire() as db:
            await workshop.did(db, "set-aside", key, detail=aside(key))


async def remove_scratch(workshop: Workshop) -> None:
    """Remove folders of killed workers."""
    for one in list(workshop.found("scratch-left")):
        folder = Path(one.subject["folder"])
        if workshop.dry:
            workshop.would("remove-scratch", str(folder))
            continue
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        async with workshop.pool.acquire() as db:
            await workshop.did(db, "remove-scratch", str(folder))


async def recompose(workshop: Workshop) -> None:
    """Order the modules again whose products are missing or damaged; a damaged object makes room for the new one."""
    wanted: dict[UUID, set[Module]] = {}
    for one in list(workshop.found(*DAMAGED)):
        if _kind(one) in CALIBRATED:
            await _forget(workshop, one)
            continue
        wanted.setdefault(UUID(one.subject["frame"]), set()).add(_maker(one))
    for one in workshop.found("result-missing"):
        wanted.setdefault(UUID(one.subject["frame"]), set()).add(Module(one.subject["module"]))
    for frame_id, modules in wanted.items():
        planned = tuple(module for module in LIGHT_ITINERARY if module in modules)
        if workshop.dry:
            workshop.would("recompose", f"frame {frame_id}", ", ".join(planned))
        else:
            await _order(workshop, frame_id, planned)


def _kind(one: Violation) -> ProductKind:
    return ProductKind(one.sentence.split(" of frame ")[0])


def _maker(one: Violation) -> Module:
    return MADE_BY.get(_kind(one), Module.PREVIEW)


async def _forget(workshop: Workshop, one: Violation) -> None:
    """Forget a calibrated light: it is a cache, and made anew when somebody asks for it."""
    key = one.subject["key"]
    if workshop.dry:
        workshop.would("forget", key)
        return
    async with workshop.pool.acquire() as db, db.transaction():
        await light_sets.forget_one(db, key)
        await workshop.did(db, "forget", key)
    await workshop.access.store.delete(key)


async def _order(workshop: Workshop, frame_id: UUID, planned: tuple[Module, ...]) -> None:
    """Order modules of a frame again, unless it is being processed: then what is missing may be on its way."""
    async with workshop.pool.acquire() as db, db.transaction():
        frame = await frames.get(db, frame_id)
        if frame is None:
            return
        await frames.lock_content(db, frame.raw_key)
        running = [await jobs.page(db, None, frame_id=frame_id, state=state, limit=1) for state in OPEN]
        if any(total for _, total in running):
            return
        job_id = uuid4()
        if not await jobs.create(
            db, job_id, frame.observatory_id, frame_id=frame_id, kind=JobKind.REPROCESS, lane=Lane.HIGH,
            owner=workshop.actor,
        ):  # fmt: skip
            return
        message = await give_first(db, _work(frame, job_id, planned))
        detail = f"{', '.join(planned)}: job {job_id}"
        await workshop.did(db, "recompose", f"frame {frame_id}", detail=detail, observatory=frame.observatory_id)
    for one in workshop.found(*DAMAGED):
        if one.subject.get("frame") == str(frame_id):
            await workshop.access.store.delete(one.subject["key"])
    if workshop.bus is not None:
        await workshop.bus.publish([message])


def _work(frame: Frame, job_id: UUID, planned: tuple[Module, ...]) -> WorkOrder:
    return WorkOrder(
        observatory=frame.observatory, observatory_id=frame.observatory_id, job_id=job_id, frame_id=frame.id,
        module=planned[0], lane=Lane.HIGH, itinerary=planned[1:],
    )  # fmt: skip
