"""Arithmetic of frames with each other and with numbers: never truncated, errors propagated, units kept."""

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import NO_DATA, Frame, FrameLike
from pictor.imaging.types import Image, Mask

Operand: TypeAlias = FrameLike | float
"""A frame, anything that holds pixels, or a number; an astropy Quantity may be either."""

Pair = tuple[Image, Image | None]
"""Values and their standard deviation; None where it is not known."""


def add(one: Operand, other: Operand) -> Frame:
    """Add two frames, or a number to a frame.

    Errors are added in quadrature as those of independent values; an operand without error counts as exact, as in
    `astropy.nddata`. A bare number has the unit of the frame.

    Parameters
    ----------
    one, other
        Frames of one shape (ny, nx) or (planes, ny, nx), or one frame and one number; a frame of two axes meets every
        plane of a colour frame. They are not changed.

    Returns
    -------
    Frame
        Sum as float32, or float64 where float32 would lose digits of an operand; header of the first frame; mask of
        both.
        A value that is not finite is NaN and has bit 16.

    Raises
    ------
    FrameMismatchError
        If the frames differ in shape, or neither operand is a frame.
    ImagingError
        If their units cannot be added: adu and electron are different things.

    Examples
    --------
    >>> import numpy as np
    >>> from pictor.imaging.arithmetic import add
    >>> add(np.full((2, 2), 65535, np.uint16), 1).data[0, 0]
    np.float32(65536.0)
    """
    return _summed(one, other, 1)


def subtract(one: Operand, other: Operand) -> Frame:
    """Subtract one frame or number from another; unsigned values do not wrap. See `add`.

    Parameters
    ----------
    one, other
        Frames of one shape (ny, nx) or (planes, ny, nx), or one frame and one number, in either place.

    Returns
    -------
    Frame
        Difference in the unit of the first; as `add` describes it.

    Raises
    ------
    FrameMismatchError
        If the frames differ in shape, or neither operand is a frame.
    ImagingError
        If their units cannot be subtracted.
    """
    return _summed(one, other, -1)


def multiply(one: Operand, other: Operand) -> Frame:
    """Multiply two frames, or a frame by a number; relative errors are added in quadrature.

    Parameters
    ----------
    one, other
        Frames of one shape (ny, nx) or (planes, ny, nx), or one frame and one number. A bare number has no unit.

    Returns
    -------
    Frame
        Product in the product of the units; as `add` describes it.

    Raises
    ------
    FrameMismatchError
        If the frames differ in shape, or neither operand is a frame.
    ImagingError
        If a unit is not one that can be multiplied.
    """
    both = _taken(one, other)
    (a, s), (b, t) = both.first, both.second
    with np.errstate(all="ignore"):
        return both.made(a * b, _quadrature(None if s is None else s * b, None if t is None else t * a), 1)


def divide(one: Operand, other: Operand) -> Frame:
    """Divide one frame or number by another; division by zero gives NaN and bit 16 of the mask.

    Parameters
    ----------
    one, other
        Frames of one shape (ny, nx) or (planes, ny, nx), or one frame and one number, in either place. A bare number
        has no unit.

    Returns
    -------
    Frame
        Ratio in the ratio of the units, empty where they are equal; as `add` describes it.

    Raises
    ------
    FrameMismatchError
        If the frames differ in shape, or neither operand is a frame.
    ImagingError
        If a unit is not one that can be divided.

    Examples
    --------
    >>> import numpy as np
    >>> from pictor.imaging.arithmetic import divide
    >>> half = divide(np.full((2, 2), 3, np.uint16), np.full((2, 2), 2, np.uint16))
    >>> half.data[0, 0], half.unit
    (np.float32(1.5), '')
    """
    both = _taken(one, other)
    (a, s), (b, t) = both.first, both.second
    with np.errstate(all="ignore"):
        err = _quadrature(None if s is None else s / b, None if t is None else t * (a / np.square(b)))
        return both.made(a / b, err, -1)


@dataclass(frozen=True, slots=True)
class _Both:
    """Two operands as values: the frame that lends its header, units and the joined mask."""

    frame: Frame
    first: Pair
    second: Pair
    units: tuple[str | None, str | None]
    mask: Mask | None

    def made(self, data: Image, err: Image | None, power: int) -> Frame:
        """Make the frame of a result; ``power`` of the second operand's unit, 0 where it is that of the first."""
        unit = _common(*self.units) if power == 0 else _product(self.units[0] or "", self.units[1] or "", power)
        hole = ~np.isfinite(data)
        mask = self.mask
        if hole.any():
            data = np.where(hole, data.dtype.type(np.nan), data)
            empty = hole.any(axis=0) if hole.ndim == 3 else hole
            lost: Mask = np.where(empty, np.uint8(NO_DATA), np.uint8(0)).astype(np.uint8)
            mask = lost if mask is None else np.bitwise_or(mask, lost)
        if err is not None:
            err = np.where(hole, err.dtype.type(np.nan), np.broadcast_to(err, data.shape))
        return replace(self.frame, data=data, err=err, mask=mask, header=self.frame.header.copy(), unit=unit)


