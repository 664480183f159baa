"""A stack asked for by hand: exactly one group, decided about as by trigger and sweep."""

from dataclasses import dataclass
from uuid import UUID

from pictor.contracts.frames import FrameType
from pictor.imaging.matching.grouping import GroupKey, exposure_tolerance
from pictor.imaging.matching.policy import Policy
from pictor.runtime.filters import spelled
from pictor.runtime.stacking.triggers import Shelf, settle, shelf_of
from pictor.state import asking, groups, masters
from pictor.state.asking import Configuration
from pictor.state.database import Connection
from pictor.state.outbox import Outgoing

PER_HOUR = 30
"""Enough for every filter, temperature and exposure of a night at once."""

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which group is meant: its key, or what is known of its frames; ``force`` waives the threshold."""

    group_key: str | None
    known: Configuration
    force: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A group that may be meant."""

    group_key: str
    told: str
    frames: int


@dataclass(frozen=True, slots=True)
class Asked:
    """The stack that is under way now."""

    job_id: UUID
    group_key: str
    frames: int
    message: str
    already_open: bool = False
    outgoing: tuple[Outgoing, ...] = ()


class NoSingleGroupError(Exception):
    """None or several groups are meant."""

    def __init__(self, matching: list[Found], others: list[Found]) -> None:
        super().__init__(f"{len(matching)} groups match")
        self.matching = matching
        self.others = others


class NotStackedError(Exception):
    """The group is not stacked; what was decided stays noted."""

    def __init__(self, group_key: str, frames: int, reason: str, outgoing: tuple[Outgoing, ...]) -> None:
        super().__init__(reason)
        self.group_key = group_key
        self.frames = frames
        self.outgoing = outgoing


class TooOftenError(Exception):
    """The observatory asked for as many stacks as it may in an hour."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"{PER_HOUR} per hour")
        self.wait_s = wait_s


async def ask(db: Connection, observatory_id: UUID, wanted: Wanted, *, owner: str) -> Asked | NotStackedError:
    """Order the stack of one group in the caller's transaction, or return the one that is open already.

    Returns
    -------
    Asked or NotStackedError
        The stack; or why there is none, returned and not raised so that the note of the decision is committed.

    Raises
    ------
    NoSingleGroupError
        If none or several groups are meant.
    TooOftenError
        If the observatory asked too often.
    """
    await asking.lock_requests(db, observatory_id)
    shelf, name = await _one_group(db, observatory_id, wanted)
    under_way = await asking.open_stack(db, observatory_id, name)
    if under_way is not None:
        told = f"a stack of {under_way[1]} frames is under way already"
        return Asked(under_way[0], name, under_way[1], told, already_open=True)
    await _pace(db, observatory_id)
    outgoing = await settle(db, shelf, name, force=wanted.force, owner=owner)
    ordered, note = await asking.open_stack(db, observatory_id, name), await groups.note_of(db, observatory_id, name)
    reason = note.message if note else ""
    if ordered is None:
        return NotStackedError(name, len(shelf.groups[name].frames), reason, tuple(outgoing))
    return Asked(ordered[0], name, ordered[1], reason, outgoing=tuple(outgoing))


async def _pace(db: Connection, observatory_id: UUID) -> None:
    ago = await asking.asked_within(db, observatory_id, seconds=HOUR_S)
    if len(ago) >= PER_HOUR:
        raise TooOftenError(HOUR_S - ago[PER_HOUR - 1])


async def _one_group(db: Connection, observatory_id: UUID, wanted: Wanted) -> tuple[Shelf, str]:
    """Find the one group that is meant, with the library of its camera mode locked."""
    found: list[tuple[Shelf, str]] = []
    known = await _narrowed(db, observatory_id, wanted)
    names = None if known.filter is None else (await spelled(db, [observatory_id], known.filter)).names
    for mode in await asking.modes_of(db, observatory_id, known, names):
        await masters.lock_library(db, observatory_id, mode)
        shelf = await shelf_of(db, observatory_id, mode)
        found += [(shelf, name) for name in shelf.groups if _is_meant(shelf, name, wanted)]
    if len(found) == 1:
        return found[0]
    matching = [Found(name, told(shelf.groups[name].key), len(shelf.groups[name].frames)) for shelf, name in found]
    others = [] if matching else [Found(*one) for one in await asking.waiting_groups(db, observatory_id)]
    raise NoSingleGroupError(matching, others)


async def _narrowed(db: Connection, observatory_id: UUID, wanted: Wanted) -> Configuration:
    """Say in which camera modes to look: a named group was seen before, mostly."""
    if wanted.group_key is None:
        return wanted.known
    facts = await asking.facts_of_group(db, observatory_id, wanted.group_key)
    if facts is None:
        return Configuration()
    mode = facts["mode"]
    return Configuration(
        frame_type=FrameType(facts["frame_type"]), filter=facts["filter"], gain_setting=mode["gain_setting"],
        offset_setting=mode["offset_setting"],
    )  # fmt: skip


def _is_meant(shelf: Shelf, name: str, wanted: Wanted) -> bool:
    if wanted.group_key is not None and name != wanted.group_key:
        return False
    return fits(shelf.groups[name].key, wanted.known, shelf.policy)


def fits(key: GroupKey, known: Configuration, policy: Policy) -> bool:
    """Tell whether a group may be the one of which these facts are known."""
    exact = (
        (known.frame_type, str(key.frame_type)), (known.binning_x, key.mode.binning_x),
        (known.gain_setting, key.mode.gain_setting), (known.offset_setting, key.mode.offset_setting),
    )  # fmt: skip
    if any(one is not None and one != other for one, other in exact):
        return False
    if known.filter is not None and not policy.filters.same(known.filter, key.filter, key.mode.rig_id):
        return False
    exposure = exposure_tolerance(known.exposure_s or 0.0, policy)
    return _near(known.exposure_s, key.exposure_s, exposure) and _near(
        known.temp_c, key.temp_c, policy.temperature_tolerance_c / 2
    )


def _near(wanted: float | None, found: float | None, tolerance: float) -> bool:
    if wanted is None or found is None:
        return wanted is None or found is None
    return abs(wanted - found) <= tolerance + 1e-9


def told(key: GroupKey) -> str:
    """Say in a few words what a group is of."""
    parts: list[str] = [str(key.frame_type)]
    mode = key.mode
    for value, unit in (
        (key.exposure_s, " s"), (key.temp_c, " C"), (mode.gain_setting, " gain"), (mode.offset_setting, " offset"),
    ):  # fmt: skip
        if value is not None:
            parts.append(f"{value:g}{unit}")
    if key.filter is not None:
        parts.append(f"filter {key.filter}")
    return ", ".join([*parts, f"binning {key.mode.binning_x}"])
