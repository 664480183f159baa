"""What the pixels of one individual frame show, for its admission to a stack."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.sampling import clipped_moments

SUBSAMPLE = 1_000_000
FULL_SCALE = 65536


@dataclass(frozen=True, slots=True)
class PixelFacts:
    """Shares of the pixels and levels of one frame.

    ``step`` is the smallest difference between two values; ``noise_steps`` the clipped standard deviation in steps, of
    neighbouring rows of one parity, so that vignetting does not count; ``median_snr`` needs the conversion gain.
    """

    saturated_share: float
    one_value_share: float
    step: float
    noise_steps: float
    median_adu: float
    median_snr: float | None
    saturation_adu: float | None


def pixel_facts(
    data: NDArray[np.number],
    *,
    saturation: float | None = None,
    egain: float | None = None,
    read_noise_e: float = 0.0,
    bias_level: float = 0.0,
) -> PixelFacts:
    """Measure what admission asks of one frame.

    Parameters
    ----------
    data
        Individual frame, shape (ny, nx), in ADU; it is not changed.
    saturation
        Level from which a pixel is saturated, in ADU; None: the top of the 16-bit scale, as far as the step of the
        camera reaches, and nothing for real numbers.
    egain
        Conversion gain, in electrons per ADU; None: no signal-to-noise.
    read_noise_e
        Read noise, in electrons RMS.
    bias_level
        Level without signal, in ADU.

    Returns
    -------
    PixelFacts
        Shares, levels and, with a gain, the signal-to-noise of the median pixel.
    """
    some = data.ravel()[:: max(1, data.size // SUBSAMPLE)]
    values, counts = np.unique(some[np.isfinite(some)], return_counts=True)
    if values.size == 0:
        return PixelFacts(0.0, 1.0, 0.0, 0.0, math.nan, None, saturation)
    step = _step(values)
    if saturation is None and np.issubdtype(data.dtype, np.integer):
        saturation = float(FULL_SCALE - step) if step >= 1 else float(FULL_SCALE - 1)
    saturated = 0.0 if saturation is None else float(np.count_nonzero(data >= saturation)) / data.size
    median = float(np.median(some))
    signal = None if egain is None else max(median - bias_level, 0.0) * egain
    snr = None if signal is None else signal / math.sqrt(signal + read_noise_e**2) if signal else 0.0
    rows = (
        data[: data.shape[0] // 4 * 4 : 4].astype(np.float32),
        data[2 : data.shape[0] // 4 * 4 : 4].astype(np.float32),
    )
    noise = math.sqrt(clipped_moments(rows[1] - rows[0], least=0.5)[1] / 2) if rows[0].size else 0.0
    share = float(counts.max()) / float(counts.sum())
    return PixelFacts(saturated, share, step, noise / step if step else 0.0, median, snr, saturation)


def _step(values: NDArray[np.number]) -> float:
    """Return the smallest step of integer values: 16 for a 12-bit camera written as 16 bits; 0 for a constant frame."""
    if values.size < 2:
        return 0.0
    if np.issubdtype(values.dtype, np.integer) or bool((values == np.rint(values)).all()):
        return float(np.gcd.reduce(np.diff(values.astype(np.int64))))
    return float(np.diff(values).min())
