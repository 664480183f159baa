"""From ingest to the processed FITS: facts, cards, and the product in its parts."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from pictor.header.compute import observe, write
from pictor.imaging.errors import ImagingError
from pictor.ingest.compute import describe

SITE = {"latitude_deg": 37.4417, "longitude_deg": -122.163, "elevation_m": 30.0, "name": "Hill"}
CARDS = [
    ["CRVAL1", 188.10594, ""], ["CRVAL2", 8.09618, ""], ["CRPIX1", 1164.5, ""], ["CRPIX2", 880.5, ""],
    ["CD1_1", -7.36e-4, ""], ["CD1_2", 1e-6, ""], ["CD2_1", 1e-6, ""], ["CD2_2", 7.36e-4, ""],
]  # fmt: skip
SOLUTION = {"ra_deg": 188.10594, "dec_deg": 8.09618, "scale_arcsec": 2.6494, "matched": 21, "solver": "engine"}
QUALITY = {"fwhm_px": 2.9, "star_count": 146, "background_adu": 612.5, "grade": "B", "grade_rules": "default 1"}


@pytest.mark.real
def test_a_real_light_becomes_a_processed_fits(real_data: Path, tmp_path: Path) -> None:
    raw = real_data / "lights/kstars-asi1600-autofocus/ngc4535-autofocus3.fits"
    found = describe(str(raw), raw.name, str(tmp_path))
    facts = observe(found["description"], site=SITE, position=[188.10594, 8.09618], upload={"observer": "Ada"})
    assert facts["night"] == "2020-04-12"
    assert facts["facts"]["airmass"] == pytest.approx(1.630221, abs=0.005)
    assert facts["facts"]["position_source"] == "solution"
    made = write(
        str(raw), str(tmp_path), geometry=found["geometry"], observation=facts["cards"], wcs=CARDS, solution=SOLUTION,
        quality=QUALITY, history=["Pictor 0.1.0: solved and measured"],
    )  # fmt: skip
    head, data = Path(made["head"]).read_bytes(), raw.read_bytes()
    assert len(head) > 5 * 1024 * 1024
    product = tmp_path / "product.fits"
    product.write_bytes(head + data[made["resume_offset"] : made["resume_offset"] + made["resume_size"]])
    assert product.stat().st_size == made["size"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(product, checksum=True) as hdus, fits.open(raw) as before:
            header = hdus[0].header
            np.testing.assert_array_equal(hdus[0].data, before[0].data)
    centre = WCS(header).pixel_to_world_values(1163.5, 879.5)
    np.testing.assert_allclose(centre, (188.10594, 8.09618), atol=1e-9)
    assert "CDELT1" not in header
    assert "CROTA2" not in header
    assert (header["OBSERVER"], header["OBSERVAT"], header["QGRADE"], header["RA"]) == ("Ada", "Hill", "B", 188.10594)
    assert header.comments["SKYLEVEL"].startswith("[adu/pix]")
    assert header["HISTORY"][-1] == "Pictor 0.1.0: solved and measured"


@pytest.mark.real
def test_whole_and_composed_products_are_the_same(real_data: Path, tmp_path: Path) -> None:
    raw = real_data / "lights/kstars-asi1600-autofocus/ngc4535-autofocus3.fits"
    geometry = describe(str(raw), raw.name, str(tmp_path))["geometry"]
    part = write(str(raw), str(tmp_path), geometry=geometry, wcs=CARDS, quality=QUALITY)
    composed = Path(part["head"]).read_bytes() + raw.read_bytes()[part["resume_offset"] :][: part["resume_size"]]
    whole = write(str(raw), str(tmp_path), geometry=geometry, wcs=CARDS, quality=QUALITY, whole=True)
    assert Path(whole["head"]).read_bytes() == composed
    assert whole["size"] == part["size"]
    assert whole["resume_size"] == 0


@pytest.mark.real
def test_a_compressed_frame_stays_compressed(real_data: Path, tmp_path: Path) -> None:
    raw = real_data / "odd/derived/rice.fits.fz"
    found = describe(str(raw), raw.name, str(tmp_path))
    made = write(str(raw), str(tmp_path), geometry=found["geometry"], wcs=CARDS, quality=QUALITY)
    assert made["resume_size"] == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(made["head"], checksum=True) as hdus, fits.open(raw) as before:
            assert isinstance(hdus[1], fits.CompImageHDU)
            assert hdus[1].header["FWHM"] == 2.9
            np.testing.assert_array_equal(hdus[1].data, before[1].data)


@pytest.mark.real
def test_a_header_without_solution_keeps_its_coordinates(real_data: Path, tmp_path: Path) -> None:
    raw = real_data / "lights/panoptes-pocs/pole.fits"
    geometry = describe(str(raw), raw.name, str(tmp_path))["geometry"]
    made = write(str(raw), str(tmp_path), geometry=geometry, quality=QUALITY)
    assert fits.getheader(made["head"])["CRVAL1"] == 38.5347431936


@pytest.mark.real
@pytest.mark.parametrize("name", ["lights/panoptes-pocs/tiny.fits", "headers/msumastro/maximdl_6_18_header.fit"])
def test_a_header_with_flipped_bytes_is_refused_or_becomes_one_that_verifies(
    name: str, real_data: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    good, raw = (real_data / name).read_bytes(), tmp_path / "in.fits"
    written = 0
    for _ in range(25):
        damaged = bytearray(good)
        for position in rng.integers(400, 5760, 4):
            damaged[position] = int(rng.choice(list(b"09 -T'/=e")))
        raw.write_bytes(damaged)
        try:
            found = describe(str(raw), raw.name, str(tmp_path))
        except ImagingError:
            continue
        facts = observe(found["description"], site=SITE)
        made = write(str(raw), str(tmp_path), geometry=found["geometry"], observation=facts["cards"], wcs=CARDS)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fits.open(made["head"], checksum=True).close()
        assert not [warning for warning in caught if "verification failed" in str(warning.message)]
        written += 1
    print(f"{written} of 25 written")
    assert written > 10
