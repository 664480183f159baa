"""The values of an uploaded master: whether they can be true, what they are in ADU, and what is still inside."""

import numpy as np

from pictor.calibration_stacker.comparing import InHand
from pictor.calibration_stacker.foreign import NO_DATA, Given, Judged
from pictor.calibration_stacker.gate import NEVER_GOOD, Check, Verdict
from pictor.calibration_stacker.scaling import Evidence, Scale, decide_scale, values_of
from pictor.imaging.calibration.masters import Kind
from pictor.imaging.combine.flats import normalise
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.statistics import statistics

FINITE_SHARE = 1 - NEVER_GOOD
LOWEST_DARK_ADU = -1.0
"""A dark whose bias was subtracted may lie a little below zero; further down too much was subtracted."""

WRAPPED_ADU = -1000.0
"""Values this far below zero are unsigned numbers written without BZERO, or a subtraction that ran over."""

WRAPPED_SHARE = 0.001
SAME_LEVEL = 0.05
LEAST_LEVEL_ADU = 2.0
"""A level may differ by this share of itself, or by this many ADU, before a person is asked."""

LEAST_FLAT = 100.0
"""Values below this of a flat without a unit are relative, not ADU."""

LOW_SHARE = 0.05
REPEATED = 0.5
CONSTANT = 0.95


def finite(judged: Judged) -> None:
    """Mark pixels without a value and put the median there.

    Raises
    ------
    ImagingError
        If no pixel has one.
    """
    good = np.isfinite(judged.sci)
    share = float(good.mean())
    verdict = Verdict.ACTIVE if share >= FINITE_SHARE else Verdict.REJECTED
    text = f"{100 * share:.2f} % of pixels have a value ({100 * FINITE_SHARE:g} % are needed)"
    judged.checks.append(Check("finite pixels", share, FINITE_SHARE, None, verdict, text))
    if not good.any():
        raise ImagingError("no pixel of the file has a value", reason="no-values")
    judged.level = float(np.median(judged.sci[good]))
    if share < 1:
        judged.mask[~good] |= NO_DATA
        judged.sci[~good] = judged.level


def constant(judged: Judged) -> None:
    """One value almost everywhere is a drawing, not a detector."""
    share = statistics(judged.sci).repeated_fraction or 0.0
    verdict = Verdict.ACTIVE if share < REPEATED else Verdict.NEEDS_REVIEW
    verdict = Verdict.REJECTED if share >= CONSTANT else verdict
    text = f"one value fills {100 * share:.0f} % of the pixels (limit {100 * REPEATED:g} %), the median is "
    text += f"{judged.level:.6g}"
    if verdict is not Verdict.ACTIVE and judged.facts.writer and judged.level == 1.0:
        text += f": the top of the range, where {judged.facts.writer} cut its input off; stack the frames as 16 bits"
    judged.checks.append(Check("repeated value", share, None, REPEATED, verdict, text))


def to_adu(judged: Judged, given: Given, frames: InHand | None) -> None:
    """Bring the values to ADU, and do not trust shares of a range that somebody calls ADU."""
    usual = frames.level if frames else given.usual_level
    known = Evidence(judged.facts, given.adu_per_unit, usual, given.egain, given.exposure_s)
    values = values_of(judged.sci)
    judged.scale = decide_scale(values, known)
    judged.multiply(judged.scale.adu_per_unit)
    judged.notes.append(judged.scale.sentence)
    size = values.size * judged.scale.adu_per_unit
    if size <= 1.0:
        text = f"99.9 % of the values are within {size:.3g} ADU of zero ({judged.scale.sentence}): those of a detector "
        text += "are not, unless bias or overscan was subtracted; is adu_per_unit right?"
        verdict = Verdict.REJECTED if given.kind is Kind.BIAS or given.bias_inside else Verdict.NEEDS_REVIEW
        judged.checks.append(Check("scale", size, 1.0, None, verdict, text))


def dark_level(judged: Judged, given: Given, frames: InHand | None) -> None:
    """Judge the level of a bias or dark, and find out whether a dark holds its bias."""
    level = judged.level
    wrapped = float(np.mean(judged.sci < WRAPPED_ADU))
    sound = level >= LOWEST_DARK_ADU and wrapped <= WRAPPED_SHARE
    text = f"median level {level:.1f} ADU"
    if level < LOWEST_DARK_ADU:
        text += ": more was subtracted than was there"
    if wrapped > WRAPPED_SHARE:
        text += f"; {100 * wrapped:.1f} % of pixels are below {WRAPPED_ADU:g} ADU: unsigned numbers written without "
        text += "BZERO 32768, or an overflow; write the file anew as 32-bit real numbers"
    verdict = Verdict.ACTIVE if sound else Verdict.REJECTED
    judged.checks.append(Check("level", level, LOWEST_DARK_ADU, None, verdict, text))
    if not sound:
        return
    usual = frames.level if frames else given.usual_level
    if given.kind is not Kind.BIAS:
        _bias_inside(judged, given, usual)
        if judged.holds_bias is False and usual is not None:
            usual = usual - given.bias_level if given.bias_level else None
    if usual is not None:
        judged.checks.append(same_level(judged.level, usual, "individual frames of this configuration"))


