"""The calibration library, under the addresses and query names of the users' manual."""

from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from litestar import get
from litestar.params import Parameter
from pydantic import Field

from pictor.contracts.access import Role, Scope
from pictor.contracts.frames import FrameType
from pictor.gateway.auth import permit, require
from pictor.gateway.calibration.settings import ages_of, policy_of
from pictor.gateway.observatories import own_observatory
from pictor.gateway.paging import Limit, Page, PageNumber, page_of
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, not_found
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.filters import spelled
from pictor.state import calibrations
from pictor.state.calibrations import LibraryFilter, LibraryRow
from pictor.state.database import Connection

READ = [require(Scope.CALIBRATION_READ, role=Role.MEMBER)]
DAY_S = 86_400.0


class Choice(StrEnum):
    """A truth value as the users' manual writes it."""

    TRUE = "true"
    FALSE = "false"


class LibraryStatus(StrEnum):
    """State of an entry of the library; expired ones are active and over their age."""

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
    expired: bool = Field(description="In use, but older than the settings want masters to be")
    expires_at: datetime | None = Field(description="When an active master begins to count as expired")
    age_days: float | None = Field(description="Since the frames were taken")
    name: str
    rig: str | None
    camera_name: str | None
    camera_mode: str | None
    filter: str | None
    exposure_s: float | None
    gain_setting: float | None
    offset_setting: float | None
    binning_x: int | None
    set_temp_c: float | None = Field(description="Set point, or the sensor's own where there is none")
    rotator_deg: float | None
    ncombine: int | None
    group_key: str | None
    origin: str | None = Field(description="stack or upload, for masters")
    reasons: list[str] = Field(description="Why a master is not in use")
    mastered_by: UUID | None = Field(description="The active master an individual frame is in")
    not_stacked: list[str] | None = Field(description="Why an individual frame is never stacked; null: not judged yet")
    taken_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, row: LibraryRow) -> Self:
        """Show a row of the library."""
        known = {name: getattr(row, name) for name in cls.model_fields if hasattr(row, name)}
        lists = {
            "reasons": list(row.reasons), "not_stacked": None if row.not_stacked is None else list(row.not_stacked)
        }  # fmt: skip
        return cls(
            **known | lists | {"age_days": round((datetime.now(UTC) - row.aged_from).total_seconds() / DAY_S, 3)}
        )


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
        status=None if status is None else str(status),
    )  # fmt: skip
    async with runtime.pool.acquire() as db:
        await own_observatory(db, caller, observatory_id)
        if filter_name is not None:
            wanted = replace(wanted, filters=await spelled(db, [observatory_id], filter_name))
        ages = ages_of(await policy_of(db, observatory_id))
        found = await calibrations.browse(
            db, observatory_id, wanted, ages, limit=limit, offset=(page - 1) * limit
        )  # fmt: skip
    return page_of(
        request, [LibraryEntry.of(row) for row in found.rows], page=page, limit=limit, total=found.total,
        estimated=found.total_estimated,
    )  # fmt: skip


async def own_entry(
    db: Connection, caller: Principal, entry_id: UUID, *, role: Role = Role.MEMBER
) -> LibraryRow:  # fmt: skip
    """Return a master or individual frame the caller may see; any other does not exist."""
    place = await calibrations.place_of(db, entry_id)
    if place is None or caller.role_at(place) is None:
        raise not_found("calibration frame", entry_id)
    ages = ages_of(await policy_of(db, place))
    found = (await calibrations.entries(db, [entry_id], [entry_id], ages)).get(entry_id)
    if found is None:
        raise not_found("calibration frame", entry_id)
    permit(caller, role, place)
    return found
