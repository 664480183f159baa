"""Who would miss a master: lights that lose it or get another, and flats that would wait for their dark."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from pictor.imaging.matching.frames import FrameType
from pictor.imaging.matching.grouping import FrameGroup
from pictor.imaging.matching.policy import Policy
from pictor.imaging.matching.rules import MasterFrame
from pictor.imaging.matching.selection import dark_for_flats, select
from pictor.runtime.library import frame_seen
from pictor.state.removal import Alike


@dataclass(frozen=True, slots=True)
class Loss:
    """Lights of one night that state the same values, and what a deletion means for them."""

    place: str
    effect: str
    """``uncalibrated`` or ``changed``."""

    lights: int
    night: date | None
    target: str | None
    filter: str | None
    exposure_s: float | None
    example_id: UUID
    instead_id: UUID | None
    """The master they would get."""


def losses_of(
    alike: Iterable[Alike], library: Sequence[MasterFrame], gone: str, policy: Policy
) -> list[Loss]:  # fmt: skip
    """Tell what lights get without a master; those that did not get it do not count."""
    rest = [one for one in library if one.master_id != gone]
    kinds = {one.frame_type for one in library if one.master_id == gone}
    found = []
    for lights in alike:
        seen = frame_seen(lights.example)
        for wanted in sorted(kinds):
            chosen = select(seen, library, policy, wanted=wanted).master
            if chosen is None or chosen.master_id != gone:
                continue
            other = select(seen, rest, policy, wanted=wanted).master
            found.append(_loss(lights, str(wanted), None if other is None else UUID(other.master_id)))
    return found


def merged(losses: Iterable[Loss]) -> list[Loss]:
    """Put lights together that read alike, whatever their temperatures; those left with nothing and the most first."""
    found: dict[tuple[object, ...], Loss] = {}
    for one in losses:
        key = (one.place, one.night, one.target, one.filter, one.exposure_s, one.instead_id)
        before = found.get(key)
        found[key] = one if before is None else replace(before, lights=before.lights + one.lights)
    return sorted(found.values(), key=lambda one: (one.instead_id is not None, -one.lights))


def _loss(lights: Alike, place: str, instead: UUID | None) -> Loss:
    one = lights.example
    return Loss(
        place, "uncalibrated" if instead is None else "changed", lights.count, one.night, one.target, one.filter,
        one.exposure_s, one.id, instead,
    )  # fmt: skip


def waiting_flats(
    groups: Iterable[FrameGroup], library: Sequence[MasterFrame], gone: str, policy: Policy
) -> list[FrameGroup]:  # fmt: skip
    """Return the groups of flats whose only dark goes; ``library`` holds active masters."""
    rest = [one for one in library if one.master_id != gone]
    found = []
    for group in groups:
        if group.key.frame_type is not FrameType.FLAT:
            continue
        now = dark_for_flats(group.frames[-1], library, policy).master
        if now is not None and now.master_id == gone and dark_for_flats(group.frames[-1], rest, policy).master is None:
            found.append(group)
    return found


def sentence_of(loss: Loss) -> str:
    """Write one line for a person."""
    what = [
        None if loss.exposure_s is None else f"{loss.exposure_s:g} s", loss.filter,
        None if loss.target is None else f"of {loss.target}",
    ]  # fmt: skip
    many = f"{loss.lights} light{'' if loss.lights == 1 else 's'}"
    does = f"would have no {loss.place}" if loss.instead_id is None else f"would get another {loss.place}"
    night = "" if loss.night is None else f", night of {loss.night}"
    return f"{many} {' '.join(part for part in what if part)}{night}: {does}"
