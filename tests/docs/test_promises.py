"""The pages of promises and of checks name only tests that exist, and commands that make knows."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
CHECKS = (ROOT / "docs" / "library" / "checks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [PAGE, CHECKS], ids=["promises", "checks"])
def test_every_test_a_page_names_exists(page: str) -> None:
    there = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 20
    assert named <= there, named - there


def test_every_promise_names_a_test() -> None:
    promises = re.findall(r"^\| (\d+) \|.*$", PAGE, re.MULTILINE)
    assert promises == [str(number) for number in range(1, 12)]
    for line in re.findall(r"^\| \d+ \|.*$", PAGE, re.MULTILINE):
        assert "`test_" in line, line


def test_every_make_target_of_the_page_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", PAGE, re.MULTILINE)) <= targets


def test_every_stage_held_against_something_names_a_test() -> None:
    rows = re.findall(r"^\| [a-z].*$", CHECKS.partition("| stage |")[2], re.MULTILINE)
    assert len(rows) > 15
    for row in rows:
        assert "`test_" in row, row
