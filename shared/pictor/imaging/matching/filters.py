"""Which names of filters are one filter: one table of usual spellings, and what an observatory says beside it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

USUAL = {
    "L": frozenset({"l", "lum", "lumi", "luminance"}), "Red": frozenset({"r", "red"}),
    "Green": frozenset({"g", "green"}), "Blue": frozenset({"b", "blue"}),
    "Ha": frozenset({"ha", "halpha", "hydrogenalpha"}), "Hb": frozenset({"hb", "hbeta", "hydrogenbeta"}),
    "OIII": frozenset({"oiii", "o3"}), "SII": frozenset({"sii", "s2"}), "NII": frozenset({"nii", "n2"}),
}  # fmt: skip
"""The spellings of each filter, in small letters and without what stands between them."""

SHARED = ("R", "B")
"""Letters that mean red and blue beside G and L, and other filters in the system of Johnson, Cousins and Bessell."""

_ODD = re.compile(r"[^\w\s.()\[\]-]")
_BETWEEN = re.compile(r"[\s_()\[\]-]|\.(?!\d)|(?<!\d)\.")
_WIDTH = re.compile(r"(?:(\d+(?:\.\d+)?)nm)?(.*?)(?:(\d+(?:\.\d+)?)nm)?")
_PHOTOMETRIC = re.compile(r"[UVI]|[UBVRI](?:[cj]|[ _-][cCjJ])|.*(?i:johnson|cousins|bessel|landolt).*")
_STATEMENT = re.compile(r"\s*(?:\[([^\[\]]+)\])?(.*)", re.DOTALL)


class FilterNamesError(ValueError):
    """A statement about names of filters cannot be read, or contradicts another; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Statement:
    """Names that belong together, on one rig or (None) on all."""

    names: tuple[str, ...]
    rig: str | None = None


def usual_name(of_filter: str) -> str:
    """Give one name for the spellings of one filter: R and Red, L, Lum and Luminance, Ha and H-alpha, OIII and O3.

    A width in the name, as in "Ha 7nm", is part of it. Names that photometric systems use too (V, Rc, g, r', i) stand
    for themselves, for their filters differ from those of colour pictures; so does any name the table does not know.

    Examples
    --------
    >>> usual_name("H_Alpha"), usual_name("Lum"), usual_name("ha 3nm"), usual_name("g"), usual_name("UV/IR")
    ('Ha', 'L', 'Ha 3nm', 'g', 'UV/IR')
    >>> usual_name("7 nm Ha"), usual_name("R'"), usual_name("Red 2")
    ('Ha 7nm', "R'", 'Red 2')
    """
    usual, width = parted(of_filter)
    if usual is None:
        return " ".join(of_filter.split())
    return f"{usual} {width:g}nm" if width else usual


def may_be_one(one: str, other: str) -> bool:
    """Tell whether a person might mean one filter by two names: the same but for a width that one of them leaves out.

    Examples
    --------
    >>> may_be_one("Ha", "H-alpha 7nm"), may_be_one("Ha 3nm", "Ha 7nm"), may_be_one("Ha", "OIII")
    (True, False, False)
    """
    (first, width), (second, another) = parted(one), parted(other)
    return first is not None and first == second and (width == another or None in {width, another})


def parted(of_filter: str) -> tuple[str | None, float | None]:
    """Part a name into the usual name of the filter, None for one the table does not know, and its width in nm.

    Examples
    --------
    >>> parted("H_Alpha 7nm"), parted("Clear")
    (('Ha', 7.0), (None, None))
    """
    name = " ".join(of_filter.split())
    plain = _BETWEEN.sub("", name)
    before, bare, after = _WIDTH.fullmatch(plain.casefold()).groups()  # type: ignore[union-attr]
    alone = len(bare) == 1 and (plain != plain.upper() or len(plain) != len(name))
    if _ODD.search(name) or alone or (before and after):
        return None, None
    usual = next((known for known, spelled in USUAL.items() if bare in spelled), None)
    width = before or after
    return usual, float(width) if width else None


def photometric(of_filter: str) -> bool:
    """Tell whether a name is one that only the system of Johnson, Cousins and Bessell has.

    Examples
    --------
    >>> photometric("V"), photometric("Rc"), photometric("Johnson B"), photometric("R"), photometric("i")
    (True, True, True, False, False)
    """
    return bool(_PHOTOMETRIC.fullmatch(" ".join(of_filter.split())))


