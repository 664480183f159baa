"""Mend the flow: leases, runs, jobs, orders and messages."""

from uuid import UUID

from nats.js.errors import NotFoundError

from pictor.cli.repairing.actions import Workshop
from pictor.contracts.jobs import JobFinished
from pictor.contracts.subjects import JOB_FINISHED, STREAM_WORK, WORK
from pictor.contracts.work import WorkOrder
from pictor.runtime.orphans import start_job
from pictor.runtime.relaying import relay_once
from pictor.state import frames, jobs, mending, observatories, outbox
from pictor.state.database import Connection


async def release_leases(workshop: Workshop) -> None:
    """Give back runs whose worker is gone, and order them again at once."""
    for one in list(workshop.found("lease-expired")):
        job_id, module = UUID(one.subject["job"]), one.subject["module"]
        if workshop.dry:
            workshop.would("release-lease", f"{module} of job {job_id}")
            continue
        async with workshop.pool.acquire() as db, db.transaction():
            if await mending.release_lease(db, job_id, module):
                await workshop.did(db, "release-lease", f"{module} of job {job_id}")
                await _order(db, await mending.order_of(db, job_id, module))


async def end_runs(workshop: Workshop) -> None:
    """End open runs of ended jobs."""
    for job_id in set(workshop.jobs("run-of-ended-job")):
        if workshop.dry:
            workshop.would("end-runs", f"job {job_id}")
            continue
        async with workshop.pool.acquire() as db, db.transaction():
            if modules := await mending.end_runs(db, job_id):
                await workshop.did(db, "end-runs", f"job {job_id}", detail=", ".join(modules))


async def close_requests(workshop: Workshop) -> None:
    """Close requests of ended stacks, so that their groups can be stacked again."""
    for job_id in workshop.jobs("request-of-ended-job"):
        if workshop.dry:
            workshop.would("close-request", f"job {job_id}")
            continue
        async with workshop.pool.acquire() as db, db.transaction():
            if await mending.close_request(db, job_id):
                await workshop.did(db, "close-request", f"job {job_id}")


async def close_jobs(workshop: Workshop) -> None:
    """Close jobs of which nothing is left to do, with what their modules achieved."""
    for job_id in workshop.jobs("job-without-work"):
        if workshop.dry:
            workshop.would("close-job", f"job {job_id}")
            continue
        async with workshop.pool.acquire() as db, db.transaction():
            closed = await jobs.close(db, job_id)
            if closed is not None:
                slug, _, frame_id = await mending.place_of(db, job_id)
                state, reasons = closed
                fact = JobFinished(observatory=slug, job_id=job_id, frame_id=frame_id, state=state, reasons=reasons)
                await outbox.put(db, JOB_FINISHED, fact)
                await workshop.did(db, "close-job", f"job {job_id}", detail=str(state))


async def start_jobs(workshop: Workshop) -> None:
    """Make the jobs of frames that have none."""
    for one in list(workshop.found("frame-without-job")):
        frame_id = UUID(one.subject["frame"])
        if workshop.dry:
            workshop.would("start-job", f"frame {frame_id}")
            continue
        async with workshop.pool.acquire() as db, db.transaction():
            frame = await frames.get(db, frame_id)
            if frame is None:
                continue
            await frames.lock_content(db, frame.raw_key)
            observatory = await observatories.get(db, frame.observatory_id)
            _, count = await jobs.page(db, None, frame_id=frame_id, limit=1)
            if observatory is not None and count == 0:
                await start_job(db, observatory, frame_id, frame.sha256, frame.size)
                await workshop.did(db, "start-job", f"frame {frame_id}", observatory=frame.observatory_id)


async def order_unordered(workshop: Workshop) -> None:
    """Order the next module of jobs that wait for nobody."""
    for job_id in workshop.jobs("job-without-order"):
        if workshop.dry:
            workshop.would("order", f"job {job_id}")
            continue
        async with workshop.pool.acquire() as db, db.transaction():
            order = await mending.next_order(db, job_id)
            if await _order(db, order):
                await workshop.did(db, "order", f"job {job_id}", detail=str(order.module) if order else "")


async def order_again(workshop: Workshop) -> None:
    """Give orders again whose message the bus lost."""
    for one in list(workshop.found("run-without-message")):
        job_id, module = UUID(one.subject["job"]), one.subject["module"]
        if workshop.dry:
            workshop.would("order-again", f"{module} of job {job_id}")
            continue
        async with workshop.pool.acquire() as db, db.transaction():
            if await _order(db, await mending.order_of(db, job_id, module)):
                await workshop.did(db, "order-again", f"{module} of job {job_id}")
    if not workshop.dry:
        await _publish(workshop)


async def _order(db: Connection, order: WorkOrder | None) -> bool:
    if order is None:
        return False
    await outbox.put(db, WORK[order.module][order.lane], order)
    return True


async def publish_outbox(workshop: Workshop) -> None:
    """Publish what waits in the outbox."""
    async with workshop.pool.acquire() as db:
        waiting = await outbox.unsent_count(db, older_than_s=30.0)
    if waiting and workshop.dry:
        workshop.would("publish", f"{waiting} messages")
    elif not workshop.dry:
        await _publish(workshop)
        async with workshop.pool.acquire() as db:
            done = waiting - await outbox.unsent_count(db, older_than_s=30.0)
            if done > 0:
                await workshop.did(db, "publish", f"{done} messages")


async def _publish(workshop: Workshop) -> None:
    if workshop.bus is not None:
        while await relay_once(workshop.bus, older_than_s=0.0):
            continue


async def take_off_bus(workshop: Workshop) -> None:
    """Take orders of ended runs off the bus."""
    for one in list(workshop.found("order-of-ended-run")):
        sequence = int(one.subject["sequence"])
        if workshop.dry:
            workshop.would("take-off-bus", f"message {sequence}", one.subject["job"])
            continue
        if workshop.bus is None:
            continue
        try:
            await workshop.bus.js.delete_msg(STREAM_WORK, sequence)
        except NotFoundError:
            continue
        async with workshop.pool.acquire() as db:
            await workshop.did(db, "take-off-bus", f"message {sequence}", detail=one.subject["job"])
