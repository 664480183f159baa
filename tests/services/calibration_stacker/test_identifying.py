"""What an uploaded master is of: the header, what was said, and the frames there are."""

from typing import Any
from uuid import uuid4

import pytest

from pictor.calibration_stacker.identifying import identify, merged
from pictor.imaging.errors import ImagingError
from pictor.imaging.matching.policy import Policy
from pictor.state.premade import KnownMode

RIG = uuid4()
FRAME: dict[str, Any] = {
    "camera": "a camera", "camera_serial": None, "width": 128, "height": 96, "binning_x": 1, "binning_y": 1,
    "gain_setting": 100.0, "offset_setting": 30.0, "readout_mode": "Low Noise", "bayer": None, "roi_x": None,
    "roi_y": None, "set_temp_c": -10.0, "ccd_temp_c": -10.1,
}  # fmt: skip
MASTER: dict[str, Any] = {
    **FRAME, "frame_type": "dark", "is_master": True, "exposure_s": 300.0, "n_combined": 10, "filter": None,
    "provenance": {"frame_type": {"keyword": "IMAGETYP", "value": "Master Dark", "rule": "generic/1/frame_type"}},
}  # fmt: skip


def mode(name: str = "one", **changed: Any) -> KnownMode:
    return KnownMode(name, RIG, {**FRAME, **changed})


def refused(known: dict[str, Any], modes: list[KnownMode]) -> str:
    with pytest.raises(ImagingError) as caught:
        identify(RIG, known, modes, Policy())
    return str(caught.value)


def test_what_siril_leaves_out_the_only_mode_that_fits_tells() -> None:
    silent = {**MASTER, "readout_mode": None, "set_temp_c": None}
    found = identify(RIG, silent, [mode()], Policy())
    assert (found.camera_mode, found.key.mode.readout_mode, found.key.temp_c) == ("one", "Low Noise", -10.1)
    assert "readout_mode taken from the only camera mode that fits" in found.notes
    assert found.doubts == ()


def test_between_two_modes_the_field_and_its_values_are_named() -> None:
    told = refused({**MASTER, "readout_mode": None}, [mode(), mode("two", readout_mode="High Gain")])
    assert told == "2 camera modes fit this master; state readout_mode (High Gain, Low Noise)"


def test_a_master_without_temperature_is_refused_where_frames_state_theirs() -> None:
    cold = {**MASTER, "set_temp_c": None, "ccd_temp_c": None}
    assert "no light could use the master; state temp_c" in refused(cold, [mode()])
    warm = mode(set_temp_c=None, ccd_temp_c=None)
    assert identify(RIG, cold, [warm], Policy()).key.temp_c is None


@pytest.mark.parametrize(
    ("changed", "doubt"),
    [
        ({"width": 127}, "width: master 127, frames 128"),
        ({"gain_setting": 0.0}, "gain_setting: master 0.0, frames 100.0"),
        ({"camera": "another"}, "camera: master another, frames a camera (state camera_name if it is the same)"),
    ],
)
def test_a_master_no_frame_is_like_says_by_what_it_differs(changed: dict[str, Any], doubt: str) -> None:
    found = identify(RIG, {**MASTER, **changed}, [mode()], Policy())
    assert found.doubts == (f"no frame has its camera mode; the nearest differs in {doubt}",)


def test_another_serial_number_is_another_camera() -> None:
    found = identify(RIG, {**MASTER, "camera_serial": "22"}, [mode(camera_serial="11")], Policy())
    assert "serial number: master 22, frames 11" in found.doubts[0]


def test_the_name_of_the_camera_may_be_corrected() -> None:
    known = merged({**MASTER, "camera": "ASI2600MM"}, {"camera_name": "a camera"})
    assert identify(RIG, known, [mode()], Policy()).doubts == ()


@pytest.mark.parametrize(
    ("described", "stated", "told"),
    [
        (
            {
                "frame_type": "light", "is_master": False,
                "provenance": {"frame_type": {"keyword": "IMAGETYP", "value": "LIGHT"}},
            },
            {"frame_type": "dark", "ncombine": 10},
            "the header says IMAGETYP = LIGHT: this is a light, not a master",
        ),
        ({"is_master": False, "n_combined": None}, {}, "state frame_type and ncombine if it is one"),
        ({"is_master": False, "n_combined": None}, {"frame_type": "dark"}, "state ncombine, the number of frames"),
        ({"is_master": False, "n_combined": None}, {"frame_type": "dark", "ncombine": 1}, "more than one exposure"),
        ({"frame_type": "unknown"}, {}, "state frame_type"),
        ({"exposure_s": None}, {}, "state exposure_s"),
        ({}, {"exposure_s": 60.0}, "the header says exposure_s = 300.0, the upload 60.0"),
        ({}, {"frame_type": "bias"}, "the header says frame_type = dark, the upload bias"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_master_is_refused_by_name(
    described: dict[str, Any], stated: dict[str, Any], told: str
) -> None:
    with pytest.raises(ImagingError) as caught:
        merged({**MASTER, **described}, stated)
    assert told in str(caught.value)


def test_a_dark_may_be_said_to_be_a_flat_dark() -> None:
    assert merged(MASTER, {"frame_type": "flat-dark"})["frame_type"] == "flat-dark"


def test_what_was_only_inferred_is_noted() -> None:
    guessed = {**MASTER, "n_combined": None, "provenance": {"frame_type": {"keyword": "", "rule": "file name"}}}
    notes = identify(RIG, guessed, [mode()], Policy()).notes
    assert notes == (
        "the name of the file says that it is a dark; no card does", "the number of frames combined is not stated",
    )  # fmt: skip
