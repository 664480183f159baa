"""Frames of one night graded among each other."""

from dataclasses import replace

from pictor.imaging.quality.grading import TARGET_SCHEDULER_RULES, Metrics
from pictor.imaging.quality.sets import Candidate, Like, grade_frames

SHARP = Metrics(star_count=150, fwhm_px=3.0, hfr_px=1.6, eccentricity=0.40, background_adu=900.0, trail_count=0)
LIKE = Like("scope/camera", "M 51", "L", 60.0)


def night(count: int) -> list[Candidate]:
    shares = [0.98, 1.02, 1.0, 0.97, 1.03, 0.99, 1.01, 1.0, 0.98, 1.02]
    return [
        Candidate(LIKE, replace(SHARP, star_count=round(150 * f), hfr_px=1.6 * f), f"2026-10-12T20:{k:02d}:00Z")
        for k, f in enumerate(shares[:count])
    ]


def letters(frames: list[Candidate]) -> str:
    return "".join(verdict.letter for verdict in grade_frames(frames))


def test_a_frame_is_graded_against_the_others_of_its_kind() -> None:
    blurred = Candidate(LIKE, replace(SHARP, hfr_px=2.5))
    assert letters([*night(8), blurred]) == "AAAAAAAAC"
    assert letters([*night(7), blurred])[-1] == "A"
    assert letters([*night(8), replace(blurred, like=replace(LIKE, filter="Ha"))])[-1] == "A"


def test_rejected_frames_are_no_baseline() -> None:
    dark = [Candidate(LIKE, Metrics(star_count=0))] * 20
    found = grade_frames([*dark, *night(9)])
    assert [verdict.rejected for verdict in found] == [True] * 20 + [False] * 9
    assert all(verdict.letter == "A" for verdict in found[20:])


def test_few_stars_under_a_bright_sky_are_suspected_by_frames_of_other_targets() -> None:
    clouded = Candidate(replace(LIKE, target="M 45"), replace(SHARP, star_count=30, background_adu=2500.0))
    assert letters([*night(3), clouded])[-1] == "C"
    assert letters([*night(3), replace(clouded, like=replace(LIKE, rig="other"))])[-1] == "A"
    for harmless in (replace(SHARP, star_count=30), replace(SHARP, background_adu=2500.0)):
        assert letters([*night(3), replace(clouded, metrics=harmless)])[-1] == "A"


def test_the_worst_reason_comes_first() -> None:
    spoilt = Candidate(LIKE, replace(SHARP, hfr_px=2.5, trail_count=1, eccentricity=0.56))
    verdict = grade_frames([*night(9), spoilt])[-1]
    assert verdict.letter == "C"
    assert verdict.reasons[0].startswith("HFR")


def test_target_scheduler_looks_at_earlier_frames_only_whatever_the_order_given() -> None:
    frames = [*night(9), Candidate(LIKE, replace(SHARP, star_count=40), "2026-10-12T23:00:00Z")]
    forward = grade_frames(frames, TARGET_SCHEDULER_RULES)
    backward = grade_frames(frames[::-1], TARGET_SCHEDULER_RULES)
    assert [verdict.rejected for verdict in forward] == [False] * 9 + [True]
    assert backward[::-1] == forward
    first = replace(frames[-1], start_utc="2026-10-12T19:00:00Z")
    assert not grade_frames([*frames[:-1], first], TARGET_SCHEDULER_RULES)[-1].rejected


def test_nothing_given_is_nothing_graded() -> None:
    assert grade_frames([]) == []
