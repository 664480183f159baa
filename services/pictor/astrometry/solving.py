"""What the astrometry service asks of a solver, and what it keeps."""

from typing import Any

from pictor.contracts.frames import ProductKind
from pictor.contracts.solutions import FrameSolved, FrameUnsolved, Solution
from pictor.contracts.subjects import FRAME_SOLVED, FRAME_UNSOLVED
from pictor.imaging.errors import ImagingError
from pictor.runtime.local import believed_scale
from pictor.runtime.step import Step
from pictor.state import observatories, products, quality, solutions
from pictor.state.frames import Frame

NOT_CONFIGURED = frozenset({"not-configured", "solver-unavailable"})
"""Reasons that are a visible state with a remedy, not a failed frame."""


async def sources(step: Step, frame: Frame) -> dict[str, Any]:
    """Return the arguments for solving a frame: its star list and every hint there is."""
    stars = (await step.read(products.of_frame, frame.id)).get(ProductKind.STARS)
    if stars is None:
        raise ImagingError("the frame has no star list; measure its quality first", reason="no-star-list")
    described, settings = frame.description or {}, step.runtime.settings
    rig = await step.read(observatories.rig, frame.rig_id) if frame.rig_id else None
    measured = await step.read(quality.quality_of, frame.id)
    mount = _pair(described.get("ra_deg"), described.get("dec_deg"))
    target = _pair(described.get("target_ra_deg"), described.get("target_dec_deg"))
    return {
        "stars_path": str(await step.fetch(stars.key, stars.sha256)),
        "scratch": str(step.scratch),
        "position": mount or target,
        "scale_arcsec": believed_scale(frame, rig),
        "parity": None,
        "target": target,
        "mount": mount,
        "index_dirs": [str(settings.index_dir)] if settings.index_dir else [],
        "solvers": list(settings.solver_order),
        "wall_s": settings.solve_seconds,
        "astap_database": str(settings.astap_database) if settings.astap_database else None,
        "exposure_s": described.get("exposure_s"),
        "background_adu": measured[0].background_adu if measured else None,
        "pedestal_removed": measured is not None and "dark" in measured[1].get("applied", ()),
    }


def keep_results(step: Step, frame: Frame, found: dict[str, Any]) -> None:
    """Record a verified solution, or say why there is none."""
    if found["solution"] is not None:
        solution = Solution.model_validate(found["solution"] | (found["photometry"] or {}))
        details = {name: found[name] for name in ("attempts", "star_count", "photometry")} | {"full": found["solution"]}
        step.save(
            solutions.save_solution, frame.id, step.order.job_id, solution,
            healpix=found["solution"].get("healpix"), cards=found["cards"], details=details,
        )  # fmt: skip
        step.announce(FRAME_SOLVED, FrameSolved.from_result(step.order, solution))
        return
    reason, message = found["reason"], found["message"]
    if reason in NOT_CONFIGURED:
        step.skip(reason, message)
    else:
        step.fail(reason, message)
    step.announce(FRAME_UNSOLVED, FrameUnsolved.from_failure(step.order, reason, message))


def _pair(ra: float | None, dec: float | None) -> list[float] | None:
    return None if ra is None or dec is None else [ra, dec]
