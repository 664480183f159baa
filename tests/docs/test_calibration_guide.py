"""The calibration guide says what the code does: settings, sentences, limits, fields and examples."""

import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import typer.main
import yaml

from pictor.calibration_stacker import gate
from pictor.calibration_stacker.refusing import two_levels, unlike_the_others
from pictor.cli.main import app
from pictor.gateway.calibration.settings import DESCRIPTIONS
from pictor.imaging.calibration.agreement import Agreement
from pictor.imaging.calibration.badlist import SECTIONS, parse_bad_pixels
from pictor.imaging.calibration.building import Built, Preparation
from pictor.imaging.calibration.masters import Kind
from pictor.imaging.calibration.unlike import stacks, unlike
from pictor.imaging.combine.combining import Combined, Statistics
from pictor.imaging.combine.method import Method
from pictor.imaging.combine.noise import NoiseModel
from pictor.imaging.matching.frames import CameraMode, Frame, FrameType
from pictor.imaging.matching.plan import PlanItem
from pictor.imaging.matching.policy import CHOICES, RANGES, TEXTS, Policy
from pictor.runtime.stacking import triggers
from pictor.runtime.stacking.admission import FrameFacts, refusals
from pictor.runtime.stacking.decide import Group, decide
from pictor.runtime.stacking.outliers import Sample, outliers
from tests.defects import planted

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "calibration.md").read_text(encoding="utf-8")
FLAT = Frame("f", FrameType.FLAT, CameraMode("rig", 8, 8), datetime(2026, 3, 10, tzinfo=UTC))
GROUP = Group(FrameType.DARK, usable_frames=10, new_frames=10)


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(title: str) -> list[list[str]]:
    """Return the cells of the table of a section, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:] if "---" not in line]


def quoted(title: str) -> list[str]:
    return [row[0].strip("`") for row in rows(title)]


def pattern(sentence: str) -> re.Pattern[str]:
    return re.compile(".+".join(re.escape(part) for part in sentence.split("…")))


def test_the_settings_table_is_that_of_the_code() -> None:
    table = {row[0].strip("`"): row[1:] for row in rows("Settings")}
    assert list(table) == list(asdict(Policy()))
    for name, (default, allowed, described) in table.items():
        value = getattr(Policy(), name)
        assert default == (value or "nothing" if name in CHOICES or name in TEXTS else f"{value:g}"), name
        told = ", ".join(map(str, CHOICES[name])) if name in CHOICES else f"up to {TEXTS[name]} letters" \
            if name in TEXTS else "{:g} to {:g}".format(*RANGES[name])  # fmt: skip
        assert allowed == told, name
        assert described == DESCRIPTIONS[name], name


def refused() -> Iterator[str]:
    """Make every sentence that keeps a frame out of stacks."""
    bad = FrameFacts(
        saturated_share=0.5, one_value_share=0.5, noise_steps=10.0, median_adu=60_000, median_snr=12.0,
        linear_limit_adu=55_000, read_noise_share=0.2, saturation_adu=65_535.0,
    )  # fmt: skip
    warm = replace(FLAT, is_master=True, set_temp_c=-10.0, ccd_temp_c=-5.0)
    yield from (one.sentence for one in refusals(warm, bad))
    yield from (one.sentence for one in refusals(FLAT, FrameFacts(combined=12)))
    dark_as_bias = replace(FLAT, frame_type=FrameType.BIAS, exposure_s=60.0)
    yield from (one.sentence for one in refusals(dark_as_bias, FrameFacts(median_adu=60_000, saturation_adu=65_535.0)))
    honest = [Sample(str(i), 500.0 + 0.1 * i, 12.0, 0.03, 60.0) for i in range(9)]
    strange = (
        Sample("x", 900.0, 12.0, 0.03, 60.0), Sample("x", 900.0, 12.0, 0.03), Sample("x", 500.0, 40.0, 0.03),
        Sample("x", 500.0, 2.0, 0.03), Sample("x", 500.0, 12.0, 0.6),
    )  # fmt: skip
    for one in strange:
        yield outliers(FrameType.DARK, [*honest, one])["x"]


def left_out() -> Iterator[str]:
    """Make every sentence a stack tells of a frame it leaves out."""
    agreement = Agreement(
        blocks=np.zeros((9, 4, 4)), variances=np.ones((9, 4, 4)), snr=np.full((4, 4), 200.0), rows=np.zeros((9, 128)),
        columns=np.zeros((9, 128)), odd_shares=np.zeros(9), unstable=np.zeros((128, 128), np.uint8),
    )  # fmt: skip
    agreement.blocks[0, 2, 1], agreement.odd_shares[1], agreement.rows[2, ::12] = 3.0, 0.2, 9.0
    agreement.variances[3], agreement.variances[4] = 4.0, 0.1
    yield from unlike(agreement, flat=False).values()
    yield unlike(agreement, flat=True)[0]
    yield from stacks(agreement).values()
    lost = Statistics(9, 9000, 900, (900, 0, 0, 0, 0, 0, 0, 0, 0), can_reject=True, note="")
    yield from unlike_the_others(lost, [str(i) for i in range(9)], 1000).values()
    apart = Preparation(NoiseModel(16.0), np.array([500.0, 540.0]), None, None, None, "measured")
    combined = Combined(agreement.rows, agreement.unstable, agreement.unstable, lost, Method.MEAN, apart.noise)
    yield two_levels(Built(combined, apart, agreement), ["a", "b"], Kind.DARK)["a"]


def test_every_reason_a_frame_is_not_stacked_is_explained_and_no_other() -> None:
    told = [*refused(), *left_out()]
    known = [pattern(one) for one in quoted("Why a frame is never stacked")]
    assert len(told) == len(known) == 23
    for sentence in told:
        assert sum(bool(one.fullmatch(sentence)) for one in known) == 1, sentence
    for one in known:
        assert any(one.fullmatch(sentence) for sentence in told), one.pattern


def test_the_defects_of_the_guide_are_those_that_are_planted_and_what_is_not_caught_is_told() -> None:
    told = {row[0]: row[1] for row in rows("What is caught, and what is not")}
    sets = planted.rows()
    assert list(told) == list(dict.fromkeys(one.defect for one in sets))
    for one in sets:
        size = f"{one.size}, {len(one.bad)} of {one.frames}: "
        assert size in told[one.defect], one.title
        assert (f"{size}**not caught**" in told[one.defect]) is planted.hopeless(one), one.title


def test_every_reason_a_group_has_no_master_is_explained() -> None:
    waiting = (
        replace(GROUP, usable_frames=7), replace(GROUP, usable_frames=1), replace(GROUP, frame_type=FrameType.FLAT),
        replace(GROUP, has_active_master=True, new_frames=3),
    )  # fmt: skip
    told = [decide(one, min_frames=10).reason for one in waiting]
    known = quoted("Why a group has no master")
    for sentence in told:
        assert any(pattern(one).fullmatch(sentence) for one in known), sentence
    code = Path(triggers.__file__).read_text(encoding="utf-8")
    for sentence in known[len(told) :]:
        assert f'"{sentence}"' in code, sentence


def test_the_gates_tests_and_limits_are_those_of_the_code() -> None:
    checks = gate.judge(gate.Measured(10, 0.0, 0.0, 0.01, 1.0, 1.0, 0.0, 1.0, 0.0)).checks
    assert quoted("What the gate looks at") == [check.name for check in checks]
    limits = section("What the gate looks at")
    hopeless = "{:g} to {:g}".format(*gate.STD_RATIO_HOPELESS)
    for number in (
        "{:g} to {:g}".format(*gate.STD_RATIO), hopeless, f"{gate.BLOCK_LIMIT:g} sigma",
        f"{100 * gate.BLOCK_SHARE:g} % of blocks", f"{gate.REJECTED_FACTOR:g} times", f"{100 * gate.NEVER_GOOD:g} %",
    ):  # fmt: skip
        assert number in limits, number


def test_the_fields_of_the_capture_plan_are_those_of_the_code() -> None:
    named = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows("For capture programs: the capture plan")))
    assert named == list(PlanItem.__dataclass_fields__)


def test_the_list_of_bad_pixels_can_be_read() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert set(yaml.safe_load(text)) == set(SECTIONS)
    assert len(parse_bad_pixels(text).boxes) == 5


def test_every_command_the_guide_names_exists_with_its_options() -> None:
    calib = typer.main.get_command(app).commands["calib"]  # type: ignore[attr-defined]
    used = set()
    for line in re.findall(r"^pictor calib (.+)$", PAGE, re.MULTILINE):
        words = line.split()
        command = calib.commands[words[0]]
        if hasattr(command, "commands"):
            command = command.commands[words[1]]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-") and len(word) > 1} <= options, line
        used.add(words[0])
    assert set(calib.commands) == used


def test_every_command_has_an_example_in_its_help() -> None:
    calib = typer.main.get_command(app).commands["calib"]  # type: ignore[attr-defined]
    for name, command in calib.commands.items():
        for one in getattr(command, "commands", {name: command}).values():
            assert "pictor calib" in f"{one.epilog} {one.help}", name
