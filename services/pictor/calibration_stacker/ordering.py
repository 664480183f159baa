"""What a stack is made of, and what is kept of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid5

from pictor.calibration_stacker.picturing import keep_pictures
from pictor.calibration_stacker.sensor import place_of
from pictor.calibration_stacker.telling import KnownDark, expected_level
from pictor.contracts.frames import ProductKind
from pictor.contracts.masters import MasterCreated, MasterRejected, MasterState
from pictor.contracts.subjects import MASTER_CREATED, MASTER_REJECTED
from pictor.imaging.errors import ImagingError
from pictor.imaging.matching.frames import FrameType
from pictor.imaging.matching.policy import validate
from pictor.imaging.matching.rules import MasterStatus
from pictor.imaging.matching.selection import dark_for_flats, select
from pictor.imaging.matching.spans import span_of
from pictor.runtime.filters import policy_of
from pictor.runtime.library import frame_seen, master_seen
from pictor.runtime.local import local_frame
from pictor.runtime.stacking.library import one_with
from pictor.runtime.step import Step
from pictor.state import badpixels, diary, individuals, light_sets, masters, observatories, outbox, products, stacks
from pictor.state.badpixels import StoredList
from pictor.state.database import Connection
from pictor.state.diary import Reading
from pictor.state.frames import Frame
from pictor.state.masters import Master
from pictor.state.outbox import Outgoing
from pictor.state.products import Product
from pictor.state.stacks import StackRequest

KEPT = ("statistics", "levels_adu", "noise", "facts", "checks", "flat_level_adu", "refused", "cameras")
"""Numbers of a stack that stay with its master."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a stack was asked for, and the frames it is really made of, whatever happens to them meanwhile."""

    request: StackRequest
    frames: tuple[Frame, ...]
    made_with: dict[str, str] = field(default_factory=dict)
    """The master taken off flats, as its id, and the digest of its file."""


