"""What to start, and where it can be reached once it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pictor.runtime.store.rights import StoreUser


class ServerName(StrEnum):
    """A server that can run embedded."""

    NATS = "nats"
    POSTGRES = "postgres"
    STORE = "store"


ALL = frozenset(ServerName)

EVERYTHING = (">",)


@dataclass(frozen=True, slots=True)
class NatsUser:
    """A user of the bus and the subjects it may use."""

    name: str
    publish: tuple[str, ...] = EVERYTHING
    subscribe: tuple[str, ...] = EVERYTHING


@dataclass(frozen=True, slots=True)
class EmbeddedConfig:
    """What the embedded servers are for."""

    servers: frozenset[ServerName] = ALL
    nats_users: tuple[NatsUser, ...] = (NatsUser("pictor"),)
    nats_file_bytes: int = 4 << 30
    """Bound of everything the bus keeps on disk; never more than 70 % of what is free there."""
    database: str = "pictor"
    postgres_roles: tuple[str, ...] = ("pictor",)
    """Roles that may log in; the first owns the database, the others may connect to it."""
    bucket: str = "pictor-frames"
    store_users: tuple[StoreUser, ...] = (StoreUser("pictor"),)
    store_memory_mib: int = 400
    """Soft bound of the store's memory: its garbage collector works harder beyond it."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the embedded servers are, and the secrets to reach them; empty for a server that is not embedded."""

    nats_url: str = ""
    nats_monitor_url: str = ""
    nats_passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Password of each bus user, the system account's ``sys`` included."""
    postgres_dsns: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Connection string of each role, ``postgres`` being the administrator."""
    s3_endpoint: str = ""
    """Host and port."""
    s3_bucket: str = ""
    s3_keys: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    """Access and secret key of each store user."""
