"""A small light that would be accepted, and what is changed in it."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tests.imaging.fits.support import card, header, image_cards, padded

WIDTH, HEIGHT = 64, 48
CARDS = (
    card("IMAGETYP", "LIGHT"), card("EXPTIME", 30.0), card("DATE-OBS", "2026-11-19T21:00:00"),
    card("INSTRUME", "Catalogue camera"), card("FILTER", "L"),
)  # fmt: skip
"""What a frame needs to be registered."""


def pixels(seed: int, *, dtype: str = ">i2") -> NDArray[np.generic]:
    """Sky and noise, other for every seed, shape (48, 64)."""
    noise = np.random.default_rng([32, seed]).normal(1000.0, 10.0, (HEIGHT, WIDTH))
    return np.asarray(np.rint(noise), dtype=dtype)


def light(seed: int, *extra: bytes, without: Iterable[str] = (), data: NDArray[np.generic] | None = None) -> bytes:
    """Write a light of a number with cards added, or left out."""
    image = pixels(seed) if data is None else data
    left_out = tuple(keyword.encode().ljust(8) for keyword in without)
    kept = [one for one in CARDS if not one.startswith(left_out)] if left_out else list(CARDS)
    bitpix = {"i2": 16, "f4": -32, "u1": 8}[image.dtype.str[1:]]
    return header(image_cards(*reversed(image.shape), bitpix=bitpix, extra=[*kept, *extra])) + padded(image.tobytes())


def structure(*cards: bytes, data: int = 8640, end: bool = True) -> bytes:
    """Write a header of exactly these cards, and zeros after it."""
    return header(cards, end=end) + bytes(data)
