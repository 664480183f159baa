"""Words on a terminal: names of files and values of headers are foreign text, and must not command the terminal."""

import re
from typing import TextIO

_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def tell(text: object = "", *, file: TextIO | None = None, end: str = "\n") -> None:
    """Print a text; signs that steer a terminal or turn the direction of writing are printed as escapes."""
    print(visible(str(text)), file=file, end=end)


def visible(text: str) -> str:
    r"""Write signs that steer a terminal as Python does, ``\x1b``; line feeds and tabs stay."""
    return _COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
