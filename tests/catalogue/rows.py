"""A row of the bad-input catalogue: what is sent, and what Pictor must answer."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One bad input and its one right outcome.

    Parameters
    ----------
    number
        Number in the catalogue; variants carry a letter, such as ``46b``.
    given
        What is sent, in a few words.
    others
        What widespread software does with it unprotected, as measured; empty where nobody measured.
    status
        HTTP status that must be answered; several only where a client cannot tell them apart.
    code
        Problem code of the answer; None when it is accepted.
    state
        What is kept afterwards: ``nothing``, ``registered``, ``quarantined``, or a sentence for rows without a frame.
    reason
        Reason class of the quarantine or of the module that must fail; empty for none.
    note
        Why the outcome is right, where that is not plain, or where Pictor deliberately does otherwise than most.
    """

    number: str
    given: str
    others: str = ""
    status: tuple[int, ...] = (422,)
    code: str | None = None
    state: str = "nothing"
    reason: str = ""
    note: str = ""

    @property
    def order(self) -> tuple[int, str]:
        """Key that sorts rows as the catalogue does."""
        digits = "".join(letter for letter in self.number if letter.isdigit())
        return int(digits), self.number


def table(rows: Sequence[Row]) -> str:
    """Write rows as a Markdown table."""
    lines = ["|row|input|what others do|status|code|kept|reason|", "|-:|---|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda one: one.order):
        status = " or ".join(map(str, row.status))
        given = f"{row.given} *({row.note})*" if row.note else row.given
        cells = [
            row.number,
            given,
            row.others,
            status if row.status != (0,) else "none",
            row.code or "",
            row.state,
            row.reason,
        ]
        lines.append("|" + "|".join(_cell(cell) for cell in cells) + "|")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Write text so that Markdown shows it as it is, code in backticks included."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(part if place % 2 else part.replace("<", "&lt;") for place, part in enumerate(parts))