@dataclass(frozen=True)
class FilterNames:
    """Reads the names of filters at one observatory.

    Parameters
    ----------
    as_named
        Whether the table of usual names is left aside.
    together
        Names that are one filter although the table does not know it; the first is the name it goes by. What is said
        here holds whatever stands in ``apart``.
    apart
        Names the table must not read: each stands for itself.
    """

    as_named: bool = False
    together: tuple[Statement, ...] = ()
    apart: tuple[Statement, ...] = ()

    def read(self, name: str | None, rig: str = "") -> str | None:
        """Return the name a filter goes by; None where the header is silent.

        Parameters
        ----------
        name
            As the header writes it.
        rig
            The rig it was used on, as statements name it.
        """
        return None if name is None else _read(self, name, rig)

    def same(self, one: str | None, other: str | None, rig: str = "") -> bool:
        """Tell whether two names are one filter."""
        return one == other or (one is not None and other is not None and self.read(one, rig) == self.read(other, rig))

    def reading(self, rig: str, *names: str | None) -> str | None:
        """Say in words how names are read where that is not how they are written; None where all are.

        Examples
        --------
        >>> FilterNames().reading("", "H-alpha", "O3", "Ha")
        'H-alpha is read as Ha, O3 as OIII'
        """
        found = {name: self.read(name, rig) for name in names if name is not None}
        told = [(name, read) for name, read in found.items() if name != read]
        if not told:
            return None
        first, *more = told
        return ", ".join([f"{first[0]} is read as {first[1]}", *(f"{name} as {read}" for name, read in more)])

    def kept_apart(self, one: str, other: str, rig: str = "") -> str | None:
        """Say why names that the table knows as one filter are two here; None where they are not."""
        if self.same(one, other, rig) or usual_name(one) != usual_name(other):
            return None
        if self.as_named:
            return "filters_as_named tells all names apart"
        name = one if self.read(one, rig) == one else other
        return f"{name} stands for itself on this rig: filters_apart says so, or frames of it name a filter such as V"

    def _base(self, name: str, rig: str) -> str:
        """Read a name by the table alone, as far as the table may be asked."""
        name = " ".join(name.split())
        usual = name if self.as_named else usual_name(name)
        kept = {one for said in self.apart if said.rig in {None, rig} for one in said.names}
        return name if name in kept or usual in kept else usual

    def _read(self, name: str, rig: str) -> str:
        base = self._base(name, rig)
        for said in self.together:
            if said.rig in {None, rig} and (name in said.names or base in {self._base(one, rig) for one in said.names}):
                return self._base(said.names[0], rig)
        return base


@lru_cache(maxsize=65_536)
def _read(names: FilterNames, name: str, rig: str) -> str:
    return names._read(name, rig)  # noqa: SLF001 - the method whose answers are kept


@lru_cache(maxsize=1024)
def filter_names(*, as_named: bool, synonyms: str, apart: str) -> FilterNames:
    """Make the reading of settings.

    Parameters
    ----------
    as_named
        Whether filters of different names are different filters.
    synonyms
        Such as ``Ha = Ha 7nm; [east] L = Clear``.
    apart
        Such as ``R; [east] Lum``.

    Raises
    ------
    FilterNamesError
        If a statement cannot be read or contradicts another.
    """
    return FilterNames(as_named, synonyms_of(synonyms), apart_of(apart))


def contradiction(synonyms: str, apart: str) -> str | None:
    """Name a filter that two settings say different things about; None where there is none."""
    together = synonyms_of(synonyms)
    for said in apart_of(apart):
        for group in together:
            if said.names[0] in group.names and (said.rig == group.rig or None in {said.rig, group.rig}):
                return f"{said.names[0]!r} stands in filter_synonyms and in filters_apart; leave it out of one"
    return None


def synonyms_of(text: str) -> tuple[Statement, ...]:
    """Read groups of names that are one filter: names joined by =, groups by a semicolon, a rig in brackets before.

    Raises
    ------
    FilterNamesError
        If a group has no second name, or a name stands in two groups of the same rig.
    """
    found: list[Statement] = []
    for rig, said in _statements(text):
        names = tuple(" ".join(name.split()) for name in said.split("="))
        if not all(names) or len(names) < 2:
            raise FilterNamesError(f"write synonyms as NAME = NAME, such as Ha = Ha 7nm, not {said.strip()!r}")
        if len(set(names)) < len(names):
            raise FilterNamesError(f"a name stands twice in {said.strip()!r}")
        for other in found:
            twice = sorted(set(other.names) & set(names))
            if twice and (other.rig == rig or None in {other.rig, rig}):
                raise FilterNamesError(f"{twice[0]!r} stands in two groups; write all its names in one")
        found.append(Statement(names, rig))
    return tuple(found)


def apart_of(text: str) -> tuple[Statement, ...]:
    """Read names that stand for themselves: joined by a semicolon, a rig in brackets before.

    Raises
    ------
    FilterNamesError
        If one of them holds an equals sign.
    """
    found = []
    for rig, said in _statements(text):
        name = " ".join(said.split())
        if "=" in name:
            raise FilterNamesError(f"filters_apart lists names, such as R; Lum, and {name!r} is none")
        found.append(Statement((name,), rig))
    return tuple(found)


def _statements(text: str) -> Iterator[tuple[str | None, str]]:
    """Part a setting at its semicolons; an empty part is none."""
    for part in text.split(";"):
        if part.strip():
            rig, said = _STATEMENT.fullmatch(part).groups()  # type: ignore[union-attr]
            if not said.strip():
                raise FilterNamesError(f"names are missing after {part.strip()!r}")
            if any(letter in said for letter in "[]") and rig is None and said.lstrip().startswith("["):
                raise FilterNamesError(f"the name of the rig in {part.strip()!r} is not closed by ]")
            yield (None if rig is None else " ".join(rig.split())), said


def rigs_named(*texts: str) -> tuple[str, ...]:
    """Return the rigs that settings name, each once."""
    return tuple(dict.fromkeys(rig for text in texts for rig, _ in _statements(text) if rig is not None))


def written(statements: Iterable[Statement]) -> str:
    """Write statements as settings hold them."""
    return "; ".join(("" if one.rig is None else f"[{one.rig}] ") + " = ".join(one.names) for one in statements)
