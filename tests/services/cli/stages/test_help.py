"""Every stage of the library explains itself, with an example that its own options understand."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from pictor.cli.main import app

WHERE = ("pictor.cli.stages.", "pictor.cli.processing.")
COMMANDS = typer.main.get_command(app)
STAGES = sorted(
    name for name, one in COMMANDS.commands.items() if getattr(one.callback, "__module__", "").startswith(WHERE)
)


def example_of(name: str) -> list[str]:
    """The commands of the example, one per line; a line that ends in a backslash goes on."""
    text = re.sub(r"\\\n\s*", " ", COMMANDS.commands[name].help or "")
    return re.findall(rf"^pictor {name} .*$", text, re.MULTILINE)


@pytest.mark.parametrize("name", STAGES)
def test_the_example_uses_options_the_command_has(name: str) -> None:
    found = example_of(name)
    assert found, f"pictor {name} --help shows no example"
    command = COMMANDS.commands[name]
    for line in found:
        context = command.context_class(command, info_name=name, **command.context_settings)
        command.make_parser(context).parse_args(shlex.split(line, comments=True)[2:])


@pytest.mark.parametrize("name", STAGES)
def test_the_help_says_what_is_written_and_the_exit_codes(name: str) -> None:
    text = " ".join((COMMANDS.commands[name].help or "").split())
    assert "Exit code 0" in text
    assert "2: wrong call" in text


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_speaks_json(name: str) -> None:
    names = {option for parameter in COMMANDS.commands[name].params for option in parameter.opts}
    assert "--json" in names


@pytest.mark.parametrize("name", STAGES)
def test_every_option_says_what_it_is_for(name: str) -> None:
    silent = [
        one.name for one in COMMANDS.commands[name].params if not getattr(one, "help", None) and one.name != "help"
    ]
    assert silent == []


def test_the_help_of_all_commands_loads_no_pixels() -> None:
    code = (
        "import sys; from pictor.cli.main import app; import typer; typer.main.get_command(app);"
        "print([m for m in ('numpy', 'astropy', 'numba', 'scipy', 'matplotlib', 'yaml') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.strip() == "[]"


def test_the_shell_completes_commands_and_options() -> None:
    def offered(words: str) -> set[str]:
        asked = {
            **os.environ,
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
            "_PICTOR_COMPLETE": "complete_bash",
        }
        found = subprocess.run(
            [Path(sys.executable).with_name("pictor")], capture_output=True, text=True, env=asked, check=True
        )
        return set(found.stdout.split())

    assert offered("pictor re") == {"read-noise", "register", "resample"}
    assert offered("pictor coadd --m") == {"--method"}
    assert offered("pictor composite --palette h") == {"hoo", "hgb"}
