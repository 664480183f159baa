"""Copies of whatever a function may be given or give, and whether two of them say the same."""

import math
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

BYTES = "bytes"


def frozen(value: Any) -> Any:
    """Take a deep copy as arrays, headers, numbers, texts, lists and dictionaries of these; of files what they hold."""
    for kind, take in _TAKEN:
        if isinstance(value, kind):
            return take(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: frozen(getattr(value, one.name)) for one in fields(value)}
    return copy(value)


def _file(path: Path) -> Any:
    if not path.is_file():
        return path.name
    if path.suffix != ".fits":
        return {BYTES: path.read_bytes()}
    with fits.open(path) as units:
        return {BYTES: path.read_bytes(), "planes": [np.array(unit.data) for unit in units if unit.is_image]}


_TAKEN: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (np.ndarray | fits.Header, lambda value: value.copy()),
    (Path, _file),
    (Mapping, lambda value: {key: frozen(one) for key, one in value.items()}),
    (list | tuple, lambda value: [frozen(one) for one in value]),
)


def same(one: Any, other: Any, *, within: float = 0.0) -> bool:
    """Compare two frozen values; ``within`` is a relative difference of numbers that is let pass, 0 asks for bytes."""
    for kind, compare in _COMPARED:
        if isinstance(one, kind) and isinstance(other, kind):
            return compare(one, other, within)
    return bool(one == other)


def _arrays(one: Any, other: Any, within: float) -> bool:
    if one.shape != other.shape or one.dtype.kind not in "uifb":
        return one.shape == other.shape and bool(np.array_equal(one, other))
    return bool(np.allclose(one, other, rtol=within, atol=within, equal_nan=True))


def _headers(one: Any, other: Any, _: float) -> bool:
    return [repr(card) for card in one.cards] == [repr(card) for card in other.cards]


def _dictionaries(one: Any, other: Any, within: float) -> bool:
    compared = [key for key in one if key != BYTES or not within]
    return one.keys() == other.keys() and all(same(one[key], other[key], within=within) for key in compared)


def _lists(one: Any, other: Any, within: float) -> bool:
    return len(one) == len(other) and all(same(a, b, within=within) for a, b in zip(one, other, strict=True))


def _numbers(one: float, other: float, within: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=within)


_COMPARED: tuple[tuple[type, Callable[[Any, Any, float], bool]], ...] = (
    (np.ndarray, _arrays),
    (fits.Header, _headers),
    (dict, _dictionaries),
    (list, _lists),
    (float, _numbers),
)
