"""Signatures of requests to S3 stores, AWS Signature Version 4 [1]_.

References
----------
.. [1] Amazon Web Services, Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote, urlsplit

UNSIGNED = "UNSIGNED-PAYLOAD"
"""In place of the hash of a body: it is hashed by us while it passes, and verified by every reader."""

_METHOD = "AWS4-HMAC-SHA256"
_SPACES = re.compile(r" +")


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, and for which region."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str

    def sign(self, method: str, url: str, headers: Mapping[str, str], *, at: datetime) -> dict[str, str]:
        """Return the headers of a request with its signature; all are signed, the body is not."""
        parts = urlsplit(url)
        found = {**headers, "Host": parts.netloc, "x-amz-content-sha256": UNSIGNED, "x-amz-date": _time(at)}
        lines = {name.lower(): _SPACES.sub(" ", value).strip() for name, value in found.items()}
        names = ";".join(sorted(lines))
        text = "\n".join(f"{name}:{lines[name]}" for name in sorted(lines))
        signature = self._signature(f"{method}\n{parts.path or '/'}\n{_sorted(parts.query)}\n{text}\n\n{names}", at)
        credential = f"{self.access_key}/{self._scope(at)}"
        return found | {
            "Authorization": f"{_METHOD} Credential={credential}, SignedHeaders={names}, Signature={signature}"
        }

    def presign(self, url: str, expires_s: int, *, at: datetime) -> str:
        """Return an address with which anyone may read an object for a while."""
        parts = urlsplit(url)
        query = f"{parts.query}&" if parts.query else ""
        query += (
            f"X-Amz-Algorithm={_METHOD}&X-Amz-Credential={quote(f'{self.access_key}/{self._scope(at)}', safe='')}"
            f"&X-Amz-Date={_time(at)}&X-Amz-Expires={expires_s}&X-Amz-SignedHeaders=host"
        )
        asked = f"GET\n{parts.path or '/'}\n{_sorted(query)}\nhost:{parts.netloc}\n\nhost"
        return parts._replace(query=f"{query}&X-Amz-Signature={self._signature(asked, at)}").geturl()

    def _signature(self, asked: str, at: datetime) -> str:
        digest = sha256(f"{asked}\n{UNSIGNED}".encode()).hexdigest()
        text = f"{_METHOD}\n{_time(at)}\n{self._scope(at)}\n{digest}"
        return _hmac(_key(self.secret_key, _day(at), self.region), text).hex()

    def _scope(self, at: datetime) -> str:
        return f"{_day(at)}/{self.region}/s3/aws4_request"


@lru_cache(maxsize=8)
def _key(secret: str, day: str, region: str) -> bytes:
    """Derive the key of a day."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _sorted(query: str) -> str:
    return "&".join("=".join(pair) for pair in sorted(part.split("=") for part in query.split("&")))


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _day(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%d")
