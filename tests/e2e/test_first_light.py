"""The whole product as a person meets it: ``pictor up``, a frame in, everything out, stop, start again."""

import gzip
import io
import json
import re
import shutil
import stat
import subprocess
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from tests.support.angles import separation_arcsec
from tests.support.exposures import exposure
from tests.support.installation import Installation, installation, pictor
from tests.support.simulated import SimulatedLight, simulated_light

ENDS_WITHIN_S = 90.0
STOPS_WITHIN_S = 15.0


@dataclass
class FirstLight:
    """A simulated light, its frame and its finished job."""

    simulated: SimulatedLight
    frame: dict[str, Any]
    job: dict[str, Any]

    @property
    def raw(self) -> bytes:
        return self.simulated.path.read_bytes()

    def address(self, what: str) -> str:
        return f"/frames/{self.frame['id']}/{what}"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Start on a folder that does not exist."""
    with installation(tmp_path_factory.mktemp("first") / "data") as flow:
        yield flow


@pytest.fixture(scope="module")
def light(up: Installation, tmp_path_factory: pytest.TempPathFactory) -> FirstLight:
    """Upload one light and wait for its end."""
    simulated = simulated_light(tmp_path_factory.mktemp("light"))
    sent = up.upload(simulated.path)
    job = up.ended(sent["job_id"], within_s=ENDS_WITHIN_S)
    return FirstLight(simulated, up.frame(sent["frame_id"]), job)


@pytest.fixture(scope="module")
def stopped(up: Installation, light: FirstLight) -> tuple[int, str, float]:
    """Stop the first run; exit code, what else it printed, and how long it took."""
    up.idle(within_s=ENDS_WITHIN_S)
    began = time.monotonic()
    code, rest = up.stop()
    return code, rest, time.monotonic() - began


@pytest.fixture(scope="module")
def up_again(up: Installation, stopped: tuple[int, str, float]) -> Iterator[Installation]:
    """Start on the same folder once more, with the token the first run wrote."""
    with installation(up.data) as flow:
        yield flow


def test_the_administrators_token_is_for_its_owner_alone(up: Installation) -> None:
    assert stat.S_IMODE((up.data / "admin.token").stat().st_mode) == 0o600


def test_logs_are_below_the_folder(up: Installation) -> None:
    logs = {path.name for path in (up.data / "logs").iterdir()}
    assert {"pictor.log", "nats.log", "postgres.log", "store.log"} <= logs


def test_every_module_completes_a_good_light(light: FirstLight) -> None:
    assert light.job["state"] == "completed", light.job
    ends = {run["module"]: run["state"] for run in light.job["timeline"]}
    assert set(ends.values()) == {"completed"}, light.job["timeline"]
    assert list(ends) == ["ingest", "header-update", "preview", "quality", "astrometry", "quality-headers"]


def test_the_solution_is_the_truth_of_the_simulation(light: FirstLight) -> None:
    solution, truth = light.frame["solution"], light.simulated.truth.spec.pointing
    offset = separation_arcsec(solution["ra_deg"], solution["dec_deg"], truth.ra_deg, truth.dec_deg)
    print(f"centre {offset:.3f} arcsec from the truth, {solution['matched']} stars, RMS {solution['rms_px']:.2f} px")
    assert offset < 0.5 * truth.scale_arcsec
    assert solution["scale_arcsec"] == pytest.approx(truth.scale_arcsec, rel=1e-3)


def test_the_quality_is_the_truth_of_the_simulation(light: FirstLight) -> None:
    measured, truth = light.frame["quality"], light.simulated.truth
    print(f"FWHM {measured['fwhm_px']:.2f} px, truth {truth.fwhm_recorded:.2f} px; {measured['star_count']} stars")
    assert measured["fwhm_px"] == pytest.approx(truth.fwhm_recorded, rel=0.1)
    assert light.frame["grade"]["status"] == "accepted"


def test_the_preview_is_a_png_of_the_frame(up: Installation, light: FirstLight) -> None:
    picture = _picture(up, light.address("preview"))
    assert picture.format == "PNG"
    assert picture.width / picture.height == pytest.approx(light.frame["width"] / light.frame["height"], rel=0.01)
    assert np.asarray(picture.convert("L")).std() > 1


def test_the_thumbnail_is_a_small_webp(up: Installation, light: FirstLight) -> None:
    picture = _picture(up, light.address("thumbnail"))
    assert picture.format == "WEBP"
    assert max(picture.size) <= 512


def test_every_tile_of_the_index_is_a_jpeg(up: Installation, light: FirstLight) -> None:
    index = up.get(light.address("tiles"))
    assert (index["width"], index["height"]) == (light.frame["width"], light.frame["height"])
    for place in index["tiles"]:
        assert _picture(up, light.address(f"tiles/{place.removesuffix('.jpg')}")).format == "JPEG"


def test_the_star_list_is_a_fits_table_with_the_measured_stars(up: Installation, light: FirstLight) -> None:
    body = up.client.get(light.address("catalog")).raise_for_status().content
    with fits.open(io.BytesIO(body)) as hdus:
        table = next(hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)).data
        assert len(table) >= light.frame["star_count"] > 100
    columns = up.get(light.address("catalog"), format="json")
    assert columns["rows"] == len(table)


def test_the_header_has_every_card_of_the_file(up: Installation, light: FirstLight) -> None:
    found = [card["keyword"] for card in up.get(light.address("header"))["cards"]]
    assert found == list(fits.Header.fromfile(light.simulated.path).keys())


def test_the_raw_file_comes_back_byte_for_byte(up: Installation, light: FirstLight) -> None:
    assert up.client.get(light.address("fits")).raise_for_status().content == light.raw


@pytest.fixture(scope="module")
def processed(up: Installation, light: FirstLight, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Download the processed FITS."""
    path = tmp_path_factory.mktemp("processed") / "processed.fits"
    path.write_bytes(up.client.get(light.address("fits"), params={"kind": "processed"}).raise_for_status().content)
    return path


