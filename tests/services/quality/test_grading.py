from dataclasses import replace

import pytest

from pictor.contracts.quality import Grade, GradeStatus
from pictor.imaging.quality.grading import (
    PICTOR_RULES,
    RULES,
    TARGET_SCHEDULER_ALL,
    TARGET_SCHEDULER_RULES,
    Baseline,
    Metrics,
    baseline_of,
)
from pictor.quality.grading import grade

SHARP = Metrics(star_count=150, fwhm_px=3.0, hfr_px=1.6, eccentricity=0.40, background_adu=900.0, trail_count=0)


def usual(count: int = 10) -> Baseline:
    spread = [0.98, 1.02, 1.0, 0.97, 1.03, 0.99, 1.01, 1.0, 0.98, 1.02]
    return Baseline(
        tuple(
            replace(SHARP, star_count=round(150 * f), fwhm_px=3.0 * f, hfr_px=1.6 * f, background_adu=900.0 * f)
            for f in spread[:count]
        )
    )


def worse(metrics: Metrics, than: Metrics = SHARP) -> Grade:
    bad, good = grade(metrics, usual()), grade(than, usual())
    assert bad.letter > good.letter
    return bad


def test_a_frame_like_the_others_is_an_a_without_reasons() -> None:
    assert grade(SHARP, usual()) == Grade(letter="A", status=GradeStatus.ACCEPTED, reasons=(), rules=PICTOR_RULES.name)


def test_clouds_are_named_with_both_star_counts() -> None:
    found = worse(replace(SHARP, star_count=31))
    assert found.status is GradeStatus.REJECTED
    assert "clouds: star count 31 where 150 are usual (21 %)" in found.reasons[0]


def test_a_frame_without_stars_is_rejected_even_without_a_baseline() -> None:
    found = grade(Metrics(star_count=0), Baseline())
    assert (found.letter, found.status) == ("D", GradeStatus.REJECTED)
    assert found.reasons[0].startswith("no star was found")


def test_trailing_is_named_with_eccentricity_axis_ratio_and_direction() -> None:
    found = worse(replace(SHARP, eccentricity=0.9, elongation_deg=33.0))
    assert found.status is GradeStatus.REJECTED
    assert "eccentricity 0.90 (axis ratio 0.44), mostly at 33 degrees" in found.reasons[0]


def test_defocus_is_named_with_hfr_and_fwhm_even_below_the_absolute_limits() -> None:
    found = worse(replace(SHARP, hfr_px=2.4, fwhm_px=4.4))
    assert found.letter == "C"
    assert any("HFR 2.40 px where 1.60 px is usual" in reason for reason in found.reasons)
    assert any("FWHM 4.40 px where 3.00 px is usual" in reason for reason in found.reasons)


def test_a_sharper_frame_with_more_stars_is_never_worse() -> None:
    assert grade(replace(SHARP, star_count=300, hfr_px=1.0, fwhm_px=2.0), usual()).letter == "A"


@pytest.mark.parametrize("count", [0, 1, 7])
def test_fewer_than_eight_frames_are_no_baseline(count: int) -> None:
    assert grade(replace(SHARP, star_count=60), usual(count)).letter == "A"
    assert grade(replace(SHARP, star_count=60), usual(8)).letter == "C"


def test_scatter_of_the_baseline_widens_what_is_usual() -> None:
    wild = Baseline(tuple(replace(SHARP, hfr_px=hfr) for hfr in (1.1, 1.3, 1.5, 1.6, 1.9, 2.2, 2.4, 2.6)))
    assert grade(replace(SHARP, hfr_px=2.3), usual()).letter == "C"
    assert grade(replace(SHARP, hfr_px=2.3), wild).letter == "A"


def test_unknown_metrics_are_neither_good_nor_bad() -> None:
    assert grade(Metrics(star_count=150, hfr_px=None), usual()).letter == "A"
    assert Metrics.of({"hfr_px": float("nan"), "star_count": 5}).hfr_px is None


