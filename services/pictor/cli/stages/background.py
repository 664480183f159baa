"""Sky background of frames in files."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from pictor.cli.stages.running import Told, checked, each, finite, named, require_free
from pictor.imaging.background import mesh_background
from pictor.imaging.frame import Frame
from pictor.imaging.products import Input, Provenance, write_product
from pictor.runtime.version import SOFTWARE


def main(files: Sequence[Path], out: Path | None, *, cell: int, overwrite: bool, json: bool) -> int:
    """Measure every frame; 0: all done, 1: one was refused, 2: the call was wrong."""

    def run() -> int:
        if out is not None:
            require_free([named(path, "background", out) for path in files], overwrite=overwrite)
        work = partial(_one, out=out, cell=cell, overwrite=overwrite)
        return each(files, work, label="background", say=_line, json=json)

    return checked(run)


def _one(path: Path, *, out: Path | None, cell: int, overwrite: bool) -> Told:
    frame = Frame.from_fits(path).plane()
    found = mesh_background(frame.data, mask=frame.mask, cell=cell)
    told: Told = finite({"level": found.level, "noise": found.noise, "plane": found.plane(), "unit": frame.unit})
    if out is not None:
        target = named(path, "background", out)
        made = Provenance("background", [Input.of(path)], {"cell": cell}, SOFTWARE)
        write_product(target, replace(frame, data=found.evaluate(), err=None, mask=None), made, overwrite=overwrite)
        told["output"] = str(target)
    return told


def _line(told: Told) -> str:
    level, noise = (f"{told[name]:.2f}" if told[name] is not None else "-" for name in ("level", "noise"))
    return f"{told['input']}: sky {level} {told['unit']}, noise {noise} {told['unit']} per pixel"
