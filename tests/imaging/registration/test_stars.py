import math

import numpy as np
import pytest
from numpy.typing import NDArray

from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.frame import HIT, Frame
from pictor.imaging.registration.stars import CHANCE, RegistrationError, match_stars, register
from pictor.imaging.registration.transform import Kind, Transform, apply, fit, inverted
from pictor.imaging.simulator.camera import Camera
from pictor.imaging.simulator.light import LightSpec, calibrate_ideally, render_light
from pictor.imaging.simulator.optics import Rig
from pictor.imaging.simulator.psf import Psf
from pictor.imaging.simulator.sky import Pointing, project
from pictor.imaging.stars.starlist import StarFlag, StarList

SHAPE = (1024, 1024)
MIDDLE = np.array([511.5, 511.5])


def starlist(xy: NDArray, flux: NDArray, shape: tuple[int, int] = SHAPE, *, flags: int = 0) -> StarList:
    """A star list with these positions, brightest first."""
    order, n = np.argsort(-flux, kind="stable"), len(flux)
    column = np.full(n, 3.0)
    return StarList(
        xy[order, 0], xy[order, 1], flux[order], np.full(n, 30.0), flux[order], flux[order] / 30.0, column, column,
        column, column, column, np.full(n, flags, np.int32), shape,
    )  # fmt: skip


def pair(rng: np.random.Generator, n: int, *, mirrored: bool) -> tuple[StarList, StarList, NDArray]:
    """Two views of one sky and the true matrix from the second to the first; 15 % of the stars miss in each."""
    xy, flux = rng.uniform(-512, 1536, (4 * n, 2)), 10 ** rng.uniform(2.3, 5, 4 * n)
    turn, scale, shift = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 2.0), rng.normal(0, 60, 2)
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    linear = linear @ np.diag([-1, 1]) if mirrored else linear
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = linear, MIDDLE + shift - linear @ MIDDLE
    views = []
    for place in (xy, np.column_stack(apply(inverted(matrix), xy[:, 0], xy[:, 1]))):
        seen = np.all((place > 0) & (place < 1023), axis=1) & (rng.random(len(place)) < 0.85)
        noise = rng.normal(0, 1, (seen.sum(), 2)) * 40 / flux[seen, None]
        views.append(starlist(place[seen] + noise, flux[seen] * rng.lognormal(0, 0.1, seen.sum())))
    return views[0], views[1], matrix


def corner_error(found: Transform, matrix: NDArray) -> float:
    """Largest difference over the frame between found and true places, in pixels of the reference."""
    x, y = (v.ravel() for v in np.meshgrid([0.0, 512.0, 1023.0], [0.0, 512.0, 1023.0]))
    (u, v), (p, q) = found.to_reference(x, y), apply(matrix, x, y)
    return float(np.hypot(u - p, v - q).max())


def test_any_shift_turn_scale_and_mirror_is_found() -> None:
    rng, errors = np.random.default_rng(1), []
    for trial in range(40):
        reference, other, matrix = pair(rng, int(rng.integers(40, 500)), mirrored=trial % 3 == 0)
        found = match_stars(reference, other)
        assert found.mirrored == (trial % 3 == 0)
        assert found.chance < CHANCE
        errors.append(corner_error(found, matrix))
    print(f"40 of 40 registered; error over the frame median {np.median(errors):.4f}, worst {max(errors):.4f} px")
    assert max(errors) < 0.3
    assert np.median(errors) < 0.02


def test_unrelated_fields_never_match() -> None:
    rng, refused = np.random.default_rng(2), 0
    for _ in range(15):
        lists = [
            starlist(rng.uniform(0, 1023, (n, 2)), 10 ** rng.uniform(2.3, 5, n))
            for n in (int(v) for v in rng.integers(4, 300, 2))
        ]
        with pytest.raises(RegistrationError):
            match_stars(*lists)
        refused += 1
    print(f"{refused} of 15 unrelated pairs refused")


def test_clustered_unrelated_fields_never_match() -> None:
    rng = np.random.default_rng(3)
    for _ in range(8):
        lists = [
            starlist(np.clip(MIDDLE + rng.normal(0, 60, (150, 2)), 0, 1023), 10 ** rng.uniform(2.3, 5, 150))
            for _ in range(2)
        ]
        with pytest.raises(RegistrationError):
            match_stars(*lists)


