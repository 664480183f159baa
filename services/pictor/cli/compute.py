"""Open a product in a child process and say whether it is what it claims to be: JSON in, JSON out."""

import json
from pathlib import Path
from typing import Any

from PIL import Image

from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.cards import parse_cards
from pictor.imaging.fits.checksum import ChecksumState, datasum
from pictor.imaging.fits.checksum import verify as verify_sums
from pictor.imaging.fits.limits import DEFAULT_LIMITS
from pictor.imaging.fits.structure import Hdu, read_hdu, read_header

MAX_PIXELS = 64_000_000
"""Our pictures have at most 4,096 pixels on a side, contact sheets included."""


def verify(path: str, content_type: str) -> dict[str, object]:
    """Open a product.

    Parameters
    ----------
    path
        A file under a name of ours.
    content_type
        What it was stored as.

    Raises
    ------
    ImagingError
        If it does not open, or its checksums do not hold; the message says which.
    """
    place = Path(path)
    if content_type == "application/fits":
        return {"hdus": _verify_fits(place)}
    if content_type.startswith("image/"):
        return {"pixels": _verify_picture(place)}
    if content_type == "application/json":
        _verify_json(place)
    return {}


def _verify_fits(path: Path) -> int:
    count, offset, total = 0, 0, path.stat().st_size
    with path.open("rb") as file:

        def read(start: int, length: int) -> bytes:
            file.seek(start)
            return file.read(length)

        if not read(0, 9).startswith(b"SIMPLE  ="):
            raise ImagingError("it is not FITS: there is no card SIMPLE", reason="not-fits")
        while offset < total and (count == 0 or read(offset, 8) == b"XTENSION"):
            cards, ended = read_header(read, offset, DEFAULT_LIMITS)
            if not ended:
                raise ImagingError(f"it ends inside the header of HDU {count}", reason="truncated")
            hdu = read_hdu(cards, count, offset, DEFAULT_LIMITS)
            _verify_hdu(path, hdu, read(offset, hdu.data_offset - offset), total)
            count, offset = count + 1, hdu.end
    return count


def _verify_hdu(path: Path, hdu: Hdu, header: bytes, total: int) -> None:
    if hdu.data_offset + hdu.data_size > total:
        raise ImagingError(f"it ends inside the data of HDU {hdu.index}", reason="truncated")
    state = verify_sums(header, parse_cards(header), datasum(path, hdu.data_offset, hdu.end - hdu.data_offset))
    if state is ChecksumState.WRONG:
        raise ImagingError(f"CHECKSUM or DATASUM of HDU {hdu.index} does not hold", reason="checksum")


def _verify_picture(path: Path) -> int:
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as picture:
            picture.load()
            return picture.width * picture.height
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImagingError(f"the picture does not open: {error}", reason="picture") from error


def _verify_json(path: Path) -> None:
    try:
        json.loads(path.read_bytes())
    except ValueError as error:
        raise ImagingError(f"the JSON cannot be read: {error}", reason="json") from error


def survey(**order: Any) -> dict[str, object]:  # noqa: ANN401 - the order is checked by its function
    """Read one file of a folder for `pictor process`."""
    from pictor.cli.processing import surveying

    return surveying.survey(**order)


def unpack_master(**order: Any) -> dict[str, object]:  # noqa: ANN401 - the order is checked by its function
    """Write a packed master as plain FITS for `pictor process`."""
    from pictor.cli.processing import unpacking

    return unpacking.unpack_master(**order)


def make_master(**order: Any) -> dict[str, object]:  # noqa: ANN401 - the order is checked by its function
    """Make a master of files for `pictor process`."""
    from pictor.cli.processing import stacking

    return stacking.make_master(**order)


def find_bad_lines(**order: Any) -> dict[str, object]:  # noqa: ANN401 - the order is checked by its function
    """Find columns and rows that are bad in all lights for `pictor process`."""
    from pictor.cli.processing import lining

    return lining.find_bad_lines(**order)


def process_light(**order: Any) -> dict[str, object]:  # noqa: ANN401 - the order is checked by its function
    """Calibrate, measure and solve one light for `pictor process`."""
    from pictor.cli.processing import lighting

    return lighting.process_light(**order)


def place(**order: Any) -> dict[str, object]:  # noqa: ANN401 - the order is checked by its function
    """Place the lights of one target for `pictor process`."""
    from pictor.cli.processing import placing

    return placing.place(**order)


def make_coadd(**order: Any) -> dict[str, object]:  # noqa: ANN401 - the order is checked by its function
    """Coadd lights for `pictor process`."""
    from pictor.cli.processing import coadding

    return coadding.make_coadd(**order)


def compose(**order: Any) -> dict[str, object]:  # noqa: ANN401 - the order is checked by its function
    """Compose a colour picture for `pictor process`."""
    from pictor.cli.processing import colouring

    return colouring.compose(**order)


def subtract_continuum(**order: Any) -> dict[str, object]:  # noqa: ANN401 - the order is checked by its function
    """Subtract a continuum for `pictor process`."""
    from pictor.cli.processing import colouring

    return colouring.subtract_continuum(**order)
