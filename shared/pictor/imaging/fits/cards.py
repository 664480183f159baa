"""Header cards as Python values: tolerant of what capture programs really write."""

import math
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

BLOCK = 2880
"""Size of a FITS block, in bytes."""

CARD = 80
"""Size of a header card, in bytes."""

COMMENTARY = frozenset({"COMMENT", "HISTORY", ""})
"""Keywords whose cards carry text instead of a value."""

CardValue = str | int | float | bool | None
"""Value of a card; None when it is undefined or not a number JSON knows."""

_INTEGER = re.compile(r"[+-]?\d{1,18}\Z")
_REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?\Z")
_TEXT = re.compile(r"\s*'((?:[^']|'')*)'?(.*)\Z", re.DOTALL)


class Card(NamedTuple):
    """One header card."""

    keyword: str
    value: CardValue
    comment: str = ""


def padded(size: int) -> int:
    """Round a size up to whole FITS blocks."""
    return -(-size // BLOCK) * BLOCK


def card_images(header: bytes) -> Iterator[str]:
    """Split header bytes into the 80-character cards before END.

    Bytes outside ASCII become ``?``, one for one, so that columns stay where they are.
    """
    for start in range(0, len(header) - CARD + 1, CARD):
        image = header[start : start + CARD].decode("ascii", errors="replace").replace("\ufffd", "?")
        if image[:8].rstrip() == "END" and not image[8:].strip(" \0"):
            return
        yield image


def parse_cards(header: bytes) -> tuple[Card, ...]:
    """Parse header bytes into cards, in their order, duplicates and CONTINUE strings included.

    Never raises: a card that follows no rule keeps its text as the value.

    Parameters
    ----------
    header
        Header of one HDU, whole cards; reading stops at the END card.

    Returns
    -------
    tuple of Card
        Blank filler cards are left out.
    """
    return tuple(_joined(parse_card(image) for image in card_images(header) if image.strip()))


def _joined(cards: Iterable[Card]) -> Iterator[Card]:
    """Append CONTINUE strings to the string that ends with an ampersand."""
    held: Card | None = None
    for card in cards:
        if card.keyword == "CONTINUE" and held is not None and isinstance(held.value, str):
            text = held.value.removesuffix("&") + str(card.value or "")
            held = Card(held.keyword, text, " ".join(filter(None, (held.comment, card.comment))))
            continue
        if held is not None:
            yield held
            held = None
        if isinstance(card.value, str) and card.value.endswith("&") and card.keyword not in COMMENTARY:
            held = card
        else:
            yield card
    if held is not None:
        yield held


def parse_card(image: str) -> Card:
    """Parse one 80-character card image."""
    keyword = image[:8].rstrip().upper()
    if keyword in COMMENTARY:
        return Card(keyword, image[8:].rstrip())
    if keyword == "CONTINUE":
        return Card(keyword, *_split_value(image[8:]))
    if keyword == "HIERARCH" and "=" in image:
        name, _, field = image[9:].partition("=")
        return Card(name.strip().upper(), *_split_value(field))
    if image[8:9] == "=":
        return Card(keyword, *_split_value(image[9:]))
    return Card(keyword, image[8:].strip())


def _split_value(field: str) -> tuple[CardValue, str]:
    """Split the part after ``=`` into value and comment."""
    if field.lstrip().startswith("'"):
        match = _TEXT.match(field)
        text, rest = (match.group(1), match.group(2)) if match else (field.strip(" '"), "")
        return text.replace("''", "'").rstrip(), rest.partition("/")[2].strip()
    text, _, comment = field.partition("/")
    return parse_value(text.strip()), comment.strip()


def parse_value(text: str) -> CardValue:
    """Turn the unquoted text of a value into a bool, int, float, None or, failing that, itself."""
    if not text:
        return None
    if text in {"T", "F"}:
        return text == "T"
    if _INTEGER.match(text):
        return int(text)
    if _REAL.match(text):
        value = float(text.upper().replace("D", "E"))
        return value if math.isfinite(value) else text
    return text
