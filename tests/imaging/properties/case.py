"""A public function with a small example of known truth, and what its properties are asked with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from pictor.imaging.frame import BAD, Frame
from pictor.imaging.public import place_of

Given = dict[str, Any]


class Unit(StrEnum):
    """What a function does with the unit of the pixels it is given."""

    KEPT = "the result is in the unit of the frame, or what follows from it; different ones are not mixed"
    FREE = "the result has no unit of brightness, or is a number in the frame's: any unit gives the same"
    PRODUCT = "as kept; different ones are multiplied"
    ADU = "another unit than ADU is refused"
    NAMED = "bare arrays and plain numbers: the docstring says their unit"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One example.

    Parameters
    ----------
    given
        Makes the arguments by name, afresh at every call, in a folder of its own; pixels are unsigned integers.
    truth
        Asserts that a result is what the arguments were made from.
    pixels
        Arguments that hold pixels (an array, or a sequence of arrays); none: nothing can be masked, cut or wrap.
    frames
        Whether these may be `Frame`, CCDData and so on, or only arrays.
    unit
        What becomes of their unit.
    holes
        Rows and columns of pixels that are spoilt; what is spoilt must not be part of the truth.
    changes
        Arguments that are changed, as the docstring says.
    made_unit
        For `Unit.KEPT`: the unit of the result of electrons.
    cut
        Argument whose shape is spoilt; None: the first of the pixels.
    within
        How far results of unsigned and floating pixels may differ, as a share; infinite: both are near the truth.
    different
        Properties that do not apply, each with its reason.
    """

    given: Callable[[Path], Given]
    truth: Callable[[Any, Given], None]
    pixels: tuple[str, ...] = ()
    frames: bool = False
    unit: Unit = Unit.NAMED
    made_unit: str = "electron"
    holes: tuple[tuple[int, ...], tuple[int, ...]] = ((3, 17, 30), (22, 8, 31))
    changes: tuple[str, ...] = ()
    cut: str | None = None
    within: float = 1e-4
    different: Mapping[str, str] = field(default_factory=dict)


def function(name: str) -> Callable[..., Any]:
    """Load a public function."""
    module, attribute = place_of(name)
    loaded: Callable[..., Any] = getattr(import_module(module), attribute)
    return loaded


def changed(case: Case, given: Given, change: Callable[[Frame], Frame], *, most: int = 255) -> Given:
    """Give the arguments with the pixels changed: arrays, frames and files; of a sequence the first so many."""
    out = dict(given)
    for name in case.pixels:
        value = given[name]
        if isinstance(value, list):
            out[name] = [_changed(case, one, change) for one in value[:most]] + value[most:]
        else:
            out[name] = _changed(case, value, change)
    return out


def _changed(case: Case, value: Any, change: Callable[[Frame], Frame]) -> Any:
    if isinstance(value, Path):
        _write(value, change(Frame.from_fits(value)))
        return value
    if isinstance(value, Frame):
        return change(value)
    found = change(Frame(value))
    return found if case.frames else found.data


def _write(path: Path, frame: Frame) -> None:
    header = frame.header.copy()
    header["BUNIT"] = frame.unit
    units_ = [fits.PrimaryHDU(frame.data, header)]
    if frame.mask is not None:
        units_.append(fits.ImageHDU(frame.mask, name="MASK"))
    fits.HDUList(units_).writeto(path, overwrite=True)


def spoilt(case: Case, frame: Frame) -> Frame:
    """Give pixels of which some are no numbers and, where a mask can tell, others masked with a wild value."""
    data = frame.data.astype(np.float32)
    data[..., case.holes[0], case.holes[1]] = np.nan
    if not case.frames:
        return replace(frame, data=data)
    mask = np.zeros(frame.shape, np.uint8) if frame.mask is None else frame.mask.copy()
    rows = tuple(row + 1 for row in case.holes[0])
    mask[rows, case.holes[1]] |= BAD
    data[..., rows, case.holes[1]] = 60_000
    return replace(frame, data=data, mask=mask)


def floating(frame: Frame) -> Frame:
    """Give pixels as numbers that cannot wrap."""
    return replace(frame, data=frame.data.astype(np.float64))


def in_electrons(frame: Frame) -> Frame:
    """Give pixels that say they are electrons."""
    return replace(frame, unit="electron")


def misshapen(case: Case, given: Given) -> Given:
    """Give arguments of which one has a row less than the others, or where there are no others, one axis."""
    name = case.cut or case.pixels[0]
    value, alone = given[name], len(case.pixels) == 1 and case.cut is None
    if isinstance(value, list):
        alone = len(value) == 1
        return {**given, name: [*value[:-1], _flat(value[-1]) if alone else _cut(case, value[-1])]}
    return {**given, name: _flat(value) if alone else _cut(case, value)}


def _cut(case: Case, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value[1:]
    return _changed(case, value, lambda frame: replace(frame, data=frame.data[..., 1:, :], err=None, mask=None))


def _flat(value: Any) -> Any:
    if isinstance(value, Path):
        with fits.open(value) as units_:
            fits.writeto(value, np.array(units_[0].data).ravel(), overwrite=True)
        return value
    return np.asarray(value.data if isinstance(value, Frame) else value).ravel()
