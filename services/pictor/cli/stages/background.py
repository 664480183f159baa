"""Sky background of frames in files."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pictor.cli.stages.running import Told, checked, each, finite, left_to_do, named, require_free
from pictor.imaging.frame import Frame
from pictor.imaging.products import Input, Provenance, write_product
from pictor.imaging.skymap import Sky, measure_sky, subtract_sky
from pictor.runtime.version import SOFTWARE


@dataclass(frozen=True, slots=True)
class How:
    """How the sky is measured, and what is written: background, noise, subtracted."""

    cell: int = 64
    mask_sources: bool = True
    bayer: str | None = None
    products: tuple[str, ...] = ("background",)


def main(files: Sequence[Path], out: Path, *, how: How, overwrite: bool, resume: bool, json: bool) -> int:
    """Measure every frame; 0: all done, 1: one was refused, 2: the call was wrong."""

    def run() -> int:
        left = left_to_do(files, lambda path: [named(path, kind, out) for kind in how.products], resume=resume)
        targets = [named(path, kind, out) for path in left for kind in how.products]
        require_free(targets, overwrite=overwrite or resume, inputs=files)
        work = partial(_one, out=out, how=how, overwrite=overwrite or resume)
        return each(left, work, label="background", say=_line, json=json)

    return checked(run)


def _one(path: Path, *, out: Path, how: How, overwrite: bool) -> Told:
    frame = Frame.from_fits(path)
    pattern = "" if how.bayer is not None and how.bayer.strip().lower() == "none" else how.bayer
    sky = measure_sky(frame, cell=how.cell, mask_sources=how.mask_sources, bayer=pattern)
    settings = {"cell": how.cell, "mask_sources": how.mask_sources, "level": round(sky.level, 6)}
    made = Provenance("background", [Input.of(path)], settings, SOFTWARE, sky.cautions)
    written = {kind: named(path, kind, out) for kind in how.products}
    for kind, target in written.items():
        write_product(target, _product(frame, sky, kind), made, overwrite=overwrite)
    return _told(frame, sky) | {"output": {kind: str(target) for kind, target in written.items()}}


def _product(frame: Frame, sky: Sky, kind: str) -> Frame:
    if kind == "subtracted":
        return subtract_sky(frame, sky)
    return replace(frame, data=sky.level_map() if kind == "background" else sky.noise_map(), err=None, mask=None)


def _told(frame: Frame, sky: Sky) -> Told:
    plane = sky.plane
    told: Told = finite(
        {
            "unit": frame.unit,
            "level": sky.level,
            "noise": sky.noise,
            "levels": [part.level for part in sky.parts],
            "gradient": None if plane is None else plane[0],
            "gradient_deg": None if plane is None else plane[1],
            "source_share": sky.source_share,
            "cautions": list(sky.cautions),
        }
    )
    return told


def _line(told: Told) -> str:
    unit = told["unit"]
    line = f"{told['input']}: sky {told['level']:.6g} {unit}, noise {told['noise']:.4g} {unit} per pixel"
    if told["gradient"] is not None:
        line += f", gradient {told['gradient']:.4g} {unit} towards {told['gradient_deg']:.0f} degrees from +x"
    return "\n  ".join([line, *told["cautions"]])
