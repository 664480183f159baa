"""Every command in the guides of the library runs as it is written, in the order of the page."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from pictor.cli.main import app

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "library").glob("*.md"))
COMMANDS = typer.main.get_command(app).commands
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


LONG = {"aligning", "colour", "sky", "stars"}
"""Pages whose commands take minutes of processor time together; `make stress` runs them."""


def marked(page: Path) -> Any:
    return pytest.param(page, marks=pytest.mark.stress if page.stem in LONG else (), id=page.stem)


@pytest.mark.parametrize("page", [marked(page) for page in PAGES if commands(page)])
def test_the_commands_of_a_page_run_as_written(page: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    script = "set -euo pipefail\n" + "\n".join(commands(page))
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=540, check=False, env=environment
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_every_command_of_the_library_is_told_of_on_a_page() -> None:
    stages = Path(__file__).parents[2] / "services" / "pictor" / "cli" / "stages"
    registered = [re.findall(r'app\.command\("([a-z-]+)"', page.read_text()) for page in stages.glob("*_app.py")]
    names = {name for found in registered for name in found}
    assert names <= set(COMMANDS)
    told = "".join(page.read_text(encoding="utf-8") for page in PAGES if page.stem != "older-tools")
    assert [name for name in sorted(names) if f"pictor {name} " not in told] == []


def test_the_table_of_older_tools_names_only_commands_that_exist() -> None:
    table = (DOCS / "library" / "older-tools.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`pictor ([a-z-]+)", table))
    assert named <= set(COMMANDS)
