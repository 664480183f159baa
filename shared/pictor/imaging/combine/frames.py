"""Combine frames in memory, with their errors, masks and weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.kernels import Samples
from pictor.imaging.combine.levels import factors_of, level_of
from pictor.imaging.combine.method import MAX_FRAMES, Method, Scaling
from pictor.imaging.combine.sampling import least_variance, pair_variance, sample_rows
from pictor.imaging.combine.weighing import Counts, combine_samples
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import BAD, HIT, NO_DATA, Frame
from pictor.imaging.pixels import run_in_threads, step_of
from pictor.imaging.types import Mask

UNUSED = np.uint8(BAD | HIT | NO_DATA)
"""Bits of the mask whose samples do not count."""

CHUNK = 1 << 15
"""Pixels taken together: the samples of twenty frames stay in the second-level cache."""

_CODE = {Method.MEAN: 0, Method.MEDIAN: 1, Method.SIGMA_CLIP: 2}


@dataclass(frozen=True, slots=True, eq=False)
class FrameStack:
    """Frames combined in memory.

    Parameters
    ----------
    frame
        The combined frame with its error and mask; 0 and mask bit 16 where no sample counts.
    nused
        Samples each value rests on, shape of the data.
    rejected
        Samples of each frame that were clipped, shape (n,).
    factors
        What each frame was multiplied by, shape (n,).
    """

    frame: Frame
    nused: NDArray[np.uint8]
    rejected: Counts
    factors: NDArray[np.float64]


def combine_frames(
    frames: Sequence[Any],
    *,
    method: Method = Method.SIGMA_CLIP,
    sigma: float = 3.0,
    iterations: int = 5,
    scale: Scaling = Scaling.NONE,
    weights: Sequence[float] | None = None,
) -> FrameStack:
    """Combine frames in memory into one, pixel by pixel.

    Sigma clipping is centred on the median; a sample is rejected when it lies farther from it than ``sigma`` times the
    larger of 1.4826 times the median absolute deviation and its own standard deviation [1]_. That is the error of its
    frame where every frame brings one; else the noise measured from differences of neighbouring frames. One hit is
    rejected from three frames on. The error of the result follows from those of the samples used.

    Parameters
    ----------
    frames
        At most 255 `Frame`, CCDData, NDData, Quantity, masked arrays or arrays of one shape, (ny, nx) or
        (planes, ny, nx), and one unit. Samples that are not finite do not count, nor do those whose mask has the bits
        1 (bad), 8 (cosmic ray) or 16 (no data). They are not changed.
    method, sigma, iterations
        The estimator; the latter two for sigma clipping only.
    scale
        Whether frames are brought to one mean or median level first, that of their mean.
    weights
        Weight of each frame in the mean of the samples that are left, shape (n,), above 0; None: all the same.

    Returns
    -------
    FrameStack
        The frame, with the header of the first, in float64 where a frame needs it and float32 otherwise; its mask has
        the bits all frames share.

    Raises
    ------
    FrameMismatchError
        If the frames differ in shape or unit.
    ImagingError
        If there are no frames or too many, or one cannot be scaled because its level is not above zero.
    ValueError
        If weights are not above 0, are not as many as the frames or are given for a median; if ``sigma`` or
        ``iterations`` is below 1.

    References
    ----------
    .. [1] Huber P. J., 1981, Robust Statistics, Wiley: the median and its absolute deviation.

    Examples
    --------
    >>> import numpy as np
    >>> darks = [np.full((4, 4), level, np.uint16) for level in (99, 100, 101)]
    >>> darks[1][2, 2] = 60_000
    >>> done = combine_frames(darks)
    >>> float(done.frame.data[2, 2]), int(done.nused[2, 2]), done.rejected.tolist()
    (100.0, 2, [0, 1, 0])
    """
    taken = [Frame.from_nddata(frame) for frame in frames]
    _check(taken, sigma, iterations)
    shares = _shares(len(taken), weights, method)
    values = [_counted(frame) for frame in taken]
    levels = [level_of(plane, scale, name=f"frame {i}") for i, plane in enumerate(values, 1)]
    factors = factors_of(np.array(levels))
    errs = _errors(taken, values, factors)
    rule = np.array([_CODE[method], sigma, iterations])
    sci, err, nused, rejected = _run(values, errs, factors, shares, rule)
    wide = any(plane.dtype == np.float64 for plane in values)
    mask = _joined(taken, nused)
    header = taken[0].header.copy()
    header["NCOMBINE"] = (len(taken), "frames combined")
    header["COMBMETH"] = (str(method), "how samples were combined")
    kind = np.float64 if wide else np.float32
    done = Frame(sci.astype(kind), err.astype(np.float32), mask, header, taken[0].unit)
    return FrameStack(done, nused, rejected, factors)


def _check(frames: Sequence[Frame], sigma: float, iterations: int) -> None:
    if not frames:
        raise ImagingError("no frames were given to combine", reason="no-frames")
    if len(frames) > MAX_FRAMES:
        raise ImagingError(f"{len(frames)} frames are more than {MAX_FRAMES}", reason="too-many-frames")
    for number, frame in enumerate(frames[1:], 2):
        if frame.data.shape != frames[0].data.shape:
            told = f"frame {number} has shape {frame.data.shape}, the first {frames[0].data.shape}"
            raise FrameMismatchError(told)
        if frame.unit != frames[0].unit:
            told = f"frame {number} is in {frame.unit or 'no unit'}, the first in {frames[0].unit or 'no unit'}"
            raise FrameMismatchError(told, reason="units")
    if not (sigma >= 1 and iterations >= 1):
        raise ValueError(f"sigma and iterations must be at least 1: {sigma}, {iterations}")


def _shares(count: int, weights: Sequence[float] | None, method: Method) -> NDArray[np.float64]:
    shares = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    if shares.shape != (count,) or not (np.isfinite(shares) & (shares > 0)).all():
        raise ValueError(f"there must be {count} weights above 0, not {weights}")
    if weights is not None and method is Method.MEDIAN:
        raise ValueError("a median knows no weights; use mean or sigma_clip")
    return shares


def _counted(frame: Frame) -> NDArray[np.floating]:
    """Give the pixels with NaN where a sample does not count."""
    values = frame.real()
    if frame.mask is not None:
        values[..., (frame.mask & UNUSED) != 0] = np.nan
    return values


def _errors(
    frames: Sequence[Frame], values: Sequence[NDArray[np.floating]], factors: NDArray[np.float64]
) -> list[NDArray[np.floating]]:
    """Give the standard deviation of each unscaled sample: that of its frame, or one measured for all."""
    known = [frame.err for frame in frames if frame.err is not None]
    if len(known) == len(frames):
        return known
    shape = values[0].shape
    rows = sample_rows((shape[-2], shape[-1]))
    some = np.array([plane[..., rows, :].ravel() * f for plane, f in zip(values, factors, strict=True)], np.float32)
    step = step_of(values[0][..., rows, :])
    found = max(pair_variance(some, np.square(factors), step=step), least_variance(some[0], step))
    return [np.broadcast_to(np.sqrt(found), shape)] * len(frames)


def _joined(frames: Sequence[Frame], nused: NDArray[np.uint8]) -> Mask:
    """Keep the bits all frames share; pixels without any sample have no data."""
    empty = np.zeros(frames[0].shape, np.uint8)
    mask: Mask = np.bitwise_and.reduce([empty if frame.mask is None else frame.mask for frame in frames])
    none = nused == 0 if nused.ndim == 2 else (nused == 0).any(axis=0)
    mask[none] |= np.uint8(NO_DATA)
    return mask


def _run(
    values: Sequence[NDArray[np.floating]],
    errs: Sequence[NDArray[np.floating]],
    factors: NDArray[np.float64],
    shares: NDArray[np.float64],
    rule: Samples,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8], Counts]:
    """Go over the pixels in chunks, on two threads."""
    shape, size, count = values[0].shape, values[0].size, len(values)
    sci, err, nused = np.empty(size), np.empty(size), np.empty(size, np.uint8)
    flat, noise = [plane.reshape(-1) for plane in values], [plane.reshape(-1) for plane in errs]
    starts = range(0, size, CHUNK)
    rejected = np.zeros((len(starts), count), np.int64)

    def work(first: int, last: int) -> None:
        for piece in range(first, last):
            part = slice(piece * CHUNK, min((piece + 1) * CHUNK, size))
            samples = np.array([plane[part] * f for plane, f in zip(flat, factors, strict=True)], np.float64)
            own = np.array([plane[part] * f for plane, f in zip(noise, factors, strict=True)], np.float64)
            combine_samples(samples, own, shares, rule, sci[part], err[part], nused[part], rejected[piece])

    run_in_threads(work, sorted({0, len(starts) // 2, len(starts)}))
    return sci.reshape(shape), err.reshape(shape), nused.reshape(shape), rejected.sum(axis=0)


def warm() -> None:
    """Compile the kernels."""
    combine_frames([np.zeros((4, 4), np.float32)] * 3)
