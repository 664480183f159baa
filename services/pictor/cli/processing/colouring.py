"""Colour pictures of coadds, and lines without their continuum; run in a child."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pictor.imaging.compositing.aligning import align
from pictor.imaging.compositing.composing import composite
from pictor.imaging.compositing.pictures import write_picture
from pictor.imaging.continuum.subtraction import continuum_subtract
from pictor.imaging.frame import Frame
from pictor.imaging.preview.rendering import render_small
from pictor.imaging.products import Input, Provenance, write_product
from pictor.runtime.version import SOFTWARE


def compose(
    *, colours: Sequence[str], palette: str, name: str, pictures: str, scratch: str, luminance: str | None = None
) -> dict[str, object]:
    """Compose a colour picture of coadds on one grid.

    Parameters
    ----------
    colours
        Paths of the coadds shown in red, green and blue.
    palette
        Palette of the composition.
    name, pictures
        Of the picture, and the folder it goes into.
    scratch
        Empty folder on the same file system.
    luminance
        Coadd that decides brightness.

    Returns
    -------
    dict
        ``white``, ``star_count`` and ``outputs``.
    """
    frames = {path: Frame.from_fits(path) for path in {*colours, *([luminance] if luminance else [])}}
    bright = None if luminance is None else frames[luminance]
    made = composite(*(frames[path] for path in colours), luminance=bright, palette=palette).cropped()
    used = [Path(path) for path in dict.fromkeys([*colours, *([luminance] if luminance else [])])]
    provenance = Provenance("composite", [Input.of(path) for path in used], {"palette": palette}, SOFTWARE)
    picture = Path(scratch) / "colour.png"
    write_picture(picture, made.pixels(), provenance)
    target = Path(pictures) / f"{name}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    picture.replace(target)
    return {
        "white": [float(one) for one in made.white], "star_count": int(made.star_count),
        "outputs": {"picture": str(target)},
    }  # fmt: skip


def subtract_continuum(
    *, narrow: str, broad: str, name: str, out: str, pictures: str, scratch: str
) -> dict[str, object]:
    """Subtract from a narrowband coadd the continuum of a broadband one.

    Parameters
    ----------
    narrow, broad
        Paths of the coadds.
    name, out, pictures
        Of the products, and the folders they go into.
    scratch
        Empty folder on the same file system.

    Returns
    -------
    dict
        ``scale``, ``scale_error``, ``star_count`` and ``outputs``.
    """
    paths: Mapping[str, Path] = {"narrow": Path(narrow), "broad": Path(broad)}
    frames = {place: Frame.from_fits(path) for place, path in paths.items()}
    made = continuum_subtract(frames["narrow"], align(frames["broad"], frames["narrow"]))
    folder = Path(scratch)
    provenance = Provenance("contsub", [Input.of(path) for path in paths.values()], {}, SOFTWARE)
    write_product(folder / "line.fits", made.line, provenance)
    preview, _ = render_small(np.ascontiguousarray(made.line.data), scratch=folder)
    outputs = {"fits": str(Path(out) / f"{name}.fits"), "picture": str(Path(pictures) / f"{name}.png")}
    for source, target in ((preview.path, outputs["picture"]), (folder / "line.fits", outputs["fits"])):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
    return {
        "scale": float(made.scale.value), "scale_error": float(made.scale.error),
        "star_count": int(made.scale.star_count), "outputs": outputs,
    }  # fmt: skip
