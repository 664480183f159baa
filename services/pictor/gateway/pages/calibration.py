"""The page of the calibration library: one observatory, one tab."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get
from litestar.params import Parameter

from pictor.contracts.access import Role, Scope
from pictor.contracts.frames import FrameType
from pictor.gateway.pages import calibration_needs as needs
from pictor.gateway.pages import calibration_rooms as rooms
from pictor.gateway.pages import calibration_tabs as tabs
from pictor.gateway.pages.calibration_tabs import Wanted
from pictor.gateway.pages.rendering import page
from pictor.gateway.pages.visitors import Visitor, within
from pictor.gateway.problems import not_found
from pictor.gateway.wiring import RuntimeDep
from pictor.runtime.runtime import Runtime
from pictor.state import observatories
from pictor.state.observatories import Observatory

SEES = [within(Scope.CALIBRATION_READ)]

Text = Annotated[str | None, Parameter(max_length=200)]


class Tab(StrEnum):
    """What of the library is looked at."""

    MASTERS = "masters"
    FRAMES = "frames"
    NEEDS = "needs"
    COVERAGE = "coverage"
    DETECTOR = "detector"
    PIXELS = "pixels"
    SETTINGS = "settings"
    JOBS = "jobs"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class Room:
    """A tab: its name, whom it is for, and what reads it."""

    name: str
    role: Role
    read: Callable[[Runtime, UUID, Wanted], Awaitable[dict[str, Any]]]


ROOMS = {
    Tab.MASTERS: Room("Masters", Role.MEMBER, tabs.read_masters),
    Tab.FRAMES: Room("Individual frames", Role.MEMBER, tabs.read_frames),
    Tab.NEEDS: Room("Needs", Role.MEMBER, needs.read_needs),
    Tab.COVERAGE: Room("Coverage", Role.MEMBER, needs.read_coverage),
    Tab.DETECTOR: Room("Detector", Role.MEMBER, rooms.read_detector),
    Tab.PIXELS: Room("Bad pixels", Role.MEMBER, rooms.read_pixels),
    Tab.SETTINGS: Room("Settings", Role.MEMBER, rooms.read_settings),
    Tab.JOBS: Room("Stacking jobs", Role.OBSERVATORY_ADMIN, rooms.read_jobs),
    Tab.MAINTENANCE: Room("Maintenance", Role.SERVER_ADMIN, rooms.read_maintenance),
}


@get("/calibration", guards=SEES, include_in_schema=False)
async def show_calibration(
    runtime: RuntimeDep, visitor: Visitor, *,
    observatory: UUID | None = None, tab: Tab = Tab.MASTERS,
    number: Annotated[int, Parameter(query="page", ge=1, le=100_000)] = 1,
    kind: Annotated[FrameType | None, Parameter(query="type")] = None, camera: Text = None,
    filter_name: Annotated[str | None, Parameter(query="filter", max_length=200)] = None,
    status: Text = None, claimed: Annotated[str | None, Parameter(max_length=10)] = None,
    rig: UUID | None = None,
) -> Response[str]:  # fmt: skip
    """Masters, frames, needs, coverage, detector, bad pixels, settings, stacks and maintenance of one observatory."""
    async with runtime.pool.acquire() as db:
        places = await observatories.visible(db, visitor.observatories)
    chosen = _chosen(places, observatory)
    if chosen is None:
        sentence = "There is no observatory you may see yet."
        return page("problem.html", status=404, visitor=visitor, here="", heading="No observatory", sentence=sentence)
    seen = rooms_for(visitor, chosen.id)
    if tab not in seen:
        raise not_found("page", tab)
    wanted = Wanted(number, kind, camera or None, filter_name or None, status or None, claimed == "all", rig)
    query = {"observatory": chosen.id, "tab": tab, "type": kind or "", "camera": camera or "",
             "filter": filter_name or "", "status": status or "", "claimed": claimed or ""}  # fmt: skip
    return page(
        "calibration.html", visitor=visitor, here="/calibration", places=places, chosen=chosen, tab=tab, rooms=seen,
        wanted=wanted, query=urlencode({name: value for name, value in query.items() if value}),
        may_act=may_act(visitor, chosen.id), page=number, **await ROOMS[tab].read(runtime, chosen.id, wanted),
    )  # fmt: skip


def rooms_for(visitor: Visitor, observatory_id: UUID) -> dict[Tab, str]:
    """Return the tabs somebody may see at an observatory."""
    caller = visitor.principal
    return {tab: room.name for tab, room in ROOMS.items() if caller.may(room.role, observatory_id)}


def may_act(visitor: Visitor, observatory_id: UUID) -> bool:
    """Whether somebody may change the library of an observatory."""
    caller = visitor.principal
    return Scope.CALIBRATION_WRITE in caller.scopes and caller.may(Role.OBSERVATORY_ADMIN, observatory_id)


def _chosen(places: list[Observatory], wanted: UUID | None) -> Observatory | None:
    if wanted is None:
        return places[0] if places else None
    for one in places:
        if one.id == wanted:
            return one
    raise not_found("observatory", wanted)
