"""Files of a frame: pictures, tiles, FITS and star list."""

import json
import re
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from litestar import Response, get
from litestar.params import Parameter
from litestar.response import Redirect, Stream

from pictor.contracts.access import Scope
from pictor.contracts.frames import ProductKind
from pictor.gateway.auth import require
from pictor.gateway.files import Stored, disposition, send, whole
from pictor.gateway.frames import own_frame
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem
from pictor.gateway.startable import read_table
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.runtime import Runtime
from pictor.runtime.store.protocol import Part
from pictor.state import products
from pictor.state.frames import Frame
from pictor.state.products import Product

READ = [require(Scope.FRAMES_READ)]
FILE = {"produces_file": True}
MAX_INDEX_BYTES = 16 * 1024 * 1024
MAX_TABLE_BYTES = 64 * 1024 * 1024
PRESIGNED_S = 300
TILE_INDEXES_KEPT = 32

Download = Response[bytes] | Stream | Redirect


class FitsKind(StrEnum):
    """Which FITS of a frame."""

    RAW = "raw"
    STORED = "stored"
    PROCESSED = "processed"


class CatalogFormat(StrEnum):
    """How a star list is written."""

    FITS = "fits"
    JSON = "json"


async def product(runtime: Runtime, caller: Principal, frame_id: UUID, kind: ProductKind) -> tuple[Frame, Product]:
    """Return a product of a frame the caller may see."""
    async with runtime.pool.acquire() as db:
        frame = await own_frame(db, caller, frame_id)
        made = (await products.of_frame(db, frame_id)).get(kind)
    if made is None:
        raise Problem("not-found", f"The frame has no {kind} so far; its timeline says how far its processing is.")
    return frame, made


async def _picture(
    request: Http, runtime: Runtime, caller: Principal, frame_id: UUID, kind: ProductKind
) -> Response[bytes] | Stream:
    _, made = await product(runtime, caller, frame_id, kind)
    return await send(request, runtime, Stored(made.key, made.size, made.sha256, made.content_type))


@get("/frames/{frame_id:uuid}/preview", guards=READ, opt=FILE, summary="Preview picture")
async def read_preview(request: Http, runtime: RuntimeDep, caller: Caller, frame_id: UUID) -> Download:
    """Send the stretched picture of a frame."""
    return await _picture(request, runtime, caller, frame_id, ProductKind.PREVIEW)


@get("/frames/{frame_id:uuid}/thumbnail", guards=READ, opt=FILE, summary="Thumbnail")
async def read_thumbnail(request: Http, runtime: RuntimeDep, caller: Caller, frame_id: UUID) -> Download:
    """Send the small picture of a frame."""
    return await _picture(request, runtime, caller, frame_id, ProductKind.THUMBNAIL)


@get("/frames/{frame_id:uuid}/corners", guards=READ, opt=FILE, summary="Corner inspector")
async def read_corners(request: Http, runtime: RuntimeDep, caller: Caller, frame_id: UUID) -> Download:
    """Send centre and corners side by side at full resolution."""
    return await _picture(request, runtime, caller, frame_id, ProductKind.CORNERS)


@get("/frames/{frame_id:uuid}/tiles", guards=READ, opt=FILE, summary="Tile index")
async def read_tile_index(request: Http, runtime: RuntimeDep, caller: Caller, frame_id: UUID) -> Download:
    """Send size, levels and places of the tiles of the zoomable picture."""
    return await _picture(request, runtime, caller, frame_id, ProductKind.TILE_INDEX)


