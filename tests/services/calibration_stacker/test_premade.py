"""Masters of other programs brought into our form and judged: one truth whatever wrote them, or a clear refusal."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from pictor.calibration_stacker import compute
from pictor.calibration_stacker.premade import inspect
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.unpack import unpack
from tests.imaging.fits.support import write_xisf
from tests.support.foreign import (
    BIAS_ADU,
    CAMERA,
    FLAT_ADU,
    FULL,
    SHAPE,
    Detector,
    astrophotography,
    ccddata,
    individual,
    maxim,
    pixinsight,
    saved,
    siril,
    written,
)

ONE = Detector()
DARK, BIAS = ONE.stack("dark"), ONE.stack("bias")
FLAT = ONE.stack("flat", below=BIAS_ADU)
Adopt = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def in_hand(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Six individual frames of every kind, as the stacker fetches them."""
    folder = tmp_path_factory.mktemp("frames")
    return {
        kind: [str(saved(folder, f"{kind}{n}.fits", individual(ONE, kind, n))) for n in range(6)]
        for kind in ("bias", "dark", "flat")
    }


@pytest.fixture
def adopt(tmp_path: Path, in_hand: dict[str, list[str]]) -> Adopt:
    """Adopt the bytes of a master as the stacker does, with frames in hand unless told otherwise."""

    def run(body: bytes, kind: str = "dark", **known: Any) -> dict[str, Any]:
        path = saved(tmp_path, "master.fits", body)
        plain = unpack(path, tmp_path).path
        given = {
            "cards": {"EXPTIME": 300.0}, "in_hand": in_hand[kind], "row_order": "TOP-DOWN", "ncombine": 10,
            "bias_level_adu": None if kind == "bias" else BIAS_ADU, **known,
        }  # fmt: skip
        return dict(compute.adopt(path=str(plain), scratch=str(tmp_path), kind=kind, **given))

    return run


def pixels_of(made: dict[str, Any]) -> np.ndarray:
    return np.asarray(fits.getdata(made["master_path"], 0))


def failing(made: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: str(one["verdict"]) for one in made["checks"] if one["verdict"] != "active"}


@pytest.mark.parametrize("writer", [siril, pixinsight, maxim, ccddata, astrophotography])
@pytest.mark.parametrize(("kind", "truth"), [("dark", DARK), ("bias", BIAS)])
def test_a_master_of_any_program_comes_out_in_adu(
    adopt: Adopt, writer: Callable[..., bytes], kind: str, truth: np.ndarray
) -> None:
    made = adopt(writer(truth, kind), kind)
    assert made["verdict"] == "active", made["reasons"]
    worst = float(np.abs(pixels_of(made) - truth).max())
    print(f"{writer.__name__} {kind}: {worst:.4f} ADU at most from the truth, {made['scale']['sentence']}")
    assert worst <= (0.5 if writer is maxim else 0.01)
    header = fits.getheader(made["master_path"])
    assert header["BUNIT"] == "adu"
    assert (header["SRCUNIT"], header["SRCBASIS"]) == (made["scale"]["adu_per_unit"], made["scale"]["basis"])
    assert made["scale"]["sentence"] in " ".join(str(header["HISTORY"]).split())


@pytest.mark.parametrize("writer", [siril, pixinsight, maxim, ccddata, astrophotography])
def test_a_flat_of_any_program_and_scale_comes_out_relative_to_one(adopt: Adopt, writer: Callable[..., bytes]) -> None:
    made = adopt(writer(FLAT, "flat"), "flat")
    assert made["verdict"] == "active", made["reasons"]
    found = pixels_of(made)
    middle = (slice(24, 72), slice(32, 96))
    assert found[middle].mean() == pytest.approx(1, abs=0.002)
    ratio = found / FLAT
    assert float(np.median(ratio)) == pytest.approx(1 / made["flat_level_adu"], rel=1e-4)
    assert made["flat_level_adu"] == pytest.approx(FLAT_ADU * 0.98, rel=0.02)


def test_a_flat_that_is_normalised_already_keeps_its_shape_and_has_no_level(adopt: Adopt) -> None:
    made = adopt(written((FLAT / FLAT.mean()).astype(np.float32), {**CAMERA, "IMAGETYP": "Master Flat"}), "flat")
    assert made["verdict"] == "active", made["reasons"]
    assert made["flat_level_adu"] is None


def test_siril_s_whole_numbers_are_adu(adopt: Adopt) -> None:
    made = adopt(siril(DARK, "dark", bits=16))
    assert (made["verdict"], made["scale"]["basis"]) == ("active", "integers")
    assert fits.getdata(made["master_path"], "ERR").min() >= 0.28


