"""The detector diary: what each new master and its frames measure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pictor.imaging.calibration.building import Built, Recipe
from pictor.imaging.calibration.masters import Kind
from pictor.imaging.calibration.measuring import BLOCK, MOST_BLOCKS, conversion_gain, dark_current, read_noise_adu
from pictor.imaging.combine.flats import central_quarter
from pictor.imaging.combine.sources import Sources
from pictor.imaging.errors import ImagingError
from pictor.imaging.pixels import Pixels, as_pixels
from pictor.imaging.types import Image, Rowed


@dataclass(frozen=True, slots=True)
class DetectorFacts:
    """Measured values; None where this kind of frame does not tell."""

    read_noise_adu: float | None = None
    read_noise_e: float | None = None
    egain: float | None = None
    dark_current_e_per_s: float | None = None
    hot_pixels: int | None = None


def detector_facts(
    paths: Sequence[Path],
    built: Built,
    recipe: Recipe,
    *,
    dark: Rowed | None = None,
    exposure_s: float | None = None,
    scratch: Path | None = None,
) -> DetectorFacts:
    """Measure what the frames of a master tell about the detector.

    Parameters
    ----------
    paths
        Individual frames; strips of the central quarters of the first two are the pair.
    built, recipe
        The master made of them and how.
    dark
        Dark of the flats, shape (ny, nx), in ADU.
    exposure_s
        Exposure of the darks, in seconds.
    scratch
        Folder for decoded copies.

    Returns
    -------
    DetectorFacts
        Read noise from bias, gain from flats, dark current and hot pixels from darks.
    """
    if recipe.kind in {Kind.DARK, Kind.FLAT_DARK}:
        found = dark_current(
            built.combined.sci, bias_level=recipe.bias_level, egain=recipe.egain, exposure_s=exposure_s
        )
        return DetectorFacts(dark_current_e_per_s=found.electrons_per_s, hot_pixels=found.hot_pixels)
    if len(paths) < 2:
        return DetectorFacts()
    with Sources(list(paths[:2]), scratch=scratch) as sources:
        parts, columns = _strips(sources.shape, 2 if recipe.bayer else 1)
        one, two = (_pixels(sources, index, parts, columns) for index in (0, 1))
    if recipe.kind is Kind.BIAS:
        noise = read_noise_adu(one, two)
        return DetectorFacts(read_noise_adu=noise, read_noise_e=noise * recipe.egain if recipe.egain else None)
    known = (recipe.read_noise_e or 0.0) / recipe.egain if recipe.egain else 0.0
    below = np.broadcast_to(np.float32(0), one.shape)
    if dark is not None:
        below = np.concatenate([dark[rows][:, columns] for rows in parts])
    return DetectorFacts(egain=_gain(one, two, below, known, bayer=recipe.bayer))


def _gain(one: Pixels, two: Pixels, dark: Image, read_noise: float, *, bayer: bool) -> float | None:
    """Measure the gain; under a Bayer pattern each colour by itself, for levels must not mix, then their mean."""
    starts = [(0, 0), (0, 1), (1, 0), (1, 1)] if bayer else [(0, 0)]
    step, found = 2 if bayer else 1, []
    for y, x in starts:
        part = slice(y, None, step), slice(x, None, step)
        try:
            found.append(conversion_gain(one[part], two[part], dark=dark[part], read_noise=read_noise))
        except ImagingError:
            continue
    return float(np.mean(found)) if found else None


def _strips(shape: tuple[int, int], step: int) -> tuple[list[slice], slice]:
    """Choose strips of the central quarter with as many blocks of each colour as are looked at, and its columns."""
    rows, columns = central_quarter(shape)
    height, across = BLOCK * step, max(1, (columns.stop - columns.start) // (BLOCK * step))
    there, wanted = (rows.stop - rows.start) // height, -(-MOST_BLOCKS // across)
    if there <= wanted:
        return [rows], columns
    starts = np.linspace(0, there - 1, wanted).astype(np.int64) * height + rows.start
    return [slice(int(first), int(first) + height) for first in starts], columns


def _pixels(sources: Sources, index: int, parts: Sequence[slice], columns: slice) -> Pixels:
    """Read strips of one frame, one below the other."""
    return as_pixels(np.concatenate([sources.read_box(index, rows)[:, columns] for rows in parts]))
