"""Pictures inside the page: small WebP files as data URIs."""

import base64
import io
from pathlib import Path

from PIL import Image

SMALL, LARGE, WIDE = 128, 560, 1280
"""Longest sides: in the table, of a coadd, of a colour picture; in pixels."""

MOST = 400
"""Lights shown with a thumbnail: beyond, the page would be too large to send."""

MAX_PIXELS = 64_000_000


def embedded(path: Path, edge: int, *, quality: int = 76) -> str | None:
    """Give a picture as a data URI with its longest side so many pixels; None when it cannot be read."""
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with Image.open(path, formats=("WEBP", "PNG", "JPEG")) as picture:
            shown = picture.convert("RGB") if picture.mode not in {"RGB", "L"} else picture
            shown.thumbnail((edge, edge), Image.Resampling.LANCZOS)
            stream = io.BytesIO()
            shown.save(stream, "WEBP", quality=quality, method=4)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
