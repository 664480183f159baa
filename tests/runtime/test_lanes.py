"""High before live before bulk, and bulk never starves."""

import asyncio

from pictor.contracts.modules import Lane
from pictor.runtime.lanes import BULK_SHARE, Gate


async def _order_of_service(waiting: list[Lane]) -> list[Lane]:
    gate, served = Gate(1), []

    async def one(lane: Lane) -> None:
        async with gate.slot(lane):
            served.append(lane)

    async with gate.slot(Lane.LIVE):
        tasks = [asyncio.create_task(one(lane)) for lane in waiting]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    return served


async def test_a_reprocess_overtakes_everything_that_waits() -> None:
    served = await _order_of_service([Lane.BULK, Lane.LIVE, Lane.HIGH])
    assert served == [Lane.HIGH, Lane.LIVE, Lane.BULK]


async def test_bulk_is_served_at_least_once_in_ten_grants() -> None:
    served = await _order_of_service([Lane.BULK, *[Lane.LIVE] * 30])
    assert served.index(Lane.BULK) < BULK_SHARE


async def test_a_waiter_that_gives_up_leaves_its_place_to_others() -> None:
    gate = Gate(1)
    async with gate.slot(Lane.LIVE):
        impatient = asyncio.create_task(gate.slot(Lane.HIGH).__aenter__())
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
    async with asyncio.timeout(1), gate.slot(Lane.BULK):
        pass
