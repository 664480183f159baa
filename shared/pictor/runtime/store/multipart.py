"""An S3 object made of several parts: bodies of unknown length, and server-side copies."""

from collections.abc import AsyncIterator, Mapping, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Self

from pictor.runtime.store.errors import StoreError, StoreUnavailable
from pictor.runtime.store.patience import patiently
from pictor.runtime.store.s3_requests import S3Requests, element, refuse

MIN_PART = 5 << 20
"""S3 wants every part but the last to have at least 5 MiB."""

PART_SIZE = 5 << 20
"""Bytes held in memory per upload of unknown length; 10,000 parts make 50 GB."""


class Multipart:
    """One upload in parts; leaving the block without ``complete`` takes everything back."""

    def __init__(self, requests: S3Requests, key: str, headers: Mapping[str, str]) -> None:
        self._s3 = requests
        self._key = key
        self._headers = headers
        self._id = ""
        self._etags: list[str] = []
        self._completed = False

    async def __aenter__(self) -> Self:
        self._id = element(await self._text("POST", {"uploads": ""}, self._headers), "UploadId")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._completed:
            try:
                async with self._s3.send("DELETE", self._key, query={"uploadId": self._id}):
                    pass
            except StoreError:
                if error is None:
                    raise

    async def add(self, pieces: Sequence[bytes]) -> None:
        """Upload the next part; its pieces are neither joined nor copied."""
        self._etags.append(await patiently(lambda: self._add(pieces)))

    async def _add(self, pieces: Sequence[bytes]) -> str:
        headers = {"Content-Length": str(sum(map(len, pieces)))}
        body = _sent(pieces)
        async with self._s3.send("PUT", self._key, query=self._next(), headers=headers, body=body) as response:
            await refuse(response, self._key)
            return response.headers["ETag"]

    async def copy(self, source: str, start: int, end: int) -> None:
        """Take the next part from another object, from ``start`` up to but without ``end``."""
        headers = {
            "x-amz-copy-source": f"/{self._s3.config.bucket}/{source}",
            "x-amz-copy-source-range": f"bytes={start}-{end - 1}",
        }
        text = await self._text("PUT", self._next(), headers, source)
        self._etags.append(element(text, "ETag").replace("&#34;", '"').replace("&quot;", '"'))

    async def complete(self) -> str | None:
        """Make the parts one object; returns its ETag, or None if the key was taken in the meantime."""
        return await patiently(self._complete)

    async def _complete(self) -> str | None:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            for number, etag in enumerate(self._etags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        headers = {"Content-Length": str(len(body)), "If-None-Match": "*"}
        query = {"uploadId": self._id}
        async with self._s3.send("POST", self._key, query=query, headers=headers, body=body) as response:
            if response.status == HTTPStatus.PRECONDITION_FAILED:
                return None
            await refuse(response, self._key)
            etag = element(await response.text(), "ETag")
        if not etag:
            raise StoreUnavailable(f"the store did not complete {self._key}")
        self._completed = True
        return etag.replace("&#34;", "").replace("&quot;", "").strip('"')

    def _next(self) -> dict[str, str]:
        return {"partNumber": str(len(self._etags) + 1), "uploadId": self._id}

    async def _text(self, method: str, query: Mapping[str, str], headers: Mapping[str, str], key: str = "") -> str:
        return await patiently(lambda: self._text_once(method, query, headers, key))

    async def _text_once(self, method: str, query: Mapping[str, str], headers: Mapping[str, str], key: str) -> str:
        async with self._s3.send(method, self._key, query=query, headers=headers) as response:
            await refuse(response, key or self._key)
            return await response.text()


async def _sent(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
