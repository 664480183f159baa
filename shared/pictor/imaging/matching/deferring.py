"""Flats and the darks they wait for; groups of frames on their way to a master."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pictor.imaging.matching.coverage import STACK_DUE, Coverage, Library, Need, Waiting
from pictor.imaging.matching.demand import Demand, PileGroup, flat_demand, frames_of, merged, unused_of
from pictor.imaging.matching.frames import CameraMode, Frame, FrameType, Pile
from pictor.imaging.matching.grouping import GroupKey, same_group
from pictor.imaging.matching.policy import Policy
from pictor.imaging.matching.rules import MasterFrame, MasterStatus

NO_DARK = ", but there is no master dark of their exposure"


def flat_demands(needs: Sequence[Need], library: Library) -> list[Demand]:
    """List the darks that flats ask for: those in hand, and those still to be taken at the exposure of the last."""
    wanted = [need for need in needs if need.kind is FrameType.FLAT]
    fitting: dict[int, list[Need]] = defaultdict(list)
    for need in wanted:
        for group, fits in library.hand.near(_question(need, library)):
            if fits:
                fitting[id(group)].append(need)
    found = [
        _dark_for(pile, fitting[id(group)], library)
        for group in library.hand.groups
        if group.key.frame_type is FrameType.FLAT and (fitting[id(group)] or unused_of(group))
        for pile in group.frames
    ]
    for need in wanted:
        guess = library.hand.exposure_of_flats(need.mode, need.filter)
        if not any(one.fits for one in need.in_hand) and guess is not None:
            flat = Frame("", FrameType.FLAT, need.mode, library.now, guess, set_temp_c=need.temp_c)
            found.append(_dark_for(flat, [need], library))
    return merged(demand for demand in found if demand is not None)


def _question(need: Need, library: Library) -> Demand:
    """Return the question a need of lights came from."""
    light = Frame(
        "", FrameType.LIGHT, need.mode, library.now, need.exposure_s, need.filter, need.rotator_deg, need.temp_c
    )  # fmt: skip
    return Demand(need.kind, light)


def _dark_for(flats: Pile | Frame, needs: Sequence[Need], library: Library) -> Demand | None:
    asked = flat_demand(flats, library.now, library.policy, library.shelf)
    if asked is None:
        return None
    waiting = [need for need in needs if need.coverage is Coverage.UNCOVERED]
    nights = frozenset(night for need in waiting for night in need.nights)
    lights = sum(need.lights for need in waiting)
    return replace(asked, lights=lights, nights=nights, blocks=tuple(need.need_id for need in needs))


def linked(needs: Sequence[Need], for_flats: Sequence[Need], library: Library) -> list[Need]:
    """Tell needs for flats which darks they wait for, and the exposure to take them at."""
    waits: dict[str, list[str]] = defaultdict(list)
    for one in for_flats:
        if one.coverage is Coverage.UNCOVERED:
            for need_id in one.blocks:
                waits[need_id].append(one.need_id)
    return [_linked(need, waits[need.need_id], library) if need.kind is FrameType.FLAT else need for need in needs]


def _linked(need: Need, waits_for: Sequence[str], library: Library) -> Need:
    complete = need.missing == 0 and need.coverage is not Coverage.COVERED
    exposure = library.hand.exposure_of_flats(need.mode, need.filter)
    deferred = bool(waits_for) and complete
    reason = need.reason.replace(STACK_DUE, NO_DARK) if deferred else need.reason
    return replace(need, waits_for=tuple(waits_for), deferred=deferred, exposure_s=exposure, reason=reason)


def under_way(masters: Sequence[MasterFrame], for_flats: Sequence[Need], library: Library) -> list[Waiting]:
    """List the groups without an active master that are short of frames or, flats, of their dark."""
    active: dict[CameraMode, list[GroupKey]] = defaultdict(list)
    for one in masters:
        if one.status is MasterStatus.ACTIVE:
            key = GroupKey(one.mode, one.frame_type, one.exposure_s, one.filter, one.rotator_deg, one.temp_c)
            active[one.mode].append(key)
    darks: dict[tuple[FrameType, CameraMode], list[Need]] = defaultdict(list)
    for need in for_flats:
        darks[need.kind, need.mode].append(need)
    found = []
    for group in library.hand.groups:
        done = any(same_group(key, group.key, library.policy) for key in active[group.key.mode])
        waiting = _waiting(group, darks, library, done=done)
        if waiting is not None:
            found.append(waiting)
    return sorted(found, key=lambda one: (not one.deferred, one.frames - one.minimum, -one.newest_utc.timestamp()))


def _waiting(
    group: PileGroup, darks: Mapping[tuple[FrameType, CameraMode], Sequence[Need]], library: Library, *, done: bool
) -> Waiting | None:
    have, newest = frames_of(group), group.frames[-1]
    policy = library.policy
    short = have < policy.min_frames
    if done and (short or unused_of(group) < policy.refresh_new_frames):
        return None
    refused = sum(pile.refused for pile in group.frames)
    told = Waiting(group.key, have, policy.min_frames, refused, newest.newest_utc, exposure_s=newest.exposure_s)
    if short:
        return told
    if group.key.frame_type is not FrameType.FLAT or newest.exposure_s is None:
        return None
    asked = flat_demand(newest, library.now, policy, library.shelf)
    if asked is None or library.shelf.matching(asked.frame, policy, wanted=asked.kind):
        return None
    near = darks.get((asked.kind, asked.frame.mode), ())
    waits = [one.need_id for one in near if _asks(one, asked, policy)]
    return replace(told, deferred=True, waits_for=tuple(waits))


def _asks(need: Need, flat: Demand, policy: Policy) -> bool:
    """Tell whether a need for a dark is that of some flats."""
    if need.coverage is not Coverage.UNCOVERED:
        return False
    share = policy.flat_dark_exposure_share * (need.exposure_s or 0.0)
    apart = abs((need.exposure_s or 0.0) - (flat.frame.exposure_s or 0.0))
    warmth = abs((need.temp_c or 0.0) - (flat.frame.temperature_c or 0.0))
    return apart <= max(policy.exposure_tolerance_s, share) and warmth <= policy.temperature_tolerance_c
