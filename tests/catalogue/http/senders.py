"""Who sends which row."""

from collections.abc import Awaitable, Callable

from tests.catalogue.http.world import World
from tests.support.raw import Answer

Send = Callable[[World], Awaitable[Answer | list[Answer]]]

SENDERS: dict[str, Send] = {}


def row(number: str) -> Callable[[Send], Send]:
    """Name what sends a row."""

    def named(send: Send) -> Send:
        SENDERS[number] = send
        return send

    return named
