"""Combine any frames in files, pixel by pixel, without asking what they are."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.calibration.planes import Plane, write_planes
from pictor.imaging.combine.combining import Combined, combine
from pictor.imaging.combine.levels import factors_of, level_of
from pictor.imaging.combine.method import Method, Scaling
from pictor.imaging.combine.noise import NoiseModel
from pictor.imaging.combine.sampling import frame_levels, least_variance, pair_variance, sample
from pictor.imaging.combine.sources import Sources
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import read_header
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.frame import BAD, HIT, NO_DATA, Frame, unit_of
from pictor.imaging.pixels import step_of
from pictor.imaging.scratch import scratch_folder

UNUSED = BAD | HIT | NO_DATA
"""Bits of the mask whose samples do not count."""


@dataclass(frozen=True)
class PlainStack:
    """Frames combined, what each was multiplied by, shape (n,), and the unit they share."""

    combined: Combined
    factors: NDArray[np.float64]
    unit: str


def combine_plain(
    paths: Sequence[Path],
    *,
    method: Method = Method.SIGMA_CLIP,
    sigma: float = 3.0,
    iterations: int = 5,
    scale: Scaling = Scaling.NONE,
    egain: float | None = None,
    scratch: Path | None = None,
) -> PlainStack:
    """Combine frames of any kind in files, tile by tile; memory does not grow with their number.

    The estimator is that of `pictor.imaging.combine.combining.combine`. The noise is measured from differences of
    neighbouring frames, so that it holds for the empty parts; with ``egain`` brighter pixels get their photon noise.

    Parameters
    ----------
    paths
        FITS frames of equal shape (ny, nx) and unit, at most 255. Samples that are no numbers do not count, nor do
        those a MASK plane calls bad, hit by a cosmic ray or without data.
    method, sigma, iterations
        How samples are combined, and the clipping about their median.
    scale
        Whether frames are brought to one mean or median level first, that of their mean.
    egain
        Conversion gain, in electrons per ADU; None: photon noise of bright pixels is not known.
    scratch
        Folder for decoded copies.

    Returns
    -------
    PlainStack
        Planes in the unit of the frames.

    Raises
    ------
    FrameMismatchError
        If the frames differ in shape or unit.
    ImagingError
        If there are no frames or too many, or one cannot be scaled because its level is not above zero.
    """
    with scratch_folder(scratch) as folder, _ready(paths, folder) as (files, unit):
        with Sources(files, scratch=folder) as sources:
            levels = np.array([_level(sources, i, scale) for i in range(len(files))])
            factors = factors_of(levels)
            samples = sample(sources)
            step = step_of(samples[0])
        samples *= factors[:, None, None].astype(np.float32)
        floor = max(pair_variance(samples, np.square(factors), step=step), least_variance(samples[0], step))
        pedestal = float(np.median(frame_levels(samples))) if egain else 0.0
        noise = NoiseModel(floor, 1.0 / egain if egain else 0.0, pedestal)
        done = combine(
            files, method=method, sigma=sigma, iterations=iterations, noise=noise,
            scale=None if scale is Scaling.NONE else factors, scratch=folder,
        )  # fmt: skip
    return PlainStack(done, factors, unit)


def write_plain(path: Path, stack: PlainStack, header: fits.Header) -> None:
    """Write combined frames as planes SCI, ERR, MASK and NUSED.

    Parameters
    ----------
    path
        File to write; one that is there is replaced.
    stack
        What was combined.
    header
        Cards of the primary header.
    """
    done = stack.combined
    planes = [
        Plane("SCI", "f4", lambda rows: done.sci[rows]),
        Plane("ERR", "f4", done.err_of),
        Plane("MASK", "u1", lambda rows: done.mask[rows]),
        Plane("NUSED", "u1", lambda rows: done.nused[rows]),
    ]
    write_planes(path, header, planes, (done.sci.shape[0], done.sci.shape[1]))


def _level(sources: Sources, index: int, scale: Scaling) -> float:
    if scale is Scaling.NONE:
        return 1.0
    return level_of(sources.read_reals(index, 0, sources.shape[0]), scale, name=sources.frames[index].name)


@contextmanager
def _ready(paths: Sequence[Path], folder: Path) -> Iterator[tuple[list[Path], str]]:
    """Unpack what is packed, take masked samples out of what has a mask, and hold the units together."""
    if not paths:
        raise ImagingError("no frames were given to combine", reason="no-frames")
    files, units = [], []
    for number, path in enumerate(paths):
        room = folder / f"{number:04d}"
        room.mkdir()
        plain = unpack(path, room).path
        units.append(unit_of(read_header(plain)))
        files.append(_without_masked(plain, room / path.name))
        if units[-1] != units[0]:
            raise FrameMismatchError(
                f"{path.name} is in {units[-1] or 'no unit'}, {paths[0].name} in {units[0] or 'no unit'}",
                reason="units",
            )
    yield files, units[0]


def _without_masked(path: Path, target: Path) -> Path:
    """Copy a frame that has a mask, with NaN where a sample does not count; leave all others where they are."""
    if len(prescan_file(path).hdus) < 2:
        return path
    frame = Frame.from_fits(path)
    if frame.mask is None or not (frame.mask & UNUSED).any():
        return path
    values = frame.real()
    values[..., (frame.mask & UNUSED) != 0] = np.nan
    fits.writeto(target, values.astype(np.float32))
    return target
