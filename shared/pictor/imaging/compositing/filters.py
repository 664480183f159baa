"""Which band a filter shows, by its name in a header, and which bands a palette shows; imports nothing heavy."""

from enum import StrEnum

_SPELLINGS: dict[str, frozenset[str]] = {
    "Red": frozenset({"red", "r", "rc"}),
    "Green": frozenset({"green", "g", "v"}),
    "Blue": frozenset({"blue", "b"}),
    "Ha": frozenset({"ha", "halpha", "hydrogen", "h"}),
    "OIII": frozenset({"oiii", "o3", "o"}),
    "SII": frozenset({"sii", "s2", "s"}),
}


def filter_of(name: str) -> str | None:
    """Recognise the name of a filter as headers spell it; None for one that no palette shows.

    Examples
    --------
    >>> filter_of("H-alpha 7nm"), filter_of("O III"), filter_of("Luminance")
    ('Ha', 'OIII', None)
    """
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    bare = plain.split("nm")[0].rstrip("0123456789") if "nm" in plain else plain
    return next((known for known, spelled in _SPELLINGS.items() if plain in spelled or bare in spelled), None)


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
