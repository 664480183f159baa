"""An uploaded master: what it is of, by its header and by what was said, and what is kept of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid5

from pictor.contracts.frames import CALIBRATION_TYPES, FrameType, ProductKind
from pictor.contracts.masters import MasterCreated, MasterRejected, MasterState
from pictor.contracts.subjects import MASTER_CREATED, MASTER_REJECTED
from pictor.imaging.errors import ImagingError
from pictor.imaging.matching.frames import CameraMode
from pictor.imaging.matching.frames import FrameType as Kind
from pictor.imaging.matching.grouping import Group, GroupKey
from pictor.imaging.matching.policy import FlatRotation, Policy, validate
from pictor.runtime.modes import MODE_FIELDS, mode_key
from pictor.runtime.stacking.library import facts_of, group_name
from pictor.runtime.step import Step
from pictor.state import groups, masters, outbox, policies, premade, products
from pictor.state.database import Connection
from pictor.state.frames import Frame
from pictor.state.groups import NamedGroup
from pictor.state.masters import Master
from pictor.state.outbox import Outgoing
from pictor.state.premade import Claimed, KnownMode

TIMEOUT_S = 600.0

CARDS = {
    "exposure_s": "EXPTIME", "filter": "FILTER", "gain_setting": "GAIN", "offset_setting": "OFFSET",
    "camera": "INSTRUME", "readout_mode": "READOUTM", "binning_x": "XBINNING", "binning_y": "YBINNING",
    "rotator_deg": "ROTATANG", "set_temp_c": "SET-TEMP",
}  # fmt: skip
"""Where the header of a master tells what it is of."""

KEPT = ("levels_adu", "checks", "flat_level_adu", "holds_bias", "notes")

NEAR = 1e-3
"""Header and upload agree about a number that differs by this share."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What an uploaded master is of."""

    kind: FrameType
    camera_mode: str
    key: GroupKey
    described: dict[str, Any]
    notes: tuple[str, ...]


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
    policy = validate(await step.read(policies.policy_of, frame.observatory_id))
    modes = await step.read(premade.known_modes, frame.observatory_id)
    identity = identify(frame.rig_id, merged(found["description"], claimed.stated), modes, policy)
    active = await _active(step, frame.observatory_id, identity, policy)
    made = await step.compute(
        "pictor.calibration_stacker.compute:adopt", timeout_s=TIMEOUT_S, path=found["path"],
        scratch=str(step.scratch), **await _given(step, frame, identity, active),
    )  # fmt: skip
    await _keep(step, frame, claimed, identity, policy, made=made, compared_with=active.id if active else None)


def merged(described: Mapping[str, Any], stated: Mapping[str, Any]) -> dict[str, Any]:
    """Add to what a header says what was said at the upload; the two may not contradict each other.

    Raises
    ------
    ImagingError
        If they do, if neither says what kind of master it is, or nothing says that it is one.
    """
    known = {**described, "frame_type": _kind_in(described)}
    if not described.get("is_master") and "frame_type" not in stated:
        raise ImagingError(
            f"the header says {described.get('frame_type')}, not that it is a master; state frame_type if it is one",
            reason="not-a-master",
        )
    for name, said in _fields(stated).items():
        found = known.get(name)
        silent = found is None or (name.startswith("binning") and found == 1)
        if not silent and not _agree(found, said):
            raise ImagingError(
                f"the header says {name} = {found}, the upload {said}; correct one of them", reason="contradiction"
            )
        known[name] = said
    kind = known["frame_type"]
    if kind is None:
        raise ImagingError("nothing says what kind of master this is; state frame_type", reason="no-frame-type")
    if kind in {"dark", "flat-dark"} and known.get("exposure_s") is None:
        raise ImagingError("a master dark needs its exposure; state exposure_s", reason="no-exposure")
    return known


def _kind_in(described: Mapping[str, Any]) -> str | None:
    kind = described.get("frame_type")
    return kind if kind in {str(one) for one in CALIBRATION_TYPES} else None


