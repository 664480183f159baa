"""Two frames made ready to be subtracted: their common stars, one profile, the scale of the continuum."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from pictor.imaging.continuum.convolving import Blurs
from pictor.imaging.continuum.matching import MatchingKernel, fit_kernel
from pictor.imaging.continuum.pairs import CommonStars, Floats
from pictor.imaging.continuum.scaling import Aperture, Scale, fit_scale
from pictor.imaging.continuum.sides import LEAST_STARS, Box, Reals, Side, around
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import Frame

_KERNEL_STARS, _SCALE_STARS = 160, 300
_LEAST_SNR = 20.0
_CHUNK = 32
# Fluxes of stars are measured to this radius, the sky around them between these, in FWHM; a larger circle would hold
# more of a nebula's structure, a smaller one would tell the profiles apart.
_RADIUS, _INNER, _OUTER = 1.25, 2.0, 3.5
# What the surroundings scatter is seen in circles without the star at this distance, in so many directions.
_AWAY, _DIRECTIONS = 4.5, 8


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
        width = max(first.psf.fwhm, second.psf.fwhm)
        stars = CommonStars.of(first.stars, second.stars, width, first.unusable | second.unusable)
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
    def ordered(self) -> tuple[Side, Side]:
        """The sharper frame, then the other."""
        return (self.broad, self.narrow) if self.sharper == "broad" else (self.narrow, self.broad)

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
        sharp, wide = self.ordered
        places = np.column_stack([self.stars.x, self.stars.y])[which]
        made = fit_kernel(sharp, wide, places, (sharp.psf.fwhm, wide.psf.fwhm))
        if made.star_count == 0:
            raise ImagingError(
                f"none of {len(which)} common stars lies free of edges and bad pixels: no kernel can be fitted",
                reason="too-few-stars",
            )
        return made

    def scale(self, blurs: Blurs) -> Scale:
        """Measure common stars in both and fit the ratio of their fluxes.

        Where a nebula has structure, what circles around a star scatter is added to the error of its flux.

        Raises
        ------
        ImagingError
            If too few of them can be measured.
        """
        parts = [self._fluxes(blurs, slice(first, first + _CHUNK)) for first in range(0, self._count, _CHUNK)]
        ours, own, theirs, other, rough = (np.concatenate(one) for one in zip(*parts, strict=True))
        good = np.isfinite(ours) & np.isfinite(theirs) & (theirs > 5 * other) & (ours > 3 * own)
        if good.sum() < LEAST_STARS:
            raise ImagingError(
                f"{int(good.sum())} of {self._count} common stars are bright enough for a flux in both frames; "
                f"{LEAST_STARS} are needed to find the scale of the continuum, or give --scale",
                reason="too-few-stars",
            )
        return fit_scale((ours[good], np.hypot(own, rough)[good]), (theirs[good], other[good]))

    @property
    def _count(self) -> int:
        return min(len(self.stars), _SCALE_STARS)

    def _fluxes(self, blurs: Blurs, chunk: slice) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Fluxes and errors in the narrow and the broad frame, and what the surroundings scatter beyond the noise."""
        width = max(self.narrow.psf.fwhm, self.broad.psf.fwhm)
        aperture = Aperture(_RADIUS * width, _INNER * width, _OUTER * width)
        reach = math.ceil((_AWAY + _OUTER) * width) + 1
        chunk = slice(chunk.start, min(chunk.stop, self._count))
        x, y = self.stars.x[chunk], self.stars.y[chunk]
        if self.sharper == "broad":
            x, y = x + self.stars.dx[chunk], y + self.stars.dy[chunk]
        places = [(round(float(a)), round(float(b))) for a, b in zip(x, y, strict=True)]
        stamps = [matched_part(self, blurs, around(*place, reach), place) for place in places]
        narrow, narrow_noise, broad, broad_noise = (np.stack([one[k] for one in stamps]) for k in range(4))
        off = x - [place[0] for place in places], y - [place[1] for place in places]
        ours, own = aperture.stamps(narrow, narrow_noise, *off)
        theirs, other = aperture.stamps(broad, broad_noise, *off)
        usual = np.nanmedian(ours / theirs) if np.isfinite(ours / theirs).any() else 0.0
        rest, noise = narrow - np.float32(usual) * broad, np.hypot(narrow_noise, np.float32(usual) * broad_noise)
        around_them = [
            aperture.stamps(
                rest, noise, off[0] + _AWAY * width * math.cos(turn), off[1] + _AWAY * width * math.sin(turn)
            )
            for turn in np.arange(_DIRECTIONS) * (2 * math.pi / _DIRECTIONS)
        ]
        return ours, own, theirs, other, _roughness(around_them)


def matched_part(pair: Pair, blurs: Blurs, box: Box, place: tuple[float, float]) -> tuple[Reals, Reals, Reals, Reals]:
    """Give a part of both frames with stars of one profile: narrow and its noise, broad and its noise."""
    sharp, wide = pair.ordered
    blur = blurs.near(*place)
    larger = grown(box, blurs.half)
    values, _ = blur.values_of(sharp.window(larger), sharp.level)
    blurred = values, blur.noise_of(sharp.noise(larger))
    kept = wide.window(box), wide.noise(box)
    return (*kept, *blurred) if pair.sharper == "broad" else (*blurred, *kept)


def grown(box: Box, by: int) -> Box:
    """Give a box with more pixels on all sides."""
    return slice(box[0].start - by, box[0].stop + by), slice(box[1].start - by, box[1].stop + by)


def _roughness(found: Sequence[tuple[Floats, Floats]]) -> Floats:
    """Robust scatter of fluxes that should be nothing, beyond their noise; 0 where none is known."""
    fluxes, errors = (np.array([one[k] for one in found]) for k in range(2))
    known = np.isfinite(fluxes)
    squares = np.where(known, np.square(fluxes), np.nan)
    expected = np.where(known, np.square(errors), np.nan)
    made = np.zeros(fluxes.shape[1])
    some = known.sum(axis=0) >= _DIRECTIONS // 2
    made[some] = 2.198 * np.nanmedian(squares[:, some], axis=0) - np.nanmedian(expected[:, some], axis=0)
    return np.sqrt(np.maximum(made, 0.0))


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
