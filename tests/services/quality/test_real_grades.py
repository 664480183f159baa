from pathlib import Path

import pytest

from pictor.contracts.quality import Grade, GradeStatus, Quality
from pictor.imaging.quality.grading import Baseline, Metrics
from pictor.quality.compute import measure
from pictor.quality.grading import grade

pytestmark = pytest.mark.real

KSTARS = "lights/kstars-asi1600-autofocus/ngc4535-autofocus{}.fits"
MICRO = "lights/exotic-microobservatory/HATP-32171220{}.FITS"
NIGHT = ("020912", "022712", "024512", "030312", "032112", "033912", "035712", "041512", "043312", "045112")


def metrics_of(path: Path, scratch: Path) -> Metrics:
    found = measure(str(path), str(scratch))
    Quality.model_validate(found["quality"])
    return Metrics.of(found["quality"])


def graded(path: Path, scratch: Path, baseline: Baseline) -> Grade:
    found = grade(metrics_of(path, scratch), baseline)
    print(f"{path.name}: {found.letter} {found.reasons}")
    return found


def test_a_trailed_frame_is_rejected_for_its_eccentricity(real_data: Path, tmp_path: Path) -> None:
    found = graded(real_data / "reference/lco-banzai/banzai_test_frame.fits.fz", tmp_path, Baseline())
    assert found.status is GradeStatus.REJECTED
    assert "trailed: eccentricity 0.9" in found.reasons[0]


def test_a_focus_run_is_graded_by_focus_without_any_baseline(real_data: Path, tmp_path: Path) -> None:
    far, near, sharp = (graded(real_data / KSTARS.format(k), tmp_path, Baseline()) for k in (1, 2, 3))
    assert far.letter >= "C"
    assert far.letter > max(near.letter, sharp.letter)
    assert "HFR" in far.reasons[0]
    assert sharp.reasons == ("1 satellite or aircraft trail across the frame",)


def test_within_a_night_the_trailed_first_frame_is_worse_than_its_neighbours(real_data: Path, tmp_path: Path) -> None:
    night = [metrics_of(real_data / MICRO.format(name), tmp_path) for name in NIGHT]
    baseline = Baseline(tuple(night))
    letters = [grade(frame, baseline).letter for frame in night]
    first = graded(real_data / MICRO.format("013343"), tmp_path, baseline)
    print(f"the others: {letters}")
    assert first.letter > sorted(letters)[len(letters) // 2]
    assert any("eccentricity" in reason for reason in first.reasons)


@pytest.mark.parametrize("name", ["all-saturated", "nan-block-and-inf", "primary-empty-image-in-ext", "good-uint16"])
def test_odd_frames_are_measured_without_a_crash(real_data: Path, tmp_path: Path, name: str) -> None:
    path = real_data / f"odd/derived/{name}.fits"
    if name == "good-uint16":
        path = real_data / "lights/panoptes-pocs/noheader.fits"
    found = graded(path, tmp_path, Baseline())
    assert found.letter in "ABCD"
    if name == "all-saturated":
        assert found.status is GradeStatus.REJECTED
