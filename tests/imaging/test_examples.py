"""The examples in the documentation of functions give what stands below them."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import pictor.imaging

LIBRARY = Path(pictor.imaging.__file__).parent
WITH_EXAMPLES = sorted(
    ".".join(("pictor.imaging", *path.relative_to(LIBRARY).with_suffix("").parts))
    for path in LIBRARY.rglob("*.py")
    if "    >>> " in path.read_text(encoding="utf-8")
)


def test_modules_have_examples() -> None:
    assert len(WITH_EXAMPLES) > 20


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_a_module_run(name: str) -> None:
    found = doctest.testmod(import_module(name))
    assert found.attempted > 0
    assert found.failed == 0
