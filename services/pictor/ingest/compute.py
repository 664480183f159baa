"""Pixel work of ingest, run in a child process: JSON in, JSON out."""

from dataclasses import asdict, replace
from pathlib import Path

from pictor.imaging.fits.checksum import datasum, verify
from pictor.imaging.fits.limits import DEFAULT_LIMITS, Limits
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import header_block, image_of, read_frame
from pictor.imaging.fits.statistics import statistics
from pictor.imaging.fits.structure import HduKind
from pictor.imaging.fits.sums import wrong_sums
from pictor.imaging.fits.unpack import fill_last_block, unpack
from pictor.imaging.headers.admission import admission
from pictor.imaging.headers.describe import describe as describe_header

Json = dict[str, object]


def describe(
    path: str,
    name: str,
    scratch: str,
    *,
    max_data_bytes: int = DEFAULT_LIMITS.data_bytes,
    max_file_bytes: int = DEFAULT_LIMITS.file_bytes,
) -> Json:
    """Verify and describe one uploaded file.

    Parameters
    ----------
    path
        The file under a name of ours.
    name
        File name as sent, a last resort for the frame type.
    scratch
        Folder for the unpacked file of a .gz or .xisf upload, or the filled one when the last block is not.
    max_data_bytes, max_file_bytes
        Limits of one data unit and of the whole file, unpacked.

    Returns
    -------
    dict
        ``container``, ``converted`` (path or None), ``geometry``, ``checksum``, ``cards``, ``description``,
        ``problems`` (empty: admitted), ``statistics``, ``warnings``.

    Raises
    ------
    UnreadableFrameError
        With the reason class, if the file is not a frame that can be read.
    """
    limits = replace(DEFAULT_LIMITS, data_bytes=max_data_bytes, file_bytes=max_file_bytes)
    unpacked = unpack(Path(path), Path(scratch), limits=limits)
    plain, converted = unpacked.path, unpacked.converted
    frame = read_frame(plain, limits=limits)
    if fill_last_block(plain, Path(scratch) / "filled.fits", limits=limits):
        plain, converted = Path(scratch) / "filled.fits", True
    geometry, checksum, wrong = _geometry(plain, limits)
    description = describe_header(frame.cards, name=name)
    warnings = [*unpacked.warnings, *frame.warnings, *description.warnings, *wrong]
    return {
        "container": unpacked.container.value if unpacked.converted else _container(compressed=frame.compressed),
        "converted": str(plain) if converted else None,
        "geometry": geometry,
        "checksum": checksum,
        "cards": [list(card) for card in frame.cards],
        "description": asdict(description),
        "problems": [asdict(problem) for problem in admission(description)],
        "statistics": asdict(statistics(frame.data, saturation_adu=description.saturation_adu)),
        "warnings": list(dict.fromkeys(warnings)),
    }


def _container(*, compressed: bool) -> str:
    return "fits-compressed" if compressed else "fits"


def _geometry(path: Path, limits: Limits) -> tuple[Json, str, list[str]]:
    """Tell where the image lies, whether the sums in its header hold, and which of any HDU do not."""
    scan = prescan_file(path, limits=limits)
    image = image_of(scan)
    data_sum = datasum(path, image.data_offset, image.end - image.data_offset)
    header, cards = header_block(path, image)
    geometry: Json = {
        "hdu": image.index,
        "header_offset": image.header_offset,
        "data_offset": image.data_offset,
        "data_size": image.data_size,
        "end": scan.hdus[-1].end,
        "total": path.stat().st_size,
        "datasum": data_sum,
        "compressed": image.kind is HduKind.COMPRESSED,
        "bitpix": image.bitpix,
        "shape": list(image.shape),
    }
    wrong = wrong_sums(path, known={image.index: data_sum}, limits=limits)
    return geometry, verify(header, cards, data_sum).value, [str(one) for one in wrong]
