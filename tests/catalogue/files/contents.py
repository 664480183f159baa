"""Rows 68-93: sound FITS whose contents are absurd, or were written to hurt somebody further down."""

import numpy as np

from tests.catalogue.cases import Case, later, plain
from tests.catalogue.files.light import HEIGHT, WIDTH, light, structure
from tests.catalogue.files.structure import ASTROPY, START, quarantined
from tests.catalogue.rows import Row
from tests.imaging.fits.support import card, header, image_cards, image_file, raw_card

INERT = "Pictor solves itself and never interprets the WCS that comes with a frame"
SOUND = "sound FITS without a frame is kept, for a person to judge"
CELESTIAL = (
    card("CTYPE1", "RA---TAN-SIP"), card("CTYPE2", "DEC--TAN-SIP"), card("CRVAL1", 10.0), card("CRVAL2", 20.0),
    card("CRPIX1", 32.0), card("CRPIX2", 24.0),
)  # fmt: skip


def wcs(number: str, given: str, others: str, *cards: bytes) -> Case:
    row = Row(number, given, others, (201,), None, "registered", "too-few-stars", INERT)
    return Case(row, plain(light(int(number), *cards)))


def text(number: str, keyword: str, value: str, others: str = "kept as it is", note: str = "") -> Case:
    row = Row(number, f"{keyword} `{value}`", others, (201,), None, "registered", "too-few-stars", note)
    field = {"OBJECT": "target_name", "FILTER": "filter", "INSTRUME": "camera", "OBSERVER": "observer"}[keyword]
    seed = int(number.rstrip("abcdefgh")) * 100 + sum(map(ord, number))
    made = light(seed, card(keyword, value.replace("'", "''")), without=[keyword])
    return Case(row, plain(made), said={field: value.strip()})


def shaped(number: str, given: str, data: np.ndarray[tuple[int, ...], np.dtype[np.generic]], reason: str) -> Case:
    row = Row(number, given, f"{ASTROPY}opened", (201,), None, "registered", reason, "numbers or a named reason")
    return Case(row, later(lambda: light(int(number), data=data)))


def wrong_checksum() -> bytes:
    return light(87, card("CHECKSUM", "A" * 16), card("DATASUM", "1234567890"))


