"""The ingest handler."""

from pictor.contracts.work import WorkOrder
from pictor.imaging.errors import ImagingError
from pictor.ingest.registration import quarantine, register
from pictor.runtime.runtime import Runtime
from pictor.runtime.step import open_step

TIMEOUT_S = 60.0


async def ingest(order: WorkOrder, runtime: Runtime) -> None:
    """Verify, describe and register a frame; what cannot be one is kept in quarantine with its reason."""
    async with open_step(runtime, order) as step:
        frame = await step.frame()
        try:
            path = await step.fetch(frame.raw_key, frame.sha256)
            place = {"path": str(path), "name": frame.name, "scratch": str(step.scratch)}
            await register(
                step, frame, await step.compute("pictor.ingest.compute:describe", timeout_s=TIMEOUT_S, **place)
            )
        except ImagingError as error:
            quarantine(step, frame, reason=error.reason, message=str(error))
