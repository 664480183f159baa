"""The quality handler."""

from pictor.contracts.subjects import FRAME_MEASURED
from pictor.contracts.work import WorkOrder
from pictor.quality.measuring import keep_results, sources
from pictor.runtime.runtime import Runtime
from pictor.runtime.step import open_step

TIMEOUT_S = 180.0


async def measure(order: WorkOrder, runtime: Runtime) -> None:
    """Measure a light frame, keep the numbers and the star list, tell everyone."""
    async with open_step(runtime, order) as step:
        frame = await step.frame()
        arguments = await sources(step, frame)
        found = await step.compute("pictor.quality.compute:measure", timeout_s=TIMEOUT_S, **arguments)
        step.announce(FRAME_MEASURED, await keep_results(step, frame, found))
