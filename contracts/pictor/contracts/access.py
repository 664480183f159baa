"""Who may do what: roles, the scopes that narrow a token, and what a token looks like."""

import re
from enum import StrEnum

TOKEN_SHAPE = re.compile(r"pictor_([0-9a-z]{16})_([0-9A-Za-z]{43})_([0-9A-Za-z]{6})")
"""Identifier, secret and checksum: what logs blank out and secret scanners look for."""


class Role(StrEnum):
    """What somebody is at an observatory, from least to most."""

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


def redacted(text: str) -> str:
    """Blank out the secret of every token in a text."""
    return TOKEN_SHAPE.sub(lambda found: f"pictor_{found[1]}_***", text)
