"""Rows 1-45: what is not FITS, and FITS whose structure cannot be true."""

import numpy as np

from tests.catalogue.cases import Body, Case, plain
from tests.catalogue.files.light import light, structure
from tests.catalogue.rows import Row
from tests.imaging.fits.support import card, header, image_cards, image_file, padded, raw_card

ASTROPY = "astropy 8.0.2: "
START = [card("SIMPLE", True), card("BITPIX", 16)]
NOT_FITS = "astropy 8.0.2: OSError"


def no_frame(number: str, given: str, data: bytes) -> Case:
    return Case(Row(number, given, NOT_FITS, (415,), "not-a-frame"), plain(data))


def refused(number: str, given: str, others: str, code: str, data: bytes, *, note: str = "") -> Case:
    return Case(Row(number, given, others, (422,), code, note=note), plain(data))


def kept(number: str, given: str, others: str, data: bytes, *, note: str = "", warns: str = "") -> Case:
    row = Row(number, given, others, (201,), None, "registered", "too-few-stars", note)
    return Case(row, plain(data), warns=warns)


def quarantined(number: str, given: str, others: str, reason: str, data: bytes, *, note: str = "") -> Case:
    return Case(Row(number, given, others, (201,), None, "quarantined", reason, note), plain(data))


def axes(*values: object) -> list[bytes]:
    names = ("NAXIS", "NAXIS1", "NAXIS2")
    return [*START, *(card(name, value) for name, value in zip(names, values, strict=False))]


GOOD = light(0)

