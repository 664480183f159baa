"""The tutorial is run, and what it prints beside a truth agrees with it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial"
PAGES = sorted(TUTORIAL.glob("plot_*.py"))
BESIDE_TRUTH = re.compile(r"(-?\d+\.?\d*)[^\d,;\n]*, truth (-?\d+\.?\d*)")


def shown(page: Path, folder: Path) -> str:
    environment = {**os.environ, "MPLBACKEND": "Agg", "TMPDIR": str(folder)}
    done = subprocess.run(
        [sys.executable, str(page)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=folder,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_every_page_of_the_tutorial_runs_and_agrees_with_its_truths(page: Path, tmp_path: Path) -> None:
    printed = shown(page, tmp_path)
    print(printed)
    assert not re.search(r"\bnan\b", printed), "a number of the page is none"
    pairs = [(float(ours), float(truth)) for ours, truth in BESIDE_TRUTH.findall(printed)]
    assert len(pairs) >= page.read_text().count("truth {"), "a figure beside a truth was not found in the output"
    wrong = [(ours, truth) for ours, truth in pairs if ours != pytest.approx(truth, rel=0.03, abs=0.01)]
    assert wrong == []


def test_the_tutorial_goes_from_a_frame_to_a_picture() -> None:
    assert [page.name.split("_")[1] for page in PAGES] == [str(number) for number in range(1, len(PAGES) + 1)]
