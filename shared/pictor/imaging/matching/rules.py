"""One rule at a time: whether this master may calibrate that frame."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from pictor.imaging.matching.filters import may_be_one
from pictor.imaging.matching.frames import CameraMode, Frame, FrameType
from pictor.imaging.matching.grouping import angle_between, exposure_tolerance, flat_dark_tolerance
from pictor.imaging.matching.policy import RANGES, CameraType, FlatRotation, Policy

Value = str | float | int | None


class MasterStatus(StrEnum):
    """State of a master that has pixels."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class MasterFrame:
    """A master as the selection sees it; ``start_utc`` is the mean of its inputs, between the first and the last."""

    master_id: str
    frame_type: FrameType
    mode: CameraMode
    start_utc: datetime
    frames: int
    status: MasterStatus = MasterStatus.ACTIVE
    exposure_s: float | None = None
    filter: str | None = None
    rotator_deg: float | None = None
    temp_c: float | None = None
    holds_bias: bool = True
    first_utc: datetime | None = None
    last_utc: datetime | None = None

    @property
    def aged_from(self) -> datetime:
        """When it began to age: with its newest frame."""
        return self.last_utc or self.start_utc

    def away(self, at: datetime) -> timedelta:
        """Return how far a time is from its frames; none between the first and the last."""
        return max((self.first_utc or self.start_utc) - at, at - self.aged_from, timedelta())


@dataclass(frozen=True, slots=True)
class Rule:
    """One comparison: both values, the tolerance, the outcome and the policy change that would turn it.

    ``why`` says in words what the values alone do not tell.
    ``weak`` marks a rule that passed only because the frame does not state the value. ``miss`` ranks failures: how many
    tolerances the values are apart, 1 million for values that can only be equal.
    """

    name: str
    passed: bool
    weak: bool
    wanted: Value
    found: Value
    tolerance: float | None = None
    miss: float = 0.0
    remedy: str | None = None
    why: str | None = None

    @property
    def sentence(self) -> str:
        """Say it in words."""
        allowed = "" if self.tolerance is None else f", allowed {self.tolerance:g}"
        name = WORDS.get(self.name, self.name)
        if self.weak:
            return f"{name}: not stated by the frame, master {_shown(self.found)}"
        told = f"{name}: frame {_shown(self.wanted)}, master {_shown(self.found)}"
        return f"{told} ({self.why})" if self.why else told + allowed


NEVER = 1e6

WORDS = {"rig_id": "rig or camera"}
"""What sentences call a rule whose name says nothing to a reader."""

NO_CAMERA = str(None)
"""Stands for the rig of a frame that names neither rig nor camera."""

HOLDS_BIAS = "this one holds its bias: only a dark whose bias was taken off is scaled"


def _shown(value: Value) -> str:
    if value in {None, NO_CAMERA}:
        return "not stated"
    return f"{value:g}" if isinstance(value, float) else str(value)


def equal(name: str, wanted: Value, found: Value) -> Rule:
    """Compare values that can only be equal."""
    weak = wanted is None and found is not None
    passed = weak or wanted == found
    return Rule(name, passed, weak, wanted, found, miss=0.0 if passed else NEVER)


def close(name: str, wanted: float | None, found: float | None, tolerance: float, setting: str | None = None) -> Rule:
    """Compare values that may differ by a tolerance; ``setting`` is the policy setting that widens it."""
    if wanted is None or found is None:
        return equal(name, wanted, found)
    apart = abs(wanted - found)
    return _within(Rule(name, True, False, wanted, found, tolerance), apart, setting)


def _within(rule: Rule, apart: float, setting: str | None) -> Rule:
    tolerance = rule.tolerance or 0.0
    if apart <= tolerance + 1e-9:
        return rule
    miss = apart / tolerance if tolerance > 0 else NEVER / 2
    remedy = None
    if setting is not None and apart <= RANGES[setting][1]:
        remedy = f"{setting} of at least {apart:.3g} (now {tolerance:g})"
    return Rule(rule.name, False, False, rule.wanted, rule.found, rule.tolerance, miss, remedy)


@lru_cache(maxsize=4096)
def mode_rules(wanted: CameraMode, found: CameraMode) -> tuple[Rule, ...]:
    """Compare camera modes, setting by setting."""
    return tuple(equal(one.name, getattr(wanted, one.name), getattr(found, one.name)) for one in fields(CameraMode))


