"""Whether an individual frame may enter a stack; a refused frame is kept, with the reason."""

import math
from dataclasses import dataclass

from pictor.imaging.matching.frames import Frame, FrameType

MAX_TEMPERATURE_GAP_C = 0.5
MAX_SATURATED_SHARE = 0.05
MIN_FLAT_SNR = 50.0
MAX_ONE_VALUE_SHARE = 0.20
NATURAL_FACTOR = 1.5
"""One value may be this much more frequent than the noise makes it: a quiet detector has few values by nature."""

LINEAR_SHARE = 0.9
"""Of the saturation level, where the camera's own linear range is not known."""

MAX_BIAS_S = 1.0
"""The shortest exposure some cameras can make; a longer one is a dark, whatever it calls itself."""

MAX_DARK_SHARE = 0.5
"""Of the saturation level: no dark is so bright, a flat often is."""

MIN_READ_NOISE_SHARE = 0.7
"""A single exposure is never this much quieter than its camera reads out; a stack of two already is."""


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What the pixels of a frame show; None where it was not or cannot be measured."""

    saturated_share: float | None = None
    one_value_share: float | None = None
    noise_steps: float | None = None
    median_adu: float | None = None
    median_snr: float | None = None
    linear_limit_adu: float | None = None
    combined: int | None = None
    read_noise_share: float | None = None
    saturation_adu: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a frame is never stacked: a stable class and a sentence with the numbers."""

    reason: str
    sentence: str


def refusals(frame: Frame, facts: FrameFacts) -> tuple[Refusal, ...]:
    """List everything that keeps a frame out of a stack; empty when it may enter.

    Parameters
    ----------
    frame
        The frame as registered.
    facts
        Shares of its pixels; ``noise_steps`` is the clipped standard deviation in units of its smallest step,
        ``combined`` how many exposures the header counts, ``read_noise_share`` the noise of real-valued pixels in units
        of the camera's read noise.
    """
    tests = (_master(frame, facts), _temperature(frame), _saturated(facts), _one_value(facts), _too_quiet(facts))
    flat_tests = (_faint(facts), _beyond_linear(facts)) if frame.frame_type is FrameType.FLAT else (_bright(facts),)
    bias_tests = (_exposed(frame),) if frame.frame_type is FrameType.BIAS else ()
    return tuple(refusal for refusal in (*tests, *flat_tests, *bias_tests) if refusal is not None)


def _master(frame: Frame, facts: FrameFacts) -> Refusal | None:
    if facts.combined is not None and facts.combined > 1:
        return Refusal("is-master", f"the frame is itself a master: its header counts {facts.combined} exposures")
    return Refusal("is-master", "the frame is itself a master") if frame.is_master else None


def _too_quiet(facts: FrameFacts) -> Refusal | None:
    """Real numbers with less noise than one exposure can have are the mean of several."""
    share = facts.read_noise_share
    if share is None or share >= MIN_READ_NOISE_SHARE:
        return None
    text = f"the noise of its pixels is {share:.2f} of the camera's read noise: the frame is a stack, not one exposure"
    return Refusal("too-quiet", text)


def _temperature(frame: Frame) -> Refusal | None:
    if frame.set_temp_c is None or frame.ccd_temp_c is None:
        return None
    gap = abs(frame.ccd_temp_c - frame.set_temp_c)
    if gap < MAX_TEMPERATURE_GAP_C:
        return None
    at = f"sensor at {frame.ccd_temp_c:.1f} C, set point {frame.set_temp_c:.1f} C"
    return Refusal("temperature-unsettled", f"{at}: {gap:.1f} C apart, less than {MAX_TEMPERATURE_GAP_C} C is needed")


def _saturated(facts: FrameFacts) -> Refusal | None:
    share = facts.saturated_share
    if share is None or share < MAX_SATURATED_SHARE:
        return None
    return Refusal(
        "saturated", f"{100 * share:.1f} % of pixels saturated; less than {100 * MAX_SATURATED_SHARE:g} % is needed"
    )


def _one_value(facts: FrameFacts) -> Refusal | None:
    """One value in many pixels is a fault unless so few values are all the noise there is."""
    share = facts.one_value_share
    if share is None or share <= MAX_ONE_VALUE_SHARE:
        return None
    steps = facts.noise_steps
    natural = math.erf(0.5 / (steps * math.sqrt(2))) if steps else 0.0
    if share <= NATURAL_FACTOR * natural and share < 1.0:
        return None
    return Refusal(
        "one-value", f"one value fills {100 * share:.0f} % of the pixels; {100 * MAX_ONE_VALUE_SHARE:g} % is the limit"
    )


def _bright(facts: FrameFacts) -> Refusal | None:
    if not facts.saturation_adu or facts.median_adu is None:
        return None
    share = facts.median_adu / facts.saturation_adu
    if share <= MAX_DARK_SHARE:
        return None
    text = f"median {facts.median_adu:.0f} ADU is {100 * share:.0f} % of the range; a bias or dark is below "
    return Refusal("lit", f"{text}{100 * MAX_DARK_SHARE:g} %: was there light, or is it a flat?")


def _exposed(frame: Frame) -> Refusal | None:
    if frame.exposure_s is None or frame.exposure_s <= MAX_BIAS_S:
        return None
    return Refusal("bias-exposed", f"a bias exposed for {frame.exposure_s:g} s; above {MAX_BIAS_S:g} s it is a dark")


def _faint(facts: FrameFacts) -> Refusal | None:
    if facts.median_snr is None or facts.median_snr >= MIN_FLAT_SNR:
        return None
    return Refusal("flat-too-faint", f"median signal-to-noise {facts.median_snr:.0f}; a flat needs {MIN_FLAT_SNR:g}")


def _beyond_linear(facts: FrameFacts) -> Refusal | None:
    if facts.linear_limit_adu is None or facts.median_adu is None or facts.median_adu <= facts.linear_limit_adu:
        return None
    above = f"median {facts.median_adu:.0f} ADU is above the linear range, {facts.linear_limit_adu:.0f} ADU"
    return Refusal("flat-not-linear", above)