def test_xisf_is_read_with_the_range_it_states(adopt: Adopt, tmp_path: Path) -> None:
    shares = (DARK / FULL).astype(np.float32)[np.newaxis]
    keywords = [("INSTRUME", "'a camera'", ""), ("IMAGETYP", "'Master Dark'", ""), ("EXPTIME", "300", "")]
    counted = [("HISTORY", "", "ImageIntegration.numberOfImages: 10")]
    write_xisf(tmp_path / "in.xisf", shares, keywords=keywords + counted, bounds="0:1")
    body = (tmp_path / "in.xisf").read_bytes()
    found = inspect(saved(tmp_path, "m.xisf", body), "masterDark.xisf", tmp_path)["description"]
    assert isinstance(found, dict)
    assert (found["frame_type"], found["is_master"], found["n_combined"]) == ("dark", True, 10)
    made = adopt(body)
    assert made["verdict"] == "active", made["reasons"]
    assert made["levels_adu"] == [pytest.approx(np.median(DARK), abs=0.01)]


@pytest.mark.parametrize("stated", [{}, {"adu_per_unit": 1.0}])
def test_shares_of_a_range_never_become_an_active_master_in_adu(adopt: Adopt, stated: dict[str, float]) -> None:
    nameless = {"PROGRAM": None}
    for kind, truth in (("dark", DARK), ("bias", BIAS)):
        for hand in ([], None):
            known: dict[str, Any] = {"stated": stated} | ({} if hand is None else {"in_hand": hand})
            try:
                made = adopt(siril(truth, kind, **nameless), kind, **known)
            except ImagingError as error:
                assert "adu_per_unit" in str(error)  # noqa: PT017 - either answer is right
                continue
            assert made["verdict"] != "active" or made["scale"]["adu_per_unit"] == FULL
            assert (kind, made["verdict"]) != ("bias", "needs-review")


def test_without_unit_program_or_frames_the_scale_is_asked_for(adopt: Adopt) -> None:
    with pytest.raises(ImagingError, match="state adu_per_unit: 1 if the file is in ADU, 65535 if 0 to 1"):
        adopt(siril(DARK, "dark", PROGRAM=None), in_hand=[])


def test_what_a_wrong_scale_leads_to_is_seen_in_the_level(adopt: Adopt) -> None:
    made = adopt(siril(DARK, "dark", PROGRAM=None), stated={"adu_per_unit": 4095.0})
    assert "usual level" in failing(made)


def test_electrons_need_the_gain(adopt: Adopt) -> None:
    body = ccddata(DARK * 0.25, "dark", unit="electron")
    assert adopt(body, egain=0.25)["levels_adu"] == [pytest.approx(np.median(DARK), abs=0.01)]
    with pytest.raises(ImagingError, match="BUNIT = electron and no gain"):
        adopt(body)


def test_mask_and_errors_of_ccddata_are_kept(adopt: Adopt) -> None:
    made = adopt(ccddata(DARK * 2, "dark", unit="electron"), egain=2.0)
    assert fits.getdata(made["master_path"], "MASK")[5, 7] & 1
    assert float(np.median(fits.getdata(made["master_path"], "ERR"))) == pytest.approx(1.25)
    assert "1 bad pixels taken from its MASK plane" in made["notes"]


class TestBiasInside:
    """A dark with and without its bias."""

    def test_its_level_tells_and_the_header_records_it(self, adopt: Adopt) -> None:
        for truth, held in ((DARK, True), (DARK - BIAS, False)):
            made = adopt(siril(truth, "dark"))
            assert made["holds_bias"] is held
            assert fits.getheader(made["master_path"])["DARKBIAS"] is held

    def test_without_bias_it_is_compared_with_frames_after_its_bias_is_added(
        self, adopt: Adopt, tmp_path: Path
    ) -> None:
        bias = saved(tmp_path, "bias.fits", written(BIAS.astype(np.float32), {}))
        made = adopt(siril(DARK - BIAS, "dark"), bias_path=str(bias))
        assert made["verdict"] == "active", made["reasons"]
        alone = adopt(siril(DARK - BIAS, "dark"))
        assert "no master bias to add to it" in alone["reasons"][0]

    def test_beside_an_active_dark_with_its_bias_the_bias_is_added(self, adopt: Adopt, tmp_path: Path) -> None:
        bias = saved(tmp_path, "bias.fits", written(BIAS.astype(np.float32), {}))
        active = shutil.copy(adopt(siril(DARK, "dark"))["master_path"], tmp_path / "active.fits")
        made = adopt(siril(DARK - BIAS, "dark"), bias_path=str(bias), active_path=str(active))
        assert made["verdict"] == "active", made["reasons"]
        blind = adopt(siril(DARK - BIAS, "dark"), active_path=str(active))
        assert "no master bias to compare them with" in " ".join(blind["reasons"])
        bare = shutil.copy(made["master_path"], tmp_path / "bare.fits")
        back = adopt(siril(DARK, "dark"), bias_path=str(bias), active_path=str(bare))
        assert back["verdict"] == "active", back["reasons"]

    def test_where_nothing_tells_it_is_asked_for(self, adopt: Adopt) -> None:
        with pytest.raises(ImagingError, match="state bias_inside, or upload the master bias first"):
            adopt(siril(DARK - BIAS, "dark"), bias_level_adu=None)
        said = adopt(siril(DARK - BIAS, "dark"), bias_level_adu=None, stated={"bias_inside": False})
        assert said["holds_bias"] is False

    def test_a_statement_that_the_level_contradicts_asks_a_person(self, adopt: Adopt) -> None:
        assert "bias inside" in failing(adopt(siril(DARK - BIAS, "dark"), stated={"bias_inside": True}))

    @pytest.mark.parametrize("pedestal", [-100, 100])
    def test_the_pedestal_of_maxim_and_pixinsight_is_taken_off(self, adopt: Adopt, pedestal: int) -> None:
        made = adopt(maxim(DARK - BIAS + 100, "dark", real=True, CALSTAT="BM", PEDESTAL=pedestal))
        assert made["holds_bias"] is False
        assert made["levels_adu"] == [pytest.approx(np.median(DARK - BIAS), abs=0.1)]


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


