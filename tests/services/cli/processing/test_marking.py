"""Columns and rows that are mended: those the lights of a sensor share, over the part that is bad."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pictor.cli.processing.choosing import Choice
from pictor.cli.processing.coadding import mended
from pictor.cli.processing.defects import said, sets_of
from pictor.cli.processing.marking import lines_of, rows_of, shared
from pictor.imaging.coadd.coadding import Coadded
from pictor.imaging.frame import BAD, NO_DATA, Frame
from tests.services.cli.processing.nightfolder import seen

SHAPE = (200, 240)


def light(rng: np.random.Generator, *, bayer: bool = False) -> NDArray[np.float64]:
    """Give a sky of noise 10 with a few stars, a column that is dull in its lower half, and a bright row."""
    frame = rng.normal(1000, 10, SHAPE)
    if bayer:
        frame[::2, ::2] *= 3
    for y, x in rng.integers(8, 190, (25, 2)):
        frame[y - 2 : y + 3, x - 2 : x + 3] += 3000
    frame[:100, 71] *= 0.9
    frame[140] += 60
    return frame


@pytest.mark.parametrize("bayer", [False, True])
def test_the_bad_part_of_a_line_is_marked_and_nothing_else(rng: np.random.Generator, *, bayer: bool) -> None:
    marks = shared([lines_of(Frame.from_nddata(light(rng, bayer=bayer)), bayer=bayer) for _ in range(3)])
    assert marks is not None
    (column,), (row,) = rows_of(marks.T), rows_of(marks)
    print(f"bayer {bayer}: column {column}, row {row}; truth [72, 1, 100], [141, 1, 240]")
    assert column[0] == 72
    assert column[1] == 1
    assert abs(column[2] - 100) <= 64 if bayer else 32
    assert row == [141, 1, 240]


def test_what_one_light_alone_shows_is_a_trail_and_no_defect(rng: np.random.Generator) -> None:
    one, other = light(rng), rng.normal(1000, 10, SHAPE)
    marks = shared([lines_of(Frame.from_nddata(frame), bayer=False) for frame in (one, other, other)])
    assert marks is not None
    assert not marks.any()
    assert shared([lines_of(Frame.from_nddata(one), bayer=False)]) is None


def test_lines_that_do_not_show_above_the_noise_are_left_alone(rng: np.random.Generator) -> None:
    frame = rng.normal(1000, 10, SHAPE)
    frame[:, 50] += 4
    flat = rng.normal(30_000, 20, SHAPE)
    flat[:, 60], flat[:, 90] = flat[:, 60] * 0.98, flat[:, 90] * 0.6
    assert not lines_of(Frame.from_nddata(frame), bayer=False).any()
    assert [row[0] for row in rows_of(lines_of(Frame.from_nddata(flat), bayer=False, flat=True).T)] == [91]


def test_small_frames_have_no_bad_lines() -> None:
    assert not lines_of(Frame.from_nddata(np.eye(20)), bayer=False).any()
    assert not rows_of(np.zeros((5, 5), np.bool_))


def test_lights_that_lack_the_same_share_a_map_and_lone_ones_have_none() -> None:
    lights = [seen("a"), seen("b", filter="R"), seen("c"), seen("d", width=640), seen("e"), seen("f")]
    choices = {one.label: Choice() for one in lights}
    choices["c"], choices["e"] = Choice({"dark": "d60", "flat": "R"}), Choice(came_calibrated=True)
    found = sets_of(lights, choices, {})
    assert [[one.label for one in defects.members] for defects in found] == [["a", "b", "f"]]
    assert sets_of(lights[::-1], choices, {})[0].name == found[0].name


def test_lines_are_told_in_words() -> None:
    told = {"columns": [[180, 294, 880], [1006, 1, 456]], "rows": [[7, 1, 1164]]}
    assert said(told) == (
        "mended in its lights: columns 180 (rows 294 to 880), 1006 (rows 1 to 456); row 7 (columns 1 to 1164)"
    )


def test_what_is_bad_in_every_light_of_a_coadd_is_filled_and_keeps_its_bit(rng: np.random.Generator) -> None:
    data, mask = rng.normal(100, 5, (40, 50)).astype(np.float32), np.zeros((40, 50), np.uint8)
    mask[5:35, 20:22], mask[:, 45:] = BAD | NO_DATA, NO_DATA
    data[mask != 0] = np.nan
    zeros = np.zeros((40, 50), np.float32)
    frame = Frame(data, np.ones_like(data), mask)
    made, filled = mended(Coadded(frame, zeros, zeros.astype(np.uint16), (0,), 60.0, 1.0, (1.0,), (1.0,)))
    assert filled == 60
    assert made.frame.mask is not None
    assert np.isfinite(made.frame.data[:, :45]).all()
    assert abs(float(made.frame.data[5:35, 20:22].mean()) - 100) < 2
    assert set(np.unique(made.frame.mask[5:35, 20:22])) == {BAD}
    assert np.isnan(made.frame.data[:, 45:]).all()
    assert np.isnan(data[10, 20]), "the coadd itself is not changed"