async def sources(step: Step) -> tuple[Sources, dict[str, Any]]:
    """Fetch the frames of a request and everything else the stack needs."""
    request = await step.read(stacks.request_of, step.order.job_id)
    if request is None:
        raise ImagingError("the request of this stack is gone; ask for it again", reason="request-missing")
    frames = await step.read(stacks.members, request.frame_ids)
    if len(frames) < 2:
        raise ImagingError(
            f"{len(frames)} of the {len(request.frame_ids)} frames of this stack still exist; 2 are needed",
            reason="frames-deleted",
        )
    described = frames[0].description or {}
    rig = await step.read(observatories.rig, frames[0].rig_id) if frames[0].rig_id else None
    typical = sorted(frames, key=lambda frame: frame.exposure_s or 0.0)[len(frames) // 2]
    dark = await _dark_of(step, request, newest_of(frames))
    bias_level = await _bias_level(step, request, typical)
    active = await _active(step, request, frames[0])
    made_with = {"dark_id": str(dark.master_id), "dark_sha256": dark.sha256} if dark else {}
    return Sources(request, tuple(frames), made_with), {
        "paths": [str(await local_frame(step, frame)) for frame in frames],
        "frame_ids": [str(frame.id) for frame in frames],
        "sha256s": [frame.sha256 for frame in frames],
        "kind": str(request.frame_type),
        "policy": request.policy,
        "scratch": str(step.scratch),
        "read_noise_e": rig.read_noise_e if rig else None,
        "egain": (rig.egain if rig else None) or described.get("egain"),
        "bias_level_adu": bias_level,
        "expected_level_adu": await _expected_level(step, request, typical, bias_level),
        "saturation_adu": (frames[0].statistics or {}).get("saturation_adu"),
        "bayer": bool(described.get("bayer")),
        "dark_path": str(await step.fetch(dark.key, dark.sha256)) if dark else None,
        "active_path": None if active is None else await _master_path(step, active.id),
        "accepted_cameras": [] if active is None else active.statistics.get("cameras") or [],
        "bad_pixel_list": await _listed_pixels(step, frames[0]),
        "sensor": place_of(described),
    }


def newest_of(frames: Sequence[Frame]) -> Frame:
    """Return the frame whose dark is taken off flats of any exposure: the one the stack was decided about with."""
    return max(frames, key=lambda frame: (frame_seen(frame).start_utc, str(frame.id)))


async def _listed_pixels(step: Step, frame: Frame) -> str | None:
    """Return the list a person wrote for the rig."""
    stored: StoredList | None = await step.read(badpixels.list_of, frame.observatory_id, frame.rig_id)
    return None if stored is None else stored.body


async def _dark_of(step: Step, request: StackRequest, flat: Frame) -> Product | None:
    if request.frame_type != FrameType.FLAT.value:
        return None
    library = await step.read(masters.usable, request.observatory_id, flat.camera_mode or "")
    active = [seen for master in library if (seen := master_seen(master)).status is MasterStatus.ACTIVE]
    found = dark_for_flats(frame_seen(flat), active, validate(request.policy))
    return await _master_product(step, UUID(found.master.master_id)) if found.master else None


async def _bias_level(step: Step, request: StackRequest, frame: Frame) -> float | None:
    """Return the level of the bias master of a camera mode: what tells dark current from offset."""
    if request.frame_type == FrameType.BIAS.value:
        return None
    library = await step.read(masters.usable, request.observatory_id, frame.camera_mode or "")
    active = [seen for master in library if (seen := master_seen(master)).status is MasterStatus.ACTIVE]
    found = select(frame_seen(frame), active, validate(request.policy), wanted=FrameType.BIAS)
    if found.master is None:
        return None
    levels = next(m.statistics.get("levels_adu") for m in library if str(m.id) == found.master.master_id)
    return float(median(levels)) if levels else None


async def _expected_level(step: Step, request: StackRequest, frame: Frame, bias_level: float | None) -> float | None:
    """Return the level a dark should have by the darks of other exposures at its temperature."""
    if request.frame_type not in {FrameType.DARK.value, FrameType.FLAT_DARK.value}:
        return None
    policy, temp = validate(request.policy), request.facts.get("temp_c")
    known = [
        KnownDark(float(master.facts.get("exposure_s") or 0.0), float(median(master.statistics["levels_adu"])))
        for master in await step.read(masters.usable, request.observatory_id, frame.camera_mode or "")
        if master.state is MasterState.ACTIVE and master.frame_type in {"dark", "flat-dark"}
        and master.statistics.get("levels_adu") and master.group_key != request.group_key
        and _near(temp, master.facts.get("temp_c"), policy.temperature_tolerance_c)
    ]  # fmt: skip
    return expected_level(frame.exposure_s, bias_level, known)


def _near(one: float | None, other: float | None, tolerance: float) -> bool:
    return one is not None and other is not None and abs(one - other) <= tolerance


async def _active(step: Step, request: StackRequest, frame: Frame) -> Master | None:
    """Return the master in use that the new one may replace."""
    library = await step.read(masters.usable, request.observatory_id, frame.camera_mode or "")
    same = (one for one in library if one.group_key == request.group_key and one.state is MasterState.ACTIVE)
    found: Master | None = next(same, None)
    return found


async def _master_path(step: Step, master_id: UUID) -> str:
    product = await _master_product(step, master_id)
    return str(await step.fetch(product.key, product.sha256))


async def _master_product(step: Step, master_id: UUID) -> Product:
    found: dict[ProductKind, Product] = await step.read(products.of_master, master_id)
    return found[ProductKind.MASTER]


async def keep_master(step: Step, made_of: Sources, found: dict[str, Any]) -> None:
    """Store a candidate with its verdict; an active one supersedes the old master in the same transaction.

    Frames the stack refused are not in it; where too few are left of what the policy asks, there is no candidate.
    """
    request, refused = made_of.request, dict(found.get("refused") or {})
    for name, because in refused.items():
        step.save(individuals.refuse, UUID(name), because)
    frames = [frame for frame in made_of.frames if str(frame.id) not in refused]
    needed = validate(request.policy).min_frames
    if refused and len(frames) < needed and not request.force:
        told = (
            f"{len(refused)} of {len(made_of.frames)} frames were refused; {len(frames)} are left, {needed} are needed"
        )
        step.fail("frames-refused", f"{told}: {'; '.join(refused.values())}")
        return
    span = span_of([frame.start_utc for frame in frames if frame.start_utc])
    master = Master(
        id=uuid5(step.order.job_id, f"master/{step.order.run}"),
        observatory_id=request.observatory_id, rig_id=frames[0].rig_id, job_id=step.order.job_id,
        state=MasterState(found["verdict"]), frame_type=request.frame_type, group_key=request.group_key,
        camera_mode=frames[0].camera_mode or "", facts=request.facts, ncombine=found["ncombine"],
        policy=request.policy, reasons=tuple(found["reasons"]), taken_at=span.mean if span else None,
        statistics={k: found[k] for k in KEPT} | {"made_with": made_of.made_with},
        camera_name=(frames[0].description or {}).get("camera"),
        first_at=span.first if span else None, last_at=span.last if span else None,
    )  # fmt: skip
    step.save(_save_and_announce, step, master, [(frame.id, frame.sha256) for frame in frames])
    step.save(diary.save, master.id, readings_of(found))
    await step.keep(ProductKind.MASTER, Path(found["master_path"]), "application/fits", master_id=master.id)
    await keep_pictures(step, found.get("pictures"), master.id)
    if found["bad_pixels_path"]:
        await step.keep(ProductKind.BAD_PIXELS, Path(found["bad_pixels_path"]), "application/fits", master_id=master.id)
    if master.state is not MasterState.ACTIVE:
        step.announce(MASTER_REJECTED, _rejected(step, master))
        step.fail(f"master-{master.state}", f"the candidate is not used: {'; '.join(master.reasons)}")


def readings_of(found: dict[str, Any]) -> list[Reading]:
    """Return what a stack measured of the detector, for its diary."""
    facts, levels = found.get("facts") or {}, found.get("levels_adu") or []
    noise_e, noise_adu = facts.get("read_noise_e"), facts.get("read_noise_adu")
    readings = [
        Reading("read-noise", noise_e, "e-") if noise_e is not None else Reading("read-noise", noise_adu, "ADU"),
        Reading("gain", facts.get("egain"), "e-/ADU"),
        Reading("dark-current", facts.get("dark_current_e_per_s"), "e-/s"),
        Reading("hot-pixels", facts.get("hot_pixels"), "pixels"),
        Reading("bias-level", median(levels) if levels and found.get("kind") == "bias" else None, "ADU"),
    ]
    return [one for one in readings if one.value is not None]


async def _save_and_announce(
    db: Connection, step: Step, master: Master, frames: list[tuple[UUID, str]]
) -> Outgoing | None:
    await masters.lock_library(db, master.observatory_id, master.camera_mode)
    library = await masters.usable(db, master.observatory_id, master.camera_mode)
    now = await policy_of(db, master.observatory_id)
    superseded = await masters.save(db, master, frames, also=one_with(master, library, now))
    if master.state is not MasterState.ACTIVE:
        return None
    order = step.order
    if superseded:
        step.drop(await light_sets.forget_calibrated(db, order.observatory_id, superseded))
    fact = MasterCreated(
        observatory=order.observatory, master_id=master.id, job_id=order.job_id, frame_type=master.frame_type,
        group_key=master.group_key, ncombine=master.ncombine, superseded=tuple(superseded),
    )  # fmt: skip
    return await outbox.put(db, MASTER_CREATED, fact)


def _rejected(step: Step, master: Master) -> MasterRejected:
    return MasterRejected(
        observatory=step.order.observatory, master_id=master.id, job_id=step.order.job_id,
        frame_type=master.frame_type, group_key=master.group_key, reasons=master.reasons,
    )  # fmt: skip
