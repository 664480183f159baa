"""Frame type and master flag, from whatever the header and, last of all, the file name offer."""

import re

from pictor.imaging.headers.reader import Reader

CALIBRATION = frozenset({"dark", "flat", "bias", "flat-dark"})
"""Frame types that serve to calibrate others."""

_MASTER = re.compile(r"\bmaster\s*|\s*\bmaster\b|^master(?=\w)")
_COMBINED = re.compile(r"(IFILE|IMCOM|IMCMB)\d{3}\Z")
_SMALLEST_SIDE = 16


def frame_type(reader: Reader, *, name: str, plausible: bool, pointed: bool) -> tuple[str, bool]:
    """Decide the frame type and whether it calls itself a master.

    Parameters
    ----------
    reader
        The header.
    name
        File name as sent; used only when no card helps.
    plausible
        Whether exposure and size suit an exposure of the sky.
    pointed
        Whether the header holds a pointing.

    Returns
    -------
    str
        One of the types of `FrameDescription.frame_type`.
    bool
        Whether the type or the name says master.
    """
    words = _words(name)
    spelling = _spelling(reader)
    kind, master = _spelled(reader, spelling)
    for rule in reader.program.type_rules:
        if rule.condition.holds(reader.index):
            if kind != rule.frame_type:
                keyword = rule.condition.keyword
                reader.warn(f"{keyword} says {rule.frame_type}, the type card says {spelling or 'nothing'}")
                reader.infer("frame_type", reader.raw(keyword), f"{reader.program.name}: {keyword}")
            return rule.frame_type, master
    if spelling is None:
        kind = _untyped(reader, words, plausible=plausible, pointed=pointed)
    elif kind == "unknown":
        reader.warn(f"the frame type {spelling[:40]!r} is not known")
    for word, better in (reader.program.name_types or {}).items():
        if kind == "light" and word in words:
            reader.warn(f"the file name says {better}; {reader.program.title} writes it as light")
            kind = better
    return kind, master or (kind in CALIBRATION and any(word.startswith("master") for word in words))


def combined_inputs(reader: Reader) -> int | None:
    """Count the input files a stack lists in its header; None if it lists fewer than two."""
    listed = sum(1 for keyword in reader.index if _COMBINED.match(keyword))
    return listed if listed > 1 else None


def large_enough(width: int | None, height: int | None) -> bool:
    """Whether a frame is large enough to show the sky."""
    return min(width or 0, height or 0) >= _SMALLEST_SIDE


def _spelling(reader: Reader) -> str | None:
    """Take the first type card that is understood, else the first there is."""
    known = reader.read("frame_type", lambda value, _: value if _spelled(reader, str(value))[0] != "unknown" else None)
    return str(known) if known is not None else reader.text("frame_type")


def _spelled(reader: Reader, spelling: str | None) -> tuple[str, bool]:
    if spelling is None:
        return "unknown", False
    plain = " ".join(re.sub(r"[_\-]", " ", spelling.lower()).split())
    rest = " ".join(_MASTER.sub(" ", plain).split())
    return reader.program.types.get(rest, "unknown"), rest != plain


def _untyped(reader: Reader, words: set[str], *, plausible: bool, pointed: bool) -> str:
    hints = {reader.program.types[word] for word in words if word in reader.program.types and word not in _COMMON}
    if len(hints) == 1:
        hint = hints.pop()
        reader.warn(f"no card tells the frame type; the file name says {hint}")
        reader.infer("frame_type", hint, "file name")
        return hint
    needs_pointing = reader.program.untyped_needs_pointing
    if reader.program.untyped and plausible and (pointed or not needs_pointing):
        reader.warn(f"no card tells the frame type; {reader.program.title} frames without one are taken as light")
        reader.infer("frame_type", reader.program.untyped, f"{reader.program.name}: untyped")
        return reader.program.untyped
    reader.warn("no card tells the frame type")
    return "unknown"


_COMMON = frozenset({"object", "expose", "science", "standard", "target", "zero", "offset", "guide", "preview"})
"""Type words that also occur in file names for other reasons."""


def _words(name: str) -> set[str]:
    return {word for word in re.split(r"[^a-z]+", name.lower()) if word}
