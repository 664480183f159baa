"""What ingest writes about a frame: registered with its description, or quarantined with its reason."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from pictor.contracts.frames import (
    CALIBRATION_TYPES,
    FrameIngested,
    FrameQuarantined,
    FrameType,
    ProductKind,
)
from pictor.contracts.modules import Module
from pictor.contracts.subjects import FRAME_INGESTED, FRAME_QUARANTINED
from pictor.runtime.modes import mode_key
from pictor.runtime.step import Step
from pictor.state import frames, observatories
from pictor.state.frames import Frame

OLD = timedelta(days=20 * 365)
"""Digital archives go back about so far; a clock that was never set says 1970, 1980 or 2000."""

UNGRADED = frozenset({FrameType.SNAPSHOT})
"""Shown, but neither measured nor solved."""


async def register(step: Step, frame: Frame, found: dict[str, Any]) -> None:
    """Record a described frame, or quarantine one that lacks required facts."""
    description = found["description"]
    observatory = await step.read(observatories.get, frame.observatory_id)
    night = night_of(description, observatory.longitude_deg if observatory else None)
    if found["problems"]:
        reasons = [problem["message"] for problem in found["problems"]]
        quarantine(step, frame, reason=found["problems"][0]["reason"], message=" ".join(reasons), found=found)
        return
    _describe(step, frame, found, night)
    if found["converted"]:
        await step.keep(ProductKind.STORED, Path(found["converted"]), "application/fits")
    kind = FrameType(description["frame_type"])
    step.reroute(itinerary_of(step.order.itinerary, kind, is_master=description["is_master"]))
    step.announce(
        FRAME_INGESTED,
        FrameIngested(
            observatory=step.order.observatory, job_id=step.order.job_id, frame_id=frame.id, frame_type=kind,
            is_master=description["is_master"], filter=description["filter"], exposure_s=description["exposure_s"],
            night=night, target=description["target_name"],
        ),
    )  # fmt: skip


def _describe(step: Step, frame: Frame, found: dict[str, Any], night: date | None) -> None:
    description = found["description"]
    step.save(
        frames.register, frame.id, description=description, camera_mode=camera_mode(frame, description), night=night,
        cards=found["cards"], statistics=found["statistics"],
        geometry={**found["geometry"], "container": found["container"], "checksum": found["checksum"]},
        warnings=[*found["warnings"], *doubts_about(description["start_utc"], frame.received_at)],
    )  # fmt: skip


def doubts_about(start_utc: str | None, received_at: datetime) -> list[str]:
    """Doubt a time of exposure that the arrival of the frame contradicts; the frame is kept all the same."""
    if start_utc is None:
        return []
    start = datetime.fromisoformat(start_utc)
    if start > received_at + timedelta(days=1):
        return [f"taken on {start.date()}, but received before, on {received_at.date()}: is the camera's clock right?"]
    if received_at - start > OLD:
        return [f"taken on {start.date()}, long before it was received on {received_at.date()}: is the clock right?"]
    return []


def quarantine(step: Step, frame: Frame, *, reason: str, message: str, found: dict[str, Any] | None = None) -> None:
    """Keep the bytes, what could be read of their header, and say why they go no further."""
    step.forget_results()
    if found is not None:
        _describe(step, frame, found, None)
    step.save(frames.quarantine, frame.id, reason=reason, message=message)
    step.reroute(())
    step.fail(reason, message)
    order = step.order
    step.announce(
        FRAME_QUARANTINED,
        FrameQuarantined(
            observatory=order.observatory, job_id=order.job_id, frame_id=frame.id, reason=reason, message=message
        ),
    )


def itinerary_of(planned: tuple[Module, ...], kind: FrameType, *, is_master: bool) -> tuple[Module, ...]:
    """Return where a frame of this type goes after ingest."""
    if kind in CALIBRATION_TYPES or is_master:
        return tuple(module for module in planned if module is Module.PREVIEW)
    if kind in UNGRADED:
        return tuple(module for module in planned if module in {Module.HEADER_UPDATE, Module.PREVIEW})
    return planned


def camera_mode(frame: Frame, description: dict[str, Any]) -> str:
    """Return a short stable key of the detector settings: equal for frames that may be calibrated together."""
    return mode_key(str(frame.rig_id) if frame.rig_id else str(description.get("camera")), description)


def night_of(description: dict[str, Any], longitude_deg: float | None) -> date | None:
    """Return the local noon-to-noon date of an exposure; the registered site wins over the header."""
    if description.get("start_utc") is None:
        return None
    east = longitude_deg if longitude_deg is not None else description.get("site_longitude_deg")
    start = datetime.fromisoformat(description["start_utc"])
    return (start + timedelta(hours=(east or 0.0) / 15.0 - 12.0)).date()
