"""One colour of a one-shot-colour light, as a frame of its own with its own world coordinates."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.astrometry.cards import write_wcs
from pictor.imaging.astrometry.projection import Sip, Wcs
from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import Frame
from pictor.imaging.preview.bayer import red_parity

GREEN = 1
_BOTTOM_UP = "BOTTOM-UP"


def red_place(described: Mapping[str, Any], rows: int) -> tuple[int, int]:
    """Find the row and column of the first red pixel of the stored frame, each 0 or 1.

    Parameters
    ----------
    described
        The header in Pictor's vocabulary: ``bayer``, its offsets, and the order of the rows.
    rows
        Rows of the frame.

    Raises
    ------
    ImagingError
        If the pattern is none of the four Bayer ones.
    """
    offset = (int(described.get("bayer_offset_x") or 0), int(described.get("bayer_offset_y") or 0))
    found = red_parity(described.get("bayer"), offset)
    if found is None:
        raise ImagingError(f"colours of the pattern {described.get('bayer')!r} are not known", reason="unknown-bayer")
    y, x = found
    return ((rows - 1 - y) % 2 if described.get("row_order") == _BOTTOM_UP else y), x


def offset_of(channel: int, red: tuple[int, int]) -> tuple[float, float]:
    """Give where a colour lies in its cell of 2 x 2 pixels, (x, y) from the centre of the first pixel."""
    if channel == GREEN:
        return 0.5, 0.5
    y, x = red if channel == 0 else (1 - red[0], 1 - red[1])
    return float(x), float(y)


def colour_of(frame: Frame, channel: int, red: tuple[int, int]) -> Frame:
    """Take one colour of a mosaic: no pixel is interpolated, the two greens of a cell are averaged.

    Parameters
    ----------
    frame
        Mosaic, shape (ny, nx).
    channel
        0 red, 1 green, 2 blue.
    red
        Row and column of the first red pixel.

    Returns
    -------
    Frame
        Shape (ny // 2, nx // 2); its world coordinates say where the pixels of this colour lie.
    """
    ny, nx = (side // 2 * 2 for side in frame.shape)
    places = _places(channel, red)
    parts = [frame.real()[y:ny:2, x:nx:2] for y, x in places]
    data: NDArray[np.float32] = np.asarray(np.mean(parts, axis=0, dtype=np.float32))
    err = None
    if frame.err is not None:
        squares: list[NDArray[np.floating]] = [np.square(frame.err[y:ny:2, x:nx:2]) for y, x in places]
        err = np.sqrt(np.sum(squares, axis=0)).astype(np.float32) / len(places)
    mask = None
    if frame.mask is not None:
        mask = np.bitwise_or.reduce([frame.mask[y:ny:2, x:nx:2] for y, x in places])
    header = frame.header.copy()
    for keyword in ("BAYERPAT", "COLORTYP", "XBAYROFF", "YBAYROFF"):
        header.remove(keyword, ignore_missing=True)
    if frame.wcs is not None:
        header = write_wcs(header, wcs_of_colour(frame.wcs, offset_of(channel, red)), (data.shape[0], data.shape[1]))
    return Frame(data, err, mask, header, frame.unit)


def _places(channel: int, red: tuple[int, int]) -> list[tuple[int, int]]:
    y, x = red
    if channel == GREEN:
        return [(y, 1 - x), (1 - y, x)]
    return [(y, x)] if channel == 0 else [(1 - y, 1 - x)]


def wcs_of_colour(wcs: Wcs, offset: tuple[float, float]) -> Wcs:
    """Give the world coordinates of every second pixel, the first at ``offset`` (x, y)."""
    crpix = tuple((middle - 1 - shift) / 2 + 1 for middle, shift in zip(wcs.crpix, offset, strict=True))
    cd = ((2 * wcs.cd[0][0], 2 * wcs.cd[0][1]), (2 * wcs.cd[1][0], 2 * wcs.cd[1][1]))
    sip = None
    if wcs.sip is not None:
        a, b = (tuple((p, q, value * 2.0 ** (p + q - 1)) for p, q, value in terms) for terms in (wcs.sip.a, wcs.sip.b))
        sip = Sip(wcs.sip.order, a, b)
    return Wcs(wcs.crval, (crpix[0], crpix[1]), cd, sip)


def plane_of(frame: Frame, channel: int) -> Frame:
    """Take one of three colour planes."""
    err = None if frame.err is None else frame.err[channel]
    return Frame(np.asarray(frame.real()[channel]), err, frame.mask, frame.header.copy(), frame.unit)
