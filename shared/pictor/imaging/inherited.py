"""Cards that a product inherits from its inputs, put right where they are no FITS by the letter."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from astropy.io import fits

from pictor.imaging.fits.writing import printable

_LONGEST = 68
_MATRIX = {name: [f"{name}{place}" for place in ("1_1", "1_2", "2_1", "2_2")] for name in ("CD", "PC")}
_WORLD = re.compile(r"(CTYPE|CRPIX|CRVAL|CDELT|CUNIT|CROTA)\d+[A-Z]?\Z|(CD|PC|PV|PS)\d+_\d+[A-Z]?\Z|(LON|LAT)POLE")
_COMMENTARY = frozenset({"COMMENT", "HISTORY", ""})


def repair_cards(header: fits.Header) -> None:
    """Take from a header, in place, what makes a file no FITS by the letter.

    That are a second PC matrix, cards given twice, EPOCH (now EQUINOX) and WCSAXES behind other cards of the world
    coordinates; HISTORY says what became of the last two.

    Parameters
    ----------
    header
        Cards of an input.
    """
    _repair_epoch(header)
    _repair_axes(header)
    if any(key in header for key in _MATRIX["CD"]):
        for keyword in _MATRIX["PC"]:
            header.remove(keyword, ignore_missing=True, remove_all=True)
    counts = Counter(card.keyword for card in header.cards)
    for keyword in [key for key, count in counts.items() if count > 1 and key not in _COMMENTARY]:
        for again in range(counts[keyword] - 1, 0, -1):
            del header[keyword, again]
    if any(isinstance(card.rawvalue, str) and len(card.rawvalue) > _LONGEST for card in _readable(header)):
        header["LONGSTRN"] = ("OGIP 1.0", "long texts go on in CONTINUE cards")


def _repair_epoch(header: fits.Header) -> None:
    if "EPOCH" in header:
        value = header["EPOCH"]
        header.remove("EPOCH", remove_all=True)
        if "EQUINOX" not in header and isinstance(value, int | float):
            header["EQUINOX"] = (float(value), "of the card EPOCH")
        header.add_history(printable(f"card EPOCH = {value!r} left out: its name is EQUINOX now"))


def _repair_axes(header: fits.Header) -> None:
    """Put WCSAXES before all other cards of the world coordinates, as FITS wants it."""
    first = next((card.keyword for card in header.cards if _WORLD.match(card.keyword)), None)
    if first is not None and "WCSAXES" in header and header.index("WCSAXES") > header.index(first):
        card = header.cards["WCSAXES"]
        told = card.keyword, card.value, card.comment
        header.remove("WCSAXES", remove_all=True)
        header.insert(first, told)
        header.add_history(f"card WCSAXES moved before {first}")


def _readable(header: fits.Header) -> Iterator[fits.Card]:
    for card in header.cards:
        with suppress(fits.VerifyError, ValueError):
            _ = card.rawvalue
            yield card
