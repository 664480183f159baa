"""Which individual frames belong together."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Generic, TypeVar

from pictor.imaging.matching.frames import CameraMode, Frame, FrameType, Pile
from pictor.imaging.matching.policy import FlatRotation, Policy

FLAT_DARK_WINDOW = timedelta(days=30)
"""A dark near a light of its exposure serves lights; only outside of this window it is for flats alone."""

EXPOSED = frozenset({FrameType.DARK, FrameType.FLAT_DARK})


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What makes a group; centres of buckets where frames only need to be close, None where it does not matter."""

    mode: CameraMode
    frame_type: FrameType
    exposure_s: float | None = None
    filter: str | None = None
    rotator_deg: float | None = None
    temp_c: float | None = None


Kind = TypeVar("Kind", Frame, Pile)


@dataclass(frozen=True, slots=True)
class Group(Generic[Kind]):
    """What may be stacked together, in order of time: frames, or piles of them."""

    key: GroupKey
    frames: tuple[Kind, ...]


FrameGroup = Group[Frame]
"""Frames that may be stacked together."""


def exposure_tolerance(exposure_s: float, policy: Policy) -> float:
    """Return how far two exposures may differ, in seconds."""
    return max(policy.exposure_tolerance_s, policy.exposure_tolerance_share * abs(exposure_s))


def flat_dark_tolerance(exposure_s: float, policy: Policy) -> float:
    """Return how far a flat-dark may be from its flat, in seconds: flat exposures vary with the light."""
    return max(policy.exposure_tolerance_s, policy.flat_dark_exposure_share * abs(exposure_s))


def angle_between(one: float, two: float) -> float:
    """Return the angle between two rotations, 0 to 180 degrees."""
    return abs((one - two + 180.0) % 360.0 - 180.0)


def cluster(
    values: Sequence[float], tolerance: Callable[[float], float], weights: Sequence[int] | None = None
) -> list[list[int]]:
    """Put values into clusters whose members all lie within the tolerance of each other.

    Tolerance is not transitive: a chain of close values is cut, never followed. The fullest cluster is formed first,
    the tightest of equally full ones, then the lowest; so a stray value does not tear a good group apart.

    Parameters
    ----------
    values
        One value per frame.
    tolerance
        Largest difference between two members, as a function of the middle of the cluster.
    weights
        How many frames have each value; None: one each.

    Returns
    -------
    list of list of int
        Indices of the members of each cluster, in order of value.
    """
    rest = sorted(range(len(values)), key=lambda i: (values[i], i))
    clusters: list[list[int]] = []
    while rest:
        counts = [1 if weights is None else weights[i] for i in rest]
        start, end = _fullest([values[i] for i in rest], counts, tolerance)
        clusters.append(rest[start:end])
        rest = rest[:start] + rest[end:]
    return sorted(clusters, key=lambda members: values[members[0]])


def _fullest(
    ordered: Sequence[float], counts: Sequence[int], tolerance: Callable[[float], float]
) -> tuple[int, int]:  # fmt: skip
    """Return the run of sorted values with most members within the tolerance of each other."""
    best, best_rank = (0, 1), (0, 0.0)
    end = within = 0
    for start, low in enumerate(ordered):
        if end <= start:
            end, within = start + 1, counts[start]
        while end < len(ordered) and ordered[end] - low <= tolerance((low + ordered[end]) / 2) + 1e-9:
            within += counts[end]
            end += 1
        rank = (within, low - ordered[end - 1])
        if start == 0 or rank > best_rank:
            best, best_rank = (start, end), rank
        within -= counts[start]
    return best


def centre_of(values: Sequence[float]) -> float:
    """Return the middle between the extremes."""
    return (min(values) + max(values)) / 2


Part = tuple[float | None, list[Kind]]
"""The middle of a cluster and its frames; None for the frames that do not state the value."""


def split_by(
    frames: Sequence[Kind], value: Callable[[Kind], float | None], tolerance: Callable[[float], float]
) -> list[Part[Kind]]:
    """Cluster frames by one of their values; frames that do not state it stay together."""
    stated = [(found, frame) for frame in frames if (found := value(frame)) is not None]
    values = [found for found, _ in stated]
    parts: list[Part[Kind]] = [
        (centre_of([values[i] for i in members]), [stated[i][1] for i in members])
        for members in cluster(values, tolerance, [frame.count for _, frame in stated])
    ]
    silent = [frame for frame in frames if value(frame) is None]
    if silent:
        parts.append((None, silent))
    return parts


def by_temperature(frames: Sequence[Kind], policy: Policy) -> list[Part[Kind]]:
    """Split frames by set-point, or by sensor temperature where there is no set-point."""
    return split_by(frames, lambda frame: frame.temperature_c, lambda _: policy.temperature_tolerance_c)


def by_exposure(frames: Sequence[Kind], policy: Policy) -> list[Part[Kind]]:
    """Split darks by exposure."""
    return split_by(frames, lambda frame: frame.exposure_s, lambda middle: exposure_tolerance(middle, policy))


def by_rotation(frames: Sequence[Kind], policy: Policy) -> list[Part[Kind]]:
    """Split flats by rotation, on the circle; where the policy ignores it all stay together."""
    if policy.flat_rotation is FlatRotation.IGNORE:
        whole: list[Part[Kind]] = [(None, list(frames))]
        return whole
    start = _widest_gap([frame.rotator_deg for frame in frames if frame.rotator_deg is not None])

    def unrolled(frame: Kind) -> float | None:
        return None if frame.rotator_deg is None else (frame.rotator_deg - start) % 360.0

    parts = split_by(frames, unrolled, lambda _: policy.rotation_tolerance_deg)
    return [(None if middle is None else (middle + start) % 360.0, members) for middle, members in parts]


