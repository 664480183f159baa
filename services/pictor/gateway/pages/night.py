"""The night page and its rows."""

from datetime import date
from typing import Annotated
from uuid import UUID

from litestar import Response, get
from litestar.params import Parameter
from litestar.response import Redirect

from pictor.contracts.access import Scope
from pictor.contracts.frames import FrameType
from pictor.gateway.pages.choices import Choice, integration_s, options
from pictor.gateway.pages.rendering import page
from pictor.gateway.pages.visitors import Visitor, within
from pictor.gateway.wiring import RuntimeDep
from pictor.runtime.filters import spelled
from pictor.state import nights, observatories
from pictor.state.database import Connection
from pictor.state.nights import NightCount

SEES_FRAMES = [within(Scope.FRAMES_READ)]
Word = Annotated[str | None, Parameter(max_length=200)]


def provide_choice(
    *,
    night: date | None = None,
    observatory: Word = None,
    rig: Word = None,
    frame_type: Annotated[str | None, Parameter(query="type", max_length=40)] = None,
    filter_name: Annotated[str | None, Parameter(query="filter", max_length=200)] = None,
    target: Word = None,
    grade: Word = None,
) -> Choice:
    """Read the filters from the address; an empty one filters nothing."""
    return Choice(
        night=night,
        observatory=observatory or None,
        rig=rig or None,
        frame_type=frame_type or FrameType.LIGHT,
        filter=filter_name or None,
        target=target or None,
        grade=grade or None,
    )


@get("/", include_in_schema=False)
async def front() -> Redirect:
    """Lead to the newest night."""
    return Redirect("/night", status_code=303)


@get("/night", guards=SEES_FRAMES, include_in_schema=False)
async def show_night(runtime: RuntimeDep, visitor: Visitor, choice: Choice) -> Response[str]:
    """Charts over a live table."""
    async with runtime.pool.acquire() as db:
        known = await nights.nights(db, visitor.observatories)
        chosen = choice if choice.night or not known else choice.on(newest(known))
        found = await nights.frames(db, visitor.observatories, chosen.night)
        names = await names_of(db, visitor, chosen)
    frames = [frame for frame in found if chosen.holds(frame, names)]
    later, earlier = around(known, chosen.night)
    return page(
        "night.html",
        visitor=visitor,
        here="/night",
        choice=chosen,
        nights=known,
        later=later,
        earlier=earlier,
        frames=frames,
        options=options(found),
        integration_s=integration_s(frames),
    )


@get("/night/rows/{frame_id:uuid}", guards=SEES_FRAMES, include_in_schema=False)
async def show_row(runtime: RuntimeDep, visitor: Visitor, choice: Choice, frame_id: UUID) -> Response[str]:
    """One line of the table; an empty answer if the filters leave it out."""
    async with runtime.pool.acquire() as db:
        frame = await nights.frame(db, visitor.observatories, frame_id)
        names = await names_of(db, visitor, choice)
    if frame is None or not choice.holds(frame, names):
        return Response("", status_code=204)
    return page("row.html", frame=frame)


async def names_of(db: Connection, visitor: Visitor, choice: Choice) -> tuple[str, ...]:
    """Return every name of the filter that is chosen, at the observatories the visitor sees."""
    if choice.filter is None:
        return ()
    places = [one.id for one in await observatories.visible(db, visitor.observatories)]
    return (await spelled(db, places, choice.filter)).names


def newest(known: list[NightCount]) -> date:
    """Return the newest night with a frame whose header was read: a broken file does not open a night of its own."""
    return next((entry.night for entry in known if entry.described), known[0].night)


def around(known: list[NightCount], night: date | None) -> tuple[date | None, date | None]:
    """Return the nights after and before one; ``known`` has the newest first."""
    later = [entry.night for entry in known if night and entry.night > night]
    earlier = [entry.night for entry in known if night and entry.night < night]
    return (later[-1] if later else None), (earlier[0] if earlier else None)
