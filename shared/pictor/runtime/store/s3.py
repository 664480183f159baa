"""Frames in an S3 store: MinIO, SeaweedFS or any other."""

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

import aiohttp

from pictor.runtime.store.digest import Hashed
from pictor.runtime.store.errors import DigestMismatch, ObjectDamaged, StoreBusy, StoreUnavailable
from pictor.runtime.store.files import arriving_file, file_chunks, file_sha256, file_size
from pictor.runtime.store.multipart import MIN_PART, PART_SIZE, Multipart
from pictor.runtime.store.patience import BUDGET_S, PAUSES_S, patiently, pause_for
from pictor.runtime.store.probing import works_without
from pictor.runtime.store.protocol import BYTES, CHUNK, Part, StoredObject, checked
from pictor.runtime.store.s3_requests import S3Config, S3Requests, clock_hint, element, refuse

PROOFS = 2
"""How often a store that gives everything else must fail with an object again before the object counts as damaged."""

PROOF_PAUSE_S = 2.0
"""Time between: a store that was just started finds some of its volumes later than others."""

DIGEST_HEADER = "x-amz-meta-sha256"

HEALTH_TIMEOUT_S = 5.0


class S3Store:
    """A bucket of an S3 store."""

    def __init__(self, config: S3Config) -> None:
        self._s3 = S3Requests(config)

    async def put_file(
        self, key: str, path: Path, content_type: str = BYTES, *, sha256: str | None = None
    ) -> StoredObject:
        """Store a file under a new key; it is hashed on its way when its digest is given."""
        digest = sha256 or await asyncio.to_thread(file_sha256, path)
        size = await file_size(path)
        return await patiently(lambda: self.put_stream(key, file_chunks(path), size, content_type, sha256=digest))

    async def put_stream(
        self,
        key: str,
        chunks: AsyncIterable[bytes],
        size: int | None,
        content_type: str = BYTES,
        *,
        sha256: str | None = None,
    ) -> StoredObject:
        """Store a stream under a new key while hashing it."""
        body = Hashed(chunks, size, sha256)
        headers = _headers(content_type, sha256)
        try:
            if size is None:
                etag = await self._put_parts(checked(key), body, headers)
            else:
                known = {**headers, "Content-Length": str(size)}
                etag = await patiently(lambda: self._put_whole(checked(key), body, known), lambda: not body.started)
        except StoreUnavailable:
            if body.error is not None:
                raise body.error from None
            raise
        if etag is None:
            return await self._existing(key)
        return StoredObject(key, body.size, etag, body.sha256, content_type, created=True)

    async def get_to_file(self, key: str, path: Path, *, sha256: str | None = None) -> str:
        """Fetch an object into a new file and return its SHA-256."""
        digest = hashlib.sha256()
        with arriving_file(path) as file:
            try:
                async for chunk in self.open_range(key):
                    digest.update(chunk)
                    file.write(chunk)
            except ObjectDamaged as error:
                raise DigestMismatch(str(error)) from error
            if sha256 is not None and sha256 != digest.hexdigest():
                raise DigestMismatch(f"{key} should have the SHA-256 {sha256}, it has {digest.hexdigest()}")
        return digest.hexdigest()

    async def open_range(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """Read bytes from ``start`` up to but without ``end``."""
        if end is not None and end <= start:
            return
        position, pauses = start, list(PAUSES_S)
        begun = asyncio.get_running_loop().time()
        proofs = 0
        while True:
            try:
                async for chunk in self._read(checked(key), position, end):
                    position += len(chunk)
                    yield chunk
            except StoreBusy as error:
                if pauses and asyncio.get_running_loop().time() - begun < BUDGET_S:
                    await pause_for(pauses.pop(0))
                    continue
                if not await works_without(self, key):
                    raise
                if proofs == PROOFS:
                    raise ObjectDamaged(f"the store works, but cannot read {key} from byte {position}") from error
                proofs += 1
                await pause_for(PROOF_PAUSE_S)
                continue
            return

    async def _read(self, key: str, start: int, end: int | None) -> AsyncGenerator[bytes, None]:
        """Read a run of bytes from one answer."""
        if end is not None and end <= start:
            return
        last = "" if end is None else end - 1
        headers = {"Range": f"bytes={start}-{last}"} if start or end is not None else {}
        async with self._s3.send("GET", key, headers=headers) as response:
            if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return
            await refuse(response, key)
            async for chunk in response.content.iter_chunked(CHUNK):
                yield chunk

    async def stat(self, key: str) -> StoredObject:
        """Describe an object."""
        return await patiently(lambda: self._stat(checked(key)))

    async def _stat(self, key: str) -> StoredObject:
        async with self._s3.send("HEAD", key) as response:
            await refuse(response, key)
            return _described(key, response)

    async def delete(self, key: str) -> None:
        """Remove an object."""
        await patiently(lambda: self._delete(checked(key)))

    async def _delete(self, key: str) -> None:
        async with self._s3.send("DELETE", key) as response:
            if response.status != HTTPStatus.NOT_FOUND:
                await refuse(response, key)

    async def list(self, prefix: str = "") -> AsyncGenerator[StoredObject, None]:
        """All objects whose key begins so."""
        query = {"list-type": "2", "prefix": prefix}
        while True:
            text = await patiently(lambda: self._page(query))
            for entry in re.findall(r"<Contents>(.*?)</Contents>", text, re.DOTALL):
                etag = element(entry, "ETag").replace("&#34;", "").replace("&quot;", "").strip('"')
                modified = datetime.fromisoformat(element(entry, "LastModified"))
                yield StoredObject(element(entry, "Key"), int(element(entry, "Size")), etag, None, modified=modified)
            if element(text, "IsTruncated") != "true":
                return
            query["continuation-token"] = element(text, "NextContinuationToken")

    async def _page(self, query: dict[str, str]) -> str:
        async with self._s3.send("GET", query=query) as response:
            await refuse(response, query["prefix"])
            return await response.text()

    async def presign_get(self, key: str, expires_s: int, *, filename: str | None = None) -> str | None:
        """Address where anyone may read an object for a while."""
        disposition = {"response-content-disposition": f'attachment; filename="{filename}"'} if filename else {}
        return self._s3.presign_get(checked(key), expires_s, disposition)

    async def compose(
        self, key: str, parts: Sequence[Part], content_type: str = BYTES, *, sha256: str | None = None
    ) -> StoredObject:
        """Make a new object of parts of others, inside the store unless a part is too small for that."""
        runs = [await self._run(part) for part in parts]
        size = sum(end - start for _, start, end in runs)
        if any(end - start < MIN_PART for _, start, end in runs[:-1]) or size == 0:
            return await self.put_stream(key, self._joined(runs), size, content_type, sha256=sha256)
        async with Multipart(self._s3, checked(key), _headers(content_type, sha256)) as upload:
            for source, start, end in runs:
                await upload.copy(source, start, end)
            etag = await upload.complete()
        if etag is None:
            return await self._existing(key)
        return StoredObject(key, size, etag, sha256, content_type, created=True)

    async def health(self) -> None:
        """Raise ``StoreUnavailable`` unless the store answers and accepts us."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S), self._s3.send("HEAD") as response:
                status, hint = response.status, clock_hint(response)
        except TimeoutError as error:
            raise StoreUnavailable(f"the store did not answer within {HEALTH_TIMEOUT_S:g} s") from error
        if status != HTTPStatus.OK:
            raise StoreUnavailable(f"the store answered {status} for bucket {self._s3.config.bucket}{hint}")

    async def close(self) -> None:
        """Close connections."""
        await self._s3.close()

    async def _put_whole(self, key: str, body: Hashed, headers: dict[str, str]) -> str | None:
        headers["If-None-Match"] = "*"
        try:
            async with (
                self._not_silent(body),
                self._s3.send("PUT", key, headers=headers, body=body, ask_first=True) as response,
            ):
                if response.status == HTTPStatus.PRECONDITION_FAILED:
                    return None
                await refuse(response, key)
                return response.headers["ETag"].strip('"')
        except TimeoutError as error:
            limit = self._s3.config.silence_timeout_s
            raise StoreUnavailable(f"the store took nothing of {key} for {limit:g} s") from error

    @asynccontextmanager
    async def _not_silent(self, body: Hashed) -> AsyncIterator[None]:
        """Give the store so long to take the next bytes; the time the source needs does not count."""
        loop, patience = asyncio.get_running_loop(), self._s3.config.silence_timeout_s
        async with asyncio.timeout(patience) as limit:
            body.at_source = lambda waiting: limit.reschedule(None if waiting else loop.time() + patience)
            yield

    async def _put_parts(self, key: str, body: Hashed, headers: dict[str, str]) -> str | None:
        async with Multipart(self._s3, key, headers) as upload:
            part: list[bytes] = []
            room = PART_SIZE
            async for chunk in body:
                part.append(chunk)
                room -= len(chunk)
                if room <= 0:
                    await upload.add(part)
                    part, room = [], PART_SIZE
            await upload.add(part)
            return await upload.complete()

    async def _existing(self, key: str) -> StoredObject:
        """Describe an object that was there first, with its digest."""
        found = await self.stat(key)
        if found.sha256 is not None:
            return found
        digest = hashlib.sha256()
        async for chunk in self.open_range(key):
            digest.update(chunk)
        return StoredObject(key, found.size, found.etag, digest.hexdigest(), found.content_type)

    async def _run(self, part: Part) -> tuple[str, int, int]:
        end = (await self.stat(part.key)).size if part.length is None else part.offset + part.length
        return checked(part.key), part.offset, max(end, part.offset)

    async def _joined(self, runs: Sequence[tuple[str, int, int]]) -> AsyncIterator[bytes]:
        for source, start, end in runs:
            async for chunk in self.open_range(source, start, end):
                yield chunk


def _headers(content_type: str, sha256: str | None) -> dict[str, str]:
    headers = {"Content-Type": content_type}
    if sha256 is not None:
        headers[DIGEST_HEADER] = sha256
    return headers


def _described(key: str, response: aiohttp.ClientResponse) -> StoredObject:
    return StoredObject(
        key=key,
        size=int(response.headers["Content-Length"]),
        etag=response.headers["ETag"].strip('"'),
        sha256=response.headers.get(DIGEST_HEADER),
        content_type=response.headers.get("Content-Type", BYTES),
    )
