"""Masters of 20 and 50 frames of 24 MP: whole process against Siril's rejection stack, and inside one against packages.

Ours is everything the service makes: gate, bad-pixel map, error, mask and count planes. The peers write one plane.
Siril's flats are not even dark-subtracted, ours are. Whole processes are taken in turns; astropy and ccdproc run once.
A row's more tells the processor time of the parts of one stack: start, what grows with the frames, and the rest.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ccdproc
import numpy as np
from astropy.io import fits
from astropy.stats import sigma_clip
from bench import siril
from bench.clock import in_process, settled, status_mib, timed
from bench.masterframes import SHAPE, left_over, make_darks
from bench.peers import here
from bench.rows import Bound, Of, Row
from numpy.typing import NDArray

from pictor.calibration_stacker import compute
from pictor.imaging.calibration.masters import Master, write_master
from pictor.imaging.combine.combining import combine
from pictor.imaging.combine.noise import NoiseModel
from pictor.runtime.child.pool import ChildPool
from tests.imaging.combine import reference

SERVICE = "pictor.calibration_stacker.compute"
CHECKED_ROWS = 32
READ_BYTES = 4 << 20
MEMORY_SHARES = {20: 0.35, 50: 0.2}
"""Of Siril's memory, by number of frames."""

CCDPROC_FRAMES = 5
"""ccdproc holds all frames at once, 8 GiB for twenty; its time is that of five, scaled to the same number."""


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure darks of 20 and 50, flats of 20."""
    compute.warm()
    turns = 1 if quick else 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = make_darks(folder, 20 if quick else 50)
        yield from inside(folder, paths[:20])
        yield cold(paths[:20], turns)
        for count in (20,) if quick else (20, 50):
            yield whole(folder, paths[:count], turns, ratio=0.2)
        yield whole(folder, paths[:20], turns, ratio=0.15, dark=nothing(folder))


def nothing(folder: Path) -> str:
    """A dark without signal."""
    path = folder / "nothing.fits"
    empty, none = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.uint8)
    write_master(path, Master(empty, empty, none, none, fits.Header({"DARKBIAS": True})))
    return str(path)


def order(paths: list[Path], scratch: Path, dark: str | None) -> dict[str, object]:
    """What the service hands to its child."""
    names = [path.name for path in paths]
    return {
        "paths": [str(path) for path in paths], "frame_ids": names, "sha256s": names, "scratch": str(scratch),
        "kind": "dark" if dark is None else "flat", "dark_path": dark,
    }  # fmt: skip


def whole(folder: Path, paths: list[Path], turns: int, *, ratio: float, dark: str | None = None) -> Row:
    """Time whole processes in turns; memory is that of the service's child."""
    kind, count = "dark" if dark is None else "flat", len(paths)
    scratch, room = folder / f"ours-{kind}{count}", folder / f"siril-{kind}{count}"
    scratch.mkdir()
    given = order(paths, scratch, dark)
    ours: list[float] = []
    theirs: list[siril.Ran] = []
    if here("siril-cli"):
        siril.sequence(room, paths)
    norm = "-nonorm" if dark is None else "-norm=mul"
    for _ in range(turns):
        settled(*paths)
        ours += timed(lambda: in_process("bench.mastering", {"given": given}), 1, warm=False)
        if here("siril-cli"):
            settled(*paths)
            theirs.append(siril.run(room, f"stack f rej s 3 3 {norm} -out=out"))
    rss = asyncio.run(child_memory(given))
    told = "" if dark else judged(folder, paths, scratch, room / "out.fit")
    share = MEMORY_SHARES[count]
    most = (Bound(Of.RSS, round(share * theirs[0].rss_mib)),) if theirs and dark is None else ()
    limits = Bound(Of.RATIO, ratio), *most
    parts = in_process("bench.mastering", {"given": given, "parts": True})
    more = {**parts, "peer_rss_mib": theirs[0].rss_mib if theirs else None}
    return Row(
        f"master {kind} {count} x 24 MP, whole process", "s", statistics.median(ours),
        statistics.median(one.process_s for one in theirs) if theirs else None, "Siril rej s 3 3", n=turns,
        rss_mib=rss, accuracy=told, bounds=limits, more=more,
    )  # fmt: skip


async def child_memory(given: dict[str, object]) -> float:
    """Highest memory of the service's child while it stacks."""
    async with ChildPool(1, warm=(SERVICE,)) as children:
        await children.call(f"{SERVICE}:stack", given, timeout_s=900)
        return status_mib(children.pids[0], "VmHWM")


