"""Every real frame through the real gateway and services ends as a person would expect."""

import csv
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from tests.support.angles import separation_arcsec
from tests.support.installation import Installation, installation, pictor

pytestmark = pytest.mark.real

CHECKOUT = Path(__file__).parents[2]
KEPT_INDEXES = CHECKOUT / "var" / "indexes"
"""Star indexes stay here, so that only the first run downloads them."""

INDEX_SETS = ("07",)
"""The one Debian package (80 MB) that solves them all: its patterns are the smallest, its stars the most."""

ENDS_WITHIN_S = 600.0
CENTRE = re.compile(r'solve-field: centre (\S+) (\S+) deg, (\S+)"/px')
NAMED = {f"odd/astropy/{name}": f"bias_{name}" for name in ("checksum.fits", "checksum_false.fits")}
"""Headers without a frame type: these are sent under names that tell it."""

TYPED = ("odd/astropy/m13.fits", "odd/astropy/m13_rice.fits", "odd/astropy/m13_gzip.fits")
"""Pictures of one cluster without a frame type: sent once more with the cards a light needs, only to be measured."""

with (Path(__file__).parent / "real_frames.csv").open(newline="") as _table:
    EXPECTED = {row["file"]: (row["ends"], row["reason"].split()) for row in csv.DictReader(_table)}
"""How each file must end: refused at the gateway, quarantined, a type of calibration frame, solved or unsolved light;
with the reason, or the reasons that are equally right."""

SOLVED = [file for file, (ends, _) in EXPECTED.items() if ends == "solved"]


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a file: the gateway's answer, and the frame when there is one."""

    status: int
    code: str | None
    frame: dict[str, Any] | None

    @property
    def ends(self) -> str:
        if self.frame is None:
            return "refused"
        if self.frame["state"] == "quarantined":
            return "quarantined"
        if self.frame["frame_type"] != "light":
            return str(self.frame["frame_type"])
        return "solved" if self.frame["solution"] else "unsolved"

    @property
    def reason(self) -> str | None:
        if self.frame is None:
            return self.code
        failed = (run["reason"] for run in self.frame["timeline"] if run["state"] != "completed")
        return next(failed, None)

    @property
    def known(self) -> dict[str, Any]:
        assert self.frame is not None
        return self.frame


@dataclass(frozen=True, slots=True)
class Night:
    """The installation and what became of every file."""

    flow: Installation
    truths: dict[str, str]
    sent: dict[str, Sent]
    problems: list[str]

    def __getitem__(self, file: str) -> dict[str, Any]:
        return self.sent[file].known

    def truth(self, file: str) -> tuple[float, float, float]:
        """Return the reference's centre and scale; the derived files are copies of one small frame."""
        text = self.truths[file]
        found = CENTRE.search(text) or CENTRE.search(self.truths["lights/panoptes-pocs/tiny.fits"])
        assert found is not None
        assert CENTRE.search(text) or file.startswith("odd/derived/")
        return float(found[1]), float(found[2]), float(found[3])


