"""The first observatory, rig and administrator of a new installation; there is no default password."""

from uuid import UUID, uuid4

from pictor.contracts.access import DEFAULT_SCOPES, Role
from pictor.gateway import credentials
from pictor.state import audit, observatories, tokens
from pictor.state.database import Connection, Pool
from pictor.state.observatories import Rig

OBSERVATORY = "home"
RIG = "main"
TOKEN_NAME = "first administrator"  # noqa: S105 - a name
TOKEN_DAYS = 730


async def bootstrap(pool: Pool, *, present: bool = False) -> str | None:
    """Make what a first upload needs, and return the administrator's token; None when one is ``present`` and lives."""
    async with pool.acquire() as db, db.transaction():
        await observatories.lock_founding(db)
        observatory_id, rig_id = await _place(db)
        if present and await tokens.server_admins(db):
            return None
        text, credential = credentials.make()
        await tokens.create(
            db, credential.id, credential.secret_sha256,
            name=TOKEN_NAME, role=Role.SERVER_ADMIN, scopes=DEFAULT_SCOPES[Role.SERVER_ADMIN],
            observatory_id=observatory_id, rig_id=rig_id, created_by="installation", days=TOKEN_DAYS,
        )  # fmt: skip
        await audit.record(db, "installation", "token.create", f"token:{credential.id}")
    return text


async def _place(db: Connection) -> tuple[UUID, UUID]:
    """Find or make the default observatory and its rig."""
    await observatories.create(db, uuid4(), OBSERVATORY, "Home observatory")
    observatory = await observatories.by_slug(db, OBSERVATORY)
    if observatory is None:
        raise AssertionError(f"observatory {OBSERVATORY} was made and is not there")
    await observatories.create_rig(db, Rig(id=uuid4(), observatory_id=observatory.id, name=RIG))
    rig = await observatories.rig_by_name(db, observatory.id, RIG)
    if rig is None:
        raise AssertionError(f"rig {RIG} was made and is not there")
    return observatory.id, rig.id
