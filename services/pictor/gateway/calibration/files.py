"""Files of the calibration library, what a master is made of, and the lights it was used for."""

import re
from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import Parameter
from litestar.response import Redirect
from pydantic import BaseModel, Field

from pictor.contracts.frames import ProductKind
from pictor.gateway.calibration.library import READ, own_entry
from pictor.gateway.downloads import FILE, PRESIGNED_S, Download
from pictor.gateway.files import Stored, send
from pictor.gateway.paging import Limit, Page, PageNumber, page_of
from pictor.gateway.problems import Http, Problem, not_found
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.state import entries, frames, products
from pictor.state.calibrations import LibraryRow
from pictor.state.database import Connection
from pictor.state.entries import Component


class ComponentView(View):
    """A source of a master; one that was deleted since keeps its name and its digest."""

    frame_id: UUID
    name: str | None
    sha256: str
    deleted: bool
    note: str | None
    taken_at: datetime | None
    exposure_s: float | None
    ccd_temp_c: float | None
    size: int | None
    url: str | None = Field(description="Where to download it; null once it is deleted")


class Components(BaseModel):
    """What a master is made of."""

    master_id: UUID
    ncombine: int
    total: int
    deleted: int
    message: str | None = Field(description="Why sources are missing, where some are")
    items: list[ComponentView]


class LightUseView(View):
    """A light that was measured or calibrated with a master."""

    frame_id: UUID
    name: str
    target: str | None
    filter: str | None
    exposure_s: float | None
    taken_at: datetime | None
    measured: bool
    calibrated: bool = Field(description="A calibrated frame made with it is in the cache")
    weak: bool = Field(description="The light does not state some value of the camera mode")
    used_at: datetime


@get("/calibration/frames/{calibration_id:uuid}/download", guards=READ, opt=FILE, summary="Download calibration frame")
async def download_calibration_frame(
    request: Http, runtime: RuntimeDep, caller: Caller, calibration_id: UUID, *,
    kind: Annotated[ProductKind | None, Parameter(description="Another file of a master, as its detail lists")] = None,
    redirect: Annotated[bool, Parameter(description="Answer 307 to the store's own address, where it has one")] = False,
) -> Download:  # fmt: skip
    """Send a master's FITS file, or an individual frame as it was uploaded."""
    async with runtime.pool.acquire() as db:
        row = await own_entry(db, caller, calibration_id)
        stored = await _stored(db, row, kind)
    if redirect:
        name = re.sub(r"[^A-Za-z0-9._-]", "_", stored.name or "frame")
        address = await runtime.store.presign_get(stored.key, PRESIGNED_S, filename=name)
        if address is not None:
            return Redirect(address, status_code=307)
    return await send(request, runtime, stored)


async def _stored(db: Connection, row: LibraryRow, kind: ProductKind | None) -> Stored:
    if row.is_master:
        wanted = kind or ProductKind.MASTER
        made = (await products.of_master(db, row.id)).get(wanted)
        if made is None:
            raise Problem("not-found", f"The master has no file {wanted}.")
        suffix = "" if wanted is ProductKind.MASTER else f"-{wanted}"
        extension = {"image/png": "png", "image/jpeg": "jpg", "application/json": "json"}.get(made.content_type, "fits")
        name = f"master-{row.name.replace('/', '-')}{suffix}.{extension}"
        return Stored(made.key, made.size, made.sha256, made.content_type, name)
    frame = await frames.get(db, row.id)
    if frame is None:
        raise not_found("calibration frame", row.id)
    if kind is not None:
        raise Problem("not-found", "An individual frame has its own file only; leave kind out.")
    return Stored(frame.raw_key, frame.size, frame.sha256, "application/octet-stream", frame.name)


@get("/calibration/frames/{calibration_id:uuid}/components", guards=READ, summary="Source frames of a master")
async def read_components(runtime: RuntimeDep, caller: Caller, calibration_id: UUID) -> Components:
    """List the frames a master is made of; those deleted since stay named."""
    async with runtime.pool.acquire() as db:
        row = await own_entry(db, caller, calibration_id)
        if not row.is_master:
            raise Problem("not-found", "This is an individual frame; only masters are made of others.")
        found = await entries.components(db, calibration_id)
    deleted = sum(one.deleted for one in found)
    return Components(
        master_id=calibration_id, ncombine=row.ncombine or 0, total=len(found), deleted=deleted,
        message=_missing(row, len(found), deleted), items=[_component(one) for one in found],
    )  # fmt: skip


def _missing(row: LibraryRow, total: int, deleted: int) -> str | None:
    if total == 0 and row.origin == "upload":
        return "This master was uploaded ready-made; the frames it is made of are not in the library."
    if deleted:
        return (
            f"{deleted} of {total} source frames were deleted since. The master is not affected: it keeps their names "
            "and digests, and its pixels."
        )
    return None


def _component(one: Component) -> ComponentView:
    url = None if one.deleted else f"/api/v1/calibration/frames/{one.frame_id}/download"
    known = {name: getattr(one, name) for name in ComponentView.model_fields if name != "url"}
    return ComponentView(**known, url=url)


@get("/calibration/frames/{calibration_id:uuid}/lights", guards=READ, summary="Lights a master was used for")
async def read_lights(
    request: Http, runtime: RuntimeDep, caller: Caller, calibration_id: UUID, *, page: PageNumber = 1, limit: Limit = 50
) -> Page[LightUseView]:
    """List the lights that were measured or calibrated with a master, newest first."""
    async with runtime.pool.acquire() as db:
        row = await own_entry(db, caller, calibration_id)
        if not row.is_master:
            raise Problem("not-found", "This is an individual frame; lights are calibrated with masters.")
        found, total = await entries.lights(db, calibration_id, limit=limit, offset=(page - 1) * limit)
    shown = [LightUseView.model_validate(one) for one in found]
    return page_of(request, shown, page=page, limit=limit, total=total)