def test_one_bad_frame_in_the_baseline_changes_nothing() -> None:
    spoiled = Baseline((*usual().frames[:9], Metrics(star_count=2, hfr_px=14.0, eccentricity=0.99)))
    assert grade(replace(SHARP, star_count=60), spoiled).letter == "C"


def test_the_worst_reason_comes_first_and_decides() -> None:
    found = grade(replace(SHARP, trail_count=1, star_count=31), usual())
    assert found.letter == "D"
    assert "clouds" in found.reasons[0]
    assert "1 satellite or aircraft trail across" in found.reasons[1]


def test_every_rule_set_has_a_name_with_a_version() -> None:
    assert all(name.rsplit(" ", 1)[1].isdigit() for name in RULES)
    assert grade(SHARP, usual(), TARGET_SCHEDULER_RULES).rules == "target-scheduler 1"


def test_target_scheduler_rejects_four_sigma_from_the_mean_of_the_last_ten() -> None:
    found = grade(replace(SHARP, hfr_px=1.85), usual(), TARGET_SCHEDULER_RULES)
    assert found.status is GradeStatus.REJECTED
    assert "half-flux radius (px) of 1.85 where the mean of 10 is 1.6" in found.reasons[0]
    assert grade(replace(SHARP, hfr_px=1.70), usual(), TARGET_SCHEDULER_RULES).status is GradeStatus.ACCEPTED


def test_target_scheduler_lets_better_than_the_mean_and_short_histories_pass() -> None:
    assert grade(replace(SHARP, star_count=900, hfr_px=0.5), usual(), TARGET_SCHEDULER_RULES).letter == "A"
    assert grade(replace(SHARP, star_count=1), usual(2), TARGET_SCHEDULER_RULES).letter == "A"


def test_target_scheduler_tests_fwhm_and_eccentricity_only_when_asked() -> None:
    trailed = replace(SHARP, fwhm_px=9.0)
    assert grade(trailed, usual(), TARGET_SCHEDULER_RULES).letter == "A"
    assert grade(trailed, usual(), TARGET_SCHEDULER_ALL).letter == "D"


def test_target_scheduler_passes_over_unknown_samples_one_by_one() -> None:
    frames = (*usual().frames, replace(SHARP, hfr_px=None))
    assert grade(replace(SHARP, hfr_px=3.0), Baseline(frames), TARGET_SCHEDULER_RULES).letter == "D"


def test_a_baseline_is_made_from_stored_rows() -> None:
    rows = [{"star_count": 150, "hfr_px": 1.6}, {"star_count": None, "hfr_px": float("nan")}]
    assert baseline_of(rows).values("hfr_px") == [1.6]


def test_few_stars_under_a_bright_sky_are_clouds_even_on_a_target_never_seen_before() -> None:
    of_rig = baseline_of([{"star_count": 1400, "background_adu": 540.0}] * 3)
    clouded = grade(Metrics(star_count=200, background_adu=1690.0), Baseline(), rig=of_rig)
    assert clouded.letter == "C"
    assert "clouds" in clouded.reasons[0]


def test_a_sparse_field_under_the_usual_sky_is_no_cloud() -> None:
    of_rig = baseline_of([{"star_count": 1400, "background_adu": 540.0}] * 3)
    assert grade(Metrics(star_count=200, background_adu=545.0), Baseline(), rig=of_rig).letter == "A"


def test_stars_wider_than_any_seeing_are_out_of_focus_even_in_few_pixels() -> None:
    soft = grade(Metrics(star_count=50, hfr_px=3.5, scale_arcsec=2.65), Baseline())
    assert soft.letter == "C"
    assert "out of focus" in soft.reasons[0]


def test_a_short_lens_in_focus_and_a_long_focus_in_poor_seeing_are_no_defocus() -> None:
    assert grade(Metrics(star_count=50, hfr_px=1.4, scale_arcsec=10.3), Baseline()).letter == "A"
    assert grade(Metrics(star_count=50, hfr_px=4.0, scale_arcsec=0.5), Baseline()).letter == "A"
