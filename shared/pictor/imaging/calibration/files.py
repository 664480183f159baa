"""Calibrate a light from file to file: read, computed and written tile by tile."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from pictor.imaging.calibration.badlist import parse_bad_pixels
from pictor.imaging.calibration.calibrating import finished
from pictor.imaging.calibration.jobs import How, Masters, job_of
from pictor.imaging.calibration.lightcards import CalibratedFile, Told
from pictor.imaging.calibration.opened import OpenMaster, open_map, open_masters, real
from pictor.imaging.calibration.planes import Plane, write_planes
from pictor.imaging.calibration.rows import Held, Room, Rows, Stored, sampled
from pictor.imaging.calibration.tiling import Cards, Work, calibrate_tiled
from pictor.imaging.combine.combining import median_penalty
from pictor.imaging.combine.method import Method
from pictor.imaging.combine.sources import plain_layout
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.fits.reading import read_frame, read_header

ASSUMED_EGAIN = 1.0
"""Without any conversion gain the error plane is in the shape of photon noise only; the header says so."""


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
    masters = {"bias": bias, "dark": dark, "flat": flat}
    order = Order(
        light, out, {place: path for place, path in masters.items() if path is not None}, bad_pixels, bad_pixel_list,
        egain, read_noise_e, bias_level, saturation, dark_scale, bayer, cosmics, sensor, pedestal, told,
    )  # fmt: skip
    return calibrate_files([order])[0]


@dataclass(frozen=True, slots=True)
class Order:
    """A light to be calibrated and all that is known of it; see `calibrate_file`. ``masters`` are paths by place."""

    light: Path
    out: Path
    masters: Mapping[str, Path]
    bad_pixels: Path | None = None
    bad_pixel_list: str | None = None
    egain: float | None = None
    read_noise_e: float | None = None
    bias_level: float | None = None
    saturation: float | None = None
    dark_scale: float = 1.0
    bayer: bool = False
    cosmics: bool = False
    sensor: tuple[int, int, int] = (1, 0, 0)
    pedestal: float = 0.0
    told: Told | None = None


def calibrate_files(orders: Sequence[Order]) -> list[CalibratedFile]:
    """Calibrate lights as `calibrate_file` does, side by side: masters that several of them have are read once.

    Parameters
    ----------
    orders
        The lights. Memory grows by 5 MiB with each.

    Returns
    -------
    list of CalibratedFile
        What was done, in the order of the lights.

    Raises
    ------
    UnreadableFrameError, FrameMismatchError, ImagingError
        As for `calibrate_file`; what was written of the others is not whole then.
    """
    with ExitStack() as stack:
        works = [_work(order, stack) for order in orders]
        if len({work.job.shape for work in works}) == 1 and not any(work.cards.cosmics for work in works):
            return calibrate_tiled(works)
        return [_whole(work) if work.cards.cosmics else calibrate_tiled([work])[0] for work in works]


def _work(order: Order, stack: ExitStack) -> Work:
    """Open a light and its masters, and settle what is done."""
    bad = order.bad_pixels
    _require_other(order.out, [order.light, *order.masters.values(), *([] if bad is None else [bad])])
    pixels, header = stack.enter_context(open_light(order.light, pedestal=order.pedestal))
    opened = stack.enter_context(open_masters(order.masters))
    _require_same_way_up(header, opened)
    mapped = None if bad is None else stack.enter_context(open_map(bad))
    masters = Masters(**opened, bad_pixels=_bad(mapped, order.bad_pixel_list, pixels.shape, order.sensor))
    known = fact(order.egain, header, opened, "EGAIN")
    gain = known or ASSUMED_EGAIN
    per_unit = gain * _adu_of(pixels, header)
    noise = fact(order.read_noise_e, header, opened, "RDNOISE") or scatter(masters) * per_unit
    how = How(per_unit, noise, order.dark_scale, order.bias_level, order.saturation, order.bayer)
    begun = CalibratedFile(order.out, masters.calstat, 0, 0, 0, gain, noise, known is None)
    told = order.told or Told({place: path.name for place, path in order.masters.items()})
    return Work(job_of(pixels, masters, how), masters, begun, Cards(header, told, how, cosmics=order.cosmics))


def _adu_of(light: Rows, header: fits.Header) -> float:
    """Tell how many ADU one unit of a light is; what stays in its file is in ADU."""
    if not isinstance(light, Held):
        return 1.0
    from pictor.imaging.calibration.noise import adu_per_unit  # noqa: PLC0415 - lights of cameras need none
    from pictor.imaging.frame import Frame, unit_of  # noqa: PLC0415 - as above

    return adu_per_unit(Frame(light.data, unit=unit_of(header)))


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


def _whole(work: Work) -> CalibratedFile:
    """Calibrate in memory: hits are looked for in the whole frame."""
    done = finished(work.job, work.masters, work.cards.how, cosmics=True)
    found = replace(work.begun, repaired=done.repaired, left=done.left, cleaned=done.cleaned)
    planes = [
        Plane("SCI", "f4", lambda rows: done.sci[rows]),
        Plane("ERR", "f4", lambda rows: done.err[rows]),
        Plane("MASK", "u1", lambda rows: done.mask[rows]),
    ]
    write_planes(found.path, work.cards.of(found), planes, work.job.shape)
    return found
