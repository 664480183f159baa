"""The reference of the library is built from its docstrings, and they hold what a caller needs."""

import inspect
import pkgutil
import subprocess
import sys
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from numpydoc.validate import validate

import pictor.imaging
from pictor.imaging.public import PUBLIC, areas, place_of

DOCS = Path(__file__).parents[2] / "docs"

# Types stand in the signature; the rest is prose: extended summaries, see-also lists and examples where they help.
NOT_ASKED = {"PR04", "PR06", "PR08", "ES01", "SA01", "EX01", "YD01", "SA04", "GL08", "RT03", "RT05", "PR09", "SS05"}


def found(name: str) -> Any:
    module, attribute = place_of(name)
    return getattr(import_module(module), attribute)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented_by_the_numpydoc_rules(name: str) -> None:
    module, attribute = place_of(name)
    no_calls = {"PR01"} if isinstance(found(name), type) and issubclass(found(name), Exception | Enum) else set()
    errors = validate(f"{module}.{attribute}")["errors"]
    errors = [error for error in errors if error[0] not in NOT_ASKED | no_calls]
    assert errors == []


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_can_be_imported_from_the_package(name: str) -> None:
    assert getattr(pictor.imaging, name) is found(name)
    assert name in dir(pictor.imaging)


def test_no_public_name_is_that_of_a_folder_or_module() -> None:
    inside = {module.name for module in pkgutil.iter_modules(pictor.imaging.__path__)}
    assert inside & set(PUBLIC) == set()


def test_an_unknown_name_is_an_ordinary_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = pictor.imaging.nonsense


@pytest.mark.parametrize("name", [name for name in PUBLIC if inspect.isfunction(found(name))])
def test_every_public_function_says_shapes_or_units_of_what_it_takes(name: str) -> None:
    text = inspect.getdoc(found(name)) or ""
    assert "Parameters\n----------" in text
    undocumented = [parameter for parameter in inspect.signature(found(name)).parameters if parameter not in text]
    assert undocumented == []


def test_importing_the_library_loads_no_pixels_library() -> None:
    code = "import sys, pictor.imaging; print([m for m in ('numpy', 'astropy', 'numba', 'scipy') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.strip() == "[]"


def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-D", "plot_gallery=0"]
    built = subprocess.run(
        [*command, "-d", str(tmp_path / "trees"), str(DOCS), str(tmp_path / "html")],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    pages = {page.stem for page in (tmp_path / "html" / "reference" / "generated").glob("*.html")}
    assert pages == {".".join(place_of(name)) for names in areas().values() for name in names}
