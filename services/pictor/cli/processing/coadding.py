"""Make a coadd of lights that are placed, with its picture; runs in a child."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.cli.processing.placing import grid_from, halved, onto_halves
from pictor.cli.processing.splitting import colour_of, offset_of, plane_of, red_place
from pictor.imaging.calibration.repair import repair_bad_pixels
from pictor.imaging.coadd.coadding import Coadded, coadd_files
from pictor.imaging.frame import BAD, HIT, NO_DATA, Frame
from pictor.imaging.preview.rendering import render_small
from pictor.imaging.products import Input, Provenance, write_product
from pictor.imaging.registration.transform import Transform
from pictor.imaging.resampling.grid import Grid
from pictor.quality.compute import measure
from pictor.runtime.version import SOFTWARE

FEWEST_TO_CLIP = 3
GAP = 3
"""Pixels to either side that fill a gap: as far as one bad pixel of a light reaches into a coadd."""

COVERED = 0.5
"""Rows and columns belong to a picture where half of the most lights are there."""


def make_coadd(
    *,
    lights: Sequence[Mapping[str, Any]],
    placed: Mapping[str, Any],
    name: str,
    out: str,
    pictures: str,
    scratch: str,
    channel: int | None = None,
    labels: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """Coadd lights of one target and filter.

    Parameters
    ----------
    lights
        Of each its ``label``, ``path`` and ``seen`` description.
    placed
        What `place` told of the target.
    name
        Of the products.
    out, pictures
        Folders they go into.
    scratch
        Empty folder on the same file system.
    channel
        0, 1 or 2 for a colour of one-shot colour.
    labels
        Cards of the coadd, such as FILTER of a colour.

    Returns
    -------
    dict
        ``frames``, ``exposure_s``, ``method``, ``rejected_share``, ``filled`` (pixels no light shows well), ``quality``
        and ``outputs``.
    """
    folder = Path(scratch)
    files = [_file(one, folder / f"{index:04d}.fits", channel) for index, one in enumerate(lights)]
    bayer = channel is not None and any(one["seen"].get("bayer") for one in lights)
    onto = _onto(lights, placed, files, channel, bayer=bayer)
    method = "clipped" if len(files) >= FEWEST_TO_CLIP else "mean"
    made, filled = mended(coadd_files(files, method=method, weights="variance", onto=onto, background="match"))
    product = _written(made, lights, folder, method, labels or {})
    found = measure(str(product), str(folder), egain=made.frame.header.get("EGAIN"))
    picture = _picture(made, folder)
    outputs = _put(folder, product, picture, Path(out) / name, Path(pictures) / f"{name}.png")
    return {
        "frames": len(files), "exposure_s": made.total_exposure_s, "method": method,
        "rejected_share": _rejected(made), "filled": filled, "quality": found["quality"], "outputs": outputs,
    }  # fmt: skip


def mended(made: Coadded) -> tuple[Coadded, int]:
    """Fill pixels that are bad in every light by the median of their neighbours, and count them; the mask keeps bit 1.

    Where few lights, or lights at one place, show a bad column, nothing good is left of it.
    """
    frame = made.frame
    if frame.mask is None or frame.err is None or not (frame.mask & (BAD | HIT)).any():
        return made, 0
    data, err, mask = (np.ascontiguousarray(plane).copy() for plane in (frame.data, frame.err, frame.mask))
    filled, _ = repair_bad_pixels(data, err, mask, bayer=False, radius=GAP)
    mask[np.isfinite(data)] &= np.uint8(~NO_DATA & 0xFF)
    return replace(made, frame=replace(frame, data=data, err=err, mask=mask)), filled


def _file(light: Mapping[str, Any], target: Path, channel: int | None) -> Path:
    """Give the file to coadd: the light, or one colour of it."""
    path = Path(light["path"])
    if channel is None:
        return path
    frame = Frame.from_fits(path)
    if frame.data.ndim == 3:
        part = plane_of(frame, channel)
    else:
        part = colour_of(frame, channel, red_place(light["seen"], frame.shape[0]))
    write_product(target, part, Provenance("colour", [], {"channel": channel}, SOFTWARE))
    return target


def _onto(
    lights: Sequence[Mapping[str, Any]],
    placed: Mapping[str, Any],
    files: Sequence[Path],
    channel: int | None,
    *,
    bayer: bool,
) -> Grid | list[Transform]:
    if placed["grid"] is not None:
        grid = grid_from(placed["grid"])
        return halved(grid) if bayer else grid
    del files
    wcs = None if placed["wcs"] is None else grid_from(placed["wcs"])
    ny, nx = placed["shape"]
    made = []
    for light in lights:
        matrix: NDArray[np.float64] = np.asarray(placed["matrices"][light["label"]], dtype=np.float64)
        shape = (int(ny), int(nx))
        world = None if wcs is None else wcs.wcs
        if bayer and channel is not None:
            red = red_place(light["seen"], int(light["seen"].get("height") or ny))
            matrix = onto_halves(matrix, offset_of(channel, red))
            shape, world = (shape[0] // 2, shape[1] // 2), None if wcs is None else halved(wcs).wcs
        made.append(Transform(matrix, shape, wcs=world))
    return made


def _written(
    made: Coadded, lights: Sequence[Mapping[str, Any]], folder: Path, method: str, labels: Mapping[str, str]
) -> Path:
    header = made.frame.header.copy()
    for keyword, value in labels.items():
        header[keyword] = value
    inputs = [Input.of(Path(one["path"])) for one in lights]
    settings = {"method": method, "weights": "variance", "background": "match"}
    provenance = Provenance("coadd", inputs, settings, SOFTWARE)
    write_product(folder / "coadd.fits", replace(made.frame, header=header), provenance)
    weight = Frame(made.weight, header=header, unit="")
    write_product(folder / "weight.fits", weight, replace(provenance, notes=["weight map: inverse variance"]))
    return folder / "coadd.fits"


def _rejected(made: Coadded) -> float:
    """Give the share of samples that were clipped."""
    samples = float(made.nused.sum(dtype=np.int64)) + sum(made.rejected)
    return sum(made.rejected) / samples if samples else 0.0


def covered(nused: NDArray[np.integer]) -> tuple[slice, slice]:
    """Find the rows and columns most of which rest on at least half of the lights; all where there are none."""
    enough = nused >= max(1.0, COVERED * float(nused.max(initial=0)))
    cut = []
    for axis in (1, 0):
        good = np.flatnonzero(enough.mean(axis=axis) >= 0.85)
        cut.append(slice(int(good[0]), int(good[-1]) + 1) if len(good) > 8 else slice(None))
    return cut[0], cut[1]


def _picture(made: Coadded, folder: Path) -> Path:
    data = np.ascontiguousarray(made.frame.data[covered(made.nused)])
    preview, _ = render_small(data, scratch=folder)
    return preview.path


def _put(folder: Path, product: Path, picture: Path, target: Path, shown: Path) -> dict[str, str]:
    """Give the files their names, the coadd last."""
    weight = target.with_name(f"{target.name}_weight.fits")
    coadd = target.with_name(f"{target.name}.fits")
    for made, place in ((folder / "weight.fits", weight), (picture, shown), (product, coadd)):
        place.parent.mkdir(parents=True, exist_ok=True)
        made.replace(place)
    return {"fits": str(coadd), "weight": str(weight), "picture": str(shown)}
