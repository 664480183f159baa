"""What the library of an observatory is short of, by what its lights asked for."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pictor.imaging.matching.coverage import SEVERITY, STACK_DUE, Aging, Assessment, Coverage, InHand, Library, Need
from pictor.imaging.matching.deferring import flat_demands, linked, under_way
from pictor.imaging.matching.demand import (
    Demand,
    Hand,
    PileGroup,
    cluster_demands,
    frames_of,
    light_demands,
    merged,
    unused_of,
)
from pictor.imaging.matching.frames import CameraMode, FrameType, LightGroup, Pile
from pictor.imaging.matching.grouping import centre_of
from pictor.imaging.matching.policy import Policy
from pictor.imaging.matching.rules import MasterFrame, MasterStatus
from pictor.imaging.matching.selection import Selection, max_age, rank_of
from pictor.imaging.matching.shelf import Shelf

EXPIRING_SHARE = 0.8
"""A master older than this share of its largest age is worth renewing."""


def assess(
    lights: Iterable[LightGroup], masters: Sequence[MasterFrame], piles: Sequence[Pile], policy: Policy, *,
    now: datetime,
) -> Assessment:  # fmt: skip
    """Find out what lights ask for and what the library has of it.

    Parameters
    ----------
    lights
        Lights of the window, grouped by night and by all that matters to matching.
    masters
        Masters with pixels, active and superseded.
    piles
        All individual frames at hand, counted.
    policy
        Settings of the observatory.
    now
        The time ages are told at.
    """
    lights = list(lights)
    uncooled = frozenset(one.mode for one in lights) - {one.mode for one in lights if one.cooled}
    library = Library(policy, Shelf(masters), Hand(piles, policy), now, uncooled)
    needs = _needs(light_demands(lights, policy, library.shelf, now), library)
    for_flats = _needs(flat_demands(needs, library), library)
    needs = _joined([*linked(needs, for_flats, library), *for_flats])
    ordered = sorted(needs, key=_urgency)
    return Assessment(tuple(ordered), tuple(under_way(masters, for_flats, library)), aging(masters, policy, now=now))


def aging(masters: Iterable[MasterFrame], policy: Policy, *, now: datetime) -> tuple[Aging, ...]:
    """List the active masters worth renewing, whether or not lights ask for them; the oldest for their kind first."""
    found = []
    for master in masters:
        allowed, age = max_age(master.frame_type, policy), now - master.aged_from
        if master.status is MasterStatus.ACTIVE and age > EXPIRING_SHARE * allowed:
            coverage = Coverage.EXPIRED if age > allowed else Coverage.EXPIRING
            found.append((age / allowed, Aging(master, coverage, age, master.aged_from + allowed)))
    return tuple(one for _, one in sorted(found, key=lambda one: (-one[0], one[1].master.master_id)))


def _joined(needs: Iterable[Need]) -> list[Need]:
    """Put together what lights and flats both ask for: a bias can serve either."""
    found: dict[str, Need] = {}
    for need in needs:
        known = found.get(need.need_id)
        if known is not None:
            nights = tuple(sorted({*known.nights, *need.nights}))
            lights = max(known.lights, need.lights)
            need = replace(known, blocks=(*known.blocks, *need.blocks), nights=nights, lights=lights)  # noqa: PLW2901
        found[need.need_id] = need
    return list(found.values())


def _urgency(need: Need) -> tuple[int, int, int, float, int, str]:
    """Order by lights that wait, then nights, then how bad it is, then age."""
    age = need.age.total_seconds() if need.age else 0.0
    return -need.waiting_lights, -need.waiting_nights, SEVERITY[need.coverage], -age, -need.lights, need.need_id


def _needs(demands: Sequence[Demand], library: Library) -> list[Need]:
    """Answer every question; those one master answers, or could answer, become one need."""
    covered: dict[tuple[FrameType, CameraMode, str], list[Demand]] = defaultdict(list)
    open_ = []
    for demand in demands:
        matching = library.shelf.matching(demand.frame, library.policy, wanted=demand.kind)
        if matching:
            best = min(matching, key=lambda one: rank_of(demand.frame, one, library.policy, at=library.now))
            covered[demand.kind, demand.frame.mode, best.master_id].append(demand)
        else:
            open_.append(demand)
    clusters = [*covered.values(), *cluster_demands(open_, library.policy)]
    return [_need(cluster, library) for cluster in clusters]


def _answer(demand: Demand, library: Library) -> Selection:
    return library.shelf.select(demand.frame, library.policy, wanted=demand.kind, at=library.now)


def _need(demands: Sequence[Demand], library: Library) -> Need:
    """Make one need of questions that belong together."""
    asked = _middle(demands, library)
    found = _answer(asked, library)
    hand = library.hand.near(asked)
    have, missing = _missing(hand, library.policy, renewed=found.chosen is not None)
    frame, policy = asked.frame, library.policy
    coverage = _coverage(found, library)
    need = Need(
        _name(asked), asked.kind, coverage, frame.mode, frame.exposure_s, frame.filter, frame.rotator_deg,
        frame.temperature_c, asked.lights, tuple(sorted(asked.nights)), "", policy.min_frames, have, missing,
        tuple(_in_hand(group, fits=fits) for group, fits in hand), found.master, blocks=asked.blocks,
        cooled=frame.mode not in library.uncooled,
    )  # fmt: skip
    if found.master is not None:
        age = library.now - found.master.aged_from
        expires = found.master.aged_from + max_age(found.master.frame_type, policy)
        need = replace(need, age=age, expires_at=expires)
    else:
        instead = library.shelf.select(frame, policy, wanted=FrameType.BIAS, at=library.now).master
        serves = asked.kind is FrameType.DARK and instead is not None
        nearest = found.candidates[0] if found.candidates else None
        need = replace(need, nearest=nearest, stand_in=instead.master_id if serves and instead else None)
    return replace(need, reason=_reason(need, found, library))


def _middle(demands: Sequence[Demand], library: Library) -> Demand:
    """Return the question in the middle of some that belong together."""
    if len(demands) == 1:
        return demands[0]
    most = max(demands, key=lambda one: (one.lights, one.frame.temperature_c or 0.0, one.frame.exposure_s or 0.0))
    temperatures = [one.frame.temperature_c for one in demands if one.frame.temperature_c is not None]
    exposures = [one.frame.exposure_s for one in demands if one.frame.exposure_s is not None]
    frame = replace(
        most.frame, set_temp_c=round(centre_of(temperatures), 3) if temperatures else None,
        exposure_s=round(centre_of(exposures), 4) if exposures else None,
    )  # fmt: skip
    (together,) = merged([replace(one, frame=most.frame) for one in demands])
    central = replace(together, frame=frame)
    same = (_answer(central, library).chosen is None) == (_answer(demands[0], library).chosen is None)
    return central if same else together


def _coverage(found: Selection, library: Library) -> Coverage:
    if found.chosen is None:
        return Coverage.UNCOVERED
    master = found.chosen.master
    share = (library.now - master.aged_from) / max_age(master.frame_type, library.policy)
    if share > 1.0:
        return Coverage.EXPIRED
    if share > EXPIRING_SHARE:
        return Coverage.EXPIRING
    return Coverage.WEAK if found.chosen.weak else Coverage.COVERED


def _missing(hand: Sequence[tuple[PileGroup, bool]], policy: Policy, *, renewed: bool) -> tuple[int, int]:
    """Return the frames of the best group, and how many more a stack of it needs."""
    fitting = [group for group, fits in hand if fits]
    if not fitting:
        return 0, policy.min_frames
    have, unused = frames_of(fitting[0]), unused_of(fitting[0])
    missing = max(0, policy.min_frames - have, policy.refresh_new_frames - unused if renewed else 0)
    return have, missing


def _in_hand(group: PileGroup, *, fits: bool) -> InHand:
    refused = sum(pile.refused for pile in group.frames)
    return InHand(group.key.temp_c, group.key.exposure_s, frames_of(group), unused_of(group), refused, fits)


def _reason(need: Need, found: Selection, library: Library) -> str:
    """Say how a need stands, in words."""
    if need.master is None:
        text = f"{found.reason}; {need.have} of {need.minimum} frames in hand"
        refused = sum(one.refused for one in need.in_hand if one.fits)
        text += f", {refused} refused, each for its reason" if refused else ""
        others = sum(one.frames for one in need.in_hand if not one.fits)
        text += f", {others} more at other temperatures" if others else ""
        text += STACK_DUE if need.missing == 0 else ""
        return text + ("; a master bias stands in for it" if need.stand_in else "")
    days = (need.age or timedelta()).total_seconds() / 86_400
    allowed = max_age(need.master.frame_type, library.policy).days
    unit = "day" if round(days) == 1 else "days"
    told = f"master {need.master.frame_type} of {need.master.start_utc:%Y-%m-%d} is {days:.0f} {unit} old"
    if need.coverage is Coverage.EXPIRED:
        told += f", {allowed} are allowed; it stays in use until it is replaced"
    elif need.coverage is Coverage.EXPIRING:
        told += f" and expires at {allowed}"
    weak = found.chosen.weak if found.chosen else ()
    return told + (f"; weak match: {', '.join(weak)} not stated by the frame" if weak else "")


def _name(asked: Demand) -> str:
    """Name a need by what it asks for, so that it keeps its name from one look to the next."""
    frame = asked.frame
    facts = (str(asked.kind), frame.mode, frame.exposure_s, frame.filter, frame.rotator_deg, frame.temperature_c)
    return f"{asked.kind}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:12]}"
