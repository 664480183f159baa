"""Arithmetic of frames: nothing truncated, nothing wrapped, errors, masks and units as CCDData has them."""

from collections.abc import Callable

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty

from pictor.imaging.arithmetic import add, divide, multiply, subtract
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import BAD, NO_DATA, SATURATED, Frame

SHAPE = (16, 20)
ALL = {"add": add, "subtract": subtract, "multiply": multiply, "divide": divide}
Operation = Callable[..., Frame]


def pair(rng: np.random.Generator, one: str, two: str) -> tuple[Frame, Frame]:
    first, second = rng.uniform(100, 200, SHAPE), rng.uniform(10, 20, SHAPE)
    return (
        Frame(first, rng.uniform(1, 3, SHAPE), header=fits.Header({"OBJECT": "first"}), unit=one),
        Frame(second, rng.uniform(0.1, 0.3, SHAPE), header=fits.Header({"OBJECT": "second"}), unit=two),
    )


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("units", [("adu", "adu"), ("electron", "electron"), ("adu", ""), ("", "")])
def test_values_errors_and_units_are_those_of_ccddata(
    rng: np.random.Generator, name: str, units: tuple[str, str]
) -> None:
    one, two = pair(rng, *units)
    if name in {"add", "subtract"} and units[0] != units[1]:
        with pytest.raises(ImagingError, match="cannot be added or subtracted"):
            ALL[name](one, two)
        return
    ours = ALL[name](one, two)
    theirs = getattr(one.to_ccddata(), name)(two.to_ccddata())
    np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-14)
    np.testing.assert_allclose(ours.err, theirs.uncertainty.array, rtol=1e-12)
    assert u.Unit(ours.unit) == theirs.unit
    assert ours.header["OBJECT"] == "first"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("number_first", [False, True])
def test_a_number_on_either_side_is_that_of_ccddata(rng: np.random.Generator, name: str, *, number_first: bool) -> None:
    one, _ = pair(rng, "electron", "")
    if number_first:
        ours = ALL[name](3.0, one)
        number = 3.0 * u.electron if name in {"add", "subtract"} else 3.0 * u.dimensionless_unscaled
        full = CCDData(np.full(SHAPE, number.value), unit=number.unit)
        theirs = getattr(full, name)(one.to_ccddata())
    else:
        ours = ALL[name](one, 3.0)
        number = 3.0 * u.electron if name in {"add", "subtract"} else 3.0
        theirs = getattr(one.to_ccddata(), name)(number)
    np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-14)
    np.testing.assert_allclose(ours.err, theirs.uncertainty.array, rtol=1e-12)
    assert u.Unit(ours.unit) == theirs.unit


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.int32, np.uint32])
def test_integers_are_never_truncated_and_never_wrap(kind: type) -> None:
    three, two, one = (np.full(SHAPE, value, kind) for value in (3, 2, 1))
    assert (divide(three, two).data == 1.5).all()
    assert (subtract(one, two).data == -1).all()
    largest = np.full(SHAPE, np.iinfo(kind).max, kind)
    assert (add(largest, largest).data == 2.0 * np.iinfo(kind).max).all()
    assert (multiply(largest, 2).data == 2.0 * np.iinfo(kind).max).all()
    assert (divide(1, two).data == 0.5).all()
    assert (largest == np.iinfo(kind).max).all()


def test_scattered_samples_scatter_as_the_errors_say(rng: np.random.Generator) -> None:
    for name, work in ALL.items():
        a, b = rng.normal(1000, 5, (200, 300)), rng.normal(400, 3, (200, 300))
        result = work(Frame(a, np.full(a.shape, 5.0)), Frame(b, np.full(b.shape, 3.0)))
        pull = float(np.std(result.data - np.mean(result.data)) / np.median(result.err))
        print(f"{name}: scatter over error {pull:.4f}")
        assert pull == pytest.approx(1.0, abs=0.01)


def test_division_by_zero_is_no_number_and_says_so_in_the_mask() -> None:
    flat = np.ones(SHAPE, np.float32)
    flat[2, 3] = 0
    result = divide(np.full(SHAPE, 7, np.uint16), Frame(flat, np.ones(SHAPE, np.float32)))
    assert np.isnan(result.data[2, 3])
    assert np.isnan(result.err[2, 3])
    assert (result.mask[2, 3], int((result.mask != 0).sum())) == (NO_DATA, 1)
    assert divide(np.ones(SHAPE), 0).mask.all()


