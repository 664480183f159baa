"""What supersession leaves behind: lights that keep the numbers measured with a master that was replaced.

- A light keeps what was measured with the old master until somebody has it processed again; its calibrated pixels are
  made with the new one whenever somebody asks for them.
- It is out of date when the rules, as the light would be judged now, give it another master than the one it was
  measured with. A light of another season whose master is still the nearest in time is not, though a newer master
  superseded that one.
- While its night lasts a light keeps the masters of its set. It is not out of date yet, but it is said when it will be.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pictor.imaging.matching.policy import Policy
from pictor.runtime.choosing import NIGHT, Choice, Shelf, choose_among
from pictor.runtime.filters import policy_of, set_key
from pictor.runtime.library import frame_seen
from pictor.runtime.stacking.reviewing import order_again
from pictor.state import light_sets, masters, succession
from pictor.state.database import Connection
from pictor.state.frames import Frame
from pictor.state.masters import Master
from pictor.state.outbox import Outgoing
from pictor.state.succession import LightsAlike, Replaced

LOOKED_AT = 5000
"""Newest lights of predecessors that are looked at; ordering them makes room for the rest."""

ORDERED_AT_ONCE = 500
"""Lights ordered in one transaction and one call."""

SINCE = "{place}: processed with a master that was superseded {when}; process the light again to use its successor"
LATER = "{place}: the master was superseded {when}; lights of one night keep theirs until {until} UTC, then processing \
again uses its successor"
CAME = "{place}: processed without one, none matched then; process the light again to use the one there is now"
FILLED_LATER = ("dark", "flat")
RIGHT = "{place}: the master was superseded {when}, and is still the one the rules choose for the time of this light"


@dataclass(frozen=True, slots=True)
class Succeeded:
    """A superseded master a light was measured with, or none, and what processing it again would use instead."""

    place: str
    master_id: UUID | None
    superseded_at: datetime | None
    superseded_by: UUID | None
    would_use: UUID | None
    until: datetime | None
    sentence: str

    @property
    def out_of_date(self) -> bool:
        """Whether processing the light again changes the master."""
        return self.would_use != self.master_id and self.until is None


@dataclass(frozen=True, slots=True)
class Heirs:
    """Lights measured with the predecessors of a master, or before there was any."""

    due: list[UUID] = field(default_factory=list)
    """They get the master now."""

    later: list[UUID] = field(default_factory=list)
    """They get it once their night is over."""

    kept: int = 0
    """The older master is still right for their time, or another one is."""


async def superseded_for(db: Connection, frame: Frame) -> list[Succeeded]:
    """Tell which masters a light was measured with were superseded, whether that matters, and which came later."""
    found = await succession.replaced(db, frame.id)
    used = await masters.use_of(db, frame.id)
    bare = [] if used is None else [place for place in FILLED_LATER if used[f"{place}_id"] is None]
    if not found and not bare:
        return []
    policy = await policy_of(db, frame.observatory_id)
    shelf = Shelf(policy, await _fitting(db, frame.observatory_id, frame.rig_id, frame.camera_mode or ""), brief=True)
    now = await choose_among(db, frame, shelf, keep=False)
    came = [Succeeded(place, None, None, None, new, None, CAME.format(place=place))
            for place in bare if (new := now.ids[place]) is not None]  # fmt: skip
    if not found:
        return came
    later = await choose_among(db, frame, shelf, keep=False, now=_night_over()) if _tonight(frame) else now
    end = await _end_of_night(db, frame, policy)
    told = [_succeeded(one, now, later, end) for one in found]
    return [one for one, of in zip(told, found, strict=True) if one.would_use != one.master_id or _since(of)] + came


def _since(one: Replaced) -> bool:
    return one.superseded_at is None or one.superseded_at > one.made_at


def _succeeded(one: Replaced, now: Choice, later: Choice, end: datetime) -> Succeeded:
    """Say what became of one master of a light; a bias that a dark replaces is no successor."""
    present, coming = now.ids[one.place], later.ids[one.place]
    when = "since" if one.superseded_at is None else f"on {one.superseded_at.astimezone(UTC):%Y-%m-%d}"
    waits = present == one.master_id and coming != one.master_id
    words = SINCE if present != one.master_id else LATER if waits else RIGHT
    return Succeeded(
        one.place, one.master_id, one.superseded_at, one.superseded_by, coming if waits else present,
        end if waits else None, words.format(place=one.place, when=when, until=f"{end.astimezone(UTC):%Y-%m-%d %H:%M}"),
    )  # fmt: skip


def _night_over() -> datetime:
    """Return a present in which the night of every light is over."""
    return datetime.now(UTC) + 2 * NIGHT + timedelta(days=3650)


async def _end_of_night(db: Connection, frame: Frame, policy: Policy) -> datetime:
    key = await set_key(db, frame, policy)
    known = None if key is None else await light_sets.of_lights(db, key)
    return (known.reference_utc if known else frame_seen(frame).start_utc) + NIGHT


async def heirs(db: Connection, master: Master) -> Heirs:
    """Sort the lights measured with the predecessors of a master, or with none, by whether they would get it now."""
    alike = await succession.measured_before(db, master.observatory_id, master.id, limit=LOOKED_AT)
    if not alike:
        return Heirs()
    policy = await policy_of(db, master.observatory_id)
    rigs = {(one.example.rig_id, one.example.camera_mode or "") for one in alike}
    shelves = {rig: Shelf(policy, await _fitting(db, master.observatory_id, *rig), brief=True) for rig in rigs}
    due: list[UUID] = []
    later: list[UUID] = []
    for one in alike:
        shelf = shelves[one.example.rig_id, one.example.camera_mode or ""]
        if await _gets(db, one, shelf, master.id, now=None):
            due += one.ids
        elif _tonight(one.example) and await _gets(db, one, shelf, master.id, now=_night_over()):
            later += one.ids
    taken = {*due, *later}
    return Heirs(due, later, sum(len(one.ids) for one in alike if not one.bare and one.ids[0] not in taken))


async def _fitting(db: Connection, observatory_id: UUID, rig_id: UUID | None, camera_mode: str) -> list[Master]:
    """Return the masters that may be chosen for lights of a rig; those of other camera modes never are."""
    found = await masters.usable(db, observatory_id, camera_mode)
    return [one for one in found if one.rig_id == rig_id]


def _tonight(light: Frame) -> bool:
    """Tell whether the night of a light may not be over, so that the masters of its set are kept."""
    return light.start_utc is None or datetime.now(UTC) - light.start_utc < 2 * NIGHT


async def _gets(db: Connection, lights: LightsAlike, shelf: Shelf, wanted: UUID, *, now: datetime | None) -> bool:
    found = await choose_among(db, lights.example, shelf, keep=False, now=now)
    return wanted in found.ids.values()


async def reprocess(
    db: Connection, master: Master, due: Sequence[UUID], *, owner: str
) -> tuple[int, list[Outgoing]]:  # fmt: skip
    """Order lights to be processed again, behind all other work; one that is ordered already is left alone."""
    outgoing: list[Outgoing] = []
    for frame_id in due[:ORDERED_AT_ONCE]:
        outgoing += await order_again(db, frame_id, master.observatory_id, owner=owner)
    return len(outgoing), outgoing
