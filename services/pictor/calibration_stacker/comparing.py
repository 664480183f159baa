"""What one file cannot show of itself its individual frames can: level, blocks, noise and the pattern of its pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pictor.calibration_stacker.gate import BLOCK_LIMIT, BLOCK_SHARE, STD_RATIO, Check, Verdict
from pictor.imaging.calibration.building import strips
from pictor.imaging.calibration.splitting import BLOCK, STRONG, Difference, block_means, compare
from pictor.imaging.combine.sampling import clipped_moments
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.fits.reading import read_frame
from pictor.imaging.types import Mask

LEAST_FRAMES = 2
"""Of one frame neither its noise nor its pattern is known."""

CENTRE = 1024
"""Edge of the middle part in which patterns are compared, in pixels."""

CELL = 5
PATTERN_CLIP = 8.0
LEAST_PATTERN = 0.05
"""Correlation of the frames among themselves below which their pixels have no pattern to know a detector by."""

PATTERN_SHARE = 0.5
ONE_EXPOSURE = 0.8
"""Share of the noise of one exposure above which a file is hardly a mean of several."""

FLAT_LIMIT = 0.02
"""Blocks of a flat may differ from those of the flats in hand by this share."""

UNDER_SHARE = 0.5
"""Share of the bias level that may be left under a flat before a person is asked."""

LEAST_VIGNETTING = 0.02
"""Spread of the inverse light below which a level under it cannot be told from the light."""

Pixels = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class InHand:
    """Individual frames of a group: their mean in strips, each of their middles, and the noise of one."""

    count: int
    rows: NDArray[np.int64]
    mean: Pixels
    first: Pixels
    middles: list[Pixels]
    level: float
    noise: float
    below: float = 0.0


def read_in_hand(paths: Sequence[Path], shape: tuple[int, int], *, below: float | None = None) -> InHand | None:
    """Read individual frames of a group; None where there are too few.

    Parameters
    ----------
    paths
        Frames, each of ``shape``.
    below
        For flats: the level under their light, in ADU; each is then divided by its median.

    Raises
    ------
    FrameMismatchError
        If a frame has another shape.
    """
    if len(paths) < LEAST_FRAMES:
        return None
    rows = np.concatenate([np.arange(first, end) for first, end in strips(*shape)])
    parts, middles, levels = [], [], []
    for path in paths:
        data = read_frame(path).data
        if data.shape != shape:
            raise FrameMismatchError(f"an individual frame in hand is {data.shape}, not {shape}")
        part, middle = data[rows].astype(np.float32), data[middle_of(shape)].astype(np.float32)
        levels.append(float(np.median(part)))
        if below is not None:
            part, middle = ((one - np.float32(below)) / np.float32(levels[-1] - below) for one in (part, middle))
        parts.append(part)
        middles.append(middle)
    noise = math.sqrt(clipped_moments(parts[0] - parts[1])[1] / 2)
    return InHand(
        len(paths), rows, np.mean(parts, axis=0), parts[0], middles, float(np.median(levels)), noise, below or 0.0
    )


def middle_of(shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the middle part of a frame, which lies on itself when the frame is turned over."""
    found = []
    for side in shape:
        size = min(side, CENTRE) - (side - min(side, CENTRE)) % 2
        found.append(slice((side - size) // 2, (side - size) // 2 + size))
    return found[0], found[1]


def checks_in_hand(sci: Pixels, mask: Mask, frames: InHand, *, flat: bool, bayer: bool) -> list[Check]:
    """Compare a master with individual frames of its group; differences ask for a person.

    Parameters
    ----------
    sci
        The master as raw frames are: a dark with its bias inside, shape (ny, nx), in ADU; a flat relative to 1.
    mask
        Pixels to leave out, of the same shape.
    """
    mine = sci[frames.rows].copy()
    mine[mask[frames.rows] != 0] = np.nan
    found = _flat_blocks(mine, frames, bayer=bayer) if flat else [_blocks(mine, frames)]
    if flat:
        mine = frames.mean * level_colours(mine / frames.mean, bayer=bayer)
    return [*found, _noise(mine, frames), _pattern(sci[middle_of(sci.shape)], frames, bayer=bayer)]


def no_halves(compared: str) -> Check:
    """Say that a single file has no halves to compare, and what was done instead."""
    text = f"not possible: a single file has no halves; {compared}"
    return Check("split-half noise", None, *STD_RATIO, Verdict.ACTIVE, text)


def nothing_to_compare(count: int, *, without_bias: bool = False) -> Check:
    """Ask a person about a master nothing vouches for."""
    text = f"nothing to compare it with: no active master, and of its group {count} admitted individual frames"
    if without_bias and count >= LEAST_FRAMES:
        text = "nothing to compare it with: no active master, and no master bias to add to it for a look at the frames"
    text += "; accept it only if you know where it comes from"
    return Check("comparison", None, None, None, Verdict.NEEDS_REVIEW, text)


def structure(one: Pixels, two: Pixels, variance: Pixels) -> Difference:
    """Compare two combined frames of the same scene, of which some exposures may be in both.

    What is in both cancels, and rejections alone would look like structure; so the noise is taken as what the variance
    says at least.
    """
    found = compare(one, two, variance)
    if found.std_ratio >= 1:
        return found
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = np.subtract(one, two, dtype=np.float32) / np.sqrt(variance)
    pull -= np.float32(clipped_moments(pull)[0])
    pull[~(np.abs(pull) <= STRONG)] = np.nan
    blocks = block_means(pull)
    blocks = np.abs(blocks[np.isfinite(blocks)]) * BLOCK
    if blocks.size == 0:
        return found
    return replace(found, block_max=float(blocks.max()), block_share=float(np.mean(blocks > STRONG)))


def _blocks(mine: Pixels, frames: InHand) -> Check:
    found = structure(mine, frames.mean, np.full_like(mine, max(frames.noise**2 / frames.count, 1e-12)))
    failed = found.block_max > BLOCK_LIMIT and found.block_share > BLOCK_SHARE
    text = f"against the mean of {frames.count} individual frames in hand: largest block {found.block_max:.1f} sigma, "
    text += f"{100 * found.block_share:.2f} % of blocks beyond 5 sigma "
    text += f"(limits {BLOCK_LIMIT:g} sigma and {100 * BLOCK_SHARE:g} % together)"
    verdict = Verdict.NEEDS_REVIEW if failed else Verdict.ACTIVE
    return Check("frames in hand", found.block_max, None, BLOCK_LIMIT, verdict, text)


def _flat_blocks(mine: Pixels, frames: InHand, *, bayer: bool) -> list[Check]:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = level_colours(mine / frames.mean, bayer=bayer)
    blocks, light = block_means(ratio), block_means(level_colours(frames.mean, bayer=bayer))
    apart = np.abs(blocks[np.isfinite(blocks)] - 1)
    worst = float(apart.max()) if apart.size else 0.0
    text = f"against the mean of {frames.count} individual flats in hand: blocks differ by up to {100 * worst:.2f} % "
    text += f"(limit {100 * FLAT_LIMIT:g} %)"
    verdict = Verdict.ACTIVE if worst <= FLAT_LIMIT else Verdict.NEEDS_REVIEW
    if verdict is not Verdict.ACTIVE:
        text += "; is the dust where it was?"
    return [Check("frames in hand", worst, None, FLAT_LIMIT, verdict, text), _light_alone(blocks, light, frames)]


def _light_alone(blocks: NDArray[np.float64], light: NDArray[np.float64], frames: InHand) -> Check:
    """Find a level that was not subtracted: it flattens a flat most where the least light fell.

    The ratio to flats without it is ``c (1 + q / light)``, with q the share of that level; it shows where the light
    varies over the frame.
    """
    name, limit = "nothing under the light", UNDER_SHARE * max(frames.below, 0.0)
    good = np.isfinite(blocks) & np.isfinite(light) & (light > 0)
    inverse = 1 / light[good]
    if frames.below <= 0 or good.sum() < 9 or np.ptp(np.percentile(inverse, (5, 95))) < LEAST_VIGNETTING:
        text = "whether bias or dark was subtracted cannot be seen: the light is even, or the level of the bias unknown"
        return Check(name, None, None, None, Verdict.ACTIVE, text)
    slope, constant = np.polyfit(inverse, blocks[good], 1)
    found = float(slope / max(constant, 1e-6)) * (frames.level - frames.below)
    text = f"about {found:.0f} ADU are left under the light, whose bias is {frames.below:.0f} ADU (limit {limit:.0f})"
    verdict = Verdict.ACTIVE if abs(found) <= limit else Verdict.NEEDS_REVIEW
    if verdict is not Verdict.ACTIVE:
        text += ": stack the flats anew with their dark or bias subtracted"
    return Check(name, found, -limit, limit, verdict, text)


def level_colours(values: Pixels, *, bayer: bool) -> Pixels:
    """Divide by the median, each Bayer colour by its own."""
    out = values.copy()
    step = 2 if bayer else 1
    for y in range(step):
        for x in range(step):
            part = out[y::step, x::step]
            part /= max(float(np.nanmedian(part)), 1e-6)
    return out


def _noise(mine: Pixels, frames: InHand) -> Check:
    """Tell a mean of several from one exposure: its difference from a frame has the noise of both."""
    variance, one = clipped_moments(mine - frames.first)[1], frames.noise**2
    if variance == 0.0 and frames.noise > 0:
        text = "its pixels are exactly those of an individual frame in hand: it is one exposure, not a master"
        return Check("more than one exposure", 1.0, None, ONE_EXPOSURE, Verdict.REJECTED, text)
    if one == 0.0:
        text = "the frames in hand show no noise to compare with"
        return Check("more than one exposure", None, None, ONE_EXPOSURE, Verdict.ACTIVE, text)
    ratio = math.sqrt(max(variance - one, 0.0) / one)
    verdict = Verdict.ACTIVE if ratio <= ONE_EXPOSURE else Verdict.NEEDS_REVIEW
    text = f"its noise is {ratio:.2f} of that of one exposure (limit {ONE_EXPOSURE:g})"
    if verdict is not Verdict.ACTIVE:
        text += "; is it a single exposure, or of another detector?"
    return Check("more than one exposure", ratio, None, ONE_EXPOSURE, verdict, text)


def _pattern(middle: Pixels, frames: InHand, *, bayer: bool) -> Check:
    """Compare what is fixed in the pixels: it tells the detector, and which way up the rows are."""
    half = frames.count // 2
    one, two = (np.mean(part, axis=0) for part in (frames.middles[:half], frames.middles[half:]))
    usual = correlation(pattern(one, bayer=bayer), pattern(two, bayer=bayer))
    if usual < LEAST_PATTERN:
        text = f"the frames in hand have no pattern to know the detector by (correlation {usual:.2f})"
        return Check("same detector", None, LEAST_PATTERN, None, Verdict.ACTIVE, text)
    all_frames = pattern(np.mean(frames.middles, axis=0), bayer=bayer)
    found, needed = correlation(pattern(middle, bayer=bayer), all_frames), PATTERN_SHARE * usual
    text = f"its pixel pattern agrees with that of the frames in hand: correlation {found:.2f} (at least {needed:.2f})"
    if found >= needed:
        return Check("same detector", found, needed, None, Verdict.ACTIVE, text)
    ways = {"upside down": middle[::-1], "mirrored": middle[:, ::-1], "turned by 180 degrees": middle[::-1, ::-1]}
    agreeing = {way: correlation(pattern(one, bayer=bayer), all_frames) for way, one in ways.items()}
    best = max(agreeing, key=lambda way: agreeing[way])
    text = f"its pixel pattern is not that of the frames in hand: correlation {found:.2f} (at least {needed:.2f})"
    if agreeing[best] >= needed:
        text += f"; {best} it is: correct the file or its ROWORDER and upload it again"
    else:
        text += "; is it of another camera, or of another region of the sensor?"
    return Check("same detector", found, needed, None, Verdict.NEEDS_REVIEW, text)


def pattern(middle: Pixels, *, bayer: bool) -> NDArray[np.float64]:
    """Return what is fixed from pixel to pixel: without the mean of 5 x 5 pixels, hot pixels held at 8 sigma."""
    levelled = level_colours(middle, bayer=True) if bayer else middle
    whole = np.nan_to_num(levelled.astype(np.float64), nan=float(np.nanmedian(levelled)))
    from scipy.ndimage import uniform_filter  # noqa: PLC0415 - a fifth of a second that only uploads should wait for

    rest = whole - uniform_filter(whole, CELL)
    width = max(1.4826 * float(np.median(np.abs(rest))), 1e-12)
    held: NDArray[np.float64] = np.clip(rest, -PATTERN_CLIP * width, PATTERN_CLIP * width)
    return held


def correlation(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """Return the correlation of two patterns about zero; 0 where one is empty."""
    scale = math.sqrt(float(np.mean(one * one)) * float(np.mean(two * two)))
    return float(np.mean(one * two)) / scale if scale > 0 else 0.0
