"""Arithmetic of frames in files."""

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pictor.cli.client import CommandError
from pictor.cli.stages.running import Told, finite, once, read_frame, require_free
from pictor.imaging.arithmetic import add, divide, multiply, subtract
from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import Frame
from pictor.imaging.products import Input, Provenance, write_product
from pictor.imaging.units import spelled
from pictor.runtime.version import SOFTWARE

OPERATIONS = {"add": add, "subtract": subtract, "multiply": multiply, "divide": divide}
SPELLINGS = {
    "add": "add", "+": "add", "plus": "add",
    "sub": "subtract", "subtract": "subtract", "-": "subtract", "minus": "subtract",
    "mul": "multiply", "multiply": "multiply", "x": "multiply", "*": "multiply", "times": "multiply",
    "div": "divide", "divide": "divide", "/": "divide",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """One operation: its operands as they were typed, and where the result goes."""

    one: str
    operation: str
    two: str
    out: Path
    unit: str | None = None
    normalise: bool = False
    overwrite: bool = False


def main(wish: Wish, *, json: bool) -> int:
    """Calculate; 0: done, 1: refused, 2: the call was wrong."""
    inputs = [Path(wish.one), Path(wish.two)]

    def run() -> Told:
        require_free([wish.out], overwrite=wish.overwrite, inputs=inputs)
        return _run(wish)

    return once(run, say=_line, json=json, inputs=inputs)


def _run(wish: Wish) -> Told:
    name = SPELLINGS.get(wish.operation.lower())
    if name is None:
        raise CommandError(f"{wish.operation!r} is no operation; there are add, subtract, multiply and divide", 2)
    one, two = _operand(wish.one), _operand(wish.two)
    if not (isinstance(one, Path) or isinstance(two, Path)):
        raise CommandError(f"{wish.one} and {wish.two} are two numbers; at least one is a frame", 2)
    first, second = _loaded(one), _loaded(two)
    if wish.normalise:
        second = _normalised(second, wish.two)
    result = OPERATIONS[name](first, second)
    if wish.unit is not None:
        result = replace(result, unit=spelled(wish.unit))
    inputs = [Input.of(operand) for operand in (one, two) if isinstance(operand, Path)]
    said = f"{_named(one)} {name} {_named(two)}{' divided by its mean' if wish.normalise else ''}"
    made = Provenance("imarith", inputs, {"operation": name, "unit": wish.unit}, SOFTWARE, [said])
    write_product(wish.out, result, made, overwrite=wish.overwrite)
    return _told(wish.out, result, name)


def _operand(text: str) -> Path | float:
    """Take a word for a file when there is one of that name, else for a number."""
    path = Path(text)
    if path.is_file():
        return path
    with suppress(ValueError):
        number = float(text)
        if math.isfinite(number):
            return number
    raise CommandError(f"{text} is neither a file nor a number", 2)


def _loaded(operand: Path | float) -> Frame | float:
    return read_frame(operand) if isinstance(operand, Path) else operand


def _normalised(two: Frame | float, name: str) -> Frame | float:
    """Divide a frame by the mean of its good pixels; its unit goes."""
    if not isinstance(two, Frame):
        raise CommandError("--normalise wants a frame as TWO", 2)
    pixels = two.real()
    good = np.isfinite(pixels) if two.mask is None else np.isfinite(pixels) & (two.mask == 0)
    mean = float(pixels[good].mean(dtype=np.float64)) if good.any() else 0.0
    if not mean > 0:
        raise ImagingError(f"{name} has a mean of {mean:.4g}; it cannot be brought to 1", reason="flat-without-light")
    return replace(divide(two, mean), unit="")


def _named(operand: Path | float) -> str:
    return operand.name if isinstance(operand, Path) else f"{operand:g}"


def _told(out: Path, result: Frame, name: str) -> Told:
    good = result.data[np.isfinite(result.data)]
    told = {
        "output": out, "operation": name, "unit": result.unit, "shape": result.data.shape,
        "median": float(np.median(good)) if good.size else None, "no_value": int(result.data.size - good.size),
    }  # fmt: skip
    answer: Told = finite(told)
    return answer


def _line(told: Told) -> str:
    middle = "-" if told["median"] is None else f"{told['median']:.6g}"
    return f"{told['output']}: median {middle} {told['unit']}, {told['no_value']} pixels without a value".replace(
        "  ", " "
    )
