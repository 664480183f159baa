import hashlib
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.simulator.fits import Site, horizontal
from pictor.imaging.simulator.night import Night, sample_night
from pictor.imaging.simulator.plan import Job, plan_night, sample_rig


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return sample_night(tmp_path_factory.mktemp("night"), scale="small")


def by_name(jobs: list[Job]) -> Counter[str]:
    return Counter(job.name.rsplit("_", 1)[0] for job in jobs if not job.name.startswith("light"))


def test_the_night_holds_every_kind_of_frame(night: Night) -> None:
    jobs = plan_night(sample_rig("small"), 1)
    sets = {"flat_L": 10, "flat_R": 10, "flat_Ha": 10, "flatdark": 10, "dark": 10, "bias": 10}
    assert by_name(jobs) == sets
    lights = [frame.truth for frame in night.frames if frame.truth["type"] == "LIGHT"]
    assert Counter(str(truth["fault"]) for truth in lights) == {
        "None": 8, "satellite": 1, "trailed": 1, "clouds": 1, "starless": 1, "no-darks": 1, "duplicate": 1,
        "truncated": 1,
    }  # fmt: skip
    ordinary = [truth for truth in lights if truth["fault"] not in {"duplicate", "truncated"}]
    assert Counter(truth["filter"] for truth in ordinary) == {"L": 5, "R": 4, "Ha": 4}
    assert Counter(truth["field"] for truth in ordinary) == {"NGC 7000": 4, "M 31": 5, "M 45": 4}


def test_every_file_has_its_truth_and_the_night_lists_them(night: Night) -> None:
    listed = json.loads((night.folder / "night.json").read_text())
    assert [entry["file"] for entry in listed["frames"]] == [frame.path.name for frame in night.frames]
    for frame in night.frames:
        assert json.loads(frame.path.with_suffix(".truth.json").read_text()) == frame.truth


def test_one_light_was_taken_at_a_temperature_without_darks(night: Night) -> None:
    warm = [frame for frame in night.frames if frame.truth["fault"] == "no-darks"]
    assert [fits.getheader(frame.path)["SET-TEMP"] for frame in warm] == [-5.0]
    darks = [frame for frame in night.frames if frame.truth["type"] == "DARK"]
    assert {fits.getheader(frame.path)["SET-TEMP"] for frame in darks} == {-10.0}
    lights = [frame.truth for frame in night.frames if frame.truth["type"] == "LIGHT"]
    left_out = [str(truth["file"]) for truth in lights if "'calibrated': False" in str(truth["expected"])]
    assert left_out == [frame.path.name for frame in warm]


def test_a_moved_night_is_the_last_one_and_its_targets_stand_where_they_stood() -> None:
    rig, before = sample_rig("small"), datetime(2027, 3, 5, 20, 0, tzinfo=UTC)
    jobs, moved = plan_night(rig, 1), plan_night(rig, 1, before=before)
    assert before - timedelta(days=2) < max(job.exposure.start for job in moved) < before
    for one, other in zip(jobs, moved, strict=True):
        assert one.exposure.start - jobs[0].exposure.start == other.exposure.start - moved[0].exposure.start
        if one.exposure.target is not None:
            heights = [horizontal(Site(), job.exposure)[0] for job in (one, other)]
            assert heights[0] == pytest.approx(heights[1], abs=0.01)


def test_headers_are_those_of_the_capture_program_and_say_simulated(night: Night) -> None:
    with fits.open(night.frames[0].path, checksum=True) as hdus:
        hdus.verify("exception")
        header, data = hdus[0].header, hdus[0].data
        assert data.dtype == np.uint16
        assert data.shape == (880, 1164)
    assert header["SIMULATD"] is True
    assert "Simulated" in str(header["COMMENT"])
    assert header["IMAGETYP"] == "LIGHT"
    assert header["EXPOSURE"] == header["EXPTIME"] == 60.0
    assert header["FILTER"] == "L"
    assert header["OBJECT"] == "NGC 7000"
    assert header["OBJCTRA"] == "20 59 00"
    assert header["OBJCTDEC"] == "+44 22 12"
    assert header["SWCREATE"].startswith("N.I.N.A.")
    assert header["ROWORDER"] == "TOP-DOWN"
    for frame in night.frames[:60]:
        card = fits.getheader(frame.path)
        assert card["SIMULATD"] is True
        assert ("AIRMASS" in card) == (card["IMAGETYP"] == "LIGHT")
        assert 1.0 <= card.get("AIRMASS", 1.0) < 2.0


def test_the_header_is_a_little_wrong_as_real_ones_are(night: Night) -> None:
    header, truth = fits.getheader(night.frames[0].path), night.frames[0].truth["wcs"]
    assert isinstance(truth, dict)
    claimed = header["XPIXSZ"] / header["FOCALLEN"] * 206.265
    assert 0.002 < abs(claimed / float(str(truth["scale_arcsec"])) - 1) < 0.03
    away = np.hypot(
        (header["RA"] - float(str(truth["center_ra_deg"]))) * 0.71, header["DEC"] - float(str(truth["center_dec_deg"]))
    )
    assert 0.1 / 60 < away < 20 / 60


def test_one_upload_is_a_copy_and_one_breaks_off(night: Night) -> None:
    faults = {frame.truth["fault"]: frame for frame in night.frames}
    copy, cut = faults["duplicate"], faults["truncated"]
    assert isinstance(copy.truth["expected"], dict)
    original = night.folder / str(copy.truth["expected"]["of"])
    assert copy.path.read_bytes() == original.read_bytes()
    header = fits.getheader(cut.path)
    assert cut.path.stat().st_size < 2 * header["NAXIS1"] * header["NAXIS2"]


def test_the_same_seed_writes_the_same_bytes(night: Night, tmp_path: Path) -> None:
    again = sample_night(tmp_path, scale="small")
    digests = [
        [hashlib.sha256(frame.path.read_bytes()).hexdigest() for frame in each.frames] for each in (night, again)
    ]
    assert digests[0] == digests[1]
    assert len(set(digests[0])) == len(digests[0]) - 1
