"""`pictor summary` as a person calls it."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.io import fits
from typer.testing import CliRunner

from pictor.cli.client import CommandError
from pictor.cli.main import app
from pictor.cli.stages.summary_rules import METRICS, NAMED, load_rules, rules_text
from pictor.imaging.quality.rejection import Against
from tests.services.cli.stages.starframes import write_light

RUN = CliRunner()


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Six lights alike, one blurred, one through another filter, a dark, a star list, and a text."""
    folder = tmp_path / "night"
    folder.mkdir()
    for k in range(6):
        write_light(folder / f"light_{k:02d}.fits", minute=k)
    write_light(folder / "light_06.fits", minute=6, fwhm=5.0)
    write_light(folder / "light_07.fits", minute=7, FILTER="Ha")
    fits.writeto(
        folder / "dark.fits", np.zeros((64, 64), np.uint16), fits.Header({"IMAGETYP": "DARK", "EXPTIME": 60.0})
    )
    assert RUN.invoke(app, ["stars", str(folder / "light_00.fits"), "-o", str(folder)]).exit_code == 0
    (folder / "notes.json").write_text('{"note": 1}')
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_a_folder_is_summed_up_per_frame_and_per_set_with_lists_and_reasons(night: Path, tmp_path: Path) -> None:
    done = RUN.invoke(app, ["summary", str(night), "-o", str(tmp_path / "s.csv")])
    assert done.exit_code == 0, done.output
    frames = rows_of(tmp_path / "s.csv")
    assert [row["status"] for row in frames] == ["accepted"] * 6 + ["rejected", "accepted"]
    assert "fwhm_px" in frames[6]["reasons"]
    assert "sigma above" in frames[6]["reasons"]
    assert len(frames[0]["sha256"]) == 64
    sets = rows_of(tmp_path / "s_sets.csv")
    assert [(row["set"], row["frames"], row["accepted"]) for row in sets] == [
        ("M 51:Scope:L", "7", "6"),
        ("M 51:Scope:Ha", "1", "1"),
    ]
    assert float(sets[0]["accepted_exposure_s"]) == 360.0
    assert len((tmp_path / "s_accepted.txt").read_text().splitlines()) == 7
    path, reasons = (tmp_path / "s_rejected.txt").read_text().strip().split("\t")
    assert path.endswith("light_06.fits")
    assert reasons == frames[6]["reasons"]


@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_a_document_of_quality_gives_the_same_without_pixels(night: Path, tmp_path: Path, ending: str) -> None:
    files = sorted(str(path) for path in night.glob("light_??.fits"))
    document = tmp_path / f"quality.{ending}"
    assert RUN.invoke(app, ["quality", *files, "-o", str(document)]).exit_code == 0
    assert RUN.invoke(app, ["summary", str(night), "-o", str(tmp_path / "direct.csv")]).exit_code == 0
    for path in night.glob("*.fits"):
        path.unlink()
    assert RUN.invoke(app, ["summary", str(document), "-o", str(tmp_path / "read.csv")]).exit_code == 0
    assert (tmp_path / "read.csv").read_text() == (tmp_path / "direct.csv").read_text()


def test_a_file_of_rules_decides(night: Path, tmp_path: Path) -> None:
    rules = tmp_path / "mine.yaml"
    rules.write_text("name: mine 3\nrules:\n  - {metric: fwhm_px, below: 4.0}\n")
    done = RUN.invoke(app, ["summary", str(night), "-o", str(tmp_path / "s.csv"), "--rules", str(rules), "--json"])
    told = json.loads(done.stdout)
    assert told["rules"] == "mine 3"
    assert [row["status"] for row in told["frames"]] == ["rejected"] * 6 + ["accepted", "rejected"]
    assert told["frames"][0]["reasons"][0].endswith("is below 4")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: a\nrules: [{metric: fwhm, above: 3}]", "metric 'fwhm' is none of star_count"),
        ("name: a\nrules: [{metric: fwhm_px, above: 3.0, below: 4.0}]", "give exactly one of above"),
        ("name: a\nrules: [{metric: fwhm_px}]", "not none"),
        ("name: a\nrules: [{metric: fwhm_px, above: 3.0, level: 1}]", "rules.1.level: Extra inputs"),
        ("name: a\nrules: [{metric: fwhm_px, above: three}]", "rules.1.above"),
        ("name: a\nrules: [{metric: fwhm_px, above: 3.0, least_share: 0.1}]", "least_share goes with"),
        ("name: a\nrules: [{metric: fwhm_px, above_sigmas: -1.0}]", "greater than 0"),
        ("name: a\nrules: []", "rules"),
        ("rules: [{metric: fwhm_px, above: 3.0}]", "name: Field required"),
        ("name: a\nagainst: all\nrules: [{metric: fwhm_px, above: 3.0}]", "against is set or previous"),
        ("name: a\nminimum: 5\nsamples: 3\nrules: [{metric: fwhm_px, above: 3.0}]", "samples 3 is below"),
        ("name: [", "no YAML"),
        ("- 1", "dictionary"),
    ],
)
def test_a_fault_in_the_rules_is_named_and_nothing_is_done(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "rules.yaml").write_text(text)
    light = write_light(tmp_path / "light.fits")
    done = RUN.invoke(
        app, ["summary", str(light), "-o", str(tmp_path / "s.csv"), "--rules", str(tmp_path / "rules.yaml")]
    )
    assert done.exit_code == 2
    assert says in done.stderr
    assert not (tmp_path / "s.csv").exists()


