"""Grades as they are announced and stored, from the verdicts of the library."""

from pictor.contracts.quality import Grade, GradeStatus
from pictor.imaging.quality import grading
from pictor.imaging.quality.grading import NOTHING, PICTOR_RULES, Baseline, Metrics, PictorRules, TargetSchedulerRules


def grade(
    metrics: Metrics,
    baseline: Baseline,
    rules: PictorRules | TargetSchedulerRules = PICTOR_RULES,
    *,
    rig: Baseline = NOTHING,
) -> Grade:
    """Grade one frame by a named rule set; see `pictor.imaging.quality.grading.grade`."""
    verdict = grading.grade(metrics, baseline, rules, rig=rig)
    return Grade(
        letter=verdict.letter,
        status=GradeStatus.REJECTED if verdict.rejected else GradeStatus.ACCEPTED,
        reasons=verdict.reasons,
        rules=verdict.rules,
    )
