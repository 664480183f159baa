"""The calibration library as the matching rules see it."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pictor.contracts.masters import MasterState
from pictor.imaging.matching.frames import CameraMode, Frame, FrameType
from pictor.imaging.matching.rules import MasterFrame, MasterStatus
from pictor.imaging.matching.selection import Candidate, Selection
from pictor.state.frames import Frame as StoredFrame
from pictor.state.masters import Master

MODE_FIELDS = tuple(name for name in CameraMode.__dataclass_fields__ if name != "rig_id")

SHOWN_CANDIDATES = 5
"""Nearest misses kept with a light; the explain view computes all of them anew."""


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


def calibrated_before(stored: StoredFrame) -> str | None:
    """Say that a light came with a bias, dark or flat taken off already; None where it is raw."""
    done = str((stored.description or {}).get("calstat") or "")
    return f"the light came calibrated already (CALSTAT '{done}')" if {"B", "D", "F"} & set(done.upper()) else None


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
        holds_bias=bool(facts.get("holds_bias", True)),
        first_utc=master.first_at,
        last_utc=master.last_at,
    )


def explain(one: Selection) -> dict[str, Any]:
    """Tell a selection as JSON: the sentence, and the nearest candidates with every rule."""
    return {
        "master_id": one.master.master_id if one.master else None,
        "reason": one.reason,
        "candidates": [_candidate(candidate) for candidate in _shown(one.candidates)],
    }


def _shown(candidates: Iterable[Candidate]) -> list[Candidate]:
    return list(candidates)[:SHOWN_CANDIDATES]


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "master_id": candidate.master.master_id,
        "matches": candidate.matches,
        "expired": candidate.expired,
        "rules": [asdict(rule) for rule in candidate.rules],
    }
