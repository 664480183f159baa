"""A picture of a frame with its sources marked."""

import numpy as np
from PIL import Image, ImageDraw

from pictor.imaging.preview.products import shrink
from pictor.imaging.preview.scene import BOTTOM_UP, TOP_DOWN, Scene
from pictor.imaging.preview.stretch import StretchKind
from pictor.imaging.stars.measuring import Measured
from pictor.imaging.stars.tables import mark_colour

# Frames below this size are enlarged by a whole factor, so that marks do not hide what they mark.
_SMALL = 1000
_ZOOM = 4
# A circle has this many FWHM across, and never less than this many pixels of the picture.
_MARK_FWHM = 3.0
_SMALLEST_MARK = 4.0


def draw_stars(found: Measured, *, stretch: StretchKind | str = StretchKind.ASINH) -> Image.Image:
    """Draw a frame with a circle around every source.

    Green are stars, yellow blended ones, red saturated ones, cyan those at an edge, magenta what is no star. The
    longest side has at most 2048 pixels; the picture is upright by ROWORDER (the first row is at the top for
    TOP-DOWN, else at the bottom).

    Parameters
    ----------
    found
        Measured frame.
    stretch
        Curve, as of previews.

    Returns
    -------
    Image
        Picture in colour.

    Raises
    ------
    ImagingError
        If no picture can be made of the pixels.
    """
    order = str(found.frame.header.get("ROWORDER", BOTTOM_UP)).strip().upper()
    order = TOP_DOWN if order == TOP_DOWN else BOTTOM_UP
    data = found.frame.data
    scene = Scene.of(data, bayer=found.bayer, row_order=order, stretch=StretchKind(stretch))
    picture = shrink(scene).convert("RGB")
    zoom = max(1, min(_ZOOM, _SMALL // max(picture.size)))
    if zoom > 1:
        picture = picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)
    _mark(picture, found, flipped=order == BOTTOM_UP)
    return picture


def _mark(picture: Image.Image, found: Measured, *, flipped: bool) -> None:
    stars = found.stars
    ny, nx = stars.shape
    scale = picture.width / nx
    x, y = (stars.x + 0.5) * scale, (stars.y + 0.5) * picture.height / ny
    if flipped:
        y = picture.height - y
    usual = float(np.median(stars.fwhm[stars.is_star])) if stars.star_count else 3.0
    radius = max(_SMALLEST_MARK, 0.5 * _MARK_FWHM * usual * scale)
    pen = ImageDraw.Draw(picture)
    for k in range(len(stars)):
        box = (x[k] - radius, y[k] - radius, x[k] + radius, y[k] + radius)
        colour = mark_colour(int(stars.flags[k]))
        pen.ellipse(box, outline="lime" if colour == "green" else colour)