def test_named_rules_are_printed_as_the_file_they_are_and_can_be_given_back(tmp_path: Path) -> None:
    for name in NAMED:
        done = RUN.invoke(app, ["summary", "--show-rules", "--rules", name])
        assert done.stdout == rules_text(name)
        (tmp_path / f"{name}.yaml").write_text(done.stdout)
        assert load_rules(str(tmp_path / f"{name}.yaml")) == load_rules(name)
        assert {rule.metric for rule in load_rules(name).rules} <= set(METRICS)
    scheduler = load_rules("target-scheduler")
    assert (scheduler.against, scheduler.samples, {rule.limit for rule in scheduler.rules}) == (
        Against.PREVIOUS, 10, {4.0},
    )  # fmt: skip
    with pytest.raises(CommandError, match="neither pictor nor target-scheduler"):
        load_rules("nowhere.yaml")


def test_the_metrics_of_rules_are_those_that_are_measured(night: Path, tmp_path: Path) -> None:
    assert RUN.invoke(app, ["quality", str(night / "light_00.fits"), "-o", str(tmp_path / "q.yaml")]).exit_code == 0
    measured = yaml.safe_load((tmp_path / "q.yaml").read_text())["frames"][0]["metrics"]
    assert set(METRICS) <= set(measured)


def test_lights_that_are_there_twice_count_once(night: Path, tmp_path: Path) -> None:
    (night / "light_again.fits").write_bytes((night / "light_00.fits").read_bytes())
    done = RUN.invoke(app, ["summary", str(night), "-o", str(tmp_path / "s.csv"), "--json"])
    told = json.loads(done.stdout)
    assert len(told["frames"]) == 8
    assert "the same bytes as light_00.fits" in {one["why"] for one in told["left_out"]}


def test_maps_of_the_sky_and_stacks_in_a_folder_are_no_exposures_unless_they_are_named(
    night: Path, tmp_path: Path
) -> None:
    assert RUN.invoke(app, ["background", str(night / "light_00.fits"), "-o", str(night)]).exit_code == 0
    write_light(night / "stack.fits", seed=9, STACKCNT=7)
    done = RUN.invoke(app, ["summary", str(night), "-o", str(tmp_path / "s.csv"), "--json"])
    told = json.loads(done.stdout)
    assert len(told["frames"]) == 8
    why = {Path(one["input"]).name: one["why"] for one in told["left_out"]}
    assert why["light_00_background.fits"] == "made by background: not the exposure itself"
    assert why["stack.fits"] == "a stack of 7 exposures"
    named = RUN.invoke(app, ["summary", str(night / "stack.fits"), "-o", str(tmp_path / "n.csv"), "--json"])
    assert [row["file"] for row in json.loads(named.stdout)["frames"]] == ["stack.fits"]


def test_a_truncated_frame_is_refused_by_name_and_the_rest_is_summed_up(night: Path, tmp_path: Path) -> None:
    (night / "light_08.fits").write_bytes((night / "light_00.fits").read_bytes()[:9000])
    done = RUN.invoke(app, ["summary", str(night), "-o", str(tmp_path / "s.csv")])
    assert done.exit_code == 1
    assert "light_08.fits" in done.stderr
    assert len(rows_of(tmp_path / "s.csv")) == 8


def test_a_document_that_is_damaged_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"kind": "pictor-quality", "frames": [{"file": "x"}]}')
    (tmp_path / "b.json").write_text("{")
    done = RUN.invoke(app, ["summary", str(tmp_path), "-o", str(tmp_path / "s.csv")])
    assert done.exit_code == 1
    assert "lacks sha256" in done.stderr
    assert "b.json: no document" in done.stderr


def test_no_frames_and_taken_names_are_wrong_calls(tmp_path: Path) -> None:
    assert RUN.invoke(app, ["summary", "-o", str(tmp_path / "s.csv")]).exit_code == 2
    (tmp_path / "s_sets.csv").write_text("mine")
    light = write_light(tmp_path / "light.fits")
    assert RUN.invoke(app, ["summary", str(light), "-o", str(tmp_path / "s.csv")]).exit_code == 2
    assert not (tmp_path / "s.csv").exists()
