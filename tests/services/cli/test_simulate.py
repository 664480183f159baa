"""``pictor simulate`` writes the calibration scenarios and says what must become of them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pictor.cli.main import app
from pictor.imaging.simulator.names import TITLES, ScenarioName


def test_help_lists_every_scenario_with_what_it_is_about() -> None:
    told = " ".join(CliRunner().invoke(app, ["simulate", "--help"], terminal_width=400).output.split())
    for name in ScenarioName:
        assert f"{name} ({TITLES[name]})" in told


def test_a_scenario_is_written_with_its_truth(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    done = CliRunner().invoke(app, ["simulate", str(tmp_path / "frames"), "--scenario", "late-dark"])
    assert done.exit_code == 0
    said = done.output + capfd.readouterr().out
    assert "flat: 5 frames, deferred then active" in said
    assert 'calibration settings: {"min_frames": 5}' in said
    truth = json.loads((tmp_path / "frames" / "scenario.json").read_text())
    assert {path.name for path in (tmp_path / "frames").glob("*.fits")} == {one["file"] for one in truth["frames"]}


def test_a_scenario_as_json_is_its_truth(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    done = CliRunner().invoke(app, ["simulate", str(tmp_path), "--scenario", "second-rig", "--json", "--seed", "7"])
    found = json.loads(done.output or capfd.readouterr().out)
    assert found["seed"] == 7
    assert found["scenario"] == "second-rig"
    assert {one["rig"] for one in found["frames"]} == {"first", "second"}


def test_an_unknown_scenario_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["simulate", str(tmp_path / "none"), "--scenario", "perfect"])
    assert done.exit_code == 2
    assert not (tmp_path / "none").exists()
