"""Frames of one night or project: which belong together, and how each compares with its like."""

from collections.abc import Sequence
from dataclasses import dataclass

from pictor.imaging.quality.grading import (
    NOTHING,
    PICTOR_RULES,
    Baseline,
    Metrics,
    PictorRules,
    TargetSchedulerRules,
    Verdict,
    grade,
)


@dataclass(frozen=True, slots=True)
class Like:
    """What a frame is of; None is unknown, and equals unknown.

    Parameters
    ----------
    rig
        Telescope and camera.
    target, filter
        As the header spells them.
    exposure_s
        Exposure time in seconds.
    """

    rig: str | None = None
    target: str | None = None
    filter: str | None = None
    exposure_s: float | None = None

    @property
    def whatever_target(self) -> "Like":
        """The same without target."""
        return Like(self.rig, None, self.filter, self.exposure_s)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A measured frame to be graded among others.

    Parameters
    ----------
    like
        What it is of.
    metrics
        Its numbers.
    start_utc
        ISO 8601 text that sorts by time; None sorts last.
    """

    like: Like
    metrics: Metrics
    start_utc: str | None = None


def grade_frames(
    frames: Sequence[Candidate], rules: PictorRules | TargetSchedulerRules = PICTOR_RULES
) -> list[Verdict]:
    """Grade frames A to D, each against those of the given ones that are of the same kind.

    Frames are first graded by themselves; those not rejected are the baseline. Then each is graded against the
    others of its rig, target, filter and exposure; by the rules of Target Scheduler against the accepted ones
    that were taken before it, as at the telescope.

    Parameters
    ----------
    frames
        In any order.
    rules
        The rule set.

    Returns
    -------
    list of Verdict
        In the order of the frames.
    """
    if isinstance(rules, TargetSchedulerRules):
        return _one_after_another(frames, rules)
    alone = [grade(frame.metrics, NOTHING, rules) for frame in frames]
    good = [(k, frame) for k, frame in enumerate(frames) if not alone[k].rejected]
    verdicts = []
    for k, frame in enumerate(frames):
        others = [(other.like, other.metrics) for j, other in good if j != k]
        own = Baseline(tuple(metrics for like, metrics in others if like == frame.like))
        wide = frame.like.whatever_target
        rig = Baseline(tuple(metrics for like, metrics in others if like.whatever_target == wide))
        verdicts.append(grade(frame.metrics, own, rules, rig=rig))
    return verdicts


def _one_after_another(frames: Sequence[Candidate], rules: TargetSchedulerRules) -> list[Verdict]:
    """Grade in the order of time; only accepted frames count for those that follow."""
    verdicts: dict[int, Verdict] = {}
    accepted: dict[Like, list[Metrics]] = {}
    order = sorted(range(len(frames)), key=lambda k: (frames[k].start_utc is None, frames[k].start_utc or "", k))
    for k in order:
        frame = frames[k]
        before = accepted.setdefault(frame.like, [])
        verdicts[k] = grade(frame.metrics, Baseline(tuple(before)), rules)
        if not verdicts[k].rejected:
            before.append(frame.metrics)
    return [verdicts[k] for k in range(len(frames))]
