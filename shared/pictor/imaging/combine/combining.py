"""Combine frames pixel by pixel, tile by tile, with memory that does not grow with their number."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.errors import error_rows
from pictor.imaging.combine.method import MAX_FRAMES, Method
from pictor.imaging.combine.noise import NoiseModel
from pictor.imaging.combine.sampling import least_variance, pair_variance, sample
from pictor.imaging.combine.sources import Sources
from pictor.imaging.combine.tiles import Plan, Planes, Watch, run
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.pixels import step_of
from pictor.imaging.types import Mask, Rowed

LEAST_TO_REJECT = 3
"""Of two samples nobody can say which is wrong."""


METHOD_CODE = {Method.MEAN: 0, Method.MEDIAN: 1, Method.SIGMA_CLIP: 2}


@dataclass(frozen=True, slots=True)
class Statistics:
    """What happened to the samples."""

    frames: int
    samples: int
    rejected: int
    rejected_by_frame: tuple[int, ...]
    can_reject: bool
    note: str

    @property
    def rejected_share(self) -> float:
        """Rejected samples as a share of all."""
        return self.rejected / self.samples if self.samples else 0.0


@dataclass(frozen=True)
class Combined:
    """One combined frame; planes have shape (ny, nx).

    ``sci`` is in ADU (times the scale asked for), ``nused`` tells how many samples each value rests on, ``mask`` has
    bit 2 where all of them were saturated and 16 where there was none (``sci`` is 0 there).
    """

    sci: NDArray[np.float32]
    mask: Mask
    nused: NDArray[np.uint8]
    statistics: Statistics
    method: Method
    noise: NoiseModel
    scale: float = 1.0
    variance_scale: float = 1.0

    @property
    def err(self) -> NDArray[np.float32]:
        """Standard deviation of ``sci`` from the noise model and the samples used; infinite where there was none."""
        return self.err_of(slice(None))

    def err_of(self, rows: slice, *, levels: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Return the error plane of some rows, in ADU.

        ``levels`` are what ``sci`` was divided by since, by parity of row and column, shape (2, 2), in ADU; then the
        first row is an even one.
        """
        sci, noise, penalty = self.sci[rows], self.noise, np.empty(0, np.float32)
        model = np.array(
            [self.variance_scale * noise.floor, self.scale * noise.slope, noise.pedestal * self.scale], np.float32
        )
        if self.method is Method.MEDIAN:
            penalty = median_penalty(np.arange(MAX_FRAMES + 1, dtype=np.float32))
        ones, err = np.ones((2, 2), np.float32), np.empty(sci.shape, np.float32)
        error_rows(sci, self.nused[rows], ones if levels is None else levels, model, penalty, err)
        return err


