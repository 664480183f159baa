"""Cosmic rays in a single calibrated light: hits too sharp for any star, found by their Laplacian."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration import laplacian
from pictor.imaging.calibration.laplacian import AGAIN, Places
from pictor.imaging.calibration.tracks import track_pixels
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.types import Image, Mask

COSMIC = np.uint8(8)
SIGMA = 5.0
NEIGHBOUR_SHARE = 0.3
"""Limit of the neighbours of a hit, in shares of ``SIGMA``: the faint ends of a track."""

CONTRAST = 5.0
"""A hit stands out this many times more from its neighbours than from what a star's profile leaves."""

CORE_SHARE = 0.08
"""A hit whose neighbours share more than this of its light is a star: particles leave most neighbours alone."""

CORE_SIGMA = 1.0
"""Noise of a pixel the neighbours must stand out by to be taken for a star's."""

STAR_SIGMA = 10.0
"""Stars whose neighbours stand out by this many sigma tell how much of their light neighbours share in this frame."""

LEAST_STARS = 20
STAR_SHARE = 0.5
"""A tenth of the stars share less light than the frame's usual least; half of that is still a star's."""

DULL = np.uint8(1 | 8 | 16)
"""Bits of the mask that tell nothing of the light; full pixels are no hits, but stars."""

SKY_SIGMA, LARGEST_SCALE = 5.0, 4.0
"""A sky this far above nothing tells how bright the colours are to each other, up to a factor."""

PASSES = 4


@dataclass(frozen=True, slots=True)
class Detector:
    """What the noise of a pixel depends on: electrons per ADU and electrons RMS."""

    egain: float
    read_noise_e: float


@dataclass(frozen=True, slots=True)
class Limits:
    """When a pixel counts as hit.

    Parameters
    ----------
    sigma
        Noise its Laplacian stands out by.
    neighbour_share
        Limit of the neighbours of a hit, in shares of ``sigma``.
    contrast
        How many times more a hit stands out from its neighbours than from what a star's profile leaves.
    passes
        Searches at most; each looks about the hits of the one before.
    """

    sigma: float = SIGMA
    neighbour_share: float = NEIGHBOUR_SHARE
    contrast: float = CONTRAST
    passes: int = PASSES


USUAL = Limits()


def find_cosmics(
    sci: Image, mask: Mask, err: Image, detector: Detector, *, bayer: bool = False, limits: Limits = USUAL
) -> NDArray[np.bool_]:  # fmt: skip
    """Find pixels hit by cosmic rays [1]_, sparing the cores of stars.

    Parameters
    ----------
    sci
        Calibrated light, shape (ny, nx), in ADU.
    mask
        Pixels that are not looked at, shape (ny, nx), not 0 where bad, saturated or without data.
    err
        Its error, 1 sigma, shape (ny, nx), in ADU.
    detector
        Conversion gain and read noise.
    bayer
        Whether the pixels lie under a Bayer pattern: then each colour is looked at by itself.
    limits
        When a pixel counts as hit.

    Returns
    -------
    numpy.ndarray
        True where hit, shape (ny, nx).

    Raises
    ------
    FrameMismatchError
        If the planes differ in shape or have not two axes.

    References
    ----------
    .. [1] van Dokkum P. G., 2001, PASP 113, 1420.
    """
    if sci.ndim != 2 or not sci.shape == mask.shape == err.shape:
        raise FrameMismatchError(f"planes differ in shape: light {sci.shape}, mask {mask.shape}, error {err.shape}")
    step = 2 if bayer else 1
    light = _prepared(sci, mask, err, detector, step)
    least = laplacian.least_noise(light.whole_noise)
    found = _candidates(light.whole, light.skip, least, SIGMA)
    rule = np.array([limits.sigma, limits.contrast, _star_share(light, found), CORE_SIGMA], np.float32)
    known = (least, found) if step == 1 and limits.sigma == SIGMA else None
    hit = np.zeros(sci.shape, np.bool_)
    for y, x in np.ndindex(step, step):
        hit[y::step, x::step] = _find(light, (y, x), rule, limits, known)
    return hit


@dataclass(frozen=True, slots=True)
class _Light:
    """A light while it is searched: as calibrated, and with its colours at one level; the noise of both.

    ``scale`` and ``sky`` bring each colour to that level.
    """

    image: NDArray[np.float32]
    noise: NDArray[np.float32]
    whole: NDArray[np.float32]
    whole_noise: NDArray[np.float32]
    skip: Mask
    scale: NDArray[np.float32]
    sky: NDArray[np.float32]


def _prepared(sci: Image, mask: Mask, err: Image, detector: Detector, step: int) -> _Light:
    """Fill what is bad from its neighbours and bring the colours to one level."""
    blank = ~(np.isfinite(sci) & np.isfinite(err))
    skip = ((mask != 0) | blank).astype(np.uint8)
    image, noise = np.array(sci, np.float32, order="C"), np.ascontiguousarray(err, np.float32)
    if blank.any():
        noise = np.where(blank, np.float32(detector.read_noise_e / detector.egain), noise)
    dull = blank | ((mask & DULL) != 0)
    for y, x in np.ndindex(step, step):
        part = np.ascontiguousarray(image[y::step, x::step])
        laplacian.clean(part, np.ascontiguousarray(skip[y::step, x::step]), np.flatnonzero(dull[y::step, x::step]))
        image[y::step, x::step] = part
    if step == 1:
        one, none = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
        return _Light(image, noise, image, noise, skip, one, none)
    return _levelled(image, noise, skip)