@get("/frames/{frame_id:uuid}/tiles/{z:int}/{xy:str}", guards=READ, opt=FILE, summary="One tile")
async def read_tile(
    request: Http, runtime: RuntimeDep, caller: Caller, frame_id: UUID, *, z: int, xy: str
) -> Download:  # fmt: skip
    """Send one tile, by level and column_row, read from the archive where it lies."""
    _, index = await product(runtime, caller, frame_id, ProductKind.TILE_INDEX)
    _, archive = await product(runtime, caller, frame_id, ProductKind.TILES)
    places = await _tile_places(request, runtime, index)
    place = places.get(f"{z}/{xy.removesuffix('.jpg')}")
    if place is None:
        raise Problem("not-found", "The picture has no such tile.")
    tag = f'"{archive.sha256[:32]}-{place[0]}"'
    headers = {"ETag": tag, "Cache-Control": "private, max-age=3600"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    body = await whole(runtime, archive.key, start=place[0], limit=sum(place))
    return Response(body, media_type="image/jpeg", headers=headers)


async def _tile_places(request: Http, runtime: Runtime, index: Product) -> dict[str, tuple[int, int]]:
    kept: dict[str, dict[str, tuple[int, int]]] = request.app.state.tile_indexes
    if index.key not in kept:
        described = json.loads(await whole(runtime, index.key, limit=MAX_INDEX_BYTES))
        if len(kept) >= TILE_INDEXES_KEPT:
            kept.pop(next(iter(kept)))
        kept[index.key] = {name: (int(start), int(length)) for name, (start, length) in described["tiles"].items()}
    return kept[index.key]


@get("/frames/{frame_id:uuid}/fits", guards=READ, opt=FILE, summary="FITS file")
async def read_fits(
    request: Http, runtime: RuntimeDep, caller: Caller, frame_id: UUID, *,
    kind: FitsKind = FitsKind.RAW,
    redirect: Annotated[bool, Parameter(description="Answer 307 to the store's own address, where it has one")] = False,
) -> Download:  # fmt: skip
    """Send the uploaded bytes, untouched; or the processed FITS with all cards."""
    stored = await _fits(runtime, caller, frame_id, kind)
    if redirect and stored.rest is None:
        address = await runtime.store.presign_get(stored.key, PRESIGNED_S, filename=_ascii(stored.name))
        if address is not None:
            return Redirect(address, status_code=307)
    return await send(request, runtime, stored)


async def _fits(runtime: Runtime, caller: Principal, frame_id: UUID, kind: FitsKind) -> Stored:
    if kind is FitsKind.RAW:
        async with runtime.pool.acquire() as db:
            frame = await own_frame(db, caller, frame_id)
        return Stored(frame.raw_key, frame.size, frame.sha256, "application/octet-stream", frame.name)
    wanted = ProductKind.PROCESSED if kind is FitsKind.PROCESSED else ProductKind.STORED
    frame, made = await product(runtime, caller, frame_id, wanted)
    stem = frame.name.split(".")[0] or "frame"
    return Stored(made.key, made.size, made.sha256, "application/fits", f"{stem}-{kind}.fits", _rest(made))


def _rest(made: Product) -> Part | None:
    """Return the bytes of the raw frame that a processed FITS goes on with."""
    if "kept_size" not in made.parameters:
        return None
    source = made.parameters
    return Part(source["source_key"], int(source["source_offset"]), int(source["source_size"]))


def _ascii(name: str | None) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name or "frame")


@get("/frames/{frame_id:uuid}/catalog", guards=READ, opt=FILE, summary="Star list")
async def read_catalog(
    request: Http, runtime: RuntimeDep, caller: Caller, frame_id: UUID, *,
    form: Annotated[CatalogFormat, Parameter(query="format")] = CatalogFormat.FITS,
) -> Download:  # fmt: skip
    """Send the measured stars as a FITS table, or as JSON columns."""
    frame, made = await product(runtime, caller, frame_id, ProductKind.STARS)
    name = f"{frame.name.split('.')[0] or 'frame'}-stars.{form}"
    if form is CatalogFormat.FITS:
        return await send(request, runtime, Stored(made.key, made.size, made.sha256, "application/fits", name))
    table = read_table(await whole(runtime, made.key, limit=MAX_TABLE_BYTES))
    body = json.dumps(table, allow_nan=False).encode()
    return Response(body, media_type="application/json", headers={"Content-Disposition": disposition(name)})
