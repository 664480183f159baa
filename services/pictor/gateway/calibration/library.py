"""The calibration library, under the addresses and query names of the users' manual."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import Parameter
from pydantic import BaseModel, Field

from pictor.contracts.access import Role, Scope
from pictor.contracts.frames import FrameType
from pictor.gateway.auth import require
from pictor.gateway.observatories import own_observatory
from pictor.gateway.paging import Limit, Page, PageNumber, page_of
from pictor.gateway.problems import Http
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.state import calibrations
from pictor.state.calibrations import LibraryFilter

READ = [require(Scope.CALIBRATION_READ, role=Role.MEMBER)]


class Choice(StrEnum):
    """A truth value as the users' manual writes it."""

    TRUE = "true"
    FALSE = "false"


class LibraryStatus(StrEnum):
    """State of an entry of the library."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    CANDIDATE = "candidate"
    NEEDS_REVIEW = "needs-review"
    REJECTED = "rejected"


class LibraryEntry(View):
    """A master or an individual calibration frame."""

    id: UUID
    is_master: bool
    frame_type: FrameType
    status: str
    name: str
    camera_name: str | None
    filter: str | None
    exposure_s: float | None
    gain_setting: float | None
    offset_setting: float | None
    binning_x: int | None
    set_temp_c: float | None
    ncombine: int | None
    group_key: str | None
    taken_at: datetime | None
    created_at: datetime


class Configuration(View):
    """One configuration and its individual frames."""

    frame_type: FrameType
    camera_name: str | None
    filter: str | None
    exposure_s: float | None
    gain_setting: float | None
    offset_setting: float | None
    binning_x: int | None
    set_temp_c: float | None
    individual_frames: int
    unmastered_frames: int = Field(description="Not part of an active master")


class LibrarySummary(BaseModel):
    """How much an observatory's library holds."""

    masters: dict[str, int] = Field(description="Masters by state")
    configurations: list[Configuration]


@get("/calibration/library/{observatory_id:uuid}", guards=READ, summary="Calibration library")
async def read_library(
    request: Http, runtime: RuntimeDep, caller: Caller, observatory_id: UUID, *,
    page: PageNumber = 1, limit: Limit = 50, is_master: Choice | None = None, exclude_mastered: Choice | None = None,
    frame_type: FrameType | None = None, camera_name: Annotated[str | None, Parameter(max_length=200)] = None,
    filter_name: Annotated[str | None, Parameter(query="filter", max_length=200)] = None,
    status: LibraryStatus | None = None,
) -> Page[LibraryEntry]:  # fmt: skip
    """List masters and individual calibration frames, newest first."""
    wanted = LibraryFilter(
        is_master=None if is_master is None else is_master is Choice.TRUE,
        exclude_mastered=exclude_mastered is Choice.TRUE, frame_type=frame_type, camera_name=camera_name,
        filter=filter_name, status=None if status is None else str(status),
    )  # fmt: skip
    async with runtime.pool.acquire() as db:
        await own_observatory(db, caller, observatory_id)
        rows, total = await calibrations.library(
            db, observatory_id, wanted, limit=limit, offset=(page - 1) * limit
        )  # fmt: skip
    return page_of(request, [LibraryEntry.model_validate(row) for row in rows], page=page, limit=limit, total=total)


@get("/calibration/summary/{observatory_id:uuid}", guards=READ, summary="Calibration summary")
async def read_summary(runtime: RuntimeDep, caller: Caller, observatory_id: UUID) -> LibrarySummary:
    """Count masters by state, and individual frames by configuration."""
    async with runtime.pool.acquire() as db:
        await own_observatory(db, caller, observatory_id)
        counts = await calibrations.master_counts(db, observatory_id)
        found = await calibrations.configurations(db, observatory_id)
    return LibrarySummary(masters=counts, configurations=[Configuration.model_validate(one) for one in found])
