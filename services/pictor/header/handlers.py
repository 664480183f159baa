"""Handlers of the header service: observation facts before, the processed FITS after."""

from pictor.contracts.frames import FrameObserved, FrameProcessed
from pictor.contracts.subjects import FRAME_OBSERVED, FRAME_PROCESSED
from pictor.contracts.work import WorkOrder
from pictor.header.writing import keep_observation, keep_processed, observation_sources, writing_sources
from pictor.runtime.runtime import Runtime
from pictor.runtime.step import open_step

TIMEOUT_S = 60.0


async def observe(order: WorkOrder, runtime: Runtime) -> None:
    """Compute a frame's observation facts."""
    async with open_step(runtime, order) as step:
        frame = await step.frame()
        arguments = await observation_sources(step, frame)
        keep_observation(
            step, frame, await step.compute("pictor.header.compute:observe", timeout_s=TIMEOUT_S, **arguments)
        )
        step.announce(FRAME_OBSERVED, FrameObserved.of(order))


async def write(order: WorkOrder, runtime: Runtime) -> None:
    """Write the processed FITS: new header, the raw data unit byte for byte."""
    async with open_step(runtime, order) as step:
        frame = await step.frame()
        source, arguments = await writing_sources(step, frame)
        found = await step.compute("pictor.header.compute:write", timeout_s=TIMEOUT_S, **arguments)
        await keep_processed(step, source, found)
        step.announce(FRAME_PROCESSED, FrameProcessed.of(order))
