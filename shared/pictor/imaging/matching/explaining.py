"""Why a light gets this master and not that one, and the least change of policy that would turn it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from pictor.imaging.matching.filters import may_be_one
from pictor.imaging.matching.frames import Frame, FrameType
from pictor.imaging.matching.grouping import angle_between
from pictor.imaging.matching.policy import RANGES, CameraType, FlatRotation, Policy, PolicyError, Switch, validate
from pictor.imaging.matching.rules import MasterFrame, Rule, rules_for
from pictor.imaging.matching.selection import Candidate, Selection, dark_for_flats, select

DIGITS = 3
"""A proposed setting is rounded up to so many places: it must be written down and still match."""

Setting = float | int | str


@dataclass(frozen=True, slots=True)
class Change:
    """One setting, as it is and as it would have to be."""

    setting: str
    now: Setting
    needed: Setting

    @property
    def sentence(self) -> str:
        """Say it in words."""
        both = (self.needed, self.now)
        shown = [f"{value:g}" if isinstance(value, float) else str(value) or "nothing" for value in both]
        return f"{self.setting} {shown[0]} (now {shown[1]})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One candidate and the policy changes that would make it match; ``changes`` is None where none would."""

    candidate: Candidate
    changes: tuple[Change, ...] | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """One place of a light: what was chosen or why nothing, and the candidates, the nearest miss first.

    The selection has every candidate; verdicts are of as many as were asked for.
    """

    place: FrameType
    sentence: str
    selection: Selection
    verdicts: tuple[Verdict, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the rules the nearest miss fails; empty where something was chosen or nothing exists."""
        if self.selection.chosen is not None or not self.selection.candidates:
            return ()
        return tuple(rule.name for rule in self.selection.candidates[0].failures)


def explain(
    frame: Frame, masters: Sequence[MasterFrame], policy: Policy, *, at: datetime | None = None,
    shown: int | None = None,
) -> tuple[Explanation, ...]:  # fmt: skip
    """Explain every place of a light, or the dark of a flat; a dark and a bias need no master.

    Parameters
    ----------
    frame
        The frame as registered.
    masters
        Masters with pixels, active and superseded, of any type and camera mode.
    policy
        Settings of the observatory.
    at
        Reference time of its set; None: start of the frame.
    shown
        For so many candidates of each place changes of settings are looked for; None: for all.
    """
    if frame.frame_type is FrameType.FLAT:
        return (_explained(frame, FrameType.FLAT_DARK, dark_for_flats(frame, masters, policy), policy, shown),)
    if frame.frame_type is not FrameType.LIGHT:
        return ()
    places = (FrameType.DARK, FrameType.FLAT, FrameType.BIAS)
    return tuple(
        _explained(frame, place, select(frame, masters, policy, wanted=place, at=at), policy, shown) for place in places
    )


def _explained(frame: Frame, place: FrameType, found: Selection, policy: Policy, shown: int | None) -> Explanation:
    told = found.candidates if shown is None else found.candidates[: max(1, shown)]
    verdicts = [Verdict(one, () if one.matches else changes(frame, one, policy)) for one in told]
    return Explanation(place, _sentence(place, found, verdicts), found, tuple(verdicts))


def _sentence(place: FrameType, found: Selection, verdicts: Sequence[Verdict]) -> str:
    """Say what was chosen and what it beat, or the nearest miss and what would turn it."""
    if found.chosen is not None:
        others = sum(one.matches for one in found.candidates) - 1
        return found.reason + (f"; {others} more would match" if others else "")
    if not verdicts:
        return found.reason
    nearest = verdicts[0]
    misses = "; ".join(rule.sentence for rule in nearest.candidate.failures)
    text = f"no master {place} matches; nearest: {misses}"
    if nearest.changes:
        return f"{text}; would match with {' and '.join(change.sentence for change in nearest.changes)}"
    return f"{text}; no setting changes that"


def changes(frame: Frame, one: Candidate, policy: Policy) -> tuple[Change, ...] | None:
    """Find the least changes of settings that make a candidate match; None where no setting does.

    Each is tried: a proposal that does not make every rule pass is none.
    """
    found: dict[str, Change] = {}
    for rule in one.failures:
        change = _change(rule, frame, one.master, policy)
        if change is None:
            return None
        found[change.setting] = change
    proposed = tuple(found.values())
    after = changed(policy, proposed)
    if after is None or not all(rule.passed for rule in rules_for(frame, one.master, after)):
        return None
    return proposed


def changed(policy: Policy, proposed: Sequence[Change]) -> Policy | None:
    """Return the policy with some settings changed; None where that is outside a setting's range."""
    try:
        return validate({**asdict(policy), **{one.setting: one.needed for one in proposed}})
    except PolicyError:
        return None


def _change(rule: Rule, frame: Frame, master: MasterFrame, policy: Policy) -> Change | None:
    """Return the first setting that alone turns a rule, the least intrusive first."""
    for setting, needed in _ways(rule, frame, master, policy):
        low, high = RANGES.get(setting, (-math.inf, math.inf))
        if isinstance(needed, str) or low <= needed <= high:
            change = Change(setting, getattr(policy, setting), needed)
            after = changed(policy, (change,))
            rules = () if after is None else rules_for(frame, master, after)
            if rules and all(other.passed for other in rules if other.name.startswith(rule.name)):
                return change
    return None


def _ways(rule: Rule, frame: Frame, master: MasterFrame, policy: Policy) -> Iterator[tuple[str, Setting]]:
    """List the settings that a failed rule depends on, with the value each would need."""
    wanted, found = rule.wanted, rule.found
    if isinstance(wanted, int | float) and isinstance(found, int | float):
        if rule.name == "temperature":
            yield "temperature_tolerance_c", _up(abs(wanted - found))
        elif rule.name == "rotation":
            yield "rotation_tolerance_deg", _up(angle_between(wanted, found))
        elif rule.name in {"exposure", "exposure ratio"}:
            yield from _of_exposure(wanted, found, frame, master, policy)
    if rule.name == "rotation":
        yield "flat_rotation", str(FlatRotation.PREFERRED)
    if rule.name == "filter" and isinstance(wanted, str) and isinstance(found, str) and may_be_one(wanted, found):
        yield "filters_as_named", str(Switch.NO)
        yield "filter_synonyms", "; ".join(filter(None, (policy.filter_synonyms, f"{wanted} = {found}")))


def _of_exposure(
    wanted: float, found: float, frame: Frame, master: MasterFrame, policy: Policy
) -> Iterator[tuple[str, Setting]]:  # fmt: skip
    apart = abs(wanted - found)
    scales = policy.camera_type is CameraType.CCD and found > 0 and master.holds_bias
    if frame.frame_type is FrameType.LIGHT and scales and _inside(wanted / found, policy):
        return
    if frame.frame_type is FrameType.FLAT:
        if wanted:
            yield "flat_dark_exposure_share", _up(apart / wanted)
        yield "exposure_tolerance_s", _up(apart)
        return
    if not master.holds_bias and found:
        ratio = wanted / found
        if _inside(ratio, policy):
            yield "camera_type", str(CameraType.CCD)
        elif policy.camera_type is CameraType.CCD:
            yield ("dark_scale_max", _up(ratio)) if ratio > 1 else ("dark_scale_min", -_up(-ratio))
    yield "exposure_tolerance_s", _up(apart)
    if wanted:
        yield "exposure_tolerance_share", _up(apart / wanted)


def _inside(ratio: float, policy: Policy) -> bool:
    return policy.dark_scale_min <= ratio <= policy.dark_scale_max


def _up(value: float) -> float:
    """Round up, so that what is written down still reaches."""
    scale = 10.0**DIGITS
    return float(math.ceil(value * scale - 1e-6) / scale)