@pytest.fixture(scope="module")
def truths(real_data: Path) -> dict[str, str]:
    """Read what the manifest says about every frame."""
    with (real_data / "manifest.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if not row["file"].endswith(".290")]
    return {row["file"]: row["known_truth"] for row in rows}


@pytest.fixture(scope="module")
def indexes() -> Path:
    """Return a folder of star indexes: PICTOR_INDEX_DIR, or our own, filled by our own command."""
    given = os.environ.get("PICTOR_INDEX_DIR")
    if given:
        return Path(given)
    if not KEPT_INDEXES.is_dir() or not list(KEPT_INDEXES.glob("*tycho2-07*.fits")):
        done = pictor("index", "install", str(KEPT_INDEXES), *INDEX_SETS)
        assert done.returncode == 0, f"{done.stderr}or name a folder that has them in PICTOR_INDEX_DIR"
    return KEPT_INDEXES


@pytest.fixture(scope="module")
def night(
    real_data: Path, truths: dict[str, str], indexes: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Night]:
    """Send every file to one installation and wait for the end of all work."""
    began = time.monotonic()
    data = tmp_path_factory.mktemp("real") / "data"
    with installation(data, environment={"PICTOR_INDEX_DIR": str(indexes)}) as flow:
        ready = time.monotonic()
        answers = {file: flow.send(real_data / file, name=NAMED.get(file)) for file in truths}
        elsewhere = _observatory_without_astrometry(flow)
        typed = {f"typed {file}": _typed(real_data / file, data.parent) for file in TYPED}
        copies = {file: flow.send(path, observatory=elsewhere) for file, path in typed.items()}
        flow.idle(within_s=ENDS_WITHIN_S)
        ended = time.monotonic()
        sent = {file: _sent(flow, answer.status_code, answer.json()) for file, answer in (answers | copies).items()}
        found = Night(flow, truths, sent, _problems(data))
        _print_table(found)
        print(f"ready after {ready - began:.0f} s; {len(sent)} files came to their end in {ended - ready:.0f} s")
        yield found


def _observatory_without_astrometry(flow: Installation) -> str:
    """Found an observatory whose frames are only measured."""
    made = flow.client.post("/observatories", json={"slug": "cluster", "name": "Cluster"}).raise_for_status().json()
    switches = {"modules": {"astrometry": False}}
    flow.client.put(f"/observatories/{made['id']}/processing-settings", json=switches).raise_for_status()
    return "cluster"


def _typed(path: Path, folder: Path) -> Path:
    """Copy a file with the cards a light needs, its data as they are."""
    copy = folder / path.name
    with fits.open(path, disable_image_compression=True) as hdus:
        hdus[-1].header.update({"IMAGETYP": "LIGHT", "EXPTIME": 60.0})
        hdus.writeto(copy)
    return copy


def _sent(flow: Installation, status: int, answer: dict[str, Any]) -> Sent:
    frame = flow.frame(answer["frame_id"]) if "frame_id" in answer else None
    return Sent(status, answer.get("code"), frame)


def _problems(data: Path) -> list[str]:
    """Return lines of the log that tell of more than frames at fault."""
    lines = (data / "logs" / "pictor.log").read_text().splitlines()
    return [line for line in lines if '"level": "error"' in line or "died" in line or "parked" in line]


def _print_table(night: Night) -> None:
    print(f"\n{'file':<70} {'ends':<12} {'stars':>5} {'FWHM':>5} {'offset':>7} grade {'work':>6} reason")
    for file, sent in night.sent.items():
        frame = sent.frame or {}
        stars, fwhm = frame.get("star_count"), frame.get("fwhm_px")
        offset = f'{_offset(night, file):.2f}"' if file in SOLVED and sent.ends == "solved" else ""
        letter = (frame.get("grade") or {}).get("letter", "")
        numbers = f"{'' if stars is None else stars:>5} {'' if fwhm is None else round(fwhm, 2):>5}"
        work = sum(run["duration_s"] or 0.0 for run in frame.get("timeline", []))
        print(f"{file:<70} {sent.ends:<12} {numbers} {offset:>7} {letter:<5} {work:>5.1f}s {sent.reason or ''}")


def _offset(night: Night, file: str) -> float:
    solution = night[file]["solution"]
    ra, dec, _ = night.truth(file)
    return separation_arcsec(solution["ra_deg"], solution["dec_deg"], ra, dec)


def test_the_table_names_every_file_of_the_manifest(truths: dict[str, str]) -> None:
    assert set(EXPECTED) == set(truths)


def test_every_frame_the_reference_solved_must_be_solved(truths: dict[str, str]) -> None:
    assert {file for file, truth in truths.items() if CENTRE.search(truth)} <= set(SOLVED)
    refused = [file for file, truth in truths.items() if "no solution" in truth or "must not solve" in truth]
    assert len(refused) == 3
    assert all(EXPECTED[file][0] == "unsolved" for file in refused)


@pytest.mark.parametrize("file", EXPECTED)
def test_a_file_ends_as_a_person_would_expect(night: Night, file: str) -> None:
    ends, reasons = EXPECTED[file]
    found = night.sent[file]
    assert found.ends == ends, (found.status, found.reason, found.frame and found.frame["message"])
    assert found.reason in reasons if reasons else found.reason is None


@pytest.mark.parametrize("file", SOLVED)
def test_a_solved_centre_is_that_of_the_reference(night: Night, file: str) -> None:
    _, _, scale = night.truth(file)
    assert _offset(night, file) <= max(scale, 5.0)
    assert night[file]["solution"]["scale_arcsec"] == pytest.approx(scale, rel=0.01)


def test_whatever_is_unsolved_has_a_sentence_and_all_else_is_done(night: Night) -> None:
    for file in EXPECTED:
        if night.sent[file].ends == "unsolved":
            runs = {run["module"]: run for run in night[file]["timeline"]}
            assert runs["astrometry"]["message"], file
            assert {run["state"] for module, run in runs.items() if module != "astrometry"} == {"completed"}, file


def test_focus_orders_size_and_star_count(night: Night) -> None:
    worst, middle, best = (night[f"lights/kstars-asi1600-autofocus/ngc4535-autofocus{n}.fits"] for n in (1, 2, 3))
    print(f"HFR {[round(one['hfr_px'], 2) for one in (worst, middle, best)]} px")
    assert worst["hfr_px"] > 1.5 * middle["hfr_px"] > 1.5 * 1.5 * best["hfr_px"]
    assert worst["fwhm_px"] > middle["fwhm_px"] > best["fwhm_px"]
    assert worst["star_count"] < middle["star_count"] < best["star_count"]
    assert best["hfr_px"] == pytest.approx(2.9 / 2, rel=0.15), "half of the HFD that ASTAP measures"


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ("kstars-asi1600-autofocus/ngc4535-autofocus1.fits", "kstars-asi1600-autofocus/ngc4535-autofocus2.fits"),
        ("kstars-asi1600-autofocus/ngc4535-autofocus1.fits", "kstars-asi1600-autofocus/ngc4535-autofocus3.fits"),
        ("../reference/lco-banzai/banzai_test_frame.fits.fz", "kstars-asi1600-autofocus/ngc4535-autofocus3.fits"),
        ("../reference/lco-banzai/banzai_test_frame.fits.fz", "panoptes-pocs/unsolved.fits"),
    ],
)
def test_defocused_and_trailed_frames_are_graded_worse_than_sharp_ones(night: Night, bad: str, good: str) -> None:
    worse, better = (night[os.path.normpath(f"lights/{file}")]["grade"] for file in (bad, good))
    assert worse["letter"] > better["letter"]
    assert worse["reasons"]


