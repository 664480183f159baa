"""No bad master is used, whatever is planted; and honest frames are."""

from pathlib import Path

import pytest

from tests.defects.__main__ import caught, run
from tests.defects.honest import measure
from tests.defects.planted import Row, hopeless, rows

DECISIVE = (
    "step", "uniform light on a dark", "hidden stack of 10", "light leak that grows", "column begins to glow",
    "hits in the same pixels", "dome light on, all darks", "biases labelled darks, all", "motes moved", "camera turned",
    "corner saturated",
)  # fmt: skip
FEW_SETS = 20


def judged(planted: list[Row], folder: Path) -> dict[str, int]:
    """Send sets the whole way; count where they ended, and let no harm pass."""
    ends: dict[str, int] = {}
    for number, row in enumerate(planted):
        taken, done = run(row, folder / str(number))
        end = caught(taken, done)
        ends[end] = ends.get(end, 0) + 1
        assert (end == "HARM") is hopeless(row), f"{row.title}: {end}, {done}"
        assert not done.left_out - taken.bad, f"{row.title}: good frames were left out: {done}"
    print(", ".join(f"{count} {end}" for end, count in sorted(ends.items())))
    return ends


def test_no_decisive_defect_reaches_a_master_in_use(tmp_path: Path) -> None:
    judged([row for row in rows() if row.defect.startswith(DECISIVE)], tmp_path)


def test_honest_sets_of_every_detector_are_used_whole() -> None:
    tally = measure(FEW_SETS, tell=True)
    print(tally.summary)
    assert tally.sets_refused == 0
    assert tally.frames_refused == 0


@pytest.mark.stress
def test_no_planted_defect_reaches_a_master_in_use(tmp_path: Path) -> None:
    judged(rows(), tmp_path)


@pytest.mark.stress
def test_two_hundred_honest_sets_are_used_whole() -> None:
    tally = measure(tell=True)
    print(tally.summary)
    assert tally.sets_refused == 0
    assert tally.frames_refused <= 0.001 * tally.frames
