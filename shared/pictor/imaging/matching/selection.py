"""Which master a frame gets, and why not another."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pictor.imaging.matching.frames import Frame, FrameType
from pictor.imaging.matching.grouping import angle_between
from pictor.imaging.matching.policy import FlatRotation, Policy
from pictor.imaging.matching.rules import MasterFrame, MasterStatus, Rule, rules_for

TEMPERATURE_STEP_C = 0.5
"""Temperatures closer than a settled cooler holds them are equally good; then time decides."""

SERVES: dict[FrameType, frozenset[FrameType]] = {
    FrameType.BIAS: frozenset({FrameType.BIAS}),
    FrameType.DARK: frozenset({FrameType.DARK}),
    FrameType.FLAT: frozenset({FrameType.FLAT}),
    FrameType.FLAT_DARK: frozenset({FrameType.DARK, FrameType.FLAT_DARK}),
}
"""Which masters can take a place; a dark of the flat's exposure is as good as a flat-dark."""

Rank = tuple[bool, bool, bool, bool, int, float, int, str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One master against one frame: every rule, and how it ranks."""

    master: MasterFrame
    rules: tuple[Rule, ...]
    expired: bool
    rank: Rank

    @property
    def matches(self) -> bool:
        """Whether every hard rule passed."""
        return all(rule.passed for rule in self.rules)

    @property
    def weak(self) -> tuple[str, ...]:
        """Values the frame does not state."""
        return tuple(rule.name for rule in self.rules if rule.weak)

    @property
    def failures(self) -> tuple[Rule, ...]:
        """Rules that failed."""
        return tuple(rule for rule in self.rules if not rule.passed)

    @property
    def remedies(self) -> tuple[str, ...]:
        """Policy changes that would make it match; empty where some failure has none."""
        found = tuple(rule.remedy for rule in self.failures if rule.remedy is not None)
        return found if len(found) == len(self.failures) else ()


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen master, or why there is none; ``candidates`` has the chosen first, then the nearest misses."""

    chosen: Candidate | None
    candidates: tuple[Candidate, ...]
    reason: str

    @property
    def master(self) -> MasterFrame | None:
        """The chosen master."""
        return None if self.chosen is None else self.chosen.master


def max_age(frame_type: FrameType, policy: Policy) -> timedelta:
    """Return the age from which a master is expired."""
    days = {
        FrameType.BIAS: policy.bias_max_age_days,
        FrameType.FLAT: policy.flat_max_age_days,
    }
    return timedelta(days=days.get(frame_type, policy.dark_max_age_days))


def select(
    frame: Frame, masters: Iterable[MasterFrame], policy: Policy, *, wanted: FrameType, at: datetime | None = None
) -> Selection:
    """Choose the master for one place of one frame.

    Hard rules gate. Among those that pass: not expired at the time of the frame before expired, so that an old light
    gets the master of its time; the active one before a superseded one, unless both are expired; a flat whose filter is
    written as the frame writes it before one that only goes by the same name; with the policy `preferred` the right
    rotation; then the closest temperature, the closest time in both directions, the larger
    number of frames.

    Parameters
    ----------
    frame
        The light; or a flat that wants its dark.
    masters
        Masters with pixels, active and superseded, of any type.
    policy
        Settings of the observatory.
    wanted
        The place to fill: bias, dark, flat, or flat-dark.
    at
        Reference time; None: start of the frame. All lights of one night, target and filter share one.
    """
    serving = [master for master in masters if master.frame_type in SERVES[wanted]]
    return selection([candidate(frame, master, policy, at=at) for master in serving], wanted)


def selection(found: Iterable[Candidate], wanted: FrameType) -> Selection:
    """Choose among compared masters: those that match by rank, then the nearest misses."""
    found = list(found)
    matching = sorted((one for one in found if one.matches), key=lambda one: one.rank)
    missing = sorted((one for one in found if not one.matches), key=_distance)
    ordered = (*matching, *missing)
    if matching:
        return Selection(matching[0], ordered, _praise(matching[0]))
    return Selection(None, ordered, _excuse(missing, wanted))


def candidate(frame: Frame, master: MasterFrame, policy: Policy, *, at: datetime | None = None) -> Candidate:
    """Compare one master with one frame."""
    rank = rank_of(frame, master, policy, at=at)
    return Candidate(master, rules_for(frame, master, policy), rank[0], rank)


def rank_of(frame: Frame, master: MasterFrame, policy: Policy, *, at: datetime | None = None) -> Rank:
    """Rank a master among those that match; the least is taken. No rule depends on time, only the rank does."""
    moment = at or frame.start_utc
    warmth = 0.0
    if frame.temperature_c is not None and master.temp_c is not None:
        warmth = abs(frame.temperature_c - master.temp_c)
    expired = master.away(moment) > max_age(master.frame_type, policy)
    return (
        expired,
        master.status is not MasterStatus.ACTIVE and not expired,
        master.frame_type is FrameType.FLAT and frame.filter is not None and frame.filter != master.filter,
        _turned(frame, master, policy),
        int(warmth / TEMPERATURE_STEP_C + 1e-9),
        abs(master.start_utc - moment).total_seconds(),
        -master.frames,
        master.master_id,
    )


def _turned(frame: Frame, master: MasterFrame, policy: Policy) -> bool:
    """Tell whether a preferred rotation is missed."""
    if policy.flat_rotation is not FlatRotation.PREFERRED or master.frame_type is not FrameType.FLAT:
        return False
    if frame.rotator_deg is None:
        return False
    if master.rotator_deg is None:
        return True
    return angle_between(frame.rotator_deg, master.rotator_deg) > policy.rotation_tolerance_deg


def _distance(one: Candidate) -> tuple[int, float, Rank]:
    """Rank refusals: fewest failed rules, then nearest in tolerances."""
    return len(one.failures), sum(rule.miss for rule in one.failures), one.rank


def _praise(one: Candidate) -> str:
    """Say what was chosen and what is weak about it."""
    text = f"master {one.master.frame_type} of {one.master.start_utc:%Y-%m-%d}, {one.master.frames} frames"
    if one.expired:
        text += ", expired but the nearest"
    text += "".join(f"; {rule.name} {rule.found}: {rule.why}" for rule in one.rules if rule.why and not rule.weak)
    if one.weak:
        text += f"; weak match: {', '.join(one.weak)} not stated by the frame"
    return text


def _excuse(missing: Sequence[Candidate], wanted: FrameType) -> str:
    """Say that nothing matches, and the nearest miss."""
    if not missing:
        return f"no master {wanted} exists"
    nearest = missing[0]
    text = f"no master {wanted} matches; nearest: {'; '.join(rule.sentence for rule in nearest.failures)}"
    return f"{text}; would match with {' and '.join(nearest.remedies)}" if nearest.remedies else text


@dataclass(frozen=True, slots=True)
class MasterSet:
    """What one light is calibrated with."""

    dark: Selection
    flat: Selection
    bias: Selection

    @property
    def usable(self) -> bool:
        """Whether anything can be taken off: a dark, or a bias in its place."""
        return self.dark.master is not None or self.bias.master is not None


def select_set(
    light: Frame, masters: Sequence[MasterFrame], policy: Policy, *, at: datetime | None = None
) -> MasterSet:
    """Choose dark, flat and bias for a light."""
    places = (FrameType.DARK, FrameType.FLAT, FrameType.BIAS)
    return MasterSet(*(select(light, masters, policy, wanted=place, at=at) for place in places))


def common_time(lights: Sequence[Frame]) -> datetime:
    """Return the time all lights of one night, target and filter are matched at: the middle of them."""
    starts = [light.start_utc for light in lights]
    return min(starts) + (max(starts) - min(starts)) / 2


def dark_for_flats(flat: Frame, masters: Sequence[MasterFrame], policy: Policy) -> Selection:
    """Choose the dark of a flat: a flat-dark or dark of its exposure, or a bias where the policy lets it stand in."""
    found = select(flat, masters, policy, wanted=FrameType.FLAT_DARK)
    short = flat.exposure_s is not None and flat.exposure_s < policy.bias_for_flats_below_s
    if found.chosen is not None or not short:
        return found
    instead = select(flat, masters, policy, wanted=FrameType.BIAS)
    return instead if instead.chosen is not None else found
