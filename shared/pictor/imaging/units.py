"""Units of pixels: one spelling for what headers and programs call differently."""

import re
import warnings as python_warnings

from astropy import units as u

_ALIASES = {
    **dict.fromkeys(("adu", "adus", "count", "counts", "ct", "cts", "dn"), "adu"),
    **dict.fromkeys(("electron", "electrons", "e-", "e", "photoelectron", "photoelectrons"), "electron"),
    **dict.fromkeys(("sec", "second", "seconds"), "s"),
}
_WORD = re.compile(r"(?<![\w.])(?:e-|[A-Za-z]+)")


def spelled(text: str) -> str:
    """Spell a unit as frames carry it.

    Parameters
    ----------
    text
        As a header or a person writes it: ``ADU``, ``counts/s``, ``e-``, ``electron s-1``, ``mJy``.

    Returns
    -------
    str
        As `astropy.units` spells it, with ``adu`` for all names of it and ``electron`` likewise; unchanged where
        astropy does not know the unit.

    Examples
    --------
    >>> from pictor.imaging.units import spelled
    >>> spelled("ADU"), spelled("counts/s"), spelled("e-"), spelled("mJy")
    ('adu', 'adu / s', 'electron', 'mJy')
    """
    plain = text.strip()
    named = _WORD.sub(lambda word: _ALIASES.get(word[0].lower(), word[0]), plain)
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")
        try:
            return str(u.Unit(named).to_string())
        except (ValueError, TypeError):
            return plain
