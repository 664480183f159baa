"""Two frames made ready to be subtracted: their stars, their noise, one profile."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pictor.imaging.background import mesh_background
from pictor.imaging.continuum.matching import MatchingKernel, Pixels, convolve, fit_kernel
from pictor.imaging.continuum.pairs import CommonStars
from pictor.imaging.continuum.saturated import still_full
from pictor.imaging.continuum.scaling import Aperture, Scale, fit_scale
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import BAD, NO_DATA, SATURATED, Frame
from pictor.imaging.stars.finding import find_stars
from pictor.imaging.stars.starlist import Psf, StarList
from pictor.imaging.types import Mask

LEAST_STARS = 8
"""Fewer common stars give neither a kernel nor a scale worth having."""

_KERNEL_STARS, _SCALE_STARS = 80, 300
_LEAST_SNR = 20.0
_CELL = 32
"""A mesh finer than usual: filaments of a nebula are sky to the stars in front of them."""

# A convolved pixel with less of its weight on usable pixels than this is marked as bad.
_LEAST_SHARE = 0.9
_FULL = 0.95
"""Share of the saturation level from which a pixel does not follow the light any more."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One of the two frames.

    Parameters
    ----------
    frame
        As given.
    pixels
        Values with NaN where a pixel cannot be used, and noise.
    stars, psf
        Its stars and their profile.
    full
        Saturated pixels, shape (ny, nx).
    """

    frame: Frame
    pixels: Pixels
    stars: StarList
    psf: Psf
    full: NDArray[np.bool_]

    @classmethod
    def of(cls, frame: Frame, saturation: float | None, name: str) -> Self:
        """Look at one frame.

        Raises
        ------
        ImagingError
            If it shows too few stars.
        """
        values = frame.real().astype(np.float32, copy=False)
        bits = np.zeros(frame.shape, np.uint8) if frame.mask is None else frame.mask
        level = saturation if saturation is not None else _told(frame)
        stars = find_stars(values, saturation=level, background=mesh_background(values, cell=_CELL))
        if stars.psf is None or stars.star_count < LEAST_STARS:
            raise ImagingError(
                f"the {name} frame shows {stars.star_count} unsaturated stars; {LEAST_STARS} are needed to find the "
                "scale of the continuum: use a longer exposure, or give --scale to know it",
                reason="too-few-stars",
            )  # fmt: skip
        full = still_full(values, frame.mask)
        if stars.saturation is not None:
            full = full | (values >= _FULL * stars.saturation)
        usable = np.where(full | ((bits & (BAD | NO_DATA)) != 0), np.float32(np.nan), values)
        return cls(frame, Pixels(usable, _noise(frame, values)), stars, stars.psf, full)

    @property
    def saturated_count(self) -> int:
        """Count the saturated sources."""
        return int(ndimage.label(self.full)[1])


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Both frames and the stars they have in common."""

    narrow: Side
    broad: Side
    stars: CommonStars

    @classmethod
    def of(cls, narrow: Frame, broad: Frame, saturation: tuple[float | None, float | None]) -> Self:
        """Look at both frames.

        Raises
        ------
        FrameMismatchError
            If they differ in shape or unit.
        ImagingError
            If they have too few unsaturated stars in common.
        """
        _require_alike(narrow, broad)
        first, second = Side.of(narrow, saturation[0], "narrow-band"), Side.of(broad, saturation[1], "broad-band")
        unusable = ~(np.isfinite(first.pixels.values) & np.isfinite(second.pixels.values))
        stars = CommonStars.of(first.stars, second.stars, max(first.psf.fwhm, second.psf.fwhm), unusable)
        if len(stars) < LEAST_STARS:
            raise ImagingError(
                f"{len(stars)} unsaturated stars of {first.stars.star_count} in the narrow-band and "
                f"{second.stars.star_count} in the broad-band frame lie within 2 pixels of each other; {LEAST_STARS} "
                "are needed: register the frames first, or check that they show one field",
                reason="too-few-stars",
            )
        return cls(first, second, stars)

    @property
    def sharper(self) -> str:
        """Which frame is the sharper one."""
        return "broad" if self.broad.psf.fwhm <= self.narrow.psf.fwhm else "narrow"

    @property
    def shift(self) -> tuple[float, float]:
        """Median shift of the stars, narrow minus broad."""
        return float(np.median(self.stars.dx)), float(np.median(self.stars.dy))

    def kernel(self) -> MatchingKernel:
        """Fit the kernel on isolated stars."""
        chosen = self.stars.isolated & (self.stars.snr > _LEAST_SNR)
        if chosen.sum() < LEAST_STARS:
            chosen = np.ones(len(self.stars), dtype=np.bool_)
        which = np.flatnonzero(chosen)[:_KERNEL_STARS]
        ours, theirs = np.column_stack([self.stars.x, self.stars.y])[which], (self.narrow, self.broad)
        sharp, wide = theirs if self.sharper == "narrow" else theirs[::-1]
        made = fit_kernel(sharp.pixels, wide.pixels, ours, (sharp.psf.fwhm, wide.psf.fwhm))
        if made.star_count == 0:
            raise ImagingError(
                f"none of {len(which)} common stars lies free of edges and bad pixels: no kernel can be fitted",
                reason="too-few-stars",
            )
        return made

    def matched(self, kernel: MatchingKernel) -> "Matched":
        """Convolve the sharper frame."""
        sharp, wide = (self.broad, self.narrow) if self.sharper == "broad" else (self.narrow, self.broad)
        values, share = convolve(sharp.pixels.values, kernel.values)
        squared = np.square(kernel.values)
        variance, _ = convolve(np.square(sharp.pixels.noise), squared / squared.sum())
        blurred = Pixels(values, np.sqrt(np.maximum(variance, 0.0) * np.float32(squared.sum())))
        kept = Pixels(wide.frame.real().astype(np.float32, copy=False), wide.pixels.noise)
        bits = self._bits(share, np.isfinite(values) & np.isfinite(kept.values))
        return Matched(*((kept, blurred) if self.sharper == "broad" else (blurred, kept)), bits)

    def _bits(self, share: NDArray[np.float32], known: NDArray[np.bool_]) -> Mask:
        bits = np.zeros(known.shape, np.uint8)
        for side in (self.narrow, self.broad):
            bits |= np.uint8(0) if side.frame.mask is None else side.frame.mask & np.uint8(0xFF ^ NO_DATA ^ SATURATED)
        reach = max(1, round(max(self.narrow.psf.fwhm, self.broad.psf.fwhm)))
        full = self.narrow.full | self.broad.full
        if full.any():
            full = ndimage.binary_dilation(full, iterations=reach)
        bits[full] |= SATURATED
        bits[(share < _LEAST_SHARE) & ~full] |= BAD
        bits[~known & ~full] |= NO_DATA
        return bits


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """Both frames with stars of one profile, and the bits of the result."""

    narrow: Pixels
    broad: Pixels
    bits: Mask

    def scale(self, pair: Pair) -> Scale:
        """Measure common stars in both and fit the ratio of their fluxes.

        Raises
        ------
        ImagingError
            If too few of them can be measured.
        """
        width = max(pair.narrow.psf.fwhm, pair.broad.psf.fwhm)
        aperture = Aperture(1.5 * width, 2.5 * width, 4.0 * width)
        x, y = pair.stars.x[:_SCALE_STARS], pair.stars.y[:_SCALE_STARS]
        place = (x, y) if pair.sharper == "narrow" else (x + pair.stars.dx[: len(x)], y + pair.stars.dy[: len(x)])
        ours = aperture.measure(self.narrow.values, pair.narrow.pixels.noise, *place)
        theirs = aperture.measure(self.broad.values, pair.broad.pixels.noise, *place)
        good = np.isfinite(ours[0]) & np.isfinite(theirs[0]) & (theirs[0] > 5 * theirs[1]) & (ours[0] > 3 * ours[1])
        if good.sum() < LEAST_STARS:
            raise ImagingError(
                f"{int(good.sum())} of {len(x)} common stars are bright enough for a flux in both frames; "
                f"{LEAST_STARS} are needed to find the scale of the continuum, or give --scale",
                reason="too-few-stars",
            )
        return fit_scale((ours[0][good], ours[1][good]), (theirs[0][good], theirs[1][good]))

    def error(self, scale: float) -> NDArray[np.float32]:
        """Propagate the errors to narrow - scale broad, shape (ny, nx)."""
        return np.asarray(np.hypot(self.narrow.noise, np.float32(scale) * self.broad.noise), dtype=np.float32)


