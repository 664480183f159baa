"""What the README and the guides tell a reader to type exists: commands with their options, tests, modules, targets."""

import re
import shlex
from enum import EnumType
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import typer

from pictor.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "library").glob("*.md"))]
COMMANDS = typer.main.get_command(app)
BLOCK = re.compile(r"^```(?:sh|text|console)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
CALL = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?(pictor .*)$", re.MULTILINE)
ENDS = {"|", ">", ">>", "&&", ";", "<", "&"}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def words_of(line: str) -> list[str]:
    """Read a line as a shell would, up to where its output goes."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|><&;")
    lexer.whitespace_split = True
    words = list(lexer)
    return words[: next((place for place, word in enumerate(words) if word in ENDS), len(words))]


def told(page: Path, pattern: re.Pattern[str]) -> list[str]:
    return pattern.findall(page.read_text(encoding="utf-8"))


def lines_of(page: Path) -> list[str]:
    """Command lines of the blocks of a page; a line that ends in a backslash goes on."""
    blocks = (re.sub(r"\\\n\s*", " ", block) for block in told(page, BLOCK))
    return [line for block in blocks for line in CALL.findall(block)]


def command_of(words: list[str]) -> tuple[Any, Any, list[str]]:
    """Follow the words from `pictor` to the command they call; give what is left of them."""
    command: Any = COMMANDS
    context = command.context_class(COMMANDS, info_name="pictor", **command.context_settings)
    words = words[1:]
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no command {' '.join([context.command_path, words[0]])}"
        context = found.context_class(found, parent=context, info_name=words[0], **found.context_settings)
        command, words = found, words[1:]
    return command, context, words


def check_value(kind: Any, value: Any) -> None:
    if isinstance(kind, EnumType) or kind in {int, float}:
        kind(value)
    if get_origin(kind) is Literal:
        assert value in get_args(kind)


def check_call(line: str) -> None:
    """Parse a whole call as the command itself does: options, their choices and numbers, and what it must have."""
    command, context, words = command_of(words_of(line))
    if hasattr(command, "commands"):
        assert not words
        return
    values, _, _ = command.make_parser(context).parse_args(list(words))
    if "help" in words or "--help" in words:
        return
    for parameter in command.params:
        value = values.get(parameter.name)
        given = value not in (None, (), []) and "UNSET" not in repr(value)
        assert given or not parameter.required, f"{line}: {parameter.name} is missing"
        for one in (value if isinstance(value, list | tuple) else [value]) if given else []:
            check_value(parameter.type_descriptor.annotation, one)


def options_of(line: str) -> list[str]:
    return re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", line)


CALLS = [pytest.param(line, id=f"{page.stem}: {line[:60]}") for page in PAGES for line in lines_of(page)]
MENTIONED = sorted(
    {one for page in PAGES for one in told(page, INLINE) if re.match(r"(\.venv/bin/)?pictor [a-z]", one)}
)
TYPED = sorted({one for page in PAGES for one in told(page, INLINE) if re.match(r"(make|python -m|pytest) ?", one)})


def test_there_are_calls_to_look_at() -> None:
    assert (len(CALLS) > 60, len(MENTIONED) > 40, len(TYPED) > 30) == (True, True, True)


@pytest.mark.parametrize("line", CALLS)
def test_a_call_in_a_block_is_one_the_command_understands(line: str) -> None:
    check_call(line)


@pytest.mark.parametrize("mention", MENTIONED)
def test_a_command_named_in_a_sentence_has_the_options_it_is_named_with(mention: str) -> None:
    command, _, left = command_of(words_of(mention))
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
    assert not hasattr(command, "commands") or not [word for word in left if not word.startswith("-")]
    assert [option for option in options_of(" ".join(left)) if option not in known] == []


@pytest.mark.parametrize("line", TYPED)
def test_what_prints_a_figure_exists(line: str) -> None:
    words = shlex.split(line)
    if words[0] == "make":
        assert [word for word in words[1:] if "=" not in word and word not in TARGETS] == []
        return
    modules = [words[place + 1] for place, word in enumerate(words) if word == "-m" and words[0] == "python"]
    assert [name for name in modules if name != "pytest" and find_spec(name) is None] == []
    named = [word.split("::") for word in words if word.startswith(("tests/", "docs/", "bench/"))]
    assert named or words[0] == "python"
    for path, *tests in named:
        assert (ROOT / path).exists(), f"{path} is not there"
        assert all(f"def {name}(" in (ROOT / path).read_text(encoding="utf-8") for name in tests)