def test_masks_are_joined_and_values_that_are_none_stay_none() -> None:
    one, two = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    one[1, 1], two[1, 1], two[2, 2] = BAD, SATURATED, NO_DATA
    pixels = np.ones(SHAPE)
    pixels[3, 3] = np.nan
    for work in ALL.values():
        result = work(Frame(pixels, mask=one), Frame(np.ones(SHAPE), mask=two))
        assert [int(result.mask[i, i]) for i in range(5)] == [0, BAD | SATURATED, NO_DATA, NO_DATA, 0]
        assert np.isnan(result.data[[2, 3], [2, 3]]).all()


@pytest.mark.parametrize("name", ALL)
def test_the_operands_are_not_changed_and_the_result_is_the_same_twice(rng: np.random.Generator, name: str) -> None:
    one, two = pair(rng, "adu", "adu")
    before = [part.copy() for frame in (one, two) for part in (frame.data, frame.err)]
    first, second = ALL[name](one, two), ALL[name](one, two)
    first.header["OBJECT"] = "changed"
    for part, was in zip((one.data, one.err, two.data, two.err), before, strict=True):
        np.testing.assert_array_equal(part, was)
    np.testing.assert_array_equal(first.data, second.data)
    assert one.header["OBJECT"] == "first"


def test_units_follow_the_calculation() -> None:
    adu, gain = Frame(np.ones(SHAPE)), 1.5 * u.electron / u.adu
    assert multiply(adu, gain).unit == "electron"
    assert multiply(adu, 1.5).unit == "adu"
    assert divide(adu, adu).unit == ""
    assert divide(1.0, adu).unit == "1 / adu"
    assert divide(adu, 60 * u.s).unit == "adu / s"
    assert subtract(adu, 5 * u.adu).unit == "adu"
    assert (add(Frame(np.ones(SHAPE), unit="Jy"), 500 * u.mJy).data == 1.5).all()


@pytest.mark.parametrize("work", [add, subtract])
def test_adu_and_electrons_are_not_added(work: Operation) -> None:
    with pytest.raises(ImagingError, match="'adu' and 'electron' cannot be added") as caught:
        work(Frame(np.ones(SHAPE)), CCDData(np.ones(SHAPE), unit="electron"))
    assert caught.value.reason == "unit-mismatch"
    with pytest.raises(ImagingError):
        work(3 * u.electron, Frame(np.ones(SHAPE)))
    with pytest.raises(ImagingError, match="not known"):
        multiply(Frame(np.ones(SHAPE), unit="furlongs"), Frame(np.ones(SHAPE)))


def test_a_plane_meets_every_plane_of_a_colour_frame() -> None:
    colour = Frame(np.stack([np.full(SHAPE, v, np.uint16) for v in (10, 20, 30)]), np.ones((3, *SHAPE)))
    flat = np.full(SHAPE, 2.0)
    flat[0, 0] = 0
    result = divide(colour, flat)
    assert [float(plane[1, 1]) for plane in result.data] == [5.0, 10.0, 15.0]
    assert result.err.shape == (3, *SHAPE)
    assert result.mask[0, 0] == NO_DATA
    assert subtract(flat, colour).data.shape == (3, *SHAPE)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(FrameMismatchError, match=r"\(16, 20\) and \(20, 16\)"):
        add(np.ones(SHAPE), np.ones((20, 16)))
    with pytest.raises(FrameMismatchError):
        add(np.ones((3, *SHAPE)), np.ones((2, *SHAPE)))
    with pytest.raises(FrameMismatchError, match="two numbers"):
        add(1, 2)
    with pytest.raises(ImagingError, match="no number"):
        add(np.ones(SHAPE), float("nan"))


def test_an_operand_without_error_counts_as_exact() -> None:
    known = CCDData(np.full(SHAPE, 10.0), unit="adu", uncertainty=StdDevUncertainty(np.full(SHAPE, 2.0)))
    np.testing.assert_allclose(subtract(np.full(SHAPE, 3.0), known).err, 2.0)
    np.testing.assert_allclose(multiply(known, np.full(SHAPE, 3.0)).err, 6.0)
    assert add(np.ones(SHAPE), np.ones(SHAPE)).err is None


def test_large_integers_keep_their_digits() -> None:
    large = np.full(SHAPE, 2**31 - 1, np.int32)
    assert (subtract(large, 2**31 - 2).data == 1).all()
    assert subtract(large, 1).data.dtype == np.float64
    assert subtract(np.ones(SHAPE, np.uint16), 1).data.dtype == np.float32
