"""Time previews against astropy, Pillow and OpenCV, measured in the same run; one JSON line per comparison.

Run ``python bench/preview.py [small|jpeg|tiles|colour ...]``. Each measurement runs in a process of its own, so that
the largest resident set it reaches (``rss_mib``) is its own. A ratio below 1 means ours is faster.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from astropy.io import fits

SIZES = {"small": (4000, 6000), "jpeg": (4000, 6000), "tiles": (6388, 9576), "colour": (4000, 6000)}
REPEATS = 3


def make_frame(path: Path, ny: int, nx: int) -> None:
    """Sky, noise and stars as a camera writes them: 16-bit with BZERO 32768."""
    rng = np.random.default_rng(7)
    frame = rng.standard_normal((ny, nx), dtype=np.float32) * 60 + 1200
    dy, dx = np.mgrid[-10:10, -10:10]
    for y, x, flux in zip(*rng.integers((10, 10), (ny - 10, nx - 10), (4000, 2)).T, rng.pareto(1.5, 4000), strict=True):
        frame[y - 10 : y + 10, x - 10 : x + 10] += min(500 * flux, 60000) * np.exp(-(dy**2 + dx**2) / 8.0)
    fits.PrimaryHDU(frame.clip(0, 65535).astype(np.uint16)).writeto(path)


def ours_small(path: Path, out: Path) -> None:
    """FITS to 2048 px PNG and 256 px WebP."""
    from pictor.imaging.fits.reading import read_frame  # noqa: PLC0415
    from pictor.imaging.preview.rendering import render_small  # noqa: PLC0415

    render_small(read_frame(path).data, scratch=out)


def peer_small(path: Path, out: Path) -> None:
    """The usual recipe: astropy's zscale and asinh on the full frame, Pillow for sizes and files."""
    from astropy.visualization import AsinhStretch, ZScaleInterval  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    data = fits.getdata(path, memmap=False)
    picture = Image.fromarray((AsinhStretch(0.1)(ZScaleInterval()(data)) * 255).astype(np.uint8))
    preview = picture.resize((2048, round(2048 * data.shape[0] / data.shape[1])), Image.Resampling.LANCZOS)
    preview.save(out / "peer.png")
    preview.thumbnail((256, 256))
    preview.save(out / "peer.webp", quality=80)


def ours_jpeg(path: Path, out: Path) -> None:
    """FITS to 2048 px JPEG and 256 px WebP."""
    from pictor.imaging.fits.reading import read_frame  # noqa: PLC0415
    from pictor.imaging.preview.products import shrink, write_thumbnail  # noqa: PLC0415
    from pictor.imaging.preview.scene import Scene  # noqa: PLC0415

    preview = shrink(Scene.of(read_frame(path).data))
    preview.save(out / "ours.jpg", quality=85)
    write_thumbnail(preview, out / "ours.webp")


def peer_jpeg(path: Path, out: Path) -> None:
    """The quick recipe: astropy reads, OpenCV shrinks by area on two threads, our curve on the small picture."""
    import cv2  # noqa: PLC0415

    cv2.setNumThreads(2)
    data = fits.getdata(path, memmap=False)
    sample = data.ravel()[:: data.size // 400_000]
    median = float(np.median(sample))
    black = median - 2.8 * 1.4826 * float(np.median(np.abs(sample - median)))
    rows = (np.arange(65536) - black).clip(0) / (65535 - black)
    sky = (median - black) / (65535 - black)
    midtone = (0.25 - 1) * sky / ((2 * 0.25 - 1) * sky - 0.25)
    table = (255 * (midtone - 1) * rows / ((2 * midtone - 1) * rows - midtone)).astype(np.uint8)
    small = cv2.resize(data, (2048, round(2048 * data.shape[0] / data.shape[1])), interpolation=cv2.INTER_AREA)
    preview = table[small]
    cv2.imwrite(str(out / "peer.jpg"), preview, [cv2.IMWRITE_JPEG_QUALITY, 85])
    thumbnail = cv2.resize(preview, (256, round(256 * data.shape[0] / data.shape[1])), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(out / "peer.webp"), thumbnail, [cv2.IMWRITE_WEBP_QUALITY, 80])


def ours_tiles(path: Path, out: Path) -> None:
    """Frame to all products: tiles, index, PNG, thumbnail, corners."""
    from pictor.imaging.fits.reading import read_frame  # noqa: PLC0415
    from pictor.imaging.preview.rendering import render  # noqa: PLC0415

    render(read_frame(path).data, scratch=out)


def peer_tiles(path: Path, out: Path) -> None:
    """Astropy stretch on the full frame, libvips for the tiles only, with the threads it chooses."""
    import pyvips  # noqa: PLC0415
    from astropy.visualization import AsinhStretch, ZScaleInterval  # noqa: PLC0415

    data = fits.getdata(path, memmap=False)
    shown = (AsinhStretch(0.1)(ZScaleInterval()(data)) * 255).astype(np.uint8)
    image = pyvips.Image.new_from_memory(shown, shown.shape[1], shown.shape[0], 1, "uchar")
    (out / "peer.szi").unlink(missing_ok=True)
    image.dzsave(str(out / "peer.szi"), tile_size=512, overlap=0, suffix=".jpg[Q=85]", container="szi")


def ours_colour(path: Path, out: Path) -> None:
    """The same frame taken as a Bayer mosaic: all products in colour."""
    from pictor.imaging.fits.reading import read_frame  # noqa: PLC0415
    from pictor.imaging.preview.rendering import render  # noqa: PLC0415

    render(read_frame(path).data, bayer="RGGB", scratch=out)


PAIRS: dict[str, tuple[Callable[[Path, Path], None], Callable[[Path, Path], None]]] = {
    "small": (ours_small, peer_small),
    "jpeg": (ours_jpeg, peer_jpeg),
    "tiles": (ours_tiles, peer_tiles),
    "colour": (ours_colour, peer_small),
}


def measure(name: str, side: int, path: Path) -> None:
    """Time one side in this process and print seconds and MiB."""
    out = path.parent
    PAIRS[name][side](path, out)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        PAIRS[name][side](path, out)
        times.append(time.perf_counter() - start)
    print(json.dumps({"seconds": statistics.median(times), "rss_mib": high_water_mib()}))


def high_water_mib() -> float:
    """Largest resident set of this process; getrusage would count what the parent had before it started us."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def measured_elsewhere(name: str, side: int, path: Path) -> dict[str, float]:
    """Run one side in a process of its own."""
    command = [sys.executable, __file__, name, str(side), str(path)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def compare(name: str) -> None:
    """Print one line for one comparison."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.fits"
        make_frame(path, *SIZES[name])
        ours = measured_elsewhere(name, 0, path)
        peer = None if name == "jpeg" and find_spec("cv2") is None else measured_elsewhere(name, 1, path)
        line = {
            "name": f"preview-{name}",
            "frame_mib": round(path.stat().st_size / 2**20, 1),
            "ours": round(ours["seconds"], 4),
            "peer": peer and round(peer["seconds"], 4),
            "ratio": peer and round(ours["seconds"] / peer["seconds"], 3),
            "rss_mib": round(ours["rss_mib"], 1),
            "peer_rss_mib": peer and round(peer["rss_mib"], 1),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[2] in {"0", "1"}:
        measure(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    else:
        for chosen in sys.argv[1:] or PAIRS:
            compare(chosen)