def test_the_trailed_frame_is_rejected_because_it_is_trailed(night: Night) -> None:
    grade = night["reference/lco-banzai/banzai_test_frame.fits.fz"]["grade"]
    assert grade["status"] == "rejected"
    assert any("trailed" in reason for reason in grade["reasons"])


def test_the_satellite_in_the_sharp_frame_is_named(night: Night) -> None:
    grade = night["lights/kstars-asi1600-autofocus/ngc4535-autofocus3.fits"]["grade"]
    assert [reason for reason in grade["reasons"] if "1 satellite or aircraft trail" in reason]


def test_a_flipped_bit_under_a_checksum_is_flagged(night: Night) -> None:
    for file in ("odd/derived/checksum-bitflip.fits", "odd/astropy/checksum_false.fits"):
        assert night[file]["geometry"]["checksum"] == "wrong"
        assert any("DATASUM does not match its bytes" in one for one in night[file]["warnings"])
    for file in ("odd/derived/checksum-good.fits", "odd/astropy/checksum.fits"):
        assert night[file]["geometry"]["checksum"] == "valid"
        assert not any("does not match its bytes" in one for one in night[file]["warnings"])


@pytest.mark.parametrize(
    ("copy", "origin"),
    [
        ("typed odd/astropy/m13_rice.fits", "typed odd/astropy/m13.fits"),
        ("typed odd/astropy/m13_gzip.fits", "typed odd/astropy/m13.fits"),
        ("odd/derived/rice.fits.fz", "lights/panoptes-pocs/tiny.fits"),
        ("odd/derived/good.fits.gz", "lights/panoptes-pocs/tiny.fits"),
        ("odd/derived/primary-empty-image-in-ext.fits", "lights/panoptes-pocs/tiny.fits"),
        ("odd/derived/trailing-garbage.fits", "lights/panoptes-pocs/tiny.fits"),
        ("calibration/huntsman/raw/sky_offset_0.fits", "calibration/huntsman/raw/science_0.fits"),
    ],
)
def test_the_same_pixels_in_another_wrapping_have_the_same_stars(night: Night, copy: str, origin: str) -> None:
    assert night[copy]["star_count"] == night[origin]["star_count"] > 0
    assert night[copy]["hfr_px"] == night[origin]["hfr_px"]
    assert night[copy]["statistics"] == night[origin]["statistics"]


@pytest.mark.parametrize(
    ("file", "median"),
    [
        ("calibration/huntsman/raw/bias_0.fits", 32),
        ("calibration/huntsman/raw/dark_0.fits", 37),
        ("calibration/huntsman/raw/flat_0.fits", 708),
        ("lco/mef/mef_raw_test_frame.fits", 2820),
    ],
)
def test_the_level_is_that_of_the_manifest(night: Night, file: str, median: float) -> None:
    assert night[file]["statistics"]["median"] == median


def test_no_service_died_and_nothing_is_parked(night: Night) -> None:
    assert night.flow.process.poll() is None
    assert night.problems == []
    assert night.flow.get("/dead-letters")["total"] == 0


def test_the_deep_check_finds_nothing_afterwards(night: Night) -> None:
    night.flow.check(deep=True)
