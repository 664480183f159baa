"""Who may do what: roles of a token and the scopes that narrow it."""

from enum import StrEnum


class Role(StrEnum):
    """What a token's bearer is, from least to most."""

    PLUGIN = "plugin"
    MEMBER = "member"
    OBSERVATORY_ADMIN = "observatory-admin"
    SERVER_ADMIN = "server-admin"

    @property
    def rank(self) -> int:
        """Position in the order of rights."""
        return list(Role).index(self)


class Scope(StrEnum):
    """What a token may be used for, within its role."""

    FRAMES_WRITE = "frames:write"
    FRAMES_READ = "frames:read"
    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    CALIBRATION_READ = "calibration:read"
    CALIBRATION_WRITE = "calibration:write"
    EVENTS_READ = "events:read"
    ADMIN = "admin"


DEFAULT_SCOPES: dict[Role, frozenset[Scope]] = {
    Role.PLUGIN: frozenset({Scope.FRAMES_WRITE, Scope.JOBS_READ}),
    Role.MEMBER: frozenset(Scope) - {Scope.ADMIN, Scope.CALIBRATION_WRITE},
    Role.OBSERVATORY_ADMIN: frozenset(Scope),
    Role.SERVER_ADMIN: frozenset(Scope),
}
"""Scopes of a token whose maker named none."""

ALLOWED_SCOPES: dict[Role, frozenset[Scope]] = {
    Role.PLUGIN: frozenset(Scope) - {Scope.ADMIN, Scope.CALIBRATION_WRITE, Scope.JOBS_WRITE},
    Role.MEMBER: frozenset(Scope) - {Scope.ADMIN, Scope.CALIBRATION_WRITE},
    Role.OBSERVATORY_ADMIN: frozenset(Scope),
    Role.SERVER_ADMIN: frozenset(Scope),
}
"""Scopes a token of a role can have at all."""
