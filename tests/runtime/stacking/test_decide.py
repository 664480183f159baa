"""What happens to a group of individual frames."""

from dataclasses import replace

import pytest

from pictor.imaging.matching.frames import FrameType
from pictor.runtime.stacking.decide import DEFERRED, Decision, Group, decide

ten_flats = Group(FrameType.FLAT, usable_frames=10, new_frames=10, has_matching_dark=True)
ten_darks = Group(FrameType.DARK, usable_frames=10, new_frames=10)

TABLE = [
    ("nine darks wait for the tenth", replace(ten_darks, usable_frames=9), False, Decision.ACCUMULATE),
    ("ten darks without a master are stacked", ten_darks, False, Decision.STACK),
    ("ten biases need no dark", replace(ten_darks, frame_type=FrameType.BIAS), False, Decision.STACK),
    ("ten flats with a dark are stacked", ten_flats, False, Decision.STACK),
    ("ten flats without a dark are deferred", replace(ten_flats, has_matching_dark=False), False, Decision.DEFER),
    (
        "nine flats without a dark accumulate first",
        replace(ten_flats, usable_frames=9, has_matching_dark=False),
        False,
        Decision.ACCUMULATE,
    ),
    ("force waives the threshold", replace(ten_darks, usable_frames=3), True, Decision.STACK),
    ("force does not replace a missing dark", replace(ten_flats, has_matching_dark=False), True, Decision.DEFER),
    ("force cannot stack a single frame", replace(ten_darks, usable_frames=1), True, Decision.ACCUMULATE),
    (
        "force stacks again what has a master",
        replace(ten_darks, has_active_master=True, new_frames=0),
        True,
        Decision.STACK,
    ),
    (
        "few new frames leave the active master alone",
        replace(ten_darks, usable_frames=19, new_frames=9, has_active_master=True),
        False,
        Decision.KEEP,
    ),
    (
        "enough new frames refresh the master",
        replace(ten_darks, usable_frames=20, new_frames=10, has_active_master=True),
        False,
        Decision.STACK,
    ),
    (
        "a refresh of flats still needs the dark",
        replace(ten_flats, usable_frames=20, has_active_master=True, has_matching_dark=False),
        False,
        Decision.DEFER,
    ),
    (
        "a flat whose dark was recalled is made anew from the same frames",
        replace(ten_flats, new_frames=0, has_active_master=True, doubtful=True),
        False,
        Decision.STACK,
    ),
    (
        "a flat whose dark was recalled waits for another",
        replace(ten_flats, new_frames=0, has_active_master=True, doubtful=True, has_matching_dark=False),
        False,
        Decision.DEFER,
    ),
    ("an empty group accumulates", replace(ten_darks, usable_frames=0, new_frames=0), False, Decision.ACCUMULATE),
]


@pytest.mark.parametrize(("group", "force", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_decision_table(group: Group, *, force: bool, expected: Decision) -> None:
    assert decide(group, min_frames=10, refresh_new_frames=10, force=force).decision is expected


def test_a_deferred_flat_says_exactly_why() -> None:
    outcome = decide(replace(ten_flats, has_matching_dark=False), min_frames=10)
    assert outcome.reason == "Flat auto-stacking deferred: no matching master dark available"
    assert outcome.reason == DEFERRED


def test_the_reason_counts_frames() -> None:
    assert decide(replace(ten_darks, usable_frames=7), min_frames=10).reason == "7 of 10 frames"