def _summed(one: Operand, other: Operand, sign: int) -> Frame:
    both = _taken(one, other)
    (a, s), (b, t) = both.first, both.second
    factor = _factor(*both.units)
    if factor != 1.0:
        b, t = b * b.dtype.type(factor), None if t is None else t * t.dtype.type(factor)
    with np.errstate(all="ignore"):
        return both.made(a + b if sign > 0 else a - b, _quadrature(s, t), 0)


def _taken(one: Operand, other: Operand) -> _Both:
    """Take both operands as frames or numbers of one precision."""
    first, second = _read(one), _read(other)
    frames = [each for each in (first, second) if isinstance(each, Frame)]
    if not frames:
        raise FrameMismatchError("at least one of the two operands is a frame; these are two numbers")
    if len({frame.shape for frame in frames}) > 1 or not _fits([frame.data.shape for frame in frames]):
        shapes = " and ".join(str(frame.data.shape) for frame in frames)
        raise FrameMismatchError(f"frames of one shape are needed; these have {shapes}")
    kind = np.result_type(*(frame.real().dtype for frame in frames)).type
    masks = [frame.mask for frame in frames if frame.mask is not None]
    mask: Mask | None = None if not masks else (masks[0] | masks[-1]).astype(np.uint8)
    units = (
        first.unit if isinstance(first, Frame) else first[1],
        second.unit if isinstance(second, Frame) else second[1],
    )
    return _Both(frames[0], _pair(first, kind), _pair(second, kind), units, mask)


def _fits(shapes: list[tuple[int, ...]]) -> bool:
    """Tell whether colour planes meet: as many of them, or none on one side."""
    planes = {shape[0] for shape in shapes if len(shape) == 3}
    return len(planes) <= 1


def _read(operand: Operand) -> Frame | tuple[float, str | None]:
    """Read an operand; a number comes with its unit, None where it has none of its own."""
    unit = getattr(operand, "unit", None)
    value = getattr(operand, "value", operand)
    if isinstance(value, int | float | np.number) or (isinstance(value, np.ndarray) and value.ndim == 0):
        number = float(value)
        if not math.isfinite(number):
            raise ImagingError(f"{number} is no number to calculate with", reason="not-a-number")
        return number, None if unit is None else str(unit.to_string())
    return Frame.from_nddata(operand)


def _pair(operand: Frame | tuple[float, str | None], kind: type[np.floating]) -> Pair:
    if isinstance(operand, Frame):
        err = None if operand.err is None else operand.err.astype(kind)
        return operand.real().astype(kind, copy=False), err
    return np.asarray(operand[0], dtype=kind), None


def _quadrature(one: Image | None, other: Image | None) -> NDArray[np.floating] | None:
    if one is None or other is None:
        known = other if one is None else one
        return None if known is None else np.abs(known)
    joined: NDArray[np.floating] = np.hypot(one, other)
    return joined


def _common(one: str | None, other: str | None) -> str:
    return one if one is not None else other or ""


def _factor(one: str | None, other: str | None) -> float:
    """Return what the second operand is multiplied by to be in the unit of the first."""
    if one is None or other is None or one == other:
        return 1.0
    from astropy import units as u  # noqa: PLC0415 - most calls need none

    try:
        return float(u.Unit(other).to(u.Unit(one)))
    except (u.UnitConversionError, ValueError, TypeError):
        told = " and ".join(repr(unit) if unit else "one without unit" for unit in (one, other))
        raise ImagingError(
            f"a frame in {told} cannot be added or subtracted; bring both to one unit first: multiply by the gain "
            "(electrons per ADU) or the exposure",
            reason="unit-mismatch",
        ) from None


def _product(one: str, other: str, power: int) -> str:
    """Spell the unit of a product or ratio."""
    if not other:
        return one
    if one == other and power < 0:
        return ""
    from astropy import units as u  # noqa: PLC0415 - most calls need none

    try:
        return str((u.Unit(one) * u.Unit(other) ** power).to_string())
    except (ValueError, TypeError):
        raise ImagingError(
            f"the units {one!r} and {other!r} cannot be multiplied: one is not known; correct its card BUNIT",
            reason="unit-unknown",
        ) from None
