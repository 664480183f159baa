"""Masters that are older than their policy likes: a warning, once for each; they stay in use."""

from dataclasses import dataclass

from pictor.contracts.masters import MasterExpired
from pictor.contracts.subjects import MASTER_EXPIRED
from pictor.imaging.matching.policy import Policy
from pictor.runtime.runtime import Runtime
from pictor.state import outbox, retention
from pictor.state.retention import Ages, OldMaster

AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Warned:
    """The masters that were warned of, and how many warnings were taken back."""

    masters: list[OldMaster]
    taken_back: int = 0


def default_ages() -> Ages:
    """Return the ages of observatories that changed none."""
    policy = Policy()
    return Ages(**{name: getattr(policy, name) for name in Ages.__dataclass_fields__})


async def check_expiry(runtime: Runtime, *, dry_run: bool = False) -> Warned:
    """Warn of every active master that has become too old; announced with the mark, so that it happens once."""
    ages = default_ages()
    if dry_run:
        async with runtime.pool.acquire() as db:
            return Warned(await retention.expired(db, ages, limit=10 * AT_ONCE))
    async with runtime.pool.acquire() as db:
        taken_back = await retention.unmark_young(db, ages)
    warned: list[OldMaster] = []
    while batch := await _batch(runtime, ages):
        warned += batch
    return Warned(warned, taken_back)


async def _batch(runtime: Runtime, ages: Ages) -> list[OldMaster]:
    async with runtime.pool.acquire() as db, db.transaction():
        found = await retention.expired(db, ages, limit=AT_ONCE)
        marked = [one for one in found if await retention.mark_expired(db, one.id)]
        outgoing = [
            await outbox.put(
                db, MASTER_EXPIRED,
                MasterExpired(
                    observatory=one.observatory, master_id=one.id, frame_type=one.frame_type, group_key=one.group_key,
                    taken_at=one.taken_at, age_days=round(one.age_days, 2), max_age_days=one.max_age_days,
                ),
            )
            for one in marked
        ]  # fmt: skip
    await runtime.bus.publish(outgoing)
    return marked
