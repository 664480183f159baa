"""Pictures of frames in files."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pictor.cli.client import CommandError
from pictor.cli.stages.running import Told, checked, each, finite, left_to_do, named, require_free
from pictor.imaging.frame import Frame
from pictor.imaging.preview.files import Pictures, write_pictures
from pictor.imaging.preview.stretch import StretchKind
from pictor.imaging.products import Input, Provenance, Setting
from pictor.runtime.version import SOFTWARE

_ENDINGS = {"preview": (".png",), "thumbnail": (".webp",), "corners": (".png",), "tiles": (".szi", ".json")}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller chose: curve, longest side, what else is made, and whether colour is left out."""

    stretch: str
    size: int
    also: tuple[str, ...]
    grey: bool

    @property
    def kinds(self) -> tuple[str, ...]:
        """All that is made of a frame."""
        return "preview", *self.also


def main(files: Sequence[Path], out: Path, wish: Wish, *, overwrite: bool, resume: bool, json: bool) -> int:
    """Make pictures of every frame; 0: all done, 1: one was refused, 2: the call was wrong."""

    def run() -> int:
        if wish.stretch not in list(StretchKind):
            raise CommandError(f"--stretch is one of {', '.join(StretchKind)}, not {wish.stretch}", 2)
        left = left_to_do(files, lambda path: _targets(path, out, wish), resume=resume)
        targets = [target for path in left for target in _targets(path, out, wish)]
        require_free(targets, overwrite=overwrite or resume, inputs=files)
        work = partial(_one, out=out, wish=wish, overwrite=overwrite or resume)
        return each(left, work, label="preview", say=_line, json=json)

    return checked(run)


def _targets(path: Path, out: Path, wish: Wish) -> list[Path]:
    return [named(path, kind, out, ending=ending) for kind in wish.kinds for ending in _ENDINGS[kind]]


def _one(path: Path, *, out: Path, wish: Wish, overwrite: bool) -> Told:
    frame = Frame.from_fits(path)
    settings: dict[str, Setting] = {"stretch": wish.stretch, "size": wish.size, "grey": wish.grey or None}
    made_by = Provenance("preview", [Input.of(path)], settings, SOFTWARE)
    pictures = Pictures.of(frame, stretch=wish.stretch, colour=not wish.grey)
    targets = {kind: named(path, kind, out, ending=_ENDINGS[kind][0]) for kind in wish.kinds}
    sizes = write_pictures(pictures, targets, made_by, edge=wish.size, overwrite=overwrite)
    told: Told = finite(
        {
            "width": pictures.scene.width,
            "height": pictures.scene.height,
            "stretch": wish.stretch,
            "debayered": pictures.pattern,
            "black": [curve.black for curve in pictures.scene.curves],
            "white": [curve.white for curve in pictures.scene.curves],
            "pictures": {kind: {"path": targets[kind], "width": w, "height": h} for kind, (w, h) in sizes.items()},
        }
    )
    return told


def _line(told: Told) -> str:
    made = ", ".join(f"{one['path']} ({one['width']} x {one['height']})" for one in told["pictures"].values())
    return f"{told['input']}: {made}"
