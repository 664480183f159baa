"""From individual frames to a master and the numbers its gate needs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.calibration.agreement import Agreement, Look
from pictor.imaging.calibration.masters import Kind
from pictor.imaging.calibration.planes import Plane, write_planes
from pictor.imaging.calibration.saturation import mark_saturated
from pictor.imaging.combine.combining import Combined, combine
from pictor.imaging.combine.flats import flat_levels, flat_variance, normalise
from pictor.imaging.combine.method import Method
from pictor.imaging.combine.noise import QUANTISATION_VARIANCE, NoiseModel
from pictor.imaging.combine.sampling import levels_and_variance
from pictor.imaging.combine.sources import Sources, shape_of
from pictor.imaging.types import Rowed

AGREEMENT = 1.25
"""Noise from the header and noise seen between frames may differ by this factor before the seen one is used."""

DRIFT = 0.5
"""Levels that differ by more than this share of the noise are aligned before clipping."""

SPLIT_PIXELS = 3_000_000
"""Pixels the split-half test looks at, in strips of whole blocks spread over the frame."""

STRIP = 32


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to build one master."""

    kind: Kind
    method: Method = Method.SIGMA_CLIP
    sigma: float = 3.0
    iterations: int = 5
    bayer: bool = False
    read_noise_e: float | None = None
    egain: float | None = None
    bias_level: float | None = None
    saturation: float | None = None


@dataclass(frozen=True)
class Preparation:
    """What a first look at the frames settles: noise, scale and offset of each, and their levels."""

    noise: NoiseModel
    levels: NDArray[np.float64]
    scale: NDArray[np.float64] | None
    offset: NDArray[np.float64] | None
    noise_ratio: float | None
    noise_source: str

    @property
    def seen(self) -> NoiseModel:
        """The noise the frames really have, where that of the detector was used."""
        factor = self.noise_ratio**2 if self.noise_source == "detector" and self.noise_ratio else 1.0
        return replace(self.noise, floor=self.noise.floor * factor, slope=self.noise.slope * factor)

    def look(self, shape: tuple[int, int], count: int) -> Look:
        """Prepare to look at so many frames while they are combined."""
        scale = np.ones(count) if self.scale is None else self.scale.mean(axis=(1, 2))
        return Look(shape, scale, self.seen)


@dataclass(frozen=True)
class Built:
    """A combined master; a flat is relative to 1, and so is its error.

    ``flat_levels`` were divided out, by parity of row and column; ``dark_err`` is that of the dark subtracted, in ADU.
    """

    combined: Combined
    preparation: Preparation
    agreement: Agreement
    flat_levels: NDArray[np.float64] | None = None
    dark_err: Rowed | None = None

    @property
    def flat_level(self) -> float | None:
        """Mean level of a flat before it was brought to 1, in ADU."""
        return None if self.flat_levels is None else float(self.flat_levels.mean())

    @property
    def err(self) -> NDArray[np.float32]:
        """Error plane, shape (ny, nx)."""
        return self.err_rows(slice(0, self.combined.sci.shape[0]))

    def err_rows(self, rows: slice) -> NDArray[np.float32]:
        """Make some rows of the error plane, from an even one on, in the unit of the master."""
        if self.flat_levels is None:
            return self.combined.err_of(rows)
        levels = self.flat_levels.astype(np.float32)
        err = self.combined.err_of(rows, levels=levels)
        if self.dark_err is not None:
            np.hypot(err, self.dark_err[rows], out=err)
        if np.ptp(levels) > 0:
            err /= levels[np.arange(rows.start, rows.stop)[:, None] & 1, np.arange(err.shape[1]) & 1]
        else:
            err /= levels[0, 0]
        return err


def prepare(paths: Sequence[Path], recipe: Recipe, *, dark: Rowed | None, scratch: Path | None = None) -> Preparation:
    """Measure levels and noise; decide scales (flats) or offsets (drifting bias and darks).

    Parameters
    ----------
    paths
        Individual frames of one group, shape (ny, nx).
    recipe
        Kind and what is known of the detector.
    dark
        Subtracted from flats, shape (ny, nx), in ADU; None otherwise.
    scratch
        Folder for decoded copies.

    Returns
    -------
    Preparation
        The noise model of an unscaled sample and what to do to each frame.

    Raises
    ------
    ImagingError
        If a flat holds no light.
    """
    with Sources(list(paths), scratch=scratch) as sources:
        if recipe.kind is not Kind.FLAT:
            return _prepare_dark(sources, recipe)
        return _prepare_flat(sources, recipe, dark)


def _prepare_flat(sources: Sources, recipe: Recipe, dark: Rowed | None) -> Preparation:
    """Flats: bring every frame to one level; noise is measured in the central quarter, where the levels are."""
    levels = flat_levels(sources, dark, bayer=recipe.bayer)
    scale = levels.mean(axis=0) / levels
    seen = flat_variance(sources, dark, scale)
    noise, ratio, source = _flat_noise(recipe, seen, float(levels.mean()))
    return Preparation(noise, levels.mean(axis=(1, 2)), scale, None, ratio, source)


def _prepare_dark(sources: Sources, recipe: Recipe) -> Preparation:
    """Bias and darks: levels should agree; where they drift they are aligned."""
    levels, variance = levels_and_variance(sources)
    seen = max(variance, QUANTISATION_VARIANCE)
    level = float(levels.mean())
    noise, ratio, source = _dark_noise(recipe, seen, level, single=len(levels) < 2)
    drift = level - levels
    offset = drift if np.abs(drift).max() > DRIFT * np.sqrt(noise.floor) else None
    return Preparation(noise, levels, None, offset, ratio, source)


