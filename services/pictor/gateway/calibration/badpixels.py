"""Bad pixels a person knows of: read, replace and remove the list of a rig."""

import asyncio
from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import delete, get, put
from litestar.params import Parameter
from pydantic import BaseModel, ConfigDict, Field

from pictor.contracts.access import Role, Scope
from pictor.gateway import trail
from pictor.gateway.auth import changing, permit, require
from pictor.gateway.bodies import body_of
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem, not_found
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.imaging.calibration.badlist import MAX_CHARACTERS, BadPixelList, parse_bad_pixels
from pictor.imaging.errors import ImagingError
from pictor.state import badpixels, observatories
from pictor.state.badpixels import StoredList
from pictor.state.database import Connection
from pictor.state.observatories import Rig

READ = [require(Scope.CALIBRATION_READ, role=Role.MEMBER)]
Size = tuple[int, int] | None
ADMIN = [require(Scope.CALIBRATION_WRITE, role=Role.OBSERVATORY_ADMIN)]


class BoxView(View):
    """Listed pixels, counted from 1, ends included; 0 as an end: to the edge of the frame."""

    line: int = Field(description="Line of the list that names them")
    row1: int
    row2: int
    column1: int
    column2: int


class BadPixels(View):
    """The list of a rig as it was written."""

    rig_id: UUID
    body: str = Field(description="YAML: columns, rows, rectangles, pixels; counted from 1, ends included")
    entries: int
    version: int = Field(description="0 when nothing is listed")
    changed_by: str | None
    changed_at: datetime | None
    binning: int = Field(default=1, description="Binning of the frames the list counts in")
    rows: int | None = Field(default=None, description="Rows of the rig's sensor; null until a frame tells")
    columns: int | None = Field(default=None, description="Columns of the rig's sensor")
    boxes: list[BoxView] = Field(default=[], description="What is listed, entry by entry")
    dry_run: bool = Field(default=False, description="True when the list was only checked")


class BadPixelsChange(BaseModel):
    """The list from now on."""

    model_config = ConfigDict(extra="forbid")

    body: str = Field(max_length=MAX_CHARACTERS, description="YAML: columns, rows, rectangles, pixels")


@get("/rigs/{rig_id:uuid}/bad-pixels", guards=READ, summary="Listed bad pixels")
async def read_bad_pixels(runtime: RuntimeDep, caller: Caller, rig_id: UUID) -> BadPixels:
    """Return the bad pixels a person listed for a rig; an empty list when nobody did."""
    async with runtime.pool.acquire() as db:
        rig = await _own_rig(db, caller, rig_id)
        return await _answered(db, rig)


@put("/rigs/{rig_id:uuid}/bad-pixels", guards=ADMIN, opt={"body": BadPixelsChange}, summary="List bad pixels")
async def change_bad_pixels(
    request: Http, runtime: RuntimeDep, caller: Caller, rig_id: UUID, *,
    dry_run: Annotated[bool, Parameter(description="Only check the list; nothing is changed")] = False,
) -> BadPixels:  # fmt: skip
    """Replace the list of a rig; it counts from the next master dark and the next calibrated light on."""
    wanted = await body_of(request, BadPixelsChange)
    found = await _checked(wanted.body)
    async with changing(runtime, caller) as db:
        rig = await _own_rig(db, caller, rig_id)
        permit(caller, Role.OBSERVATORY_ADMIN, rig.observatory_id)
        size = await _check_size(db, rig, found)
        if dry_run:
            before = await badpixels.list_of(db, rig.observatory_id, rig.id)
            return _shown(rig, before, wanted.body, found, size).model_copy(update={"dry_run": True})
        await badpixels.save(db, rig.observatory_id, rig_id, wanted.body, changed_by=caller.actor)
        await trail.record(
            db, request, caller, "rig.bad-pixels", str(rig_id), observatory_id=rig.observatory_id,
            detail={"entries": len(found.boxes), "binning": found.binning},
        )  # fmt: skip
        return await _answered(db, rig)


@delete("/rigs/{rig_id:uuid}/bad-pixels", guards=ADMIN, status_code=204, summary="Forget listed bad pixels")
async def forget_bad_pixels(request: Http, runtime: RuntimeDep, caller: Caller, rig_id: UUID) -> None:
    """Remove the list of a rig."""
    async with changing(runtime, caller) as db:
        rig = await _own_rig(db, caller, rig_id)
        permit(caller, Role.OBSERVATORY_ADMIN, rig.observatory_id)
        there = await badpixels.remove(db, rig.observatory_id, rig_id)
        await trail.record(
            db, request, caller, "rig.bad-pixels.remove", str(rig_id), observatory_id=rig.observatory_id,
            detail={"removed": there},
        )  # fmt: skip


async def _own_rig(db: Connection, caller: Principal, rig_id: UUID) -> Rig:
    rig = await observatories.rig(db, rig_id)
    if rig is None or caller.role_at(rig.observatory_id) is None:
        raise not_found("rig", rig_id)
    return rig


async def _answered(db: Connection, rig: Rig) -> BadPixels:
    stored = await badpixels.list_of(db, rig.observatory_id, rig.id)
    size = await badpixels.largest_frame(db, rig.observatory_id, rig.id)
    body = "" if stored is None else stored.body
    return _shown(rig, stored, body, await _checked(body), size)


def _shown(rig: Rig, stored: StoredList | None, body: str, found: BadPixelList, size: Size) -> BadPixels:
    rows, columns = size or (None, None)
    return BadPixels(
        rig_id=rig.id, body=body, entries=len(found.boxes), version=stored.version if stored else 0,
        changed_by=stored.changed_by if stored else None, changed_at=stored.changed_at if stored else None,
        binning=found.binning, rows=rows, columns=columns,
        boxes=[BoxView.model_validate(box) for box in found.boxes],
    )  # fmt: skip


async def _checked(body: str) -> BadPixelList:
    """Read a list beside the event loop; a refusal names the line and what belongs there."""
    try:
        return await asyncio.to_thread(parse_bad_pixels, body)
    except ImagingError as error:
        raise Problem("invalid-value", f"{error}.") from error


async def _check_size(db: Connection, rig: Rig, found: BadPixelList) -> Size:
    """Refuse pixels outside the sensor, as far as frames of the rig tell how large it is."""
    size = await badpixels.largest_frame(db, rig.observatory_id, rig.id)
    if size is None:
        return None
    try:
        found.check((size[0] // found.binning, size[1] // found.binning))
    except ImagingError as error:
        raise Problem("invalid-value", f"{error}.") from error
    return size
