from dataclasses import replace

import numpy as np
import pytest
import sep

from pictor.imaging.background import mesh_background
from pictor.imaging.errors import FrameMismatchError
from tests.support.sky import Recipe, render, sky_plane

FIELD = Recipe(shape=(640, 800), fwhm=4.5, profile="moffat", stars=300)


def test_level_noise_and_gradient_are_found_under_stars() -> None:
    sky = render(FIELD)
    found = mesh_background(sky.image)
    residual = (found.evaluate() - sky_plane(FIELD)) / sky.sky_sigma
    print(f"level {np.median(residual):+.3f}, worst {np.abs(residual).max():.3f} sigma")
    assert abs(float(np.median(residual))) < 0.05
    assert np.percentile(np.abs(residual), 99) < 0.3
    assert found.noise == pytest.approx(sky.sky_sigma, rel=0.03)
    plane = found.plane()
    assert plane is not None
    assert plane[0] == pytest.approx(FIELD.gradient, rel=0.1)


def test_it_agrees_with_sep_on_ordinary_frames() -> None:
    sky = render(FIELD)
    peer = sep.Background(sky.image.astype(np.float32))
    found = mesh_background(sky.image)
    assert found.level == pytest.approx(peer.globalback, abs=0.15 * sky.sky_sigma)
    assert found.noise == pytest.approx(peer.globalrms, rel=0.06)


@pytest.mark.parametrize("kind", [np.uint16, np.float32, np.float64])
def test_the_pixel_type_does_not_matter(kind: type) -> None:
    sky = render(FIELD)
    assert mesh_background(sky.image.astype(kind)).level == pytest.approx(mesh_background(sky.image).level, abs=0.5)


def test_coarse_values_are_measured_finer_than_their_step(rng: np.random.Generator) -> None:
    fine = rng.normal(1000.3, 3.0, (256, 256))
    assert mesh_background(np.rint(fine).astype(np.uint16)).level == pytest.approx(1000.3, abs=0.15)
    sixteens = (16 * np.rint(rng.normal(1000.3, 40.0, (256, 256)) / 16)).astype(np.uint16)
    assert mesh_background(sixteens).level == pytest.approx(1000.3, abs=4.0)


def test_masked_and_missing_pixels_do_not_count(rng: np.random.Generator) -> None:
    image = rng.normal(100.0, 5.0, (300, 300)).astype(np.float32)
    image[:, :150] = np.nan
    image[:100, 150:] = 9000.0
    mask = np.zeros(image.shape, dtype=np.uint8)
    mask[:100] = 1
    found = mesh_background(image, mask=mask)
    assert found.level == pytest.approx(100.0, abs=0.5)
    assert np.isfinite(found.evaluate()).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (20, 20), (63, 500), (65, 65)])
def test_images_smaller_than_a_cell_work(shape: tuple[int, int]) -> None:
    found = mesh_background(np.full(shape, 42, dtype=np.uint16))
    assert found.evaluate().shape == shape
    if min(shape) > 2:
        assert found.level == pytest.approx(42.0, abs=0.5)


def test_an_image_without_values_has_no_level() -> None:
    found = mesh_background(np.full((100, 100), np.nan))
    assert found.level is found.noise is found.plane() is None


def test_a_bright_star_over_a_whole_cell_is_not_sky() -> None:
    sky = render(replace(FIELD, stars=0))
    image = sky.image.astype(np.float32)
    image[256:320, 320:400] += 5000.0
    found = mesh_background(image)
    assert np.abs(found.evaluate() - sky_plane(FIELD)).max() < 20.0 * sky.sky_sigma
    assert found.level == pytest.approx(sky.level, abs=0.1 * sky.sky_sigma)


def test_a_mask_of_another_shape_is_refused_in_words() -> None:
    with pytest.raises(FrameMismatchError, match=r"\(2, 2\)"):
        mesh_background(np.zeros((4, 4)), mask=np.zeros((2, 2)))