CASES = (
    wcs("68", "WCSAXES 99999", f"{ASTROPY}MemoryError in WCS", *CELESTIAL, card("WCSAXES", 99_999)),
    wcs("69", "WCSAXES 1000", f"{ASTROPY}ValueError in WCS", *CELESTIAL, card("WCSAXES", 1000)),
    wcs("70", "A_ORDER 1000000", f"{ASTROPY}asks for 7.3 TiB", *CELESTIAL, card("A_ORDER", 1_000_000)),
    wcs("71", "A_ORDER 20000", f"{ASTROPY}asks for 3 GiB", *CELESTIAL, card("A_ORDER", 20_000)),
    wcs("72", "CTYPE1 '%s%s%n%n'", f"{ASTROPY}error", card("CTYPE1", "%s%s%n%n")),
    wcs("73", "CRVAL NAN", f"{ASTROPY}accepted", *CELESTIAL[:2], raw_card("CRVAL1  =                  NAN")),
    wcs("74", "singular CD matrix", f"{ASTROPY}accepted", *CELESTIAL, *[card(f"CD{i}_{j}", 0.001) for i in (1, 2) for j
        in (1, 2)]),
    wcs("75", "200 PV cards", f"{ASTROPY}ValueError", *CELESTIAL, *[card(f"PV1_{n}", 1.0) for n in range(200)]),
    wcs("76", "a lookup table that is not there", f"{ASTROPY}KeyError", card("CTYPE1", "RA---TAB"),
        card("PS1_0", "NOWHERE"), card("CPDIS1", "LOOKUP"), card("DP1", "EXTVER: 99")),
    wcs("77", "CUNIT '(((((('", f"{ASTROPY}error", *CELESTIAL, card("CUNIT1", "(" * 60)),
    Case(
        Row("78", "500 long malformed ESO HIERARCH cards", "wcslib: a class of memory corruption", (201,), None,
            "registered", "too-few-stars", "no C library parses the header"),
        plain(light(78, *[raw_card(f"HIERARCH ESO {'X' * 50}{n} = '%s%n{'A' * 90}") for n in range(500)])),
    ),
    quarantined("79", "NAXIS 0", f"{ASTROPY}opened", "no-image", structure(*START, card("NAXIS", 0), data=0),
                note=SOUND),
    quarantined("80", "one pixel", f"{ASTROPY}opened", "not-an-image", image_file(np.zeros((1, 1), np.int16)),
                note=SOUND),
    quarantined("81", "one dimension", f"{ASTROPY}opened", "not-an-image",
                header(image_cards(1440)) + bytes(2880), note=SOUND),
    quarantined("82", "NAXIS1 0", f"{ASTROPY}OSError", "no-image", header(image_cards(0, 12)), note=SOUND),
    quarantined("83", "a cube of 4 planes", f"{ASTROPY}opened", "not-an-image",
                image_file(np.zeros((4, 24, 32), np.int16)), note=SOUND),
    shaped("84", "every pixel NaN", np.full((HEIGHT, WIDTH), np.nan, ">f4"), "too-few-stars"),
    shaped("85", "every pixel saturated", np.full((HEIGHT, WIDTH), 32767, ">i2"), "too-few-stars"),
    shaped("86", "every pixel the same", np.full((HEIGHT, WIDTH), 1000, ">i2"), "too-few-stars"),
    Case(
        Row("87", "wrong CHECKSUM and DATASUM", "silent unless asked", (201,), None, "registered", "too-few-stars",
            "kept and flagged: programs that add cards forget the sums"),
        later(wrong_checksum), warns="does not match its bytes",
    ),
    Case(Row("93f", "file name `a, NUL, b`", "", (400,), "bad-json"), plain(light(939)), name="a\0b.fits"),
    text("88", "OBJECT", "../../../../etc/passwd", note="keys are made of digests and ids alone"),
    text("89", "FILTER", "; rm -rf / #", note="no program's arguments hold it"),
    text("89b", "FILTER", "`id`"),
    text("89c", "FILTER", "$(id)"),
    text("89d", "FILTER", "-o"),
    text("90", "INSTRUME", "=cmd|'/C calc'!A0", note="kept as data; Pictor exports no spreadsheet"),
    text("90b", "INSTRUME", "+1+1"),
    text("90c", "INSTRUME", "@SUM(1)"),
    text("91", "OBSERVER", "<img src=x onerror=alert(1)>", note="escaped in every page"),
    text("91b", "OBJECT", "<script>alert(1)</script>"),
    Case(
        Row("92", "OBJECT with a right-to-left override and a zero-width space", "", (201,), None, "registered",
            "too-few-stars", "bytes beyond ASCII read as ?"),
        plain(light(92, "OBJECT  = 'M31\u202egpj.exe\u200b'".encode().ljust(80))), warns="outside ASCII",
        said={"target_name": "M31???gpj.exe???"},
    ),
    *(
        Case(
            Row(f"93{letter}", f"file name `{shown}`", "", (201,), None, "registered", "too-few-stars", note),
            plain(light(930 + place)), name=name, said={"name": stored},
        )
        for place, (letter, shown, name, stored, note) in enumerate(
            (
                ("", 'a"; filename="x.html', 'a"; filename="x.html', 'a"; filename="x.html', "quoted on download"),
                ("b", "a, TAB, b", "a\tb.fits", "a_b.fits", "what cannot be printed is replaced"),
                ("c", "..\\..\\x.fits", "..\\..\\x.fits", "x.fits", "only the last part of a path is kept"),
                ("d", "blanks", "   ", None, "a name is made of the digest"),
                ("e", "CON", "CON", "_CON", "a name some systems keep for themselves is changed"),
            )
        )
    ),
)  # fmt: skip
