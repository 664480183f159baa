"""Groups of the library: their names, their facts, and which frames may enter a stack."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from pictor.imaging.matching.frames import CameraMode, FrameType
from pictor.imaging.matching.grouping import FrameGroup, GroupKey, same_group
from pictor.imaging.matching.policy import Policy
from pictor.runtime.library import frame_seen
from pictor.runtime.stacking.admission import FrameFacts, refusals
from pictor.state.frames import Frame as StoredFrame
from pictor.state.groups import NamedGroup
from pictor.state.masters import Master


def why_not(stored: StoredFrame) -> str | None:
    """Say why a frame may not enter a stack; None when it may."""
    measured, described = stored.statistics or {}, stored.description or {}
    saturation = measured.get("saturation_adu")
    facts = FrameFacts(
        saturated_share=measured.get("saturated_fraction"),
        one_value_share=measured.get("repeated_fraction"),
        noise_steps=_steps(measured),
        median_adu=measured.get("median"),
        median_snr=_signal_to_noise(measured, described),
        linear_limit_adu=0.9 * saturation if saturation else None,
    )
    found = refusals(frame_seen(stored), facts)
    return "; ".join(refusal.sentence for refusal in found) or None


def _steps(measured: dict[str, Any]) -> float | None:
    """Noise in units of one ADU; the MAD of quantised low noise is zero, then the plain deviation speaks."""
    mad = measured.get("mad")
    return 1.4826 * mad if mad else measured.get("std")


def _signal_to_noise(measured: dict[str, Any], described: dict[str, Any]) -> float | None:
    """Photon statistics of the median level, where the gain is known; the offset is a minor part of a good flat."""
    median, egain = measured.get("median"), described.get("egain")
    return (median * egain) ** 0.5 if median and egain and median > 0 else None


def key_of(facts: dict[str, Any]) -> GroupKey:
    """Read a group key from the facts stored with a master."""
    values = {name: facts[name] for name in GroupKey.__dataclass_fields__}
    return GroupKey(**{**values, "mode": CameraMode(**facts["mode"]), "frame_type": FrameType(facts["frame_type"])})


def facts_of(key: GroupKey) -> dict[str, Any]:
    """Return a group key as JSON facts."""
    return asdict(replace(key))


def group_name(group: FrameGroup, known: Iterable[Master | NamedGroup], policy: Policy) -> str:
    """Name a group: as the master it would replace, or as it was called before, else after its own key.

    The centre of a temperature cluster moves as frames join, the name of its group must not.
    """
    for one in known:
        if same_group(key_of(one.facts), group.key, policy):
            return one.group_key
    return name_of(group.key)


def name_of(key: GroupKey) -> str:
    """Make a short readable name that no other group has."""
    digest = hashlib.sha256(json.dumps(facts_of(key), sort_keys=True).encode()).hexdigest()[:12]
    parts = [str(key.frame_type)]
    if key.exposure_s is not None:
        parts.append(f"{key.exposure_s:g}s")
    if key.filter:
        parts.append("".join(letter for letter in key.filter if letter.isalnum())[:16])
    if key.temp_c is not None:
        parts.append(f"{key.temp_c:g}C")
    return "/".join([*parts, digest])
