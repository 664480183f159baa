"""The preview handler."""

from pictor.contracts.frames import FramePreviewed
from pictor.contracts.subjects import FRAME_PREVIEWED
from pictor.contracts.work import WorkOrder
from pictor.preview.products import keep_all, sources
from pictor.runtime.runtime import Runtime
from pictor.runtime.step import open_step

TIMEOUT_S = 120.0


async def preview(order: WorkOrder, runtime: Runtime) -> None:
    """Render a frame's preview products."""
    async with open_step(runtime, order) as step:
        frame = await step.frame()
        arguments = await sources(step, frame)
        found = await step.compute("pictor.preview.compute:render", timeout_s=TIMEOUT_S, **arguments)
        await keep_all(step, found)
        step.announce(FRAME_PREVIEWED, FramePreviewed.of(order))
