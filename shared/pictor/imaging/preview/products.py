"""The small pictures: preview, thumbnail, corner inspector."""

from pathlib import Path

import numpy as np
import pyvips
from PIL import Image

from pictor.imaging.preview.scene import Scene
from pictor.imaging.preview.tiles import as_image

PREVIEW_EDGE = 2048
"""Longest side of the preview, in pixels; smaller frames keep their size."""

THUMBNAIL_EDGE = 256
"""Longest side of the thumbnail, in pixels."""

CORNER_EDGE = 256
"""Edge of one of the nine crops, in pixels at 1:1; 1/3 of the frame if that is less."""

GAP = 4
"""Pixels between the crops."""

PNG_EFFORT = 1
"""zlib level: stretched noise does not compress, higher levels only cost time."""

THUMBNAIL_QUALITY = 80
"""WebP quality: about 6 kB."""


def shrunk(scene: Scene) -> Image.Image:
    """Show a scene at half (of half...) resolution, still at least as long as the preview; strips keep memory small."""
    factor = 1
    while max(scene.width, scene.height) >= 2 * factor * PREVIEW_EDGE:
        factor *= 2
    strip_rows = 128 * factor
    image: Image.Image | None = None
    for top in range(0, scene.height, strip_rows):
        strip = as_image(scene.piece(slice(top, top + strip_rows)))
        strip = strip.reduce(factor) if factor > 1 else strip
        if image is None:
            image = Image.new(strip.mode, (strip.width, -(-scene.height // factor)))
        image.paste(strip, (0, top // factor))
    return image or Image.new("L", (1, 1))


def fit(image: Image.Image, edge: int) -> Image.Image:
    """Shrink a picture so that its longest side is ``edge``; a smaller one stays as it is."""
    longest = max(image.size)
    if longest <= edge:
        return image
    size = (max(1, round(image.width * edge / longest)), max(1, round(image.height * edge / longest)))
    return image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def write_png(image: Image.Image, path: Path) -> None:
    """Write a picture as PNG without any metadata."""
    pixels = np.asarray(image)
    bands = 1 if pixels.ndim == 2 else pixels.shape[2]
    picture = pyvips.Image.new_from_memory(np.ascontiguousarray(pixels), image.width, image.height, bands, "uchar")
    picture.copy(interpretation="b-w" if bands == 1 else "srgb").pngsave(str(path), compression=PNG_EFFORT, keep="none")


def write_thumbnail(image: Image.Image, path: Path) -> Image.Image:
    """Write the WebP thumbnail of a picture and give it back."""
    thumbnail = fit(image, THUMBNAIL_EDGE)
    thumbnail.save(path, "WEBP", quality=THUMBNAIL_QUALITY, method=2)
    return thumbnail


def corners(scene: Scene) -> Image.Image:
    """Put nine crops at 1:1 side by side: corners, edges and centre, as they lie in the frame."""
    height = max(1, min(CORNER_EDGE, scene.height // 3))
    width = max(1, min(CORNER_EDGE, scene.width // 3))
    tops = (0, (scene.height - height) // 2, scene.height - height)
    lefts = (0, (scene.width - width) // 2, scene.width - width)
    mode = "RGB" if len(scene.tables) == 3 else "L"
    mosaic = Image.new(mode, (3 * width + 2 * GAP, 3 * height + 2 * GAP))
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            crop = as_image(scene.piece(slice(top, top + height), slice(left, left + width)))
            mosaic.paste(crop, (column * (width + GAP), row * (height + GAP)))
    return mosaic
