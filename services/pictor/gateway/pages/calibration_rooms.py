"""The tabs about cameras and those of administrators: detector, bad pixels, settings, stacking jobs, maintenance."""

from typing import Any
from uuid import UUID

from litestar import Response, get

from pictor.contracts.access import Scope
from pictor.gateway.calibration.maintenance import health_of
from pictor.gateway.calibration.settings import shown
from pictor.gateway.pages.calibration_tabs import PAGE, Wanted
from pictor.gateway.pages.rendering import page
from pictor.gateway.pages.visitors import Visitor, within
from pictor.gateway.problems import Problem, not_found
from pictor.gateway.wiring import RuntimeDep
from pictor.runtime.runtime import Runtime
from pictor.state import badpixels, observatories, policies, shelves, stackjobs

LABELS = {
    "min_frames": ("Min frames for master", "frames"),
    "camera_type": ("Camera type", ""),
    "stacking_method": ("Stacking method", ""),
    "sigma_clip_value": ("Sigma clip value", "sigma"),
    "sigma_clip_iterations": ("Sigma clip iterations", "passes"),
    "temperature_tolerance_c": ("Temperature tolerance", "°C"),
    "dark_max_age_days": ("Dark max age", "days"),
    "flat_max_age_days": ("Flat max age", "days"),
    "bias_max_age_days": ("Bias max age", "days"),
    "individual_retention_days": ("Individual frame retention", "days"),
    "master_retention_days": ("Master retention", "days"),
    "flat_rotation": ("Require rotation-matched flats", ""),
    "rotation_tolerance_deg": ("Rotation tolerance", "°"),
    "exposure_tolerance_s": ("Exposure tolerance", "s"),
    "exposure_tolerance_share": ("Exposure tolerance, share", "of the exposure"),
    "flat_dark_exposure_share": ("Flat-dark exposure tolerance, share", "of the exposure"),
    "dark_scale_min": ("Dark scaling, least", "\N{MULTIPLICATION SIGN}"),
    "dark_scale_max": ("Dark scaling, most", "\N{MULTIPLICATION SIGN}"),
    "bias_for_flats_below_s": ("Bias for flats below", "s"),
    "refresh_new_frames": ("New frames for a newer master", "frames"),
    "filters_as_named": ("Filters as named", ""),
    "filter_synonyms": ("Names that are one filter", ""),
    "filters_apart": ("Names that stand for themselves", ""),
}
"""Name and unit of each setting, in the words of the users' manual."""

WHOLE = {name for name in LABELS if name.endswith("_days")} | {
    "min_frames", "sigma_clip_iterations", "refresh_new_frames",
}  # fmt: skip


async def read_settings(runtime: Runtime, observatory_id: UUID, wanted: Wanted) -> dict[str, Any]:
    """Read every setting with its default, range and description."""
    del wanted
    async with runtime.pool.acquire() as db:
        found = shown(await policies.stored(db, observatory_id))
    return {"found": found, "labels": LABELS, "whole": WHOLE}


async def read_detector(runtime: Runtime, observatory_id: UUID, wanted: Wanted) -> dict[str, Any]:
    """Read nothing: the page asks the API for the diary and draws it."""
    del runtime, observatory_id, wanted
    return {}


async def read_pixels(runtime: Runtime, observatory_id: UUID, wanted: Wanted) -> dict[str, Any]:
    """Read the list of bad pixels of one rig, and the master dark it is drawn on."""
    async with runtime.pool.acquire() as db:
        rigs = await observatories.rigs(db, [observatory_id])
        rig = next((one for one in rigs if one.id == wanted.rig), None if wanted.rig else next(iter(rigs), None))
        if rig is None and rigs:
            raise not_found("rig", wanted.rig)
        stored = None if rig is None else await badpixels.list_of(db, observatory_id, rig.id)
        dark = None if rig is None else await shelves.dark_picture(db, observatory_id, rig.id)
    return {"rigs": rigs, "rig": rig, "stored": stored, "dark": dark}


async def read_jobs(runtime: Runtime, observatory_id: UUID, wanted: Wanted) -> dict[str, Any]:
    """Read one page of the stacks asked for, newest first."""
    async with runtime.pool.acquire() as db:
        lines, total = await stackjobs.page(
            db, observatory_id, state=None, limit=PAGE, offset=(wanted.page - 1) * PAGE
        )  # fmt: skip
    return {"lines": lines, "more": wanted.page * PAGE < total}


async def read_maintenance(runtime: Runtime, observatory_id: UUID, wanted: Wanted) -> dict[str, Any]:
    """Read nothing: what maintenance would do is asked for by its buttons, health by a piece of its own."""
    del runtime, observatory_id, wanted
    return {}


@get("/calibration/health", guards=[within(Scope.ADMIN)], include_in_schema=False)
async def show_health(runtime: RuntimeDep, visitor: Visitor) -> Response[str]:
    """Show how all libraries do; the store is asked for every master's file."""
    if not visitor.may_operate:
        raise Problem("forbidden", "This shows all observatories; it is for server administrators.")
    return page("calibration_health.html", found=await health_of(runtime))