CASES = (
    Case(Row("1", "nothing", NOT_FITS, (422,), "empty-body"), plain(b"")),
    no_frame("2", "1 byte", b"S"),
    refused("3", "2,879 bytes of a frame", NOT_FITS, "header-truncated", GOOD[:2879]),
    no_frame("4", "2,880 blanks", b" " * 2880),
    no_frame("5", "2,880 zeros", bytes(2880)),
    no_frame("6", "1 MiB of noise", np.random.default_rng(6).bytes(1 << 20)),
    no_frame("7", "a PNG picture", b"\x89PNG\r\n\x1a\n" + bytes(4000)),
    no_frame("8", "an HTML page", b"<!DOCTYPE html><script>alert(1)</script>".ljust(2880)),
    no_frame("9", "JSON", b'{"SIMPLE": true}'.ljust(2880)),
    Case(
        Row("10", "SIMPLE = F", f"{ASTROPY}opened as 8,640 bytes in one dimension", (415,), "not-a-frame"),
        plain(structure(card("SIMPLE", False), *axes(2, 60, 72)[1:])),
    ),
    refused("11", "BITPIX 7", NOT_FITS, "bad-bitpix", header(image_cards(60, 72, bitpix=7)) + bytes(8640)),
    refused("12", "NAXIS -1", NOT_FITS, "bad-naxis", structure(*axes(-1))),
    refused("13", "NAXIS1 -64", f"{ASTROPY}errno 22", "bad-naxis", structure(*axes(2, -64, 72))),
    refused("14", "axes of 2^31 pixels", NOT_FITS, "frame-too-large", structure(*axes(2, 2**31, 2**31))),
    refused(
        "15", "316,228 x 316,228 pixels without data", f"{ASTROPY}opens, then allocates 186 GiB", "frame-too-large",
        structure(*axes(2, 316_228, 316_228), data=0),
    ),
    refused("16", "NAXIS1 of 20 digits", NOT_FITS, "bad-naxis", structure(*axes(2, 12345678901234567890, 72))),
    refused("17", "NAXIS 999", f"{ASTROPY}OSError; cfitsio: SIGSEGV", "bad-naxis", structure(*axes(999))),
    refused("18", "NAXIS 1000", f"{ASTROPY}KeyError; cfitsio: SIGSEGV", "bad-naxis", structure(*axes(1000))),
    refused(
        "19", "NAXIS 338069165 in 2,880 bytes", f"{ASTROPY}hangs", "bad-naxis", structure(*axes(338069165), data=0),
        note="refused in 0.2 ms",
    ),
    refused("20", "NAXIS as text", f"{ASTROPY}TypeError", "bad-naxis", structure(*axes("2", 60, 72))),
    refused("21", "NAXIS1 64.5", f"{ASTROPY}TypeError", "bad-naxis", structure(*axes(2, 64.5, 72))),
    refused("22", "NAXIS2 missing", f"{ASTROPY}KeyError", "bad-naxis", structure(*axes(2, 60))),
    refused(
        "23", "data cut in half", f"{ASTROPY}opens, ValueError on data", "data-truncated",
        GOOD[: 2880 + 3000], note="refused when the header has come; nothing to keep, the sender has the whole",
    ),
    refused("24", "header cut at 1,000 bytes", NOT_FITS, "header-truncated", GOOD[:1000]),
    refused("25", "no END card", NOT_FITS, "no-end-card", structure(*axes(2, 60, 72), end=False, data=0)),
    Case(
        Row("26", "100 MiB of COMMENT without END", f"{ASTROPY}1.5 s, 202 MB", (422,), "too-many-cards",
            note="refused after 401,760 bytes"),
        lambda: Body(header(axes(2, 60, 72), end=False), b"COMMENT ".ljust(80), 100 << 20),
    ),
    Case(
        Row("27", "1,000,000 cards", f"{ASTROPY}4.6 s, 662 MB", (422,), "too-many-cards"),
        lambda: Body(header(axes(2, 60, 72), end=False), card("X", 1), 80_000_000),
    ),
    refused(
        "28", "20,000 cards", f"{ASTROPY}0.27 s; cfitsio: 71.6 s", "too-many-cards",
        structure(*axes(2, 60, 72), *[card("X", 1)] * 20_000),
    ),
    refused(
        "29", "100,000 CONTINUE cards", f"{ASTROPY}3 s, verify 16 s", "too-many-cards",
        structure(*axes(2, 60, 72), *[raw_card("CONTINUE  'a&'")] * 100_000),
    ),
    kept("30", "CONTINUE that continues nothing", f"{ASTROPY}VerifyError", light(30, raw_card("CONTINUE  'lost'")),
         note="the card is kept and ignored"),
    kept("31", "HIERARCH of 70 characters without =", f"{ASTROPY}opened", light(31, raw_card("HIERARCH " + "x" * 70))),
    kept("32", "bytes beyond ASCII in OBJECT", f"{ASTROPY}replaced by ?",
         light(32, raw_card("OBJECT  = 'caf\xe9 \xff'")), warns="outside ASCII"),
    refused("33", "NUL in OBJECT", f"{ASTROPY}VerifyError", "control-characters",
            light(33, raw_card("OBJECT  = 'M\x0031'"))),
    refused("34", "CR LF in OBJECT", f"{ASTROPY}VerifyError", "control-characters",
            light(34, raw_card("OBJECT  = 'M\r\n31'"))),
    refused("35", "NAXIS1 64, then 128", f"{ASTROPY}uses 128; cfitsio: 64", "duplicate-structural-keyword",
            light(35, card("NAXIS1", 128))),
    kept("36", "EXPTIME 30, then 60", f"{ASTROPY}first wins", light(36, card("EXPTIME", 60.0)), warns="EXPTIME"),
    quarantined("37", "BSCALE NAN", NOT_FITS, "bad-scaling", light(37, raw_card("BSCALE  =                  NAN")),
                note="whole, but no pixel has a value; kept for a person to look at"),
    quarantined("37b", "BZERO INF", NOT_FITS, "bad-scaling", light(371, raw_card("BZERO   =                  INF"))),
    quarantined("38", "BSCALE 0", f"{ASTROPY}opened", "bad-scaling", light(38, card("BSCALE", 0))),
    quarantined("39", "EXPTIME 'abc'", f"{ASTROPY}a string", "no-exposure",
                light(39, card("EXPTIME", "abc"), without=["EXPTIME"])),
    quarantined("40", "EXPTIME -1E400", f"{ASTROPY}minus infinity", "no-exposure",
                light(40, raw_card("EXPTIME =              -1E400"), without=["EXPTIME"])),
    kept("41", "DATE-OBS 9999-99-99T99", f"{ASTROPY}opened",
         light(41, card("DATE-OBS", "9999-99-99T99"), without=["DATE-OBS"]), warns="DATE-OBS",
         note="accepted with a warning: the pixels are good, and the time can be known from elsewhere"),
    quarantined("42", "no IMAGETYP, no EXPTIME", f"{ASTROPY}opened", "unknown-frame-type",
                light(42, without=["IMAGETYP", "EXPTIME"]), note="waits for a person to say what it is"),
    Case(
        Row("43", "20,000 empty HDUs", f"{ASTROPY}5 s, 225 MB", (422,), "too-many-hdus"),
        lambda: Body(light(43), header([raw_card("XTENSION= 'IMAGE'"), card("BITPIX", 8), card("NAXIS", 0)]),
                     2880 * 20_000),
    ),
    Case(
        Row("44", "300 MB of zeros after the data", f"{ASTROPY}5.9 s, 607 MB", (413,), "too-large",
            note="over the limit for uploads by its announced length"),
        lambda: Body(light(44), bytes(80), 320_000_000),
    ),
    Case(
        Row("44b", "100 MB of zeros after the data", "", (422,), "length-mismatch"),
        lambda: Body(light(441), bytes(80), 100_000_000),
    ),
    kept("45", "234 random bytes after the data", NOT_FITS, light(45) + np.random.default_rng(45).bytes(234),
         note="up to 1 MiB is forgiven with a warning: real programs leave such tails", warns="234 bytes after"),
    refused("45b", "2 MiB of random bytes after the data", NOT_FITS, "length-mismatch",
            light(451) + np.random.default_rng(451).bytes(2 << 20)),
    refused("45c", "an extension whose data are cut", f"{ASTROPY}opens", "data-truncated",
            image_file(np.zeros((8, 8), np.int16)) + padded(header([raw_card("XTENSION= 'IMAGE'"), card("BITPIX", 8),
            card("NAXIS", 1), card("NAXIS1", 9000)]))),
)  # fmt: skip
