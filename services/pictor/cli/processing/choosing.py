"""Which masters a light gets, by the rules of the services, with the sentences that tell why."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pictor.cli.processing.seen import Seen
from pictor.cli.processing.sorting import Individuals, slug, target_key
from pictor.imaging.matching.frames import Frame, FrameType
from pictor.imaging.matching.grouping import GroupKey
from pictor.imaging.matching.policy import Policy
from pictor.imaging.matching.rules import MasterFrame
from pictor.imaging.matching.selection import MasterSet, Selection, common_time, dark_for_flats, select_set
from pictor.runtime.library import calibrated_before

SCALED = "exposure ratio"
"""The rule that lets a dark of another exposure fit, by scaling it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What one light is calibrated with; ``masters`` maps the place to the id of a master."""

    masters: Mapping[str, str] = field(default_factory=dict)
    why: tuple[str, ...] = ()
    dark_scale: float = 1.0
    weak: bool = False
    came_calibrated: bool = False


def choose(light: Seen, masters: Sequence[MasterFrame], policy: Policy, *, at: datetime | None = None) -> Choice:
    """Choose bias, dark and flat for a light.

    Parameters
    ----------
    light
        The light.
    masters
        All masters there are.
    policy
        Settings of the matching.
    at
        The time all lights of its set are matched at; None: its own.
    """
    before = calibrated_before(light.stored())
    if before is not None:
        return Choice(why=(before,), came_calibrated=True)
    found = select_set(light.frame(), masters, policy, at=at)
    places = {"dark": found.dark, "flat": found.flat, "bias": found.bias}
    why = tuple(f"{place}: {told.reason}" for place, told in places.items())
    if not found.usable:
        return Choice(why=(*why, "without dark or bias nothing is applied: a flat alone would scale the offset too"))
    chosen = {place: told.master.master_id for place, told in places.items() if told.master is not None}
    dark = found.dark.master
    if dark is not None and dark.holds_bias and "bias" in chosen:
        chosen["bias_level"] = chosen.pop("bias")
    if dark is not None and not dark.holds_bias and "bias" not in chosen:
        del chosen["dark"]
        if not chosen.keys() - {"flat"}:
            return Choice(why=(*why, "the dark has its bias taken off and no master bias fits: nothing is applied"))
    weak = any(told.chosen is not None and told.chosen.weak for told in places.values())
    return Choice(chosen, why, _scale(light, found), weak)


def _scale(light: Seen, found: MasterSet) -> float:
    """Tell by how much a CCD dark of another exposure is scaled."""
    chosen = found.dark.chosen
    if chosen is None or not any(rule.name == SCALED and rule.passed for rule in chosen.rules):
        return 1.0
    return float(light.description.get("exposure_s") or 1.0) / (chosen.master.exposure_s or 1.0)


def common_times(lights: Iterable[Seen], policy: Policy) -> dict[str, datetime]:
    """Give the time every light is matched at: the middle of its night, target and filter, by label."""
    sets: dict[tuple[object, ...], list[Seen]] = defaultdict(list)
    for light in lights:
        of_filter = policy.filters.read(light.description.get("filter"), light.camera)
        sets[light.start.date(), light.rig, target_key(light), of_filter].append(light)
    return {one.label: common_time([each.frame() for each in members]) for members in sets.values() for one in members}


def dark_of_flats(group: Individuals, masters: Sequence[MasterFrame], policy: Policy) -> Selection:
    """Choose the dark of a group of flats, by the flat in the middle of it."""
    middle: Frame = group.members[len(group.members) // 2].frame()
    return dark_for_flats(middle, masters, policy)


def bias_of(group: Individuals, masters: Iterable[MasterFrame]) -> MasterFrame | None:
    """Find the master bias of a camera mode, which tells the level without signal; the latest counts."""
    fitting = [one for one in masters if one.frame_type is FrameType.BIAS and one.mode == group.key.mode]
    return max(fitting, key=lambda one: (one.start_utc, one.master_id), default=None)


def master_names(groups: Sequence[Individuals]) -> list[str]:
    """Name the masters of groups: kind, filter, exposure, temperature, gain, binning and size; all different."""
    names = [_name(group.key) for group in groups]
    counted: dict[str, int] = defaultdict(int)
    made = []
    for group, name in zip(groups, names, strict=True):
        one = name if names.count(name) == 1 else f"{name}_{slug(group.key.mode.rig_id)}"
        counted[one] += 1
        made.append(one if counted[one] == 1 else f"{one}_{counted[one]}")
    return made


def _name(key: GroupKey) -> str:
    mode = key.mode
    words = [
        f"master_{str(key.frame_type).replace('-', '_')}",
        None if key.filter is None else slug(key.filter),
        None if key.exposure_s is None else f"{key.exposure_s:g}s",
        None if key.temp_c is None else f"{key.temp_c:.0f}C",
        None if mode.gain_setting is None else f"gain{mode.gain_setting:g}",
        None if key.rotator_deg is None else f"rot{key.rotator_deg:.0f}",
        f"bin{mode.binning_x}",
        f"{mode.width}x{mode.height}",
    ]
    return "_".join(word for word in words if word)


def expected_master(group: Individuals, master_id: str) -> MasterFrame:
    """Give the master a group would become if it passes its gate, as the rules see it."""
    key, starts = group.key, [one.start for one in group.members]
    return MasterFrame(
        master_id, key.frame_type, key.mode, min(starts) + (max(starts) - min(starts)) / 2, len(group.members),
        exposure_s=key.exposure_s, filter=key.filter, rotator_deg=key.rotator_deg, temp_c=key.temp_c,
        first_utc=min(starts), last_utc=max(starts),
    )  # fmt: skip
