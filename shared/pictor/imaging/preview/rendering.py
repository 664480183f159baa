"""All pictures of one frame."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pictor.imaging.preview import kernels
from pictor.imaging.preview.products import PREVIEW_EDGE, corners, fit, shrink, write_png, write_thumbnail
from pictor.imaging.preview.scene import TOP_DOWN, Scene
from pictor.imaging.preview.stretch import ChannelStretch, StretchKind
from pictor.imaging.preview.tiles import TileIndex, tile_index, write_tiles


@dataclass(frozen=True, slots=True)
class Picture:
    """One file made from a frame; ``width`` and ``height`` in pixels."""

    path: Path
    media_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Preview:
    """The pictures of one frame and how they were made.

    Parameters
    ----------
    preview, thumbnail, tiles, corners
        2048 px PNG, 256 px WebP, full-resolution tile archive, 3 by 3 crops at 1:1 as PNG.
    tile_index
        JSON file that says where each tile lies in the archive.
    index
        The same as a value.
    stretch
        Name of the curve.
    channels
        The curve of grey, or of red, green and blue.
    debayered
        Pattern that colour was interpolated from; None if the picture is grey or the frame had three planes.
    row_order
        Row order that the frame was taken to have.
    """

    preview: Picture
    thumbnail: Picture
    tiles: Picture
    corners: Picture
    tile_index: Path
    index: TileIndex
    stretch: StretchKind
    channels: tuple[ChannelStretch, ...]
    debayered: str | None
    row_order: str


def render(
    data: NDArray[np.number],
    *,
    bayer: str | None = None,
    bayer_offset: tuple[int, int] = (0, 0),
    row_order: str = TOP_DOWN,
    stretch: StretchKind | str = StretchKind.STF,
    scratch: Path,
) -> Preview:
    """Make all pictures of a frame.

    Pixels are looked up in a table of 65536 grey values that a sample of the frame decides; the frame is never copied
    as floats, and the full picture is never in memory at once. Pixels that are not a number are black.

    Parameters
    ----------
    data
        Pixels, shape (ny, nx), or (3, ny, nx) for red, green and blue; any integer or floating type; not changed.
    bayer
        BAYERPAT, in the sense of the upright picture (``bayer.red_parity``); None or an unknown pattern: grey.
    bayer_offset
        (XBAYROFF, YBAYROFF).
    row_order
        ``TOP-DOWN`` if row 0 is the top of the picture, ``BOTTOM-UP`` if it is the bottom; all pictures are upright.
    stretch
        Curve, see ``stretch.make_table``.
    scratch
        Folder for the files.

    Returns
    -------
    Preview
        Preview, thumbnail, tiles with their index, and the corners, all in ``scratch``.

    Raises
    ------
    ImagingError
        If the array is not an image.
    """
    kind = StretchKind(stretch)
    scene = Scene.of(data, bayer=bayer, bayer_offset=bayer_offset, row_order=row_order, stretch=kind)
    tiles_path, index_path = scratch / "tiles.szi", scratch / "tiles.json"
    half = write_tiles(scene, tiles_path)
    index = tile_index(tiles_path)
    index_path.write_text(index.to_json(), encoding="ascii")
    preview, thumbnail = _small(half if max(half.size) >= PREVIEW_EDGE else shrink(scene), scratch)
    mosaic = corners(scene)
    write_png(mosaic, scratch / "corners.png")
    return Preview(
        preview=preview,
        thumbnail=thumbnail,
        tiles=Picture(tiles_path, "application/zip", scene.width, scene.height),
        corners=Picture(scratch / "corners.png", "image/png", *mosaic.size),
        tile_index=index_path,
        index=index,
        stretch=kind,
        channels=scene.curves,
        debayered=(bayer or "").strip().upper() if scene.red is not None else None,
        row_order=row_order,
    )


def render_small(
    data: NDArray[np.number],
    *,
    bayer: str | None = None,
    bayer_offset: tuple[int, int] = (0, 0),
    row_order: str = TOP_DOWN,
    stretch: StretchKind | str = StretchKind.STF,
    scratch: Path,
) -> tuple[Picture, Picture]:
    """Make only the preview and the thumbnail; the arguments are those of ``render``."""
    scene = Scene.of(data, bayer=bayer, bayer_offset=bayer_offset, row_order=row_order, stretch=StretchKind(stretch))
    return _small(shrink(scene), scratch)


def warm() -> None:
    """Compile the kernels."""
    kernels.warm()


def _small(image: Image.Image, scratch: Path) -> tuple[Picture, Picture]:
    """Write preview and thumbnail of a picture that is at least as large as the preview, or the whole frame."""
    preview = fit(image, PREVIEW_EDGE)
    write_png(preview, scratch / "preview.png")
    thumbnail = write_thumbnail(preview, scratch / "thumbnail.webp")
    return (
        Picture(scratch / "preview.png", "image/png", *preview.size),
        Picture(scratch / "thumbnail.webp", "image/webp", *thumbnail.size),
    )
