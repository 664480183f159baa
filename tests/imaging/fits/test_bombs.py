"""Two megabytes that unpack to two gigabytes cost next to nothing, packed in whatever way."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.catalogue.files.light import light
from tests.catalogue.files.packed import GIB, bomb, compressed
from tests.imaging.fits.support import card, empty_primary, header, image_cards, table_hdu
from tests.imaging.fits.test_tiles import tiled

READ = """
import json, re, sys, time
from pathlib import Path
from pictor.imaging.errors import ImagingError
from pictor.ingest.compute import describe
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
before, began, reason = peak(), time.process_time(), None
try:
    describe(sys.argv[1], "x", sys.argv[2])
except ImagingError as error:
    reason = error.reason
print(json.dumps({"reason": reason, "mib": peak(), "more": peak() - before, "ms": (time.process_time() - began) * 1e3}))
"""


def read(data: bytes, folder: Path) -> dict[str, float | str | None]:
    """Describe a file in a process of its own; gives the reason, its peak of memory and its processor time."""
    path, scratch = folder / "in", folder / "scratch"
    path.write_bytes(data)
    scratch.mkdir()
    command = [sys.executable, "-c", READ, str(path), str(scratch)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, float | str | None] = json.loads(done.stdout)
    found["written"] = sum(one.stat().st_size for one in scratch.iterdir()) / 2**20
    return found


def xisf(geometry: str, codec: str, block: bytes) -> bytes:
    text = (
        '<?xml version="1.0"?><xisf version="1.0"><Image '
        f'geometry="{geometry}" sampleFormat="UInt16" location="attachment:4096:{len(block)}" '
        f'compression="{codec}"/></xisf>'
    ).encode()
    return (b"XISF0100" + len(text).to_bytes(4, "little") + bytes(4) + text).ljust(4096, b"\0") + block


def zeros(size: int) -> bytes:
    """A zlib stream of zeros, of the same pieces again and again; its own sum at the end is wrong."""
    return b"\x78\x9c" + b"".join(bomb(b"", size).chunks())[10:]


BOMBS = {
    "gzip of zeros": (lambda: b"".join(bomb(b"", 2 * GIB).chunks()), "not-fits"),
    "gzip of a frame and zeros": (lambda: b"".join(bomb(light(1), 2 * GIB).chunks()), "length-mismatch"),
    "gzip of a header that claims 2 GiB": (
        lambda: b"".join(bomb(header(image_cards(60_000, 18_000)), 2 * GIB).chunks()), "too-large"
    ),
    "gzip of a header without end": (
        lambda: b"".join(bomb(b"".join(image_cards()) + card("X", 1) * 6000, 2 * GIB).chunks()), "too-many-cards"
    ),
    "XISF whose block unpacks to 2 GiB": (lambda: xisf("64:48:1", "zlib:6144", zeros(2 * GIB)), "data-truncated"),
    "XISF that claims 2 GiB": (lambda: xisf("60000:18000:1", "zlib:2160000000", zeros(GIB // 64)), "too-large"),
    "XISF whose codec claims 2 GiB": (lambda: xisf("64:48:1", "lz4:2147483647", bytes(6000)), "xisf-damaged"),
    "tiles of 100,000 pixels": (lambda: compressed(znaxis1=100_000, tile=100_000), "too-large"),
    "a gzip tile that unpacks to 2 GiB": (
        lambda: tiled(b"".join(bomb(b"", 2 * GIB).chunks()), kind="GZIP_1"), "bad-tiles"
    ),
    "tiles that are not there": (compressed, "bad-tiles"),
    "table of 2 GiB": (lambda: empty_primary() + table_hdu(rows=3)[:-2880].replace(
        card("NAXIS2", 3), card("NAXIS2", 536_870_912)), "too-large"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_with_less_than_100_mib(name: str, tmp_path: Path) -> None:
    make, reason = BOMBS[name]
    data = make()
    found = read(data, tmp_path)
    print(f"\n{name}: {len(data)} bytes, {found}")
    assert found["reason"] == reason
    assert float(found["mib"] or 0) < 100
    assert float(found["written"] or 0) < 2
    assert float(found["ms"] or 0) < 2000
