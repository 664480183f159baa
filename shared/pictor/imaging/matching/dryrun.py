"""What a change of policy would do to the lights there are."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from pictor.imaging.matching.frames import Frame, FrameType, LightGroup
from pictor.imaging.matching.policy import Policy
from pictor.imaging.matching.rules import MasterFrame
from pictor.imaging.matching.selection import rank_of
from pictor.imaging.matching.shelf import Shelf

PLACES = (FrameType.DARK, FrameType.FLAT, FrameType.BIAS)

ANY_TIME = datetime.min.replace(tzinfo=UTC)


class Effect(StrEnum):
    """What becomes of one place of some lights."""

    GAINS = "gains"
    LOSES = "loses"
    CHANGES = "changes"


@dataclass(frozen=True, slots=True)
class Effected:
    """Lights of one night whose master for one place would be another; None: none."""

    lights: LightGroup
    place: FrameType
    effect: Effect
    before: str | None
    after: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class DryRun:
    """All that would change, and how many lights there are."""

    lights: int
    unchanged: int
    effects: tuple[Effected, ...]

    def count(self, effect: Effect) -> int:
        """Count the lights with an effect in some place; a light that gains one and loses another counts in both."""
        return sum({one.lights: one.lights.count for one in self.effects if one.effect is effect}.values())


def dry_run(
    lights: Iterable[LightGroup], masters: Sequence[MasterFrame], before: Policy, after: Policy
) -> DryRun:  # fmt: skip
    """Choose the masters of all lights under two policies and tell the differences.

    Parameters
    ----------
    lights
        Lights grouped by night and by all that matters to matching.
    masters
        Masters with pixels, active and superseded.
    before, after
        The settings as they are and as they would be.
    """
    groups = list(lights)
    shelf = Shelf(masters)
    old, new = Chooser(shelf, before), Chooser(shelf, after)
    effects = [one for group in groups for one in _effects(group, old, new)]
    total = sum(group.count for group in groups)
    touched = {one.lights: one.lights.count for one in effects}
    ordered = sorted(effects, key=lambda one: (one.effect is not Effect.LOSES, -one.lights.count, str(one.place)))
    return DryRun(total, total - sum(touched.values()), tuple(ordered))


class Chooser:
    """Chooses for groups of lights; what matches is found once for all nights, for no rule depends on time."""

    def __init__(self, shelf: Shelf, policy: Policy) -> None:
        self._shelf, self._policy = shelf, policy
        self._known: dict[tuple[Frame, FrameType], list[MasterFrame]] = {}

    def choose(self, light: Frame, place: FrameType, at: datetime) -> MasterFrame | None:
        """Return the master of one place at a time."""
        asked = _asked(light, place)
        if (asked, place) not in self._known:
            self._known[asked, place] = self._shelf.matching(asked, self._policy, wanted=place)
        matching = self._known[asked, place]
        return min(matching, key=lambda one: rank_of(light, one, self._policy, at=at), default=None)

    def excuse(self, light: Frame, place: FrameType) -> str:
        """Say why there is none."""
        return self._shelf.select(light, self._policy, wanted=place).reason


def _asked(light: Frame, place: FrameType) -> Frame:
    """Leave out what does not matter to a place."""
    if place is FrameType.FLAT:
        return replace(light, exposure_s=None, start_utc=ANY_TIME)
    exposure = light.exposure_s if place is FrameType.DARK else None
    return replace(light, filter=None, rotator_deg=None, exposure_s=exposure, start_utc=ANY_TIME)


def _effects(group: LightGroup, old: Chooser, new: Chooser) -> Iterator[Effected]:
    at = group.first_utc + (group.last_utc - group.first_utc) / 2
    light = Frame(
        "", FrameType.LIGHT, group.mode, at, group.exposure_s, group.filter, group.rotator_deg, group.temperature_c
    )  # fmt: skip
    for place in PLACES:
        was, will = old.choose(light, place, at), new.choose(light, place, at)
        if was == will:
            continue
        if will is None:
            effect, reason = Effect.LOSES, new.excuse(light, place)
        elif was is None:
            effect, reason = Effect.GAINS, f"would get the master {place} of {will.start_utc:%Y-%m-%d}"
        else:
            effect = Effect.CHANGES
            reason = f"the master {place} of {will.start_utc:%Y-%m-%d} instead of that of {was.start_utc:%Y-%m-%d}"
        ids = [None if one is None else one.master_id for one in (was, will)]
        yield Effected(group, place, effect, ids[0], ids[1], reason)
