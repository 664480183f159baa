"""The masters of a light: one set for all lights of a camera mode, night, target, filter and exposure.

A filter that lights name in several ways is one (`pictor.runtime.filters`).

A set is chosen for the first light of its group, at the time of that light, whichever light is processed first:

- While the night lasts, a place once filled is kept as long as its master exists, although a newer one superseded it:
  lights of one night are not calibrated differently. An empty place is filled when a master comes.
- Once the night is over the set is what the rules choose for its first light from the library as it is: a master that
  was superseded since makes room for its successor, for all lights of the set at once. Lights calibrated with the old
  one are made anew when somebody asks; what was measured with it stays as recorded until the light is reprocessed.
- A master that was recalled, rejected or deleted leaves every set at once, in the night as well.

A hard rule is never broken for the sake of a set: a light whose own values (temperature, rotation) do not fit a master
of its set gets, for that place, what the rules choose for itself at the time of the set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from pictor.imaging.matching.frames import Frame, FrameType
from pictor.imaging.matching.policy import Policy
from pictor.imaging.matching.rules import MasterFrame
from pictor.imaging.matching.selection import Candidate, MasterSet, Selection, candidate, select_set
from pictor.imaging.matching.shelf import Shelf as Index
from pictor.runtime.filters import policy_of, set_key
from pictor.runtime.library import calibrated_before, explain, frame_seen, master_seen
from pictor.state import light_sets, masters
from pictor.state.database import Connection
from pictor.state.frames import Frame as StoredFrame
from pictor.state.light_sets import LightSet, SetKey
from pictor.state.masters import Master

PLACES = ("dark", "flat", "bias")

NIGHT = timedelta(days=1)
"""How long after its first light the masters of a set are kept."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The masters that are applied to a light by place, whether a match is weak, and why these or none."""

    applied: dict[str, Master]
    weak: bool
    explanation: dict[str, Any]
    reason: str
    scale: float = 1.0
    known: tuple[Master, ...] = ()
    """Every master that matches, applied or not: a bias beside a dark still tells the read noise."""

    @property
    def ids(self) -> dict[str, UUID | None]:
        """Ids of the masters applied, None for an empty place."""
        return {place: self.applied[place].id if place in self.applied else None for place in PLACES}


@dataclass(frozen=True)
class Shelf:
    """The settings of an observatory, and the masters a light of a rig may get.

    A ``brief`` one chooses the same, but tells of no candidate besides the chosen: for many lights of a large library.
    """

    policy: Policy
    masters: Sequence[Master]
    brief: bool = False
    spelled: dict[tuple[str | None, str], tuple[str, ...]] = field(default_factory=dict)
    """The names of each filter that was asked for on a rig: looked up once for all lights."""

    @cached_property
    def seen(self) -> dict[str, MasterFrame]:
        """The masters as the rules see them."""
        return {str(master.id): master_seen(master) for master in self.masters}

    @cached_property
    def index(self) -> Index:
        """The masters by what the rules look at."""
        return Index(self.seen.values())

    def select(self, light: Frame, at: datetime | None, wanted: Mapping[str, UUID] | None = None) -> MasterSet:
        """Choose for every place; where another master is wanted, how it compares is told as well."""
        if not self.brief:
            return select_set(light, list(self.seen.values()), self.policy, at=at)
        return MasterSet(**{
            place: self._with(self.index.select(light, self.policy, wanted=FrameType(place), at=at), light, at,
                              (wanted or {}).get(place))
            for place in PLACES
        })  # fmt: skip

    def _with(self, one: Selection, light: Frame, at: datetime | None, wanted: UUID | None) -> Selection:
        master = None if wanted is None else self.seen.get(str(wanted))
        if master is None or (one.master is not None and one.master.master_id == master.master_id):
            return one
        return replace(one, candidates=(*one.candidates, candidate(light, master, self.policy, at=at)))


async def choose(db: Connection, frame: StoredFrame, *, keep: bool, now: datetime | None = None) -> Choice:
    """Choose the masters of a light by the policy of its observatory.

    Parameters
    ----------
    db
        A connection.
    frame
        The light.
    keep
        Whether the choice is recorded for the other lights of its set; what only looks, does not.
    now
        The present, which tells whether the night of the light is over; None: the clock's.
    """
    policy = await policy_of(db, frame.observatory_id)
    library = await masters.usable_for(db, frame.observatory_id, frame.rig_id, frame.camera_mode or "")
    return await choose_among(db, frame, Shelf(policy, library), keep=keep, now=now)


