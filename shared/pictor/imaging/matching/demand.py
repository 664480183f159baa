"""What lights, and flats in their turn, ask of the library."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from pictor.imaging.matching.frames import CameraMode, Frame, FrameType, LightGroup, Pile
from pictor.imaging.matching.grouping import Group, GroupKey, group_samples
from pictor.imaging.matching.policy import CameraType, FlatRotation, Policy
from pictor.imaging.matching.rules import MasterFrame, plainly_refused, rules_for
from pictor.imaging.matching.selection import SERVES
from pictor.imaging.matching.shelf import Shelf, differences, short_flat

PileGroup = Group[Pile]
"""Individual frames in hand that may be stacked together, counted."""


@dataclass(frozen=True, slots=True)
class Demand:
    """One place that wants a master, and the lights that have it open; ``frame`` stands for all of them."""

    kind: FrameType
    frame: Frame
    lights: int = 0
    nights: frozenset[date] = frozenset()
    blocks: tuple[str, ...] = ()


def light_demands(lights: Iterable[LightGroup], policy: Policy, shelf: Shelf, now: datetime) -> list[Demand]:
    """List what lights ask for: a dark of their exposure, a flat of their filter, for scaled CCD darks a bias."""
    alike: dict[tuple[object, ...], list[LightGroup]] = defaultdict(list)
    for group in spelled_alike(lights, policy):
        asked = id(group.mode), group.exposure_s, group.filter, group.rotator_deg, group.temperature_c
        alike[asked].append(group)
    wanted = merged(
        Demand(kind, frame, sum(one.count for one in groups), frozenset().union(*(one.nights for one in groups)))
        for groups in alike.values()
        for kind, frame in _asked(groups[0], policy, now)
    )
    if policy.camera_type is CameraType.CMOS:
        return wanted
    return wanted + _bias_demands(wanted, policy, shelf)


def spelled_alike(lights: Iterable[LightGroup], policy: Policy) -> list[LightGroup]:
    """Call a filter that lights of a rig name in several ways as the newest of them do: the wheel has that name now."""
    lights = list(lights)
    newest: dict[tuple[str, str | None], LightGroup] = {}
    for one in lights:
        name = one.mode.rig_id, policy.filters.read(one.filter, one.mode.rig_id)
        if name not in newest or newest[name].last_utc < one.last_utc:
            newest[name] = one
    return [
        replace(one, filter=newest[one.mode.rig_id, policy.filters.read(one.filter, one.mode.rig_id)].filter)
        for one in lights
    ]


def _asked(group: LightGroup, policy: Policy, now: datetime) -> tuple[tuple[FrameType, Frame], ...]:
    """Leave out of each place's question what does not matter to it, so that equal questions are one."""
    light = Frame("", FrameType.LIGHT, group.mode, now, set_temp_c=group.temperature_c)
    turned = None if policy.flat_rotation is FlatRotation.IGNORE else group.rotator_deg
    return (
        (FrameType.DARK, replace(light, exposure_s=group.exposure_s)),
        (FrameType.FLAT, replace(light, filter=group.filter, rotator_deg=turned)),
    )


def _bias_demands(wanted: Sequence[Demand], policy: Policy, shelf: Shelf) -> list[Demand]:
    """List the biases CCD lights need: all but those whose dark still holds it."""
    found = []
    for demand in wanted:
        if demand.kind is FrameType.DARK:
            dark = shelf.select(demand.frame, policy, wanted=FrameType.DARK).master
            if dark is None or not dark.holds_bias:
                found.append(replace(demand, kind=FrameType.BIAS, frame=replace(demand.frame, exposure_s=None)))
    return merged(found)


def merged(demands: Iterable[Demand]) -> list[Demand]:
    """Put equal questions together."""
    parts: dict[tuple[FrameType, Frame], list[Demand]] = defaultdict(list)
    for demand in demands:
        parts[demand.kind, demand.frame].append(demand)
    return [
        Demand(
            kind, frame, sum(one.lights for one in some), frozenset().union(*(one.nights for one in some)),
            tuple(sorted({block for one in some for block in one.blocks})),
        )
        for (kind, frame), some in parts.items()
    ]  # fmt: skip


def flat_demand(flats: Pile | Frame, now: datetime, policy: Policy, shelf: Shelf) -> Demand | None:
    """Return what flats ask for: a dark of their exposure; a bias where the policy lets it stand in."""
    if flats.exposure_s is None:
        return None
    flat = Frame("", FrameType.FLAT, flats.mode, now, flats.exposure_s, set_temp_c=flats.temperature_c)
    if short_flat(flat, policy) and not shelf.matching(flat, policy, wanted=FrameType.FLAT_DARK):
        return Demand(FrameType.BIAS, replace(flat, frame_type=FrameType.LIGHT, exposure_s=None))
    return Demand(FrameType.FLAT_DARK, flat)


