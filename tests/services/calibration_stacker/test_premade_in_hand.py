"""What individual frames show of a single uploaded file."""

import numpy as np
import pytest
from astropy.io import fits

from tests.support.adopting import BIAS, DARK, FLAT, ONE, Adopt, failing, pixels_of
from tests.support.foreign import BIAS_ADU, CAMERA, Detector, siril, written


class TestFramesInHand:
    """What individual frames show of a single file."""

    def test_a_single_file_has_no_halves_and_says_so(self, adopt: Adopt) -> None:
        (check,) = [one for one in adopt(siril(DARK, "dark"))["checks"] if one["name"] == "split-half noise"]
        assert check["value"] is None
        assert check["detail"] == "not possible: a single file has no halves; compared with 6 individual frames"

    def test_without_frames_and_active_master_a_person_decides(self, adopt: Adopt) -> None:
        made = adopt(siril(DARK, "dark"), in_hand=[])
        assert (made["verdict"], list(failing(made))) == ("needs-review", ["comparison"])
        assert "nothing to compare it with" in made["reasons"][0]

    def test_another_level_asks_a_person(self, adopt: Adopt) -> None:
        assert "usual level" in failing(adopt(siril(DARK + 60, "dark")))

    def test_structure_asks_a_person(self, adopt: Adopt) -> None:
        leak = DARK.copy()
        leak[:32, :32] += 6
        assert "frames in hand" in failing(adopt(siril(leak, "dark")))

    def test_a_master_of_the_very_frames_in_hand_is_no_structure(self, adopt: Adopt) -> None:
        exposures = np.array([ONE.exposure("dark", n) for n in range(6)], float)
        clipped = exposures.mean(axis=0)
        clipped[:40, :40] = np.sort(exposures[:, :40, :40], axis=0)[:-1].mean(axis=0)
        made = adopt(siril(clipped, "dark"))
        assert "frames in hand" in failing(made), "the upper samples of a region left out are structure"
        few = exposures.mean(axis=0)
        few[::97] = np.sort(exposures[:, ::97], axis=0)[:-1].mean(axis=0)
        made = adopt(siril(few, "dark"))
        assert made["verdict"] == "active", made["reasons"]

    def test_rows_the_other_way_up_are_turned_when_the_header_says_so(self, adopt: Adopt) -> None:
        made = adopt(siril(DARK[::-1], "dark", ROWORDER="BOTTOM-UP"))
        assert made["verdict"] == "active", made["reasons"]
        assert np.abs(pixels_of(made) - DARK).max() < 0.01
        assert fits.getheader(made["master_path"])["ROWORDER"] == "TOP-DOWN"

    @pytest.mark.parametrize("kind", ["dark", "bias", "flat"])
    def test_rows_the_other_way_up_without_a_word_are_found_by_the_pattern(self, adopt: Adopt, kind: str) -> None:
        truth = {"dark": DARK, "bias": BIAS, "flat": FLAT}[kind]
        made = adopt(siril(truth[::-1], kind, ROWORDER=None), kind)
        assert "same detector" in failing(made)
        assert "upside down it is: correct the file or its ROWORDER" in " ".join(made["reasons"])

    @pytest.mark.parametrize("kind", ["dark", "bias", "flat"])
    def test_a_master_of_another_camera_of_the_model_is_found_by_the_pattern(self, adopt: Adopt, kind: str) -> None:
        made = adopt(siril(Detector(7).stack(kind, below=BIAS_ADU if kind == "flat" else 0.0), kind), kind)
        assert made["verdict"] == "needs-review"
        assert "is it of another camera" in " ".join(made["reasons"])

    def test_one_exposure_instead_of_a_master_is_found_by_its_noise(self, adopt: Adopt) -> None:
        made = adopt(siril(ONE.exposure("dark", 55).astype(float), "dark", STACKCNT=10))
        assert "more than one exposure" in failing(made)
        same = adopt(written(ONE.exposure("dark", 0), {**CAMERA, "IMAGETYP": "Master Dark"}))
        assert failing(same)["more than one exposure"] == "rejected"

    def test_a_flat_whose_bias_was_not_subtracted_is_found(self, adopt: Adopt) -> None:
        made = adopt(siril(ONE.stack("flat"), "flat"), "flat")
        assert "nothing under the light" in failing(made)
        print(made["reasons"])

    def test_dust_that_moved_asks_a_person(self, adopt: Adopt) -> None:
        dusty = FLAT.copy()
        dusty[32:64, 32:64] *= 0.96
        assert "frames in hand" in failing(adopt(siril(dusty, "flat"), "flat"))
