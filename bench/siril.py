"""Siril as a peer: stacks and calibrates sequences of links, 32 bits, two threads."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

FULL = 65535
"""Siril keeps reals between 0 and 1."""


@dataclass(frozen=True, slots=True)
class Ran:
    """Seconds of the process and by Siril's own clock, and its highest memory."""

    process_s: float
    own_s: float
    rss_mib: float


ALONE = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True, timeout=900)
took = time.perf_counter() - began
print(json.dumps([took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, done.returncode, done.stdout]))
"""
"""A small process that starts another and tells its time and memory.

The kernel counts what a process held before it became another program, so that a child of a large one looks large.
"""


def run(room: Path, *commands: str) -> Ran:
    """Run commands in a folder."""
    script = room / "bench.ssf"
    script.write_text("\n".join(["requires 1.0.0", "set32bits", "setcpu 2", *commands, ""]))
    command = [str(shutil.which("siril-cli")), "-d", str(room), "-s", str(script)]
    done = subprocess.run([sys.executable, "-S", "-c", ALONE, *command], check=True, capture_output=True, text=True)
    elapsed, rss_mib, code, output = json.loads(done.stdout)
    if code != 0:
        raise RuntimeError(f"siril-cli ended with {code}: {output[-2000:]}")
    clocks = re.findall(r"log: Execution time: ([0-9.]+) (ms|s)\b", output)
    own = sum(float(value) / (1000 if unit == "ms" else 1) for value, unit in clocks)
    return Ran(elapsed, own or elapsed, rss_mib)


def sequence(room: Path, paths: Sequence[Path]) -> None:
    """Make a sequence ``f`` of links."""
    room.mkdir(exist_ok=True)
    for i, path in enumerate(paths, 1):
        (room / f"f_{i:05d}.fit").symlink_to(path)


def masters(room: Path, dark: Path, flat: Path) -> None:
    """Write masters as Siril wants them."""
    fits.writeto(room / "dark.fit", (fits.getdata(dark) / FULL).astype(np.float32))
    fits.writeto(room / "flat.fit", (fits.getdata(flat) * 0.4).astype(np.float32))


def pixels(path: Path) -> NDArray[np.float32]:
    """Read a result in ADU."""
    return np.asarray(fits.getdata(path) * np.float32(FULL), np.float32)
