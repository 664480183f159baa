"""A compiled kernel is made anew when anything changes that it was made from, in whichever file it lies."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CALLER = """
from pictor.imaging.compiling import njit
from pictor.imaging.callee import OFFSET, twice


@njit(cache=True)
def kernel(value):
    return twice(value) + OFFSET
"""
CALLEE = """
from pictor.imaging.compiling import njit

OFFSET = {offset}


@njit(cache=True)
def twice(value):
    return {times} * value
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Make a small library of the same name, with one kernel that calls another from another file."""
    package = tmp_path / "pictor" / "imaging"
    package.mkdir(parents=True)
    (package / "compiling.py").write_bytes((ROOT / "shared/pictor/imaging/compiling.py").read_bytes())
    (package / "__init__.py").touch()
    (package / "caller.py").write_text(CALLER)
    return package


def ask(package: Path, *, times: int, offset: int) -> tuple[float, int]:
    """Run the kernel on 10 in a new process; return its value and how often it was found in the cache."""
    (package / "callee.py").write_text(CALLEE.format(times=times, offset=offset))
    code = (
        "from pictor.imaging.caller import kernel; value = kernel(10.0); "
        "print(value, sum(kernel.stats.cache_hits.values()))"
    )
    command = [sys.executable, "-P", "-c", f"import sys; sys.path[:0] = [{str(package.parents[1])!r}]; {code}"]
    value, hits = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(value), int(hits)


def test_a_kernel_follows_what_it_calls_from_another_file(library: Path) -> None:
    assert ask(library, times=2, offset=0) == (20.0, 0)
    assert ask(library, times=2, offset=0) == (20.0, 1)
    assert ask(library, times=3, offset=0) == (30.0, 0)
    assert ask(library, times=3, offset=5) == (35.0, 0)
