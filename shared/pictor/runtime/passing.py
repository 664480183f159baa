"""The end of a module run: hand the job on along its itinerary, or close it."""

from collections.abc import Sequence

from pictor.contracts.jobs import JobFinished, ModuleFinished
from pictor.contracts.messages import utc_now
from pictor.contracts.modules import Module, RunState
from pictor.contracts.subjects import JOB_FINISHED, MODULE_FINISHED, WORK
from pictor.contracts.work import WorkOrder
from pictor.runtime.itinerary import next_stop
from pictor.state import jobs, outbox, runs
from pictor.state.database import Connection
from pictor.state.outbox import Draft, Outgoing


async def close_or_pass_on(
    db: Connection, order: WorkOrder, itinerary: tuple[Module, ...], *,
    state: RunState, reason: str | None, message: str | None, duration_s: float | None, told: Sequence[Draft] = (),
) -> list[Outgoing]:  # fmt: skip
    """Announce what is told and the module's end, then write the next order or close the job.

    All in the caller's transaction, all messages in one statement.
    """
    ended = ModuleFinished(
        observatory=order.observatory, job_id=order.job_id, frame_id=order.frame_id, module=order.module, state=state,
        reason=reason, message=message, duration_s=duration_s, run=order.run,
    )  # fmt: skip
    drafts = [*told, outbox.draft(MODULE_FINISHED, ended)]
    coming = next_stop(itinerary, await runs.states(db, order.job_id) if itinerary else {})
    if coming.skipped:
        await runs.end_waiting(
            db, order.job_id, list(coming.skipped), state=RunState.SKIPPED, reason="needed-module-failed",
            message=f"not run, because {order.module} did not succeed",
        )  # fmt: skip
    if coming.module is not None:
        return await outbox.put_all(db, [*drafts, _following(order, coming.module, coming.rest)])
    closed = await jobs.close(db, order.job_id)
    if closed is not None:
        job_state, reasons = closed
        fact = JobFinished(
            observatory=order.observatory,
            job_id=order.job_id,
            frame_id=order.frame_id,
            state=job_state,
            reasons=reasons,
        )
        drafts.append(outbox.draft(JOB_FINISHED, fact))
    return await outbox.put_all(db, drafts)


def _following(order: WorkOrder, module: Module, rest: tuple[Module, ...]) -> Draft:
    """Write the order for another module of the same job."""
    following = order.model_copy(update={"module": module, "itinerary": rest, "run": 1, "issued_at": utc_now()})
    return outbox.draft(WORK[module][order.lane], following)


async def give_first(db: Connection, order: WorkOrder) -> Outgoing:
    """Plan a new job's runs and write its first order; the job row must exist."""
    await runs.plan(db, order.job_id, (order.module, *order.itinerary))
    return await outbox.put(db, WORK[order.module][order.lane], order)
