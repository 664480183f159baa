"""A whole night in one command: the frames of the colour scenario, from raw files to pictures and report."""

import json
import sys
import tempfile
from pathlib import Path

from bench.clock import measured_process, output_of
from bench.rows import Row

COMMAND = [sys.executable, "-m", "pictor.cli"]


def rows(*, quick: bool) -> list[Row]:
    """Process a night once, then once more with nothing new."""
    with tempfile.TemporaryDirectory(prefix="pictor-bench-") as folder:
        night, out = Path(folder, "night"), Path(folder, "out")
        small = ["--small"] if quick else []
        output_of([*COMMAND, "simulate", str(night), "--scenario", "colour", *small])
        call = [*COMMAND, "process", str(night), "-o", str(out)]
        first = measured_process(call)
        told = json.loads((out / "report.json").read_text())
        again = measured_process(call)
    frames = sum(row["kind"] in {"light", "bias", "dark", "flat"} for row in told["rows"])
    lights = [row for row in told["rows"] if row["kind"] == "light"]
    shape = f"{lights[0]['facts']['width']} x {lights[0]['facts']['height']}"
    made = sum(one["status"] == "OK" for one in told["coadds"])
    used = sum(row["status"] == "OK" for row in lights)
    name = f"pictor process, {frames} frames of {shape}"
    return [
        Row(
            f"{name}, whole command", "frames/min", 60 * frames / first.wall_s,
            accuracy=f"{used} of {len(lights)} lights used, {made} coadds and pictures",
            more={"wall_s": round(first.wall_s, 1), "cpu_s": round(first.cpu_s, 1)},
        ),
        Row(f"{name}, again with nothing new", "s", again.wall_s, more={"cpu_s": round(again.cpu_s, 2)}),
    ]  # fmt: skip
