"""Colour pictures of coadds, and lines without their continuum; run in a child."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt

from pictor.imaging.compositing.aligning import align
from pictor.imaging.compositing.composing import composite
from pictor.imaging.compositing.pictures import write_picture
from pictor.imaging.continuum.parting import part_lines
from pictor.imaging.continuum.subtraction import ContinuumSubtracted, continuum_subtract
from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import Frame
from pictor.imaging.preview.rendering import render_small
from pictor.imaging.products import Input, Provenance, write_product
from pictor.runtime.version import SOFTWARE

EDGE = 0.5
"""Rows and columns with a smaller share of pixels that have a value are the margin of a picture."""


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
    *, narrow: str, broad: str, others: Sequence[str], beside: Sequence[str], own: bool, through: Sequence[float],
    name: str, out: str, pictures: str, scratch: str,
) -> dict[str, object]:  # fmt: skip
    """Subtract from a narrowband coadd the continuum of a broadband one.

    Parameters
    ----------
    narrow, broad
        Paths of the coadds.
    others
        Paths of line images whose light the broadband holds too.
    beside
        Paths of narrowband coadds of further lines in the broadband: they are solved for together with this one.
    own
        Whether the broadband lets the line itself through.
    through
        Part of the line, the others and those beside that the broadband lets through where their own filters let 1.
    name, out, pictures
        Of the products, and the folders they go into.
    scratch
        Empty folder on the same file system.

    Returns
    -------
    dict
        ``scale``, ``scale_error``, ``star_count``, ``shares`` of the other lines, ``own_share`` of the line and
        ``beside_shares`` in the broadband (0 where the exposures are not known, or a line beside cannot be had),
        ``told`` about such lines, and ``outputs``.
    """
    paths = [Path(one) for one in (narrow, broad, *others, *beside)]
    line, wide, *more = (Frame.from_fits(path) for path in paths)
    own_share, *parts = (share_of(one, wide) * part for one, part in zip((line, *more), through, strict=True))
    own_share *= own
    shares, wide = parts[: len(others)], align(wide, line)
    taken = [(align(one, line), share) for one, share in zip(more, shares, strict=False) if share]
    further = [align(one, line) for one in more[len(others) :]] if own_share else []
    made = continuum_subtract(line, wide, line_in_broad=0.0 if further else own_share, other_lines=taken)
    found, told = _beside(further, wide, taken)
    together = [0.0 if one is None else share for one, share in zip(found, parts[len(others) :], strict=False)]
    if further:
        made = part_lines(made, own_share, [(one, share) for one, share in zip(found, together, strict=True) if one])
    settings = {"line_in_broad": round(own_share, 6) or None} | {
        f"light of {path.name} in the broadband": round(share, 6) for path, share in zip(paths[2:], parts, strict=True)
    }
    provenance = Provenance("contsub", [Input.of(path) for path in paths], settings, SOFTWARE, told)
    targets = {"fits": Path(out) / f"{name}.fits", "picture": Path(pictures) / f"{name}.png"}
    outputs = _written(made, provenance, targets, Path(scratch))
    return {
        "scale": float(made.scale.value), "scale_error": float(made.scale.error),
        "star_count": int(made.scale.star_count), "shares": shares, "own_share": own_share,
        "beside_shares": together, "told": told, "outputs": outputs,
    }  # fmt: skip


def _beside(
    further: Sequence[Frame], wide: Frame, taken: Sequence[tuple[Frame, float]]
) -> tuple[list[ContinuumSubtracted | None], list[str]]:
    """Subtract the continuum from further lines of one broadband; None, and why, where that cannot be done."""
    found: list[ContinuumSubtracted | None] = []
    told = []
    for one in further:
        try:
            found.append(continuum_subtract(one, wide, other_lines=taken))
        except ImagingError as error:
            found.append(None)
            told.append(f"{one.header.get('FILTER', 'another line')} is not allowed for: {error}")
    return found, told


def _written(
    made: ContinuumSubtracted, provenance: Provenance, targets: Mapping[str, Path], folder: Path
) -> dict[str, str]:
    """Write a line image and its picture into a folder, and move them to their places."""
    write_product(folder / "line.fits", made.line, provenance)
    preview, _ = render_small(shown(made.line.data), scratch=folder)
    for source, target in ((preview.path, targets["picture"]), (folder / "line.fits", targets["fits"])):
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
    return {key: str(target) for key, target in targets.items()}


def share_of(line: Frame, broad: Frame) -> float:
    """Say how bright a line is in a broadband coadd where it is 1 in its own: by exposure and gain, 0 if not known.

    Both filters are taken to let the same part of the line through.
    """
    ratio = _ratio(broad, line, "EXPTIME")
    return 0.0 if ratio is None else ratio * (_ratio(line, broad, "EGAIN") or 1.0)


def _ratio(one: Frame, other: Frame, keyword: str) -> float | None:
    """Divide a card of two frames; None where it is not above zero in both."""
    values = [frame.header.get(keyword) for frame in (one, other)]
    if not all(isinstance(value, int | float) and value > 0 for value in values):
        return None
    return float(values[0]) / float(values[1])


def shown(data: NDArray[np.number]) -> NDArray[np.float32]:
    """Give a line image as it is looked at: cut to the pixels that have a value, holes filled from the nearest ones."""
    known = np.isfinite(data)
    rows, columns = (np.flatnonzero(known.mean(axis=axis) > EDGE) for axis in (1, 0))
    if not (rows.size and columns.size):
        return np.ascontiguousarray(data, dtype=np.float32)
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    cut, holes = data[part].astype(np.float32), binary_dilation(~known[part], iterations=2)
    if holes.all():
        return cut
    nearest = distance_transform_edt(holes, return_distances=False, return_indices=True)
    filled: NDArray[np.float32] = np.ascontiguousarray(cut[tuple(nearest)])
    return filled
