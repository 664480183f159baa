"""Handlers of the calibration-stacker: a frame came in, a master was made, the sweep is due, stack a group."""

from pictor.calibration_stacker.adopting import adopt
from pictor.calibration_stacker.ordering import keep_master, sources
from pictor.contracts.frames import CALIBRATION_TYPES, FrameIngested, FrameType
from pictor.contracts.masters import MasterCreated
from pictor.contracts.parked import SweepDue
from pictor.contracts.work import WorkOrder
from pictor.runtime.runtime import Runtime
from pictor.runtime.stacking.triggers import evaluate, sweep
from pictor.runtime.step import open_step
from pictor.state import frames, individuals, masters

TIMEOUT_S = 1800.0


async def on_ingested(fact: FrameIngested, runtime: Runtime) -> None:
    """Re-evaluate the groups a new individual frame may have completed."""
    if fact.frame_type not in CALIBRATION_TYPES:
        return
    frame = await frames.get(runtime.pool, fact.frame_id)
    if frame is not None and frame.camera_mode is not None:
        await evaluate(runtime, frame.observatory_id, frame.camera_mode)


async def on_master(fact: MasterCreated, runtime: Runtime) -> None:
    """Re-evaluate the groups that may have waited for this master."""
    master = await masters.get(runtime.pool, fact.master_id)
    if master is not None:
        if master.frame_type is not FrameType.FLAT:
            await individuals.forget_flats(runtime.pool, master.observatory_id, master.camera_mode)
        await evaluate(runtime, master.observatory_id, master.camera_mode)


async def on_sweep(_fact: SweepDue, runtime: Runtime) -> None:
    """Catch what trigger and restart may have missed."""
    await sweep(runtime)


async def stack(order: WorkOrder, runtime: Runtime) -> None:
    """Make a candidate of a group's frames or of an uploaded master, judge it, and let it replace the old master."""
    async with open_step(runtime, order) as step:
        if order.frame_id is not None:
            await adopt(step)
            return
        made_of, arguments = await sources(step)
        found = await step.compute("pictor.calibration_stacker.compute:stack", timeout_s=TIMEOUT_S, **arguments)
        await keep_master(step, made_of, found)
