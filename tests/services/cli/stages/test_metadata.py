"""The command `pictor metadata`."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner

from pictor.cli.main import app

NAME = "cal-T20-davestrickland-CygnusLoop_x1_y1-20210708-220604-Ha-BIN1-E-300-001.fits"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with one bare light under an iTelescope name."""
    monkeypatch.chdir(tmp_path)
    header = fits.Header({"IMAGETYP": "LIGHT", "EXPTIME": 300.0, "DATE-OBS": "2021-07-09T04:06:04", "OBSERVER": ""})
    pixels = np.random.default_rng(1).integers(0, 65535, (60, 90)).astype(np.uint16)
    fits.PrimaryHDU(pixels, header).writeto(NAME, checksum=True)
    return tmp_path


def call(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["metadata", *map(str, words)])
    return done.exit_code, done.stdout, done.stderr


def test_an_itelescope_frame_gets_its_cards_and_keeps_its_pixels(here: Path) -> None:
    old = fits.getheader(NAME)
    code, text, _ = call(NAME, "-o", "out")
    assert code == 0
    assert "from file name" in text
    product = here / "out" / NAME.replace(".fits", "_metadata.fits")
    with fits.open(product, checksum=True) as units:
        header = units[0].header
        assert np.array_equal(units[0].data, fits.getdata(NAME))
    assert header["DATASUM"] == old["DATASUM"]
    assert header["OBSERVER"] == "davestrickland"
    assert header["OBJECT"] == "CygnusLoop"
    assert header["LONG-OBS"] == header["SITELONG"] == pytest.approx(-105.5287)
    assert header["FILTER"] == "Ha"
    assert header["AIRMASS"] > 1
    assert header["IN001NAM"] == NAME[-68:]
    assert any("metadata" in line for line in header["HISTORY"])


def test_a_dry_run_tells_the_cards_and_writes_nothing(here: Path) -> None:
    code, text, _ = call(NAME, "--dry-run", "--json", "--set", "FOCALLEN=530 mm", "--observer", "Vera")
    assert code == 0
    (told,) = json.loads(text)
    found = {one["keyword"]: one for one in told["cards"]}
    assert (found["OBSERVER"]["value"], found["OBSERVER"]["source"]) == ("Vera", "--observer")
    assert found["FOCALLEN"]["value"] == 530
    assert found["SITELAT"]["source"] == "site catalogue H06"
    assert [path.name for path in here.iterdir()] == [NAME]


def test_a_yaml_file_and_options_go_together(here: Path) -> None:
    (here / "known.yaml").write_text(
        "observer: Vera\nsite: {latitude_deg: 40.1, longitude_deg: -3.5, elevation_m: 650, name: Home}\n"
        "targets: {My Field: {ra: 20 51 00, dec: +30 40 00}}\ntarget: My Field\nFOCALLEN: 530\ncards: {NOTE: fine}\n"
    )
    code, _, error = call(NAME, "--yaml", "known.yaml", "--observer", "Nancy", "-o", "out")
    assert code == 0, error
    header = fits.getheader(next((here / "out").iterdir()))
    assert header["OBSERVER"] == "Nancy"
    assert (header["OBSERVAT"], header["SITELAT"], header["SITEELEV"]) == ("Home", 40.1, 650.0)
    assert header["OBJECT"] == "My Field"
    assert (header["FOCALLEN"], header["NOTE"]) == (530, "fine")


def test_packed_frames_are_read(here: Path) -> None:
    with gzip.open("light.fits.gz", "wb") as file:
        file.write(Path(NAME).read_bytes())
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(fits.getdata(NAME), fits.getheader(NAME))]).writeto(
        "other.fits.fz"
    )
    code, _, error = call("light.fits.gz", "other.fits.fz", "--target", "M 31", "--site", "H06")
    assert code == 0, error
    assert np.array_equal(fits.getdata("light_metadata.fits"), fits.getdata(NAME))
    with fits.open("other_metadata.fits", checksum=True) as units:
        assert isinstance(units[1], fits.CompImageHDU)
        assert units[1].header["OBJECT"] == "M 31"


def test_one_bad_file_leaves_the_others_alone(here: Path) -> None:
    Path("bad.fits").write_bytes(b"no frame")
    code, text, error = call("bad.fits", NAME, "--json", "-o", "out")
    assert code == 1
    bad, good = json.loads(text)
    assert bad["reason"] == "not-fits"
    assert "bad.fits" in error
    assert Path(good["output"]).exists()


def test_names_of_another_form_are_refused_when_asked(here: Path) -> None:
    Path(NAME).rename("light.fits")
    assert call("light.fits", "--dry-run", "--observer", "Vera")[0] == 0
    code, _, error = call("light.fits", "--itelescope", "--dry-run")
    assert code == 1
    assert "no iTelescope name" in error


def test_nothing_is_taken_from_the_name_when_not_wished(here: Path) -> None:
    code, text, _ = call(NAME, "--no-name", "--dry-run", "--json", "--observer", "Vera")
    assert code == 0
    assert "OBJECT" not in {one["keyword"] for one in json.loads(text)[0]["cards"]}


def test_nothing_is_overwritten_unless_told(here: Path) -> None:
    target = here / NAME.replace(".fits", "_metadata.fits")
    target.write_text("mine")
    code, _, error = call(NAME)
    assert code == 2
    assert "--overwrite" in error
    assert target.read_text() == "mine"
    assert call(NAME, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--set", "NAXIS=3"], "cannot be set"), (["--set", "EXPTIME"], "not KEY=VALUE"),
        (["--set", "NOTE=a\nb"], "U+000A"), (["--site", "Atlantis"], "is not known"),
        (["--site", "91,3"], "on the ground"),
        (["--target", "Xyzzy"], "not in the catalogue"), (["--ra", "3"], "belong together"),
        (["--observer", "J\u00fcrgen"], "plain ASCII"), (["--observer", "x" * 80], "68 letters"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_told_before_any_work(here: Path, wrong: list[str], words: str) -> None:
    code, _, error = call(NAME, *wrong)
    assert code == 2
    assert words in error
    assert [path.name for path in here.iterdir()] == [NAME]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("observer: [", "is no YAML"), ("- a\n- b\n", "no mapping"), ("obsrver: me\n", "sets 'obsrver'"),
        ("cards: 3\n", "no mapping"), ("targets: {X: nowhere}\n", "has no position"),
        ("!!python/object/apply:os.system ['true']\n", "is no YAML"), ("NAXIS: 3\n", "cannot be set"),
    ],
)  # fmt: skip
def test_a_wrong_yaml_file_is_told(here: Path, text: str, words: str) -> None:
    Path("known.yaml").write_text(text)
    code, _, error = call(NAME, "--yaml", "known.yaml")
    assert code == 2
    assert words in error


def test_what_is_missing_for_the_airmass_is_told_with_the_options_that_tell_it(tmp_path: Path) -> None:
    path = tmp_path / "bare.fits"
    fits.writeto(path, np.zeros((20, 30), np.uint16))
    done = CliRunner().invoke(app, ["metadata", str(path), "--observer", "Vera", "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "no site and no position and no time is known" in done.output
    assert "--site, --target or --ra and --dec" in done.output
