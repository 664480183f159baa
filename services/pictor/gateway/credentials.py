"""Tokens as text: ``pictor_<id16>_<secret43>_<check6>``, made here and taken apart here."""

import hashlib
import secrets
import string
import zlib
from dataclasses import dataclass
from urllib.parse import unquote

from pictor.contracts.access import TOKEN_SHAPE as SHAPE

PREFIX = "pictor"
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID = string.digits + string.ascii_lowercase
SECRET_LENGTH = 43
"""Base-62 characters that carry 256 random bits."""


@dataclass(frozen=True, slots=True)
class Credential:
    """The parts of a token that matter: which one it is, and the digest of its secret."""

    id: str
    secret_sha256: bytes


def make() -> tuple[str, Credential]:
    """Make a token; its text is shown once and never stored."""
    body = f"{PREFIX}_{_random(_ID, 16)}_{_random(_BASE62, SECRET_LENGTH)}"
    text = f"{body}_{_check(body)}"
    credential = parse(text)
    if credential is None:
        raise AssertionError("a new token does not fit its own shape")
    return text, credential


def parse(text: str) -> Credential | None:
    """Take a token apart; None for a typo, which the checksum tells without a look-up."""
    found = SHAPE.fullmatch(text)
    if found is None or not secrets.compare_digest(_check(text[:-7]), found[3]):
        return None
    return Credential(found[1], digest(found[2]))


def digest(secret: str) -> bytes:
    """Return the SHA-256 of a random secret; with 256 random bits no slow hash is needed."""
    return hashlib.sha256(secret.encode()).digest()


def exposed(query: bytes) -> bool:
    """Whether somebody wrote a token into the query of an address, where logs and browsers keep it."""
    return b"pictor" in query and SHAPE.search(unquote(query.decode("latin-1"))) is not None


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _check(body: str) -> str:
    number = zlib.crc32(body.encode())
    letters = ""
    for _ in range(6):
        number, rest = divmod(number, 62)
        letters = _BASE62[rest] + letters
    return letters
