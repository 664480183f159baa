"""Star lists over the sample fields, and the star indexes of the whole sky."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pictor.astrometry.indexes import installed
from pictor.astrometry.installing import InstallError, install
from pictor.imaging.astrometry.projection import sky_to_pixel
from pictor.imaging.astrometry.stars import FieldStars, SkyStars
from pictor.imaging.simulator.fields import star_table
from pictor.imaging.stars.starlist import StarList
from tests.support.starfields import Truth, projection, seen

ROOT = Path(__file__).resolve().parents[3]
SCALE = 1.4
"""Arcsec per pixel: frames of 58 by 47 arcmin, for which the sample index is made."""


def sample_truth(*, parity: int = 1, ra: float = 314.9, dec: float = 44.3) -> Truth:
    """A frame in the sample field NGC 7000."""
    return projection(ra=ra, dec=dec, scale=SCALE, pa=17.0, parity=parity, size=(2500, 2000))


def sample_sky(truth: Truth) -> SkyStars:
    """Tycho-2 stars that fall on a frame."""
    table = star_table()
    x, y = sky_to_pixel(truth.wcs, table.ra_deg, table.dec_deg)
    inside = (x > 0.5) & (x < truth.width + 0.5) & (y > 0.5) & (y < truth.height + 0.5)
    return SkyStars(table.ra_deg[inside], table.dec_deg[inside], table.mag[inside])


def write_stars(path: Path, stars: FieldStars, *, eccentricity: float = 0.4) -> Path:
    """Write stars as the quality service does."""
    ones, count = np.ones(len(stars.x)), len(stars.x)
    StarList(
        x=stars.x - 1, y=stars.y - 1, flux=stars.flux, flux_error=ones, peak=ones, snr=10 * ones, fwhm=3 * ones,
        hfr=ones,
        eccentricity=eccentricity * ones, ellipticity=0.1 * ones, theta=0 * ones,
        flags=np.zeros(count, dtype=np.int32), shape=(stars.height, stars.width),
    ).to_fits(path)  # fmt: skip
    return path


@pytest.fixture
def star_file(tmp_path: Path, rng: np.random.Generator) -> Callable[..., str]:
    """Write the star list of a frame in a sample field; returns its path."""

    def write(truth: Truth, *, junk: int = 40, **how: float) -> str:
        stars = seen(truth, sample_sky(truth), rng, junk=junk, **how)  # type: ignore[arg-type]
        return str(write_stars(tmp_path / "stars.fits", stars))

    return write


@pytest.fixture(scope="session")
def star_indexes() -> Path:
    """Folder of the Tycho-2 indexes: PICTOR_INDEX_DIR, or unpacked from Debian packages into var/ once."""
    given = os.environ.get("PICTOR_INDEX_DIR")
    folder = Path(given) if given else ROOT / "var" / "star-indexes"
    if not any(index.stars > 1_000_000 for index in installed([folder])):
        if given:
            pytest.skip(f"PICTOR_INDEX_DIR={given} holds no index of a million stars: pictor index install {given}")
        try:
            install(folder)
        except InstallError as error:
            pytest.skip(f"the star indexes are not here and cannot be installed: {error}")
    return folder
