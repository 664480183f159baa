"""A person's list of bad pixels, as YAML: read strictly, every refusal with the line and what to write instead."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from pictor.imaging.errors import ImagingError

if TYPE_CHECKING:
    from pictor.imaging.types import Mask

MAX_CHARACTERS = 100_000
MAX_ENTRIES = 20_000
MAX_DEPTH = 8
MAX_NUMBER = 1_000_000

SECTIONS = {
    "columns": "[column] or [[first column, last column]]",
    "rows": "[row] or [[first row, last row]]",
    "rectangles": "[[first row, last row, first column, last column]]",
    "pixels": "[[row, column]]",
}
"""What a list may hold; each may also be written with ``bad_`` in front."""

EVERYTHING = 0
"""As the end of a box: to the edge of the frame."""


@dataclass(frozen=True, slots=True)
class Box:
    """Listed pixels, counted from 1, ends included, and the line of the list they come from."""

    line: int
    row1: int
    row2: int
    column1: int
    column2: int


@dataclass(frozen=True, slots=True)
class BadPixelList:
    """What is listed, in pixels of frames of one binning, and whether the list says which."""

    boxes: tuple[Box, ...]
    binning: int = 1
    says_binning: bool = False

    def check(self, shape: tuple[int, int]) -> None:
        """Refuse a list that names pixels outside a frame of a shape.

        Raises
        ------
        ImagingError
            With the first line that does.
        """
        for box in self.boxes:
            if max(box.row1, box.row2) > shape[0] or max(box.column1, box.column2) > shape[1]:
                raise _refused(box.line, f"lies outside the frame of {shape[1]} columns and {shape[0]} rows")

    def draw(self, shape: tuple[int, int], *, binning: int = 1, origin: tuple[int, int] = (0, 0)) -> "Mask":
        """Mark the listed pixels on a frame; pixels of an unbinned list are brought to the frame's binning.

        Parameters
        ----------
        shape
            Shape (ny, nx) of the frame.
        binning
            Binning of the frame.
        origin
            First column and row of the frame on the sensor, from 0, in pixels of the frame: that of a part of it.

        Returns
        -------
        numpy.ndarray
            1 where listed, shape (ny, nx), uint8; what lies outside the frame is left out.
        """
        import numpy as np  # noqa: PLC0415 - who checks a list draws nothing, and does without pixels

        out = np.zeros(shape, np.uint8)
        if binning % self.binning:
            return out
        step = binning // self.binning
        for box in self.boxes:
            out[_part(box.row1, box.row2, step, origin[1]), _part(box.column1, box.column2, step, origin[0])] = 1
        return out


def _part(first: int, last: int, step: int, origin: int) -> slice:
    """Return the part of a frame's rows or columns that a box covers; none of what lies before its first."""
    start = max((first - 1) // step - origin, 0)
    return slice(start, max((last - 1) // step + 1 - origin, start) if last else None)


def parse_bad_pixels(text: str) -> BadPixelList:
    """Read a list of bad pixels.

    Parameters
    ----------
    text
        YAML with any of ``columns``, ``rows``, ``rectangles`` and ``pixels``, counted from 1, ends included, and
        ``binning`` of the frames they are counted in (1 if not said); empty sections are allowed.

    Returns
    -------
    BadPixelList
        The listed pixels.

    Raises
    ------
    ImagingError
        If the text is too long or no such list; the sentence names the line and what belongs there.
    """
    if len(text) > MAX_CHARACTERS:
        raise _refused(None, f"has {len(text)} characters; {MAX_CHARACTERS} are allowed: use rectangles")
    root = _compose(text)
    if root is None:
        return BadPixelList(())
    if not isinstance(root, yaml.MappingNode):
        raise _refused(_line(root), f"must name sections: {', '.join(SECTIONS)}")
    boxes: list[Box] = []
    binning, seen = 1, set()
    for key, value in root.value:
        name = str(key.value).removeprefix("bad_")
        if name in seen:
            raise _refused(_line(key), f"names {name} a second time; put all of them into one section")
        seen.add(name)
        if name == "binning":
            binning = _number(value, "a whole number, 1 for unbinned frames")
        elif name in SECTIONS:
            boxes += _boxes(name, value)
        else:
            raise _refused(_line(key), f"names {str(key.value)[:40]!r}; there are {', '.join(SECTIONS)} and binning")
    return BadPixelList(tuple(boxes), binning, "binning" in seen)


def _compose(text: str) -> yaml.Node | None:
    depth = deepest = 0
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise _refused(None, f"is nested {deepest} deep; two levels of brackets are enough")
    try:
        found: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _refused(None if mark is None else mark.line + 1, f"is not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _refused(None, f"is not YAML: {str(error)[:200]}") from error
    return found


def _boxes(name: str, section: yaml.Node) -> Iterator[Box]:
    if isinstance(section, yaml.ScalarNode) and section.value in {"", "null", "~"}:
        return
    if isinstance(section, yaml.MappingNode) and not section.value:  # ap_auto_badcol writes an empty section as {}
        return
    if not isinstance(section, yaml.SequenceNode):
        raise _refused(_line(section), f"{name} must be {SECTIONS[name]}")
    if len(section.value) > MAX_ENTRIES:
        raise _refused(_line(section), f"{name} has {len(section.value)} entries; {MAX_ENTRIES} are allowed")
    for entry in section.value:
        numbers = [_number(one, f"a row or column; {name} is {SECTIONS[name]}") for one in _parts(entry)]
        yield _box(name, numbers, _line(entry))


def _parts(entry: yaml.Node) -> list[yaml.Node]:
    return list(entry.value)[:5] if isinstance(entry, yaml.SequenceNode) else [entry]


def _box(name: str, numbers: list[int], line: int) -> Box:
    wanted = {"columns": (1, 2), "rows": (1, 2), "rectangles": (4,), "pixels": (2,)}[name]
    if len(numbers) not in wanted:
        raise _refused(line, f"has {numbers} in {name}; write {SECTIONS[name]}")
    if name == "columns":
        box = Box(line, 1, EVERYTHING, numbers[0], numbers[-1])
    elif name == "rows":
        box = Box(line, numbers[0], numbers[-1], 1, EVERYTHING)
    elif name == "pixels":
        box = Box(line, numbers[0], numbers[0], numbers[1], numbers[1])
    else:
        box = Box(line, *numbers)
    if (box.row2 and box.row2 < box.row1) or (box.column2 and box.column2 < box.column1):
        raise _refused(line, f"ends before it begins: {numbers}; write {SECTIONS[name]}")
    return box


def _number(node: yaml.Node, wanted: str) -> int:
    text = node.value if isinstance(node, yaml.ScalarNode) else ""
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= len(str(MAX_NUMBER))):
        shown = repr(text[:40]) if isinstance(node, yaml.ScalarNode) else "a list"
        raise _refused(_line(node), f"has {shown} where {wanted} belongs")
    if not 1 <= int(text) <= MAX_NUMBER:
        raise _refused(_line(node), f"has {text}; rows and columns are counted from 1 to {MAX_NUMBER}")
    return int(text)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _refused(line: int | None, because: str) -> ImagingError:
    where = "" if line is None else f", line {line}"
    return ImagingError(f"the bad-pixel list{where}: {because}", reason="bad-pixel-list")
