"""The calibration library as the matching rules see it, and the masters a light is measured with."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pictor.contracts.frames import ProductKind
from pictor.contracts.masters import MasterState
from pictor.imaging.errors import ImagingError
from pictor.imaging.matching.frames import CameraMode, Frame, FrameType
from pictor.imaging.matching.policy import validate
from pictor.imaging.matching.rules import MasterFrame, MasterStatus
from pictor.imaging.matching.selection import MasterSet, Selection, select_set
from pictor.runtime.step import Step
from pictor.state import masters, policies, products
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


@dataclass(frozen=True, slots=True)
class Chosen:
    """Local files of the masters a light gets, their ids, and why these or none."""

    paths: dict[str, str]
    ids: dict[str, UUID | None]
    weak: bool
    explanation: dict[str, Any]


async def choose_masters(step: Step, frame: StoredFrame) -> Chosen:
    """Choose the masters of a light by the observatory's policy and fetch them.

    A flat is applied with a dark only: without one it would scale the offset too.
    """
    policy = validate(await step.read(policies.policy_of, frame.observatory_id))
    library = await step.read(masters.usable_for, frame.observatory_id, frame.rig_id, frame.camera_mode or "")
    found = select_set(frame_seen(frame), [master_seen(master) for master in library], policy)
    ids = _ids(found)
    paths = {kind: await _fetch(step, master_id) for kind, master_id in ids.items() if master_id is not None}
    places = {"dark": found.dark, "flat": found.flat, "bias": found.bias}
    weak = any(one.chosen is not None and bool(one.chosen.weak) for one in places.values())
    return Chosen(paths, ids, weak, {kind: explain(one) for kind, one in places.items()})


def _ids(found: MasterSet) -> dict[str, UUID | None]:
    dark = found.dark.master or found.bias.master
    flat = found.flat.master if dark is not None else None
    return {"dark": UUID(dark.master_id) if dark else None, "flat": UUID(flat.master_id) if flat else None}


async def _fetch(step: Step, master_id: UUID) -> str:
    product = (await step.read(products.of_master, master_id)).get(ProductKind.MASTER)
    if product is None:
        raise ImagingError(f"master {master_id} was removed while it was needed; process again", reason="master-gone")
    try:
        return str(await step.fetch(product.key, product.sha256))
    except ImagingError as error:
        reason = "master-gone" if error.reason == "source-missing" else "corrupt-master"
        raise ImagingError(
            f"master {master_id} cannot be used, process again once it is replaced: {error}", reason=reason
        ) from error


def explain(one: Selection) -> dict[str, Any]:
    """Tell a selection as JSON: the sentence, and the nearest candidates with every rule."""
    return {
        "master_id": one.master.master_id if one.master else None,
        "reason": one.reason,
        "candidates": [_candidate(candidate) for candidate in _shown(one.candidates)],
    }


def _shown(candidates: Iterable[Any]) -> list[Any]:
    return list(candidates)[:SHOWN_CANDIDATES]


def _candidate(candidate: Any) -> dict[str, Any]:  # noqa: ANN401 - a selection candidate
    return {
        "master_id": candidate.master.master_id,
        "matches": candidate.matches,
        "expired": candidate.expired,
        "rules": [asdict(rule) for rule in candidate.rules],
    }
