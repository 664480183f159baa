"""Packed uploads are unpacked within what they declare, in bounded memory, or refused."""

import bz2
import gzip
import subprocess
import sys
import textwrap
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.limits import Limits
from pictor.imaging.fits.prescan import Container
from pictor.imaging.fits.reading import read_frame
from pictor.imaging.fits.unpack import unpack
from tests.imaging.fits.support import card, header, image_cards, image_file, table_hdu

packed_by_gzip = partial(gzip.compress, mtime=0)
"""The same bytes in every process: they stand in the names of tests."""

PIXELS = np.arange(30_000, dtype=np.uint16).reshape(150, 200)
GOOD = image_file(PIXELS, card("OBJECT", "M31"))


def saved(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "in"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "packed",
    [
        packed_by_gzip(GOOD),
        packed_by_gzip(GOOD + table_hdu()),
        packed_by_gzip(GOOD[:10_000]) + packed_by_gzip(GOOD[10_000:]),
    ],
    ids=["one member", "with a table behind", "two members"],
)
def test_a_gzip_of_a_frame_is_unpacked(packed: bytes, tmp_path: Path) -> None:
    found = unpack(saved(tmp_path, packed), tmp_path)
    assert (found.container, found.converted) == (Container.GZIP, True)
    np.testing.assert_array_equal(read_frame(found.path).data, PIXELS)


def test_plain_fits_is_left_where_it_is(tmp_path: Path) -> None:
    path = saved(tmp_path, GOOD)
    found = unpack(path, tmp_path)
    assert (found.path, found.converted) == (path, False)


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (packed_by_gzip(GOOD)[:-5000], "gzip-truncated"),
        (packed_by_gzip(GOOD)[:-4] + b"\0\0\0\1", "gzip-damaged"),
        (packed_by_gzip(GOOD)[:-8] + b"\0\0\0\0" + packed_by_gzip(GOOD)[-4:], "gzip-damaged"),
        (b"\x1f\x8b" + bytes(100), "gzip-damaged"),
        (packed_by_gzip(b"hello " * 10_000), "not-fits"),
        (packed_by_gzip(bytes(10_000_000)), "not-fits"),
        (packed_by_gzip(packed_by_gzip(GOOD)), "not-fits"),
        (packed_by_gzip(header(image_cards(100_000, 100_000))), "too-large"),
        (packed_by_gzip(header([*image_cards(), *[card("X", 1)] * 6000])), "too-many-cards"),
        (packed_by_gzip(GOOD + bytes(4 << 20)), "length-mismatch"),
        (bz2.compress(GOOD), "archive"),
        (b"PK\x03\x04" + GOOD, "archive"),
    ],
)
def test_a_bad_package_is_refused_with_its_reason(packed: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFrameError) as refusal:
        unpack(saved(tmp_path, packed), tmp_path)
    assert refusal.value.reason == reason


def test_bytes_behind_the_gzip_stream_are_told(tmp_path: Path) -> None:
    found = unpack(saved(tmp_path, packed_by_gzip(GOOD) + b"\0" * 512), tmp_path)
    assert found.warnings == ("bytes after the end of the gzip stream are ignored",)


def test_every_truncation_of_a_gzip_is_refused(tmp_path: Path) -> None:
    packed = packed_by_gzip(GOOD)
    for length in range(2, len(packed) - 1, 997):
        with pytest.raises(UnreadableFrameError):
            unpack(saved(tmp_path, packed[:length]), tmp_path)


def test_the_whole_unpacked_file_has_a_limit(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFrameError) as refusal:
        unpack(saved(tmp_path, packed_by_gzip(GOOD)), tmp_path, limits=Limits(file_bytes=50_000))
    assert refusal.value.reason == "too-large"


BOMB = """
import resource, sys
from pathlib import Path
from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.unpack import unpack
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
except UnreadableFrameError as refusal:
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(refusal.reason, grown)
"""


def test_a_bomb_behind_a_good_header_costs_neither_memory_nor_disk(tmp_path: Path) -> None:
    engine = zlib.compressobj(9, wbits=31)
    packed = engine.compress(GOOD)
    packed += b"".join(engine.compress(bytes(1 << 22)) for _ in range(96)) + engine.flush()
    bomb = saved(tmp_path, packed)
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(BOMB), str(bomb), str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    reason, grown = run.stdout.split()
    size = (tmp_path / "unpacked.fits").stat().st_size
    print(f"384 MiB bomb of {len(packed)} bytes: {grown} MiB of memory, {size} bytes on disk")
    assert reason == "length-mismatch"
    assert int(grown) < 20
    assert size < 2 << 20
