"""One picture in every encoding gives the same numbers, up to the scale and the steps of its values."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from scipy.spatial import cKDTree

from pictor.imaging.frame import Frame
from pictor.imaging.quality.frames import quality_of
from pictor.imaging.quality.measuring import Quality
from pictor.imaging.stars.measuring import Measured, measure_frame

pytestmark = pytest.mark.real

SCALES = {"mono-double": 1.0, "mono-float": 1.0, "mono-integer": 2.0**32 - 1, "mono-short": 2.0**16 - 1}


@cache
def measured(folder: Path, kind: str) -> tuple[Measured, Quality]:
    found = measure_frame(Frame.from_fits(folder / f"lights/nebulosa-ngc3372/NGC3372-{kind}.fits"))
    return found, quality_of(found)


def agreeing(one: Measured, other: Measured) -> float:
    """Share of the stars of one that the other has within half a pixel."""
    first, second = (found.stars.select(found.stars.is_star & (found.stars.snr > 15)) for found in (one, other))
    places = np.column_stack([other.stars.x, other.stars.y])
    assert len(second)
    return float((cKDTree(places).query(np.column_stack([first.x, first.y]))[0] < 0.5).mean())


@pytest.mark.parametrize("kind", ["mono-float", "mono-integer", "mono-short"])
def test_every_bitpix_gives_the_numbers_of_the_doubles_times_its_scale(real_data: Path, kind: str) -> None:
    (reference, expected), (found, quality) = measured(real_data, "mono-double"), measured(real_data, kind)
    scale = SCALES[kind]
    exact = kind != "mono-short"  # whose steps are a tenth of the noise
    assert expected.background_adu is not None
    assert quality.background_adu is not None
    assert expected.noise_adu is not None
    assert quality.noise_adu is not None
    print(
        f"{kind}: {found.stars.star_count} stars of {reference.stars.star_count}, level "
        f"{quality.background_adu / scale / expected.background_adu:.4f}, noise "
        f"{quality.noise_adu / scale / expected.noise_adu:.4f}, HFR {quality.hfr_px:.4f} of {expected.hfr_px:.4f}"
    )
    assert found.stars.star_count == pytest.approx(reference.stars.star_count, rel=0.0 if exact else 0.03)
    assert quality.background_adu / scale == pytest.approx(expected.background_adu, rel=1e-4 if exact else 0.02)
    assert quality.noise_adu / scale == pytest.approx(expected.noise_adu, rel=1e-4 if exact else 0.03)
    assert quality.hfr_px == pytest.approx(expected.hfr_px, rel=1e-4 if exact else 0.02)
    assert agreeing(reference, found) == 1.0 if exact else agreeing(reference, found) > 0.98


def test_bytes_hold_the_bright_stars_and_a_sky_of_zero_within_their_step(real_data: Path) -> None:
    (reference, _), (found, quality) = measured(real_data, "mono-double"), measured(real_data, "mono-byte")
    assert quality.background_adu == pytest.approx(0.0, abs=0.05)
    assert quality.noise_adu is not None
    assert 0.25 < quality.noise_adu < 0.5
    assert found.stars.star_count < reference.stars.star_count
    print(
        f"bytes: {found.stars.star_count} stars of {reference.stars.star_count}, {agreeing(found, reference):.3f} agree"
    )
    assert agreeing(found, reference) > 0.95
    assert "stored in steps of 1," in found.cautions[0]
    assert not reference.cautions


def test_colour_planes_give_the_stars_of_the_grey_picture(real_data: Path) -> None:
    (grey, _), (colour, _) = measured(real_data, "mono-short"), measured(real_data, "color-short")
    print(f"colour: {colour.stars.star_count} stars, grey {grey.stars.star_count}, {agreeing(grey, colour):.3f} agree")
    assert agreeing(grey, colour) > 0.9


def test_a_compressed_frame_gives_the_numbers_of_the_plain_one(real_data: Path, tmp_path: Path) -> None:
    path = real_data / "lights/exotic-microobservatory/HATP-32171220030312.FITS"
    data, header = fits.getdata(path, header=True)
    fits.CompImageHDU(data, header, compression_type="RICE_1").writeto(tmp_path / "frame.fits.fz")
    plain, packed = measure_frame(Frame.from_fits(path)), measure_frame(Frame.from_fits(tmp_path / "frame.fits.fz"))
    assert np.array_equal(plain.stars.flux, packed.stars.flux)
    assert plain.sky.level == packed.sky.level
