"""Who somebody is and what that allows, from a token or from a person's account; no look-ups, no requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from pictor.contracts.access import ALLOWED_SCOPES, DEFAULT_SCOPES, Role, Scope
from pictor.state.tokens import Token
from pictor.state.users import Standing


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever asks: what they are, where, and what they may see."""

    actor: str
    """Name in jobs and in the audit log: ``token:<id>`` or ``user:<id>``."""
    name: str
    role: Role
    """The highest role anywhere; what counts for a row is the role at its observatory."""
    scopes: frozenset[Scope]
    places: Mapping[UUID, Role] | None
    """Role at each observatory; None: administrator of the server, and so of all."""
    aliases: frozenset[str]
    """Actors whose jobs and tokens are the caller's own."""
    observatory_id: UUID | None = None
    """Where things go when no observatory is named."""
    rig_id: UUID | None = None
    token_id: str | None = None
    user_id: UUID | None = None
    session: bytes | None = field(default=None, repr=False)
    csrf: str | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """What rates and places are counted by."""
        return self.actor

    @property
    def observatories(self) -> list[UUID] | None:
        """The observatories whose rows exist for the caller; None for all."""
        return None if self.places is None else list(self.places)

    @property
    def administered(self) -> list[UUID] | None:
        """The observatories the caller administers; None for all."""
        if self.places is None:
            return None
        return [place for place, role in self.places.items() if role.rank >= Role.OBSERVATORY_ADMIN.rank]

    def role_at(self, observatory_id: UUID | None) -> Role | None:
        """Return the role at an observatory; None where nothing may be seen."""
        if self.places is None:
            return Role.SERVER_ADMIN
        return None if observatory_id is None else self.places.get(observatory_id)

    def may(self, role: Role, observatory_id: UUID | None) -> bool:
        """Whether the caller has at least a role at an observatory."""
        has = self.role_at(observatory_id)
        return has is not None and has.rank >= role.rank

    def same_rights(self, other: "Principal | None") -> bool:
        """Whether somebody looked up again may still do the same."""
        return other is not None and (self.role, self.scopes, self.places, self.rig_id) == (
            other.role, other.scopes, other.places, other.rig_id,
        )  # fmt: skip


def of_token(token: Token, standing: Standing | None) -> Principal | None:
    """See a living token as somebody; a token made by a person can do no more than the person can by now."""
    if token.account_id is None:
        role: Role | None = token.role
    else:
        role = None if standing is None else _at_most(token.role, standing, token.observatory_id)
    if role is None:
        return None
    own = {f"token:{token.id}", *(f"token:{one}" for one in token.lineage)}
    if role is not Role.PLUGIN and token.account_id is not None:
        own.add(f"user:{token.account_id}")
    places = None if role is Role.SERVER_ADMIN else {} if token.observatory_id is None else {token.observatory_id: role}
    return Principal(
        actor=f"token:{token.id}", name=token.name, role=role, scopes=token.scopes & ALLOWED_SCOPES[role],
        places=places, aliases=frozenset(own), observatory_id=token.observatory_id, rig_id=token.rig_id,
        token_id=token.id,
    )  # fmt: skip


def _at_most(role: Role, standing: Standing, observatory_id: UUID | None) -> Role | None:
    """Cut a token's role down to what its maker has; None when nothing is left."""
    if standing.user.server_admin:
        return role
    if role is Role.SERVER_ADMIN or observatory_id not in standing.places:
        return None
    return role if standing.places[observatory_id] else min(role, Role.MEMBER, key=lambda one: one.rank)


def of_user(
    standing: Standing, *, tokens: list[str], session: bytes | None = None, csrf: str | None = None
) -> Principal:
    """See a person as somebody."""
    user = standing.user
    roles = {place: Role.OBSERVATORY_ADMIN if admin else Role.MEMBER for place, admin in standing.places.items()}
    highest = max(roles.values(), key=lambda one: one.rank, default=Role.MEMBER)
    role = Role.SERVER_ADMIN if user.server_admin else highest
    return Principal(
        actor=f"user:{user.id}", name=user.display_name, role=role, scopes=DEFAULT_SCOPES[role],
        places=None if user.server_admin else roles,
        aliases=frozenset({f"user:{user.id}", *(f"token:{one}" for one in tokens)}),
        observatory_id=next(iter(roles)) if len(roles) == 1 else None, user_id=user.id, session=session, csrf=csrf,
    )  # fmt: skip
