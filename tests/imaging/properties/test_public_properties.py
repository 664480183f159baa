"""Every public function recovers the truth, bears masked and missing pixels, refuses a wrong shape, changes nothing it
is given, does not wrap unsigned integers, respects units, and gives the same twice."""

import inspect
import math
import re
from dataclasses import is_dataclass, replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import Frame
from pictor.imaging.public import PUBLIC
from tests.imaging.properties.case import (
    Case,
    Given,
    Unit,
    changed,
    floating,
    function,
    in_electrons,
    misshapen,
    spoilt,
)
from tests.imaging.properties.comparing import frozen, same
from tests.imaging.properties.detector import DETECTOR
from tests.imaging.properties.pixels import PIXELS
from tests.imaging.properties.sky import SKY
from tests.imaging.properties.stars import STARS

CASES: dict[str, Case] = {**DETECTOR, **PIXELS, **STARS, **SKY}

SIMULATORS = {
    "sample_night": "test_night.py",
    "colour_scenario": "test_colour.py",
    "scenario": "test_scenarios.py",
    "render_light": "test_light.py",
}
"""They make frames from a seed and take none; where truth and sameness are asked of them."""

ROOT = Path(__file__).parents[1]
NAMED_UNIT = re.compile(r"\b(ADU|electrons?|degrees?|seconds?|unit|pixels?)\b")


def asked(name: str, *, pixels: bool = True) -> list[str]:
    """Give the functions of which a property is asked: all but those that say why it does not apply."""
    return [
        function_name
        for function_name, case in CASES.items()
        if name not in case.different and (case.pixels or not pixels)
    ]


def several(name: str) -> bool:
    """Whether a function takes more than one frame."""
    return len(CASES[name].pixels) > 1 or CASES[name].pixels[0] in {"frames", "paths"}


def made(name: str, given: Given) -> Any:
    return function(name)(**given)


def without(given: Given, names: tuple[str, ...]) -> Any:
    return frozen({key: value for key, value in given.items() if key not in names})


def unit_of(found: Any, given: Given) -> str:
    """Give the unit of a result: of the frame, in the frame it holds, or in the file that was written."""
    for one in (found, getattr(found, "frame", None), getattr(found, "line", None)):
        if isinstance(getattr(one, "unit", None), str):
            return str(one.unit)
    return Frame.from_fits(given["path"]).unit


def test_every_public_name_is_a_function_with_an_example_or_a_value_that_cannot_change() -> None:
    missing = []
    for name in PUBLIC.keys() - CASES.keys() - SIMULATORS.keys():
        kind = function(name)
        assert isinstance(kind, type), f"{name} has no example in tests/imaging/properties"
        frozen_value = is_dataclass(kind) and kind.__dataclass_params__.frozen
        if not (frozen_value or issubclass(kind, ImagingError | Enum)):
            missing.append(name)
    assert missing == []
    assert CASES.keys() <= PUBLIC.keys()


@pytest.mark.parametrize("name", SIMULATORS)
def test_simulators_are_tested_where_it_is_said(name: str) -> None:
    assert name in (ROOT / "simulator" / SIMULATORS[name]).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.pixels])
def test_what_takes_no_pixels_says_so(name: str) -> None:
    assert "pixels" in CASES[name].different or "pixels" not in inspect.signature(function(name)).parameters


@pytest.mark.parametrize("name", CASES)
def test_the_truth_is_recovered_and_nothing_given_is_changed(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    given = case.given(tmp_path)
    before = without(given, case.changes)
    found = made(name, given)
    assert same(before, without(given, case.changes))
    case.truth(found, given)


@pytest.mark.parametrize("name", asked("the same twice", pixels=False))
def test_the_same_twice(name: str, tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        given = CASES[name].given(tmp_path)
        result = made(name, given)
        found.append([frozen(result), frozen({key: given[key] for key in CASES[name].changes})])
    assert same(*found)


@pytest.mark.parametrize("name", asked("holes"))
def test_masked_pixels_and_those_that_are_no_numbers_do_not_count(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    given = changed(case, case.given(tmp_path), partial(spoilt, case), most=1)
    case.truth(made(name, given), given)


@pytest.mark.parametrize("name", asked("wrong shape"))
def test_a_wrong_shape_is_refused_with_its_numbers(name: str, tmp_path: Path) -> None:
    given = misshapen(CASES[name], CASES[name].given(tmp_path))
    with pytest.raises(ImagingError, match=r"\d"):
        made(name, given)


@pytest.mark.parametrize("name", asked("unsigned"))
def test_unsigned_integers_give_what_floating_numbers_give(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    given = changed(case, case.given(tmp_path), floating)
    wide = made(name, given)
    case.truth(wide, given)
    if math.isfinite(case.within):
        wide = frozen(wide)
        assert same(wide, frozen(made(name, case.given(tmp_path))), within=case.within)


@pytest.mark.parametrize("name", [name for name in asked("units") if CASES[name].unit is Unit.NAMED])
def test_the_docstring_of_what_takes_bare_arrays_names_their_unit(name: str) -> None:
    assert not CASES[name].frames
    told = inspect.getdoc(function(name)) or ""
    assert NAMED_UNIT.search(told.split("Parameters")[1].split("Returns")[0])


@pytest.mark.parametrize("name", [name for name in asked("units") if CASES[name].frames])
def test_units_are_kept_or_refused(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    given = changed(case, case.given(tmp_path), in_electrons)
    if case.unit is Unit.ADU:
        with pytest.raises(ImagingError, match="electron"):
            made(name, given)
    elif case.unit is Unit.FREE:
        case.truth(made(name, given), given)
    else:
        assert unit_of(made(name, given), given) == case.made_unit


@pytest.mark.parametrize("name", [name for name in asked("units") if CASES[name].unit is Unit.KEPT and several(name)])
def test_frames_of_two_units_are_not_mixed(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    given = changed(replace(case, pixels=case.pixels[:1]), case.given(tmp_path), in_electrons, most=1)
    with pytest.raises(ImagingError, match=r"unit|electron"):
        made(name, given)
