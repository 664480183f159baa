"""How the command line talks to a gateway, and how it says what went wrong."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pictor.cli.telling import tell

if TYPE_CHECKING:
    import httpx

UNREACHABLE = 3
"""Exit code when the gateway does not answer."""


class CommandError(Exception):
    """A sentence for the person at the terminal, and the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def find_token(token: str | None, data: Path) -> str:
    """Return the token given, read from @FILE, or the administrator's of an installation on this machine."""
    if token and token.startswith("@"):
        return Path(token[1:]).read_text(encoding="ascii").strip()
    if token:
        return token
    own = data / "admin.token"
    if own.exists():
        return own.read_text(encoding="ascii").strip()
    raise CommandError("no token: give --token or PICTOR_TOKEN (or --data of an installation on this machine)", 2)


@contextmanager
def gateway(url: str, token: str) -> "Iterator[httpx.Client]":
    """Open a client whose failures are sentences."""
    import httpx  # commands that talk to no gateway start a tenth of a second sooner without it

    headers = {"Authorization": f"Bearer {token}"}
    try:
        with httpx.Client(base_url=f"{url.rstrip('/')}/api/v1", headers=headers, timeout=60) as client:
            yield client
    except httpx.TransportError as error:
        raise CommandError(f"no gateway answers at {url}: {error}", UNREACHABLE) from error


def answer(response: "httpx.Response") -> Any:  # noqa: ANN401 - JSON
    """Return a response's JSON, or raise its problem as a sentence."""
    if response.is_success:
        return response.json() if response.content else None
    try:
        problem = response.json()
        message = f"{problem.get('title')}: {problem.get('detail')}"
    except ValueError:
        message = response.text[:200]
    raise CommandError(f"{message} (HTTP {response.status_code})")


def guarded(error: CommandError) -> int:
    """Print an error and return its exit code."""
    tell(f"pictor: {error}", file=sys.stderr)
    return error.code
