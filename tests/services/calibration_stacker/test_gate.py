"""Whether a candidate master may be used."""

from dataclasses import replace

import pytest

from pictor.calibration_stacker.gate import Level, Measured, Verdict, expected_rejected_share, judge

GOOD = Measured(10, 0.0, 0.003, expected_rejected_share(3.0), 1.01, 3.9, 0.0)

HALFLESS = replace(GOOD, frames=3, split_std_ratio=None, split_block_max=None)
CHANGED = replace(GOOD, active_block_max=9.0, active_block_share=0.2)

TABLE = [
    ("a good first master", GOOD, Verdict.ACTIVE),
    ("a good successor", replace(GOOD, active_block_max=4.0, active_block_share=0.0), Verdict.ACTIVE),
    (
        "three frames have no halves",
        replace(GOOD, frames=3, split_std_ratio=None, split_block_max=None),
        Verdict.ACTIVE,
    ),
    ("halves 12 % noisier than expected", replace(GOOD, split_std_ratio=1.12), Verdict.NEEDS_REVIEW),
    ("halves 12 % too quiet", replace(GOOD, split_std_ratio=0.88), Verdict.NEEDS_REVIEW),
    ("halves twice as noisy", replace(GOOD, split_std_ratio=2.0), Verdict.REJECTED),
    ("one block of 6.5 sigma", replace(GOOD, split_block_max=6.5, split_block_share=0.0005), Verdict.NEEDS_REVIEW),
    ("structure all over", replace(GOOD, split_block_max=19.0, split_block_share=0.57), Verdict.REJECTED),
    (
        "another shape than the active master",
        replace(GOOD, active_block_max=9.0, active_block_share=0.2),
        Verdict.NEEDS_REVIEW,
    ),
    ("3 % of samples rejected", replace(GOOD, rejected_share=0.03), Verdict.NEEDS_REVIEW),
    ("0.5 % never good", replace(GOOD, never_good_share=0.005), Verdict.REJECTED),
    ("mixed camera modes", replace(GOOD, homogeneous=False), Verdict.REJECTED),
    ("one camera", replace(GOOD, cameras=("A1",)), Verdict.ACTIVE),
    ("another camera of the model", replace(GOOD, cameras=("A1", "A2")), Verdict.NEEDS_REVIEW),
    (
        "two serial numbers accepted as one camera",
        replace(GOOD, cameras=("A1", "A2"), accepted_cameras=("A1", "A2")),
        Verdict.ACTIVE,
    ),
    (
        "a third serial number",
        replace(GOOD, cameras=("A1", "A3"), accepted_cameras=("A1", "A2")),
        Verdict.NEEDS_REVIEW,
    ),
    ("frames that contradict each other", replace(GOOD, disputed={"a": "a step", "b": "none"}), Verdict.REJECTED),
    ("halves of the night as alike as allowed", replace(GOOD, drift=1.0, drift_share=0.0), Verdict.ACTIVE),
    ("halves of the night that differ", replace(GOOD, drift=1.1, drift_share=0.001), Verdict.NEEDS_REVIEW),
    ("the level of the active master", replace(GOOD, level=Level(9.0, 10.0, "the active master")), Verdict.ACTIVE),
    ("a dark with the hot pixels of the active master", replace(GOOD, hot_pixels_kept=0.95), Verdict.ACTIVE),
    ("a dark without them", replace(GOOD, hot_pixels_kept=0.1), Verdict.NEEDS_REVIEW),
    ("levels that drift by four noises", replace(GOOD, level_range=4.0), Verdict.ACTIVE),
    ("levels that jump by five", replace(GOOD, level_range=5.0), Verdict.NEEDS_REVIEW),
    ("another level than it", replace(GOOD, level=Level(-11.0, 10.0, "the active master")), Verdict.NEEDS_REVIEW),
]


@pytest.mark.parametrize(("measured", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_gate_table(measured: Measured, expected: Verdict) -> None:
    result = judge(measured)
    assert result.verdict is expected
    assert bool(result.reasons) is (expected is not Verdict.ACTIVE)


def test_reasons_carry_the_numbers() -> None:
    assert judge(replace(GOOD, split_std_ratio=1.12)).reasons == (
        "halves differ by 1.120 of the expected noise (allowed 0.9 to 1.1)",
    )
