"""Real bias frames and the masters of another pipeline."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.calibration_stacker import compute
from pictor.imaging.calibration.badindark import bad_pixel_map
from pictor.imaging.calibration.calibrating import apply_masters
from pictor.imaging.calibration.masters import read_master
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.reading import read_frame
from pictor.imaging.matching.frames import CameraMode, Frame, FrameType
from pictor.imaging.matching.grouping import group_frames
from pictor.imaging.matching.policy import Policy

pytestmark = pytest.mark.real


def described(path: Path) -> Frame:
    header = fits.getheader(path)
    kind = FrameType.BIAS if "bias" in str(header["IMAGETYP"]).lower() else FrameType.DARK
    return Frame(
        path.name,
        kind,
        CameraMode(
            str(header.get("INSTRUME")), header["NAXIS1"], header["NAXIS2"], header["XBINNING"], header["YBINNING"]
        ),
        datetime.fromisoformat(header["DATE-OBS"]).replace(tzinfo=UTC),
        exposure_s=header["EXPTIME"],
        set_temp_c=header.get("SET-TEMP"),
        ccd_temp_c=header.get("CCD-TEMP"),
    )


def test_the_apogee_frames_are_one_bias_and_one_dark_group(real_data: Path) -> None:
    folder = real_data / "calibration" / "msumastro-apogee"
    frames = [described(path) for path in sorted([*folder.glob("biastest*"), *folder.glob("darktest*")])]
    groups = group_frames(frames, Policy())
    assert sorted((str(group.key.frame_type), len(group.frames)) for group in groups) == [("bias", 5), ("dark", 5)]


def test_the_apogee_biases_stack_to_their_clipped_mean(real_data: Path, tmp_path: Path) -> None:
    paths = sorted((real_data / "calibration" / "msumastro-apogee").glob("biastest*"))
    done = compute.stack(
        paths=[str(path) for path in paths], frame_ids=[path.name for path in paths], sha256s=["0" * 64] * len(paths),
        kind="bias", scratch=str(tmp_path),
    )  # fmt: skip
    made = read_master(Path(str(done["master_path"])))
    cube = np.array([read_frame(path).data for path in paths], dtype=np.float64)
    off = float(np.abs(made.sci - cube.mean(axis=0))[made.nused == 5].max())
    print(f"level {np.median(made.sci):.1f} ADU, {done['facts']}, {done['verdict']} {done['reasons']}")
    assert off < 0.01
    assert made.sci.std() < cube[0].std()
    assert done["ncombine"] == 5


def test_the_huntsman_masters_agree_as_the_manifest_states(real_data: Path) -> None:
    folder = real_data / "calibration" / "huntsman"
    bias = read_master(folder / "lsst-masters/bias/bias_14_Huntsman_2021-01-07.fits").sci[:800, :800]
    dark = read_master(folder / "lsst-masters/dark/dark_14_Huntsman_2021-01-07.fits").sci[:800, :800]
    flat = read_master(folder / "lsst-masters/flat/flat_14_Huntsman_g_band_2021-01-07.fits").sci[:800, :800]
    raw = {name: read_frame(folder / f"raw/{name}_0.fits").data for name in ("bias", "dark", "flat")}
    assert (bias == 32.0).all()
    current = apply_masters(raw["dark"], bias) / 300
    same = np.isclose(current, dark, atol=2e-6)
    print(f"dark equals (dark_0 - 32) / 300 in {100 * same.mean():.2f} % of the pixels")
    assert same.mean() == pytest.approx(0.9996, abs=0.0001)
    lit = apply_masters(raw["flat"], bias + 300 * dark)
    ratio = lit / np.median(lit) / flat
    print(f"flat ratio {np.median(ratio):.4f}, scatter {1.4826 * np.median(np.abs(ratio - np.median(ratio))):.4f}")
    assert np.median(ratio) == pytest.approx(1.0, abs=0.002)


def test_the_defects_of_the_huntsman_dark_are_among_our_bad_pixels(real_data: Path) -> None:
    folder = real_data / "calibration" / "huntsman"
    dark = read_frame(folder / "raw/dark_0.fits").data.astype(np.float32)
    master = read_master(folder / "lsst-masters/dark/dark_14_Huntsman_2021-01-07.fits").sci[:800, :800]
    defects = ~np.isclose((dark - 32) / 300, master, atol=2e-6)
    found = bad_pixel_map(dark) != 0
    share = float(found[defects].mean())
    print(f"{100 * share:.1f} % of {int(defects.sum())} defects are in our map of {int(found.sum())} pixels")
    assert share > 0.9


def uploaded(path: Path, kind: str, scratch: Path, **known: object) -> dict[str, object]:
    return dict(compute.adopt(path=str(path), scratch=str(scratch), kind=kind, cards={"EXPTIME": 300.0}, **known))


def test_the_masters_of_the_lsst_pipeline_are_told_apart_when_uploaded(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "calibration" / "huntsman" / "lsst-masters"
    bias, dark, flat = (next((folder / kind).glob("*.fits")) for kind in ("bias", "dark", "flat"))
    drawn = uploaded(bias, "bias", tmp_path)
    assert drawn["verdict"] == "rejected"
    assert "one value fills 100 % of the pixels" in str(drawn["reasons"])
    with pytest.raises(ImagingError, match="state adu_per_unit"):
        uploaded(dark, "dark", tmp_path)
    seconds = uploaded(dark, "dark", tmp_path, stated={"adu_per_unit": 300.0, "bias_inside": False})
    assert seconds["levels_adu"] == [pytest.approx(5.0, abs=0.01)]
    relative = uploaded(flat, "flat", tmp_path)
    assert relative["verdict"] == "needs-review"
    assert "nothing to compare it with" in str(relative["reasons"])
    print(f"LSST dark: {seconds['levels_adu']} ADU; flat: {relative['notes']}")


def test_real_biases_in_hand_vouch_for_their_stack_and_not_for_another_level(real_data: Path, tmp_path: Path) -> None:
    paths = [str(p) for p in sorted((real_data / "calibration" / "msumastro-apogee").glob("biastest*"))]
    mean = np.mean([read_frame(Path(path)).data for path in paths], axis=0).astype(np.float32)
    for offset, verdict in ((0.0, "active"), (-32768.0, "needs-review")):
        fits.PrimaryHDU(mean + np.float32(offset)).writeto(tmp_path / "m.fits", overwrite=True)
        made = uploaded(tmp_path / "m.fits", "bias", tmp_path, in_hand=paths)
        assert made["verdict"] == verdict, made["reasons"]
