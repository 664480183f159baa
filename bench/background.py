"""The sky of a frame of 24 MP with stars in it, against photutils' Background2D, in turns."""

from collections.abc import Iterator

import numpy as np
from bench.clock import side_by_side
from bench.rows import Bound, Of, Row
from numpy.typing import NDArray
from photutils.background import Background2D, MedianBackground

from pictor.imaging.background import mesh_background
from tests.support.sky import Recipe, render

SKY_ADU = 1600.0
CELL = 64
LIMIT = 0.1
"""Of the time photutils takes: nobody promised it, but a slower sky would not be worth keeping."""


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure both, and how far each is off the truth."""
    shape, stars = ((2000, 2000), 2000) if quick else ((4000, 6000), 12_000)
    recipe = Recipe(shape=shape, fwhm=3.6, profile="moffat", beta=3.5, stars=stars, sky=SKY_ADU)
    image = render(recipe).image
    seconds, theirs = side_by_side(lambda: ours(image), lambda: peer(image), 1 if quick else 5)
    told = f"off the truth in 95 % of pixels at most: ours {off(ours(image)):.2f} ADU, peer {off(peer(image)):.2f} ADU"
    yield Row(
        f"sky of a frame with {stars} stars, {image.size / 1e6:.0f} MP, as a plane", "s", seconds, theirs,
        "photutils Background2D", n=1 if quick else 5, accuracy=told, bounds=(Bound(Of.RATIO, LIMIT),),
    )  # fmt: skip


def ours(image: NDArray[np.number]) -> NDArray[np.float32]:
    """Mesh and plane of ours."""
    return np.asarray(mesh_background(image).evaluate(), np.float32)


def peer(image: NDArray[np.number]) -> NDArray[np.float32]:
    """Mesh and plane of photutils."""
    return np.asarray(Background2D(image, CELL, bkg_estimator=MedianBackground()).background, np.float32)


def off(sky: NDArray[np.float32]) -> float:
    """Return the 95th percentile of the distance from the truth."""
    return float(np.percentile(np.abs(sky - np.float32(SKY_ADU)), 95))