def cluster_demands(demands: Sequence[Demand], policy: Policy) -> list[list[Demand]]:
    """Put questions together that one master can answer."""
    piles: dict[int, Demand] = {}
    clusters: list[list[Demand]] = []
    for kind in (FrameType.BIAS, FrameType.DARK, FrameType.FLAT_DARK, FrameType.FLAT):
        asked = [(_as_pile(one), one) for one in demands if one.kind is kind]
        piles.update({id(pile): one for pile, one in asked})
        share = policy.flat_dark_exposure_share if kind is FrameType.FLAT_DARK else policy.exposure_tolerance_share
        groups = group_samples([pile for pile, _ in asked], replace(policy, exposure_tolerance_share=share))
        clusters += [[piles[id(pile)] for pile in group.frames] for group in groups]
    return clusters


def _as_pile(one: Demand) -> Pile:
    frame = one.frame
    return Pile(
        one.kind, frame.mode, max(1, one.lights), frame.start_utc, frame.exposure_s, frame.filter, frame.rotator_deg,
        frame.temperature_c,
    )  # fmt: skip


class Hand:
    """The individual frames of an observatory, in groups that may be stacked."""

    def __init__(self, piles: Iterable[Pile], policy: Policy) -> None:
        self.policy = policy
        self.groups = group_samples(sorted(piles, key=lambda pile: pile.newest_utc), policy)
        self._modes: dict[CameraMode, list[PileGroup]] = defaultdict(list)
        self._newest: dict[tuple[CameraMode | str, str | None], Pile] = {}
        for group in self.groups:
            self._modes[group.key.mode].append(group)
            if group.key.frame_type is FrameType.FLAT:
                for pile in group.frames:
                    self._remember(pile)

    def _remember(self, flats: Pile) -> None:
        """Keep the newest flats of each filter, of a camera mode and of a rig."""
        if flats.exposure_s is None:
            return
        of_filter = self.policy.filters.read(flats.filter, flats.mode.rig_id)
        for place in (flats.mode, flats.mode.rig_id):
            known = self._newest.get((place, of_filter))
            if known is None or known.newest_utc <= flats.newest_utc:
                self._newest[place, of_filter] = flats

    def exposure_of_flats(self, mode: CameraMode, of_filter: str | None) -> float | None:
        """Return the exposure of the newest flats of a filter: of this mode, else of this rig at any setting."""
        name = self.policy.filters.read(of_filter, mode.rig_id)
        found = self._newest.get((mode, name)) or self._newest.get((mode.rig_id, name))
        return found.exposure_s if found else None

    def near(self, demand: Demand) -> list[tuple[PileGroup, bool]]:
        """Return the groups for a place, and whether their master would match; others differ in temperature alone."""
        found = []
        for mode, groups in self._modes.items():
            if differences(demand.frame.mode, mode) == 0:
                for group in groups:
                    failed = self._failed(demand, group.key)
                    if failed is not None and failed <= {"temperature"}:
                        found.append((group, not failed))
        return sorted(found, key=lambda one: (not one[1], -frames_of(one[0]), one[0].key.temp_c or 0.0))

    def _failed(self, demand: Demand, key: GroupKey) -> set[str] | None:
        """Return which rules a master of the group would fail; None where it cannot take the place."""
        if key.frame_type not in SERVES[demand.kind]:
            return None
        master = master_of(key, demand.frame.start_utc)
        if plainly_refused(demand.frame, master, self.policy, any_temperature=True):
            return None
        return {rule.name for rule in rules_for(demand.frame, master, self.policy) if not rule.passed}


def master_of(key: GroupKey, at: datetime) -> MasterFrame:
    """Return the master a group would make."""
    return MasterFrame(
        "", key.frame_type, key.mode, at, 0, exposure_s=key.exposure_s, filter=key.filter,
        rotator_deg=key.rotator_deg, temp_c=key.temp_c,
    )  # fmt: skip


def frames_of(group: PileGroup) -> int:
    """Count the frames of a group."""
    return sum(pile.count for pile in group.frames)


def unused_of(group: PileGroup) -> int:
    """Count the frames of a group that are in no active master."""
    return sum(pile.unused for pile in group.frames)
