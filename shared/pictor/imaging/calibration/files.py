"""Calibrate a light from file to file: read, computed and written tile by tile."""

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.calibration.applying import Job, Tile, seal, sum_words
from pictor.imaging.calibration.badlist import parse_bad_pixels
from pictor.imaging.calibration.calibrating import finished
from pictor.imaging.calibration.jobs import How, Masters, job_of, tiles_of
from pictor.imaging.calibration.lightcards import CalibratedFile, Told, calibrated_header
from pictor.imaging.calibration.opened import OpenMaster, open_map, open_masters, real
from pictor.imaging.calibration.planes import Plane, PlaneFile, write_planes
from pictor.imaging.calibration.repair import REACH, halo, repair_rows
from pictor.imaging.calibration.rows import Held, Room, Rows, Stored, sampled
from pictor.imaging.combine.combining import median_penalty
from pictor.imaging.combine.method import Method
from pictor.imaging.combine.sources import plain_layout
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.fits.checksum import fold
from pictor.imaging.fits.reading import read_frame, read_header
from pictor.imaging.types import Mask

ASSUMED_EGAIN = 1.0
"""Without any conversion gain the error plane is in the shape of photon noise only; the header says so."""

PLANES = (("SCI", "f4"), ("ERR", "f4"), ("MASK", "u1"))
PARTS = 8
"""Parts of a frame handed to two threads: where one core has other work, the other takes more of them."""


def calibrate_file(  # noqa: PLR0913 - one argument for everything that is known of the light
    light: Path,
    out: Path,
    *,
    bias: Path | None = None,
    dark: Path | None = None,
    flat: Path | None = None,
    bad_pixels: Path | None = None,
    bad_pixel_list: str | None = None,
    egain: float | None = None,
    read_noise_e: float | None = None,
    bias_level: float | None = None,
    saturation: float | None = None,
    dark_scale: float = 1.0,
    bayer: bool = False,
    cosmics: bool = False,
    sensor: tuple[int, int, int] = (1, 0, 0),
    pedestal: float = 0.0,
    told: Told | None = None,
) -> CalibratedFile:
    """Apply masters to a light in a file and write science, error and mask planes.

    Pixels and noise are those of `pictor.imaging.calibration.calibrating.calibrate`. Without ``cosmics`` memory does
    not grow with the frame.

    Parameters
    ----------
    light
        Raw light: FITS with one image of two axes, plain or tile-compressed. It is not changed.
    out
        File to write; one that is there is replaced. Its first plane SCI is in ADU, ERR is its standard deviation,
        MASK has the bits 1 bad, 2 saturated, 4 low flat, 8 cosmic ray, 16 no data.
    bias, dark, flat
        Masters. A dark with bias inside needs no bias unless it is scaled; one without needs a bias.
    bad_pixels
        Map of bad pixels, not 0 where bad.
    bad_pixel_list
        Columns, rows and rectangles as YAML, counted on the whole sensor without binning.
    egain
        Conversion gain, in electrons per ADU; None: as the light or a master says, else 1 and marked as assumed.
    read_noise_e
        Read noise, in electrons RMS; None: as the light or a master says, else what single exposures of the bias or
        dark scatter by (of a dark with its dark current, which is part of the light's noise), else 0.
    bias_level
        Level without signal, in ADU; None: that of the bias, or what the dark's header says.
    saturation
        Level of the raw light from which a pixel is saturated, in ADU; None: none is.
    dark_scale
        Exposure of the light over that of the dark, where the dark may be scaled.
    bayer
        Whether the pixels lie under a Bayer pattern.
    cosmics
        Whether cosmic rays are looked for and replaced like bad pixels.
    sensor
        Binning of the light, its first column and first row on the sensor from 0 and in its own pixels, for the list.
    pedestal
        What a program added to the light so that no value is negative, in ADU; it is taken off first.
    told
        What the header says of the masters; None: the names of their files.

    Returns
    -------
    CalibratedFile
        What was done, and the detector facts used.

    Raises
    ------
    UnreadableFrameError
        If a file is no FITS image.
    FrameMismatchError
        If the light has not two axes or a master differs in shape.
    ImagingError
        If a dark needs a bias that is not given, or does not say whether it holds one; if ``out`` is one of the inputs.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> with TemporaryDirectory() as folder:
    ...     light, dark, out = (Path(folder) / name for name in ("light.fits", "dark.fits", "out.fits"))
    ...     fits.writeto(light, np.full((8, 8), 700, np.uint16))
    ...     fits.writeto(dark, np.full((8, 8), 500, np.float32), fits.Header({"DARKBIAS": True}))
    ...     done = calibrate_file(light, out, dark=dark, egain=1.5, read_noise_e=3.0)
    ...     print(done.calstat, fits.getdata(out)[0, 0])
    BD 200.0
    """
    paths = {"bias": bias, "dark": dark, "flat": flat}
    given = {place: path for place, path in paths.items() if path is not None}
    _require_other(out, [light, *given.values(), *([] if bad_pixels is None else [bad_pixels])])
    told = told or Told({place: path.name for place, path in given.items()})
    with ExitStack() as stack:
        pixels, header = stack.enter_context(open_light(light, pedestal=pedestal))
        opened = stack.enter_context(open_masters(given))
        _require_same_way_up(header, opened)
        mapped = None if bad_pixels is None else stack.enter_context(open_map(bad_pixels))
        masters = Masters(**opened, bad_pixels=_bad(mapped, bad_pixel_list, pixels.shape, sensor))
        known = fact(egain, header, opened, "EGAIN")
        gain = known or ASSUMED_EGAIN
        noise = fact(read_noise_e, header, opened, "RDNOISE") or scatter(masters) * gain
        how = How(gain, noise, dark_scale, bias_level, saturation, bayer)
        job = job_of(pixels, masters, how)
        begun = CalibratedFile(out, masters.calstat, 0, 0, 0, how.egain, noise, known is None)
        cards = _Cards(header, told, how, cosmics=cosmics)
        return _whole(job, masters, begun, cards) if cosmics else _tiled(job, begun, cards)


