"""Frames that are scaled, shifted, dark-subtracted or stored otherwise."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.calibration.agreement import Look
from pictor.imaging.combine.combining import combine
from pictor.imaging.combine.method import Method
from pictor.imaging.combine.noise import NoiseModel
from pictor.imaging.combine.sources import plain_layout
from pictor.imaging.combine.tiles import Seeing, Tile, warm
from tests.imaging.combine.reference import sigma_clip

Writer = Callable[..., list[Path]]


def by_parity(scale: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Spread factors (n, 2, 2) over frames (n, ny, nx)."""
    y, x = np.indices(shape)
    return scale[:, y & 1, x & 1]


@pytest.mark.parametrize("n", [2, 3, 5, 6, 15, 20])
def test_every_scaled_pixel_equals_the_plain_definition(n: int, rng: np.random.Generator, write: Writer) -> None:
    shape = (47, 131)
    levels = rng.uniform(8000, 24000, (n, 2, 2))
    dark = rng.normal(500, 3, shape).astype(np.float32)
    light = by_parity(levels.astype(np.float32), shape)
    cube = np.rint(rng.normal(light + dark, np.sqrt(light))).astype(np.uint16)
    cube[rng.random(cube.shape) < 0.01] = 65535
    scale = (levels.mean(axis=0) / levels).astype(np.float32)
    noise = NoiseModel(9.0, slope=1.0)
    found = combine(write(cube), noise=noise, scale=scale, dark=dark)
    factor = by_parity(scale, shape)
    wanted, used = sigma_clip((cube.astype(np.float32) - dark) * factor, noise, scale=factor)
    worst = float(np.abs(found.sci - wanted).max())
    print(f"N = {n}, levels 8,000 to 24,000 ADU: largest difference {worst:.5f} ADU")
    np.testing.assert_array_equal(found.nused, used)
    assert worst < 0.01


@pytest.mark.parametrize("encoding", ["int16", "float32", "int32", "compressed"])
def test_other_encodings_give_the_same_pixels(
    encoding: str, rng: np.random.Generator, write: Writer, tmp_path: Path
) -> None:
    cube = np.rint(rng.normal(500, 5, (6, 60, 80))).astype(np.uint16)
    cube[2, 10, 10] = 30_000
    others = []
    for i, data in enumerate(cube):
        path = tmp_path / f"other{i}.fits"
        if encoding == "compressed":
            units = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, compression_type="RICE_1")])
            units.writeto(path)
        else:
            fits.writeto(path, data.astype(encoding))
        assert plain_layout(path) is None
        others.append(path)
    noise = NoiseModel(25.0)
    plain, other = combine(write(cube), noise=noise), combine(others, noise=noise)
    np.testing.assert_array_equal(plain.nused, other.nused)
    np.testing.assert_allclose(plain.sci, other.sci, atol=1e-3)
    mixed = combine(others[:3] + write(cube[3:], prefix="x"), noise=noise)
    np.testing.assert_allclose(mixed.sci, plain.sci, atol=1e-3)


def test_samples_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    cube = np.full((4, 10, 12), 7.0, np.float32)
    cube[0, 1, 1], cube[:, 2, 2] = np.nan, np.nan
    paths = [tmp_path / f"{i}.fits" for i in range(4)]
    for path, data in zip(paths, cube, strict=True):
        fits.writeto(path, data)
    for method in Method:
        found = combine(paths, noise=NoiseModel(1.0), method=method)
        assert (found.nused[1, 1], found.sci[1, 1]) == (3, 7.0)
        assert (found.nused[2, 2], found.sci[2, 2], found.mask[2, 2]) == (0, 0.0, 16)
        assert found.mask[1, 1] == 0


def test_the_same_inputs_give_the_same_bytes(rng: np.random.Generator, write: Writer) -> None:
    paths = write(rng.integers(0, 65536, (7, 300, 200)).astype(np.uint16))
    one, two = combine(paths), combine(paths)
    for plane in ("sci", "err", "mask", "nused"):
        assert getattr(one, plane).tobytes() == getattr(two, plane).tobytes()
    turned = combine(paths[::-1], noise=one.noise)
    assert turned.sci.tobytes() == one.sci.tobytes()


