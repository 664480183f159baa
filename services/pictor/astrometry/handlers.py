"""The astrometry handler."""

from pictor.astrometry.solving import keep_results, sources
from pictor.contracts.work import WorkOrder
from pictor.runtime.runtime import Runtime
from pictor.runtime.step import open_step

TIMEOUT_S = 120.0


async def solve(order: WorkOrder, runtime: Runtime) -> None:
    """Solve a light frame from its star list; a failure has a reason class."""
    async with open_step(runtime, order) as step:
        frame = await step.frame()
        arguments = await sources(step, frame)
        found = await step.compute("pictor.astrometry.compute:solve", timeout_s=TIMEOUT_S, **arguments)
        keep_results(step, frame, found)
