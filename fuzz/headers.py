"""FITS files nobody would write, and what must hold for each of them.

Whatever passes the pre-scan can be read by the code that runs behind it, or is refused there with a reason; nothing
raises another error, and nothing takes long.
"""

from pathlib import Path

from hypothesis import strategies as st

from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.prescan import HEAD_BYTES, prescan, prescan_file
from pictor.imaging.fits.reading import read_frame

BLOCK = 2880

STRUCTURE = (
    "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "EXTEND", "PCOUNT", "GCOUNT", "GROUPS", "XTENSION",
    "TFIELDS", "TFORM1", "TTYPE1", "THEAP", "ZIMAGE", "ZBITPIX", "ZNAXIS", "ZNAXIS1", "ZNAXIS2", "ZTILE1", "ZTILE2",
    "ZCMPTYPE", "BZERO", "BSCALE", "BLANK", "CONTINUE", "COMMENT", "HISTORY", "", "END", "CHECKSUM", "DATASUM",
)  # fmt: skip

MEANING = (
    "IMAGETYP", "OBJECT", "EXPTIME", "EXPOSURE", "DATE-OBS", "GAIN", "OFFSET", "EGAIN", "FILTER", "INSTRUME",
    "XBINNING", "CCD-TEMP", "SET-TEMP", "FOCALLEN", "XPIXSZ", "BAYERPAT", "ROWORDER", "RA", "DEC", "OBJCTRA",
    "CTYPE1", "CRVAL1", "CD1_1", "A_ORDER", "WCSAXES", "SITELAT", "NCOMBINE", "SATURATE", "HIERARCH ESO DET NAME",
)  # fmt: skip

VALUES = st.one_of(
    st.sampled_from([0, 1, 2, 3, 8, 16, 32, 64, -32, -64, 999, -1, 2**31, 2**63, 10**20, 338069165, 65535, 65536]),
    st.integers(),
    st.floats(),
    st.booleans().map(lambda yes: "T" if yes else "F"),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=70).map(
        lambda text: "'" + text.replace("'", "''") + "'"
    ),
    st.sampled_from(
        ["'", "", "1E400", "-1E400", "NaN", "(1,2)", "1.D0", "'RICE_1'", "'BINTABLE'", "'IMAGE   '", "&", "/"]
    ),
)


def card(keyword: str, value: object) -> bytes:
    """Eighty bytes; what does not fit or is not Latin-1 is cut or replaced."""
    return f"{keyword:<8}= {value!s:>20}".encode("latin-1", "replace")[:80].ljust(80)


_cards = st.one_of(
    st.builds(card, st.sampled_from(STRUCTURE), VALUES),
    st.builds(card, st.sampled_from(MEANING), VALUES),
    st.builds(card, st.text(st.sampled_from("ABCXYZ0123456789-_ ."), max_size=8), VALUES),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80).map(lambda text: text.encode().ljust(80)),
    st.binary(min_size=80, max_size=80),
)

_GOOD = (
    card("SIMPLE", "T"), card("BITPIX", 16), card("NAXIS", 2), card("NAXIS1", 12), card("NAXIS2", 10),
    card("IMAGETYP", "'LIGHT'"), card("EXPTIME", 60.0), card("DATE-OBS", "'2026-11-19T21:00:00'"),
)  # fmt: skip
_TABLE = (
    card("XTENSION", "'BINTABLE'"), card("BITPIX", 8), card("NAXIS", 2), card("NAXIS1", 8), card("NAXIS2", 10),
    card("PCOUNT", 20), card("GCOUNT", 1), card("TFIELDS", 1), card("TFORM1", "'1PB(2)'"),
    card("TTYPE1", "'COMPRESSED_DATA'"), card("ZIMAGE", "T"), card("ZBITPIX", 16), card("ZNAXIS", 2),
    card("ZNAXIS1", 12), card("ZNAXIS2", 10), card("ZTILE1", 12), card("ZTILE2", 1), card("ZCMPTYPE", "'RICE_1'"),
)  # fmt: skip
_EMPTY = (card("SIMPLE", "T"), card("BITPIX", 8), card("NAXIS", 0), card("EXTEND", "T"))


@st.composite
def _header(draw: st.DrawFn, base: tuple[bytes, ...]) -> bytes:
    cards = list(base)
    for _ in range(draw(st.integers(0, 6))):
        where = draw(st.integers(0 if draw(st.integers(0, 19)) == 0 else 1, len(cards)))
        change = draw(st.sampled_from(["insert", "replace", "delete", "twice"]))
        if change == "insert":
            cards.insert(where, draw(_cards))
        elif where < len(cards):
            cards[where : where + 1] = {"replace": [draw(_cards)], "delete": [], "twice": [cards[where]] * 2}[change]
    end = [b"END".ljust(80)] if draw(st.integers(0, 9)) else []
    text = b"".join([*cards, *end])
    return text.ljust(-(-len(text) // BLOCK) * BLOCK) if draw(st.integers(0, 9)) else text


@st.composite
def fits_files(draw: st.DrawFn) -> bytes:
    """Files of one or two HDUs, mostly almost right."""
    parts = []
    if draw(st.booleans()):
        parts = [draw(_header(_GOOD)), bytes(BLOCK)]
    else:
        parts = [draw(_header(_EMPTY)), draw(_header(_TABLE)), draw(st.binary(max_size=64)).ljust(BLOCK, b"\x01")]
    data = b"".join(parts)
    if draw(st.integers(0, 4)) == 0:
        data = data[: draw(st.integers(0, len(data)))]
    if draw(st.integers(0, 4)) == 0:
        data += draw(st.binary(max_size=100))
    return data


def outcome(data: bytes, path: Path) -> str:
    """Scan and read one file as the services do; returns "read" or the reason of the refusal.

    Raises
    ------
    Exception
        Anything but a refusal with a reason is a find.
    """
    path.write_bytes(data)
    try:
        prescan(data[:HEAD_BYTES], len(data))
        scan = prescan_file(path)
    except ImagingError as refusal:
        return f"prescan: {refusal.reason}"
    try:
        frame = read_frame(path)
    except ImagingError as refusal:
        return f"reading: {refusal.reason}"
    if scan.image is None or frame.data.shape != scan.image.shape:
        raise AssertionError(f"read {frame.data.shape} where the pre-scan promised {scan.image}")
    return "read"
