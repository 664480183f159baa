"""What the header of a master made elsewhere says about its values: who wrote it, its unit, what was subtracted."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pictor.imaging.fits.cards import COMMENTARY, Card, CardValue
from pictor.imaging.headers.values import number

_COUNTED = re.compile(r"(?:Image|Fast)Integration\.numberOfImages:\s*(\d+)")
_SIRIL = re.compile(r"siril\b", re.IGNORECASE)
_PIXINSIGHT = re.compile(r"pixinsight|ImageIntegration\.|FastIntegration\.", re.IGNORECASE)
_NAMED = ("PROGRAM", "SWCREATE", "CREATOR", "SOFTWARE", "SWMODIFY")
_BIAS_REMOVED = ("SUBBIAS", "BIASCORR")
"""Cards of ccdproc and of AstroPhotography that say a bias was subtracted."""

ADU = frozenset({"adu", "adus", "count", "counts", "ct", "dn"})
ELECTRONS = frozenset({"electron", "electrons", "e-", "e", "photoelectron"})


@dataclass(frozen=True, slots=True)
class StackFacts:
    """What a header tells about the values of a stack.

    Parameters
    ----------
    writer
        Program that is known to write 32-bit files relative to the full range; empty for any other.
    unit
        BUNIT in lower case without blanks, None where there is none.
    bounds
        Values that stand for black and white, as XISF states them.
    real_valued
        Whether the pixels are floating-point numbers.
    combined
        Exposures combined, where only the history tells.
    calls_itself_stack
        Whether a card says that frames were combined, without a number.
    bias_removed
        Whether the bias was subtracted; None where nothing says so.
    pedestal_adu
        What was added so that no value is negative, in ADU.
    """

    writer: str = ""
    unit: str | None = None
    bounds: tuple[float, float] | None = None
    real_valued: bool = False
    combined: int | None = None
    calls_itself_stack: bool = False
    bias_removed: bool | None = None
    pedestal_adu: float = 0.0


def read_stack(cards: Iterable[Card]) -> StackFacts:
    """Read what the cards of a master tell about its values.

    PixInsight writes the number of images only into HISTORY, and PEDESTAL as what was added; MaxIm DL as what is to be
    added to come back to zero: the sign differs, the meaning does not.

    Parameters
    ----------
    cards
        Cards of the image HDU, primary cards merged where absent.
    """
    told: dict[str, CardValue] = {}
    lines: list[str] = []
    for card in cards:
        if card.keyword in COMMENTARY:
            lines.append(f"{card.value or ''} {card.comment}")
        else:
            told.setdefault(card.keyword, card.value)
    counts = [int(found.group(1)) for line in lines if (found := _COUNTED.search(line))]
    unit, bitpix = told.get("BUNIT"), number(told.get("ZBITPIX") or told.get("BITPIX"))
    low, high = number(told.get("XISFLOW")), number(told.get("XISFHIGH"))
    return StackFacts(
        writer=_writer(told, lines),
        unit="".join(unit.lower().split()) if isinstance(unit, str) and unit.strip() else None,
        bounds=None if low is None or high is None else (low, high),
        real_valued=bitpix is not None and bitpix < 0,
        combined=counts[-1] if counts and counts[-1] > 0 else None,
        calls_itself_stack=told.get("COMBINED") is True,
        bias_removed=_bias_removed(told),
        pedestal_adu=abs(number(told.get("PEDESTAL")) or 0.0),
    )


def _writer(told: dict[str, CardValue], lines: list[str]) -> str:
    named = " ".join(str(told.get(keyword) or "") for keyword in _NAMED)
    if _SIRIL.search(named):
        return "Siril"
    history = any(_PIXINSIGHT.search(line) for line in lines)
    return "PixInsight" if history or _PIXINSIGHT.search(named) else ""


def _bias_removed(told: dict[str, CardValue]) -> bool | None:
    """Read DARKBIAS of our own masters, the letters of CALSTAT, and the cards of scripts."""
    if isinstance(told.get("DARKBIAS"), bool):
        return not told["DARKBIAS"]
    letters = told.get("CALSTAT")
    if isinstance(letters, str) and letters.strip():
        return "B" in letters.upper()
    if any(told.get(keyword) not in {None, False} for keyword in _BIAS_REMOVED):
        return True
    return None
