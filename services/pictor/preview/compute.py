"""Pixel work of the preview service, run in a child process."""

from dataclasses import asdict
from pathlib import Path

from pictor.imaging.fits.reading import read_frame
from pictor.imaging.preview import rendering
from pictor.imaging.preview.rendering import Picture, Preview


def render(
    path: str,
    scratch: str,
    bayer: str | None = None,
    bayer_offset_x: int = 0,
    bayer_offset_y: int = 0,
    *,
    row_order: str = "TOP-DOWN",
    stretch: str = "stf",
) -> dict[str, object]:
    """Make all pictures of the frame in a file.

    Returns product kinds (``preview``, ``thumbnail``, ``tiles``, ``tile-index``, ``corners``) with path, content type
    and size, and under ``parameters`` how they were made.
    """
    made = rendering.render(
        read_frame(Path(path)).data,
        bayer=bayer,
        bayer_offset=(bayer_offset_x, bayer_offset_y),
        row_order=row_order,
        stretch=stretch,
        scratch=Path(scratch),
    )
    return {"products": _products(made), "parameters": _parameters(made)}


def warm() -> None:
    """Compile what the pictures need, so that the first frame is as fast as the second."""
    rendering.warm()


def _products(made: Preview) -> dict[str, object]:
    pictures = {
        "preview": made.preview,
        "thumbnail": made.thumbnail,
        "tiles": made.tiles,
        "tile-index": Picture(made.tile_index, "application/json", made.index.width, made.index.height),
        "corners": made.corners,
    }
    return {
        kind: {
            "path": str(picture.path),
            "content_type": picture.media_type,
            "width": picture.width,
            "height": picture.height,
        }
        for kind, picture in pictures.items()
    }


def _parameters(made: Preview) -> dict[str, object]:
    return {
        "stretch": str(made.stretch),
        "channels": [asdict(channel) for channel in made.channels],
        "debayered": made.debayered,
        "row_order": made.row_order,
        "width": made.index.width,
        "height": made.index.height,
        "tile_size": made.index.tile_size,
        "levels": made.index.levels,
    }
