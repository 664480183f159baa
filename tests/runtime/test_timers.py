"""The sweep comes in time, once for all replicas, and comes again after whatever happened to its timer."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

from faststream import FastStream
from faststream.nats import NatsBroker

from pictor.contracts.parked import SweepDue
from pictor.contracts.subjects import STREAM_TIMERS, SWEEP_DUE
from pictor.runtime import keepers
from pictor.runtime.consuming import listen
from pictor.runtime.hosting import CreateApp, serving
from pictor.runtime.provision import CALIBRATION_SWEEP, SCHEDULE_SUBJECT, provision
from pictor.runtime.runtime import Runtime
from tests.support.flow import Flow

EVERY_S = 1


def quick(flow: Flow) -> Runtime:
    """The same runtime with a sweep every second."""
    return replace(flow.runtime, settings=flow.runtime.settings.model_copy(update={"sweep_seconds": EVERY_S}))


async def test_two_replicas_sweep_every_tick_once_and_never_at_the_same_time(flow: Flow) -> None:
    swept: list[str] = []
    at_once = most = 0

    def replica(name: str) -> CreateApp:
        async def sweep(_due: SweepDue, _runtime: Runtime) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.3)
            at_once -= 1
            swept.append(name)

        def create_app(broker: NatsBroker, runtime: Runtime) -> FastStream:
            listen(broker, runtime, SWEEP_DUE, CALIBRATION_SWEEP, sweep)
            return FastStream(broker)

        return create_app

    runtime = quick(flow)
    await provision(runtime.bus.js, runtime.settings)
    async with AsyncExitStack() as stack:
        for name in ("one", "two"):
            await stack.enter_async_context(serving(runtime, replica(name)))
        async with asyncio.timeout(60):
            while len(swept) < 5:
                await asyncio.sleep(0.05)
    ticks = (await runtime.bus.js.stream_info(STREAM_TIMERS)).state.last_seq - 1
    print(f"{ticks} ticks, swept {len(swept)} times: {swept}")
    assert most == 1
    assert len(swept) <= ticks


async def test_a_lost_timer_is_made_anew_and_ticks(flow: Flow) -> None:
    runtime = quick(flow)
    js = runtime.bus.js
    await js.purge_stream(STREAM_TIMERS)
    assert await keepers.watch_bus(runtime) == [f"the timer {SCHEDULE_SUBJECT} is gone"]
    pull = await js.pull_subscribe_bind(CALIBRATION_SWEEP, STREAM_TIMERS)
    for _ in range(2):
        (message,) = await pull.fetch(1, timeout=10)
        assert SweepDue.decode(message.data)
        await message.ack()


async def test_a_deleted_timer_stream_comes_back_with_its_timer(flow: Flow) -> None:
    runtime = quick(flow)
    await runtime.bus.js.delete_stream(STREAM_TIMERS)
    await keepers.watch_bus(runtime)
    assert await keepers.watch_bus(runtime) == []
    pull = await runtime.bus.js.pull_subscribe_bind(CALIBRATION_SWEEP, STREAM_TIMERS)
    assert await pull.fetch(1, timeout=10)
