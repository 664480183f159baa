"""How the values of an uploaded master become ADU: by what proves it, never by a guess."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.errors import ImagingError
from pictor.imaging.headers.stacks import ADU, ELECTRONS, StackFacts

FULL_RANGE = 65535.0
"""Siril and PixInsight read 16-bit frames as shares of this and write 32-bit masters so."""

SMALL_SHARE = 99.9
"""Percentile of the absolute values that tells a share of a range from ADU: no detector keeps so many within 1 ADU."""

LEVEL_FACTOR = 1.5
"""A level confirms a scale when it is within this factor of the level of frames in hand."""

ASK = (
    "state adu_per_unit: 1 if the file is in ADU, 65535 if 0 to 1 stands for the range of 16 bits (Siril, PixInsight), "
    "1 / gain if it is in electrons"
)


@dataclass(frozen=True, slots=True)
class Scale:
    """What one unit of a file is in ADU, and why."""

    adu_per_unit: float
    basis: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about the scale of a file besides its pixels."""

    facts: StackFacts
    stated: float | None = None
    usual_level: float | None = None
    egain: float | None = None
    exposure_s: float | None = None


@dataclass(frozen=True, slots=True)
class Values:
    """What the pixels of a file show: their extremes, median, and how large nearly all of them are."""

    lowest: float
    highest: float
    median: float
    size: float

    @property
    def small(self) -> bool:
        """Whether nearly all values lie within 1 of zero, as shares of a range do and ADU do not."""
        return self.size <= 1.0


def values_of(pixels: NDArray[np.float32]) -> Values:
    """Measure the finite values of a file, shape (ny, nx); there is at least one."""
    good = pixels[np.isfinite(pixels)]
    some = good[:: max(1, good.size // 1_000_000)]
    return Values(
        float(good.min()), float(good.max()), float(np.median(some)), float(np.percentile(np.abs(some), SMALL_SHARE))
    )


def decide_scale(values: Values, known: Evidence) -> Scale:
    """Decide what one unit of a bias or dark is in ADU.

    What was stated counts first, then the unit of the header, then the kind of number, then what the program that wrote
    the file is known to do, then the level of frames in hand. Values beyond 1 of a file without a unit are ADU.

    Raises
    ------
    ImagingError
        ``no-scale`` where nothing proves a scale, ``scale-contradiction`` where two proofs exclude each other.
    """
    if known.stated is not None:
        _contradicts_writer(values, known)
        return Scale(known.stated, "stated", f"one unit is {known.stated:g} ADU, as stated at the upload")
    by_unit = _by_unit(values, known)
    if by_unit is not None:
        return by_unit
    if not known.facts.real_valued:
        return Scale(1.0, "integers", "whole numbers are ADU")
    return _by_program(values, known) or _by_values(values, known)


def _contradicts_writer(values: Values, known: Evidence) -> None:
    """Refuse shares of a range that are said to be ADU."""
    writer = known.facts.writer if known.facts.real_valued else ""
    if known.stated == 1.0 and writer and values.small and values.highest <= 1.0:
        raise ImagingError(
            f"adu_per_unit 1 was stated, but {writer} wrote this file and its values lie between {values.lowest:.4g} "
            f"and {values.highest:.4g}: shares of a range; state adu_per_unit 65535, or nothing",
            reason="scale-contradiction",
        )  # fmt: skip


def _by_unit(values: Values, known: Evidence) -> Scale | None:
    unit = known.facts.unit
    if unit is None:
        return None
    if unit in ADU:
        if values.small and known.facts.writer and known.facts.real_valued:
            raise ImagingError(
                f"the header says BUNIT = {unit}, but the values lie between {values.lowest:.4g} and "
                f"{values.highest:.4g}, as {known.facts.writer} writes shares of a range; {ASK}",
                reason="scale-contradiction",
            )  # fmt: skip
        return Scale(1.0, "unit", f"the header says BUNIT = {unit}")
    if unit in ELECTRONS:
        if not known.egain:
            raise ImagingError(
                f"the header says BUNIT = {unit} and no gain in e-/ADU is known (EGAIN); {ASK}", reason="no-scale"
            )
        sentence = f"the header says BUNIT = {unit}; divided by {known.egain:g} e-/ADU"
        return Scale(1.0 / known.egain, "unit", sentence)
    ask = ASK
    if unit.endswith(("/s", "/sec", "s-1", "s**-1")) and known.exposure_s:
        ask = f"multiply by the exposure: state adu_per_unit {known.exposure_s:g} if the values are ADU per second"
    raise ImagingError(f"the header says BUNIT = {unit}, which is not ADU; {ask}", reason="no-scale")


def _by_program(values: Values, known: Evidence) -> Scale | None:
    """Use the range that XISF states, or the one a program always writes; only if the values keep to it."""
    facts = known.facts
    low, high = facts.bounds or (0.0, 1.0)
    if not (facts.writer or facts.bounds) or low != 0.0 or values.highest > high:
        return None
    if high != 1.0:
        return Scale(FULL_RANGE / high, "program", f"the file states the range 0 to {high:g} for that of 16 bits")
    if not values.small:
        return None
    who = facts.writer or "XISF"
    sentence = f"{who} writes real numbers as shares of the range of 16 bits: one unit is {FULL_RANGE:g} ADU"
    return Scale(FULL_RANGE, "program", sentence)


def _by_values(values: Values, known: Evidence) -> Scale:
    if not values.small:
        return Scale(1.0, "values", f"no unit is stated; values up to {values.highest:.6g} are ADU")
    fitting = [factor for factor in (1.0, FULL_RANGE) if _fits(values.median * factor, known.usual_level)]
    if len(fitting) == 1 and known.usual_level is not None:
        level = values.median * fitting[0]
        sentence = f"no unit is stated; with {fitting[0]:g} ADU for one unit the level is {level:.1f} ADU, "
        sentence += f"that of individual frames {known.usual_level:.1f} ADU"
        return Scale(fitting[0], "frames", sentence)
    raise ImagingError(
        f"{SMALL_SHARE:g} % of the values lie within 1 of zero ({values.lowest:.4g} to {values.highest:.4g}) and "
        f"nothing tells what they stand for; {ASK}",
        reason="no-scale",
    )  # fmt: skip


def _fits(level: float, usual: float | None) -> bool:
    return usual is not None and usual > 0 and usual / LEVEL_FACTOR <= level <= usual * LEVEL_FACTOR
