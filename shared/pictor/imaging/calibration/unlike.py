"""Which frames of a master do not show what the others show, and which lines have no one value."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.agreement import Agreement
from pictor.imaging.calibration.badpixels import BAD
from pictor.imaging.calibration.splitting import BLOCK
from pictor.imaging.types import Mask

STRUCTURE = 0.5
"""Of the noise of a pixel: what a block of one frame may differ by. Alone among ten it moves their mean by a sixth of
that mean's error; bias levels and patterns wander less."""

FLAT_STRUCTURE = 0.005
"""Relative: clouds, motes and lamps change flats by more than this, and a flat good to 0.3 % needs no less."""

FLAT_TILT = 0.005
"""Relative, from the middle to a corner: the twilight sky is tilted, and its tilt turns."""

DRIFT = 1.0
"""Of the master's error: what the earlier and the later half of the frames may differ by in a block."""

FLAT_DRIFT = 0.0015
SIGNIFICANT = 7.0
"""Deviations below this many of their own standard deviations are noise: a hundred thousand blocks stay below six."""

QUIET, NOISY = 0.8, 1.4
"""The mean of two exposures has 0.71 of the noise of one, and 0.77 where that noise is half an ADU."""

LINE = 1.0
LINE_SHARE = 0.05
"""A frame with so many rows or columns off by the noise of a pixel has a pattern; fewer are clipped or marked bad."""

BAD_LINE = 0.5
MOST_BAD_LINES = 0.01
ODD_SHARE, ODD_FACTOR = 0.05, 10.0

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drift:
    """How the earlier half of the frames differs from the later one, in what is allowed; and the share beyond it."""

    largest: float
    share: float


def unlike(agreement: Agreement, *, flat: bool) -> dict[int, str]:
    """Find the frames that differ from the others by more than noise and honest wandering.

    Parameters
    ----------
    agreement
        How every frame lies about the combined one.
    flat
        Whether they are flats: what counts is relative, and a tilt is allowed.

    Returns
    -------
    dict
        A sentence with the numbers for each such frame, by its place. Of two frames that differ both are named.
    """
    count = len(agreement.odd_shares)
    tests = (_structure(agreement, flat=flat), _noisy(agreement), _lines(agreement, flat=flat), _odd(agreement))
    found: dict[int, list[str]] = {}
    for test in tests:
        for place, told in test:
            found.setdefault(place, []).append(told)
    return {place: "; ".join(found[place]) for place in range(count) if place in found}


def drift(agreement: Agreement, *, flat: bool) -> Drift | None:
    """Compare the earlier half of the frames, which are in the order of time, with the later one.

    Returns
    -------
    Drift or None
        None of fewer than four frames, or of frames smaller than a block.
    """
    maps = _maps(agreement)
    count = len(maps)
    if count < 4 or maps[0].size == 0:
        return None
    half = count // 2
    difference = maps[:half].mean(axis=0) - maps[-half:].mean(axis=0)
    least = SIGNIFICANT * math.sqrt(2 / half) / BLOCK
    limit = np.maximum(DRIFT / math.sqrt(count), least)
    if flat:
        snr = np.maximum(agreement.snr, 1e-3)
        limit, difference = np.maximum(limit, FLAT_DRIFT * snr), _without_tilt(difference / snr) * snr
    share = np.abs(difference) / limit
    return Drift(float(share.max()), float(np.mean(share > 1)))