def test_the_data_unit_of_the_processed_fits_is_that_of_the_raw_one(light: FirstLight, processed: Path) -> None:
    assert _data_unit(processed) == _data_unit(light.simulated.path)


def test_the_processed_fits_passes_the_checksums_of_astropy(processed: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(processed, checksum=True) as hdus:
            hdus.verify("exception")
            assert hdus[0].verify_checksum() == hdus[0].verify_datasum() == 1


def test_the_processed_fits_carries_solution_and_quality(light: FirstLight, processed: Path) -> None:
    header = fits.getheader(processed)
    assert header["PLTSOLVD"] is True
    assert header["CTYPE1"].startswith("RA---TAN")
    assert header["IMAGETYP"] == fits.getheader(light.simulated.path)["IMAGETYP"]
    written = {card.value for card in header.cards if isinstance(card.value, float)}
    assert any(value == pytest.approx(light.frame["fwhm_px"], abs=0.01) for value in written)


def test_fitsverify_finds_nothing_wrong_with_the_processed_fits(processed: Path) -> None:
    verifier = shutil.which("fitsverify")
    if verifier is None:
        print("fitsverify is not installed: only astropy judged the file")
        return
    done = subprocess.run([verifier, "-q", str(processed)], capture_output=True, text=True, check=False)
    assert "OK" in done.stdout, done.stdout


def test_the_same_file_again_makes_no_second_frame_and_no_second_job(up: Installation, light: FirstLight) -> None:
    before = up.get("/jobs", limit=1)["total"]
    answer = up.send(light.simulated.path, name="renamed.fits")
    assert answer.status_code == 200
    assert answer.json()["duplicate"] is True
    assert answer.json()["frame_id"] == light.frame["id"]
    assert up.get("/jobs", limit=1)["total"] == before


def test_a_truncated_file_is_refused_and_the_same_inside_gzip_is_quarantined_and_kept(
    up: Installation, light: FirstLight, tmp_path: Path
) -> None:
    path = tmp_path / "truncated.fits"
    path.write_bytes(light.raw[: len(light.raw) * 2 // 3])
    answer = up.send(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "data-truncated")
    assert "too early; send the file again" in answer.json()["detail"]
    packed = path.with_suffix(".fits.gz")
    packed.write_bytes(gzip.compress(path.read_bytes(), 1))
    sent = up.upload(packed)
    job = up.ended(sent["job_id"], within_s=ENDS_WITHIN_S)
    frame = up.frame(sent["frame_id"])
    assert (job["state"], frame["state"], frame["reason"]) == ("failed", "quarantined", "data-truncated")
    assert "too early" in frame["message"]
    assert up.client.get(f"/frames/{frame['id']}/fits").content == packed.read_bytes()
    assert up.client.get(f"/frames/{frame['id']}/preview").status_code == 404


def test_what_is_no_frame_is_refused_with_a_sentence(up: Installation, tmp_path: Path) -> None:
    path = tmp_path / "notes.fits"
    path.write_text("This is not a frame.\n" * 50)
    answer = up.send(path)
    assert (answer.status_code, answer.json()["code"]) == (415, "not-a-frame")
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_a_cancelled_job_does_nothing_more(up: Installation, tmp_path: Path) -> None:
    up.client.post("/operations/preview/pause").raise_for_status()
    try:
        sent = up.upload(exposure(tmp_path / "cancelled.fits", 7))
        _wait_for(up, sent["job_id"], "header-update")
        assert up.client.post(f"/jobs/{sent['job_id']}/cancel").raise_for_status().json()["state"] == "cancelled"
    finally:
        up.client.post("/operations/preview/resume").raise_for_status()
    up.idle(within_s=ENDS_WITHIN_S)
    job = up.job(sent["job_id"])
    ends = {run["module"]: run["state"] for run in job["timeline"]}
    assert job["state"] == "cancelled"
    assert ends["header-update"] == "completed"
    assert not {"completed", "running", "pending"} & {ends[module] for module in ("preview", "quality", "astrometry")}
    assert up.client.get(f"/frames/{sent['frame_id']}/preview").status_code == 404


def test_reprocessing_runs_on_the_high_lane_and_once_at_a_time(up: Installation, light: FirstLight) -> None:
    address = light.address("reprocess")
    up.client.post("/operations/quality/pause").raise_for_status()
    try:
        first = up.client.post(address, json={"modules": ["quality", "quality-headers"]}).raise_for_status().json()
        second = up.client.post(address, json={"modules": ["quality"]}).raise_for_status().json()
    finally:
        up.client.post("/operations/quality/resume").raise_for_status()
    assert (first["already_open"], second["already_open"]) == (False, True)
    assert second["job_id"] == first["job_id"]
    job = up.ended(first["job_id"], within_s=ENDS_WITHIN_S)
    assert (job["kind"], job["lane"], job["state"]) == ("reprocess", "high", "completed")
    assert up.frame(light.frame["id"])["solution"]["ra_deg"] == light.frame["solution"]["ra_deg"]


def test_a_folder_is_uploaded_and_what_is_there_already_is_not_sent_again(up: Installation, tmp_path: Path) -> None:
    for number in (1, 2):
        exposure(tmp_path / f"bias-{number}.fits", number, kind="BIAS", exposure_s=0.0)
    (tmp_path / "notes.txt").write_text("not for upload")
    for outcome in ("sent", "duplicate"):
        done = up.pictor("upload", str(tmp_path), "--json")
        assert done.returncode == 0, done.stderr
        assert [json.loads(line)["outcome"] for line in done.stdout.splitlines()] == [outcome, outcome]


def test_frames_and_jobs_are_listed_on_the_terminal(up: Installation, light: FirstLight) -> None:
    listed = up.pictor("frames", "--json")
    assert listed.returncode == 0, listed.stderr
    names = [frame["name"] for frame in json.loads(listed.stdout)["items"]]
    assert light.frame["name"] in names
    table = up.pictor("jobs")
    assert table.returncode == 0, table.stderr
    assert f"of {up.get('/jobs', limit=1)['total']}" in table.stdout


def test_the_check_of_a_running_installation_finds_nothing(up: Installation, light: FirstLight) -> None:
    up.idle(within_s=ENDS_WITHIN_S)
    up.check(deep=True)


def test_the_doctor_finds_nothing_needed_missing(up: Installation) -> None:
    done = up.pictor("doctor", "--json")
    assert done.returncode == 0, done.stdout
    assert all(item["present"] for item in json.loads(done.stdout) if item["needed"])


def test_help_names_every_command() -> None:
    done = pictor("--help")
    assert done.returncode == 0
    commands = ("up", "run", "setup", "upload", "frames", "jobs", "index", "simulate", "demo", "doctor", "check")
    assert all(f"\n  {command} " in done.stdout for command in commands)


def test_a_second_start_on_the_same_folder_is_refused_with_a_sentence(up: Installation) -> None:
    done = pictor("up", "--data", str(up.data), "--port", "0")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("pictor: ")
    assert len(done.stderr.splitlines()) == 1
    assert str(up.data) in done.stderr
    assert up.client.get("/frames").is_success


def test_it_stops_within_seconds_and_printed_a_link_to_log_in_besides(stopped: tuple[int, str, float]) -> None:
    code, rest, seconds = stopped
    print(f"stopped in {seconds:.1f} s")
    assert code == 0
    assert re.fullmatch(r"Log in within ten minutes, once: http://127\.0\.0\.1:\d+/login\?code=\S{43}\n", rest)
    assert seconds < STOPS_WITHIN_S


def test_a_second_start_keeps_token_frames_and_products(up_again: Installation, light: FirstLight) -> None:
    kept = up_again.frame(light.frame["id"])
    assert (kept["sha256"], kept["star_count"]) == (light.frame["sha256"], light.frame["star_count"])
    assert kept["solution"] == light.frame["solution"]
    assert up_again.client.get(light.address("fits")).content == light.raw
    assert up_again.send(light.simulated.path).json()["duplicate"] is True


def test_the_link_of_the_first_start_logs_in_once(up_again: Installation, stopped: tuple[int, str, float]) -> None:
    code = stopped[1].strip().partition("/login?code=")[2]
    with httpx.Client(base_url=up_again.url) as browser:
        entered = browser.post("/login", data={"code": code})
        assert (entered.status_code, "pictor_session" in entered.headers["set-cookie"]) == (303, True)
        assert browser.get("/account").status_code == 200
        assert browser.post("/login", data={"code": code}).status_code == 401


def test_a_second_start_takes_new_frames(up_again: Installation, tmp_path: Path) -> None:
    sent = up_again.upload(exposure(tmp_path / "later.fits", 9, kind="DARK"))
    assert up_again.ended(sent["job_id"], within_s=ENDS_WITHIN_S)["state"] == "completed"


def _picture(flow: Installation, address: str) -> Image.Image:
    answer = flow.client.get(address).raise_for_status()
    picture = Image.open(io.BytesIO(answer.content))
    picture.load()
    assert answer.headers["content-type"] == Image.MIME[str(picture.format)]
    return picture


def _data_unit(path: Path) -> bytes:
    with fits.open(path) as hdus:
        place = hdus[0].fileinfo()
    with path.open("rb") as file:
        file.seek(place["datLoc"])
        return file.read(place["datSpan"])


def _wait_for(flow: Installation, job_id: str, module: str) -> None:
    end = time.monotonic() + ENDS_WITHIN_S
    while time.monotonic() < end:
        if any(run["module"] == module and run["state"] == "completed" for run in flow.job(job_id)["timeline"]):
            return
        time.sleep(0.1)
    raise AssertionError(f"{module} of job {job_id} did not complete: {flow.job(job_id)}")
