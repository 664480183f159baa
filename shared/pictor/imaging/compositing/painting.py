"""Channels that become a picture, some rows at a time: memory holds the frames and what is made of them, no more."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pictor.imaging.compositing.channels import Channel
from pictor.imaging.compositing.look import Levels, Look, Planes, saturate, stretched
from pictor.imaging.compositing.showing import REACH, certainty, shown
from pictor.imaging.pixels import run_in_threads

ROWS = 64
"""Rows painted together: their planes stay in the caches."""

# Saturated pixels brighter than this lose their false colour.
_BURNT = 0.8
_HALF = 0.5
_BYTE = 255

Known = NDArray[np.bool_]
Box = tuple[slice, slice]


class Painted(Protocol):
    """A picture that gives its rows."""

    @property
    def known(self) -> Known:
        """Where all channels have data, shape (ny, nx)."""

    def linear(self, rows: slice) -> Planes:
        """Give rows before the curve, shape (3, n, nx)."""

    def planes(self, rows: slice) -> Planes:
        """Give rows between 0 and 1, shape (3, n, nx)."""


@dataclass(frozen=True, slots=True, eq=False)
class Luminance:
    """A frame that decides brightness, and its curve."""

    channel: Channel
    levels: Levels

    def part(self, rows: slice, look: Look) -> NDArray[np.float32]:
        """Give some rows, stretched."""
        return stretched(self.channel.part(rows), self.levels, look.curve)


@dataclass(frozen=True, slots=True, eq=False)
class Painting:
    """How channels become a picture.

    Parameters
    ----------
    channels
        Red, green and blue.
    levels
        Their curves.
    look
        What is wanted.
    luminance
        None: the channels decide brightness.
    together
        Whether ratios of the channels are kept.
    known
        Where all channels have data, shape (ny, nx).
    """

    channels: Sequence[Channel]
    levels: tuple[Levels, Levels, Levels]
    look: Look
    luminance: Luminance | None
    together: bool
    known: Known = field(init=False)

    def __post_init__(self) -> None:
        """Find where all channels have data."""
        known = np.ones(self.channels[0].shape, np.bool_)
        for one in {
            id(one): one for one in [*self.channels, *([self.luminance.channel] if self.luminance else [])]
        }.values():
            if one.hidden is not None:
                known &= ~one.hidden
        object.__setattr__(self, "known", known)

    def linear(self, rows: slice) -> Planes:
        """Give rows before the curve: sky-subtracted and balanced, NaN where nothing is known."""
        return np.stack([one.part(rows) for one in self.channels])

    def planes(self, rows: slice) -> Planes:
        """Paint rows."""
        look, known = self.look, self.known[rows]
        wide = slice(max(rows.start - REACH, 0), rows.stop + REACH) if look.mute else rows
        around = self.linear(wide)
        values = around[:, rows.start - wide.start :][:, : known.shape[0]]
        bright = None if self.luminance is None else self.luminance.part(rows, look)
        planes = shown(values, self.levels, look, bright, together=self.together)
        if look.mute:
            sure = certainty(around, np.array([one.deviation for one in self.channels]))
            planes = saturate(planes, look.saturation * sure[rows.start - wide.start :][: known.shape[0]])
        else:
            planes = saturate(planes, look.saturation)
        full = [one.full[rows] for one in self.channels if one.full is not None]
        if full:
            burnt = np.logical_or.reduce(full) & known & (planes.max(axis=0) > _BURNT)
            planes[:, burnt] = planes.max(axis=0)[burnt]
        if not known.all():
            planes[:, ~known] = 0.0
        return planes


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A small picture that is held as it is."""

    known: Known
    shown: Planes
    before: Planes

    def linear(self, rows: slice) -> Planes:
        """Give rows before the curve."""
        return self.before[:, rows]

    def planes(self, rows: slice) -> Planes:
        """Give rows between 0 and 1."""
        return self.shown[:, rows]


def strips(rows: slice, height: int = ROWS) -> list[slice]:
    """Cut rows into strips."""
    return [slice(first, min(first + height, rows.stop)) for first in range(rows.start, rows.stop, height)]


def whole(painted: Painted, box: Box, *, linear: bool) -> Planes:
    """Give a part of a picture, shape (3, ny, nx), made on two threads."""
    rows, columns = box
    made = np.empty((3, rows.stop - rows.start, columns.stop - columns.start), np.float32)
    parts = strips(rows)

    def paint(first: int, last: int) -> None:
        for part in parts[first:last]:
            planes = painted.linear(part) if linear else painted.planes(part)
            made[:, part.start - rows.start : part.stop - rows.start] = planes[:, :, columns]

    run_in_threads(paint, sorted({0, len(parts) // 2, len(parts)}))
    return made


def numbers(painted: Painted, box: Box, top: int, *, transparent: bool) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Give a part of a picture as whole numbers up to ``top``, shape (ny, nx, 3 or 4), rows as in the frames."""
    rows, columns = box
    shape = rows.stop - rows.start, columns.stop - columns.start, 4 if transparent else 3
    made = np.empty(shape, np.uint8) if top <= _BYTE else np.empty(shape, np.uint16)
    parts = strips(rows)

    def paint(first: int, last: int) -> None:
        for part in parts[first:last]:
            here, planes = slice(part.start - rows.start, part.stop - rows.start), painted.planes(part)[:, :, columns]
            for channel in range(3):
                made[here, :, channel] = np.rint(planes[channel] * np.float32(top))

    run_in_threads(paint, sorted({0, len(parts) // 2, len(parts)}))
    if transparent:
        made[:, :, 3] = np.where(painted.known[box], top, 0)
    return made


def smaller(painted: Painted, box: Box, size: tuple[int, int]) -> Held:
    """Shrink a part of a picture to ``size`` (columns, rows), each pixel the mean of an area."""
    (rows, columns), (nx, ny) = box, size
    known = np.empty((ny, nx), np.bool_)
    planes, linear = np.empty((3, ny, nx), np.float32), np.empty((3, ny, nx), np.float32)
    ratio, width = (rows.stop - rows.start) / ny, columns.stop - columns.start
    height = max(1, int(ROWS / ratio))
    parts = strips(slice(0, ny), height)

    def shrink(first: int, last: int) -> None:
        for part in parts[first:last]:
            top, bottom = rows.start + part.start * ratio, rows.start + part.stop * ratio
            own = slice(int(top), min(math.ceil(bottom), rows.stop))
            box = (0.0, top - own.start, float(width), min(bottom, float(own.stop)) - own.start)
            for plane, source in (
                *zip(planes, painted.planes(own), strict=True), *zip(linear, painted.linear(own), strict=True),
            ):  # fmt: skip
                plane[part] = _boxed(source[:, columns], (nx, part.stop - part.start), box)
            share = _boxed(painted.known[own, columns].astype(np.float32), (nx, part.stop - part.start), box)
            known[part] = share > _HALF

    run_in_threads(shrink, sorted({0, len(parts) // 2, len(parts)}))
    return Held(known, np.clip(planes, 0.0, 1.0, out=planes), linear)


def _boxed(
    plane: NDArray[np.float32], size: tuple[int, int], box: tuple[float, float, float, float]
) -> NDArray[np.float32]:
    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize(size, Image.Resampling.BOX, box=box), dtype=np.float32)
