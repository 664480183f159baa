"""The library of an observatory as needs, plan and dry run see it: counted by the database, judged by the rules."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from pictor.imaging.matching.coverage import Assessment
from pictor.imaging.matching.dryrun import DryRun, dry_run
from pictor.imaging.matching.frames import CameraMode, FrameType, LightGroup, Pile
from pictor.imaging.matching.grouping import GroupKey, same_group
from pictor.imaging.matching.needs import assess
from pictor.imaging.matching.policy import FlatRotation, Policy
from pictor.imaging.matching.rules import MasterFrame
from pictor.runtime.filters import policy_of
from pictor.runtime.library import master_seen
from pictor.runtime.stacking.library import key_of, name_of
from pictor.state import groups, needs
from pictor.state.database import Connection
from pictor.state.groups import NamedGroup
from pictor.state.masters import Master
from pictor.state.needs import CountedFrames, CountedLights

WINDOW_DAYS = 30
"""Lights of so many days count, unless somebody asks for others."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is at an observatory: its settings, the lights of a window, masters, individual frames."""

    policy: Policy
    lights: tuple[LightGroup, ...]
    masters: tuple[MasterFrame, ...]
    piles: tuple[Pile, ...]
    names: "GroupNames"
    now: datetime


class GroupNames:
    """The names of an observatory's groups: those it has, and those it would be given."""

    def __init__(self, known: Iterable[Master | NamedGroup], policy: Policy) -> None:
        self._policy = policy
        self._known: dict[tuple[CameraMode, FrameType], list[tuple[GroupKey, str]]] = defaultdict(list)
        for one in known:
            key = key_of(one.facts)
            self._known[key.mode, key.frame_type].append((key, one.group_key))

    def of(self, key: GroupKey) -> str:
        """Return the name under which a group is asked for."""
        for known, name in self._known[key.mode, key.frame_type]:
            if same_group(known, key, self._policy):
                return name
        return name_of(key)


async def situation(
    db: Connection, observatory_id: UUID, *, now: datetime, days: int = WINDOW_DAYS, policy: Policy | None = None
) -> Situation:
    """Look at an observatory's lights of the last days and at its whole library.

    ``policy`` is another than the observatory's own, if given, to be tried: lights are told apart by night then, for
    masters are chosen by time.
    """
    own = await policy_of(db, observatory_id)
    rotated = any(one.flat_rotation is not FlatRotation.IGNORE for one in (own, policy or own))
    since = (now - timedelta(days=days)).date()
    lights = await needs.lights(db, observatory_id, since, rotated=rotated, by_night=policy is not None)
    library = await needs.masters(db, observatory_id)
    named = await groups.named_groups(db, observatory_id)
    return Situation(
        own,
        tuple(map(_lights, lights)),
        tuple(map(master_seen, library)),
        tuple(map(_pile, await needs.frames(db, observatory_id, rotated=rotated))),
        GroupNames([*library, *named], own),
        now,
    )


async def assessment(seen: Situation) -> Assessment:
    """Find out what is needed, beside the event loop: thousands of masters take a while."""
    return await asyncio.to_thread(assess, seen.lights, seen.masters, seen.piles, seen.policy, now=seen.now)


async def dry_run_of(seen: Situation, policy: Policy) -> DryRun:
    """Find out which lights another policy would give other masters."""
    return await asyncio.to_thread(dry_run, seen.lights, seen.masters, seen.policy, policy)


@lru_cache(maxsize=1024)
def _mode(values: tuple[object, ...]) -> CameraMode:
    """Make a camera mode of its columns; equal ones are one object."""
    return CameraMode(*values)  # type: ignore[arg-type]


def _lights(row: CountedLights) -> LightGroup:
    return LightGroup(
        _mode(row.mode), row.nights, row.count, row.first_utc, row.last_utc, row.exposure_s, row.filter,
        row.rotator_deg, row.temp_c, row.cooled,
    )  # fmt: skip


def _pile(row: CountedFrames) -> Pile:
    return Pile(
        FrameType(str(row.frame_type)), _mode(row.mode), row.count, row.newest_utc, row.exposure_s, row.filter,
        row.rotator_deg, row.temp_c, row.unused, row.refused,
    )  # fmt: skip