class TestHostile:
    """Files that cannot be masters answer with what is wrong and what to do."""

    def refused(self, adopt: Adopt, body: bytes, **known: Any) -> str:
        with pytest.raises(ImagingError) as caught:
            adopt(body, **known)
        return str(caught.value)

    def test_several_images(self, adopt: Adopt) -> None:
        units = [fits.PrimaryHDU(), *(fits.ImageHDU(DARK.astype(np.float32), name=f"AMP{n}") for n in (1, 2))]
        told = self.refused(adopt, _bytes(fits.HDUList(units)))
        assert told == "the file holds 2 images (AMP1, AMP2); a master is one: upload each by itself"

    def test_colour_planes(self, adopt: Adopt) -> None:
        told = self.refused(adopt, written(np.stack([DARK] * 3).astype(np.float32), CAMERA))
        assert "a master has two: upload each plane by itself" in told

    def test_no_value_at_all(self, adopt: Adopt) -> None:
        assert self.refused(adopt, siril(DARK * np.nan, "dark")) == "no pixel of the file has a value"

    def test_a_plane_with_holes(self, adopt: Adopt) -> None:
        holes = DARK.copy()
        holes[:8] = np.nan
        assert failing(adopt(siril(holes, "dark")))["finite pixels"] == "rejected"

    def test_all_zeros(self, adopt: Adopt) -> None:
        made = adopt(written(np.zeros(SHAPE, np.uint16), CAMERA))
        assert failing(made)["repeated value"] == "rejected"

    def test_a_stack_that_siril_cut_off_at_its_top(self, adopt: Adopt) -> None:
        made = adopt(siril(np.full(SHAPE, FULL), "bias"), "bias")
        assert made["verdict"] == "rejected"
        assert "the top of the range, where Siril cut its input off" in made["reasons"][0]

    def test_unsigned_numbers_written_without_bzero(self, adopt: Adopt) -> None:
        wrapped = (np.rint(DARK * 64).astype(np.uint16)).astype(np.int16)
        made = adopt(written(wrapped, {**CAMERA, "IMAGETYP": "Master Dark"}), in_hand=[])
        assert made["verdict"] == "rejected"
        assert "unsigned numbers written without BZERO 32768" in " ".join(made["reasons"])

    def test_axes_larger_than_the_file(self, adopt: Adopt) -> None:
        body = siril(DARK, "dark").replace(b"NAXIS1  =                  128", b"NAXIS1  =           2000000000")
        assert "2000000000" in self.refused(adopt, body)

    def test_another_size_than_the_frames(self, adopt: Adopt) -> None:
        doubt = ("no frame has its camera mode; the nearest differs in width: master 100, frames 128",)
        made = adopt(siril(DARK[:, :100], "dark"), in_hand=[], doubts=doubt)
        assert failing(made)["identity"] == "needs-review"
        assert "width: master 100, frames 128" in made["reasons"][0]
        told = self.refused(adopt, siril(DARK[:, :100], "dark"), in_hand=[], doubts=doubt, bias_level_adu=None)
        assert "width: master 100, frames 128; nothing tells whether the bias is inside" in told

    def test_a_flat_without_light(self, adopt: Adopt) -> None:
        with pytest.raises(ImagingError, match="it holds no light"):
            adopt(siril(-np.abs(DARK), "flat"), "flat")


def test_the_picture_of_an_uploaded_master_shows_its_pixels(adopt: Adopt) -> None:
    made = adopt(siril(DARK, "dark"))
    assert made["pictures"]["rejection"] is None
    with Image.open(made["pictures"]["preview"]) as picture:
        assert picture.size == (SHAPE[1], SHAPE[0])
        drawn = np.asarray(picture, float)
    assert np.corrcoef(drawn.ravel(), DARK.ravel())[0, 1] > 0.9
    assert made["pictures"]["black"] > 400


def _bytes(units: fits.HDUList) -> bytes:
    out = io.BytesIO()
    units.writeto(out)
    return out.getvalue()
