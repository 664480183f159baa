"""Masters of other programs brought into our form and judged: one truth whatever wrote them, or a clear refusal."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from pictor.calibration_stacker.premade import inspect
from pictor.imaging.errors import ImagingError
from tests.imaging.fits.support import write_xisf
from tests.support.adopting import BIAS, DARK, FLAT, ONE, Adopt, failing, pixels_of
from tests.support.foreign import (
    BIAS_ADU,
    CAMERA,
    FLAT_ADU,
    FULL,
    SHAPE,
    astrophotography,
    ccddata,
    maxim,
    pixinsight,
    saved,
    siril,
    written,
)


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


def test_a_flat_of_a_colour_camera_keeps_its_colours_apart(adopt: Adopt, tmp_path: Path) -> None:
    colours = np.tile([[0.5, 1.0], [1.0, 0.6]], (SHAPE[0] // 2, SHAPE[1] // 2))
    rng = np.random.default_rng(3)
    light = (ONE.truth("flat") - BIAS_ADU) * colours
    taken = [rng.poisson(light) + BIAS_ADU + rng.normal(0, 3, SHAPE) for _ in range(16)]
    frames = [str(saved(tmp_path, f"c{n}.fits", written(np.rint(one).astype(np.uint16), CAMERA)))
              for n, one in enumerate(taken[:6])]  # fmt: skip
    stack = np.mean(taken[6:], axis=0)
    made = adopt(siril(stack - BIAS_ADU, "flat", BAYERPAT="RGGB"), "flat", bayer=True, in_hand=frames)
    assert made["verdict"] == "active", made["reasons"]
    found = pixels_of(made)[24:72, 32:96]
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        assert found[y::2, x::2].mean() == pytest.approx(1, abs=0.005)
    wet = adopt(siril(stack, "flat", BAYERPAT="RGGB"), "flat", bayer=True, in_hand=frames)
    assert "nothing under the light" in failing(wet)


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


def test_the_picture_of_an_uploaded_master_shows_its_pixels(adopt: Adopt) -> None:
    made = adopt(siril(DARK, "dark"))
    assert made["pictures"]["rejection"] is None
    with Image.open(made["pictures"]["preview"]) as picture:
        assert picture.size == (SHAPE[1], SHAPE[0])
        drawn = np.asarray(picture, float)
    assert np.corrcoef(drawn.ravel(), DARK.ravel())[0, 1] > 0.9
    assert made["pictures"]["black"] > 400
