"""Grade a light frame A to D from its stored metrics; pixels are not needed."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

from pictor.imaging.quality.criteria import (
    ABSOLUTE,
    CLOUDED_SKY,
    CLOUDED_STARS,
    DEFOCUSED_ARCSEC,
    DEFOCUSED_PX,
    RELATIVE,
    Finding,
    Limits,
    defocused_on_sky,
    lit_clouds,
)

LETTERS = "ABCD"


@dataclass(frozen=True, slots=True)
class Metrics:
    """The stored numbers of one frame that rules may ask for; None is unknown."""

    star_count: int | None = None
    fwhm_px: float | None = None
    hfr_px: float | None = None
    eccentricity: float | None = None
    elongation_deg: float | None = None
    background_adu: float | None = None
    noise_adu: float | None = None
    saturated_fraction: float | None = None
    repeated_fraction: float | None = None
    non_finite_fraction: float | None = None
    pattern_noise: bool | None = None
    trail_count: int | None = None
    guiding_rms_px: float | None = None
    scale_arcsec: float | None = None

    @classmethod
    def of(cls, stored: Mapping[str, object] | object) -> "Metrics":
        """Take what is known from a mapping or from an object with these attributes."""
        read: Callable[[str], object] = (
            stored.get if isinstance(stored, Mapping) else lambda n: getattr(stored, n, None)
        )
        return cls(**{f.name: _known(read(f.name)) for f in fields(cls)})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Accepted frames of the same rig, target, filter and exposure, oldest first."""

    frames: tuple[Metrics, ...] = ()

    def values(self, name: str) -> list[float]:
        """Known values of one metric."""
        return [float(value) for frame in self.frames if (value := getattr(frame, name)) is not None]

    def usual(self, name: str, *, fewest: int) -> tuple[float, float] | None:
        """Median and robust sigma (1.4826 MAD) of one metric; None with fewer than `fewest` values."""
        values = self.values(name)
        if len(values) < fewest:
            return None
        middle = statistics.median(values)
        return middle, 1.4826 * statistics.median(abs(value - middle) for value in values)


NOTHING = Baseline()


@dataclass(frozen=True, slots=True)
class PictorRules:
    """Absolute limits, and distance from the robust median of accepted frames.

    Parameters
    ----------
    name
        Name and version, stored with every grade.
    fewest, fewest_of_rig
        Frames the baseline needs before it counts; and frames of the rig through this filter, whatever the target.
    absolute, relative
        Limits per criterion.
    """

    name: str = "pictor 1"
    fewest: int = 8
    fewest_of_rig: int = 3
    absolute: tuple[Limits, ...] = ABSOLUTE
    relative: tuple[Limits, ...] = RELATIVE


@dataclass(frozen=True, slots=True)
class TargetSchedulerRules:
    """Default rules of Target Scheduler [1]_: too far from the mean of the last accepted frames.

    The population holds accepted frames only, unknown values are passed over one by one, and the guiding
    error is in pixels as measured, so that defects of the original are not repeated.

    Parameters
    ----------
    name
        Name and version, stored with every grade.
    sigmas
        Allowed distance from the mean, in sample standard deviations.
    samples
        Frames looked back at.
    fewest
        With fewer frames than this a frame is accepted.
    guiding_limit_px
        Largest guiding error.
    metrics
        Metrics tested in order, and whether more is better.

    References
    ----------
    .. [1] Palmer T., Target Scheduler plugin for NINA, "Image grading".
    """

    name: str = "target-scheduler 1"
    sigmas: float = 4.0
    samples: int = 10
    fewest: int = 3
    guiding_limit_px: float = 8.0
    metrics: tuple[tuple[str, bool], ...] = (("star_count", True), ("hfr_px", False))


PICTOR_RULES = PictorRules()
TARGET_SCHEDULER_RULES = TargetSchedulerRules()
TARGET_SCHEDULER_ALL = TargetSchedulerRules(
    name="target-scheduler-all 1",
    metrics=(("star_count", True), ("hfr_px", False), ("fwhm_px", False), ("eccentricity", False)),
)
RULES: Mapping[str, PictorRules | TargetSchedulerRules] = {
    rules.name: rules for rules in (PICTOR_RULES, TARGET_SCHEDULER_RULES, TARGET_SCHEDULER_ALL)
}
"""Every rule set by its name and version."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule set says about one frame.

    Parameters
    ----------
    letter
        A to D.
    rejected
        True for D.
    reasons
        Sentences, worst first; empty for a frame without blemish.
    rules
        Name and version of the rule set.
    """

    letter: str
    rejected: bool
    reasons: tuple[str, ...]
    rules: str


