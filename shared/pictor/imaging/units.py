"""Units of pixels: one spelling for what headers and programs call differently."""

import re
import warnings as python_warnings

_ALIASES = {
    **dict.fromkeys(("adu", "adus", "count", "counts", "ct", "cts", "dn"), "adu"),
    **dict.fromkeys(("electron", "electrons", "e-", "e", "photoelectron", "photoelectrons"), "electron"),
    **dict.fromkeys(("sec", "second", "seconds"), "s"),
}
_OWN = ("", "adu", "electron", "adu / s", "electron / s")
"""How units of frames are spelled already, for which astropy's need not be imported."""

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
    if plain in _OWN or _ALIASES.get(plain.lower()) in _OWN:
        return _ALIASES.get(plain.lower(), plain)
    from astropy import units as u  # noqa: PLC0415 - most frames need none

    named = _WORD.sub(lambda word: _ALIASES.get(word[0].lower(), word[0]), plain)
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")
        try:
            return str(u.Unit(named).to_string())
        except (ValueError, TypeError):
            return plain