def _levelled(image: NDArray[np.float32], noise: NDArray[np.float32], skip: Mask) -> _Light:
    """Bring the sky of every colour to nothing and its light to that of the brightest colour."""
    sky, scale = np.zeros((2, 2), np.float32), np.ones((2, 2), np.float32)
    grain = np.zeros((2, 2), np.float32)
    for y, x in np.ndindex(2, 2):
        sky[y, x], grain[y, x] = np.median(image[y::2, x::2][::3, ::3]), np.median(noise[y::2, x::2][::3, ::3])
    if (sky > SKY_SIGMA * grain).all():
        scale = np.minimum(sky.max() / sky, LARGEST_SCALE)
    whole, whole_noise = np.empty_like(image), np.empty_like(noise)
    for y, x in np.ndindex(2, 2):
        whole[y::2, x::2] = (image[y::2, x::2] - sky[y, x]) * scale[y, x]
        whole_noise[y::2, x::2] = noise[y::2, x::2] * scale[y, x]
    return _Light(image, noise, whole, whole_noise, skip, scale, sky)


def _star_share(light: _Light, found: Places) -> float:
    """Measure how much of their light the stars of this frame, among some pixels, share at least with neighbours."""
    room = np.empty(found.size, np.float32)
    shared = room[: laplacian.shares(light.whole, light.whole_noise, found, STAR_SIGMA, room)]
    stars = shared[shared > CORE_SHARE]
    if stars.size < LEAST_STARS:
        return CORE_SHARE
    return max(CORE_SHARE, STAR_SHARE * float(np.percentile(stars, 10)))


def _find(
    light: _Light, origin: tuple[int, int], rule: Image, limits: Limits, known: tuple[Image, Places] | None
) -> NDArray[np.bool_]:
    """Find the hits in the pixels of one colour, and take them out of the light.

    ``known`` is the least noise and the pixels worth a look where both were found already.
    """
    step = len(light.scale)
    own = slice(origin[0], None, step), slice(origin[1], None, step)
    image, noise = np.ascontiguousarray(light.image[own]), np.ascontiguousarray(light.noise[own])
    skip = np.ascontiguousarray(light.skip[own])
    search = _Search(image, noise, skip, light.whole, light.whole_noise, np.array([*origin, step]))
    hit = np.zeros(image.size, np.bool_)
    seen, least = np.zeros_like(skip), laplacian.least_noise(noise) if known is None else known[0]
    found = _candidates(image, skip, least, limits.sigma) if known is None else known[1]
    hit[track_pixels(image, noise, skip, found, rule)] = True
    for _ in range(limits.passes):
        new = search.once(found, rule, limits)
        if new.size == 0:
            break
        hit[new] = True
        laplacian.clean(image, skip, new)
        if step > 1:
            y, x = np.divmod(new, image.shape[1])
            level = (image[y, x] - light.sky[origin]) * light.scale[origin]
            light.whole[origin[0] + y * step, origin[1] + x * step] = level
        room = np.empty(new.size * (2 * AGAIN + 1) ** 2, np.int64)
        found = room[: laplacian.around(image, skip, least, limits.sigma, new, seen, room)]
    return hit.reshape(image.shape)


@dataclass(frozen=True, slots=True)
class _Search:
    """One colour while it is searched; ``grid`` tells where its pixels lie in the whole light."""

    image: NDArray[np.float32]
    noise: NDArray[np.float32]
    skip: Mask
    whole: NDArray[np.float32]
    whole_noise: NDArray[np.float32]
    grid: Places

    def once(self, found: Places, rule: Image, limits: Limits) -> Places:
        """Look at some pixels; mark and return the hits among them and the neighbours that belong to them."""
        verdict = np.empty(found.size, np.uint8)
        planes = self.image, self.noise, self.whole, self.whole_noise, self.grid

        def look(part: slice) -> None:
            laplacian.judge(*planes, found[part], rule, verdict[part])

        def grown(part: Places, limit: float) -> Places:
            room = np.empty(8 * part.size, np.int64)
            return room[: laplacian.grow(*planes, self.skip, part, limit, rule, room)]

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(look, [slice(0, found.size // 2), slice(found.size // 2, None)]))
            hits: Places = found[verdict != 0]
            self.skip.ravel()[hits] = 1
            for limit in (limits.sigma, limits.sigma * limits.neighbour_share):
                # both threads may find a pixel between their parts
                more = pool.map(lambda part, limit=limit: grown(part, limit), np.array_split(hits, 2))
                hits = np.concatenate([hits, np.unique(np.concatenate(list(more)))])
        return hits


def _candidates(image: Image, skip: Mask, least: Image, sigma: float) -> Places:
    """List the pixels worth a closer look, in order."""
    ny = image.shape[0]

    def part(rows: tuple[int, int]) -> Places:
        room = np.empty(max(1024, (rows[1] - rows[0]) * image.shape[1] // 8), np.int64)
        return room[: laplacian.candidates(image, skip, least, sigma, np.array(rows), room)].copy()

    with ThreadPoolExecutor(2) as pool:
        return np.concatenate(list(pool.map(part, [(0, ny // 2), (ny // 2, ny)])))


def warm() -> None:
    """Compile the kernels."""
    plane = np.ones((32, 32), np.float32)
    plane[8, 8] = plane[20, 20] = 1000
    find_cosmics(plane, np.zeros((32, 32), np.uint8), plane * 0 + 1, Detector(1.0, 1.0))
