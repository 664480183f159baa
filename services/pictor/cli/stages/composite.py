"""Colour pictures of frames in files."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pictor.cli.client import CommandError
from pictor.cli.stages.running import Told, checked, finite, once, read_frame, require_free
from pictor.imaging.compositing.assigning import COLOURS, assign
from pictor.imaging.compositing.composing import Composite, composite, planes_of
from pictor.imaging.compositing.cubes import write_cube
from pictor.imaging.compositing.filters import Palette
from pictor.imaging.compositing.look import Curve, Look, Sky
from pictor.imaging.compositing.pictures import DEEP, SHALLOW, write_picture
from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import Frame
from pictor.imaging.products import Input, Provenance
from pictor.runtime.version import SOFTWARE

_CUBES = frozenset({".fits", ".fit", ".fts"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller chose: palette, frames by colour, fields of the look, and the form of the picture.

    The form is the bits of a value, whether no data are transparent, and whether ragged edges are cut away; ``size`` is
    the longest side.
    """

    palette: str
    named: Mapping[str, Path | None]
    look: Mapping[str, Any]
    form: tuple[int, bool, bool]
    size: int | None = None


def main(files: Sequence[Path], out: Path, wish: Wish, *, overwrite: bool, json: bool) -> int:
    """Compose; 0: done, 1: refused, 2: the call was wrong."""

    def run() -> int:
        palette, look = _palette(wish.palette), _look(wish.look)
        _require_form(out, wish)
        named = {colour: path for colour, path in wish.named.items() if path is not None}
        if not files and not {"red", "green", "blue"} <= named.keys():
            raise CommandError("give the frames of the palette, or --red, --green and --blue", 2)
        inputs = [*files, *named.values()]
        require_free([out], overwrite=overwrite, inputs=inputs)
        return once(
            lambda: _compose((files, named), out, (palette, look, wish), overwrite=overwrite),
            say=_line, json=json, inputs=inputs,
        )  # fmt: skip

    return checked(run)


def _compose(
    given: tuple[Sequence[Path], Mapping[str, Path]], out: Path, how: tuple[Palette, Look, Wish], *, overwrite: bool
) -> Told:
    (files, named), (palette, look, wish) = given, how
    frames = {path: read_frame(path) for path in dict.fromkeys([*files, *named.values()])}
    colours, channels = _channels(files, frames, palette, named)
    luminance = named.get("luminance")
    made = composite(*channels, luminance=None if luminance is None else frames[luminance], palette=palette, look=look)
    bits, transparent, crop = wish.form
    made = made.cropped() if crop else made
    made = made if wish.size is None else made.shrunk(wish.size)
    used = [*dict.fromkeys(colours.values()), *([luminance] if luminance else [])]
    notes = [
        f"{colour}: {path.name} x {white:.4g}"
        for (colour, path), white in zip(colours.items(), made.white, strict=True)
    ]
    settings = {"palette": palette.value} | {name: _setting(value) for name, value in asdict(look).items()}
    made_by = Provenance("composite", [Input.of(path) for path in used], settings, SOFTWARE, notes)
    if out.suffix.lower() in _CUBES:
        write_cube(out, made, made_by, overwrite=overwrite)
    else:
        write_picture(out, made.pixels(bits, transparent=transparent), made_by, overwrite=overwrite)
    return _told(made, palette, colours) | {"output": str(out)}


def _channels(
    files: Sequence[Path], frames: Mapping[Path, Frame], palette: Palette, named: Mapping[str, Path]
) -> tuple[dict[str, Path], tuple[Frame, Frame, Frame]]:
    """Find the file and the frame of each colour; one file of three planes is all of them."""
    if len(files) == 1 and frames[files[0]].data.ndim == 3:
        return dict.fromkeys(COLOURS, files[0]), planes_of(frames[files[0]])
    colours = assign([(path, str(frames[path].header.get("FILTER", ""))) for path in files], palette, named)
    red, green, blue = (frames[colours[name]] for name in COLOURS)
    return colours, (red, green, blue)


def _told(made: Composite, palette: Palette, colours: Mapping[str, Path]) -> Told:
    told: Told = finite(
        {
            "palette": palette.value,
            "channels": {colour: str(path) for colour, path in colours.items()},
            "white": made.white,
            "star_count": made.star_count,
            "levels": [asdict(one) for one in made.levels],
            "sky": made.sky,
            "width": made.shape[1],
            "height": made.shape[0],
            "known": float(made.known.mean()),
        }
    )
    return told


def _line(told: Told) -> str:
    white = ", ".join(f"{factor:.3f}" for factor in told["white"])
    by = f"by {told['star_count']} stars" if told["star_count"] else "as given"
    return f"{told['output']}: {told['palette']}, {told['width']} x {told['height']}, white balance {white} {by}"


def _palette(name: str) -> Palette:
    try:
        return Palette(name.lower())
    except ValueError:
        raise CommandError(f"--palette is one of {', '.join(Palette)}, not {name}", 2) from None


def _look(fields: Mapping[str, Any]) -> Look:
    """Make the look of the options.

    Raises
    ------
    CommandError
        If one of them says nothing that is known.
    """
    chosen = dict(fields)
    try:
        chosen["curve"], chosen["sky"] = Curve(chosen["curve"]), Sky(chosen["sky"])
    except ValueError as error:
        raise CommandError(
            f"{error}: --stretch is one of {', '.join(Curve)}, --sky one of {', '.join(Sky)}", 2
        ) from None
    if chosen["white"] is not None:
        chosen["white"] = _factors(chosen["white"])
    try:
        return Look(**chosen)
    except ImagingError as error:
        raise CommandError(str(error), 2) from error


def _factors(text: str) -> tuple[float, ...]:
    try:
        factors = tuple(float(part) for part in text.split(","))
    except ValueError:
        factors = ()
    if len(factors) != 3:
        raise CommandError(f"--white is three numbers with commas, as 1.1,1,0.9, not {text}", 2)
    return factors


def _require_form(out: Path, wish: Wish) -> None:
    """Refuse forms no file can have before any work is done."""
    ending = out.suffix.lower()
    if ending not in DEEP | SHALLOW | _CUBES:
        raise CommandError(f"end the name of {out.name} with .png, .tif, .jpg, .webp or .fits", 2)
    bits, transparent, _ = wish.form
    if bits not in {8, 16}:
        raise CommandError(f"--bits is 8 or 16, not {bits}", 2)
    if ending in SHALLOW and (bits == 16 or (transparent and ending != ".webp")):
        raise CommandError(f"{ending} holds 8 bits and no transparency: write .png or .tif", 2)


def _setting(value: Any) -> str | float | bool | None:  # noqa: ANN401 - a field of a look
    if isinstance(value, tuple):
        return ",".join(f"{one:g}" for one in value)
    return value if value is None or isinstance(value, bool | float | int) else str(value)
