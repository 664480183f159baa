"""The curve from ADU to grey values."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pictor.imaging.preview.levels import Levels, sample
from pictor.imaging.preview.scene import Scene
from pictor.imaging.preview.stretch import StretchKind, make_tables, midtones

TYPES = ["uint8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64", ">u2", ">f4"]


def as_type(frame: NDArray[np.uint16], dtype: str) -> NDArray[np.number]:
    """The same scene as a camera with that pixel type would write it."""
    kind = np.dtype(dtype)
    if kind.itemsize == 1:
        return (frame / 16).clip(0, 255).astype(kind)
    return (frame / 2).astype(kind) if kind.kind == "i" and kind.itemsize == 2 else frame.astype(kind)


@pytest.mark.parametrize("dtype", TYPES)
def test_the_median_sky_is_shown_at_a_quarter(sky: NDArray[np.uint16], dtype: str) -> None:
    shown = Scene.of(as_type(sky, dtype)).piece(slice(None))
    print(f"{dtype}: median grey {np.median(shown) / 255:.4f}")
    tolerance = 0.05 if dtype == "uint8" else 0.01  # a level of 75 with a noise of 2.5 has few grey values around it
    assert np.median(shown) / 255 == pytest.approx(0.25, abs=tolerance)


def test_black_lies_2p8_sigma_below_the_sky(sky: NDArray[np.uint16]) -> None:
    curve = Scene.of(sky).curves[0]
    print(f"median {curve.median}, sigma {curve.sigma:.2f}, black {curve.black:.1f}")
    assert curve.median == pytest.approx(1200, abs=2)
    assert curve.sigma == pytest.approx(40, rel=0.05)  # the MAD of integers is an integer, and stars widen it
    assert curve.black == pytest.approx(curve.median - 2.8 * curve.sigma, abs=1)


def test_midtones_moves_the_balance_to_the_middle_and_keeps_the_ends() -> None:
    assert midtones(0.1, np.asarray([0.0, 0.1, 1.0])) == pytest.approx([0.0, 0.5, 1.0])


@pytest.mark.parametrize("kind", list(StretchKind))
def test_brighter_pixels_are_never_shown_darker(sky: NDArray[np.uint16], kind: StretchKind) -> None:
    scene = Scene.of(sky, stretch=kind)
    table = scene.tables[0].astype(int)
    assert (np.diff(table) >= 0).all()
    assert table[0] == 0
    assert table[-1] == 255


def test_zscale_and_linear_are_straight_lines_between_their_limits(sky: NDArray[np.uint16]) -> None:
    for kind in (StretchKind.ZSCALE, StretchKind.LINEAR):
        scene = Scene.of(sky, stretch=kind)
        curve = scene.curves[0]
        middle = round((curve.black + curve.white) / 2)
        assert scene.tables[0][middle] == pytest.approx(127.5, abs=255 / (curve.white - curve.black) + 1)


def test_wild_float_pixels_do_not_take_the_grey_values_of_the_sky(sky: NDArray[np.uint16]) -> None:
    frame = sky.astype(np.float32)
    frame[::20, ::20] = 1e30
    frame[7::20, 7::20] = -1e30
    shown = Scene.of(frame).piece(slice(None))
    assert np.median(shown) / 255 == pytest.approx(0.25, abs=0.02)
    assert np.unique(shown).size > 100


def test_pixels_that_are_not_numbers_are_black_and_infinities_are_clipped(sky: NDArray[np.uint16]) -> None:
    frame = sky.astype(np.float32)
    frame[:100] = np.nan
    frame[100:110], frame[110:120] = np.inf, -np.inf
    shown = Scene.of(frame).piece(slice(None))[:, :, 0]
    assert (shown[:100] == 0).all()
    assert (shown[100:110] == 255).all()
    assert (shown[110:120] == 0).all()
    assert np.median(shown[120:]) / 255 == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(("value", "grey"), [(65535, 255), (0, 0)])
def test_a_saturated_frame_is_white_and_an_empty_one_black(value: int, grey: int) -> None:
    shown = Scene.of(np.full((64, 64), value, np.uint16)).piece(slice(None))
    assert (shown == grey).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_a_constant_frame_of_any_type_is_one_grey_value(dtype: str) -> None:
    shown = Scene.of(np.full((64, 64), 32, np.dtype(dtype))).piece(slice(None))
    assert np.unique(shown).size == 1


def test_a_frame_without_any_number_is_black() -> None:
    assert not Scene.of(np.full((20, 30), np.nan, np.float32)).piece(slice(None)).any()


def test_more_than_half_equal_pixels_still_show_the_rest(rng: np.random.Generator) -> None:
    frame = np.full((200, 200), 32, np.uint16)
    frame[50:90, 50:90] = 60
    shown = Scene.of(frame).piece(slice(None))[:, :, 0]
    assert shown[60, 60] > shown[0, 0] + 20


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16"])
def test_narrow_integers_keep_every_value_apart(dtype: str) -> None:
    limits = np.iinfo(dtype)
    values = np.arange(limits.min, limits.max + 1).astype(dtype).reshape(2, -1)
    levels = Levels.of(values.dtype, values)
    rows = levels.indices(values)
    assert np.unique(rows).size == values.size
    assert levels.value(float(rows[0, 0])) == pytest.approx(float(values[0, 0]))
    assert levels.value(float(rows[-1, -1])) == pytest.approx(float(values[-1, -1]))


def test_full_scale_integers_of_32_bits_do_not_wrap() -> None:
    frame = np.linspace(0, 2**32 - 1, 64 * 64).astype(np.uint32).reshape(64, 64)
    shown = Scene.of(frame, stretch=StretchKind.LINEAR).piece(slice(None))[:, :, 0].ravel().astype(int)
    assert (np.diff(shown) >= 0).all()
    assert shown[-1] == 255


def test_the_sample_of_a_large_frame_is_small_and_reads_no_more(rng: np.random.Generator) -> None:
    taken = sample(rng.integers(0, 9, (3000, 4000), dtype=np.uint16))
    assert 200_000 < taken.size < 900_000


def test_each_channel_is_stretched_by_itself(rng: np.random.Generator) -> None:
    samples = [rng.normal(level, 20, 5000).astype(np.uint16) for level in (800, 2000, 500)]
    tables, _ = make_tables(samples, Levels(0.0, 1.0, exact=True), StretchKind.STF)
    greys = [int(table[int(np.median(values))]) for table, values in zip(tables, samples, strict=True)]
    assert greys == [64, 64, 64]


def test_the_frame_is_not_changed(sky: NDArray[np.uint16]) -> None:
    before = sky.copy()
    Scene.of(sky, bayer="RGGB", row_order="BOTTOM-UP").piece(slice(None))
    assert np.array_equal(sky, before)
