"""Frames from and to files and the containers of astropy: nothing of pixels, errors, masks, units and sky is lost."""

import bz2
import gzip
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import (
    CCDData,
    InverseVariance,
    NDData,
    StdDevUncertainty,
    UnknownUncertainty,
    VarianceUncertainty,
)
from astropy.wcs import WCS

from pictor.imaging.errors import FrameMismatchError, ImagingError, UnreadableFrameError
from pictor.imaging.frame import BAD, HIT, NO_DATA, SATURATED, Frame
from pictor.imaging.products import Input, Provenance, write_product
from pictor.imaging.units import spelled

SHAPE = (24, 32)


def solved(crval: tuple[float, float] = (150.0, 20.0)) -> fits.Header:
    """Cards of a turned field of 1 arcsecond per pixel."""
    return fits.Header({
        "OBJECT": "M 51", "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 16.5, "CRPIX2": 12.5,
        "CRVAL1": crval[0], "CRVAL2": crval[1], "CD1_1": -2.7e-4, "CD1_2": 1e-5, "CD2_1": 1.1e-5, "CD2_2": 2.7e-4,
    })  # fmt: skip


def made(rng: np.random.Generator) -> Frame:
    mask = np.zeros(SHAPE, np.uint8)
    mask[3, 4], mask[5, 6] = SATURATED | HIT, BAD
    data = rng.normal(500, 10, SHAPE).astype(np.float32)
    return Frame(data, np.sqrt(data).astype(np.float32), mask, solved(), "electron")


def test_a_frame_goes_through_ccddata_and_back_without_a_loss(rng: np.random.Generator) -> None:
    frame = made(rng)
    ccd = frame.to_ccddata()
    assert (ccd.unit, ccd.header["OBJECT"]) == (u.electron, "M 51")
    assert (ccd.mask == (frame.mask != 0)).all()
    back = Frame.from_nddata(ccd)
    for name in ("data", "err", "mask"):
        np.testing.assert_array_equal(getattr(back, name), getattr(frame, name))
    assert back.unit == "electron"
    assert back.wcs == frame.wcs
    assert back.header["OBJECT"] == "M 51"


def test_a_frame_of_colour_planes_goes_through_ccddata_and_back(rng: np.random.Generator) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[1, 2] = SATURATED
    frame = Frame(rng.normal(size=(3, *SHAPE)), np.ones((3, *SHAPE)), mask)
    back = Frame.from_nddata(frame.to_ccddata())
    np.testing.assert_array_equal(back.mask, mask)
    np.testing.assert_array_equal(back.data, frame.data)
    assert back.err is not None
    assert back.err.shape == (3, *SHAPE)


def test_the_ccddata_of_a_frame_can_be_changed_without_changing_its_mask_and_header(rng: np.random.Generator) -> None:
    frame = made(rng)
    ccd = frame.to_ccddata()
    ccd.mask[0, 0] = True
    ccd.flags[1, 1] = 1
    ccd.header["OBJECT"] = "other"
    assert (frame.mask[0, 0], frame.mask[1, 1], frame.header["OBJECT"]) == (0, 0, "M 51")
    assert Frame.from_nddata(ccd).mask[0, 0] == BAD, "a pixel masked since is bad, the bits of the others stay"
    assert Frame.from_nddata(ccd).mask[3, 4] == SATURATED | HIT


@pytest.mark.parametrize("kind", [StdDevUncertainty, VarianceUncertainty, InverseVariance])
def test_every_kind_of_uncertainty_becomes_a_standard_deviation(kind: type) -> None:
    values = {StdDevUncertainty: 4.0, VarianceUncertainty: 16.0, InverseVariance: 1 / 16}[kind]
    given = np.full(SHAPE, values)
    ccd = CCDData(np.ones(SHAPE), unit="adu", uncertainty=kind(given))
    frame = Frame.from_nddata(ccd)
    np.testing.assert_allclose(frame.err, 4.0, rtol=1e-15)
    assert (given == values).all()


def test_an_uncertainty_in_another_unit_is_converted_and_left_as_it_is() -> None:
    given = np.full(SHAPE, 2.0, np.float32)
    ccd = NDData(np.ones(SHAPE), unit=u.Jy, uncertainty=StdDevUncertainty(given, unit=u.mJy))
    frame = Frame.from_nddata(ccd)
    np.testing.assert_allclose(frame.err, 0.002, rtol=1e-6)
    assert (frame.unit, given[0, 0]) == ("Jy", 2.0)


def test_an_uncertainty_of_no_kind_is_refused_by_a_sentence() -> None:
    ccd = CCDData(np.ones(SHAPE), unit="adu", uncertainty=UnknownUncertainty(np.ones(SHAPE)))
    with pytest.raises(ImagingError, match="of no known kind"):
        Frame.from_nddata(ccd)