def test_a_pixel_saturated_in_all_frames_is_marked(write: Writer) -> None:
    cube = np.full((5, 8, 8), 1000, np.uint16)
    cube[:, 3, 3], cube[0, 4, 4] = 65535, 65535
    found = combine(write(cube), noise=NoiseModel(25.0), saturation=65535)
    assert found.mask[3, 3] == 2
    assert found.mask[4, 4] == 0


def test_offsets_align_drifting_levels(rng: np.random.Generator, write: Writer) -> None:
    drift = np.arange(10.0) * 20
    cube = np.rint(rng.normal(1000, 5, (10, 80, 80)) + drift[:, None, None]).astype(np.uint16)
    cube[4, 20, 20] += 150
    found = combine(write(cube), noise=NoiseModel(25.1), offset=drift.mean() - drift)
    assert found.nused[20, 20] == 9
    assert found.sci.mean() == pytest.approx(1090, abs=0.2)
    assert found.sci.std() == pytest.approx(5 / np.sqrt(10), rel=0.05)


def test_chosen_rows_are_those_of_the_whole(rng: np.random.Generator, write: Writer) -> None:
    paths = write(rng.integers(400, 600, (5, 100, 70)).astype(np.uint16))
    scale = rng.uniform(0.9, 1.1, (5, 2, 2))
    whole = combine(paths, noise=NoiseModel(9.0), scale=scale)
    part = combine(paths, noise=NoiseModel(9.0), scale=scale, rows=[(0, 32), (64, 100)])
    np.testing.assert_array_equal(part.sci, np.concatenate([whole.sci[:32], whole.sci[64:]]))


@pytest.mark.parametrize("scaled", [False, True])
def test_memory_does_not_grow_with_the_frames(*, scaled: bool, rng: np.random.Generator, write: Writer) -> None:
    warm()
    frame = np.rint(rng.normal(500, 5, (1, 400, 600))).astype(np.uint16)
    few, many = write(np.repeat(frame, 40, axis=0)), write(np.repeat(frame, 120, axis=0), prefix="many")
    least, most = min(_peaks(many, scaled=scaled)), max(_peaks(few, scaled=scaled))
    print(f"peak with 40 frames (18 MiB) {most:.1f} MiB, with 120 frames (55 MiB) {least:.1f} MiB")
    assert least < most + 1.0


def _peaks(paths: list[Path], *, scaled: bool) -> list[float]:
    """Peaks of three runs in MiB: two threads share the tiles, and how many overlap is chance."""
    scale = np.linspace(0.99, 1.01, len(paths)) if scaled else None
    peaks = []
    for _ in range(3):
        tracemalloc.start()
        combine(paths, noise=NoiseModel(25.0), scale=scale)
        peaks.append(tracemalloc.get_traced_memory()[1] / 2**20)
        tracemalloc.stop()
    return peaks


@pytest.mark.parametrize("numbers", [True, False])
def test_who_watches_real_samples_is_told_their_extremes(
    tmp_path: Path, rng: np.random.Generator, *, numbers: bool
) -> None:
    cube = rng.normal(500, 5, (6, 40, 50)).astype(np.float32)
    cube[2, 7, 9] = 900 if numbers else np.nan
    paths = [tmp_path / f"{i}.fits" for i in range(6)]
    for path, data in zip(paths, cube, strict=True):
        fits.writeto(path, data)
    seen = Seen()
    combine(paths, noise=NoiseModel(25.0), watch=seen)
    assert seen.told is numbers
    if numbers:
        np.testing.assert_array_equal(seen.ends, [cube.min(axis=0), cube.max(axis=0)])
    assert np.abs(seen.look.found.blocks).max() < 0.2
    assert seen.look.found.odd_shares == pytest.approx([0, 0, 1 / 2000, 0, 0, 0])


class Seen:
    """Keeps the extremes of a frame, and looks at it as a master does."""

    def __init__(self) -> None:
        self.look, self.told = Look((40, 50), np.ones(6), NoiseModel(25.0)), True
        self.ends = np.zeros((2, 40, 50), np.float32)

    def part(self) -> "Share":
        return Share(self, self.look.part())


class Share:
    """What one thread shows."""

    def __init__(self, seen: Seen, part: Seeing) -> None:
        self._seen, self._part = seen, part

    def see(self, tile: Tile) -> None:
        if tile.ends is None:
            self._seen.told = False
        else:
            self._seen.ends[:, tile.first : tile.first + len(tile.sci)] = tile.ends
        self._part.see(tile)