def grade(
    metrics: Metrics,
    baseline: Baseline,
    rules: PictorRules | TargetSchedulerRules = PICTOR_RULES,
    *,
    rig: Baseline = NOTHING,
) -> Verdict:
    """Grade one frame by a named rule set.

    Parameters
    ----------
    metrics
        Its stored numbers.
    baseline
        Accepted frames of the same rig, target, filter and exposure.
    rules
        The rule set.
    rig
        Accepted frames of the same rig, filter and exposure, whatever the target.

    Returns
    -------
    Verdict
        Letter, whether it is rejected (D), and why, worst reason first.

    Examples
    --------
    >>> usual = Baseline(tuple(Metrics(star_count=400, hfr_px=2.0 + 0.01 * k) for k in range(8)))
    >>> verdict = grade(Metrics(star_count=390, hfr_px=4.1), usual)
    >>> verdict.letter, verdict.rejected
    ('D', True)
    >>> verdict.reasons[0]
    'HFR 4.10 px where 2.04 px is usual (2.01 times): focus or seeing'
    """
    found = (
        _by_target_scheduler(metrics, baseline, rules)
        if isinstance(rules, TargetSchedulerRules)
        else [*_by_limits(metrics, baseline, rules), *_by_rig(metrics, rig, rules), *_by_sky(metrics)]
    )
    worst = max((finding.level for finding in found), default=0)
    ordered = sorted(found, key=lambda finding: -finding.level)
    return Verdict(
        letter=LETTERS[worst],
        rejected=worst == len(LETTERS) - 1,
        reasons=tuple(finding.reason for finding in ordered),
        rules=rules.name,
    )


def _by_limits(metrics: Metrics, baseline: Baseline, rules: PictorRules) -> list[Finding]:
    found = [limits.judge(metrics, None) for limits in rules.absolute]
    for limits in rules.relative:
        usual = baseline.usual(limits.metric, fewest=rules.fewest)
        if usual is not None:
            found.append(limits.judge(metrics, usual))
    return [finding for finding in found if finding is not None]


def _by_rig(metrics: Metrics, rig: Baseline, rules: PictorRules) -> list[Finding]:
    """Suspect clouds on a target without a baseline of its own: far fewer stars under a far brighter sky."""
    stars = rig.usual("star_count", fewest=rules.fewest_of_rig)
    sky = rig.usual("background_adu", fewest=rules.fewest_of_rig)
    if stars is None or sky is None or metrics.star_count is None or metrics.background_adu is None:
        return []
    if metrics.star_count > CLOUDED_STARS * stars[0] or metrics.background_adu < CLOUDED_SKY * sky[0]:
        return []
    return [Finding(2, lit_clouds(metrics.star_count, stars[0], metrics.background_adu / sky[0]))]


def _by_sky(metrics: Metrics) -> list[Finding]:
    """Tell defocus from seeing on a target without a baseline: no seeing spreads stars over this much sky.

    A short lens does, in few pixels: the radius must be large in both.
    """
    if metrics.hfr_px is None or metrics.scale_arcsec is None or metrics.hfr_px < DEFOCUSED_PX:
        return []
    radius = metrics.hfr_px * metrics.scale_arcsec
    level = sum(radius >= limit for limit in DEFOCUSED_ARCSEC)
    return [Finding(level, defocused_on_sky(metrics.hfr_px, radius))] if level else []


def _by_target_scheduler(metrics: Metrics, baseline: Baseline, rules: TargetSchedulerRules) -> list[Finding]:
    """Reject on the first metric out of limits."""
    rms = metrics.guiding_rms_px
    if rms is not None and rms > rules.guiding_limit_px:
        return [Finding(3, f"guiding error of {rms:.1f} px is above {rules.guiding_limit_px:.0f} px")]
    for name, more_is_better in rules.metrics:
        value = getattr(metrics, name)
        values = baseline.values(name)[-rules.samples :]
        if value is None or len(values) < rules.fewest:
            continue
        mean, sigma = statistics.fmean(values), statistics.stdev(values)
        distance = (mean - value) if more_is_better else (value - mean)
        if distance > rules.sigmas * sigma:
            words = _WORDS[name]
            away = f"more than {rules.sigmas:.0f} x {sigma:.2g}" if sigma > 0 else "and never varied"
            return [Finding(3, f"{words} of {value:.4g} where the mean of {len(values)} is {mean:.4g}, {away}")]
    return []


_WORDS: Mapping[str, str] = {
    "star_count": "star count",
    "hfr_px": "half-flux radius (px)",
    "fwhm_px": "FWHM (px)",
    "eccentricity": "eccentricity",
}


def _known(value: object) -> object:
    """Pass a number on; not-a-number is unknown."""
    return None if value is None or value != value else value  # noqa: PLR0124 - NaN differs from itself


def baseline_of(stored: Sequence[Mapping[str, object] | object]) -> Baseline:
    """Make a baseline from stored measurements of accepted frames, oldest first."""
    return Baseline(tuple(Metrics.of(frame) for frame in stored))