def test_mirror_images_are_left_alone_when_told() -> None:
    reference, other, _ = pair(np.random.default_rng(4), 100, mirrored=True)
    with pytest.raises(RegistrationError, match="same field"):
        match_stars(reference, other, mirrored=False)


def test_few_stars_are_refused_with_their_number() -> None:
    few = starlist(np.array([[10.0, 10], [500, 40], [300, 800]]), np.array([3e3, 2e3, 1e3]))
    with pytest.raises(RegistrationError, match="3 stars") as caught:
        match_stars(few, few)
    assert caught.value.reason == "too-few-stars"


def test_hot_pixels_do_not_register_frames() -> None:
    rng = np.random.default_rng(5)
    xy = rng.uniform(0, 1023, (100, 2))
    hot = starlist(xy, 10 ** rng.uniform(2.3, 5, 100), flags=int(StarFlag.HOT_PIXEL))
    with pytest.raises(RegistrationError):
        match_stars(hot, hot)


def test_distortion_asks_for_a_homography() -> None:
    rng = np.random.default_rng(6)
    xy, flux = rng.uniform(0, 1023, (200, 2)), 10 ** rng.uniform(3.5, 5, 200)
    matrix = np.array([[0.99, 0.02, 5.0], [-0.02, 1.01, -9.0], [8e-6, -5e-6, 1.0]])
    reference = starlist(np.column_stack(apply(matrix, xy[:, 0], xy[:, 1])), flux)
    found = match_stars(reference, starlist(xy, flux))
    print(f"{found.kind}: {found.matches} stars, {corner_error(found, matrix):.5f} px")
    assert found.kind is Kind.HOMOGRAPHY
    assert corner_error(found, matrix) < 0.01


def test_a_plain_shift_is_no_more_than_a_similarity() -> None:
    rng = np.random.default_rng(7)
    xy, flux = rng.uniform(0, 1023, (60, 2)), 10 ** rng.uniform(3, 5, 60)
    other = starlist(xy + rng.normal(0, 0.02, xy.shape), flux)
    found = match_stars(starlist(xy + np.array([3.3, -8.1]), flux), other)
    assert found.kind is Kind.SIMILARITY
    assert found.middle_shift() == pytest.approx((3.3, -8.1), abs=0.02)


@pytest.mark.parametrize("kind", list(Kind))
def test_fits_recover_what_they_may_do(kind: Kind) -> None:
    rng = np.random.default_rng(8)
    matrices = {
        Kind.TRANSLATION: [[1, 0, 4], [0, 1, -3], [0, 0, 1]],
        Kind.SIMILARITY: [[0.6, -0.8, 4], [0.8, 0.6, -3], [0, 0, 1]],
        Kind.AFFINE: [[0.9, 0.1, 4], [0.3, 1.2, -3], [0, 0, 1]],
        Kind.HOMOGRAPHY: [[0.9, 0.1, 4], [0.3, 1.2, -3], [1e-5, 2e-5, 1]],
    }  # fmt: skip
    xy, matrix = rng.uniform(0, 1000, (30, 2)), np.array(matrices[kind], dtype=float)
    found = fit(kind, xy, np.column_stack(apply(matrix, xy[:, 0], xy[:, 1])))
    np.testing.assert_allclose(found, matrix, atol=1e-7)


def test_points_on_a_line_determine_no_affine_transform() -> None:
    line = np.column_stack([np.arange(10.0), 2 * np.arange(10.0)])
    assert fit(Kind.AFFINE, line, line) is None
    assert fit(Kind.AFFINE, line[:2], line[:2]) is None


def simulated(seed: int, turn: float, shift: tuple[float, float], parity: int = -1) -> tuple[Frame, Pointing]:
    """A simulated light of 400 x 400 pixels, moved by pixels of the reference."""
    rig = Rig(camera=Camera(nx=400, ny=400))
    step = rig.scale_arcsec / 3600
    pointing = Pointing(
        83.8 + shift[0] * step / math.cos(math.radians(22)), 22.0 + shift[1] * step, rig.scale_arcsec, turn, parity
    )
    spec = LightSpec(pointing, rig, "L", 60.0, psf=Psf("moffat", 2.8), seed=seed)
    raw, _ = render_light(spec)
    return Frame(calibrate_ideally(raw, spec)), pointing


