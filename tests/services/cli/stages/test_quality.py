"""`pictor quality` as a person calls it."""

import csv
import io
import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pictor.cli.main import app
from tests.services.cli.stages.starframes import write_light

RUN = CliRunner()


def lights(folder: Path, count: int = 9) -> list[str]:
    return [str(write_light(folder / f"light_{k:02d}.fits", seed=7, minute=k)) for k in range(count)]


def test_a_blurred_frame_stands_out_from_the_set_and_the_table_says_why(tmp_path: Path) -> None:
    files = [*lights(tmp_path), str(write_light(tmp_path / "blurred.fits", fwhm=5.0, minute=30))]
    done = RUN.invoke(app, ["quality", *files])
    assert done.exit_code == 0, done.output
    rows = done.stdout.splitlines()
    at = next(k for k, row in enumerate(rows) if row.startswith("blurred.fits"))
    assert rows[at].split()[1] == "C"
    assert "where" in rows[at + 1]
    assert "is usual" in rows[at + 1]
    assert rows[1].split()[1] == "A"


@pytest.mark.parametrize("ending", [".json", ".yaml", ".csv"])
def test_all_metrics_are_written_in_the_form_of_the_ending(tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"quality{ending}"
    assert RUN.invoke(app, ["quality", *lights(tmp_path, 2), "-o", str(out)]).exit_code == 0
    text = out.read_text()
    if ending == ".csv":
        row = next(csv.DictReader(io.StringIO(text)))
        assert (row["file"], row["grade"], row["target"], row["filter"]) == ("light_00.fits", "A", "M 51", "L")
        assert float(row["fwhm_px"]) == pytest.approx(3.1, abs=0.15)
        assert len(row["sha256"]) == 64
        return
    told = json.loads(text) if ending == ".json" else yaml.safe_load(text)
    assert told["kind"] == "pictor-quality"
    assert told["software"].startswith("pictor")
    first = told["frames"][0]
    assert first["metrics"]["background_e"] == pytest.approx(0.5 * first["metrics"]["background_adu"])
    assert len(first["metrics"]["field"]["zones"]) == 5
    assert first["grade"]["rules"] == "pictor 1"


def test_the_rules_of_target_scheduler_can_be_asked_for(tmp_path: Path) -> None:
    files = [*lights(tmp_path, 5), str(write_light(tmp_path / "later.fits", fwhm=5.0, minute=30))]
    done = RUN.invoke(app, ["quality", *files, "--rules", "target-scheduler 1", "--json"])
    grades = [one["grade"] for one in json.loads(done.stdout)["frames"]]
    assert [one["rejected"] for one in grades] == [False] * 5 + [True]
    assert grades[0]["rules"] == "target-scheduler 1"


def test_a_bad_frame_is_refused_and_told_among_the_others(tmp_path: Path) -> None:
    bad = tmp_path / "bad.fits"
    bad.write_bytes(b"SIMPLE  = no frame")
    done = RUN.invoke(app, ["quality", str(bad), *lights(tmp_path, 1), "--json"])
    assert done.exit_code == 1
    told = json.loads(done.stdout)["frames"]
    assert [("refused" in one) for one in told] == [False, True]


def test_an_unknown_ending_and_a_taken_name_are_wrong_calls(tmp_path: Path) -> None:
    files = lights(tmp_path, 1)
    assert "ending" in RUN.invoke(app, ["quality", *files, "-o", str(tmp_path / "quality.txt")]).stderr
    (tmp_path / "quality.csv").write_text("mine")
    assert RUN.invoke(app, ["quality", *files, "-o", str(tmp_path / "quality.csv")]).exit_code == 2
    assert (tmp_path / "quality.csv").read_text() == "mine"
