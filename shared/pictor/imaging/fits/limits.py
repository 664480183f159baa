"""Limits within which a file is read at all."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest file Pictor reads.

    Parameters
    ----------
    data_bytes
        Pixels of one HDU, unpacked; 640 MiB hold the largest sensor sold (151 megapixels) as 32-bit floats.
    file_bytes
        The whole file, unpacked.
    axis
        Length of one image axis, in pixels.
    cards
        Cards of one header.
    hdus
        HDUs of one file; a MegaCam mosaic has 37.
    trailing_bytes
        Bytes after the last HDU that are ignored with a warning.
    """

    data_bytes: int = 640 * 1024 * 1024
    file_bytes: int = 2048 * 1024 * 1024
    axis: int = 65_536
    cards: int = 5_000
    hdus: int = 64
    trailing_bytes: int = 1024 * 1024


DEFAULT_LIMITS = Limits()
"""Limits used unless a caller gives others."""
