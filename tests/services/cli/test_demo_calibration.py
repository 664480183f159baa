"""What the demo says of the calibration library is held against the truth."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import httpx
import pytest

from pictor.cli.demo_calibration import Shown, in_two, masters, needs, unmatched, waiting_flats
from pictor.cli.demo_report import report_of
from pictor.cli.upload import Sent
from pictor.runtime.stacking.decide import DEFERRED

FRAMES: list[dict[str, Any]] = [
    *({"file": f"flat_{n}.fits", "type": "FLAT", "filter": "L", "exposure_s": 2.0} for n in range(2)),
    *({"file": f"flatdark_{n}.fits", "type": "DARK", "filter": None, "exposure_s": 2.0} for n in range(2)),
    *({"file": f"dark_{n}.fits", "type": "DARK", "filter": None, "exposure_s": 60.0} for n in range(2)),
    *({"file": f"bias_{n}.fits", "type": "BIAS", "filter": None, "exposure_s": 0.0} for n in range(2)),
]
LIGHTS: list[dict[str, Any]] = [
    {"file": "good.fits", "expected": {"calibrated": True}}, {"file": "warm.fits", "expected": {"calibrated": False}}
]  # fmt: skip
SENT = {"good.fits": Sent("good.fits", "sent", "1", "1"), "warm.fits": Sent("warm.fits", "sent", "2", "2")}


def _entry(kind: str, filter_name: str | None, exposure_s: float | None, second: int) -> dict[str, Any]:
    made = f"2026-11-20T05:00:{second:02d}Z"
    return {"frame_type": kind, "filter": filter_name, "exposure_s": exposure_s, "ncombine": 2, "created_at": made}


ANSWERS: dict[str, Any] = {
    "/calibration/needs/home": {
        "lights": 2, "coverage": {"uncovered": 1, "covered": 2},
        "groups": [{"kind": "flat", "filter": "L", "deferred": True, "message": DEFERRED}],
    },
    "/calibration/library/home": {
        "items": [_entry("bias", None, None, 0), _entry("dark", None, 60.0, 1), _entry("dark", None, 2.0, 5),
                  _entry("flat", "L", None, 7)],
    },
    "/calibration/plan/home": {
        "items": [{"kind": "dark", "count": 10, "filter": None, "exposure_s": 60.0, "set_temp_c": -5.0,
                   "gain_setting": 100.0}],
    },
    "/frames/2/calibration/explain": {
        "places": [{"place": "dark", "master_id": None, "sentence": "no master dark matches",
                    "candidates": [{"failed": ["temperature"], "changes": [{"setting": "temperature_tolerance_c"}]}]}],
    },
}  # fmt: skip

Change = Callable[[dict[str, Any]], None]


def _gateway(change: Change | None = None) -> httpx.Client:
    answers = deepcopy(ANSWERS)
    if change is not None:
        change(answers)
    return httpx.Client(
        base_url="http://gateway",
        transport=httpx.MockTransport(lambda asked: httpx.Response(200, json=answers[asked.url.path])),
    )


def _all(client: httpx.Client) -> list[Shown]:
    return [*masters(client, "home", FRAMES), *unmatched(client, LIGHTS, SENT), *needs(client, "home")]


def test_a_library_as_the_truth_says_is_right() -> None:
    lines = [*waiting_flats(_gateway(), "home", FRAMES), *_all(_gateway())]
    assert [line.complaint for line in lines] == [None] * 8
    told = {line.what: line.found for line in lines}
    assert told["flats L, before their dark came"] == DEFERRED
    assert told["master flat L, 2 s"] == "active, 2 frames; made 2.0 s after its dark"
    assert told["warm has no dark"] == "no master dark matches"
    assert told["capture plan"] == "10 x dark 60 s -5 C gain 100"


def test_the_darks_of_the_flats_are_sent_later() -> None:
    early, late = in_two(FRAMES)
    assert [one["file"] for one in late] == ["flatdark_0.fits", "flatdark_1.fits"]
    assert len(early) == 6


def _library(number: int, **changed: Any) -> Change:
    return lambda answers: answers["/calibration/library/home"]["items"][number].update(changed)


def _candidate(**changed: Any) -> Change:
    place = "/frames/2/calibration/explain"
    return lambda answers: answers[place]["places"][0]["candidates"][0].update(changed)


def _plan_without_the_dark(answers: dict[str, Any]) -> None:
    answers["/calibration/plan/home"]["items"][0]["set_temp_c"] = -10.0


def _nothing_uncovered(answers: dict[str, Any]) -> None:
    answers["/calibration/needs/home"]["coverage"] = {"covered": 3}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_library(3, frame_type="bias"), "there are 0 active of master flat L"),
        (_library(3, ncombine=1), "has 1 of 2 frames"),
        (_library(3, created_at="2026-11-20T05:00:04Z"), "made before its dark"),
        (_library(1, exposure_s=2.0), "there are 2 active of master dark, 2 s"),
        (_candidate(failed=["exposure", "temperature"]), "by temperature alone"),
        (_candidate(changes=None), "no setting is named"),
        (_plan_without_the_dark, "lacks the dark"),
        (_nothing_uncovered, "3 covered"),
    ],
)
def test_a_library_that_is_not_is_wrong_and_says_why(
    monkeypatch: pytest.MonkeyPatch, change: Change, complaint: str
) -> None:
    monkeypatch.setattr("pictor.cli.demo_calibration.MASTERS_WITHIN_S", 0.0)
    lines = _all(_gateway(change))
    assert any(complaint in str(line.complaint) for line in lines), [line.complaint for line in lines]
    assert report_of([], 1.0, lines)["ok"] is False


def test_flats_that_do_not_wait_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def stacked(answers: dict[str, Any]) -> None:
        answers["/calibration/needs/home"]["groups"] = []

    monkeypatch.setattr("pictor.cli.demo_calibration.DEFERRED_WITHIN_S", 0.0)
    (line,) = waiting_flats(_gateway(stacked), "home", FRAMES)
    assert "did not wait for their dark" in str(line.complaint)
