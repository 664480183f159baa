"""Every command in the guides of the library runs as it is written, in the order of the page."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from pictor.cli.main import app
from tests.support.started import started

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "library").glob("*.md"))
COMMANDS = typer.main.get_command(app).commands
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
SAID = re.compile(r"^    (?!pictor |\.venv/)(\S.*)$", re.MULTILINE)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


def commands(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def said_to_be_printed(page: Path) -> list[str]:
    """Lines a page shows as output of its commands: indented, and outside of blocks."""
    return SAID.findall(FENCED.sub("", page.read_text(encoding="utf-8")))


def is_printed(line: str, output: str) -> bool:
    """Tell whether a line is in an output, however it is wrapped, with numbers that agree to 2 %."""
    words, found = line.split(), output.split()
    places = range(len(found) - len(words) + 1)
    return any(all(map(_agree, words, found[place : place + len(words)])) for place in places)


def _agree(word: str, other: str) -> bool:
    numbers = zip(map(float, NUMBER.findall(word)), map(float, NUMBER.findall(other)), strict=False)
    return NUMBER.sub("#", word) == NUMBER.sub("#", other) and all(
        abs(one - two) <= max(0.02 * abs(one), 0.01) for one, two in numbers
    )


ONCE = """#!/bin/sh
# `pictor`, started already; a night that was simulated with these options before is copied.
if [ "${{1:-}}" = simulate ]; then
  folder="$2"
  kept="{kept}/$(shift 2; echo "$@" | tr -c 'a-z0-9\n-' _)"
  if [ ! -e "$kept" ]; then
    "{pictor}" "$@" && cp -R "$folder" "$kept"
    exit
  fi
  exec cp -R "$kept" "$folder"
fi
exec "{started}" "$@"
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a reader's shell has, with a `pictor` that loads libraries and simulates a night once for all pages."""
    own, pictor = tmp_path_factory.mktemp("own"), Path(sys.executable).with_name("pictor")
    kept = tmp_path_factory.mktemp("nights")
    with started(own) as program:
        (own / "pictor").write_text(ONCE.format(kept=kept, pictor=pictor, started=program), encoding="utf-8")
        (own / "pictor").chmod(0o755)
        yield {**os.environ, "PATH": os.pathsep.join([str(own), str(pictor.parent), os.environ["PATH"]])}


@pytest.mark.parametrize("page", [pytest.param(page, id=page.stem) for page in PAGES if commands(page)])
def test_the_commands_of_a_page_run_as_written(page: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    script = "set -euo pipefail\n" + "\n".join(commands(page))
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=540, check=False, env=environment
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert [line for line in said_to_be_printed(page) if not is_printed(line, done.stdout)] == [], done.stdout


def test_what_a_page_says_is_printed_is_compared_with_the_output() -> None:
    assert is_printed("noise 2.799 e- (3 pixels,", "read\n  noise 2.801 e- (3 pixels, 0 left out)")
    assert not is_printed("noise 2.799 e-", "noise 2.9 e-")
    assert not is_printed("noise 2.799 e-", "noise 2.799 ADU")
    assert sum(len(said_to_be_printed(page)) for page in PAGES) > 10


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
