"""Rules that reject frames of a set."""

import math

import numpy as np
import pytest

from pictor.imaging.quality.rejection import Against, Rule, RuleSet, Scatter, middle_and_sigma, number, reject

WIDE = Rule("fwhm_px", 4.0, relative=True)


def frames(*widths: float | None) -> list[dict[str, float | int | bool | None]]:
    return [{"fwhm_px": width} for width in widths]


def test_an_absolute_limit_rejects_what_lies_beyond_it_and_says_so() -> None:
    rules = RuleSet("r 1", (Rule("fwhm_px", 5.0), Rule("fwhm_px", 1.0, above=False)))
    assert reject(frames(3.0, 5.0, 5.1, 0.5), rules) == [
        (),
        (),
        ("fwhm_px 5.1 is above 5",),
        ("fwhm_px 0.5 is below 1",),
    ]


def test_a_relative_limit_counts_robust_sigmas_from_the_median_of_the_set() -> None:
    widths = [3.0, 3.1, 2.9, 3.05, 2.95, 3.0, 3.3]
    middle, sigma = np.median(widths), 1.4826 * np.median(np.abs(np.array(widths) - np.median(widths)))
    away = (3.3 - middle) / sigma
    assert reject(frames(*widths), RuleSet("r", (Rule("fwhm_px", away - 0.01, relative=True),)))[-1] == (
        f"fwhm_px 3.3 is {away:.1f} sigma above the 3 of the 7 frames of its set",
    )
    assert not any(reject(frames(*widths), RuleSet("r", (Rule("fwhm_px", away + 0.01, relative=True),))))


def test_the_least_sigma_keeps_an_even_set_from_rejecting_trifles() -> None:
    widths = (3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.01)
    assert reject(frames(*widths), RuleSet("r", (WIDE,)))[-1]
    assert not reject(frames(*widths), RuleSet("r", (Rule("fwhm_px", 4.0, relative=True, least_share=0.05),)))[-1]


def test_relative_rules_wait_for_enough_frames_and_pass_over_unknown_values() -> None:
    rules = RuleSet("r", (WIDE,), minimum=5)
    assert not any(reject(frames(3.0, 3.0, 3.0, 30.0), rules))
    assert not any(reject(frames(3.0, 3.0, 3.0, None, 30.0), rules))
    assert any(reject(frames(3.0, 3.0, 3.0, 3.0, 30.0), rules))
    assert not reject(frames(3.0, 3.1, 2.9, 3.0, 3.0, None), rules)[-1]
    assert not reject(frames(3.0, 3.1, 2.9, 3.0, 3.0, math.nan), rules)[-1]


def test_what_an_absolute_rule_rejects_does_not_shift_the_set() -> None:
    sky = [100.0, 101.0, 99.0, 100.0, 102.0, 98.0]
    rows = [{"star_count": 50.0, "sky": level} for level in sky] + [{"star_count": 0.0, "sky": 5000.0}] * 8
    rules = RuleSet("r", (Rule("star_count", 3.0, above=False), Rule("sky", 5.0, relative=True)))
    assert [bool(why) for why in reject(rows, rules)] == [False] * 6 + [True] * 8


def test_the_previous_accepted_frames_count_in_their_order_and_no_more_than_asked() -> None:
    rules = RuleSet("r", (WIDE,), against=Against.PREVIOUS, scatter=Scatter.STANDARD, minimum=3, samples=3)
    found = reject(frames(3.0, 3.1, 2.9, 9.0, 3.0, 3.1), rules)
    assert [bool(why) for why in found] == [False, False, False, True, False, False]
    assert found[3] == ("fwhm_px 9 is 60.0 sigma above the 3 of the 3 frames before it",)
    drifting = [3.0 + 0.1 * k for k in range(12)]
    assert not any(reject(frames(*drifting), rules))


def test_the_default_of_target_scheduler_accepts_within_four_sigmas_of_ten() -> None:
    rules = RuleSet(
        "t", (Rule("star_count", 4.0, above=False, relative=True),), Against.PREVIOUS, Scatter.STANDARD, 3, 10
    )
    counts = [100.0, 104.0, 96.0, 101.0, 99.0]
    mean, sigma = np.mean(counts), np.std(counts, ddof=1)
    for below, rejected in ((3.9, False), (4.1, True)):
        rows = [{"star_count": count} for count in [*counts, mean - below * sigma]]
        assert bool(reject(rows, rules)[-1]) is rejected


def test_an_empty_set_has_no_reasons() -> None:
    assert reject([], RuleSet("r", (WIDE,))) == []


def test_middle_and_sigma_are_those_of_numpy() -> None:
    values = [1.0, 2.0, 3.0, 10.0]
    assert middle_and_sigma(values, Scatter.STANDARD) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert middle_and_sigma(values, Scatter.ROBUST) == pytest.approx((2.5, 1.4826 * 1.0))
    assert middle_and_sigma([4.0], Scatter.STANDARD) == (4.0, 0.0)


def test_truth_values_are_numbers_and_infinity_is_unknown() -> None:
    assert [number(value) for value in (True, 3, None, math.inf)] == [1.0, 3.0, None, None]