async def choose_among(
    db: Connection, frame: StoredFrame, shelf: Shelf, *, keep: bool, now: datetime | None = None
) -> Choice:  # fmt: skip
    """Choose as ``choose`` does, from settings and masters that were read before: for many lights of one rig."""
    done = calibrated_before(frame)
    if done is not None:
        told: dict[str, Any] = {place: {"master_id": None, "reason": done, "candidates": []} for place in PLACES}
        return Choice(applied={}, weak=False, explanation=told | {"notes": [done]}, reason=done)
    library = shelf.masters
    key, light = await set_key(db, frame, shelf.policy, shelf.spelled), frame_seen(frame)
    if key is None:
        return applicable(shelf.select(light, None), light, library)
    first = frame_seen(await light_sets.first_light(db, key) or frame)
    before = await light_sets.of_lights(db, key)
    at = before.reference_utc if before else first.start_utc
    over = (now or datetime.now(UTC)) - at > NIGHT
    wanted = settle(key, before, shelf.select(first, at), {master.id for master in library}, over=over)
    wanted = replace(wanted, key=before.key if before else key, reference_utc=at)
    if keep and (before is None or before.masters != wanted.masters):
        wanted = await light_sets.put(db, wanted, before=before)
    own = shelf.select(light, at, wanted.masters)
    return applicable(as_set(own, wanted.masters), light, library)


def settle(
    key: SetKey, before: LightSet | None, found: MasterSet, usable: set[UUID], *, over: bool
) -> LightSet:  # fmt: skip
    """Decide about a set: what is kept of the one before, and what the rules choose for its first light."""
    fresh = {place: UUID(one.master.master_id) for place, one in _places(found).items() if one.master is not None}
    kept = {} if before is None or over else {place: one for place, one in before.masters.items() if one in usable}
    return LightSet(key, datetime.now(UTC), {**fresh, **kept})


def _places(found: MasterSet) -> dict[str, Selection]:
    return {"dark": found.dark, "flat": found.flat, "bias": found.bias}


def as_set(own: MasterSet, wanted: Mapping[str, UUID]) -> MasterSet:
    """Give a light the masters of its set wherever its own rules allow them."""
    return MasterSet(**{place: _as_wanted(one, wanted.get(place)) for place, one in _places(own).items()})


def _as_wanted(one: Selection, wanted: UUID | None) -> Selection:
    if wanted is None or (one.master is not None and one.master.master_id == str(wanted)):
        return one
    mine = next((c for c in one.candidates if c.matches and c.master.master_id == str(wanted)), None)
    if mine is None:
        return one
    rest = tuple(candidate for candidate in one.candidates if candidate is not mine)
    text = f"master {mine.master.frame_type} of {mine.master.start_utc:%Y-%m-%d}: that of the other lights of this set"
    return Selection(mine, (mine, *rest), text)


def applicable(found: MasterSet, light: Frame, library: Sequence[Master]) -> Choice:
    """Leave out what cannot be applied: a dark without bias needs one, and a flat what takes the offset off.

    A dark of the light's exposure is taken as it is; only one without bias may be scaled, where the policy lets it.
    """
    by_id = {str(master.id): master for master in library}
    places = {name: one.chosen for name, one in _places(found).items() if one.chosen is not None}
    used = dict(places)
    dark, notes = places.get("dark"), []
    if dark is not None and not dark.master.holds_bias and "bias" not in places:
        notes.append(f"the master dark has its bias subtracted, and {found.bias.reason}")
        del used["dark"]
        dark = None
    if dark is not None and dark.master.holds_bias:
        used.pop("bias", None)
    if not {"dark", "bias"} & used.keys() and used.pop("flat", None) is not None:
        notes.append("a flat is applied only after a dark or bias")
    told = [found.dark.reason, *notes] if dark is None else [found.dark.reason]
    missing = [one.reason for name, one in _places(found).items() if name not in places and name != "dark"]
    return Choice(
        applied={name: by_id[one.master.master_id] for name, one in used.items()},
        weak=any(bool(one.weak) for one in used.values()),
        explanation={name: explain(one) for name, one in _places(found).items()} | {"notes": notes},
        reason="; ".join([*told, *missing]),
        scale=_scale(light, dark),
        known=tuple(by_id[one.master.master_id] for one in places.values()),
    )  # fmt: skip


def _scale(light: Frame, dark: Candidate | None) -> float:
    """Return how many times the dark current of the dark a light has; 1 where it is not scaled."""
    if dark is None or dark.master.holds_bias or not light.exposure_s or not dark.master.exposure_s:
        return 1.0
    scaled = any(rule.name == "exposure ratio" for rule in dark.rules)
    return light.exposure_s / dark.master.exposure_s if scaled else 1.0
