"""The library as the decisions see it: rows of the database turned into frames, masters and groups."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from pictor.calibration_stacker.admission import FrameFacts, refusals
from pictor.calibration_stacker.frames import CameraMode, Frame, FrameType
from pictor.calibration_stacker.grouping import FrameGroup, GroupKey, same_group
from pictor.calibration_stacker.policy import Policy
from pictor.calibration_stacker.rules import MasterFrame, MasterStatus
from pictor.contracts.masters import MasterState
from pictor.state.frames import Frame as StoredFrame
from pictor.state.masters import Master

MODE_FIELDS = tuple(name for name in CameraMode.__dataclass_fields__ if name != "rig_id")


def frame_seen(stored: StoredFrame) -> Frame:
    """Turn a stored frame into one the rules understand."""
    described = stored.description or {}
    values: dict[str, Any] = {name: described.get(name) for name in MODE_FIELDS}
    mode = CameraMode(rig_id=str(stored.rig_id or described.get("camera")), **values)
    return Frame(
        frame_id=str(stored.id),
        frame_type=FrameType(str(stored.frame_type)),
        mode=mode,
        start_utc=stored.start_utc or stored.received_at,
        exposure_s=stored.exposure_s,
        filter=stored.filter,
        rotator_deg=described.get("rotator_deg"),
        set_temp_c=described.get("set_temp_c"),
        ccd_temp_c=described.get("ccd_temp_c"),
        is_master=stored.is_master,
    )


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


def master_seen(master: Master) -> MasterFrame:
    """Turn a stored master into one the rules understand."""
    facts = master.facts
    return MasterFrame(
        master_id=str(master.id),
        frame_type=FrameType(str(master.frame_type)),
        mode=CameraMode(**facts["mode"]),
        start_utc=master.taken_at or master.created_at or datetime.now(UTC),
        frames=master.ncombine,
        status=MasterStatus.ACTIVE if master.state is MasterState.ACTIVE else MasterStatus.SUPERSEDED,
        exposure_s=facts["exposure_s"],
        filter=facts["filter"],
        rotator_deg=facts["rotator_deg"],
        temp_c=facts["temp_c"],
    )


def key_of(facts: dict[str, Any]) -> GroupKey:
    """Read a group key from the facts stored with a master."""
    values = {name: facts[name] for name in GroupKey.__dataclass_fields__}
    return GroupKey(**{**values, "mode": CameraMode(**facts["mode"]), "frame_type": FrameType(facts["frame_type"])})


def facts_of(key: GroupKey) -> dict[str, Any]:
    """Return a group key as JSON facts."""
    return asdict(replace(key))


def group_name(group: FrameGroup, masters: Iterable[Master], policy: Policy) -> str:
    """Name a group: as the master it would replace, else after its own key.

    The centre of a temperature cluster moves as frames join, the name of its group must not.
    """
    for master in masters:
        if same_group(key_of(master.facts), group.key, policy):
            return master.group_key
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