def _widest_gap(angles: Sequence[float]) -> float:
    """Return the angle after the widest gap on the circle: the place to cut it open."""
    if not angles:
        return 0.0
    turned = sorted(angle % 360.0 for angle in angles)
    gaps = [(turned[i] - turned[i - 1]) % 360.0 for i in range(len(turned))]
    return turned[max(range(len(turned)), key=lambda i: gaps[i])]


def group_frames(frames: Iterable[Frame], policy: Policy) -> list[FrameGroup]:
    """Group individual frames; lights and masters are left out.

    Exact on camera mode, frame type and (flats) the name their filter goes by; darks by exposure, flats by rotation
    unless ignored, all by temperature. The result does not depend on the order of the frames.
    """
    ordered = sorted(frames, key=lambda frame: (frame.start_utc, frame.frame_id))
    return group_samples([frame for frame in ordered if not frame.is_master], policy)


def group_samples(samples: Iterable[Kind], policy: Policy) -> list[Group[Kind]]:
    """Group frames, or piles of frames that are alike, in the order they come; lights are left out."""
    parts: dict[tuple[CameraMode, FrameType, str | None], list[Kind]] = defaultdict(list)
    for one in samples:
        if one.frame_type is not FrameType.LIGHT:
            flat = one.frame_type is FrameType.FLAT
            of_filter = policy.filters.read(one.filter, one.mode.rig_id) if flat else None
            parts[one.mode, one.frame_type, of_filter].append(one)
    groups: list[Group[Kind]] = []
    for (mode, frame_type, of_filter), members in parts.items():
        groups += _split(GroupKey(mode, frame_type, filter=of_filter), members, policy)
    return groups


def _as_written(group: Group[Kind]) -> Group[Kind]:
    """Call the filter of flats as their headers do, where they all write the same."""
    names = {one.filter for one in group.frames}
    if group.key.frame_type is not FrameType.FLAT or len(names) > 1:
        return group
    return replace(group, key=replace(group.key, filter=names.pop()))


def _split(key: GroupKey, frames: list[Kind], policy: Policy) -> list[Group[Kind]]:
    """Split frames of one mode, type and filter by what only needs to be close."""
    parts = by_exposure(frames, policy) if key.frame_type in EXPOSED else [(None, frames)]
    found: list[Group[Kind]] = []
    for exposure, same in parts:
        turned = by_rotation(same, policy) if key.frame_type is FrameType.FLAT else [(None, same)]
        for rotation, alike in turned:
            for temperature, members in by_temperature(alike, policy):
                own = GroupKey(key.mode, key.frame_type, exposure, key.filter, rotation, temperature)
                found.append(_as_written(Group(own, tuple(members))))
    return found


def roles(dark: Frame, flats: Iterable[Frame], lights: Iterable[Frame], policy: Policy) -> frozenset[FrameType]:
    """Tell what a frame serves as; capture programs write flat-darks as darks.

    A dark whose exposure fits some flat of its camera mode, and no light within 30 days, also plays the flat-dark role.
    Roles are plural: it stays a dark.
    """
    own = frozenset({dark.frame_type})
    if dark.frame_type is not FrameType.DARK or dark.exposure_s is None:
        return own
    if not any(_fits(dark, flat, policy, flat_dark_tolerance) for flat in flats):
        return own
    near = [light for light in lights if abs(light.start_utc - dark.start_utc) <= FLAT_DARK_WINDOW]
    if any(_fits(dark, light, policy, exposure_tolerance) for light in near):
        return own
    return own | {FrameType.FLAT_DARK}


def _fits(dark: Frame, other: Frame, policy: Policy, tolerance: Callable[[float, Policy], float]) -> bool:
    """Tell whether a dark has the camera mode and the exposure of another frame."""
    if dark.mode != other.mode or dark.exposure_s is None or other.exposure_s is None:
        return False
    return abs(dark.exposure_s - other.exposure_s) <= tolerance(other.exposure_s, policy) + 1e-9


def same_group(one: GroupKey, two: GroupKey, policy: Policy) -> bool:
    """Tell whether a new master replaces an old one; masters of another temperature cluster coexist.

    The middles of one cluster move by less than half the tolerance as frames join; those of two clusters are farther
    apart.
    """
    if (one.mode, one.frame_type) != (two.mode, two.frame_type):
        return False
    if not policy.filters.same(one.filter, two.filter, one.mode.rig_id):
        return False
    exposure = exposure_tolerance(max(one.exposure_s or 0.0, two.exposure_s or 0.0), policy)
    close = _close(one.exposure_s, two.exposure_s, exposure)
    close = close and _close(one.temp_c, two.temp_c, policy.temperature_tolerance_c / 2)
    if policy.flat_rotation is FlatRotation.IGNORE or not close:
        return close
    if one.rotator_deg is None or two.rotator_deg is None:
        return one.rotator_deg == two.rotator_deg
    return angle_between(one.rotator_deg, two.rotator_deg) <= policy.rotation_tolerance_deg


def _close(one: float | None, two: float | None, tolerance: float) -> bool:
    if one is None or two is None:
        return one is None and two is None
    return abs(one - two) <= tolerance + 1e-9
