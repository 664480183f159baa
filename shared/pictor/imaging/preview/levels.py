"""Pixels of any type as rows of a table of 65536 values, without a float copy of the frame."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.preview.kernels import Indices, to_indices

TOP = 65535
"""Highest row of the table."""

SAMPLE_SIZE = 400_000
"""Pixels per channel that decide the stretch: the median of this many is known to 0.002 sigma."""

FINEST = 8192.0
"""Sigmas the 65536 rows may span when pixels are floats: the sky then has 8 rows per sigma and banding is invisible."""

BELOW = 50.0
"""Sigmas below the median that keep their own rows; colder pixels are outliers and share row 0."""

Pixels = NDArray[np.number]
"""Pixels of a frame as read, shape (ny, nx)."""


@dataclass(frozen=True, slots=True)
class Levels:
    """How pixel values map to rows: row = (value - low) / step.

    Parameters
    ----------
    low
        Value of row 0, in ADU.
    step
        ADU per row.
    exact
        Whether rows cover the whole range of the pixel type, so that row 65535 is full scale.
    """

    low: float
    step: float
    exact: bool

    @classmethod
    def of(cls, dtype: np.dtype[np.generic], sample: NDArray[np.number]) -> Self:
        """Choose levels for a pixel type; ``sample`` (finite values) decides unless 16 bits hold every value.

        8-bit and 16-bit integers keep every value apart. Wider integers and floats are spread between the lowest and
        highest value of the sample, without letting a few wild pixels take the rows that the sky needs.
        """
        if dtype.kind in "bu" and dtype.itemsize <= 2:
            return cls(0.0, 1.0 if dtype.itemsize == 2 else 1 / 257, exact=True)
        if dtype.kind == "i" and dtype.itemsize <= 2:
            return cls(-float(1 << (8 * dtype.itemsize - 1)), 1.0 if dtype.itemsize == 2 else 1 / 257, exact=True)
        if sample.size == 0:
            return cls(0.0, 1.0, exact=False)
        values = sample.astype(np.float64)
        low, high = float(values.min()), float(values.max())
        median = float(np.median(values))
        sigma = 1.4826 * float(np.median(np.abs(values - median)))
        if sigma > 0:
            low = max(low, median - BELOW * sigma)
            high = min(high, low + FINEST * sigma)
        return cls(low, (high - low) / TOP if high > low else 1.0, exact=False)

    def indices(self, pixels: Pixels) -> Indices:
        """Rows of some pixels, shape (ny, nx); C-contiguous, without a copy where the pixels already are rows."""
        if self.exact and pixels.dtype.itemsize == 2:
            native = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("=")).view(np.uint16)
            return native if pixels.dtype.kind == "u" else native ^ np.uint16(0x8000)
        if self.exact:
            return (np.ascontiguousarray(pixels).astype(np.int16) - int(self.low)).astype(np.uint16) * np.uint16(257)
        rows = np.empty(pixels.shape, dtype=np.uint16)
        shifted, low = pixels, self.low
        if pixels.dtype.kind in "iu" or pixels.dtype.itemsize > 4:
            with np.errstate(over="ignore"):
                shifted, low = np.subtract(pixels, low, dtype=np.float64), 0.0
                np.clip(shifted, -TOP * self.step, 2.0 * TOP * self.step, out=shifted)
        to_indices(np.ascontiguousarray(shifted, dtype=np.float32), low, 1.0 / self.step, rows)
        return rows

    def value(self, row: float) -> float:
        """Value of a row, in ADU."""
        return self.low + row * self.step


def sample(pixels: Pixels) -> NDArray[np.number]:
    """Take every n-th row and column of a plane, about ``SAMPLE_SIZE`` finite values, shape (n,)."""
    stride = max(1, int(np.sqrt(pixels.size / SAMPLE_SIZE)))
    taken = pixels[stride // 2 :: stride, stride // 2 :: stride].ravel()
    return taken[np.isfinite(taken)] if taken.dtype.kind == "f" else taken
