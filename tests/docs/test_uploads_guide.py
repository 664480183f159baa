"""The guide tells of uploaded masters what the code does: its tests, their limits, and what may be stated."""

import re
from inspect import getsource, signature
from pathlib import Path

from pictor.calibration_stacker import comparing, plausible, premade
from pictor.calibration_stacker.scaling import FULL_RANGE
from pictor.cli.calib_decisions_app import calib_upload
from pictor.gateway.calibration.premade import provide_stated

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "calibration.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Masters made elsewhere\n")[2].partition("\n## ")[0]


def limits(name: str) -> str:
    (found,) = re.findall(rf"^\| `{re.escape(name)}` \| .*? \| (.*?) \|$", SECTION, re.MULTILINE)
    return str(found)


def test_every_test_of_an_uploaded_master_is_explained_and_no_other() -> None:
    code = "".join(getsource(module) for module in (comparing, plausible, premade))
    made = set(re.findall(r'Check\(\s*"([^"]+)"', code)) | {"nothing under the light"}
    told = set(re.findall(r"^\| `([^`]+)` \|", SECTION, re.MULTILINE))
    assert made - told == {"split-half noise"}
    assert told <= made


def test_their_limits_are_those_of_the_code() -> None:
    assert f"{plausible.LOWEST_DARK_ADU:g} ADU; {100 * plausible.WRAPPED_SHARE:g} %" in limits("level")
    assert f"below {plausible.WRAPPED_ADU:g} ADU" in limits("level")
    assert f"{100 * plausible.SAME_LEVEL:g} %, {plausible.LEAST_LEVEL_ADU:g} ADU" in limits("usual level")
    assert limits("repeated value").startswith(f"{100 * plausible.REPEATED:g} % of pixels")
    assert f"{100 * plausible.CONSTANT:g} % rejected" in limits("repeated value")
    assert f"flats {100 * comparing.FLAT_LIMIT:g} %" in limits("frames in hand")
    assert limits("more than one exposure").startswith(f"{comparing.ONE_EXPOSURE:g} of the noise")
    assert limits("dim pixels").startswith(f"{100 * plausible.LOW_SHARE:g} % of pixels")
    assert f"{FULL_RANGE:g}" == "65535"


def test_every_statement_of_the_api_is_an_option_of_the_command_and_told() -> None:
    options = {
        "frame_type": "--type", "camera_name": "--camera", "filter_name": "--filter", "exposure_s": "--exposure",
        "gain_setting": "--gain", "offset_setting": "--offset", "binning_x": "--binning", "temp_c": "--temperature",
        "rotator_deg": "--rotator", "readout_mode": "--readout", "ncombine": "--frames",
        "adu_per_unit": "--adu-per-unit", "bias_inside": "--bias-inside",
    }  # fmt: skip
    assert set(signature(provide_stated).parameters) == set(options)
    assert {option for option in options.values() if option not in SECTION} == set()
    words = {name.strip("_") for name in signature(calib_upload).parameters}
    assert {option[2:].replace("-", "_") for option in options.values()} <= words
