"""Every individual frame is judged once when its group is looked at; what keeps it out of stacks is stored with it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pictor.imaging.combine.method import MAX_FRAMES
from pictor.imaging.matching.frames import CameraMode, Frame, FrameType
from pictor.imaging.matching.grouping import FrameGroup
from pictor.runtime.stacking.admission import LINEAR_SHARE, FrameFacts, refusals
from pictor.runtime.stacking.outliers import LEAST_TO_COMPARE, Sample, outliers
from pictor.state import individuals
from pictor.state.database import Connection
from pictor.state.individuals import Alike, Measured, Unjudged

NOWHEN = datetime.min.replace(tzinfo=UTC)
"""No test of a single frame asks for its time."""


async def judge_new(
    db: Connection, observatory_id: UUID, camera_mode: str, *, bias_level: float | None
) -> tuple[set[UUID], bool]:
    """Judge the frames of a camera mode that were not; return the admitted ones and whether these were all."""
    waiting = await individuals.unjudged(db, observatory_id, camera_mode)
    told = {one.id: reasons(one, bias_level=bias_level) for one in waiting}
    good = {frame for frame, why in told.items() if not why}
    await individuals.admit(db, list(good))
    await individuals.judge(db, {frame: why for frame, why in told.items() if why})
    return good, len(waiting) < individuals.JUDGED_AT_ONCE


def reasons(one: Unjudged, *, bias_level: float | None = None) -> tuple[str, ...]:
    """Say what keeps a frame out of every stack, from its header and its own pixels; empty when nothing does.

    Parameters
    ----------
    one
        The frame and what was measured of it.
    bias_level
        Level of the camera mode's master bias, in ADU; None while there is none.
    """
    kind = FrameType(str(one.frame_type))
    mode = CameraMode("", 0, 0)
    frame = Frame(
        str(one.id), kind, mode, NOWHEN, one.exposure_s, set_temp_c=one.set_temp_c, ccd_temp_c=one.ccd_temp_c,
        is_master=one.is_master,
    )  # fmt: skip
    return tuple(refusal.sentence for refusal in refusals(frame, facts_of_pixels(one, bias_level=bias_level)))


def facts_of_pixels(one: Unjudged, *, bias_level: float | None) -> FrameFacts:
    """Turn the statistics of ingest into what admission asks."""
    measured = one.measured
    saturation, noise = measured.get("saturation_adu"), spread_of(measured)
    of_camera = one.real_valued and one.frame_type != FrameType.FLAT.value and one.egain and one.read_noise_e
    return FrameFacts(
        saturated_share=measured.get("saturated_fraction"),
        one_value_share=measured.get("repeated_fraction"),
        noise_steps=least_steps(measured),
        saturation_adu=saturation,
        median_adu=measured.get("median"),
        median_snr=_signal_to_noise(one, bias_level or 0.0),
        linear_limit_adu=LINEAR_SHARE * saturation if saturation else None,
        combined=one.combined,
        read_noise_share=noise * one.egain / one.read_noise_e
        if of_camera and noise is not None and one.egain and one.read_noise_e
        else None,
    )


def spread_of(measured: dict[str, Any]) -> float | None:
    """Noise in ADU; where whole ADU make the median absolute deviation zero, the plain deviation speaks."""
    mad = measured.get("mad")
    return 1.4826 * mad if mad else measured.get("std")


def least_steps(measured: dict[str, Any]) -> float | None:
    """Return the least noise the statistics allow, in steps of the camera.

    A median absolute deviation of whole steps may be half a step too large. A camera of 12 bits written as 16 leaves
    multiples of 16: the largest power of two in extremes, median and deviation is its step, or less than that.
    """
    mad, std = measured.get("mad"), measured.get("std")
    values = [measured.get(name) for name in ("minimum", "maximum", "median", "mad")]
    if not mad or std is None or any(value is None or value != int(value) for value in values):
        return spread_of(measured)
    found = math.gcd(*(int(value) for value in values if value is not None))
    step = found & -found
    return float(1.4826 * max(mad / step - 0.5, 0.0)) if step else spread_of(measured)


def _signal_to_noise(one: Unjudged, below: float) -> float | None:
    """Photon and read noise of the median level above the bias, where the gain is known."""
    median = one.measured.get("median")
    if median is None or not one.egain:
        return None
    signal = max(median - below, 0.0) * one.egain
    return signal / math.sqrt(signal + (one.read_noise_e or 0.0) ** 2) if signal > 0 else 0.0


def frames_of(alike: Iterable[Alike], mode: dict[str, Any]) -> list[Frame]:
    """Turn rows of frames that state the same values into frames the rules understand."""
    found: list[Frame] = []
    if not mode:
        return found  # all frames of the mode were deleted
    shared = CameraMode(**{**mode, "rig_id": str(mode.get("rig_id"))})
    for one in alike:
        kind = FrameType(str(one.frame_type))
        found += [
            Frame(str(name), kind, shared, start, one.exposure_s, one.filter, one.rotator_deg, one.temp_c)
            for name, start in zip(one.ids, one.starts, strict=True)
        ]
    return found


def newest(group: FrameGroup) -> FrameGroup:
    """Leave the newest frames of a group, as many as can be combined."""
    return replace(group, frames=group.frames[-MAX_FRAMES:])


async def judge_together(db: Connection, group: FrameGroup, *, fresh: set[UUID], unlike: set[UUID]) -> FrameGroup:
    """Compare the frames of a group to which new ones came; return those that belong together.

    A frame refused only for being ``unlike`` its group is admitted again once the group tells otherwise.
    """
    ids = {UUID(frame.frame_id) for frame in group.frames}
    before = ids & unlike
    if fresh.isdisjoint(ids) and (not before or len(ids) - len(before) >= LEAST_TO_COMPARE):
        now = {str(name) for name in before}
    else:
        found = outliers(group.key.frame_type, samples_of(await individuals.measured(db, list(ids))))
        await individuals.admit(db, [name for name in before if str(name) not in found])
        await individuals.judge(db, {UUID(name): (told,) for name, told in found.items()})
        now = set(found)
    return replace(group, frames=tuple(frame for frame in group.frames if frame.frame_id not in now))


def samples_of(measured: Sequence[Measured]) -> list[Sample]:
    """Return what the comparison of a group asks of each frame; those nothing was measured of are left out."""
    found = []
    for one in measured:
        level, spread = one.statistics.get("mean"), spread_of(one.statistics)
        if level is not None and spread is not None:
            share = one.statistics.get("repeated_fraction") or 0.0
            found.append(Sample(str(one.id), level, spread, share, one.exposure_s, one.statistics.get("median")))
    return found
