"""Signed requests to an S3 store, and what its answers mean."""

import re
import socket
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from minio.credentials.credentials import Credentials
from minio.signer import presign_v4, sign_v4_s3
from yarl import URL

from pictor.runtime.store.errors import ObjectMissing, StoreBusy, StoreUnavailable

EMPTY: Mapping[str, str] = MappingProxyType({})

UNSIGNED = "UNSIGNED-PAYLOAD"
"""The body is hashed by us while it passes, and verified by every reader."""

ERROR_TEXT_LIMIT = 4096

SKEW_S = 300.0
"""Stores refuse requests signed fifteen minutes off; beyond a third of that the clocks are the likely reason."""

SEND_BUFFER = 256 * 1024
"""Linux keeps twice as much. Without a bound 4 MiB may be under way when all is sent, a minute at 64 KiB per second."""

CONNECTIONS = 256
"""More than clients may upload and fetch at the same time: a slow one keeps its connection for as long as it takes."""

BUSY = frozenset(
    {
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses after which the same request may succeed."""

Body = bytes | AsyncIterable[bytes] | None


@dataclass(frozen=True, slots=True)
class S3Config:
    """Where an S3 store is and who we are there."""

    endpoint: str
    """Host and port, without scheme."""
    access_key: str
    secret_key: str
    bucket: str
    secure: bool = False
    region: str = "us-east-1"
    public_endpoint: str | None = None
    """Scheme, host and port of the store as browsers see it; None if it is the same."""
    connect_timeout_s: float = 5.0
    silence_timeout_s: float = 30.0
    """The store may be silent this long before a request counts as lost."""

    @property
    def url(self) -> str:
        """Address of the bucket."""
        return f"{'https' if self.secure else 'http'}://{self.endpoint}/{self.bucket}"

    @property
    def public_url(self) -> str:
        """Address of the bucket as browsers see it."""
        return self.url if self.public_endpoint is None else f"{self.public_endpoint}/{self.bucket}"


class S3Requests:
    """A connection pool to one bucket."""

    def __init__(self, config: S3Config) -> None:
        self.config = config
        self._credentials = Credentials(config.access_key, config.secret_key)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def send(
        self,
        method: str,
        key: str = "",
        *,
        query: Mapping[str, str] = EMPTY,
        headers: Mapping[str, str] = EMPTY,
        body: Body = None,
        ask_first: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a signed request; every failure to get an answer is ``StoreUnavailable``.

        With ``ask_first`` the body is only sent once the store has seen the headers and wants it.
        """
        url = f"{self.config.url}/{quote(key)}" if key else self.config.url
        if query:
            url += "?" + urlencode(query, quote_via=quote)
        signed = self._sign(method, url, headers)
        try:
            async with self._open().request(
                method,
                URL(url, encoded=True),
                headers=signed,
                data=body,
                expect100=ask_first,
                allow_redirects=False,
            ) as response:
                yield response
        except TimeoutError as error:
            raise StoreUnavailable(f"the store did not answer in time: {error}") from error
        except aiohttp.ClientConnectorError as error:
            raise StoreUnavailable(f"the store is away: {error}") from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ConnectionError) as error:
            raise StoreBusy(f"the line to the store broke: {type(error).__name__} {error}") from error
        except aiohttp.ClientError as error:
            raise StoreBusy(f"the store did not answer: {type(error).__name__} {error}") from error

    def presign_get(self, key: str, expires_s: int, query: Mapping[str, str]) -> str:
        """Address where anyone may read an object for a while."""
        query_text = "?" + urlencode(query, quote_via=quote) if query else ""
        url = presign_v4(
            method="GET",
            url=urlsplit(f"{self.config.public_url}/{quote(key)}{query_text}"),
            region=self.config.region,
            credentials=self._credentials,
            date=datetime.now(UTC),
            expires=expires_s,
        )
        return str(url.geturl())

    def _sign(self, method: str, url: str, headers: Mapping[str, str]) -> dict[str, str]:
        now = datetime.now(UTC)
        parts = urlsplit(url)
        unsigned: dict[str, str | list[str] | tuple[str]] = {
            **headers,
            "Host": parts.netloc,
            "x-amz-content-sha256": UNSIGNED,
            "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
        }
        signed = sign_v4_s3(
            method=method,
            url=parts,
            region=self.config.region,
            headers=unsigned,
            credentials=self._credentials,
            content_sha256=UNSIGNED,
            date=now,
        )
        return {name: str(value) for name, value in signed.items()}

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=self.config.connect_timeout_s, sock_read=self.config.silence_timeout_s
            )
            connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=20, socket_factory=_socket)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, auto_decompress=False, skip_auto_headers=("Content-Type",)
            )
        return self._session


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Make a socket that keeps little of a body, so that a slow store is seen to take it until its end."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    return made


async def refuse(response: aiohttp.ClientResponse, key: str) -> None:
    """Raise what a status that is no success means."""
    if response.status < HTTPStatus.BAD_REQUEST:
        return
    text = (await response.content.read(ERROR_TEXT_LIMIT)).decode(errors="replace")
    code = element(text, "Code")
    if response.status == HTTPStatus.NOT_FOUND and code in ("", "NoSuchKey"):
        raise ObjectMissing(f"there is no object {key}")
    kind = StoreBusy if response.status in BUSY else StoreUnavailable
    told = f"the store answered {response.status} {code} {element(text, 'Message')}".rstrip()
    raise kind(told + clock_hint(response))


def clock_hint(response: aiohttp.ClientResponse) -> str:
    """Say that our clock differs from that of a store that refuses us, as far as it tells; nothing otherwise."""
    try:
        theirs = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError):
        return ""
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    return f": our clock and its clock are {apart:.0f} s apart" if apart > SKEW_S else ""


def element(text: str, name: str) -> str:
    """Text of the first element of this name in a small answer; empty if there is none."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return found.group(1) if found else ""