def median_penalty(n: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the variance of the median of ``n`` normal samples over that of their mean.

    Exact for one and two samples, of which the median is the mean; pi / 2 for many; within 3 % between.
    """
    some = np.maximum(n, np.float32(1))
    least = np.float32(np.pi / 2 - 1) * (2 - np.remainder(some, 2, dtype=np.float32))
    penalty: NDArray[np.float32] = np.divide(some, some + least, dtype=np.float32)
    penalty *= np.float32(np.pi / 2)
    return penalty


def combine(
    paths: Sequence[Path],
    *,
    method: Method = Method.SIGMA_CLIP,
    sigma: float = 3.0,
    iterations: int = 5,
    noise: NoiseModel | None = None,
    scale: NDArray[np.floating] | None = None,
    offset: NDArray[np.floating] | None = None,
    dark: Rowed | None = None,
    saturation: float | None = None,
    rows: Sequence[tuple[int, int]] | None = None,
    scratch: Path | None = None,
    watch: Watch | None = None,
) -> Combined:
    """Combine frames of one kind into one.

    Sigma clipping is centred on the median; its scale is the larger of 1.4826 times the median absolute deviation and
    the noise the detector must have, so that it rejects a single hit from three frames on and does not eat good samples
    where quantisation makes the deviation zero [1]_. It iterates to convergence, at most ``iterations`` times, and
    returns the mean of the survivors. The result does not depend on the number of threads.

    Parameters
    ----------
    paths
        FITS frames of equal shape (ny, nx), at most 255.
    method, sigma, iterations
        The estimator; the latter two for sigma clipping only.
    noise
        Noise of one unscaled sample, in ADU. None: a constant measured from differences of neighbouring frames.
    scale, offset
        Each frame becomes ``(value - dark) * scale + offset``; ``scale`` has shape (n,) or, by parity of row and
        column for Bayer frames, (n, 2, 2); ``offset`` (n,). The noise is scaled with the frame.
    dark
        Subtracted from every frame, shape (ny, nx), in ADU.
    saturation
        Level, after scaling, from which a pixel is marked saturated.
    rows
        Combine only these ranges (first, end), each starting at an even row; the result holds them one below the other.
    scratch
        Folder for the decoded copies of frames in other encodings.
    watch
        Shown the samples of every tile, scaled, and what was combined of them, while they are at hand.

    Returns
    -------
    Combined
        Science, mask and count planes; the error plane is made on demand.

    Raises
    ------
    FrameMismatchError
        If the frames or the dark differ in shape.
    ImagingError
        If there are no frames or too many.

    References
    ----------
    .. [1] Huber P. J., 1981, Robust Statistics, Wiley: the median and its absolute deviation.
    """
    _check(paths, sigma, iterations)
    with Sources(list(paths), scratch=scratch) as sources:
        if dark is not None and dark.shape != sources.shape:
            raise FrameMismatchError(f"the dark has shape {dark.shape}, the frames {sources.shape}")
        factors, shifts = _scales(len(paths), scale), _offsets(len(paths), offset)
        if noise is None:
            noise = measured_noise(sources)
        rule = np.array([sigma, iterations, noise.floor, noise.slope, noise.pedestal])
        level = np.inf if saturation is None else saturation
        plan = Plan(sources, METHOD_CODE[method], rule, factors, shifts, dark, level)
        done = run(plan, rows or [(0, sources.shape[0])], watch)
    return Combined(
        done.sci, done.mask, done.nused, _statistics(done, method), method, noise,
        scale=float(factors.mean()), variance_scale=float(np.square(factors, dtype=np.float64).mean()),
    )  # fmt: skip


def measured_noise(sources: Sources) -> NoiseModel:
    """Measure a constant noise from the frames themselves; of one frame only the rounding is known."""
    samples = sample(sources)
    step = step_of(samples[0])
    return NoiseModel(max(pair_variance(samples, step=step), least_variance(samples[0], step)))


def _check(paths: Sequence[Path], sigma: float, iterations: int) -> None:
    if len(paths) > MAX_FRAMES:
        raise ImagingError(f"{len(paths)} frames are more than {MAX_FRAMES}", reason="too-many-frames")
    if not (sigma >= 1 and iterations >= 1):
        raise ValueError(f"sigma and iterations must be at least 1: {sigma}, {iterations}")


def _scales(count: int, scale: NDArray[np.floating] | None) -> NDArray[np.float32]:
    factors = np.ones(count) if scale is None else np.asarray(scale)
    if factors.ndim == 1:
        factors = factors[:, None, None]
    return np.ascontiguousarray(np.broadcast_to(factors, (count, 2, 2)), dtype=np.float32)


def _offsets(count: int, offset: NDArray[np.floating] | None) -> NDArray[np.float32]:
    return np.zeros(count, np.float32) if offset is None else np.asarray(offset, dtype=np.float32)


def _statistics(done: Planes, method: Method) -> Statistics:
    """Sum up, and say plainly when nothing could be rejected."""
    count = len(done.rejected)
    can_reject = method is Method.SIGMA_CLIP and count >= LEAST_TO_REJECT
    note = ""
    if method is Method.SIGMA_CLIP and not can_reject:
        note = f"{count} frames are too few to reject anything; at least {LEAST_TO_REJECT} are needed"
    return Statistics(
        frames=count,
        samples=count * done.nused.size,
        rejected=int(done.rejected.sum()),
        rejected_by_frame=tuple(int(n) for n in done.rejected),
        can_reject=can_reject,
        note=note,
    )
