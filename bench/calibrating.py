"""One light calibrated, read to written: ours with error and mask planes and repair, in turns with ccdproc and Siril.

ccdproc subtracts the dark and divides by the flat, keeps the masters in memory and repairs nothing. Siril calibrates
a sequence with dark, flat and cosmetic correction: its own clock, reading of the masters included, divided by its
lights. Beside it ours calibrates the same lights in one call, divided likewise; beside ccdproc, and in ``alone_s``,
light after light, as a worker of the services gets them.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ccdproc
import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData
from bench import siril
from bench.clock import in_process, settled, status_mib, timed
from bench.masterframes import SKY_ADU, make_lights
from bench.peers import here
from bench.rows import Bound, Of, Row
from numpy.typing import NDArray

from pictor.calibration_stacker import compute
from pictor.imaging.calibration.files import Order, calibrate_files

LIGHTS = 4
PIECE = 384_000
"""Bytes of a plane read or written at once."""
OFF_ADU = 200.0
"""More than six times the noise: a pixel this far off was not repaired."""


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure ours and both peers in turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lights, dark, flat = make_lights(folder, LIGHTS)
        yield from _rows(folder, lights, {"dark": str(dark), "flat": str(flat)}, 2 if quick else 5)


def _rows(folder: Path, lights: list[Path], masters: dict[str, str], turns: int) -> Iterator[Row]:
    compute.warm()
    peer, room, out = Ccdproc(folder, masters), folder / "siril", folder / "ours"
    out.mkdir()
    with_siril = here("siril-cli")
    if with_siril:
        siril.sequence(room, lights)
        siril.masters(room, Path(masters["dark"]), Path(masters["flat"]))
    mine, theirs, others, together = [], [], [], []
    for turn in range(turns + 1):
        for path in (*room.glob("pp_*"), *out.glob("*/calibrated*")):
            path.unlink()
        first = 0 if turn else 1
        mine += [took / LIGHTS for took in once(lambda: sequence(lights, out, masters))][first:]
        theirs += once(lambda: peer.run(lights[0]))[first:]
        for path in out.glob("*/calibrated*"):
            path.unlink()
        if with_siril:
            together += [took / LIGHTS for took in once(lambda: at_once(lights, out, masters))][first:]
            settled()
            others += [siril.run(room, "preprocess f -dark=dark -flat=flat -cc=dark 3 3").own_s / LIGHTS][first:]
    rss = in_process("bench.calibrating", {"light": str(lights[0]), "scratch": str(out), "masters": masters})["rss_mib"]
    more = processor(lights, out, masters)
    told = f"ours {accuracy(fits.getdata(out / '0' / compute.CALIBRATED_FILE))}"
    name = "calibrate a light 24 MP: dark, flat, repair, error, mask, read to written"
    own = statistics.median(mine)
    yield Row(
        name, "s", own, statistics.median(theirs), "ccdproc dark + flat, no repair, one plane", n=turns,
        rss_mib=float(str(rss)), bounds=(Bound(Of.RATIO, 1.0),),
        accuracy=f"{told}; ccdproc {accuracy(fits.getdata(peer.out))}", more=more,
    )  # fmt: skip
    if with_siril:
        seen = siril.pixels(room / "pp_f_00001.fit")
        seen *= np.float32(SKY_ADU / np.median(seen))
        yield Row(
            f"{name}, of {LIGHTS}", "s", statistics.median(together), statistics.median(others),
            "Siril dark + flat + cosmetic", n=turns,
            rss_mib=float(str(rss)), bounds=(Bound(Of.RATIO, 0.4), Bound(Of.RSS, 450)),
            accuracy=f"{told}; Siril {accuracy(seen)}, level set to the truth", more={**more, "alone_s": own},
        )  # fmt: skip


def once(work: Callable[[], object]) -> list[float]:
    """Time a call that waits for nothing that was written before."""
    settled()
    return timed(work, 1, warm=False)


def sequence(lights: list[Path], out: Path, masters: dict[str, str]) -> None:
    """Calibrate light after light, each into a folder of its own."""
    for number, light in enumerate(lights):
        (out / str(number)).mkdir(exist_ok=True)
        ours(str(light), str(out / str(number)), masters)


def at_once(lights: list[Path], out: Path, masters: dict[str, str]) -> None:
    """Calibrate lights in one call, to the same files."""
    paths = {kind: Path(path) for kind, path in masters.items()}
    places = [out / str(number) / compute.CALIBRATED_FILE for number in range(len(lights))]
    calibrate_files([
        Order(light, place, paths, egain=1.0, read_noise_e=9.0, saturation=65535)
        for light, place in zip(lights, places, strict=True)
    ])  # fmt: skip


def processor(lights: list[Path], out: Path, masters: dict[str, str]) -> dict[str, float]:
    """Seconds of the processor per light: all of it, and for moving the same bytes in the same pieces alone."""
    inputs, written = [lights[0], *map(Path, masters.values())], (out / "0" / compute.CALIBRATED_FILE).stat().st_size

    def read() -> None:
        for path in inputs:
            with path.open("rb", buffering=0) as file:
                room = bytearray(PIECE)
                while file.readinto(room):
                    pass

    def write() -> None:
        with (out / "bytes").open("wb", buffering=0) as file:
            os.posix_fallocate(file.fileno(), 0, written)
            for start in range(0, written, PIECE):
                file.write(bytes_of_piece[: written - start])
        (out / "bytes").unlink()

    bytes_of_piece = memoryview(bytes(PIECE))
    works = {
        "cpu_s": lambda: sequence(lights, out, masters), "together_cpu_s": lambda: at_once(lights, out, masters),
        "read_cpu_s": read, "write_cpu_s": write,
    }  # fmt: skip
    found = {}
    for name, work in works.items():
        began = time.process_time()
        work()
        found[name] = round((time.process_time() - began) / (1 if work in {read, write} else LIGHTS), 4)
    return found


def ours(light: str, scratch: str, masters: dict[str, str]) -> None:
    """Calibrate as the service does."""
    compute.calibrate(path=light, scratch=scratch, masters=masters, egain=1.0, read_noise_e=9.0, saturation_adu=65535)


class Ccdproc:
    """The usual package with its masters read beforehand."""

    def __init__(self, folder: Path, masters: dict[str, str]) -> None:
        self.out = folder / "ccdproc.fits"
        self.dark, self.flat = (
            CCDData(fits.getdata(masters[kind]).astype(np.float32), unit="adu") for kind in ("dark", "flat")
        )

    def run(self, light: Path) -> None:
        """Read, subtract, divide, write."""
        self.out.unlink(missing_ok=True)
        raw = CCDData.read(light, unit="adu")
        net = ccdproc.subtract_dark(raw, self.dark, dark_exposure=1 * u.s, data_exposure=1 * u.s)
        done = ccdproc.flat_correct(net, self.flat, norm_value=1.0)
        fits.writeto(self.out, done.data.astype(np.float32))


def accuracy(sci: NDArray[np.number]) -> str:
    """Say how far a calibrated light is off its sky."""
    off = sci.astype(np.float32) - np.float32(SKY_ADU)
    middle = float(np.median(off))
    spread = 1.4826 * float(np.median(np.abs(off - middle)))
    return f"median {middle:+.2f} ADU, scatter {spread:.2f} ADU, {int((np.abs(off) > OFF_ADU).sum())} pixels off"


def main(light: str, scratch: str, masters: dict[str, str]) -> dict[str, object]:
    """Calibrate alone and four at once in a process of its own; its highest memory."""
    compute.warm()
    ours(light, scratch, masters)
    at_once([Path(light)] * LIGHTS, Path(scratch), masters)
    return {"rss_mib": status_mib("self", "VmHWM")}
