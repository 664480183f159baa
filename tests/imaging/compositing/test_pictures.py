"""Pictures in files: every format holds the pixels it was given and what made them, as independent readers see it."""

from pathlib import Path

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from PIL import Image

from pictor.imaging.compositing.pictures import write_picture
from pictor.imaging.errors import ImagingError
from pictor.imaging.products import FileTakenError, Input, Provenance

MADE = Provenance("composite", [Input("m51 & <x>.fits", "ab" * 32)], {"palette": "rgb"}, "pictor 1.0")


def colours(bits: int, channels: int, shape: tuple[int, int] = (130, 70)) -> NDArray[np.uint8] | NDArray[np.uint16]:
    values = np.random.default_rng(bits + channels).integers(0, 1 << bits, (*shape, channels))
    return values.astype(np.uint16) if bits == 16 else values.astype(np.uint8)


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_and_tiff_hold_every_value_as_libvips_reads_them(
    tmp_path: Path, ending: str, bits: int, channels: int
) -> None:
    path = tmp_path / f"a.{ending}"
    pixels = colours(bits, channels)
    write_picture(path, pixels, MADE)
    seen = pyvips.Image.new_from_file(str(path)).numpy()
    np.testing.assert_array_equal(seen.reshape(pixels.shape), pixels)
    assert seen.dtype == pixels.dtype


@pytest.mark.parametrize("ending", ["png", "tif", "jpg", "webp"])
def test_every_format_says_what_made_it_without_folders(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    write_picture(path, colours(8, 3), MADE)
    content = path.read_bytes()
    for told in (b"pictor 1.0", b"m51 &amp; &lt;x&gt;.fits", b"ab" * 32, b"palette=rgb"):
        assert told in content
    assert str(tmp_path).encode() not in content
    with Image.open(path) as image:
        assert image.size == (70, 130)
    assert f"<rdf:li>m51 &amp; &lt;x&gt;.fits sha256:{'ab' * 32}</rdf:li>".encode() in content


def test_a_png_has_texts_that_pillow_reads(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", colours(16, 3), MADE)
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert image.info["Software"] == "pictor 1.0 composite"
        assert "sha256:abab" in image.info["Source"]


def test_the_same_picture_has_the_same_bytes(tmp_path: Path) -> None:
    for ending in ("png", "tif", "jpg", "webp"):
        for name in ("a", "b"):
            write_picture(tmp_path / f"{name}.{ending}", colours(8, 3), MADE)
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_nothing_is_replaced_unasked_and_no_half_file_stays(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", colours(8, 3), MADE)
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(FileTakenError, match="--overwrite"):
        write_picture(tmp_path / "a.png", colours(8, 1), MADE)
    assert (tmp_path / "a.png").read_bytes() == before
    write_picture(tmp_path / "a.png", colours(8, 1), MADE, overwrite=True)
    assert (tmp_path / "a.png").read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_what_a_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImagingError, match=r"end the name with \.png"):
        write_picture(tmp_path / "a.bmp", colours(8, 3), MADE)
    with pytest.raises(ImagingError, match="8 bits"):
        write_picture(tmp_path / "a.jpg", colours(16, 3), MADE)
    assert not list(tmp_path.iterdir())
