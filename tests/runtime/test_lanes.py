"""High before live before bulk, and bulk never starves."""

import asyncio

from pictor.contracts.modules import Lane, Module
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


async def test_slow_solves_leave_a_slot_to_other_modules() -> None:
    gate, release = Gate(3), asyncio.Event()

    async def solve() -> None:
        async with gate.slot(Lane.LIVE, Module.ASTROMETRY):
            await release.wait()

    solving = [asyncio.create_task(solve()) for _ in range(3)]
    await asyncio.sleep(0)
    async with asyncio.timeout(1), gate.slot(Lane.BULK, Module.PREVIEW), gate.slot(Lane.BULK, Module.QUALITY):
        pass
    release.set()
    await asyncio.gather(*solving)


async def test_a_reprocessed_solve_overtakes_those_that_wait() -> None:
    gate, served = Gate(1), []

    async def solve(lane: Lane) -> None:
        async with gate.slot(lane, Module.ASTROMETRY):
            served.append(lane)
            await asyncio.sleep(0)

    await asyncio.gather(*(solve(lane) for lane in (Lane.LIVE, Lane.BULK, Lane.LIVE, Lane.HIGH)))
    assert served == [Lane.LIVE, Lane.HIGH, Lane.LIVE, Lane.BULK]
