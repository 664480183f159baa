"""Units written with sums whose comments hold no time, so that the same frame makes the same bytes."""

from pathlib import Path

from astropy.io import fits

SUMMED = "sum of this unit"


def write_sealed(path: Path | str, *units: fits.PrimaryHDU | fits.ImageHDU | fits.BinTableHDU) -> None:
    """Write units with CHECKSUM and DATASUM; a file of that name is replaced.

    Parameters
    ----------
    path
        File to write.
    units
        The first is the primary one; a table alone gets an empty one before it. Columns are of fixed length.
    """
    first = [] if isinstance(units[0], fits.PrimaryHDU) else [fits.PrimaryHDU()]
    listed = fits.HDUList([*first, *units])
    listed.update_extend()
    seal(listed)
    listed.writeto(path, overwrite=True, output_verify="silentfix")


def seal(listed: fits.HDUList) -> None:
    """Give units the sums of what they hold now."""
    for unit in listed:
        unit.verify("silentfix")
        unit.add_checksum(when=SUMMED)
