"""The calibration scenarios: what the truth says was planted is really in the pixels and headers."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.simulator.names import TITLES, ScenarioName
from pictor.imaging.simulator.scenario_truth import FrameTruth, GroupState, Truth
from pictor.imaging.simulator.scenarios import scenario

EGAIN = 0.7


class Written:
    """A scenario on disk."""

    def __init__(self, folder: Path, truth: Truth) -> None:
        self.folder, self.truth = folder, truth

    def pixels(self, frame: FrameTruth) -> NDArray[np.float64]:
        return np.asarray(fits.getdata(self.folder / frame.file), dtype=np.float64)

    def header(self, frame: FrameTruth) -> fits.Header:
        return fits.getheader(self.folder / frame.file)

    def of(self, fault: str) -> FrameTruth:
        return next(frame for frame in self.truth.frames if frame.fault == fault)

    def sound(self, group: str) -> list[FrameTruth]:
        return [frame for frame in self.truth.frames if frame.group == group and frame.fault is None]

    def mean_of_sound(self, group: str) -> NDArray[np.float64]:
        return np.mean([self.pixels(frame) for frame in self.sound(group)], axis=0)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[ScenarioName, Written]:
    root = tmp_path_factory.mktemp("scenarios")
    return {name: Written(root / name, scenario(name, root / name)) for name in ScenarioName}


@pytest.fixture
def night(written: dict[ScenarioName, Written]) -> Written:
    return written[ScenarioName.POISONED_NIGHT]


def test_a_set_is_small_and_every_file_has_its_truth(written: dict[ScenarioName, Written]) -> None:
    for name, one in written.items():
        size = sum(path.stat().st_size for path in one.folder.glob("*.fits"))
        print(f"{name}: {len(one.truth.frames)} files, {size / 1e6:.1f} MB")
        assert size < 4e6
        assert {path.name for path in one.folder.glob("*.fits")} == {frame.file for frame in one.truth.frames}
        listed = json.loads((one.folder / "scenario.json").read_text())
        for frame, row in zip(one.truth.frames, listed["frames"], strict=True):
            beside = json.loads((one.folder / frame.file).with_suffix(".truth.json").read_text())
            assert beside == {"simulated": True, **row}
            assert beside["file"] == frame.file
        assert TITLES[name]


def test_headers_say_simulated(written: dict[ScenarioName, Written]) -> None:
    for one in written.values():
        for frame in one.truth.frames:
            header = one.header(frame)
            assert header["SIMULATD"] is True
            assert header["IMAGETYP"] == frame.frame_type.upper()


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first, again, other = (
        [
            hashlib.sha256((tmp_path / place / frame.file).read_bytes()).hexdigest()
            for frame in scenario("poisoned-night", tmp_path / place, seed).frames
        ]
        for place, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert first == again
    assert len(set(first)) == len(first)
    assert not set(first) & set(other)


def test_an_unknown_scenario_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no-such"):
        scenario("no-such", tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_every_group_lists_the_frames_that_may_be_stacked(written: dict[ScenarioName, Written]) -> None:
    for one in written.values():
        listed = [file for group in one.truth.groups for file in group.frames]
        assert sorted(listed) == sorted(frame.file for frame in one.truth.frames if frame.admitted)
        assert all(len(group.states) == one.truth.waves for group in one.truth.groups)
        assert all((frame.reason is None) == frame.admitted for frame in one.truth.frames)


def test_every_fault_of_the_poisoned_night_is_refused_and_every_group_has_its_master(night: Written) -> None:
    assert Counter(frame.reason for frame in night.truth.frames if not frame.admitted) == {
        "level-outlier": 2, "one-value": 1, "temperature-unsettled": 1, "is-master": 1, "too-quiet": 1,
        "saturated": 1, "flat-too-faint": 1,
    }  # fmt: skip
    assert all(len(group.frames) == 10 for group in night.truth.groups)
    assert all(group.states == (GroupState.ACTIVE,) for group in night.truth.groups)


def test_the_step_is_18_electrons_over_the_lower_half_of_a_bias(night: Written) -> None:
    bad = night.of("step")
    difference = night.pixels(bad) - night.mean_of_sound("bias")
    half = int(bad.planted["first_row"])
    step = float(np.mean(difference[half:]) - np.mean(difference[:half]))
    print(f"step {step * EGAIN:.2f} e-, planted {bad.planted['step_e']:g}")
    assert half == difference.shape[0] // 2
    assert bad.planted["step_e"] == 18.0
    assert step * EGAIN == pytest.approx(18.0, abs=0.15)


def test_a_quarter_of_the_pixels_carries_one_value(night: Written) -> None:
    bad = night.of("identical")
    pixels = night.pixels(bad)
    rows = round(0.25 * pixels.shape[0])
    assert bad.planted["share"] == 0.25
    assert np.all(pixels[-rows:] == bad.planted["value"])
    share = float(np.mean(pixels == np.median(pixels)))
    natural = max(float(np.mean(night.pixels(one) == bad.planted["value"])) for one in night.sound("bias"))
    print(f"one value in {100 * share:.1f} % of pixels, {100 * natural:.1f} % in a sound bias")
    assert share >= 0.25
    assert natural < 0.2


def test_the_warm_dark_is_warm_in_header_and_pixels(night: Written) -> None:
    bad = night.of("warm")
    header = night.header(bad)
    assert (header["SET-TEMP"], header["CCD-TEMP"]) == (-10.0, -4.0)
    level = np.median(night.mean_of_sound("bias"))
    current = [np.mean(_quiet(one) - level) for one in (night.pixels(bad), night.mean_of_sound("dark"))]
    print(f"dark current {current[0] / current[1]:.2f} times that at the set point, 2 planted")
    assert current[0] / current[1] == pytest.approx(2.0, rel=0.05)
    for one in night.sound("dark"):
        assert night.header(one)["SET-TEMP"] == night.header(one)["CCD-TEMP"]


def test_the_mislabelled_dark_was_exposed_five_times_as_long(night: Written) -> None:
    bad = night.of("mislabelled")
    assert night.header(bad)["EXPTIME"] == bad.planted["header_exposure_s"] == 60.0
    level = np.median(night.mean_of_sound("bias"))
    current = [np.mean(_quiet(one) - level) for one in (night.pixels(bad), night.mean_of_sound("dark"))]
    print(f"dark charge {current[0] / current[1]:.2f} times that of the exposure in the header, 5 planted")
    assert current[0] / current[1] == pytest.approx(bad.planted["exposure_s"] / 60.0, rel=0.05)


def test_stacks_sent_as_individual_frames_have_the_noise_of_ten(night: Written) -> None:
    for fault in ("stacked", "quiet"):
        group = night.of(fault).group
        middle = night.mean_of_sound(group)
        single = [_noise(night.pixels(one) - middle) / np.sqrt(0.9) for one in night.sound(group)]
        noise = _noise(night.pixels(night.of(fault)) - middle)
        expected = float(np.hypot(np.mean(single) * np.sqrt(0.2), np.sqrt(1 / 12)))
        print(f"{fault}: noise {noise:.2f} ADU, {np.mean(single):.2f} ADU of a single frame")
        assert noise == pytest.approx(expected, rel=0.05)
    assert night.header(night.of("stacked"))["NCOMBINE"] == 10
    assert "NCOMBINE" not in night.header(night.of("quiet"))


def test_the_bad_flats_are_too_bright_and_too_faint(night: Written) -> None:
    bright = float(np.mean(night.pixels(night.of("saturated")) >= 65535))
    dark = night.mean_of_sound("flat-dark")
    signal = float(np.median(night.pixels(night.of("faint")) - dark)) * EGAIN
    print(f"saturated {100 * bright:.0f} %; faint flat {signal:.0f} e-, S/N {np.sqrt(signal):.0f}")
    assert bright >= night.of("saturated").planted["saturated_share_least"]
    assert signal == pytest.approx(night.of("faint").planted["signal_e"], rel=0.1)
    assert np.sqrt(signal) < 50
    for one in night.sound("flat"):
        assert np.mean(night.pixels(one) >= 65535) < 0.001
        assert np.sqrt(np.median(night.pixels(one) - dark) * EGAIN) > 50


def test_the_frames_of_a_poisoned_set_do_not_differ_in_level(written: dict[ScenarioName, Written]) -> None:
    poisoned = written[ScenarioName.POISONED_SET]
    bias = [one for one in poisoned.truth.frames if one.group == "bias"]
    assert [one.fault for one in bias] == ["halves", None] * 5
    levels = [float(np.mean(poisoned.pixels(one))) for one in bias]
    half = poisoned.pixels(bias[0]).shape[0] // 2
    steps = [float(np.mean(poisoned.pixels(one)[half:]) - np.mean(poisoned.pixels(one)[:half])) for one in bias]
    print(f"levels within {np.ptp(levels):.2f} ADU, steps {np.mean(steps[::2]) - np.mean(steps[1::2]):.1f} ADU")
    assert np.ptp(levels) < 0.2
    assert np.mean(steps[::2]) - np.mean(steps[1::2]) == pytest.approx(18.0 / EGAIN, abs=0.1)


def test_the_bands_are_as_strong_as_planted(written: dict[ScenarioName, Written]) -> None:
    poisoned = written[ScenarioName.POISONED_SET]
    bad = [one for one in poisoned.truth.frames if one.fault == "banding"]
    rows = np.mean([_quiet_rows(poisoned.pixels(one)) for one in bad], axis=0)
    rows -= _quiet_rows(poisoned.mean_of_sound("dark"))
    amplitude = float(np.sqrt(2) * np.std(rows))
    print(f"bands of {amplitude:.2f} ADU, planted {bad[0].planted['amplitude_adu']:.2f}")
    assert amplitude == pytest.approx(bad[0].planted["amplitude_adu"], rel=0.03)
    assert abs(float(np.mean(rows))) < 0.1


def test_the_second_camera_has_the_name_but_not_the_pixels_of_the_first(written: dict[ScenarioName, Written]) -> None:
    rigs = written[ScenarioName.SECOND_RIG]
    first, second = rigs.sound("first-dark"), rigs.sound("second-dark")
    assert {one.rig for one in first} == {"first"}
    assert {one.rig for one in second} == {"second"}
    headers = [rigs.header(one) for one in (first[0], second[0])]
    assert headers[0]["INSTRUME"] == headers[1]["INSTRUME"]
    assert headers[0]["CAMERAID"] != headers[1]["CAMERAID"]
    hot = [rigs.mean_of_sound(name) > 1500 for name in ("first-dark", "second-dark")]
    shared = np.count_nonzero(hot[0] & hot[1]) / min(np.count_nonzero(one) for one in hot)
    print(f"{np.count_nonzero(hot[0])} and {np.count_nonzero(hot[1])} hot pixels, {100 * shared:.0f} % shared")
    assert min(np.count_nonzero(one) for one in hot) >= 10
    assert shared < 0.2


def test_the_swapped_camera_tells_by_its_serial_number_alone(written: dict[ScenarioName, Written]) -> None:
    swapped = written[ScenarioName.SWAPPED_CAMERA]
    headers = [swapped.header(one) for one in swapped.truth.frames]
    assert {header["INSTRUME"] for header in headers} == {headers[0]["INSTRUME"]}
    assert [header["CAMERAID"] for header in headers] == ["SIM0100"] * 5 + ["SIM0102"] * 5
    assert {frame.rig for frame in swapped.truth.frames} == {"first"}
    assert swapped.truth.group("dark").states == (GroupState.ACTIVE, GroupState.NEEDS_REVIEW)


def test_six_months_bring_modes_temperatures_and_rotations(written: dict[ScenarioName, Written]) -> None:
    months = written[ScenarioName.SIX_MONTHS]
    headers = [months.header(one) for one in months.truth.frames]
    days = sorted(header["MJD-OBS"] for header in headers)
    assert {(header["GAIN"], header["OFFSET"]) for header in headers} == {(100, 50), (0, 30), (100, 80)}
    assert {header["SET-TEMP"] for header in headers} == {-10.0, -9.0, -5.0, 0.0}
    assert {header["ROTATOR"] for header in headers} == {0.4, 359.8, 90.0, 45.0, 87.3}
    assert 149 < days[-1] - days[0] < 151
    assert Counter(group.states[0] for group in months.truth.groups) == {
        GroupState.ACTIVE: 9, GroupState.ACCUMULATING: 1, GroupState.DEFERRED: 1
    }  # fmt: skip
    assert len(months.truth.group("dark").frames) == 6


def test_late_flats_are_deferred_first_and_active_then(written: dict[ScenarioName, Written]) -> None:
    truth = written[ScenarioName.LATE_DARK].truth
    assert truth.group("flat").states == (GroupState.DEFERRED, GroupState.ACTIVE)
    assert {frame.group for frame in truth.wave(1)} == {"flat-dark"}


def _quiet(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out the hot pixels, the bright column and cosmic rays."""
    return pixels[np.abs(pixels - np.median(pixels)) < 60]


def _quiet_rows(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each row."""
    return np.asarray(np.median(pixels, axis=1))


def _noise(pixels: NDArray[np.float64]) -> float:
    return float(1.4826 * np.median(np.abs(pixels - np.median(pixels))))