def _require_other(out: Path, inputs: list[Path]) -> None:
    """Refuse to write over what is read."""
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise ImagingError(f"{out.name} would be written over {path.name}; name another file", reason="same-file")


def _require_same_way_up(light: fits.Header, masters: Mapping[str, OpenMaster]) -> None:
    """Refuse a master whose rows are stored the other way round, where both say how; its pixels are others."""
    order = str(light.get("ROWORDER", "")).strip().upper()
    for place, master in masters.items():
        other = str(master.header.get("ROWORDER", "")).strip().upper()
        if order and other and order != other:
            told = f"the rows of the light are stored {order}, those of the master {place} {other}: it is upside down"
            raise ImagingError(f"{told}; take {place} frames with the program that takes the lights", reason="flipped")


@contextmanager
def open_light(path: Path, *, pedestal: float = 0.0) -> Iterator[tuple[Rows, fits.Header]]:
    """Open a light; integers of a camera stay in their file, everything else is read whole."""
    layout = None if pedestal else plain_layout(path)
    if layout is not None:
        with path.open("rb") as file:
            yield Stored(path.name, file, layout.offset, layout.shape, np.uint16), read_header(path)
        return
    frame = read_frame(path)
    data = frame.data[0] if frame.data.ndim == 3 and len(frame.data) == 1 else frame.data
    if data.ndim != 2:
        raise FrameMismatchError(f"the light has {len(data)} colour planes; masters fit one")
    yield real(data - np.float32(pedestal) if pedestal else data), frame.header


def _bad(mapped: Rows | None, listed: str | None, shape: tuple[int, int], sensor: tuple[int, int, int]) -> Rows | None:
    """Join the map that came with the dark and the list a person keeps; a map of another shape counts as before."""
    if not listed:
        return mapped
    drawn = parse_bad_pixels(listed).draw(shape, binning=sensor[0], origin=sensor[1:])
    if mapped is None:
        return Held(drawn)
    if mapped.shape == shape:
        drawn |= (mapped.read(0, shape[0], Room(), "map") != 0).view(np.uint8)
    return Held(drawn) if mapped.shape == shape else mapped


def fact(given: float | None, header: fits.Header, masters: Mapping[str, OpenMaster], key: str) -> float | None:
    """Take a detector fact as given, else from the light, else from a master."""
    found = [given, header.get(key), *(master.header.get(key) for master in masters.values())]
    numbers = [float(value) for value in found if isinstance(value, int | float) and value > 0]
    return numbers[0] if numbers else None


def scatter(masters: Masters) -> float:
    """Return what one exposure of the bias, else of the dark, scatters by, in ADU; 0 where neither tells."""
    for master in (masters.bias, masters.dark):
        count = 0 if master is None else master.header.get("NCOMBINE", 0)
        if master is None or master.err is None or not isinstance(count, int) or count < 2:
            continue
        by_median = str(master.header.get("COMBMETH", "")).strip() == Method.MEDIAN
        penalty = float(median_penalty(np.array([count], np.float32))[0]) if by_median else 1.0
        found = float(np.median(sampled(master.err))) * math.sqrt(count / penalty)
        if 0 < found < math.inf:
            return found
    return 0.0


