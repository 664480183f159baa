"""Which sums of a file no longer hold: data that were damaged, headers that were changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.checksum import ChecksumState, datasum, verify
from pictor.imaging.fits.limits import DEFAULT_LIMITS, Limits
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import header_block
from pictor.imaging.fits.structure import Hdu

UNSOUND = "does not match its bytes"
"""Stands in every sentence on a sum that does not hold."""


@dataclass(frozen=True, slots=True)
class WrongSum:
    """A card CHECKSUM or DATASUM that does not hold.

    Parameters
    ----------
    hdu
        Position of its HDU in the file, 0 is the primary one.
    name
        EXTNAME of the HDU; empty without one.
    data
        Whether it is known to be the data that are not those the card was written for.
    summed
        Whether there is a DATASUM.
    """

    hdu: int
    name: str
    data: bool
    summed: bool

    def __str__(self) -> str:
        """Say it in a sentence."""
        where = f"HDU {self.hdu} ({self.name})" if self.name else f"HDU {self.hdu}"
        if self.data:
            return f"{where}: DATASUM {UNSOUND}: the data were damaged or changed after it was written"
        if self.summed:
            return f"{where}: CHECKSUM {UNSOUND}, DATASUM does: the header was changed after it was written"
        return f"{where}: CHECKSUM {UNSOUND}: header or data were damaged or changed after it was written"


def wrong_sums(
    path: Path, *, known: Mapping[int, int] | None = None, limits: Limits = DEFAULT_LIMITS
) -> list[WrongSum]:
    """Look whether DATASUM and CHECKSUM of every HDU hold; HDUs without them are not read.

    Of a packed image they are the sums of the packed data. Files that are no plain FITS have none.

    Parameters
    ----------
    path
        A file; it is read in constant memory.
    known
        Sums of data units that were computed before, by the position of their HDU.
    limits
        Of the prescan.
    """
    try:
        hdus = prescan_file(path, limits=limits).hdus
    except UnreadableFrameError:
        return []
    found = (_wrong(path, hdu, (known or {}).get(hdu.index)) for hdu in hdus)
    return [one for one in found if one is not None]


def _wrong(path: Path, hdu: Hdu, total: int | None) -> WrongSum | None:
    header, cards = header_block(path, hdu)
    values = {card.keyword: str(card.value).strip() for card in reversed(cards)}
    said = values.get("DATASUM", "")
    if not said.isdigit() and "CHECKSUM" not in values:
        return None
    if total is None:
        total = datasum(path, hdu.data_offset, hdu.end - hdu.data_offset)
    if verify(header, cards, total) is not ChecksumState.WRONG:
        return None
    summed = said.isdigit()
    return WrongSum(hdu.index, values.get("EXTNAME", ""), summed and int(said) != total, summed)
