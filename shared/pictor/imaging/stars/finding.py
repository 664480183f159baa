"""Find and measure the stars of one frame."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.background import Background, mesh_background
from pictor.imaging.pixels import Pixels, as_pixels
from pictor.imaging.stars.bayer import NOISE_FACTOR, luminance, undo_blur
from pictor.imaging.stars.classification import Frame, Usual, classify, usual_shape
from pictor.imaging.stars.detection import Candidates, best_bin, search, survey
from pictor.imaging.stars.filtering import SPIKE_SHARE
from pictor.imaging.stars.profile import choose, fit_profile
from pictor.imaging.stars.saturation import guess_saturation
from pictor.imaging.stars.shapes import COLUMNS, LOST, measure_shapes
from pictor.imaging.stars.starlist import StarFlag, StarList

# Bright candidates that show the typical size of a star before all are measured.
_PILOTS = 400
_FEWEST_PILOTS = 25
# Candidates measured for each of the brightest stars wanted: some are no stars.
_PER_WANTED = 2
# Sources sharper than this (FWHM 1.2 pixels) are hot pixels and cosmic rays, unless many look like stars.
_SHARPEST_SIGMA = 0.5
_FEWEST_SHARP = 20
_SINGLES_PER_PAIR = 6.0
# Where nothing is this many times above the threshold nothing shows that there are stars: of ten stars at the
# threshold six are above it, of maxima of noise and of what is left of hits none.
_STANDS_OUT = 1.6
# Stars wider than this (FWHM in pixels) may be filaments: a mesh of finer cells then shows three times as many stars.
_WIDE_FWHM = 10.0
_FINE_CELLS = (32, 12)
_FEWEST_AMONG, _MANY_MORE = 20, 3


def find_stars(
    image: NDArray[Any],
    *,
    saturation: float | None = None,
    background: Background | None = None,
    threshold: float = 5.0,
    bayer: str | None = None,
) -> StarList:
    """Find, measure and flag the stars of one frame.

    Parameters
    ----------
    image
        Shape (ny, nx), raw or calibrated, any real type, in ADU; NaN is ignored.
    saturation
        Level in ADU from which a pixel is saturated; None looks for a ceiling in the values.
    background
        Sky of this frame when already known.
    threshold
        Smallest signal-to-noise ratio of the matched filter.
    bayer
        Colour pattern of a raw one-shot-colour frame, such as ``RGGB``; None for one channel.

    Returns
    -------
    StarList
        Brightest first; empty when the frame shows no star.

    Raises
    ------
    FrameMismatchError
        If the image is not two-dimensional.
    """
    pixels = as_pixels(image)
    ceiling = saturation if saturation is not None else guess_saturation(pixels)
    if bayer is not None:
        return _find_in_colour(pixels, bayer, ceiling, threshold)
    sky = background if background is not None else mesh_background(pixels)
    stars = _find_on_plane(pixels, sky, ceiling, threshold)
    return _among_filaments(pixels, stars, ceiling, threshold)


def find_brightest(image: NDArray[Any], *, most: int, threshold: float = 5.0) -> StarList:
    """Find the brightest stars of a frame of one channel, for their places: no profile, and widths as measured.

    Of the candidates twice as many as are wanted are measured, strongest first; all of them where too few of those
    turn out to be points. Each star measured has the place, light and shape `find_stars` gives it. Neighbours that
    blend with it and pieces of trails are looked for among the measured ones.

    Parameters
    ----------
    image, threshold
        As for `find_stars`.
    most
        Wanted number of stars; a few more or less are given.

    Returns
    -------
    StarList
        Brightest first, without profile.

    Raises
    ------
    FrameMismatchError
        If the image is not two-dimensional.
    """
    pixels = as_pixels(image)
    ceiling = guess_saturation(pixels)
    stars = _find_on_plane(pixels, mesh_background(pixels), ceiling, threshold, most=most)
    widths = stars.fwhm[stars.is_star]
    usual = len(widths) > 0 and float(np.median(widths)) < _WIDE_FWHM
    return stars if usual else _among_filaments(pixels, stars, ceiling, threshold)


def _among_filaments(pixels: Pixels, stars: StarList, ceiling: float | None, threshold: float) -> StarList:
    """Where no stars or wide ones only were found, look for sharper ones among the clouds of a bright nebula.

    A finer mesh takes clouds for sky. It also eats the rings of a defocused frame, which has no sharper stars.
    """
    usual = stars.psf is not None and stars.psf.fwhm < _WIDE_FWHM
    if usual or len(stars) <= _FEWEST_AMONG:
        return stars
    for cell in _FINE_CELLS:
        again = _find_on_plane(pixels, mesh_background(pixels, cell=cell), ceiling, threshold)
        sharper = again.psf is not None and (stars.psf is None or again.psf.fwhm < 0.5 * stars.psf.fwhm)
        if sharper and again.star_count > max(_FEWEST_AMONG, _MANY_MORE * stars.star_count):
            return again
    return stars


def _find_in_colour(pixels: Pixels, pattern: str, ceiling: float | None, threshold: float) -> StarList:
    """Find stars on the average of all 2 x 2 windows and undo its shift and blur."""
    plane = luminance(pixels, pattern, ceiling)
    mesh = mesh_background(plane)
    sky = replace(mesh, noises=mesh.noises * np.float32(NOISE_FACTOR))
    return undo_blur(_find_on_plane(plane, sky, ceiling, threshold, share=0.0))


def _find_on_plane(
    pixels: Pixels,
    sky: Background,
    ceiling: float | None,
    threshold: float,
    *,
    share: float = SPIKE_SHARE,
    most: int | None = None,
) -> StarList:
    if not sky.noise or not sky.noises.all():
        return replace(StarList.empty(sky.shape), saturation=ceiling)
    found, usual = _searched(pixels, sky, threshold, share)
    sharp = usual is not None and usual.minor < _SHARPEST_SIGMA
    if sharp and _are_stars(found):
        sharp, (found, usual) = False, _searched(pixels, sky, threshold, 0.0)
    if usual is None:
        return replace(StarList.empty(sky.shape), saturation=ceiling, spike_count=found.spikes)
    stars = _measured(pixels, sky, found, Frame(sky.shape, usual, ceiling), most)
    if sharp or not (stars.snr >= _STANDS_OUT * threshold).any():
        return replace(stars, flags=stars.flags | np.int32(StarFlag.COSMIC_RAY))
    if most is not None:
        return stars
    psf = fit_profile(pixels, sky, stars)
    if psf is None:
        return stars
    typical = float(np.median(stars.fwhm[choose(stars)]))
    return replace(stars, psf=psf, fwhm=stars.fwhm * (psf.fwhm / typical))


def _measured(pixels: Pixels, sky: Background, found: Candidates, frame: Frame, most: int | None) -> StarList:
    """Measure all candidates, or the strongest ones where those hold as many stars as are wanted."""
    positions, count = np.column_stack([found.x, found.y]), len(found.x)
    few = count if most is None else min(count, _PER_WANTED * most)
    for measured in sorted({few, count}):
        chosen = np.sort(np.argsort(-found.snr, kind="stable")[:measured]) if measured < count else slice(None)
        table = measure_shapes(pixels, sky, positions[chosen], sigma=frame.usual.sigma, share=found.share)
        table = table[table[:, COLUMNS.index("status")] != LOST]
        stars = classify(table, frame, spikes=found.spikes)
        if most is not None and stars.star_count >= most:
            break
    return stars


def _are_stars(found: Candidates) -> bool:
    """Judge sources sharper than a pixel: light that falls on pixels at random fills two as often as one.

    Hot pixels outnumber neighbouring pairs of hot pixels by far, so many single pixels for few wider
    sources mean that there are no stars.
    """
    wider = len(found.x)
    return wider >= _FEWEST_SHARP and found.spikes < _SINGLES_PER_PAIR * wider


def _searched(pixels: Pixels, sky: Background, threshold: float, share: float) -> tuple[Candidates, Usual | None]:
    """Learn the usual shape of a star from the brightest blobs, then search at that scale."""
    scale, pilots = survey(pixels, sky, share=share)
    seen = usual_shape(measure_shapes(pixels, sky, pilots, sigma=1.1 * scale, share=share))
    enough = len(pilots) >= _FEWEST_PILOTS and seen is not None
    found = search(pixels, sky, best_bin(seen.sigma) if enough and seen else scale, threshold=threshold, share=share)
    if not enough:
        strongest = np.argsort(-found.snr, kind="stable")[:_PILOTS]
        positions = np.column_stack([found.x, found.y])[strongest]
        seen = usual_shape(measure_shapes(pixels, sky, positions, sigma=1.1 * found.bin, share=share))
    return found, seen
