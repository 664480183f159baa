"""Files that change or end while they are read."""

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.combine.sources import Sources
from pictor.imaging.errors import ImagingError

SHAPE = 64, 32
BYTES_OF_ROW = 2 * SHAPE[1]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Three frames, each of one value."""
    found = [tmp_path / f"frame{i}.fits" for i in range(3)]
    for value, path in enumerate(found):
        fits.writeto(path, np.full(SHAPE, 1000 * value + 7, np.uint16))
    return found


def test_rows_of_all_frames_are_read_in_their_order(paths: list[Path]) -> None:
    with Sources(paths) as sources:
        tile = sources.read_integers(60, 3, np.zeros(3 * 3 * SHAPE[1] + 8, np.uint16))
        assert tile.shape == (3, 3, SHAPE[1])
        assert (tile == np.array([7, 1007, 2007])[:, None, None]).all()


def test_a_frame_that_was_cut_while_open_is_named(paths: list[Path]) -> None:
    with Sources(paths) as sources:
        os.truncate(paths[1], 2880 + 40 * BYTES_OF_ROW)
        with pytest.raises(ImagingError, match=r"frame1\.fits ends in the middle of its pixels") as caught:
            sources.read_integers(38, 4, np.zeros(3 * 4 * SHAPE[1], np.uint16))
        assert caught.value.reason == "truncated"


def test_frames_that_were_closed_are_not_read(paths: list[Path]) -> None:
    with Sources(paths) as sources:
        pass
    with paths[0].open("rb"), paths[1].open("rb"), paths[2].open("rb"), pytest.raises(ValueError, match="closed"):
        sources.read_integers(0, 4, np.zeros(3 * 4 * SHAPE[1], np.uint16))
