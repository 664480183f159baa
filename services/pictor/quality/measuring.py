"""What the quality service asks of the pixels, and what it keeps."""

from pathlib import Path
from typing import Any

from pictor.contracts.frames import ProductKind
from pictor.contracts.quality import FrameMeasured, Grade, Quality
from pictor.imaging.quality.grading import Metrics, baseline_of
from pictor.quality.grading import grade
from pictor.runtime.fetching import choose_masters
from pictor.runtime.filters import names_of_filter
from pictor.runtime.local import believed_scale, local_frame
from pictor.runtime.step import Step
from pictor.state import masters, observatories, quality
from pictor.state.frames import Frame


async def sources(step: Step, frame: Frame) -> dict[str, Any]:
    """Return the arguments for measuring a frame: its pixels, and the masters it gets."""
    chosen = await choose_masters(step, frame)
    job = step.order.job_id
    step.save(masters.save_use, frame.id, job, chosen.ids, weak=chosen.weak, explanation=chosen.explanation)
    described = frame.description or {}
    rig = await step.read(observatories.rig, frame.rig_id) if frame.rig_id else None
    return {
        "path": str(await local_frame(step, frame)),
        "scratch": str(step.scratch),
        "egain": (rig.egain if rig else None) or described.get("egain"),
        "saturation_adu": described.get("saturation_adu"),
        "bayer": described.get("bayer"),
        "dark_path": chosen.paths.get("dark"),
        "flat_path": chosen.paths.get("flat"),
    }


async def keep_results(step: Step, frame: Frame, found: dict[str, Any]) -> FrameMeasured:
    """Keep the numbers, the star list and the grade; return the fact to announce."""
    measured = Quality.model_validate(found["quality"])
    details = {"metrics": found["quality"], "stars": found["stars"], "applied": found["applied"]}
    step.save(quality.save_quality, frame.id, step.order.job_id, measured, details)
    await step.keep(ProductKind.STARS, Path(found["stars_path"]), "application/fits", parameters=found["stars"])
    graded = await _grade(step, frame, found["quality"])
    if graded is not None:
        step.save(quality.save_grade, frame.id, step.order.job_id, graded, by=None)
    return FrameMeasured.from_result(step.order, measured, graded)


async def _grade(step: Step, frame: Frame, metrics: dict[str, Any]) -> Grade | None:
    """Grade a single exposure against its accepted peers; stacks are shown, not graded."""
    if frame.is_master:
        return None
    names = await step.read(names_of_filter, frame)
    peers = await step.read(quality.peers, frame.id, names, before=frame.night)
    of_rig = await step.read(quality.peers, frame.id, names, before=frame.night, any_target=True)
    guiding = (frame.metadata.get("guiding") or {}).get("rms_total_px")
    rig = await step.read(observatories.rig, frame.rig_id) if frame.rig_id else None
    known = {**metrics, "guiding_rms_px": guiding, "scale_arcsec": believed_scale(frame, rig)}
    return grade(Metrics.of(known), baseline_of(peers), rig=baseline_of(of_rig))
