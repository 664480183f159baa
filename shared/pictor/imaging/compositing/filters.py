"""Which band a filter shows, by its name in a header, and which bands a palette shows; imports nothing heavy."""

from enum import StrEnum

from pictor.imaging.matching.filters import parted

_ALSO = {
    "r": "Red", "rc": "Red", "g": "Green", "v": "Green", "b": "Blue", "hydrogen": "Ha", "h": "Ha", "o": "OIII",
    "s": "SII",
}  # fmt: skip
"""What shows a band in a picture although it may not be the same filter."""

_BANDS = frozenset({"Red", "Green", "Blue", "Ha", "OIII", "SII"})


def filter_of(name: str) -> str | None:
    """Recognise the band a filter shows by its name as headers spell it; None for one that no palette shows.

    Examples
    --------
    >>> filter_of("H-alpha 7nm"), filter_of("O III"), filter_of("Luminance")
    ('Ha', 'OIII', None)
    """
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    usual, _ = parted(plain)
    bare = plain.split("nm")[0].rstrip("0123456789") if "nm" in plain else plain
    return usual if usual in _BANDS else _ALSO.get(plain, _ALSO.get(bare))


class Palette(StrEnum):
    """Which filters are shown as red, green and blue."""

    RGB = "rgb"
    SHO = "sho"
    HOO = "hoo"
    HGB = "hgb"


CHANNELS: dict[Palette, tuple[str, str, str]] = {
    Palette.RGB: ("Red", "Green", "Blue"),
    Palette.SHO: ("SII", "Ha", "OIII"),
    Palette.HOO: ("Ha", "OIII", "OIII"),
    Palette.HGB: ("Ha", "Green", "Blue"),
}
"""Filters of each palette in the order red, green, blue."""
