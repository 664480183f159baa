"""Groups of the library: their names and their facts; and what one frame by itself is refused for."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from pictor.contracts.frames import FrameType as StoredType
from pictor.contracts.masters import MasterState
from pictor.imaging.matching.frames import CameraMode, FrameType
from pictor.imaging.matching.grouping import FrameGroup, GroupKey, same_group
from pictor.imaging.matching.policy import FILTERS, Policy, validate
from pictor.runtime.stacking.judging import reasons
from pictor.state.frames import Frame as StoredFrame
from pictor.state.groups import NamedGroup
from pictor.state.individuals import Unjudged
from pictor.state.masters import Master


def why_not(stored: StoredFrame) -> str | None:
    """Say why a frame may not enter a stack, as far as it tells by itself; None when it may."""
    described = stored.description or {}
    seen = Unjudged(
        id=stored.id, frame_type=stored.frame_type or StoredType.UNKNOWN, is_master=stored.is_master,
        exposure_s=stored.exposure_s, set_temp_c=described.get("set_temp_c"), ccd_temp_c=described.get("ccd_temp_c"),
        egain=described.get("egain"), read_noise_e=None, combined=described.get("n_combined"),
        real_valued=False, measured=stored.statistics or {},
    )  # fmt: skip
    return "; ".join(reasons(seen)) or None


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


def gone_into(found: Mapping[str, FrameGroup], known: Iterable[NamedGroup], policy: Policy) -> list[str]:
    """Name the groups of one name of a filter whose frames are in a group of several of its names now."""
    mixed = [one.key for one in found.values() if len({frame.filter for frame in one.frames}) > 1]
    flats = [key for key in mixed if key.frame_type is FrameType.FLAT]
    gone = [one for one in known if one.group_key not in found] if flats else []
    return [one.group_key for one in gone if any(same_group(key_of(one.facts), key, policy) for key in flats)]


def one_with(master: Master, library: Iterable[Master], now: Policy) -> list[str]:
    """Name the groups with an active flat that the settings make one with a master's own.

    Rotations may no longer be told, or names of filters are one: as the master was made, and as the names are read now.
    """
    if master.frame_type is not StoredType.FLAT:
        return []
    read = {name: getattr(now, name) for name in FILTERS}
    key, policy = key_of(master.facts), replace(validate(master.policy), **read)
    active = (one for one in library if one.state is MasterState.ACTIVE and one.group_key != master.group_key)
    return [one.group_key for one in active if same_group(key_of(one.facts), key, policy)]


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
