"""The gateway's process under hundreds of slow and vanishing clients."""

import asyncio
import time
from contextlib import AsyncExitStack

from tests.catalogue.http.world import World
from tests.support.raw import Answer, line, read_answer, say

SLOW = 200
GROWTH_MIB = 32
"""Two hundred connections with their buffers; nothing of a body is kept that is not under way to the store."""


async def test_two_hundred_slow_uploads_are_cut_and_hold_nobody_up(world: World, files_before: int) -> None:
    before, kept = world.resident(), await world.kept()
    frame = world.frame(size=400)
    waits: list[float] = []
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(line(world.port)) for _ in range(SLOW)]
        for _, writer in lines:
            writer.write(world.put(frame, sent=frame[:100]))
        answers = [asyncio.create_task(read_answer(reader)) for reader, _ in lines]
        highest = before
        for step in range(10, 500):
            if all(answer.done() for answer in answers):
                break
            for (_, writer), answer in zip(lines, answers, strict=True):
                if not answer.done():
                    writer.write(frame[10 * step : 10 * step + 10])
            begun = time.monotonic()
            assert (await say(world.port, world.put(world.frame()))).status == 201
            waits.append(time.monotonic() - begun)
            highest = max(highest, world.resident())
            await asyncio.sleep(0.1)
        cut = [answer.result() for answer in answers]
    assert {(one.status, one.code, one.headers["connection"]) for one in cut} == {(408, "too-slow", "close")}
    waits.sort()
    print(
        f"{SLOW} slow uploads cut; {len(waits)} healthy ones meanwhile, median {waits[len(waits) // 2] * 1e3:.0f} ms, "
        f"slowest {waits[-1] * 1e3:.0f} ms; memory {before >> 20} -> {highest >> 20} MiB"
    )
    assert highest - before < GROWTH_MIB << 20
    assert (await world.kept()).frames == kept.frames + len(waits)
    assert await world.closed(files_before)
    assert await world.healthy()


async def test_an_upload_whose_answer_is_lost_is_found_again(world: World) -> None:
    raw = world.put(world.frame())
    before = await world.kept()
    async with line(world.port) as (_, writer):
        writer.write(raw)
        await writer.drain()
        await asyncio.sleep(0.5)
    answers = [await say(world.port, raw) for _ in range(2)]
    assert [answer.status for answer in answers][-1] == 200
    assert len({answer.json()["frame_id"] for answer in answers}) == 1
    after = await world.kept()
    assert (after.frames, after.jobs, after.objects) == (before.frames + 1, before.jobs + 1, before.objects + 1)


async def test_clients_that_vanish_anywhere_in_an_upload_leave_nothing(world: World, files_before: int) -> None:
    frame = world.frame(size=200)
    raw, before = world.put(frame), await world.kept()
    for cut in range(100, len(raw) - 1, len(raw) // 25):
        async with line(world.port) as (_, writer):
            writer.write(raw[:cut])
            await writer.drain()
    assert await world.closed(files_before)
    assert await world.kept() == before
    again: Answer = await say(world.port, raw)
    assert again.status == 201