def _dark_noise(recipe: Recipe, seen: float, level: float, *, single: bool) -> tuple[NoiseModel, float | None, str]:
    """Choose between the noise the detector is said to have and the noise seen.

    Where the bias under a dark is not known, the noise beyond read noise is that of dark current and tells how far the
    level lies above the bias.
    """
    slope = 1.0 / recipe.egain if recipe.egain and recipe.kind is not Kind.BIAS else 0.0
    if recipe.read_noise_e is None or not recipe.egain:
        return NoiseModel(seen, slope, level), None, "measured"
    floor = NoiseModel.from_detector(read_noise_e=recipe.read_noise_e, egain=recipe.egain).floor
    pedestal = level if recipe.bias_level is None else recipe.bias_level
    if recipe.bias_level is None and slope > 0 and not single:
        pedestal -= max(seen - floor, 0.0) / slope
    told = NoiseModel(floor, slope, pedestal)
    ratio = float(np.sqrt(seen / (floor + slope * max(level - pedestal, 0.0))))
    if single or 1 / AGREEMENT <= ratio <= AGREEMENT:
        return told, ratio, "detector"
    return NoiseModel(seen, slope, level), ratio, "measured"


def _flat_noise(recipe: Recipe, seen: float, level: float) -> tuple[NoiseModel, float | None, str]:
    """Flats are photon noise: without a gain all of the noise seen is taken as such."""
    photon = NoiseModel(QUANTISATION_VARIANCE, max(seen - QUANTISATION_VARIANCE, 0.0) / level)
    if not recipe.egain:
        return photon, None, "measured"
    told = NoiseModel.from_detector(read_noise_e=recipe.read_noise_e or 0.0, egain=recipe.egain)
    ratio = float(np.sqrt(seen / (told.floor + told.slope * level))) if seen > 0 else None
    if ratio is None or 1 / AGREEMENT <= ratio <= AGREEMENT:
        return told, ratio, "detector"
    return photon, ratio, "measured"


def build(
    paths: Sequence[Path],
    recipe: Recipe,
    *,
    dark: Rowed | None = None,
    dark_err: Rowed | None = None,
    scratch: Path | None = None,
) -> Built:
    """Build a master from individual frames.

    Parameters
    ----------
    paths
        Individual frames of one group, shape (ny, nx).
    recipe
        Kind, estimator and what is known of the detector.
    dark, dark_err
        For flats: the master dark with bias inside, and its error, shape (ny, nx), in ADU.
    scratch
        Folder for decoded copies.

    Returns
    -------
    Built
        Planes, levels and how every frame lies about the combined one.

    Raises
    ------
    FrameMismatchError
        If shapes differ.
    ImagingError
        If there are no frames, too many, or a flat holds no light.
    """
    ready = prepare(paths, recipe, dark=dark, scratch=scratch)
    look = ready.look(shape_of(paths[0]), len(paths))
    whole = combine_some(paths, recipe, ready, slice(None), dark=dark, scratch=scratch, watch=look)
    if recipe.kind is not Kind.FLAT:
        return Built(whole, ready, look.found)
    if recipe.saturation is not None and ready.scale is not None:
        mark_saturated(whole, recipe.saturation, ready.scale, dark)
    levels = normalise(whole.sci, whole.mask, bayer=recipe.bayer)
    return Built(whole, ready, look.found, levels, dark_err)


def combine_some(
    paths: Sequence[Path], recipe: Recipe, ready: Preparation, chosen: slice, *, dark: Rowed | None,
    scratch: Path | None, rows: list[tuple[int, int]] | None = None, watch: Look | None = None,
) -> Combined:  # fmt: skip
    """Combine some of the frames as all of them are to be combined."""
    return combine(
        paths[chosen], method=recipe.method, sigma=recipe.sigma, iterations=recipe.iterations, noise=ready.noise,
        scale=None if ready.scale is None else ready.scale[chosen],
        offset=None if ready.offset is None else ready.offset[chosen],
        dark=dark, saturation=None if recipe.kind is Kind.FLAT else recipe.saturation, rows=rows, scratch=scratch,
        watch=watch,
    )  # fmt: skip


def strips(ny: int, nx: int) -> list[tuple[int, int]]:
    """Choose strips of whole blocks, at most SPLIT_PIXELS, spread over the frame with both ends."""
    whole = max(1, ny // STRIP)
    wanted = int(np.clip(SPLIT_PIXELS // (STRIP * nx), 1, whole))
    chosen = np.unique(np.linspace(0, whole - 1, wanted).astype(int))
    return [(int(k) * STRIP, min(ny, (int(k) + 1) * STRIP)) for k in chosen]


def write_built(path: Path, built: Built, header: fits.Header) -> None:
    """Write a new master; its error plane is made on the way to the disk."""
    combined = built.combined
    planes = [
        Plane("SCI", "f4", lambda rows: combined.sci[rows]),
        Plane("ERR", "f4", built.err_rows),
        Plane("MASK", "u1", lambda rows: combined.mask[rows]),
        Plane("NUSED", "u1", lambda rows: combined.nused[rows]),
    ]
    write_planes(path, header, planes, (combined.sci.shape[0], combined.sci.shape[1]))
