"""The arithmetic of a light and its masters, tile by tile, from planes as they lie in their files."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.rows import Room, Rows, Words
from pictor.imaging.combine.flats import LOW_FLAT
from pictor.imaging.combine.kernels import Reals
from pictor.imaging.compiling import njit
from pictor.imaging.types import Mask

BAD, SATURATED, NO_DATA = np.uint8(1), np.uint8(2), np.uint8(16)
CHUNK = 1024
"""Pixels swapped and computed together: they stay in the nearest cache."""

Swapped = NDArray[np.uint32]
EIGHT = np.uint32(8)
OUTER = np.uint32(24)
SECOND, THIRD = np.uint32(0xFF00), np.uint32(0xFF0000)
ZERO, NOTHING = np.float32(0), np.float32(1)
LOW = np.float32(LOW_FLAT)
SIGN = np.uint16(0x8000)
BYTE = np.uint16(8)


@njit(cache=True, nogil=True)
def _load(words: Swapped, swapped: np.bool_, start: int, end: int, room: Swapped) -> None:
    """Copy some words into ``room`` in native byte order; without any words ``room`` stays."""
    if words.size == 0:
        return
    part = words[start:end]
    if not swapped:
        for i in range(part.size):
            room[i] = part[i]
        return
    for i in range(part.size):
        word = part[i]
        room[i] = (word >> OUTER) | ((word >> EIGHT) & SECOND) | ((word << EIGHT) & THIRD) | (word << OUTER)


@njit(cache=True, nogil=True)
def _load_light(raw: NDArray[np.uint16], light: Reals, start: int, end: int, room: Reals) -> None:
    """Copy some pixels of the light: integers of the file, big end first and offset, or reals."""
    if raw.size == 0:
        part = light[start:end]
        for i in range(part.size):
            room[i] = part[i]
        return
    words = raw[start:end]
    for i in range(words.size):
        word = words[i]
        room[i] = np.uint16(((word >> BYTE) | (word << BYTE)) ^ SIGN)


@njit(cache=True, nogil=True, error_model="numpy")
def _apply(  # noqa: PLR0917
    light: Reals, below: Reals, below_err: Reals, flat: Reals, flat_err: Reals, facts: Reals, sci: Reals, err: Reals
) -> None:
    """Fill science and error; ``facts`` is (floor variance, 1 / egain, pedestal or NaN, saturation)."""
    floor, slope, level = facts[0], facts[1], facts[2]
    unknown = np.isnan(level)
    for i in range(sci.size):
        net = light[i] - below[i]
        electrons = net if unknown else light[i] - level
        electrons = max(ZERO, electrons)
        variance = floor + slope * electrons + below_err[i] * below_err[i]
        response = flat[i] if flat[i] >= LOW else NOTHING
        value = net / response
        spread = value * flat_err[i]
        sci[i] = value
        err[i] = np.sqrt(variance + spread * spread) / response


@njit(cache=True, nogil=True)
def _mark(light: Reals, flat: Reals, saturation: float, sci: Reals, mask: Mask) -> None:
    """Add what light and flat show, and where there is no number, to the mask carried from the masters."""
    for i in range(mask.size):
        full = np.uint8(2) if light[i] >= saturation else np.uint8(0)
        empty = np.uint8(0) if sci[i] - sci[i] == ZERO else np.uint8(16)
        low = np.uint8(0) if flat[i] >= LOW else np.uint8(4)
        mask[i] = mask[i] | full | empty | low


@njit(cache=True, nogil=True)
def apply_tile(  # noqa: PLR0917
    raw: NDArray[np.uint16],
    light: Reals,
    below: Swapped,
    below_err: Swapped,
    flat: Swapped,
    flat_err: Swapped,
    swapped: NDArray[np.bool_],
    facts: Reals,
    sci: Reals,
    err: Reals,
    mask: Mask,
) -> None:
    """Calibrate the pixels of a tile; every argument but ``swapped`` and ``facts`` is flat, or empty where absent.

    ``swapped`` tells of the four planes of masters whether their big end comes first.
    """
    words = np.zeros((4, CHUNK), np.uint32)
    reals = words.view(np.float32)
    reals[2, :] = NOTHING
    pixels = np.empty(CHUNK, np.float32)
    for start in range(0, sci.size, CHUNK):
        end = min(start + CHUNK, sci.size)
        n = end - start
        _load_light(raw, light, start, end, pixels)
        _load(below, swapped[0], start, end, words[0])
        _load(below_err, swapped[1], start, end, words[1])
        _load(flat, swapped[2], start, end, words[2])
        _load(flat_err, swapped[3], start, end, words[3])
        _apply(pixels[:n], reals[0], reals[1], reals[2], reals[3], facts, sci[start:end], err[start:end])
        _mark(pixels[:n], reals[2], facts[3], sci[start:end], mask[start:end])


@dataclass(frozen=True, slots=True)
class Job:
    """A light and all that is applied to it; an absent plane is None."""

    light: Rows
    below: Rows | None
    below_err: Rows | None
    flat: Rows | None
    flat_err: Rows | None
    masks: tuple[Rows, ...]
    bad: Rows | None
    facts: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (ny, nx)."""
        return self.light.shape

    def fill(self, first: int, last: int, room: Room, out: "Tile") -> None:
        """Calibrate rows ``first`` to ``last`` into a tile of that many rows."""
        pixels = self.light.read(first, last, room, "light").reshape(-1)
        raw = cast("NDArray[np.uint16]", pixels if pixels.dtype == np.uint16 else np.empty(0, np.uint16))
        light = cast("Reals", pixels if pixels.dtype == np.float32 else np.empty(0, np.float32))
        planes = (self.below, self.below_err, self.flat, self.flat_err)
        below, below_err, flat, flat_err = (
            _words(plane, first, last, room, f"plane{i}") for i, plane in enumerate(planes)
        )
        swapped = np.array([plane is not None and plane.swapped for plane in planes])
        self._carry(first, last, room, out.mask)
        sci, err, mask = out.sci.reshape(-1), out.err.reshape(-1), out.mask.reshape(-1)
        apply_tile(raw, light, below, below_err, flat, flat_err, swapped, self.facts, sci, err, mask)

    def _carry(self, first: int, last: int, room: Room, mask: Mask) -> None:
        """Join the masks of the masters and the bad pixels."""
        if not self.masks:
            mask[:] = 0
        for number, plane in enumerate(self.masks):
            carried = cast("Mask", plane.read(first, last, room, f"mask{number}"))
            np.bitwise_or(mask if number else carried, carried, out=mask)
        if self.bad is not None:
            bad = self.bad.read(first, last, room, "bad") != 0
            np.bitwise_or(mask, bad.view(np.uint8), out=mask)


@dataclass(frozen=True, slots=True)
class Tile:
    """Science, error and mask of some rows, each contiguous."""

    sci: NDArray[np.float32]
    err: NDArray[np.float32]
    mask: Mask

    def rows(self, first: int, last: int) -> "Tile":
        """Return a view of some of its rows."""
        return Tile(self.sci[first:last], self.err[first:last], self.mask[first:last])

    def take(self, other: "Tile") -> None:
        """Copy the rows of another tile."""
        self.sci[:], self.err[:], self.mask[:] = other.sci, other.err, other.mask


def _words(plane: Rows | None, first: int, last: int, room: Room, name: str) -> Swapped:
    if plane is None:
        return np.empty(0, np.uint32)
    found: Words = plane.read(first, last, room, name)
    return found.view(np.uint32).reshape(-1)


def warm() -> None:
    """Compile the kernels."""
    none, plane = np.empty(0, np.uint32), np.ones(8, np.float32)
    raw, mask = np.zeros(8, np.uint16), np.zeros(8, np.uint8)
    apply_tile(
        raw, plane[:0], none, none, none, none, np.zeros(4, np.bool_), np.ones(4, np.float32), plane, plane.copy(), mask
    )
