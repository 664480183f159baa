"""Frames in files resampled onto another grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pictor.cli.client import CommandError
from pictor.cli.stages.running import Told, checked, each, left_to_do, named, require_free
from pictor.imaging.astrometry.cards import read_wcs
from pictor.imaging.astrometry.geometry import scale_of
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import image_of, read_header
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.frame import Frame
from pictor.imaging.products import Input, Provenance, write_product
from pictor.imaging.resampling.grid import Grid, grid_of
from pictor.imaging.resampling.resampling import resample
from pictor.imaging.scratch import scratch_folder
from pictor.runtime.version import SOFTWARE


@dataclass(frozen=True, slots=True)
class Wish:
    """Which grid is wanted."""

    onto: Path | None = None
    centre: tuple[float, float] | None = None
    size: tuple[int, int] | None = None
    scale: float | None = None
    north_up: bool = False


@dataclass(frozen=True, slots=True)
class Manner:
    """How to resample."""

    kernel: str
    conserve: str
    overwrite: bool


def main(files: Sequence[Path], out: Path, wish: Wish, manner: Manner, *, resume: bool, json: bool) -> int:
    """Resample every frame; 0: all done, 1: one was refused, 2: the call was wrong."""

    def run() -> int:
        left = left_to_do(files, lambda path: [named(path, "resampled", out)], resume=resume)
        targets = [named(path, "resampled", out) for path in left]
        require_free(targets, overwrite=manner.overwrite, inputs=[*files, wish.onto])
        grid = grid_wanted(files, wish)
        work = partial(_one, grid=grid, out=out, manner=manner)
        return each(left, work, label="resample", say=_line, json=json, beside=[wish.onto])

    return checked(run)


def grid_wanted(files: Sequence[Path], wish: Wish) -> Grid:
    """Make the grid that was asked for.

    Raises
    ------
    CommandError
        If options contradict each other, or no grid can be made.
    """
    if wish.onto is not None and (wish.centre or wish.size or wish.scale or wish.north_up):
        raise CommandError("--onto gives the whole grid; leave out --centre, --size, --scale and --north-up", 2)
    if wish.centre is not None and not (0 <= wish.centre[0] < 360 and -90 <= wish.centre[1] <= 90):
        raise CommandError(f"--centre {wish.centre[0]} {wish.centre[1]} is no direction; both are in degrees", 2)
    if wish.size is not None and min(wish.size) < 1:
        raise CommandError(f"--size {wish.size[0]} {wish.size[1]} has no pixels", 2)
    try:
        if wish.onto is not None:
            return grid_in(wish.onto)
        grids = [found for path in files if (found := _grid_or_none(path)) is not None]
        if not grids:
            raise CommandError(f"none of the {len(files)} frames has world coordinates; pictor solve finds them", 1)
        return grid_of(grids, scale=wish.scale, north_up=wish.north_up, centre=wish.centre, size=wish.size)
    except ImagingError as error:
        raise CommandError(f"no grid can be made: {error}", 2) from error


def grid_in(path: Path) -> Grid:
    """Read the grid of a frame from its header.

    Raises
    ------
    ImagingError
        If it is no frame, or has no world coordinates.
    """
    try:
        with scratch_folder() as scratch:
            plain = unpack(path, scratch).path
            header, shape = read_header(plain), image_of(prescan_file(plain)).shape
    except ImagingError as error:
        raise ImagingError(f"{path}: {error}", reason=error.reason) from error
    wcs = read_wcs(header)
    if wcs is None:
        raise ImagingError(f"{path} has no gnomonic world coordinates; solve it first", reason="no-wcs")
    return Grid(wcs, (shape[-2], shape[-1]))


def _grid_or_none(path: Path) -> Grid | None:
    """Leave a frame that will be refused out of the grid."""
    try:
        return grid_in(path)
    except (ImagingError, OSError):
        return None


def _one(path: Path, *, grid: Grid, out: Path, manner: Manner) -> Told:
    frame = Frame.from_fits(path)
    conserve = "flux" if manner.conserve == "flux" else "surface brightness"
    made = resample(frame, grid, kernel=manner.kernel, conserve=conserve)
    target = named(path, "resampled", out)
    settings = {"kernel": manner.kernel, "conserve": conserve}
    provenance = Provenance("resample", [Input.of(path)], settings, SOFTWARE)
    write_product(target, made, provenance, overwrite=manner.overwrite)
    covered = float((made.mask & 16 == 0).mean()) if made.mask is not None else 1.0
    return {
        "output": str(target), "columns": grid.shape[1], "rows": grid.shape[0], "scale_arcsec": scale_of(grid.wcs),
        "covered": covered,
    }  # fmt: skip


def _line(told: Told) -> str:
    size = f"{told['columns']} x {told['rows']} pixels of {told['scale_arcsec']:.4f} arcsec"
    return f"{told['input']}: {told['output']}, {size}, {100 * told['covered']:.1f} % covered"