def test_a_sliced_ccddata_keeps_its_own_sky_not_that_of_its_header() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ccd = CCDData(np.ones(SHAPE), unit="adu", meta=solved(), wcs=WCS(solved()))
        part = Frame.from_nddata(ccd[4:, 6:])
    assert part.wcs.crpix == pytest.approx((10.5, 8.5))
    assert Frame.from_nddata(ccd).wcs.crpix == (16.5, 12.5)


@pytest.mark.parametrize("left", [{"EPOCH": 2000.0}, {"EQUINOX": 2000.0}, {"CROTA2": 3.0}])
def test_stale_cards_do_not_hide_the_sky_of_a_ccddata_read_from_a_file(left: dict[str, float], tmp_path: Path) -> None:
    path = tmp_path / "d.fits"
    fits.writeto(path, np.ones(SHAPE, np.float32), solved() + fits.Header(left))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ccd = CCDData.read(path, unit="adu")
    found = Frame.from_nddata(ccd).wcs
    assert found.crval == pytest.approx((150.0, 20.0), abs=1e-10)
    np.testing.assert_allclose(found.cd, [[-2.7e-4, 1e-5], [1.1e-5, 2.7e-4]], rtol=1e-10)


def test_meta_that_is_no_header_is_kept_as_far_as_cards_can_hold_it() -> None:
    meta = {
        "object": "M 51", "a long keyword": 3, "list": [1, 2], "none": None, "nan": float("nan"),
        "exptime": np.float32(60.0), "nested": {"a": 1}, "text": "line\nbreak",
    }  # fmt: skip
    header = Frame.from_nddata(NDData(np.ones(SHAPE), meta=meta)).header
    assert (header["OBJECT"], header["A LONG KEYWORD"], header["EXPTIME"]) == ("M 51", 3, 60.0)
    assert not {"LIST", "NESTED", "NAN", "TEXT"} & set(header)


def test_bare_arrays_quantities_and_masked_arrays_are_frames() -> None:
    assert Frame.from_nddata(np.ones(SHAPE)).unit == "adu"
    assert Frame.from_nddata(np.ones(SHAPE) * u.electron).unit == "electron"
    assert Frame.from_nddata(np.ones(SHAPE) * u.dimensionless_unscaled).unit == ""
    hidden = np.ma.masked_greater(np.arange(24 * 32).reshape(SHAPE), 700)
    frame = Frame.from_nddata(hidden)
    np.testing.assert_array_equal(frame.mask, (np.arange(24 * 32).reshape(SHAPE) > 700).astype(np.uint8))


@pytest.mark.parametrize("wrong", [np.ones(SHAPE, complex), np.full(SHAPE, "a"), np.full(SHAPE, None)])
def test_what_is_no_real_number_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(FrameMismatchError, match="real numbers"):
        Frame.from_nddata(wrong)
    with pytest.raises(FrameMismatchError, match="real numbers"):
        Frame(wrong)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(FrameMismatchError, match=r"2 axes.*\(5,\)"):
        Frame(np.ones(5))
    with pytest.raises(FrameMismatchError, match="2 axes"):
        Frame(np.ones((0, 5)))
    with pytest.raises(FrameMismatchError, match="error"):
        Frame(np.ones(SHAPE), np.ones((3, 3)))
    with pytest.raises(FrameMismatchError, match="mask"):
        Frame(np.ones(SHAPE), mask=np.zeros((3, 3), np.uint8))


def test_pixels_in_the_byte_order_of_a_file_become_native() -> None:
    big = np.arange(768, dtype=">f4").reshape(SHAPE)
    frame = Frame.from_nddata(CCDData(big, unit="adu", uncertainty=StdDevUncertainty(big.astype(">f8"))))
    assert frame.data.dtype.isnative
    assert frame.err.dtype.isnative
    np.testing.assert_array_equal(frame.data, np.arange(768).reshape(SHAPE))


def test_a_boolean_mask_becomes_bit_1_and_a_wide_one_does_not_wrap() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[2, 3] = True
    assert Frame(np.ones(SHAPE), mask=mask).mask[2, 3] == BAD
    assert Frame(np.ones(SHAPE), mask=mask.astype(np.int32) * 256).mask[2, 3] == BAD


def test_real_pixels_lose_no_digits_and_have_no_value_where_there_is_no_data() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[0, 0] = NO_DATA
    for kind, wanted in ((np.uint8, "f4"), (np.uint16, "f4"), (np.int32, "f8"), (np.uint32, "f8"), (np.float64, "f8")):
        data = np.full(SHAPE, 200, kind)
        frame = Frame(data, mask=mask)
        assert frame.real().dtype == np.dtype(wanted)
        assert np.isnan(frame.real()[0, 0])
        assert data[0, 0] == 200
    large = np.full(SHAPE, 2**32 - 1, np.uint32)
    assert Frame(large).real()[0, 0] == 2**32 - 1


