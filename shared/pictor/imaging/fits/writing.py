"""Write header cards: whatever the text, the result is legal FITS."""

import math
import re
from collections.abc import Iterable, Iterator

from pictor.imaging.fits.cards import CARD, COMMENTARY, Card, CardValue, padded, parse_card

_KEYWORD = re.compile(r"[A-Z0-9_-]{1,8}\Z")
_LONG_KEYWORD = re.compile(r"(?=.{1,40}\Z)[A-Z0-9_-]+( [A-Z0-9_-]+)*\Z")
_REAL = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[ED][+-]?\d+)?"
_STANDARD = re.compile(
    r"(?:[A-Z0-9_-]{1,8} *= |HIERARCH [^=']+=) *"
    rf"(?:'(?:[^']|'')*'|[TF]|{_REAL}|\( *{_REAL} *, *{_REAL} *\)|) *(?:/.*)?\Z"
)
_CONTINUED = re.compile(r"  '(?:[^']|'')*' *(?:/.*)?\Z")
_STRING_ROOM = 68
_VALUE_END = 20


def printable(text: str) -> str:
    """Keep printable ASCII; every other character, control characters included, becomes ``?``."""
    return "".join(character if " " <= character <= "~" else "?" for character in text)


def card_lines(card: Card) -> list[str]:
    """Write one card as 80-character images; long strings continue, long commentary repeats.

    Parameters
    ----------
    card
        Any keyword of letters, digits, hyphen and underscore; longer than 8 characters becomes HIERARCH.

    Returns
    -------
    list of str
        Empty when the keyword cannot be written at all.
    """
    keyword = card.keyword.strip().upper()
    if keyword in COMMENTARY:
        text = printable(str(card.value or "")) or " "
        return [f"{keyword:8}{text[start : start + 72]}".ljust(CARD) for start in range(0, len(text), 72)]
    if not _LONG_KEYWORD.match(keyword):
        return []
    name = f"{keyword:8}= " if _KEYWORD.match(keyword) else f"HIERARCH {keyword} = "
    comment = printable(card.comment)
    if isinstance(card.value, str):
        return _string_lines(name, printable(card.value), comment)
    field = _field(card.value)
    line = f"{name}{field:>{_VALUE_END}}" if len(name) == 10 else f"{name}{field}"
    return [(f"{line} / {comment}" if comment else line)[:CARD].ljust(CARD)]


def _string_lines(name: str, text: str, comment: str) -> list[str]:
    quoted = text.replace("'", "''")
    room = CARD - len(name) - 2
    if len(quoted) <= room:
        line = f"{name}'{quoted:8}'"
        line = f"{line:30} / {comment}" if comment else line
        return [line[:CARD].ljust(CARD)]
    pieces = list(_parts(text, room - 1, _STRING_ROOM - 1))
    heads = [name] + [f"{'CONTINUE':10}"] * (len(pieces) - 1)
    tails = ["&"] * (len(pieces) - 1) + [""]
    return [f"{head}'{piece}{tail}'".ljust(CARD) for head, piece, tail in zip(heads, pieces, tails, strict=True)]


def _parts(text: str, first: int, rest: int) -> Iterator[str]:
    """Cut text into quoted pieces that fit, never inside a doubled quote."""
    piece, room = "", first
    for character in text:
        quoted = "''" if character == "'" else character
        if len(piece) + len(quoted) > room:
            yield piece
            piece, room = "", rest
        piece += quoted
    yield piece


def _field(value: CardValue) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _real(value)
    raise TypeError(value)


def _real(value: float) -> str:
    """Write a float in at most 20 characters, with a decimal point; not-a-number is undefined."""
    if not math.isfinite(value):
        return ""
    for digits in range(16, 8, -1):
        text = f"{value:.{digits}G}"
        if "." not in text:
            mantissa, exponent, power = text.partition("E")
            text = f"{mantissa}.0{exponent}{power}"
        if len(text) <= _VALUE_END:
            break
    return text


def standard_lines(image: str) -> list[str]:
    """Give a card as it stands if it follows the standard, else written anew.

    Readers that repair a card on the way in would find a wrong checksum; what is no card at all becomes a comment.
    """
    image = printable(image)
    keyword, text = image[:8].rstrip(), image[8:]
    commentary = keyword in COMMENTARY and not image[:8].strip().islower()
    if commentary or _STANDARD.match(image) or (keyword == "CONTINUE" and _CONTINUED.match(text)):
        return [image]
    valued = text.startswith("=") or (keyword == "HIERARCH" and "=" in text)
    lines = card_lines(parse_card(image)) if valued else []
    return lines or card_lines(Card("COMMENT", image.rstrip()))


def header_bytes(lines: Iterable[str]) -> bytes:
    """Join card images, add END and fill up the last block."""
    text = "".join(lines) + "END".ljust(CARD)
    return text.ljust(padded(len(text))).encode("ascii")
