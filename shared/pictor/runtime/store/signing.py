"""Signatures of S3 requests (AWS Signature Version 4).

minio-py has them too, but to import it costs every service a tenth of its start: it brings urllib3, two libraries of
ciphers and a compiler of C declarations with it. The tests compare with it.

References
----------
AWS, Signature Version 4 for Amazon S3, "Authenticating Requests: Using the Authorization Header" and "... Query
Parameters".
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import SplitResult, quote

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
"""The body is hashed by us while it passes, and verified by every reader."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs requests of one user in one region."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str

    def headers(self, method: str, url: SplitResult, headers: Mapping[str, str], date: datetime) -> dict[str, str]:
        """Return the headers of a request whose body is not signed, with its authorization.

        Parameters
        ----------
        method, url, headers
            The request; its path and query are percent-encoded already.
        date
            Now, UTC.
        """
        signed = {**headers, "Host": url.netloc, "x-amz-content-sha256": UNSIGNED, "x-amz-date": _stamp(date)}
        named = sorted((name.lower(), " ".join(value.split())) for name, value in signed.items())
        names = ";".join(name for name, _ in named)
        text = "".join(f"{name}:{value}\n" for name, value in named)
        signature = self._signature(f"{method}\n{url.path or '/'}\n{_query(url.query)}\n{text}\n{names}", date)
        who = f"{self.access_key}/{self._scope(date)}"
        signed["Authorization"] = f"{ALGORITHM} Credential={who}, SignedHeaders={names}, Signature={signature}"
        return signed

    def address(self, method: str, url: SplitResult, date: datetime, expires_s: int) -> SplitResult:
        """Return an address that anyone may ask for a while."""
        credential = quote(f"{self.access_key}/{self._scope(date)}", safe="")
        query = (
            f"{url.query}{'&' if url.query else ''}X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}"
            f"&X-Amz-Date={_stamp(date)}&X-Amz-Expires={expires_s}&X-Amz-SignedHeaders=host"
        )
        signature = self._signature(f"{method}\n{url.path or '/'}\n{_query(query)}\nhost:{url.netloc}\n\nhost", date)
        return url._replace(query=f"{query}&X-Amz-Signature={signature}")

    def _scope(self, date: datetime) -> str:
        return f"{date:%Y%m%d}/{self.region}/s3/aws4_request"

    def _signature(self, request: str, date: datetime) -> str:
        digest = hashlib.sha256(f"{request}\n{UNSIGNED}".encode()).hexdigest()
        key = f"AWS4{self.secret_key}".encode()
        for part in self._scope(date).split("/"):
            key = _keyed(key, part)
        return _keyed(key, f"{ALGORITHM}\n{_stamp(date)}\n{self._scope(date)}\n{digest}").hex()


def _keyed(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _stamp(date: datetime) -> str:
    return f"{date:%Y%m%dT%H%M%SZ}"


def _query(query: str) -> str:
    """Sort the parameters, each with a value though it may be empty."""
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&")) if query else []
    return "&".join(f"{name}={value}" for name, value in pairs)
