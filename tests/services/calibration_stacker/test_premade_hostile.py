"""Files that cannot be masters answer with what is wrong and what to do."""

import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.errors import ImagingError
from tests.support.adopting import DARK, Adopt, failing
from tests.support.foreign import CAMERA, FULL, SHAPE, siril, written


class TestHostile:
    """Files that cannot be masters answer with what is wrong and what to do."""

    def refused(self, adopt: Adopt, body: bytes, **known: Any) -> str:
        with pytest.raises(ImagingError) as caught:
            adopt(body, **known)
        return str(caught.value)

    def test_several_images(self, adopt: Adopt) -> None:
        units = [fits.PrimaryHDU(), *(fits.ImageHDU(DARK.astype(np.float32), name=f"AMP{n}") for n in (1, 2))]
        told = self.refused(adopt, _bytes(fits.HDUList(units)))
        assert told == "the file holds 2 images (AMP1, AMP2); a master is one: upload each by itself"

    def test_colour_planes(self, adopt: Adopt) -> None:
        told = self.refused(adopt, written(np.stack([DARK] * 3).astype(np.float32), CAMERA))
        assert "a master has two: upload each plane by itself" in told

    def test_no_value_at_all(self, adopt: Adopt) -> None:
        assert self.refused(adopt, siril(DARK * np.nan, "dark")) == "no pixel of the file has a value"

    def test_a_plane_with_holes(self, adopt: Adopt) -> None:
        holes = DARK.copy()
        holes[:8] = np.nan
        assert failing(adopt(siril(holes, "dark")))["finite pixels"] == "rejected"

    def test_all_zeros(self, adopt: Adopt) -> None:
        made = adopt(written(np.zeros(SHAPE, np.uint16), CAMERA))
        assert failing(made)["repeated value"] == "rejected"

    def test_a_stack_that_siril_cut_off_at_its_top(self, adopt: Adopt) -> None:
        made = adopt(siril(np.full(SHAPE, FULL), "bias"), "bias")
        assert made["verdict"] == "rejected"
        assert "the top of the range, where Siril cut its input off" in made["reasons"][0]

    def test_unsigned_numbers_written_without_bzero(self, adopt: Adopt) -> None:
        wrapped = (np.rint(DARK * 64).astype(np.uint16)).astype(np.int16)
        made = adopt(written(wrapped, {**CAMERA, "IMAGETYP": "Master Dark"}), in_hand=[])
        assert made["verdict"] == "rejected"
        assert "unsigned numbers written without BZERO 32768" in " ".join(made["reasons"])

    def test_axes_larger_than_the_file(self, adopt: Adopt) -> None:
        body = siril(DARK, "dark").replace(b"NAXIS1  =                  128", b"NAXIS1  =           2000000000")
        assert "2000000000" in self.refused(adopt, body)

    def test_another_size_than_the_frames(self, adopt: Adopt) -> None:
        doubt = ("no frame has its camera mode; the nearest differs in width: master 100, frames 128",)
        made = adopt(siril(DARK[:, :100], "dark"), in_hand=[], doubts=doubt)
        assert failing(made)["identity"] == "needs-review"
        assert "width: master 100, frames 128" in made["reasons"][0]
        told = self.refused(adopt, siril(DARK[:, :100], "dark"), in_hand=[], doubts=doubt, bias_level_adu=None)
        assert "width: master 100, frames 128; nothing tells whether the bias is inside" in told

    def test_a_flat_without_light(self, adopt: Adopt) -> None:
        with pytest.raises(ImagingError, match="it holds no light"):
            adopt(siril(-np.abs(DARK), "flat"), "flat")


def _bytes(units: fits.HDUList) -> bytes:
    out = io.BytesIO()
    units.writeto(out)
    return out.getvalue()
