"""How the settings of an observatory read the names of filters its frames write."""

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from pictor.imaging.matching.filters import photometric
from pictor.imaging.matching.policy import Policy, of_rigs, told_by, validate
from pictor.runtime.library import frame_seen
from pictor.state import filters, light_sets, observatories, policies
from pictor.state.database import Connection
from pictor.state.filters import Spelled
from pictor.state.frames import Frame
from pictor.state.light_sets import SetKey


async def policy_of(db: Connection, observatory_id: UUID) -> Policy:
    """Return the settings of an observatory, told what names of filters are in use there."""
    return await told(db, observatory_id, validate(await policies.policy_of(db, observatory_id)))


async def told(db: Connection, observatory_id: UUID, policy: Policy) -> Policy:
    """Tell settings of an observatory, its own or others to be tried, which rigs it has and which names are in use."""
    rigs = {rig.name: str(rig.id) for rig in await observatories.rigs(db, [observatory_id])}
    of_system = [name for name in (await filters.in_use(db, [observatory_id]))[observatory_id] if photometric(name)]
    having = await filters.rigs_with(db, observatory_id, of_system) if of_system else []
    return told_by(of_rigs(policy, rigs), [(rig, name) for rig in having for name in of_system])


async def spelled(db: Connection, observatory_ids: Collection[UUID], of_filter: str) -> Spelled:
    """Find every way in which frames and masters of some observatories name a filter."""
    found = []
    for place, names in (await filters.in_use(db, observatory_ids)).items():
        if names:
            reads = (await policy_of(db, place)).filters
            rigs = [str(rig.id) for rig in await observatories.rigs(db, [place])] or [""]
            found += [(place, name) for name in names if any(reads.same(of_filter, name, rig) for rig in rigs)]
    return Spelled(tuple(place for place, _ in found), tuple(name for _, name in found))


async def names_on_rig(db: Connection, frame: Frame, policy: Policy) -> tuple[str, ...]:
    """Return the names that are the filter of a frame on its rig; that of a frame that states none is empty."""
    names = await names_alike(db, frame.observatory_id, frame.filter, frame_seen(frame).mode.rig_id, policy)
    return names or ("",)


async def names_alike(
    db: Connection, observatory_id: UUID, of_filter: str | None, rig: str, policy: Policy
) -> tuple[str, ...]:
    """Return the names that are one filter on a rig, the given one among them; none where none is given."""
    if of_filter is None:
        return ()
    in_use = (await filters.in_use(db, [observatory_id]))[observatory_id]
    return tuple(sorted({of_filter, *(name for name in in_use if policy.filters.same(of_filter, name, rig))}))


async def names_of_filter(db: Connection, frame: Frame) -> tuple[str, ...]:
    """Return the names that are the filter of a frame on its rig, by the settings of its observatory."""
    return await names_on_rig(db, frame, await policy_of(db, frame.observatory_id))


async def set_key(
    db: Connection, frame: Frame, policy: Policy, known: dict[tuple[str | None, str], tuple[str, ...]] | None = None
) -> SetKey | None:
    """Return the set a light belongs to, whatever its lights call their filter; None for one that stands alone.

    Parameters
    ----------
    db
        A connection.
    frame
        The light.
    policy
        Settings of its observatory.
    known
        The names of filters by name and camera mode, as they were looked up before; the frame's are added.
    """
    key = light_sets.key_of(frame)
    if key is None:
        return None
    known = {} if known is None else known
    place = frame.filter, key.camera_mode
    if place not in known:
        known[place] = await names_on_rig(db, frame, policy)
    return replace(key, names=known[place])