@dataclass(frozen=True, slots=True)
class _Cards:
    """What the header of a calibrated light is made of."""

    light: fits.Header
    told: Told
    how: How
    cosmics: bool = False

    def of(self, found: CalibratedFile) -> fits.Header:
        """Extend the header of the light by what was applied."""
        return calibrated_header(self.light, self.told, self.how, found, cosmics=self.cosmics)


def _tiled(job: Job, begun: CalibratedFile, cards: _Cards) -> CalibratedFile:
    """Calibrate tile by tile; two threads take one part of the frame after the other, each with memory of its own."""
    tiles, rooms = tiles_of(job.shape), [Room(), Room()]
    size = max(1, math.ceil(len(tiles) / PARTS))

    def work(start: int) -> tuple[int, int]:
        room = rooms.pop()
        try:
            return _work(job, tiles[start : start + size], room, file, bayer=cards.how.bayer)
        finally:
            rooms.append(room)

    header = cards.of(begun)
    with PlaneFile(begun.path, header, PLANES, job.shape) as file, ThreadPoolExecutor(2) as pool:
        repaired, left = map(sum, zip(*pool.map(work, range(0, len(tiles), size)), strict=True))
        header["BPIXNFIX"], header["BPIXNREM"] = repaired, left
        file.finish(header)
    return replace(begun, repaired=repaired, left=left)


def _work(job: Job, tiles: list[tuple[int, int]], room: Room, file: PlaneFile, *, bayer: bool) -> tuple[int, int]:
    """Calibrate, repair and write tiles that follow each other, each with the rows beyond it that a repair looks at.

    The last rows of a tile are kept for the next, as they were before the repair.
    """
    reach, (ny, nx) = halo(bayer=bayer), job.shape
    repaired = left = 0
    kept = _tile(room, "kept", 0, nx)
    for first, last in tiles:
        top, bottom, known = max(0, first - reach), min(ny, last + reach), len(kept.sci)
        tile = _tile(room, "", bottom - top, nx)
        tile.rows(0, known).take(kept)
        if top + known < bottom:
            job.fill(top + known, bottom, room, tile.rows(known, bottom - top))
        overlap = tile.rows(max(0, last - reach) - top, bottom - top)
        kept = _tile(room, "kept", len(overlap.sci), nx)
        kept.take(overlap)
        inner = first - top, last - top
        fixed, unfixed = repair_rows(tile.sci, tile.err, tile.mask, *inner, 2 if bayer else 1, REACH)
        repaired, left = repaired + fixed, left + unfixed
        _put(tile, slice(*inner), first, file)
    return repaired, left


def _tile(room: Room, name: str, rows: int, nx: int) -> Tile:
    """Take memory for some rows of all three planes."""
    sci, err = (room.take(name + plane, 4 * rows * nx).view(np.float32).reshape(-1, nx) for plane in ("sci", "err"))
    return Tile(sci, err, room.take(name + "out mask", rows * nx).reshape(-1, nx))


def _put(tile: Tile, inner: slice, first: int, file: PlaneFile) -> None:
    """Write the rows of a tile in the byte order of the file."""
    for number, plane in enumerate((tile.sci, tile.err)):
        words = plane[inner].view(np.uint32).reshape(-1)
        file.put(number, first, words, fold(int(seal(words))))
    mask = tile.mask[inner].reshape(-1)
    file.put(2, first, mask, fold(int(sum_words(_whole_words(mask)))))


def _whole_words(mask: Mask) -> NDArray[np.uint32]:
    """View bytes as words; the last ones of a file are filled up with zeros."""
    return (mask if mask.size % 4 == 0 else np.pad(mask, (0, -mask.size % 4))).view(np.uint32)


def _whole(job: Job, masters: Masters, begun: CalibratedFile, cards: _Cards) -> CalibratedFile:
    """Calibrate in memory: hits are looked for in the whole frame."""
    done = finished(job, masters, cards.how, cosmics=True)
    found = replace(begun, repaired=done.repaired, left=done.left, cleaned=done.cleaned)
    planes = [
        Plane("SCI", "f4", lambda rows: done.sci[rows]),
        Plane("ERR", "f4", lambda rows: done.err[rows]),
        Plane("MASK", "u1", lambda rows: done.mask[rows]),
    ]
    write_planes(begun.path, cards.of(found), planes, job.shape)
    return found
