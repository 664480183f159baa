"""The pictures of one frame as files that say what made them."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from pictor.imaging.compositing.pictures import write_picture, xmp_of
from pictor.imaging.continuum.saturated import shown_full
from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import Frame
from pictor.imaging.headers.of_frame import describe_header
from pictor.imaging.preview.products import THUMBNAIL_EDGE, THUMBNAIL_QUALITY, corners, fit, shrink
from pictor.imaging.preview.scene import TOP_DOWN, Scene
from pictor.imaging.preview.stretch import StretchKind
from pictor.imaging.preview.tiles import NAME, tile_index, write_tiles
from pictor.imaging.products import Provenance, write_whole

PREVIEW, THUMBNAIL, CORNERS, TILES = "preview", "thumbnail", "corners", "tiles"


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """A frame as it is shown, and the Bayer pattern its colour was interpolated from; None without one."""

    scene: Scene
    pattern: str | None

    @classmethod
    def of(cls, frame: Frame, *, stretch: StretchKind | str = StretchKind.STF, colour: bool = True) -> Self:
        """Choose how a frame is shown.

        Parameters
        ----------
        frame
            Shape (ny, nx), raw or processed, or (3, ny, nx) for red, green and blue. ROWORDER, BAYERPAT, XBAYROFF and
            YBAYROFF of its header are obeyed; pixels without data are black, saturated ones white.
        stretch
            Name of the curve, see `pictor.imaging.preview.stretch.make_table`.
        colour
            False shows a Bayer mosaic as it is.

        Raises
        ------
        ImagingError
            If the array is not an image.
        """
        told = describe_header(frame.header)
        pattern = told.bayer if colour and frame.data.ndim == 2 else None
        scene = Scene.of(
            shown_full(frame.data, frame.mask), bayer=pattern,
            bayer_offset=(told.bayer_offset_x or 0, told.bayer_offset_y or 0),
            row_order=told.row_order or TOP_DOWN, stretch=StretchKind(stretch),
        )  # fmt: skip
        return cls(scene, pattern if scene.red is not None else None)


def write_pictures(
    pictures: Pictures, targets: Mapping[str, Path], made: Provenance, *, edge: int, overwrite: bool = False
) -> dict[str, tuple[int, int]]:
    """Write pictures of one frame, each whole or not at all.

    Parameters
    ----------
    pictures
        The frame.
    targets
        Files to write by kind: ``preview`` and ``corners`` (.png), ``thumbnail`` (.webp), ``tiles`` (.szi; the index of
        the tiles goes beside it with the ending .json).
    made
        What made them; it is written into every picture, into the archive of tiles as XMP.
    edge
        Longest side of the preview, in pixels.
    overwrite
        Whether files of these names may be replaced.

    Returns
    -------
    dict
        Columns and rows of each picture.

    Raises
    ------
    ImagingError
        If a kind is unknown.
    FileTakenError
        If a file is there and must not be replaced.
    """
    unknown = set(targets) - {PREVIEW, THUMBNAIL, CORNERS, TILES}
    if unknown:
        raise ImagingError(f"no picture is called {', '.join(sorted(unknown))}", reason="format")
    sizes = {}
    preview = shrink(pictures.scene, edge) if {PREVIEW, THUMBNAIL} & set(targets) else None
    if TILES in targets:
        _write_tiles(pictures.scene, targets[TILES], made, overwrite=overwrite)
        sizes[TILES] = pictures.scene.width, pictures.scene.height
    images = {PREVIEW: preview, CORNERS: corners(pictures.scene) if CORNERS in targets else None}
    for kind, image in images.items():
        if kind in targets and image is not None:
            write_picture(targets[kind], _pixels(image), made, overwrite=overwrite)
            sizes[kind] = image.size
    if THUMBNAIL in targets and preview is not None:
        small = fit(preview, THUMBNAIL_EDGE)
        write_whole(
            targets[THUMBNAIL],
            lambda part: small.save(part, "WEBP", quality=THUMBNAIL_QUALITY, method=2, xmp=xmp_of(made)),
            overwrite=overwrite,
        )
        sizes[THUMBNAIL] = small.size
    return {kind: sizes[kind] for kind in targets}


def _pixels(image: Image.Image) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    pixels = np.asarray(image)
    return pixels.reshape(image.height, image.width, -1)


def _write_tiles(scene: Scene, path: Path, made: Provenance, *, overwrite: bool) -> None:
    """Write the archive of tiles with its XMP, then the index of where its tiles lie."""

    def archive(part: Path) -> None:
        write_tiles(scene, part)
        with zipfile.ZipFile(part, "a", zipfile.ZIP_STORED) as opened:
            opened.writestr(zipfile.ZipInfo(f"{NAME}/{NAME}.xmp", (1980, 1, 1, 0, 0, 0)), xmp_of(made))

    write_whole(path, archive, overwrite=overwrite)
    index = tile_index(path).to_json()

    def described(part: Path) -> None:
        part.write_text(index, encoding="ascii")

    write_whole(path.with_suffix(".json"), described, overwrite=overwrite)