@pytest.mark.parametrize(
    ("turn", "shift", "parity"),
    [(0.0, (11.3, -7.8), -1), (180.0, (-20.4, 9.1), -1), (33.0, (5.5, 5.5), -1), (180.4, (3.3, -12.2), 1)],
)
def test_simulated_lights_register_to_a_twentieth_of_a_pixel(
    turn: float, shift: tuple[float, float], parity: int
) -> None:
    (reference, where), (other, there) = simulated(1, 0.0, (0.0, 0.0)), simulated(2, turn, shift, parity)
    found = register(reference, other)
    ra = where.ra_deg + np.linspace(-0.05, 0.05, 7).repeat(7)
    dec = where.dec_deg + np.tile(np.linspace(-0.05, 0.05, 7), 7)
    true = project(where, (400, 400), ra, dec)
    seen = found.to_reference(*project(there, (400, 400), ra, dec))
    bias = math.hypot(*(float(np.mean(s - t)) for s, t in zip(seen, true, strict=True)))
    error = float(np.sqrt(np.mean(np.square(np.subtract(seen, true)).sum(axis=0))))
    print(
        f"turn {turn} parity {parity}: {found.matches} stars, {found.kind}, error {error:.3f} px, shift {bias:.3f} px"
    )
    assert error < 0.05


def test_different_fields_do_not_register() -> None:
    reference, _ = simulated(1, 0.0, (0.0, 0.0))
    other, _ = simulated(2, 0.0, (3000.0, 2000.0))
    with pytest.raises(RegistrationError):
        register(reference, other)


def test_masked_pixels_are_no_stars_and_frames_stay_as_they_are() -> None:
    reference, _ = simulated(1, 0.0, (0.0, 0.0))
    other, _ = simulated(2, 5.0, (4.0, 4.0))
    data, mask = np.asarray(other.data).copy(), np.zeros((400, 400), np.uint8)
    data[100:110, 100:300], mask[100:110, 100:300] = 5e4, HIT
    data[300:310, 50:60] = np.nan
    before = data.copy()
    found, clean = register(reference, Frame(data, mask=mask)), register(reference, other)
    apart = np.subtract(found.to_reference(*MIDDLE[:, None] / 2), clean.to_reference(*MIDDLE[:, None] / 2))
    assert np.abs(apart).max() < 0.05
    np.testing.assert_array_equal(data, before)
    np.testing.assert_array_equal(found.matrix, register(reference, Frame(data, mask=mask)).matrix)


def test_unsigned_integers_register_like_reals() -> None:
    reference, _ = simulated(1, 0.0, (0.0, 0.0))
    other, _ = simulated(2, 5.0, (4.0, 4.0))
    whole = np.clip(np.rint(np.asarray(other.data) + 500), 0, 65535).astype(np.uint16)
    found, real = register(reference, whole), register(reference, whole.astype(np.float64))
    np.testing.assert_allclose(found.matrix, real.matrix, atol=1e-3)


def test_no_frame_is_no_frame() -> None:
    with pytest.raises(FrameMismatchError, match="axes"):
        register(np.zeros(4), np.zeros(4))


@pytest.mark.parametrize("count", [5, 20_000])
@pytest.mark.parametrize(
    ("turn_deg", "scale", "flip"), [(180.0, 1.0, 1), (0.0, 2.0, 1), (0.0, 0.5, 1), (180.0, 1.0, -1)]
)
def test_five_stars_or_twenty_thousand_are_enough_however_turned(
    count: int, turn_deg: float, scale: float, flip: int, rng: np.random.Generator
) -> None:
    turn = math.radians(turn_deg)
    matrix = np.eye(3)
    linear = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) @ np.diag([1, flip])
    matrix[:2, :2], matrix[:2, 2] = scale * linear, MIDDLE - scale * linear @ MIDDLE
    reach = 220.0 if count == 5 else 511.0
    xy, flux = MIDDLE + rng.uniform(-reach, reach, (count, 2)), 10 ** rng.uniform(3.0, 5.0, count)
    there = np.column_stack(apply(inverted(matrix), xy[:, 0], xy[:, 1]))
    seen = np.all((there > 0) & (there < 1023), axis=1)
    found = match_stars(starlist(xy, flux), starlist(there[seen], flux[seen]))
    print(f"{count} stars, {turn_deg:g} deg, x {scale:g}, flip {flip}: {corner_error(found, matrix):.4f} px off")
    assert corner_error(found, matrix) < 0.01
