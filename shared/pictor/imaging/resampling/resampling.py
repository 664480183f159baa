"""Frames resampled onto another grid, with error and mask."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.astrometry.celestial import Gnomonic, read_celestial
from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import Frame
from pictor.imaging.pixels import run_in_threads
from pictor.imaging.registration.transform import Transform, inverted
from pictor.imaging.resampling.grid import Grid
from pictor.imaging.resampling.kernels import average_tile, resample_tile
from pictor.imaging.resampling.mapping import Mapping, between, by_lattice, by_matrix, fineness
from pictor.imaging.resampling.target import target_header
from pictor.imaging.resampling.weights import Kernel, gains_of, noise_gain, squares_of, table_of
from pictor.imaging.types import Mask

Reals = NDArray[np.float32]
NOTHING = np.zeros((0, 0), np.float32)
_NO_BITS = np.zeros((0, 0), np.uint8)
CONSERVED = ("flux", "surface brightness")


def resample(
    frame: Any,  # noqa: ANN401 - Frame, NDData or array
    onto: Grid | Transform,
    *,
    kernel: str = "lanczos3",
    conserve: str = "flux",
) -> Frame:
    """Resample a frame onto a grid on the sky, or onto the pixels of the reference it was registered to.

    Parameters
    ----------
    frame
        Frame, NDData or array, shape (ny, nx) or (planes, ny, nx). Pixels that are NaN or have bits 1, 4, 8 or 16 get
        no weight; where they hold at most a quarter of the weights the others stand in for them.
    onto
        Grid: the frame needs world coordinates. Transform: it does not.
    kernel
        ``lanczos3`` [1]_, ``cubic``, ``bilinear`` or ``nearest``.
    conserve
        ``flux``: values are multiplied by the area of the new pixels in old ones, so that sums over stars stay.
        ``surface brightness``: values stay.

    Returns
    -------
    Frame
        Values as float32. Outside the frame, and where it has no usable pixel, NaN with bit 16. A result that had to
        use bad pixels with finite (repaired) values carries their bits; one near a saturated pixel has bit 2. The error
        is that of each pixel by itself: neighbours are correlated, see
        `pictor.imaging.resampling.weights.noise_gain`. World coordinates are those of the target.

    Raises
    ------
    ImagingError
        If the frame has no world coordinates and a grid was given, or is a raw colour mosaic.

    References
    ----------
    .. [1] Bertin E. et al., 2002, ASP Conf. 281, 228 (SWarp): resampling with Lanczos kernels.

    Examples
    --------
    >>> import numpy as np
    >>> from pictor.imaging.registration.transform import Transform, inverted
    >>> shifted = Transform(np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), (8, 8))
    >>> image = np.zeros((8, 8))
    >>> image[4, 3] = 7.0
    >>> float(resample(image, shifted).data[4, 5])
    7.0
    """
    one = Frame.from_nddata(frame)
    if conserve not in CONSERVED:
        raise ValueError(f"conserve is one of {', '.join(CONSERVED)}, not {conserve}")
    require_plain(one.header, one.data.ndim)
    flux = conserve == "flux"
    resampler = Resampler.of(mapping_of(one, onto), Kernel(kernel), one.shape, onto.shape, flux=flux)
    planes = [_plane(one, number, resampler, onto.shape) for number in range(_count(one))]
    header = target_header(one.header, onto)
    data, err, mask = (_stacked([plane[part] for plane in planes], one) for part in range(3))
    bits = np.bitwise_or.reduce(mask, axis=0) if mask.ndim == 3 else mask
    return Frame(data, err if one.err is not None else None, bits, header, one.unit)


def require_plain(header: fits.Header, axes: int) -> None:
    """Refuse a raw colour mosaic: its neighbouring pixels have different colours.

    Raises
    ------
    ImagingError
        If the frame has two axes and a Bayer pattern.
    """
    pattern = str(header.get("BAYERPAT", header.get("COLORTYP", ""))).strip()
    if axes == 2 and pattern.upper() in {"RGGB", "BGGR", "GRBG", "GBRG"}:
        raise ImagingError(
            f"the frame is a raw colour mosaic (BAYERPAT {pattern}); neighbouring pixels have different colours and "
            "cannot be interpolated: make colour planes of it first",
            reason="colour-mosaic",
        )


def mapping_of(frame: Frame, onto: Grid | Transform) -> Mapping:
    """Find where the pixels of the target lie on a frame.

    Raises
    ------
    ImagingError
        If a grid was given and the frame has no celestial world coordinates.
    """
    if isinstance(onto, Transform):
        ny, nx = onto.shape
        return by_matrix(inverted(onto.matrix), ((nx - 1) / 2, (ny - 1) / 2))
    return sky_mapping(frame.header, frame.shape, onto)


def sky_mapping(header: fits.Header, shape: tuple[int, int], grid: Grid) -> Mapping:
    """Find where the pixels of a grid lie on a frame with these cards.

    Raises
    ------
    ImagingError
        If the cards hold no celestial world coordinates.
    """
    found = read_celestial(header)
    if isinstance(found, Gnomonic):
        return between(grid.wcs, grid.shape, found.wcs, shape)
    if found is None:
        raise ImagingError(
            "the frame has no world coordinates that can be read: solve it, or register it by its stars",
            reason="no-wcs",
        )
    celestial = found

    def to_pixel(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        x, y = celestial.pixels(ra, dec)
        return x - 1.0, y - 1.0

    return by_lattice(grid.wcs, grid.shape, to_pixel, shape)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A part of a frame: values, variance (empty: none), bits (empty: none), and where its first pixel lies (y, x)."""

    values: Reals
    variance: Reals
    bits: Mask
    origin: tuple[int, int] = (0, 0)

    @property
    def marked(self) -> Reals:
        """The values with NaN at every pixel that has a bit."""
        if self.bits.size == 0 or not self.bits.any():
            return self.values
        return np.where(self.bits != 0, np.float32(np.nan), self.values)


