"""Real headers of each program against values read by hand."""

import csv
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import read_cards
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.headers.admission import admission
from pictor.imaging.headers.describe import describe
from pictor.imaging.headers.description import FrameDescription

pytestmark = pytest.mark.real

HAND_CHECKED: dict[str, dict[str, object]] = {
    "headers/photonfinder/nina-1.10-asi294mc.fits.gz": {
        "program": "nina", "frame_type": "light", "exposure_s": 30.0, "start_utc": "2021-03-02T20:19:00.455000Z",
        "mid_utc": "2021-03-02T20:19:15.455000Z", "utc_offset_h": 1.0, "camera": "ZWO ASI294MC Pro",
        "gain_setting": 120.0, "offset_setting": 30.0, "egain": 1.00224268436432, "set_temp_c": -10.0,
        "pixel_um": 4.63, "pixel_um_binned": 4.63, "bayer": "RGGB", "bayer_offset_x": 0, "row_order": "TOP-DOWN",
        "target_name": "MarsM45", "target_ra_deg": None, "ra_deg": None, "width": 4144, "height": 2822,
    },
    "headers/photonfinder/sgpro-3.1-asi294mc.fits.gz": {
        "program": "sgpro", "frame_type": "light", "exposure_s": 30.0, "start_utc": "2020-05-30T00:22:49.096882Z",
        "utc_offset_h": 2.0, "gain_setting": 120.0, "egain": 3.99000000953674, "set_temp_c": -18.0, "ccd_temp_c": -17.5,
        "pixel_um": None, "focal_mm": 1480.0, "ra_deg": 283.395539831101, "dec_deg": 33.0340625,
        "planned_pa_deg": 258.369995117188, "rotator_deg": 258.37, "site_latitude_deg": 51.05, "filter": "HaOIII",
        "site_longitude_deg": 3.0 + 43 / 60, "site_elevation_m": 10.0, "focus_position": 827840.0,
    },
    "headers/photonfinder/sharpcap-asi290-astroimagej.fits.gz": {
        "program": "sharpcap", "frame_type": "light", "exposure_s": 2.0, "ccd_temp_c": 12.7, "set_temp_c": None,
        "pixel_um": 2.90000009536743, "camera": "ZWO ASI290MM Mini", "filter": None, "width": 1936, "height": 1088,
    },
    "headers/photonfinder/seestar-s50-stack.fits.gz": {
        "program": "seestar", "frame_type": "light", "exposure_s": 10.0, "n_combined": 187, "gain_setting": 80.0,
        "bayer": "GRBG", "focal_mm": 250.0, "aperture_mm": None, "ra_deg": 240.1125, "filter": "IRCUT", "planes": 3,
        "site_longitude_deg": 3.69361, "ccd_temp_c": 21.875, "is_master": False,
    },
    "headers/photonfinder/maximdl-5.24-itelescope-t33.fits.gz": {
        "program": "itelescope", "frame_type": "light", "exposure_s": 300.0, "start_utc": "2018-07-04T14:03:03Z",
        "ra_deg": 275.2005, "dec_deg": -16.183, "calstat": "BDF", "pedestal": -100.0, "pier_side": "east",
        "site_latitude_deg": -31.2736111111, "site_elevation_m": 1165.0, "filter": "SII", "focal_mm": 1425.0,
        "gain_setting": None, "egain": None, "target_name": "m17",
    },
    "headers/msumastro/maximdl_5_23_header.fit": {
        "program": "maxim", "frame_type": "light", "exposure_s": 90.0, "set_temp_c": -40.0, "pixel_um": 9.0,
        "target_ra_deg": 15 * (20 + 34 / 60 + 56 / 3600), "target_dec_deg": 60 + 7 / 60 + 15 / 3600, "ra_deg": None,
        "site_latitude_deg": 46 + 52 / 60, "site_longitude_deg": -(97 + 12 / 60 + 12 / 3600), "filter": "B",
        "focal_mm": 3325.0, "observer": None,
    },
    "headers/msumastro/celestron_nightscape_10100_astro_fx_v106.fit": {
        "program": "generic", "frame_type": "light", "exposure_s": 60.0, "bayer": None, "bayer_offset_x": 1,
        "camera": "Celestron Nightscape 10100", "program_version": "Celestron AstroFX V1.06",
    },
    "headers/msumastro/uint16_missing_filter.fit": {"program": "maxim", "frame_type": "light", "filter": None},
    "headers/msumastro/uint16_no_pointing.fit": {"frame_type": "light", "filter": "R", "target_ra_deg": None},
    "lights/kstars-asi1600-autofocus/ngc4535-autofocus1.fits": {
        "program": "indi", "frame_type": "light", "exposure_s": 2.0, "pixel_um": 3.8, "pixel_um_binned": 7.6,
        "binning_x": 2, "ra_deg": None, "gain_setting": 200.0, "site_longitude_deg": -122.163,
    },
    "lights/kstars-asi1600-autofocus/ngc4535-autofocus3.fits": {
        "program": "indi", "frame_type": "light", "pixel_um": 7.6, "pixel_um_binned": 7.6, "focal_mm": 588.0,
        "aperture_mm": 105.0, "ra_deg": 188.101, "dec_deg": 8.116096, "egain": None, "observer": None,
        "target_ra_deg": 15 * (12 + 32 / 60 + 24.25 / 3600), "filter": "LPR",
    },
    "lights/exotic-microobservatory/HATP-32171220013343.FITS": {
        "program": "microobservatory", "frame_type": "light", "exposure_s": 60.0,
        "start_utc": "2017-12-20T01:33:43.317000Z", "ccd_temp_c": 271.0 - 273.15, "site_longitude_deg": -110.88,
        "ra_deg": 31.312099, "filter": "Clear",
    },
    "lights/panoptes-pocs/unsolved.fits": {
        "program": "panoptes", "frame_type": "light", "exposure_s": 120.4, "bayer": "RGGB", "ccd_temp_c": 11.0,
        "ra_deg": 301.56439, "target_name": "KIC 8462852", "gain_setting": 100.0, "camera_serial": "012070048413",
    },
    "lights/nebulosa-ngc3372/NGC3372-color-short.fits": {
        "program": "maxim", "frame_type": "light", "n_combined": 9, "gain_setting": 120.0, "row_order": "TOP-DOWN",
        "binning_x": 4, "planes": 3, "calstat": "D", "telescope": None, "pier_side": "west",
    },
    "calibration/huntsman/raw/bias_0.fits": {"program": "panoptes", "frame_type": "bias", "gain_setting": 100.0},
    "calibration/huntsman/raw/flat_0.fits": {"frame_type": "flat", "filter": "g_band", "camera": "ZWO ASI183MM Pro"},
    "calibration/huntsman/raw/dark_0.fits": {"frame_type": "dark", "set_temp_c": 0.0, "ccd_temp_c": -1.5},
    "calibration/msumastro-apogee/biastest1.fit": {"frame_type": "bias", "exposure_s": 0.0, "focal_mm": None},
    "lco/mef/mef_raw_test_frame.fits": {
        "program": "lco", "frame_type": "light", "exposure_s": 94.975, "egain": 6.42, "gain_setting": None,
        "binning_x": 2, "pixel_um": 15.0, "pixel_um_binned": 30.0, "saturation_adu": 40000.0, "set_temp_c": -90.0,
        "ra_deg": 15 * (19 + 9 / 60 + 17.959 / 3600), "readout_mode": "central_2k_2x2",
    },
    "lco/sinistro/cpt1m012-fl10-20151216-0073-e00.fits.fz": {
        "program": "lco", "frame_type": "light", "egain": None, "width": 1040, "height": 1024, "planes": 1,
    },
    "lco/one-row/bias_kb70_20151221_bin2x2.fits": {"frame_type": "bias", "is_master": True, "egain": 1.4},
    "lco/one-row/dark_kb70_20151222_bin2x2.fits.fz": {"frame_type": "dark", "is_master": True, "exposure_s": 300.0},
    "lco/one-row/flat_kb70_20151222_SKYFLAT_bin2x2_ip.fits": {"frame_type": "flat", "is_master": True},
    "lco/one-row/sqa0m801-kb35-20151216-0966-g00.fits": {"frame_type": "snapshot", "saturation_adu": None},
    "odd/eso-midas/timmi2.fits": {"frame_type": "unknown", "ra_deg": None, "dec_deg": None, "planes": 2},
}  # fmt: skip


