"""The line image, tile by tile: narrow minus scaled broad, with errors and bits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pictor.imaging.continuum.convolving import Blurs
from pictor.imaging.continuum.preparing import Pair, grown
from pictor.imaging.continuum.sides import Box, Reals
from pictor.imaging.frame import BAD, NO_DATA, SATURATED
from pictor.imaging.pixels import run_in_threads
from pictor.imaging.types import Mask

# A convolved pixel with less of its weight on usable pixels than this is marked as bad.
_LEAST_SHARE = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Lining:
    """How both frames become a line image.

    Parameters
    ----------
    pair, blurs
        The frames, and what the sharper one is convolved with.
    scale
        k.
    left
        Share of the line that subtracting leaves; the image is divided by it.
    plane
        Sky of the result: level in the middle, rise over width and height.
    """

    pair: Pair
    blurs: Blurs
    scale: float
    left: float
    plane: tuple[float, float, float]

    def image(self) -> tuple[Reals, Reals | None, Mask]:
        """Make values, errors (None unless both frames tell them) and bits on two threads."""
        shape = self.pair.narrow.frame.shape
        known = self.pair.narrow.frame.err is not None and self.pair.broad.frame.err is not None
        data, bits = np.empty(shape, np.float32), np.empty(shape, np.uint8)
        err = np.empty(shape, np.float32) if known else None
        full = self._full()
        height, width = self.blurs.tile
        tiles = [
            (slice(y, min(y + height, shape[0])), slice(x, min(x + width, shape[1])))
            for y in range(0, shape[0], height)
            for x in range(0, shape[1], width)
        ]

        def make(first: int, last: int) -> None:
            for box in tiles[first:last]:
                data[box], bits[box] = self._values(box, full, None if err is None else err[box])

        run_in_threads(make, range(len(tiles) + 1))
        return data, err, bits

    def _full(self) -> NDArray[np.bool_] | None:
        """Find the pixels that saturated stars spoil."""
        both = [side.full for side in (self.pair.narrow, self.pair.broad) if side.full is not None]
        if not both:
            return None
        reach = max(1, round(max(self.pair.narrow.psf.fwhm, self.pair.broad.psf.fwhm)))
        return np.asarray(ndimage.binary_dilation(np.logical_or.reduce(both), iterations=reach))

    def _values(self, box: Box, full: NDArray[np.bool_] | None, err: Reals | None) -> tuple[Reals, Mask]:
        sharp, wide = self.pair.ordered
        blur = self.blurs.near(0.5 * (box[1].start + box[1].stop - 1), 0.5 * (box[0].start + box[0].stop - 1))
        larger = grown(box, self.blurs.half)
        blurred, share = blur.values_of(sharp.window(larger), sharp.level)
        kept, factor = wide.window(box, saturated=True), np.float32(self.scale)
        made = kept - factor * blurred if self.pair.sharper == "broad" else blurred - factor * kept
        if err is not None:
            noises = (wide.noise(box), blur.noise_of(sharp.noise(larger)))
            narrow, broad = noises if self.pair.sharper == "broad" else noises[::-1]
            np.divide(np.hypot(narrow, factor * broad), np.float32(self.left), out=err)
        bits = self._bits(box, share, np.isfinite(made), None if full is None else full[box])
        made /= np.float32(self.left)
        made -= self._sky(box)
        made[(bits & SATURATED) != 0] = np.nan
        return made, bits

    def _sky(self, box: Box) -> Reals:
        v, u = ((np.arange(n) + 0.5) / n - 0.5 for n in self.pair.narrow.frame.shape)
        across = self.plane[0] + self.plane[1] * u[box[1]]
        return np.asarray(across[None, :] + self.plane[2] * v[box[0]][:, None], dtype=np.float32)

    def _bits(self, box: Box, share: Reals | None, known: NDArray[np.bool_], full: NDArray[np.bool_] | None) -> Mask:
        bits = np.zeros(known.shape, np.uint8)
        for side in (self.pair.narrow, self.pair.broad):
            if side.frame.mask is not None:
                bits |= side.frame.mask[box] & np.uint8(0xFF ^ NO_DATA ^ SATURATED)
        open_sky = np.ones(known.shape, np.bool_) if full is None else ~full
        bits[~open_sky] |= SATURATED
        if share is not None:
            bits[(share < _LEAST_SHARE) & open_sky] |= BAD
        bits[~known & open_sky] |= NO_DATA
        return bits