def _bias_inside(judged: Judged, given: Given, usual: float | None) -> None:
    """Find out whether the bias is inside a dark: by what was said, by the header, by its level.

    Raises
    ------
    ImagingError
        ``bias-inside-unknown`` where nothing tells.
    """
    removed = judged.facts.bias_removed
    said = given.bias_inside if given.bias_inside is not None else (None if removed is None else not removed)
    seen = None if not given.bias_level else judged.level > given.bias_level / 2
    if seen is None and said is None and usual is not None:
        seen = _near(judged.level, usual) or None
    if said is None and seen is None:
        raise ImagingError(
            f"nothing tells whether the bias is inside this dark (level {judged.level:.1f} ADU): state bias_inside, or "
            "upload the master bias first", reason="bias-inside-unknown",
        )  # fmt: skip
    judged.holds_bias = said if said is not None else seen
    if said is not None and seen is not None and said != seen:
        text = f"the bias is said to be {'inside' if said else 'subtracted'}, but the level is {judged.level:.1f} ADU "
        text += f"and that of the bias {given.bias_level or 0:.1f} ADU"
        judged.checks.append(Check("bias inside", judged.level, None, None, Verdict.NEEDS_REVIEW, text))
    if judged.holds_bias is False and judged.facts.pedestal_adu:
        judged.sci -= np.float32(judged.facts.pedestal_adu)
        judged.level -= judged.facts.pedestal_adu
        judged.notes.append(f"its pedestal of {judged.facts.pedestal_adu:g} ADU (PEDESTAL) was subtracted")
    judged.notes.append("the bias is inside" if judged.holds_bias else "the bias is subtracted: it needs a master bias")


def _near(level: float, usual: float) -> bool:
    return abs(level - usual) <= max(LEAST_LEVEL_ADU, SAME_LEVEL * abs(usual))


def same_level(level: float, usual: float, what: str) -> Check:
    """Ask a person about a level that is not the usual one."""
    reach = max(LEAST_LEVEL_ADU, SAME_LEVEL * abs(usual))
    verdict = Verdict.ACTIVE if _near(level, usual) else Verdict.NEEDS_REVIEW
    text = f"median level {level:.1f} ADU, {what} {usual:.1f} ADU (allowed {reach:.1f} ADU apart)"
    return Check("usual level", level, usual - reach, usual + reach, verdict, text)


def normalise_flat(judged: Judged, given: Given) -> None:
    """Divide a flat by its own level, whatever its unit; that level is known in ADU only where the unit is.

    Raises
    ------
    ImagingError
        If it holds no light.
    """
    if judged.level <= 0:
        raise ImagingError(f"the flat's median is {judged.level:.3f}; it holds no light", reason="flat-without-light")
    scale = _scale_of_flat(judged, given)
    judged.scale = scale or Scale(1.0, "relative", "the unit of the flat is not known, and need not be")
    judged.multiply(judged.scale.adu_per_unit)
    level = float(normalise(judged.sci, judged.mask, bayer=given.bayer).mean())
    judged.err /= np.float32(level)
    judged.flat_level = None if scale is None else level
    judged.notes.append(f"{judged.scale.sentence}; divided by its mean level in the middle, {level:.4g}")
    share = float(np.mean((judged.mask & 4) != 0))
    verdict = Verdict.ACTIVE if share <= LOW_SHARE else Verdict.NEEDS_REVIEW
    verdict = Verdict.REJECTED if share > 0.5 else verdict
    text = f"{100 * share:.2f} % of pixels below a fifth of the middle (limit {100 * LOW_SHARE:g} %)"
    judged.checks.append(Check("dim pixels", share, None, LOW_SHARE, verdict, text))


def _scale_of_flat(judged: Judged, given: Given) -> Scale | None:
    """Return the unit of a flat where something proves it."""
    values = values_of(judged.sci)
    try:
        scale = decide_scale(values, Evidence(judged.facts, given.adu_per_unit, None, given.egain, given.exposure_s))
    except ImagingError:
        return None
    return None if scale.basis == "values" and values.size < LEAST_FLAT else scale