def rules_for(frame: Frame, master: MasterFrame, policy: Policy) -> tuple[Rule, ...]:
    """Apply every hard rule between a light (or a flat that wants its dark) and a master."""
    found = [*mode_rules(frame.mode, master.mode), *_exposure(frame, master, policy)]
    tolerance = policy.temperature_tolerance_c
    found.append(close("temperature", frame.temperature_c, master.temp_c, tolerance, "temperature_tolerance_c"))
    if master.frame_type is FrameType.FLAT:
        found.append(_filter(frame, master, policy))
        found.extend(_rotation(frame, master, policy))
    return tuple(found)


def plainly_refused(frame: Frame, master: MasterFrame, policy: Policy, *, any_temperature: bool = False) -> bool:
    """Tell at a glance that a master of the frame's mode fails a rule; False where only the rules can tell."""
    warm, cold = frame.temperature_c, master.temp_c
    stated = warm is not None and cold is not None and not any_temperature
    if stated and abs((warm or 0.0) - (cold or 0.0)) > policy.temperature_tolerance_c + 1e-6:
        return True
    if master.frame_type is FrameType.FLAT:
        return frame.filter is not None and not policy.filters.same(frame.filter, master.filter, frame.mode.rig_id)
    wanted, found = frame.exposure_s, master.exposure_s
    if master.frame_type is FrameType.BIAS or wanted is None or found is None or not master.holds_bias:
        return False
    share = max(policy.exposure_tolerance_share, policy.flat_dark_exposure_share)
    return abs(wanted - found) > max(policy.exposure_tolerance_s, share * abs(wanted)) + 1e-6


def _filter(frame: Frame, master: MasterFrame, policy: Policy) -> Rule:
    """Compare filters by the names they go by; the rule shows them as they are written and says how they are read."""
    rule = equal("filter", frame.filter, master.filter)
    if frame.filter == master.filter:
        return rule
    names, rig = policy.filters, frame.mode.rig_id
    rule = replace(rule, why=names.reading(rig, frame.filter, master.filter))
    if frame.filter is None or master.filter is None:
        return rule
    if names.same(frame.filter, master.filter, rig):
        return replace(rule, passed=True, miss=0.0)
    rule = replace(rule, why=names.kept_apart(frame.filter, master.filter, rig) or rule.why)
    if not may_be_one(frame.filter, master.filter):
        return rule
    return replace(rule, miss=NEVER / 2, remedy=f"filter_synonyms of {frame.filter} = {master.filter}")


def _exposure(frame: Frame, master: MasterFrame, policy: Policy) -> Iterator[Rule]:
    """Darks must have the exposure of the frame; a CCD dark without bias may be scaled for a light."""
    if master.frame_type not in {FrameType.DARK, FrameType.FLAT_DARK}:
        return
    wanted, found = frame.exposure_s, master.exposure_s
    if frame.frame_type is FrameType.FLAT:
        yield close("exposure", wanted, found, flat_dark_tolerance(wanted or 0.0, policy), None)
        return
    rule = close("exposure", wanted, found, exposure_tolerance(wanted or 0.0, policy), "exposure_tolerance_s")
    if rule.passed or policy.camera_type is not CameraType.CCD or not wanted or not found:
        yield rule
        return
    ratio = wanted / found
    inside = policy.dark_scale_min <= ratio <= policy.dark_scale_max
    why = f"{ratio:.3g} times; darks are scaled {policy.dark_scale_min:g} to {policy.dark_scale_max:g} times"
    if master.holds_bias:
        yield replace(rule, remedy=None if inside else rule.remedy, why=f"{why}, but {HOLDS_BIAS}")
        return
    yield Rule("exposure ratio", inside, False, wanted, found, miss=0.0 if inside else ratio, why=why)


def _rotation(frame: Frame, master: MasterFrame, policy: Policy) -> Iterator[Rule]:
    """Gate flats by rotation where the policy requires it, on the circle."""
    if policy.flat_rotation is not FlatRotation.REQUIRED:
        return
    if frame.rotator_deg is None or master.rotator_deg is None:
        yield equal("rotation", frame.rotator_deg, master.rotator_deg)
        return
    apart = angle_between(frame.rotator_deg, master.rotator_deg)
    tolerance = policy.rotation_tolerance_deg
    rule = Rule("rotation", True, False, frame.rotator_deg, master.rotator_deg, tolerance)
    yield _within(rule, apart, "rotation_tolerance_deg")
