"""Lights calibrated tile by tile into their files; what lights have in common is read once for all of them."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.calibration.applying import Job, Tile
from pictor.imaging.calibration.jobs import How, Masters, tiles_of
from pictor.imaging.calibration.lightcards import CalibratedFile, Told, calibrated_header
from pictor.imaging.calibration.planes import PlaneFile
from pictor.imaging.calibration.repair import REACH, halo, repair_rows
from pictor.imaging.calibration.rows import Room
from pictor.imaging.calibration.staging import copy_words, swap_words
from pictor.imaging.fits.checksum import fold
from pictor.imaging.types import Mask

PLANES = (("SCI", "f4"), ("ERR", "f4"), ("MASK", "u1"))
PARTS = 8
"""Parts of a frame handed to two threads: where one core has other work, the other takes more of them."""


@dataclass(frozen=True, slots=True)
class Cards:
    """What the header of a calibrated light is made of."""

    light: fits.Header
    told: Told
    how: How
    cosmics: bool = False

    def of(self, found: CalibratedFile) -> fits.Header:
        """Extend the header of the light by what was applied."""
        return calibrated_header(self.light, self.told, self.how, found, cosmics=self.cosmics)


@dataclass(frozen=True, slots=True)
class Work:
    """A light, all that is applied to it, and the file it becomes."""

    job: Job
    masters: Masters
    begun: CalibratedFile
    cards: Cards


@dataclass(slots=True)
class _Rooms:
    """Memory of one thread: for what is read, and for the tiles of each light."""

    read: Room
    own: list[Room]


def calibrate_tiled(works: Sequence[Work]) -> list[CalibratedFile]:
    """Calibrate lights of one shape side by side.

    Two threads take one part of the frame after the other, each with memory of its own: a tile of all lights before the
    next tile, so that the masters they share are read once.
    """
    shape = works[0].job.shape
    tiles, rooms = tiles_of(shape), [_Rooms(Room(), [Room() for _ in works]) for _ in range(2)]
    size = max(1, math.ceil(len(tiles) / PARTS))
    headers = [work.cards.of(work.begun) for work in works]
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        files = [
            stack.enter_context(PlaneFile(work.begun.path, header, PLANES, shape))
            for work, header in zip(works, headers, strict=True)
        ]

        def part(start: int) -> list[tuple[int, int]]:
            room = rooms.pop()
            try:
                return _part(works, files, tiles[start : start + size], room)
            finally:
                rooms.append(room)

        found = pool.map(part, range(0, len(tiles), size))
        counts = [_summed(parts) for parts in zip(*found, strict=True)]
        for file, header, (repaired, left) in zip(files, headers, counts, strict=True):
            header["BPIXNFIX"], header["BPIXNREM"] = repaired, left
            file.finish(header.cards["BPIXNFIX"], header.cards["BPIXNREM"])
    return [
        replace(work.begun, repaired=repaired, left=left) for work, (repaired, left) in zip(works, counts, strict=True)
    ]


def _part(
    works: Sequence[Work], files: Sequence[PlaneFile], tiles: Sequence[tuple[int, int]], rooms: _Rooms
) -> list[tuple[int, int]]:
    """Calibrate, repair and write tiles that follow each other; return repaired and left of every light."""
    strips = [_Strip(work, file, own) for work, file, own in zip(works, files, rooms.own, strict=True)]
    for first, last in tiles:
        for strip in strips:
            strip.advance(first, last, rooms.read)
    return [_summed(strip.counts) for strip in strips]


@dataclass(slots=True)
class _Strip:
    """Tiles of one light that follow each other, each with the rows beyond it that a repair looks at.

    The last rows of a tile are kept for the next, as they were before the repair.
    """

    work: Work
    file: PlaneFile
    room: Room
    kept: Tile | None = None
    counts: list[tuple[int, int]] = field(default_factory=list)

    def advance(self, first: int, last: int, reading: Room) -> None:
        """Calibrate and repair rows ``first`` to ``last``, and hand them on to the file."""
        bayer, (ny, nx) = self.work.cards.how.bayer, self.work.job.shape
        reach = halo(bayer=bayer)
        top, bottom, known = max(0, first - reach), min(ny, last + reach), 0
        tile = _tile(self.room, "", bottom - top, nx)
        if self.kept is not None:
            known = len(self.kept.sci)
            tile.rows(0, known).take(self.kept)
        if top + known < bottom:
            self.work.job.fill(top + known, bottom, reading, tile.rows(known, bottom - top))
        overlap = tile.rows(max(0, last - reach) - top, bottom - top)
        self.kept = _tile(self.room, "kept", len(overlap.sci), nx)
        self.kept.take(overlap)
        inner = first - top, last - top
        self.counts.append(repair_rows(tile.sci, tile.err, tile.mask, *inner, 2 if bayer else 1, REACH))
        _put(tile.rows(*inner), first, self.file)


def _summed(counts: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return sum(repaired for repaired, _ in counts), sum(left for _, left in counts)


def _tile(room: Room, name: str, rows: int, nx: int) -> Tile:
    """Take memory for some rows of all three planes."""
    sci, err = (room.take(name + plane, 4 * rows * nx).view("f4").reshape(-1, nx) for plane in ("sci", "err"))
    return Tile(sci, err, room.take(name + "out mask", rows * nx).reshape(-1, nx))


def _put(tile: Tile, first: int, file: PlaneFile) -> None:
    """Write a tile, which is brought into the byte order of the file for that."""
    for number, plane in enumerate((tile.sci, tile.err)):
        words = plane.view(np.uint32).reshape(-1)
        file.put(number, first, words, fold(int(swap_words(words, words))))
    mask = tile.mask.reshape(-1)
    words = _whole_words(mask)
    file.put(2, first, mask, fold(int(copy_words(words, words))))


def _whole_words(mask: Mask) -> NDArray[np.uint32]:
    """View bytes as words; the last ones of a file are filled up with zeros."""
    return (mask if mask.size % 4 == 0 else np.pad(mask, (0, -mask.size % 4))).view(np.uint32)
