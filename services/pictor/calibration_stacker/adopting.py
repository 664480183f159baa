"""An uploaded master: what it is of, by its header and by what was said, and what is kept of it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid5

from pictor.calibration_stacker.identifying import ABOUT_PIXELS, Identity, identify, merged
from pictor.calibration_stacker.picturing import keep_pictures
from pictor.contracts.frames import FrameType, ProductKind
from pictor.contracts.masters import MasterCreated, MasterRejected, MasterState
from pictor.contracts.subjects import MASTER_CREATED, MASTER_REJECTED
from pictor.imaging.errors import ImagingError
from pictor.imaging.matching.grouping import Group, exposure_tolerance
from pictor.imaging.matching.policy import Policy
from pictor.runtime.filters import names_alike, policy_of
from pictor.runtime.local import local_frame
from pictor.runtime.stacking.library import facts_of, group_name
from pictor.runtime.step import Step
from pictor.state import groups, light_sets, masters, observatories, outbox, premade, products
from pictor.state.database import Connection
from pictor.state.frames import Frame
from pictor.state.groups import NamedGroup
from pictor.state.masters import Master
from pictor.state.outbox import Outgoing
from pictor.state.premade import Claimed

TIMEOUT_S = 600.0

CARDS = {
    "exposure_s": "EXPTIME", "filter": "FILTER", "gain_setting": "GAIN", "offset_setting": "OFFSET",
    "camera": "INSTRUME", "readout_mode": "READOUTM", "binning_x": "XBINNING", "binning_y": "YBINNING",
    "rotator_deg": "ROTATANG", "set_temp_c": "SET-TEMP", "start_utc": "DATE-OBS",
}  # fmt: skip
"""Where the header of a master tells what it is of."""

KEPT = ("levels_adu", "checks", "flat_level_adu", "holds_bias", "notes", "scale")


async def adopt(step: Step) -> None:
    """Make a candidate of an uploaded master and judge it."""
    frame = await step.frame()
    claimed = await step.read(premade.claim_of, frame.observatory_id, frame.sha256)
    if claimed is None:
        raise ImagingError("nobody says that this file is a master; upload it again", reason="request-missing")
    path = await step.fetch(frame.raw_key, frame.sha256)
    found = await step.compute(
        "pictor.calibration_stacker.compute:inspect", timeout_s=TIMEOUT_S, path=str(path), name=frame.name,
        scratch=str(step.scratch),
    )  # fmt: skip
    policy: Policy = await step.read(policy_of, frame.observatory_id)
    modes = await step.read(premade.known_modes, frame.observatory_id)
    identity = identify(frame.rig_id, merged(found["description"], claimed.stated, policy.filters), modes, policy)
    active = await _active(step, frame.observatory_id, identity, policy)
    made = await step.compute(
        "pictor.calibration_stacker.compute:adopt", timeout_s=TIMEOUT_S, path=found["path"],
        scratch=str(step.scratch), **await _given(step, frame, identity, active, policy, stated=claimed.stated),
    )  # fmt: skip
    await _keep(step, frame, claimed, identity, policy, made=made, compared_with=active.id if active else None)


async def _named(db: Connection, observatory_id: UUID, identity: Identity, policy: Policy) -> tuple[str, Master | None]:
    """Return the name of the group a master is for, and the master active in it."""
    library = await masters.usable(db, observatory_id, identity.camera_mode)
    known: list[Master | NamedGroup] = [*library, *await groups.named_groups(db, observatory_id)]
    name = group_name(Group(identity.key, ()), known, policy)
    active = (one for one in library if one.group_key == name and one.state is MasterState.ACTIVE)
    return name, next(active, None)


async def _active(step: Step, observatory_id: UUID, identity: Identity, policy: Policy) -> Master | None:
    active: Master | None = (await step.read(_named, observatory_id, identity, policy))[1]
    return active


async def _given(
    step: Step, frame: Frame, identity: Identity, active: Master | None, policy: Policy, *, stated: Mapping[str, Any]
) -> dict[str, Any]:
    """Collect what the judgement needs besides the file."""
    described, key = identity.described, identity.key
    rig = await step.read(observatories.rig, frame.rig_id) if frame.rig_id else None
    told = {card: described[name] for name, card in CARDS.items() if described.get(name) is not None}
    shown = identity.known.description if identity.known else {}
    return {
        "kind": str(identity.kind), "cards": {**told, "SRCSHA": frame.sha256}, "notes": list(identity.notes),
        "doubts": [] if active else list(identity.doubts), "bayer": bool(described.get("bayer")),
        "ncombine": described.get("n_combined") or 1,
        **await _bias(step, frame.observatory_id, identity),
        "usual_level_adu": await step.read(
            premade.usual_level, frame.observatory_id, identity.camera_mode, str(identity.kind), key.exposure_s
        ),
        "active_path": await _master_path(step, active),
        "in_hand": await _in_hand(step, frame.observatory_id, identity, policy),
        "row_order": (rig.row_order if rig else None) or shown.get("row_order"),
        "egain": described.get("egain") or (rig.egain if rig else None) or shown.get("egain"),
        "stated": {name: said for name, said in stated.items() if name in ABOUT_PIXELS},
    }  # fmt: skip


async def _in_hand(step: Step, observatory_id: UUID, identity: Identity, policy: Policy) -> list[str]:
    """Fetch the newest individual frames of the group of a master; one that cannot be fetched is passed over."""
    key = identity.key
    wanted = premade.Wanted(
        identity.camera_mode, str(identity.kind), key.exposure_s, exposure_tolerance(key.exposure_s or 0.0, policy),
        await step.read(names_alike, observatory_id, key.filter, key.mode.rig_id, policy), key.temp_c,
        policy.temperature_tolerance_c,
    )  # fmt: skip
    fetched = []
    for one in await step.read(premade.in_hand, observatory_id, wanted):
        with suppress(ImagingError):
            fetched.append(str(await local_frame(step, one)))
    return fetched


async def _bias(step: Step, observatory_id: UUID, identity: Identity) -> dict[str, Any]:
    """Find the bias of a camera mode: its active master, else the level of its individual frames."""
    if identity.kind is FrameType.BIAS:
        return {}
    library = await step.read(masters.usable, observatory_id, identity.camera_mode)
    known = [
        one for one in library
        if one.frame_type is FrameType.BIAS and one.state is MasterState.ACTIVE and one.statistics.get("levels_adu")
    ]  # fmt: skip
    if not known:
        level = await step.read(premade.usual_level, observatory_id, identity.camera_mode, "bias", None)
        return {"bias_level_adu": level}
    return {
        "bias_level_adu": float(median(known[-1].statistics["levels_adu"])),
        "bias_path": await _master_path(step, known[-1]),
    }


async def _master_path(step: Step, master: Master | None) -> str | None:
    product = (await step.read(products.of_master, master.id)).get(ProductKind.MASTER) if master else None
    return str(await step.fetch(product.key, product.sha256)) if product else None


async def _keep(
    step: Step, frame: Frame, claimed: Claimed, identity: Identity, policy: Policy, *,
    made: dict[str, Any], compared_with: UUID | None,
) -> None:  # fmt: skip
    """Store the candidate with its verdict and its provenance; it has no components."""
    order = step.order
    started = identity.described.get("mid_utc") or identity.described.get("start_utc")
    provenance = {
        "by": claimed.uploaded_by, "sha256": frame.sha256, "frame_id": str(frame.id), "name": frame.name,
        "program": identity.described.get("program"), "stated": claimed.stated, "job_id": str(order.job_id),
    }  # fmt: skip
    facts = {**facts_of(identity.key), "holds_bias": made["holds_bias"] is not False}
    rig_id = frame.rig_id or (identity.known.rig_id if identity.known else None)
    master = Master(
        id=uuid5(order.job_id, f"master/{order.run}"), observatory_id=frame.observatory_id, rig_id=rig_id,
        job_id=None, state=MasterState(made["verdict"]), frame_type=identity.kind, group_key="",
        camera_mode=identity.camera_mode, facts=facts,
        ncombine=identity.described.get("n_combined") or 1, policy={}, reasons=tuple(made["reasons"]),
        statistics={**{name: made[name] for name in KEPT}, "upload": provenance},
        taken_at=datetime.fromisoformat(started) if started else frame.received_at, origin="upload",
        camera_name=identity.described.get("camera"),
    )  # fmt: skip
    step.save(_decide, step, master, identity, policy, compared_with=compared_with)
    await step.keep(ProductKind.MASTER, Path(made["master_path"]), "application/fits", master_id=master.id)
    await keep_pictures(step, made.get("pictures"), master.id)
    if made["bad_pixels_path"]:
        await step.keep(ProductKind.BAD_PIXELS, Path(made["bad_pixels_path"]), "application/fits", master_id=master.id)
    if master.state is not MasterState.ACTIVE:
        step.fail(f"master-{master.state}", f"{_fate(master)}: {'; '.join(master.reasons)}")


def _fate(master: Master) -> str:
    if master.state is MasterState.NEEDS_REVIEW:
        return f"master {master.id} is kept and not used before a person accepts it"
    return f"master {master.id} is rejected"


async def _decide(
    db: Connection, step: Step, master: Master, identity: Identity, policy: Policy, *, compared_with: UUID | None
) -> Outgoing:
    """Name the group and record the master; one that replaces what it was not compared with waits for a person."""
    await masters.lock_library(db, master.observatory_id, master.camera_mode)
    name, active = await _named(db, master.observatory_id, identity, policy)
    master = replace(master, group_key=name)
    if master.state is MasterState.ACTIVE and (active.id if active else None) != compared_with:
        why = "another master became active while this one was judged"
        master = replace(master, state=MasterState.NEEDS_REVIEW, reasons=(*master.reasons, why))
    superseded = await masters.save(db, master, [])
    if superseded:
        step.drop(await light_sets.forget_calibrated(db, master.observatory_id, superseded))
    about: dict[str, Any] = {
        "observatory": step.order.observatory, "master_id": master.id, "job_id": step.order.job_id,
        "frame_type": master.frame_type, "group_key": name,
    }  # fmt: skip
    if master.state is MasterState.ACTIVE:
        fact = MasterCreated(**about, ncombine=master.ncombine, superseded=tuple(superseded))
        return await outbox.put(db, MASTER_CREATED, fact)
    return await outbox.put(db, MASTER_REJECTED, MasterRejected(**about, reasons=master.reasons))