def description(path: Path, scratch: Path) -> FrameDescription:
    plain = unpack(path, scratch).path
    return describe(read_cards(plain, prescan_file(plain)), name=path.name)


@pytest.mark.parametrize("name", HAND_CHECKED)
def test_a_real_header_says_what_a_person_reads_in_it(name: str, real_data: Path, tmp_path: Path) -> None:
    found = asdict(description(real_data / name, tmp_path))
    expected = HAND_CHECKED[name]
    assert {field: found[field] for field in expected} == {
        field: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
        for field, value in expected.items()
    }


def test_all_real_lights_are_admitted_as_lights(real_data: Path, tmp_path: Path) -> None:
    lights = [path for path in sorted((real_data / "lights").rglob("*.*")) if path.name != "noheader.fits"]
    for path in lights:
        found = description(path, tmp_path)
        assert (found.frame_type, admission(found)) == ("light", ()), path.name
    assert len(lights) == 36


def test_a_light_stripped_of_its_header_waits_for_a_person(real_data: Path, tmp_path: Path) -> None:
    found = description(real_data / "lights/panoptes-pocs/noheader.fits", tmp_path)
    assert [problem.reason for problem in admission(found)] == ["unknown-frame-type"]


def test_every_description_is_json_and_names_its_sources(real_data: Path, tmp_path: Path) -> None:
    with (real_data / "manifest.csv").open() as stream:
        names = [row["file"] for row in csv.DictReader(stream)]
    described = 0
    for name in names:
        try:
            found = description(real_data / name, tmp_path)
        except ImagingError:
            continue
        json.dumps(asdict(found), allow_nan=False)
        for field, source in found.provenance.items():
            assert source.rule, (name, field)
        if found.exposure_s is not None:
            assert found.provenance["exposure_s"].keyword in {"EXPTIME", "EXPOSURE", "SUBEXP"}
        described += 1
    assert described > 110


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("odd/derived/duplicate-keywords.fits", "EXPTIME stands 3 times with different values"),
        ("headers/msumastro/maximdl_6_18_header.fit", "two site positions"),
        ("odd/eso-midas/timmi2.fits", "RA is '1117.786'"),
        ("lco/sinistro/cpt1m012-fl10-20151216-0073-e00.fits.fz", "gives no egain"),
        ("calibration/huntsman/raw/flat_0.fits", "FIELD says flat, the type card says Light Frame"),
        ("headers/photonfinder/seestar-s50-stack.fits.gz", "stack of 187 exposures"),
        ("lights/panoptes-pocs/tiny.fits", "no card tells the frame type"),
    ],
)
def test_what_is_doubtful_is_told(name: str, words: str, real_data: Path, tmp_path: Path) -> None:
    assert any(words in warning for warning in description(real_data / name, tmp_path).warnings)
