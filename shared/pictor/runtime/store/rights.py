"""Who may do what in the store: one key per class of services, none with the rights of an administrator."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pictor.contracts.modules import Service


@dataclass(frozen=True, slots=True)
class StoreUser:
    """A user of the store and what it may do with the bucket.

    An action is Read, Write (deleting included), List or Tagging, on the whole bucket or on keys that begin as said
    after a colon: ``Write:raw/*``.
    """

    name: str
    actions: tuple[str, ...] = ("Read", "Write", "List", "Tagging")


GATEWAY = StoreUser("gateway", ("Read", "Write:raw/*", "Write:products/*"))
"""Uploads, downloads, and deleting a frame with what was made of it; it lists nothing."""

MODULE = StoreUser("module", ("Read", "Write:products/*"))
"""Reads frames, writes and replaces products; no key of a worker can change or delete raw bytes."""

OPERATOR = StoreUser("operator", ("Read", "Write:raw/*", "Write:products/*", "List"))
"""``pictor check`` and its repairs, on the machine itself: the only one that sees what keys there are."""

SETUP = StoreUser("setup", ("Read",))
"""Waits for the bucket."""

USERS: tuple[StoreUser, ...] = (GATEWAY, MODULE, OPERATOR, SETUP)

USER_OF: Mapping[Service, StoreUser] = MappingProxyType(
    {service: GATEWAY if service is Service.GATEWAY else MODULE for service in Service}
)