def unsteady_lines(agreement: Agreement, *, flat: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find rows and columns with another value in some of the frames: of an onset no mean is right.

    Returns
    -------
    tuple
        Numbers of rows and of columns, from 0; none where so many are found that the frames themselves differ.
    """
    found = []
    ny, nx = agreement.unstable.shape
    for alone, length in ((agreement.rows_alone, nx), (agreement.columns_alone, ny)):
        limit = max(BAD_LINE, SIGNIFICANT / math.sqrt(length), FLAT_STRUCTURE * _snr(agreement) if flat else 0.0)
        bad = np.flatnonzero((np.abs(alone) > limit).sum(axis=0) >= 2)
        found.append(bad if bad.size <= max(1, MOST_BAD_LINES * alone.shape[1]) else bad[:0])
    return found[0], found[1]


def mark_unsteady(agreement: Agreement, mask: Mask, *, flat: bool) -> None:
    """Mark bad, in place, the pixels and lines with no one value: where no combination of the samples is right."""
    np.bitwise_or(mask, BAD, out=mask, where=agreement.unstable.view(np.bool_))
    rows, columns = unsteady_lines(agreement, flat=flat)
    mask[rows] |= BAD
    mask[:, columns] |= BAD


def _snr(agreement: Agreement) -> float:
    return float(np.median(agreement.snr)) if agreement.snr.size else 0.0


def _maps(agreement: Agreement) -> Doubles:
    """Return the blocks of each frame about their own middle: a level alone is no structure."""
    blocks = agreement.blocks
    if blocks[0].size == 0:
        return blocks
    maps: Doubles = blocks - np.median(blocks, axis=(1, 2), keepdims=True)
    return maps


def _structure(agreement: Agreement, *, flat: bool) -> Iterator[tuple[int, str]]:
    maps = _maps(agreement)
    if maps[0].size == 0:
        return
    deviations = maps - np.median(maps, axis=0)
    limit = np.full(maps[0].shape, max(STRUCTURE, SIGNIFICANT * 1.25 / BLOCK))
    if flat:
        snr = np.maximum(agreement.snr, 1e-3)
        limit = np.maximum(limit, FLAT_STRUCTURE * snr)
    for place, deviation in enumerate(deviations):
        rest = _without_tilt(deviation / snr) * snr if flat else deviation
        beyond = np.abs(rest) > limit
        if not beyond.any():
            continue
        worst = float(np.abs(rest / snr if flat else rest).max())
        by = f"{100 * worst:.2f} %" if flat else f"{worst:.1f} of the noise of a pixel"
        y, x = np.unravel_index(np.argmax(np.abs(rest)), rest.shape)
        told = f"blocks of 32 x 32 pixels differ from those of the others by up to {by}, {100 * beyond.mean():.1f} % "
        yield place, f"{told}of them by too much, most at column {BLOCK * int(x) + 1}, row {BLOCK * int(y) + 1}"


def _without_tilt(relative: Doubles) -> Doubles:
    """Take a plane out of a map where it is no steeper than the sky's."""
    y, x = np.mgrid[-1 : 1 : relative.shape[0] * 1j, -1 : 1 : relative.shape[1] * 1j]
    if min(relative.shape) < 2:
        return relative
    # the axes are orthogonal on a grid, so each slope is a projection
    slopes = [float((relative * axis).sum() / (axis * axis).sum()) for axis in (y, x)]
    if sum(abs(slope) for slope in slopes) > FLAT_TILT:
        return relative
    flattened: Doubles = relative - slopes[0] * y - slopes[1] * x
    return flattened


def stacks(agreement: Agreement) -> dict[int, str]:
    """Find the frames quieter than a single exposure can be among single exposures, each with its sentence."""
    told = "its noise is {:.2f} of that of the others: it is a stack, not one exposure"
    return {place: told.format(share) for place, share in enumerate(_noise_shares(agreement)) if share < QUIET}


def _noise_shares(agreement: Agreement) -> Doubles:
    noise = agreement.noise
    if len(noise) < 3 or not np.isfinite(noise).any():
        return np.ones(len(noise))
    shares: Doubles = noise / max(float(np.nanmedian(noise)), 1e-6)
    return shares


def _noisy(agreement: Agreement) -> Iterator[tuple[int, str]]:
    for place, share in enumerate(_noise_shares(agreement)):
        if share > NOISY:
            told = f"its noise is {share:.2f} times that of the others: another gain, readout mode, or interference"
            yield place, told


def _lines(agreement: Agreement, *, flat: bool) -> Iterator[tuple[int, str]]:
    ny, nx = agreement.unstable.shape
    for name, alone, length in (("rows", agreement.rows_alone, nx), ("columns", agreement.columns_alone, ny)):
        limit = max(LINE, SIGNIFICANT / math.sqrt(length), 2 * FLAT_STRUCTURE * _snr(agreement) if flat else 0.0)
        shares = np.mean(np.abs(alone) > limit, axis=1)
        for place, share in enumerate(shares):
            if share > LINE_SHARE:
                yield place, f"{100 * share:.0f} % of its {name} are off by more than the noise of a pixel"


def _odd(agreement: Agreement) -> Iterator[tuple[int, str]]:
    shares = agreement.odd_shares
    usual = float(np.median(shares))
    for place, share in enumerate(shares):
        if share > max(ODD_SHARE, ODD_FACTOR * usual):
            told = f"{100 * share:.1f} % of its samples do not fit the other frames, which lost {100 * usual:.2f} %"
            yield place, told
