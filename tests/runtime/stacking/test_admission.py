"""Whether an individual frame may enter a stack."""

from collections.abc import Callable

import pytest

from pictor.imaging.matching.frames import Frame, FrameType
from pictor.runtime.stacking.admission import FrameFacts, refusals

Maker = Callable[..., Frame]
FLAT = {"frame_type": FrameType.FLAT}

TABLE: list[tuple[str, dict[str, object], FrameFacts, list[str]]] = [
    ("a good dark", {}, FrameFacts(0.0001, 0.02, 20.0), []),
    ("a dark nothing is known of", {"set_temp_c": None, "ccd_temp_c": None}, FrameFacts(), []),
    ("a sensor 0.4 C from its set point", {"ccd_temp_c": -9.6}, FrameFacts(), []),
    ("a sensor 0.5 C from its set point", {"ccd_temp_c": -9.5}, FrameFacts(), ["temperature-unsettled"]),
    ("a dark 5 % saturated", {}, FrameFacts(saturated_share=0.05), ["saturated"]),
    ("a dark 4.9 % saturated", {}, FrameFacts(saturated_share=0.049), []),
    ("one value in 25 % of a noisy frame", {}, FrameFacts(one_value_share=0.25, noise_steps=20.0), ["one-value"]),
    ("one value in 55 % of a frame as quiet as that", {}, FrameFacts(one_value_share=0.55, noise_steps=0.65), []),
    ("a constant frame", {}, FrameFacts(one_value_share=1.0, noise_steps=0.0), ["one-value"]),
    ("a master", {"is_master": True}, FrameFacts(), ["is-master"]),
    ("a flat of signal-to-noise 49", FLAT, FrameFacts(median_snr=49.0), ["flat-too-faint"]),
    ("a flat of signal-to-noise 50", FLAT, FrameFacts(median_snr=50.0), []),
    ("a dark of signal-to-noise 1", {}, FrameFacts(median_snr=1.0), []),
    ("a flat above the linear range", FLAT, FrameFacts(median_adu=60e3, linear_limit_adu=55e3), ["flat-not-linear"]),
    ("a bias of a second", {"frame_type": FrameType.BIAS, "exposure_s": 1.0}, FrameFacts(), []),
    ("a bias of a minute", {"frame_type": FrameType.BIAS, "exposure_s": 60.0}, FrameFacts(), ["bias-exposed"]),
    ("a dark at half of the range", {}, FrameFacts(median_adu=32_767.0, saturation_adu=65_535.0), []),
    ("a dark above half of the range", {}, FrameFacts(median_adu=33_000.0, saturation_adu=65_535.0), ["lit"]),
    ("a flat above half of the range", FLAT, FrameFacts(median_adu=33_000.0, saturation_adu=65_535.0), []),
    (
        "a flat with everything wrong",
        FLAT | {"is_master": True, "ccd_temp_c": 0.0},
        FrameFacts(0.9, 0.9, 0.0, 65535.0, 10.0, 55e3),
        ["is-master", "temperature-unsettled", "saturated", "one-value", "flat-too-faint", "flat-not-linear"],
    ),
]


@pytest.mark.parametrize(("said", "facts", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_admission_table(said: dict[str, object], facts: FrameFacts, expected: list[str], frame: Maker) -> None:
    assert [refusal.reason for refusal in refusals(frame(**said), facts)] == expected


def test_a_refusal_states_the_numbers(frame: Maker) -> None:
    (refusal,) = refusals(frame(ccd_temp_c=-7.2), FrameFacts())
    assert refusal.sentence == "sensor at -7.2 C, set point -10.0 C: 2.8 C apart, less than 0.5 C is needed"
