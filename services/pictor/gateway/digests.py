"""The digest a client says its body has (RFC 9530, Content-Digest)."""

import base64
import binascii
import hashlib
import re
from collections.abc import AsyncIterable, AsyncIterator

from pictor.gateway.problems import Http, Problem

MEMBER = re.compile(r"\s*([a-z*][a-z0-9_.*-]*)\s*=\s*:([A-Za-z0-9+/=]*):\s*")
MOST = 1000


def announced(request: Http) -> str | None:
    """Read the SHA-256 of the Content-Digest header, in hexadecimal; None when there is no such header."""
    text = request.headers.get("content-digest")
    return None if text is None else read_digest(text)


def read_digest(text: str) -> str:
    """Read a Content-Digest; other algorithms beside SHA-256 are passed over."""
    found: dict[str, str] = {}
    for member in text[:MOST].split(","):
        parts = MEMBER.fullmatch(member)
        if parts is None:
            raise Problem("bad-request", "Write Content-Digest as RFC 9530 has it: sha-256=:<base64>:")
        found[parts[1]] = parts[2]
    if "sha-256" not in found:
        raise Problem("bad-request", "Send the SHA-256 as Content-Digest; no other algorithm is checked here.")
    try:
        digest = base64.b64decode(found["sha-256"], validate=True)
    except binascii.Error as error:
        raise Problem("bad-request", "The Content-Digest is not base64.") from error
    if len(digest) != hashlib.sha256().digest_size:
        raise Problem("bad-request", f"A SHA-256 has 32 bytes, the Content-Digest {len(digest)}.")
    return digest.hex()


def check_announced(request: Http, sha256: str) -> None:
    """Refuse a body whose Content-Digest is not its digest."""
    said = announced(request)
    if said is not None and said != sha256:
        raise Problem("digest-mismatch", f"Nothing was kept: the Content-Digest is {said}, the bytes have {sha256}.")


async def verified(request: Http, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Pass a body on; raises at its end when it is not what its Content-Digest says."""
    if announced(request) is None:
        async for chunk in chunks:
            yield chunk
        return
    digest = hashlib.sha256()
    async for chunk in chunks:
        digest.update(chunk)
        yield chunk
    check_announced(request, digest.hexdigest())
