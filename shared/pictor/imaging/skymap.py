"""The sky of a whole frame: sources masked, every colour for itself; its map, its noise, and its subtraction."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.background import Background, mesh_background
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import BAD, HIT, NO_DATA, SATURATED, Frame
from pictor.imaging.mesh import fill
from pictor.imaging.stars.measuring import colour_pattern

_HIDDEN = BAD | SATURATED | HIT | NO_DATA
# Four of nine pixels above two sigma are chance for one in 30 000; the mask then grows this far into the wings.
_SOURCE_SIGMA = 2.0
_SOURCE_PIXELS = 4
_GROWN = 6
# With more than this masked, masks grow less: a little open sky in every cell is worth more than clean wings.
_MOST_MASKED = 0.9
# Shares of masked pixels beyond which little open sky is left in most cells.
_CROWDED = 0.5
_FEWEST_CELLS = 3
# A cell that differs this much (in noise sigmas) from a plane through all is no gradient.
_UNEVEN = 1.0

Index = tuple[int | slice, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sky:
    """Sky of a frame.

    Parameters
    ----------
    parts
        Mesh of the one channel, of each colour plane, or of each of the four interleaved colours of a mosaic.
    where
        What part of the data each mesh is of.
    shape
        Shape of the data.
    source_share
        Share of the pixels masked as sources, or by the mask of the frame.
    cautions
        Sentences on what may mislead: crowding, nebulosity, few cells.
    """

    parts: tuple[Background, ...]
    where: tuple[Index, ...]
    shape: tuple[int, ...]
    source_share: float
    cautions: tuple[str, ...]

    @property
    def level(self) -> float:
        """Median sky level, in the unit of the frame; of colours their mean."""
        return float(np.mean([part.level for part in self.parts]))

    @property
    def noise(self) -> float:
        """Median noise per pixel, in the unit of the frame; of colours the root of their mean variance."""
        return float(np.sqrt(np.mean([(part.noise or 0.0) ** 2 for part in self.parts])))

    @property
    def plane(self) -> tuple[float, float] | None:
        """Rise of a plane across the frame and its direction, as of `Background.plane`; of colours the first's."""
        return self.parts[0].plane()

    def level_map(self) -> NDArray[np.float32]:
        """Interpolate the level at every pixel, in the shape of the data."""
        return self._filled([part.levels for part in self.parts])

    def noise_map(self) -> NDArray[np.float32]:
        """Interpolate the noise at every pixel, in the shape of the data."""
        return self._filled([part.noises for part in self.parts])

    def _filled(self, meshes: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        out = np.empty(self.shape, dtype=np.float32)
        for mesh, index in zip(meshes, self.where, strict=True):
            piece = np.empty(out[index].shape, dtype=np.float32)
            fill(mesh, piece)
            out[index] = piece
        return out


def measure_sky(
    frame: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes
    *,
    cell: int = 64,
    mask_sources: bool = True,
    bayer: str | None = None,
) -> Sky:
    """Measure level and noise of the sky on a mesh, without the light of sources.

    The mesh of `mesh_background` is laid twice: where four of nine neighbouring pixels are above two sigma of the
    first, they and six pixels around are masked in the second. That keeps the wings of bright stars and the crowd of
    faint ones out of the level (the estimate of the mode alone is 0.25 sigma too high where stars cover half of the
    frame). Bad, hit, saturated and missing pixels of the mask are never used. The planes of a colour frame, and the
    four interleaved colours of a mosaic, are measured each by itself.

    Parameters
    ----------
    frame
        `Frame`, NDData, CCDData or array, shape (ny, nx) or (planes, ny, nx), in any linear unit.
    cell
        Size of a cell in pixels. It must be larger than the objects to be kept: what is larger than a cell is sky.
    mask_sources
        False leaves out the second mesh.
    bayer
        As for `pictor.imaging.stars.measuring.measure_stars`.

    Returns
    -------
    Sky
        Meshes, and what may mislead.

    Raises
    ------
    FrameMismatchError
        If the frame has neither two nor three axes.
    ImagingError
        If no pixel can be used, the cell is smaller than four pixels, or the pattern is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> pixels = np.random.default_rng(2).normal(300.0, 5.0, (256, 256))
    >>> pixels[100:110, 100:110] += 4000.0
    >>> sky = measure_sky(pixels)
    >>> round(sky.level), round(sky.noise)
    (300, 5)
    """
    if cell < 4:
        raise ImagingError(f"a cell of {cell} pixels is too small; use at least 4", reason="bad-cell")
    frame = Frame.from_nddata(frame)
    parts, where, masked = [], [], 0
    mosaic = frame.data.ndim == 2 and colour_pattern(frame, bayer) is not None
    size = max(4, cell // 2) if mosaic else cell
    for index in _pieces(frame, mosaic=mosaic):
        pixels = np.ascontiguousarray(frame.data[index])
        hidden = None if frame.mask is None else (frame.mask[index[-2:]] & _HIDDEN) != 0
        grown = (_GROWN // 2 if mosaic else _GROWN) if mask_sources else 0
        part, used = _part(pixels, hidden, size, grown)
        parts.append(part)
        where.append(index)
        masked += used
    share = masked / frame.data.size
    return Sky(tuple(parts), tuple(where), frame.data.shape, share, tuple(_cautions(parts, share, cell)))


def subtract_sky(
    frame: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes
    sky: Sky,
) -> Frame:
    """Subtract the map of the sky; error and mask are carried.

    The error of the map is far below that of a pixel (a cell averages hundreds of pixels) and is left out.

    Parameters
    ----------
    frame
        What `sky` was measured on, or another frame of its shape and unit.
    sky
        From `measure_sky`.

    Returns
    -------
    Frame
        Pixels in float32, or float64 where the frame is; integers never wrap. Cards, error, mask and unit are those
        of the frame.

    Raises
    ------
    FrameMismatchError
        If frame and sky differ in shape.
    """
    frame = Frame.from_nddata(frame)
    if frame.data.shape != sky.shape:
        raise FrameMismatchError(f"the sky of {sky.shape} pixels cannot be subtracted from {frame.data.shape}")
    without: Frame = replace(frame, data=frame.real() - sky.level_map())
    return without


def _pieces(frame: Frame, *, mosaic: bool) -> Iterator[Index]:
    """Say what parts of the data are measured by themselves; the last two indices are rows and columns."""
    everything = slice(None)
    if mosaic and min(frame.shape) >= 8:
        yield from ((slice(i, None, 2), slice(j, None, 2)) for i in range(2) for j in range(2))
    elif frame.data.ndim == 3:
        yield from ((plane, everything, everything) for plane in range(frame.data.shape[0]))
    else:
        yield (everything, everything)


def _part(
    pixels: NDArray[np.number], hidden: NDArray[np.bool_] | None, cell: int, grown: int
) -> tuple[Background, int]:
    """Measure one channel; give its mesh and how many pixels were masked; no source is when its mask does not grow."""
    sky = mesh_background(pixels, mask=hidden, cell=cell)
    if sky.level is None or sky.noise is None:
        raise ImagingError("no pixel of the frame can be used to measure a sky", reason="no-usable-pixel")
    count = 0 if hidden is None else int(np.count_nonzero(hidden))
    if grown == 0 or sky.noise <= 0.0:
        return sky, count
    mask = _sources(pixels, sky, grown)
    while mask.mean() > _MOST_MASKED and grown > 1:
        grown //= 2
        mask = _sources(pixels, sky, grown)
    if hidden is not None:
        mask |= hidden
    again = mesh_background(pixels, mask=mask, cell=cell)
    return (sky if again.level is None else again), int(np.count_nonzero(mask))


def _sources(pixels: NDArray[np.number], sky: Background, grown: int) -> NDArray[np.bool_]:
    """Mark the middles of 3 x 3 pixels with enough bright ones, and the squares around them."""
    bright = np.zeros((sky.shape[0] + 2, sky.shape[1] + 2), dtype=np.uint8)
    limit = np.empty(sky.shape, dtype=np.float32)
    fill(sky.levels + np.float32(_SOURCE_SIGMA) * sky.noises, limit)
    bright[1:-1, 1:-1] = pixels > limit
    along = bright[:, :-2] + bright[:, 1:-1] + bright[:, 2:]
    found = (along[:-2] + along[1:-1] + along[2:]) >= _SOURCE_PIXELS
    return _spread(_spread(found, grown).T, grown).T


def _spread(marked: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Mark the pixels up to so many rows away too; the reach doubles with every step."""
    wide, size = np.pad(marked, ((by, by), (0, 0))), 1
    while size < 2 * by + 1:
        step = min(size, 2 * by + 1 - size)
        wide, size = wide[:-step] | wide[step:], size + step
    return wide


def _cautions(parts: list[Background], share: float, cell: int) -> list[str]:
    said = []
    if share > _CROWDED:
        said.append(f"sources or masked pixels cover {100 * share:.0f} % of the frame: the level may be too high")
    rows, columns = parts[0].levels.shape
    if min(rows, columns) < _FEWEST_CELLS:
        said.append(f"the mesh has only {rows} x {columns} cells: use a smaller --cell to follow a gradient")
    uneven = max((_unevenness(part) for part in parts), default=0.0)
    if uneven > _UNEVEN:
        said.append(
            f"cells differ from a plane by {uneven:.1f} noise sigmas (95th percentile): nebulosity, a galaxy or "
            f"vignetting. Subtracting removes all that is larger than a cell of {cell} pixels; a larger --cell keeps it"
        )
    return said


def _unevenness(part: Background) -> float:
    """How far 95 % of the cells stay from a plane, in sigmas of the noise."""
    rows, columns = part.levels.shape
    if rows < _FEWEST_CELLS or columns < _FEWEST_CELLS or not part.noise:
        return 0.0
    y, x = np.indices((rows, columns))
    design = np.column_stack([np.ones(x.size), x.ravel(), y.ravel()])
    levels = part.levels.ravel().astype(np.float64)
    plane = np.linalg.lstsq(design, levels, rcond=None)[0]
    return float(np.percentile(np.abs(levels - design @ plane), 95)) / part.noise
