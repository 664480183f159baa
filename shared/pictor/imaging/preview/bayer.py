"""Which colour a raw pixel has."""

COLOURS = {"RGGB": (0, 0), "GRBG": (0, 1), "GBRG": (1, 0), "BGGR": (1, 1)}
"""Place (y, x) of red in the 2 by 2 cell, for the four patterns that are known how to interpolate."""


def red_parity(pattern: str | None, offset: tuple[int, int] = (0, 0)) -> tuple[int, int] | None:
    """Find the parity of the red pixels in the upright frame.

    The pattern names the colours of the top left 2 by 2 cell of the upright picture, as the camera reads its sensor,
    whichever way the rows are stored: for ROWORDER TOP-DOWN that is the first row of the file, for BOTTOM-UP the last
    [1]_. A frame of even height that is stored BOTTOM-UP therefore begins, in the file, with the second row of its
    pattern.

    Parameters
    ----------
    pattern
        BAYERPAT as in the header; None, empty or a pattern other than the four Bayer ones means no colour.
    offset
        (XBAYROFF, YBAYROFF); only odd or even matters.

    Returns
    -------
    tuple of int or None
        Parity (y, x) of red; None if the frame is to be shown in grey.

    References
    ----------
    .. [1] free-astro.org, "Orientation of FITS images", the proposal of the keyword ROWORDER.
    """
    place = COLOURS.get((pattern or "").strip().upper())
    if place is None:
        return None
    return (place[0] + offset[1]) % 2, (place[1] + offset[0]) % 2
