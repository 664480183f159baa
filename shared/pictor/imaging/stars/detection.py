"""Candidates: maxima of the matched filter on the background-subtracted frame."""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.background import Background
from pictor.imaging.pixels import Pixels, as_pixels, run_in_threads
from pictor.imaging.stars.filtering import SPIKE_SHARE, apart, bin_rows, blobs, halve, scan
from pictor.imaging.stars.starlist import SIGMA_TO_FWHM

# The widest stars looked for are 2.4 x 16 pixels wide.
BINS = (1, 2, 4, 8, 16)
# Two megapixels show enough stars to learn their size from.
_SCALE_AREA = 1408
_SCALE_SNR = 14.0
_SCALE_VOTERS = 80
# Bright blobs handed out to learn the shape of a star from.
_PILOTS = 400
# Of two scales that do about as well the finer one keeps neighbours apart.
_COARSER_WORTH = 0.9


@dataclass(frozen=True, slots=True)
class Candidates:
    """Positions of possible stars, 0-based pixels, with the signal-to-noise of the filter.

    Parameters
    ----------
    x, y, snr
        Same length; positions to about half a binned pixel.
    bin
        Pixels per side that were summed for the search.
    share
        Share of the light of a pixel below which its neighbours made it a spike.
    spikes
        Hot pixels and cosmic-ray hits removed before the search.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    snr: NDArray[np.float32]
    bin: int
    share: float
    spikes: int


def survey(image: Pixels, background: Background, *, share: float = SPIKE_SHARE) -> tuple[int, NDArray[np.float64]]:
    """Look at the middle of a frame for the scale of its stars.

    The scale is chosen where the brightest isolated blobs respond best [1]_, so that out-of-focus stars
    are found whole instead of as many noise peaks on their rings.

    Parameters
    ----------
    image
        Shape (ny, nx), in ADU.
    background
        Sky level and noise of the image.
    share
        A pixel is a hot one when its four neighbours carry on average less than this share of it; 0 trusts all.

    Returns
    -------
    tuple
        The binning of `BINS` that fits, and the x and y of the strongest blobs at that scale, shape (n, 2).

    References
    ----------
    .. [1] Lindeberg T., 1998, International Journal of Computer Vision 30, 79.
    """
    window, part, corner = _middle(image, background)
    small, _ = _binned(window, part, 1, share=share)
    found: list[NDArray[np.float64]] = []
    worth = 1.0
    for scale in BINS:
        if min(small.shape) < 16:
            break
        maxima = blobs(small, _SCALE_SNR)
        offset = (scale - 1) / 2.0
        found.append(
            np.column_stack([maxima[:, :2] * scale + offset, worth * maxima[:, 2], np.full(len(maxima), scale)])
        )
        small = halve(small)
        worth *= _COARSER_WORTH
    if not found:
        return 1, np.zeros((0, 2))
    best = _vote(np.concatenate(found))
    chosen = found[BINS.index(best)]
    strongest = chosen[np.argsort(-chosen[:, 2], kind="stable")[:_PILOTS]]
    return best, strongest[:, :2] + np.array(corner, dtype=np.float64)


def search(image: Pixels, background: Background, scale: int, *, threshold: float, share: float) -> Candidates:
    """Find maxima of the matched filter above a threshold, summing `scale` x `scale` pixels first.

    Parameters
    ----------
    image, background, share
        As for `survey`.
    threshold
        Smallest signal-to-noise ratio of the filter.
    scale
        One of `BINS`.

    Returns
    -------
    Candidates
        In the order of rows.
    """
    if scale == 1:
        return _search(image, background, 1, threshold, share=share)
    return _search_binned(image, background, scale, threshold, share=share)


def best_bin(sigma: float) -> int:
    """Choose the coarsest binning that leaves a star of this width (standard deviation) wider than 2.2 pixels."""
    return max((scale for scale in BINS if SIGMA_TO_FWHM * sigma >= 2.2 * scale), default=1)


def warm() -> None:
    """Compile the kernels of this module."""
    flat = Background(np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32), (40, 40))
    for dtype in (np.uint16, np.float32):
        image = np.zeros((40, 40), dtype=dtype)
        survey(image, flat)
        _search(image, flat, 1, 5.0, share=SPIKE_SHARE)
        _search_binned(image, flat, 2, 5.0, share=SPIKE_SHARE)
    apart(np.zeros((1, 4)), 1)


def _search_binned(image: Pixels, background: Background, scale: int, threshold: float, *, share: float) -> Candidates:
    small, spikes = _binned(image, background, scale, share=share)
    found = _search(small, _unit_background(small), scale, threshold, share=0.0)
    return Candidates(found.x, found.y, found.snr, scale, share, spikes)


def _search(image: Pixels, background: Background, scale: int, threshold: float, *, share: float) -> Candidates:
    """Search an image whose pixels are already `scale` pixels wide."""
    pieces: list[tuple[int, NDArray[np.float64]]] = []
    spikes: list[int] = []
    mesh = (background.levels, np.float32(1.0) / background.noises)
    lock = threading.Lock()

    def work(start: int, stop: int) -> None:
        found, removed = scan(image, mesh, (start, stop), (threshold, share))
        with lock:
            pieces.append((start, found))
            spikes.append(removed)

    run_in_threads(work, sorted({0, image.shape[0] // 2, image.shape[0]}))
    rows = np.concatenate([found for _, found in sorted(pieces, key=lambda piece: piece[0])])
    offset = (scale - 1) / 2.0
    return Candidates(
        rows[:, 0] * scale + offset,
        rows[:, 1] * scale + offset,
        rows[:, 2].astype(np.float32),
        scale,
        share,
        sum(spikes),
    )


def _unit_background(image: NDArray[np.float32]) -> Background:
    return Background(np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32), (image.shape[0], image.shape[1]))


def _binned(image: Pixels, background: Background, scale: int, *, share: float) -> tuple[NDArray[np.float32], int]:
    """Sky-subtracted, spike-free frame in units of its noise, summed over `scale` x `scale` pixels."""
    ny, nx = image.shape
    small = np.zeros((ny // scale, nx // scale), dtype=np.float32)
    spikes: list[int] = []
    mesh = (background.levels, np.float32(1.0) / background.noises)

    def work(start: int, stop: int) -> None:
        spikes.append(bin_rows(image, mesh, (start, stop, scale), share, small))

    rows = small.shape[0]
    run_in_threads(work, sorted({0, rows // 2, rows}))
    return small, sum(spikes)


def _middle(image: Pixels, background: Background) -> tuple[Pixels, Background, tuple[int, int]]:
    """Cut the middle out of a large frame along cells of the mesh; the corner is (x, y)."""
    ny, nx = image.shape
    my, mx = background.levels.shape
    keep_y, keep_x = max(1, min(my, _SCALE_AREA * my // ny)), max(1, min(mx, _SCALE_AREA * mx // nx))
    i, j = (my - keep_y) // 2, (mx - keep_x) // 2
    rows, cols = slice(i * ny // my, (i + keep_y) * ny // my), slice(j * nx // mx, (j + keep_x) * nx // mx)
    window = as_pixels(image[rows, cols])
    cells = (slice(i, i + keep_y), slice(j, j + keep_x))
    sky = Background(
        np.ascontiguousarray(background.levels[cells]),
        np.ascontiguousarray(background.noises[cells]),
        (window.shape[0], window.shape[1]),
    )
    return window, sky, (cols.start, rows.start)


def _vote(blobs: NDArray[np.float64]) -> int:
    """Median scale of the strongest blobs, each place voting once with its best scale."""
    strongest = blobs[np.argsort(-blobs[:, 2])[: 20 * _SCALE_VOTERS]]
    if len(strongest) == 0:
        return 1
    scales = np.sort(strongest[apart(strongest, _SCALE_VOTERS), 3])
    return int(scales[(len(scales) - 1) // 2])