def test_the_mean_of_colour_planes_has_the_error_of_a_mean() -> None:
    colour = Frame(np.stack([np.full(SHAPE, v, np.uint16) for v in (1, 2, 60_000)]), np.full((3, *SHAPE), 3.0))
    one = colour.plane()
    assert one.data[0, 0] == pytest.approx(60_003 / 3)
    assert one.err[0, 0] == pytest.approx(np.sqrt(3))
    assert one.plane() is one


@pytest.mark.parametrize("unit", ["adu", "electron", "adu / s", "", "mJy", "furlongs"])
def test_units_survive_a_file_and_ccddata(unit: str, tmp_path: Path) -> None:
    write_product(tmp_path / "a.fits", Frame(np.ones(SHAPE, np.float32), unit=unit), Provenance("test"))
    read = Frame.from_fits(tmp_path / "a.fits")
    assert read.unit == (unit or "adu"), "an empty BUNIT says nothing: only a master flat is known to have no unit"
    assert Frame.from_nddata(read.to_ccddata()).unit == read.unit


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ADU", "adu"), ("Counts", "adu"), ("DN", "adu"), ("e-", "electron"), ("Electrons", "electron"), ("mJy", "mJy"),
        ("adu s-1", "adu / s"), ("e-/sec", "electron / s"), ("1e3 adu", "1000 adu"), ("no such thing", "no such thing"),
    ],
)  # fmt: skip
def test_units_are_spelled_one_way(text: str, wanted: str) -> None:
    assert spelled(text) == wanted


@pytest.mark.parametrize("kind", [None, StdDevUncertainty, VarianceUncertainty, InverseVariance])
def test_a_file_ccdproc_wrote_is_read_with_its_planes(
    rng: np.random.Generator, kind: type | None, tmp_path: Path
) -> None:
    data = rng.normal(1000, 5, SHAPE)
    mask = rng.random(SHAPE) < 0.05
    value = {None: 0.0, StdDevUncertainty: 2.5, VarianceUncertainty: 6.25, InverseVariance: 0.16}[kind]
    ccd = CCDData(data, unit="electron", mask=mask, uncertainty=None if kind is None else kind(np.full(SHAPE, value)))
    ccd.write(tmp_path / "ccd.fits")
    frame = Frame.from_fits(tmp_path / "ccd.fits")
    np.testing.assert_array_equal(frame.data, data)
    np.testing.assert_array_equal(frame.mask, mask.astype(np.uint8) * BAD)
    assert frame.unit == "electron"
    if kind is None:
        assert frame.err is None
    else:
        np.testing.assert_allclose(frame.err, 2.5, rtol=1e-12)


