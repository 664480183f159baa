"""What a group of darks serves as: capture programs write flat-darks as darks."""

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from pictor.imaging.matching.frames import Frame, FrameType
from pictor.imaging.matching.grouping import FLAT_DARK_WINDOW, FrameGroup, exposure_tolerance, roles
from pictor.imaging.matching.policy import Policy
from pictor.state import individuals
from pictor.state.database import Connection


async def roles_of(
    db: Connection, observatory_id: UUID, camera_mode: str, group: FrameGroup, *,
    others: Iterable[FrameGroup], policy: Policy,
) -> list[str]:  # fmt: skip
    """Return the roles of a group, by its newest frame: flats of its exposure and no light of it within 30 days."""
    dark = group.frames[-1]
    flats = [one.frames[-1] for one in others if one.key.frame_type is FrameType.FLAT and one.frames]
    if dark.frame_type is not FrameType.DARK or dark.exposure_s is None or not flats:
        return [str(dark.frame_type)]
    tolerance = exposure_tolerance(dark.exposure_s, policy)
    found = await individuals.light_near(
        db, observatory_id, camera_mode, exposures=(dark.exposure_s - tolerance, dark.exposure_s + tolerance),
        times=(dark.start_utc - FLAT_DARK_WINDOW, dark.start_utc + FLAT_DARK_WINDOW),
    )  # fmt: skip
    lights: list[Frame] = []
    if found is not None:
        lights = [replace(dark, frame_type=FrameType.LIGHT, exposure_s=found[0], start_utc=found[1])]
    return sorted(str(role) for role in roles(dark, flats, lights, policy))