def _fields(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was said under the names of a description."""
    renamed = {"camera_name": "camera", "temp_c": "set_temp_c", "ncombine": "n_combined"}
    found = {renamed.get(name, name): value for name, value in stated.items()}
    if "binning_x" in found:
        found["binning_y"] = found["binning_x"]
    return found


def _agree(one: Any, two: Any) -> bool:  # noqa: ANN401 - values of a header
    if isinstance(one, int | float) and isinstance(two, int | float):
        return abs(one - two) <= max(NEAR * abs(two), 0.05)
    return str(one) == str(two)


def identify(rig_id: UUID | None, known: Mapping[str, Any], modes: list[KnownMode], policy: Policy) -> Identity:
    """Find the camera mode and the group of a master; what its header leaves out the one mode that fits tells.

    Raises
    ------
    ImagingError
        If several camera modes fit.
    """
    fitting = [mode for mode in modes if fits(rig_id, known, mode)]
    exact = [one for one in fitting if all(known.get(n) == one.description.get(n) for n in MODE_FIELDS)]
    if len(exact or fitting) > 1:
        differing = [n for n in MODE_FIELDS if len({str(one.description.get(n)) for one in fitting}) > 1]
        raise ImagingError(
            f"{len(fitting)} camera modes fit this master; state {', '.join(differing) or 'rig'}", reason="which-mode"
        )
    mode = next(iter(exact or fitting), None)
    notes: tuple[str, ...] = ("a camera mode without any frame so far",)
    described, rig = dict(known), str(rig_id or known.get("camera"))
    if mode is not None:
        taken = [n for n in MODE_FIELDS if known.get(n) is None and mode.description.get(n) is not None]
        notes = (f"{', '.join(taken)} taken from the only camera mode that fits",) if taken else ()
        described |= {name: mode.description.get(name) for name in MODE_FIELDS}
        rig = str(mode.rig_id or mode.description.get("camera"))
    camera_mode = mode.camera_mode if mode else mode_key(rig, described)
    values: dict[str, Any] = {name: described.get(name) for name in MODE_FIELDS}
    key = _key(CameraMode(rig_id=rig, **values), described, policy)
    return Identity(FrameType(described["frame_type"]), camera_mode, key, described, notes)


def fits(rig_id: UUID | None, known: Mapping[str, Any], mode: KnownMode) -> bool:
    """Tell whether a master may be of a camera mode: the same size, and nothing it says is otherwise there."""
    other = mode.description
    if (known.get("width"), known.get("height")) != (other.get("width"), other.get("height")):
        return False
    if rig_id is not None and mode.rig_id is not None and rig_id != mode.rig_id:
        return False
    named = known.get("camera"), other.get("camera")
    if rig_id is None and None not in named and named[0] != named[1]:
        return False
    return all(known.get(name) is None or known.get(name) == other.get(name) for name in MODE_FIELDS)


def _key(mode: CameraMode, described: Mapping[str, Any], policy: Policy) -> GroupKey:
    kind = Kind(described["frame_type"])
    flat = kind is Kind.FLAT
    temp = described.get("set_temp_c")
    turned = flat and policy.flat_rotation is not FlatRotation.IGNORE
    return GroupKey(
        mode, kind, exposure_s=described.get("exposure_s") if kind in {Kind.DARK, Kind.FLAT_DARK} else None,
        filter=described.get("filter") if flat else None,
        rotator_deg=described.get("rotator_deg") if turned else None,
        temp_c=described.get("ccd_temp_c") if temp is None else temp,
    )  # fmt: skip


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


async def _given(step: Step, frame: Frame, identity: Identity, active: Master | None) -> dict[str, Any]:
    """Collect what the judgement needs besides the file."""
    described, key = identity.described, identity.key
    library = await step.read(masters.usable, frame.observatory_id, identity.camera_mode)
    bias = [
        one.statistics["levels_adu"] for one in library
        if one.frame_type is FrameType.BIAS and one.state is MasterState.ACTIVE and one.statistics.get("levels_adu")
    ]  # fmt: skip
    usual = await step.read(
        premade.usual_level, frame.observatory_id, identity.camera_mode, str(identity.kind), key.exposure_s
    )
    product = (await step.read(products.of_master, active.id)).get(ProductKind.MASTER) if active else None
    told = {card: described[name] for name, card in CARDS.items() if described.get(name) is not None}
    return {
        "kind": str(identity.kind), "cards": {**told, "SRCSHA": frame.sha256}, "notes": list(identity.notes),
        "bayer": bool(described.get("bayer")), "ncombine": described.get("n_combined") or 1,
        "bias_level_adu": float(median(bias[-1])) if bias else None, "usual_level_adu": usual,
        "active_path": str(await step.fetch(product.key, product.sha256)) if product else None,
    }  # fmt: skip


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
    master = Master(
        id=uuid5(order.job_id, f"master/{order.run}"), observatory_id=frame.observatory_id, rig_id=frame.rig_id,
        job_id=None, state=MasterState(made["verdict"]), frame_type=identity.kind, group_key="",
        camera_mode=identity.camera_mode, facts=facts_of(identity.key),
        ncombine=identity.described.get("n_combined") or 1, policy={}, reasons=tuple(made["reasons"]),
        statistics={**{name: made[name] for name in KEPT}, "upload": provenance},
        taken_at=datetime.fromisoformat(started) if started else frame.received_at, origin="upload",
        camera_name=identity.described.get("camera"),
    )  # fmt: skip
    step.save(_decide, step, master, identity, policy, compared_with=compared_with)
    await step.keep(ProductKind.MASTER, Path(made["master_path"]), "application/fits", master_id=master.id)
    if made["bad_pixels_path"]:
        await step.keep(ProductKind.BAD_PIXELS, Path(made["bad_pixels_path"]), "application/fits", master_id=master.id)
    if master.state is not MasterState.ACTIVE:
        step.fail(f"master-{master.state}", f"the master is not used: {'; '.join(master.reasons)}")


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
    about: dict[str, Any] = {
        "observatory": step.order.observatory, "master_id": master.id, "job_id": step.order.job_id,
        "frame_type": master.frame_type, "group_key": name,
    }  # fmt: skip
    if master.state is MasterState.ACTIVE:
        fact = MasterCreated(**about, ncombine=master.ncombine, superseded=tuple(superseded))
        return await outbox.put(db, MASTER_CREATED, fact)
    return await outbox.put(db, MASTER_REJECTED, MasterRejected(**about, reasons=master.reasons))