def _require_alike(narrow: Frame, broad: Frame) -> None:
    if narrow.data.ndim != 2 or broad.data.ndim != 2 or narrow.shape != broad.shape:
        raise FrameMismatchError(
            f"the narrow-band frame {narrow.data.shape} and the broad-band frame {broad.data.shape} must have one "
            "shape of two axes: resample one onto the other, or take one colour plane"
        )
    if narrow.unit != broad.unit:
        raise FrameMismatchError(
            f"the narrow-band frame is in {narrow.unit or 'no unit'}, the broad-band frame in "
            f"{broad.unit or 'no unit'}: bring both to one unit",
            reason="unit-mismatch",
        )


def _told(frame: Frame) -> float | None:
    told = frame.header.get("SATURATE")
    return float(told) if isinstance(told, int | float) and told > 0 else None


def _noise(frame: Frame, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the error of a frame, or what its sky scatters where it has none."""
    if frame.err is not None:
        return np.where(np.isfinite(frame.err) & (frame.err > 0), frame.err, np.float32(np.nan)).astype(np.float32)
    mesh = mesh_background(values, mask=frame.mask)
    noise = np.full(values.shape, mesh.noise or 1.0, dtype=np.float32)
    egain = frame.header.get("EGAIN")
    if frame.unit == "adu" and isinstance(egain, int | float) and egain > 0 and mesh.level is not None:
        light = np.maximum(np.nan_to_num(values) - np.float32(mesh.level), 0.0)
        noise = np.sqrt(noise**2 + light / np.float32(egain))
    return noise
