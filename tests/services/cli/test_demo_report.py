"""The demo's verdict holds every frame against the truth."""

from typing import Any

import httpx
import pytest

from pictor.cli.demo_report import judge, offset_arcsec, report_of
from pictor.cli.upload import Sent

TRUTH: dict[str, Any] = {
    "file": "light.fits", "type": "LIGHT", "filter": "L",
    "wcs": {"center_ra_deg": 10.0, "center_dec_deg": 41.0, "scale_arcsec": 1.6},
    "expected": {"state": "completed", "solved": True, "grade": "good", "reason": None},
}  # fmt: skip
FRAME: dict[str, Any] = {
    "state": "registered", "status": "completed", "frame_type": "light", "message": None, "reason": None,
    "solution": {"ra_deg": 10.0, "dec_deg": 41.0005}, "grading": {"letter": "A", "reasons": []},
    "quality": {"star_count": 100, "fwhm_px": 2.5, "eccentricity": 0.3}, "calibration": None, "timeline": [],
}  # fmt: skip
SENT = Sent("light.fits", "sent", "f", "j")


def _gateway(frame: dict[str, Any]) -> httpx.Client:
    return httpx.Client(
        base_url="http://gateway", transport=httpx.MockTransport(lambda _: httpx.Response(200, json=frame))
    )


def test_a_frame_that_ended_as_the_truth_says_is_right() -> None:
    outcome = judge(_gateway(FRAME), TRUTH, SENT)
    assert outcome.ok
    assert outcome.offset_arcsec == pytest.approx(1.8)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"solution": None}, "not solved"),
        ({"solution": {"ra_deg": 10.0, "dec_deg": 41.01}}, "36.0 arcsec off"),
        ({"grading": {"letter": "D", "reasons": []}}, "graded D"),
        ({"state": "quarantined", "message": "bad"}, "quarantined: bad"),
        ({"frame_type": "dark"}, "read as dark"),
    ],
)
def test_a_frame_that_did_not_is_wrong_and_says_why(change: dict[str, Any], complaint: str) -> None:
    outcome = judge(_gateway({**FRAME, **change}), TRUTH, SENT)
    assert not outcome.ok
    assert complaint in str(outcome.complaint)
    assert report_of([outcome], 1.0)["ok"] is False


def test_a_solved_frame_without_stars_is_wrong() -> None:
    starless = {**TRUTH, "expected": {"state": "completed", "solved": False, "grade": "bad", "reason": "too-few-stars"}}
    outcome = judge(_gateway(FRAME), starless, SENT)
    assert "although it shows no sky" in str(outcome.complaint)


def test_a_duplicate_must_be_recognised() -> None:
    again = {**TRUTH, "expected": {"state": "duplicate", "of": "light.fits"}}
    assert judge(_gateway({}), again, Sent("x", "duplicate")).ok
    assert not judge(_gateway({}), again, SENT).ok


def test_a_broken_file_must_be_refused() -> None:
    broken = {**TRUTH, "expected": {"state": "refused", "reason": "data-truncated"}}
    assert judge(_gateway({}), broken, Sent("x", "refused")).ok
    assert not judge(_gateway({}), broken, SENT).ok


def test_distances_on_the_sky_shrink_with_declination() -> None:
    truth = {"wcs": {"center_ra_deg": 10.0, "center_dec_deg": 60.0}}
    assert offset_arcsec(truth, {"ra_deg": 10.001, "dec_deg": 60.0}) == pytest.approx(1.8, abs=0.001)


@pytest.mark.parametrize(("expected", "dark", "right"), [(True, "d", True), (True, None, False), (False, "d", False)])
def test_a_light_must_have_its_masters_or_none(expected: bool, dark: str | None, right: bool) -> None:  # noqa: FBT001
    truth = {**TRUTH, "expected": {**TRUTH["expected"], "calibrated": expected}}
    reasons = {"dark": {"reason": "why"}, "flat": {"reason": "why"}}
    used = {"dark_id": dark, "flat_id": "f" if expected else None, "explanation": reasons}
    outcome = judge(_gateway({**FRAME, "calibration": used}), truth, SENT)
    assert outcome.ok is right
    assert right or "its dark: why" in str(outcome.complaint)