def test_our_products_are_read_by_ccddata(rng: np.random.Generator, tmp_path: Path) -> None:
    frame = made(rng)
    write_product(tmp_path / "p.fits", frame, Provenance("test"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ccd = CCDData.read(tmp_path / "p.fits", hdu_uncertainty="ERR")
    np.testing.assert_array_equal(ccd.data, frame.data)
    np.testing.assert_array_equal(ccd.mask, frame.mask != 0)
    np.testing.assert_array_equal(ccd.uncertainty.array, frame.err)
    assert ccd.unit == u.electron


def test_a_product_read_back_is_the_frame_it_was_made_of(rng: np.random.Generator, tmp_path: Path) -> None:
    frame = made(rng)
    write_product(tmp_path / "p.fits", frame, Provenance("test"))
    for path in (tmp_path / "p.fits", gzipped(tmp_path / "p.fits"), packed(tmp_path / "p.fits")):
        back = Frame.from_fits(path)
        for name in ("data", "err", "mask"):
            np.testing.assert_array_equal(getattr(back, name), getattr(frame, name), err_msg=f"{name} of {path.name}")
        assert (back.unit, back.wcs) == (frame.unit, frame.wcs)


def gzipped(path: Path) -> Path:
    target = path.with_name(f"{path.name}.gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    return target


def packed(path: Path) -> Path:
    """Compress every plane by tiles, without loss, as fpack does."""
    target = path.with_name(f"{path.name}.fz")
    with fits.open(path) as units:
        made_of = [
            fits.CompImageHDU(unit.data, unit.header, compression_type="GZIP_2", quantize_level=0) for unit in units
        ]
        fits.HDUList([fits.PrimaryHDU(), *made_of]).writeto(target)
    return target


def test_colour_is_read_with_planes_of_its_shape_only(tmp_path: Path) -> None:
    colour = np.arange(3 * 24 * 32, dtype=np.uint16).reshape(3, *SHAPE)
    mask = np.zeros((3, *SHAPE), np.uint8)
    mask[2, 1, 1] = SATURATED
    units = [fits.PrimaryHDU(colour), fits.ImageHDU(np.ones(SHAPE), name="ERR"), fits.ImageHDU(mask, name="MASK")]
    fits.HDUList(units).writeto(tmp_path / "c.fits")
    frame = Frame.from_fits(tmp_path / "c.fits")
    np.testing.assert_array_equal(frame.data, colour)
    assert frame.err is None
    assert frame.mask[1, 1] == SATURATED


def test_a_cube_of_one_plane_is_a_plane(tmp_path: Path) -> None:
    units = [fits.PrimaryHDU(np.full((1, *SHAPE), 7, np.int16)), fits.ImageHDU(np.ones((1, *SHAPE)), name="ERR")]
    fits.HDUList(units).writeto(tmp_path / "one.fits")
    frame = Frame.from_fits(tmp_path / "one.fits")
    assert frame.data.shape == frame.err.shape == SHAPE


def test_an_image_that_is_called_mask_is_an_image(tmp_path: Path) -> None:
    one = fits.ImageHDU(np.full(SHAPE, 7, np.int16), name="MASK")
    fits.HDUList([fits.PrimaryHDU(), one]).writeto(tmp_path / "m.fits")
    frame = Frame.from_fits(tmp_path / "m.fits")
    assert frame.mask is None
    assert (frame.data == 7).all()


def test_the_bits_of_a_foreign_mask_are_not_taken_for_ours(tmp_path: Path) -> None:
    foreign = np.zeros(SHAPE, np.int32)
    foreign[1, 1], foreign[2, 2] = 256, 16
    units = [fits.PrimaryHDU(np.ones(SHAPE, np.float32)), fits.ImageHDU(foreign, name="MASK")]
    fits.HDUList(units).writeto(tmp_path / "f.fits")
    mask = Frame.from_fits(tmp_path / "f.fits").mask
    assert (mask[1, 1], mask[2, 2], int((mask != 0).sum())) == (BAD, BAD, 2)


def test_several_images_in_one_file_are_read_as_the_first(tmp_path: Path) -> None:
    chips = [fits.ImageHDU(np.full(SHAPE, n, np.int16), name=f"CHIP{n}") for n in (1, 2, 3)]
    fits.HDUList([fits.PrimaryHDU(header=fits.Header({"OBJECT": "M 51"})), *chips]).writeto(tmp_path / "mef.fits")
    frame = Frame.from_fits(tmp_path / "mef.fits")
    assert (frame.data == 1).all()
    assert frame.header["OBJECT"] == "M 51"


def test_cards_nobody_can_parse_do_not_stop_a_frame_nor_its_product(tmp_path: Path) -> None:
    path = tmp_path / "odd.fits"
    fits.PrimaryHDU(np.ones(SHAPE, np.int16), fits.Header({"OBJECT": "M 51", "ODDCARD": 1.0})).writeto(path)
    odd = path.read_bytes().replace(b"ODDCARD =                  1.0", b"ODDCARD =          1.0.0 'a/ b")
    path.write_bytes(odd)
    frame = Frame.from_fits(path)
    assert frame.header["OBJECT"] == "M 51"
    write_product(tmp_path / "out.fits", frame, Provenance("test", [Input.of(path)]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(path) as units:
            direct = Frame(units[0].data, header=units[0].header)
            write_product(tmp_path / "direct.fits", direct, Provenance("test"))
    assert fits.getheader(tmp_path / "direct.fits")["OBJECT"] == "M 51"


@pytest.mark.parametrize("cut", [0.2, 0.9])
def test_a_file_that_ends_early_is_refused_with_its_reason(
    rng: np.random.Generator, cut: float, tmp_path: Path
) -> None:
    write_product(tmp_path / "p.fits", made(rng), Provenance("test"))
    whole = (tmp_path / "p.fits").read_bytes()
    (tmp_path / "cut.fits").write_bytes(whole[: int(len(whole) * cut)])
    with pytest.raises(UnreadableFrameError):
        Frame.from_fits(tmp_path / "cut.fits")
    (tmp_path / "p.bz2").write_bytes(bz2.compress(whole))
    with pytest.raises(UnreadableFrameError, match="archive"):
        Frame.from_fits(tmp_path / "p.bz2")


def test_a_notebook_shows_a_frame_in_one_line() -> None:
    frame = Frame(np.zeros(SHAPE, np.uint16), mask=np.zeros(SHAPE, np.uint8), header=solved())
    assert repr(frame) == "Frame(uint16 (24, 32), adu, mask, OBJECT='M 51')"


@pytest.mark.real
def test_a_frame_astropy_cannot_open_is_read_like_any_other(real_data: Path) -> None:
    assert Frame.from_fits(real_data / "odd" / "eso-midas" / "nttexample.mt").shape == (1024, 1124)
