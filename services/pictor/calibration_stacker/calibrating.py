"""A light calibrated on demand: its masters chosen and fetched, its product kept under the key of all that."""

from pathlib import Path
from typing import Any

from pictor.calibration_stacker.sensor import place_of
from pictor.contracts.frames import ProductKind
from pictor.contracts.work import WorkOrder
from pictor.imaging.errors import ImagingError
from pictor.runtime.calibrated import Plan, plan
from pictor.runtime.fetching import master_file
from pictor.runtime.local import local_frame
from pictor.runtime.runtime import Runtime
from pictor.runtime.step import Step, open_step
from pictor.runtime.version import SOFTWARE
from pictor.state import wishes
from pictor.state.frames import Frame

TIMEOUT_S = 900.0


async def calibrate(order: WorkOrder, runtime: Runtime) -> None:
    """Calibrate a light with the masters its set has now, and keep the result until a master of it is replaced."""
    async with open_step(runtime, order) as step:
        frame = await step.frame()
        kind = await step.read(wishes.of_job, order.job_id)
        if kind is None:
            raise ImagingError("the job does not say what to make of the light; ask for it again", reason="no-wish")
        wanted = await step.read(plan, frame, cosmics=kind is ProductKind.CALIBRATED_CLEAN, keep=True)
        arguments = await _arguments(step, frame, wanted)
        found = await step.compute(
            "pictor.calibration_stacker.compute:calibrate", timeout_s=TIMEOUT_S, **arguments
        )  # fmt: skip
        told = {name: value for name, value in found.items() if name != "path"}
        await step.keep(
            wanted.kind, Path(found["path"]), "application/fits", parameters={**wanted.parameters, "made": told}
        )  # fmt: skip


async def _arguments(step: Step, frame: Frame, wanted: Plan) -> dict[str, Any]:
    """Fetch the light and its masters; say in the header which they are."""
    names = {place: f"{master.frame_type} {master.id}" for place, master in wanted.choice.applied.items()}
    return {
        "path": str(await local_frame(step, frame)),
        "scratch": str(step.scratch),
        "masters": {place: await master_file(step, product) for place, product in wanted.files.items()},
        "identities": names,
        "sha256s": {place: wanted.files[place].sha256 for place in names},
        "bad_pixel_list": wanted.bad_pixel_list,
        "sensor": place_of(frame.description or {}),
        "cosmics": wanted.cosmics,
        "software": SOFTWARE,
        "weak": wanted.choice.weak,
        **wanted.detector,
    }
