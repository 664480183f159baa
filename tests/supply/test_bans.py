"""What the code never does: run text, unpickle, parse FITS in C, read a WCS from outside."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("contracts", "shared", "services", "deploy", "tools", "bench", "load", "fuzz", "faults", "tests")
RUNNING = ("contracts", "shared", "services")
"""What is installed; the others stay in the checkout."""

MODULES = frozenset({"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "fitsio", "pyfits", "telnetlib"})
"""Modules that turn bytes into code, and C parsers of FITS."""

ONLY_OUTSIDE = frozenset({"astropy.wcs"})
"""wcslib writes beyond its buffers for some headers: tests compare with it, nothing that serves others touches it."""

CHECKED = frozenset({"shared/pictor/imaging/astrometry/celestial.py"})
"""Gives wcslib a header of its own making, of checked cards only, for the command line; no service imports it."""

CALLS = frozenset({
    "eval", "exec", "compile", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "yaml.full_load",
    "tempfile.mktemp", "subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell",
})  # fmt: skip
KEYWORDS = frozenset({"shell", "allow_pickle"})
"""Arguments that must not be True."""


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def dotted(node: ast.AST) -> str:
    """Name of what is called, such as ``os.system``."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def offences(source: str, *, running: bool) -> list[str]:
    """Say what a source does that it must not."""
    tree = ast.parse(source)
    banned = MODULES | (ONLY_OUTSIDE if running else frozenset())
    found = [f"imports {name}" for name in imported(tree) if name in banned or name.split(".")[0] in banned]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if dotted(node.func) in CALLS:
            found.append(f"calls {dotted(node.func)} in line {node.lineno}")
        found += [
            f"passes {one.arg} in line {node.lineno}" for one in node.keywords if one.arg in KEYWORDS and meant(one)
        ]
    return found


def meant(keyword: ast.keyword) -> bool:
    """Whether an argument is anything but a plain False."""
    return not isinstance(keyword.value, ast.Constant) or bool(keyword.value.value)


def test_no_source_does_what_is_banned() -> None:
    found = {}
    for path in sources(*FOLDERS):
        place = path.relative_to(ROOT)
        running = place.parts[0] in RUNNING and str(place) not in CHECKED
        wrong = offences(path.read_text(encoding="utf-8"), running=running)
        if wrong:
            found[str(path.relative_to(ROOT))] = wrong
    assert found == {}
    assert len(list(sources(*RUNNING))) > 200


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from marshal import loads",
        "import fitsio",
        "from astropy.wcs import WCS",
        "from astropy import wcs",
        "eval('1')",
        "import os\nos.system('ls')",
        "import yaml\nyaml.load(x)",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import subprocess\nsubprocess.run('ls', shell=yes)",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
    ],
)
def test_a_planted_offence_is_found(source: str) -> None:
    assert offences(source, running=True)


@pytest.mark.parametrize(
    "source",
    [
        "import re\nre.compile('x')",
        "import yaml\nyaml.safe_load(x)",
        "import subprocess\nsubprocess.run(['ls'], shell=False)",
    ],
)
def test_what_is_allowed_is_not_complained_about(source: str) -> None:
    assert offences(source, running=True) == []


def test_pillow_opens_only_the_formats_it_is_told() -> None:
    """Left to itself it reads FITS and gzip as well, and guesses from the bytes."""
    for path in sources(*RUNNING):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and dotted(node.func).endswith("Image.open"):
                assert "formats" in {keyword.arg for keyword in node.keywords}, (path, node.lineno)