def judged(folder: Path, paths: list[Path], scratch: Path, other: Path) -> str:
    """Count the hits left, and the pixels whose rejected samples differ from the plain definition."""
    with fits.open(scratch / "master.fits") as units:
        made, nused = units["SCI"].data, units["NUSED"].data
        noise = units[0].header
        top = SHAPE[0] // 2
        part = slice(top, top + CHECKED_ROWS)
        cube = np.stack([fits.getdata(path)[part] for path in paths])
        model = NoiseModel(float(noise["NOISEVAR"])) if "NOISEVAR" in noise else None
        left = f"hit pixels left: ours {left_over(folder, made)}"
        counts = "" if model is None else f"; {unlike(cube, model, nused[part])} of {nused[part].size} counts unlike"
    theirs = f", Siril {left_over(folder, siril.pixels(other))}" if other.exists() else ""
    return left + theirs + counts


def unlike(cube: NDArray[np.uint16], noise: NoiseModel, nused: NDArray[np.uint8]) -> int:
    """Compare the samples used with the definition in plain numpy."""
    _, count = reference.sigma_clip(cube.astype(np.float64), noise)
    return int((count != nused).sum())


def inside(folder: Path, paths: list[Path]) -> Iterator[Row]:
    """Time the combination alone, in this process."""
    seconds = statistics.median(timed(lambda: combine(paths, noise=NoiseModel(81.1)), 3))
    found = combine(paths, noise=NoiseModel(81.1))
    part = slice(SHAPE[0] // 2, SHAPE[0] // 2 + CHECKED_ROWS)
    cube = np.stack([fits.getdata(path)[part] for path in paths])
    told = f"hit pixels left: ours {left_over(folder, found.sci)}"
    told += f"; rejection counts unlike plain numpy: {unlike(cube, NoiseModel(81.1), found.nused[part])}"
    peers: tuple[tuple[str, Callable[[Path, list[Path]], tuple[float, NDArray[np.float32]]]], ...] = (
        ("astropy.stats.sigma_clip in tiles, run once", by_astropy),
        ("ccdproc.combine, run once on five frames, scaled", by_ccdproc),
    )
    for name, peer in peers:
        theirs, made = peer(folder, paths)
        yield Row(
            f"combine {len(paths)} x 24 MP inside a warm process", "s", seconds, theirs, name, n=3,
            accuracy=f"{told}; peer {left_over(folder, made)} left",
        )  # fmt: skip


def cold(paths: list[Path], turns: int) -> Row:
    """Time the combination of files that are not in memory, in turns with reading their bytes one after the other."""
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(turns):
        forget(paths)
        ours += timed(lambda: combine(paths, noise=NoiseModel(81.1)), 1, warm=False)
        forget(paths)
        theirs += timed(lambda: read(paths), 1, warm=False)
    return Row(
        f"combine {len(paths)} x 24 MP from a cold disk, inside a warm process", "s", statistics.median(ours),
        statistics.median(theirs), "reading the same bytes, cold", n=turns, bounds=(Bound(Of.RATIO, 1.2),),
    )  # fmt: skip


def forget(paths: list[Path]) -> None:
    """Drop files from the page cache; those not yet on the disk are written first."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(paths: list[Path]) -> None:
    """Read files into one buffer."""
    room = bytearray(READ_BYTES)
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.readinto(room):
                pass


def by_astropy(_folder: Path, paths: list[Path]) -> tuple[float, NDArray[np.float32]]:
    """astropy.stats.sigma_clip in tiles of 100 rows, then the mean."""
    start = time.perf_counter()
    cube = np.stack([fits.getdata(path, memmap=False) for path in paths])
    out = np.empty(SHAPE, np.float32)
    for y in range(0, SHAPE[0], 100):
        tile = cube[:, y : y + 100].astype(np.float32)
        out[y : y + 100] = sigma_clip(tile, sigma=3, maxiters=5, axis=0, masked=False, copy=False).mean(axis=0)
    return time.perf_counter() - start, out


def by_ccdproc(_folder: Path, paths: list[Path]) -> tuple[float, NDArray[np.float32]]:
    """ccdproc.combine with sigma clipping as it comes, of fewer frames."""
    few = [str(path) for path in paths[:CCDPROC_FRAMES]]
    start = time.perf_counter()
    made = ccdproc.combine(few, method="average", sigma_clip=True, unit="adu", mem_limit=2e9, dtype=np.float32)
    return (time.perf_counter() - start) * len(paths) / CCDPROC_FRAMES, np.asarray(made.data)
