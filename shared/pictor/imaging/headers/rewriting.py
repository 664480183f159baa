"""A frame under a new header: every byte of its data as it was."""

from collections.abc import Sequence
from pathlib import Path

from pictor.imaging.fits.cards import Card, card_images, parse_card
from pictor.imaging.fits.checksum import datasum
from pictor.imaging.fits.prescan import Prescan, prescan_file
from pictor.imaging.fits.product import Geometry, processed_header, write_processed
from pictor.imaging.fits.reading import header_block, image_of
from pictor.imaging.fits.structure import Hdu
from pictor.imaging.fits.unpack import fill_last_block, unpack
from pictor.imaging.fits.wcs_cards import is_stale
from pictor.imaging.fits.writing import header_bytes
from pictor.imaging.products import Provenance, is_input_card, write_whole
from pictor.imaging.scratch import scratch_folder


def write_cards(
    path: Path, out: Path, cards: Sequence[Card], made: Provenance, *, solved: bool = False, overwrite: bool = False
) -> None:
    """Write a frame with other cards and its data unit byte for byte as it was; whole or not at all.

    A gzipped file is unpacked, an XISF file converted; tile-compressed pixels stay compressed. CHECKSUM and DATASUM
    are those of the new header and the old data.

    Parameters
    ----------
    path
        The frame: FITS, .fz, .gz or XISF. It is not changed.
    out
        File to write, in a folder that exists.
    cards
        Cards to set; a card of that keyword is replaced where it stands, new ones follow the others.
    made
        What set them: becomes CREATOR, NINPUT, IN001NAM, IN001SHA and HISTORY.
    solved
        Whether ``cards`` hold a new world coordinate system; every older one is then removed.
    overwrite
        Whether a file of that name may be replaced.

    Raises
    ------
    UnreadableFrameError
        If the frame cannot be read, with its reason class.
    FileTakenError
        If a file of that name is there and ``overwrite`` is False.
    """
    with scratch_folder() as scratch:
        plain = _plain(path, scratch, solved=solved)
        scan = prescan_file(plain)
        image = image_of(scan)
        place = _geometry(plain, scan, image)
        header = processed_header(
            _without_inputs(header_block(plain, image)[0]),
            [*cards, *_inputs(made)],
            datasum=place.datasum,
            solved=solved,
            history=made.history(),
        )
        write_whole(out, lambda part: write_processed(plain, part, header, place), overwrite=overwrite)


def _plain(path: Path, scratch: Path, *, solved: bool) -> Path:
    """Give a FITS file of whole blocks, without an older solution in a primary header that has no image."""
    plain = unpack(path, scratch).path
    if fill_last_block(plain, scratch / "filled.fits"):
        plain = scratch / "filled.fits"
    scan = prescan_file(plain)
    primary = scan.hdus[0]
    if not solved or image_of(scan).index == 0 or primary.data_size:
        return plain
    block, cards = header_block(plain, primary)
    if not any(is_stale(card.keyword) for card in cards):
        return plain
    cleaned = scratch / "cleaned.fits"
    with plain.open("rb") as source, cleaned.open("wb") as target:
        target.write(processed_header(block, [], datasum=0, solved=True))
        source.seek(primary.data_offset)
        while chunk := source.read(1024**2):
            target.write(chunk)
    return cleaned


def _geometry(path: Path, scan: Prescan, image: Hdu) -> Geometry:
    total = datasum(path, image.data_offset, image.end - image.data_offset)
    return Geometry(
        image.header_offset, image.data_offset, image.data_size, scan.hdus[-1].end, path.stat().st_size, total
    )


def _without_inputs(block: bytes) -> bytes:
    """Drop the inputs an earlier stage named: they are those of the file this one is made of."""
    return header_bytes(image for image in card_images(block) if not is_input_card(parse_card(image).keyword))


def _inputs(made: Provenance) -> list[Card]:
    cards = [
        Card("CREATOR", made.software, f"made by {made.stage}"[:46]),
        Card("NINPUT", len(made.inputs), "files this was made of: names, then SHA-256"),
    ]
    for number, one in enumerate(made.inputs, 1):
        cards += [Card(f"IN{number:03d}NAM", one.name[-68:]), Card(f"IN{number:03d}SHA", one.sha256)]
    return cards
