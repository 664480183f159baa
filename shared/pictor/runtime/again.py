"""Give an order again whose message is gone, from what the database remembers."""

import structlog

from pictor.contracts.subjects import WORK
from pictor.contracts.work import WorkOrder
from pictor.runtime import metrics
from pictor.runtime.runtime import Runtime
from pictor.state import outbox, stranded

log = structlog.get_logger()


async def give_again(runtime: Runtime, order: WorkOrder) -> None:
    """Order the same run once more; should the first message appear after all, its claim is refused."""
    async with runtime.pool.acquire() as db, db.transaction():
        message = await outbox.put(db, WORK[order.module][order.lane], order)
        message = await outbox.rename(db, message, f"{order.dedup_id}:again:{message.id}")
    await runtime.bus.publish([message])
    metrics.reissued_total.labels(order.module).inc()
    log.warning("order given again, its message was gone", job=str(order.job_id), module=str(order.module))


async def take_over(runtime: Runtime) -> int:
    """Give again at once what dead workers of this service on this machine had begun; return how many."""
    async with runtime.pool.acquire() as db:
        dead = [name for name in await stranded.workers(db, runtime.worker.kin) if runtime.worker.outlived(name)]
        orders = await stranded.release_of(db, dead)
    for order in orders:
        await give_again(runtime, order)
    if orders:
        log.info("took over from dead workers", workers=len(dead), orders=len(orders))
    return len(orders)