@dataclass(frozen=True, slots=True, eq=False)
class Resampler:
    """How a frame is brought onto a grid.

    Parameters
    ----------
    mapping
        Where the pixels of the grid lie on the frame.
    kernel
        Interpolation.
    fine
        Places averaged along each side of a pixel.
    flux
        Whether values are multiplied by the area of the new pixels.
    area
        How many pixels of the frame a new one covers, usually.
    """

    mapping: Mapping
    kernel: Kernel
    fine: int = 1
    flux: bool = True
    area: float = 1.0

    @classmethod
    def of(
        cls,
        mapping: Mapping,
        kernel: Kernel,
        own: tuple[int, int],
        shape: tuple[int, int],
        *,
        flux: bool = True,
    ) -> "Resampler":
        """Choose the fineness for a frame of shape ``own`` and a grid of shape ``shape``."""
        area = mapping.usual_area(own, shape)
        return cls(mapping, kernel, fineness(area), flux, area)

    @property
    def noise_left(self) -> float:
        """Variance that is left of 1, the noise of independent pixels: what it is on average, over all places."""
        return _noise_left(self.kernel, self.fine, self.area) * (self.area**2 if self.flux else 1.0)

    def fill(self, window: Window, marked: Reals, tile: tuple[int, int], out: tuple[Reals, Reals, Mask]) -> None:
        """Resample a window into a tile that begins at this row and column; without variance, unit noise is taken."""
        table = table_of(self.kernel)
        bits = window.bits if window.bits.flags.writeable else window.bits.copy()  # one type, so one compiled kernel
        frame = (marked, window.values, window.variance, bits)
        if self.fine > 1:
            average_tile(frame, window.origin, self.mapping.packed, table, tile, self.flux, self.fine, out)
        else:
            tables = table, squares_of(self.kernel), gains_of(self.kernel)
            resample_tile(frame, window.origin, self.mapping.packed, tables, tile, self.flux, out)

    def tile(self, window: Window, tile: tuple[slice, slice]) -> Window:
        """Resample a window onto a tile of the grid."""
        shape = tile[0].stop - tile[0].start, tile[1].stop - tile[1].start
        start = tile[0].start, tile[1].start
        made = Window(np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.uint8), start)
        self.fill(window, window.marked, start, (made.values, made.variance, made.bits))
        return made


@cache
def _noise_left(kernel: Kernel, fine: int, area: float) -> float:
    """Measure it on new pixels of this area beside each other."""
    if fine == 1:
        return noise_gain(kernel) ** 2
    side = math.sqrt(area)
    matrix = np.array([[side, 0.0, side + 1], [0.0, side, side + 1], [0.0, 0.0, 1.0]])
    same = Resampler(Mapping(matrix, np.zeros((3, 0, 0))), kernel, fine, flux=False)
    window = Window(np.zeros((math.ceil(18 * side) + 4,) * 2, np.float32), NOTHING, _NO_BITS)
    return float(same.tile(window, (slice(0, 16), slice(0, 16))).variance.mean())


def window_of(frame: Frame, number: int = 0) -> Window:
    """Take a whole frame, or one of its planes, as a window."""
    data = frame.data if frame.data.ndim == 2 else frame.data[number]
    err = None if frame.err is None else frame.err if frame.err.ndim == 2 else frame.err[number]
    values = np.ascontiguousarray(data, dtype=np.float32)
    variance = NOTHING if err is None else np.square(err, dtype=np.float32)
    return Window(values, np.ascontiguousarray(variance), _NO_BITS if frame.mask is None else frame.mask)


def _plane(frame: Frame, number: int, resampler: Resampler, shape: tuple[int, int]) -> tuple[Reals, Reals, Mask]:
    window, ny = window_of(frame, number), shape[0]
    made = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.uint8)
    marked = window.marked

    def rows(first: int, last: int) -> None:
        resampler.fill(window, marked, (first, 0), (made[0][first:last], made[1][first:last], made[2][first:last]))

    run_in_threads(rows, sorted({0, ny // 4, ny // 2, 3 * ny // 4, ny}))
    return made[0], np.sqrt(made[1], out=made[1]), made[2]


def _count(frame: Frame) -> int:
    return 1 if frame.data.ndim == 2 else frame.data.shape[0]


def _stacked(planes: list[Any], frame: Frame) -> Any:  # noqa: ANN401 - arrays of any type
    return planes[0] if frame.data.ndim == 2 else np.stack(planes)


def warm() -> None:
    """Compile the kernels of this module."""
    image = np.zeros((12, 12), np.float32)
    for step in (1.0, 2.0):
        onto = Transform(np.diag([1 / step, 1 / step, 1.0]), (int(12 / step), int(12 / step)))
        for mask in (None, np.zeros((12, 12), np.uint8)):
            resample(Frame(image, image + 1, mask), onto)
