"""The commands of the library compile nothing that installing did not compile."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = """
simulate night --scenario colour --small
combine night/dark_60s_0*.fits -o dark.fits
calibrate night/light_Red_01.fits night/light_Red_02.fits --dark dark.fits -o lights --egain 1.0 --read-noise 3.0
cosmics night/light_Red_01.fits -o lights --egain 1.0 --read-noise 3.0
stars night/light_Red_01.fits -o lights
quality night/light_Red_01.fits
background night/light_Red_01.fits -o lights
register night/light_Ha_01.fits night/light_Red_02.fits --reference night/light_Red_01.fits -o lights
coadd lights/light_Ha_01_registered.fits lights/light_Red_02_registered.fits -o red.fits
contsub lights/light_Ha_01_registered.fits red.fits -o line.fits
composite --red line.fits --green red.fits --blue red.fits -o picture.png
preview line.fits -o pictures
"""

RUN = """
import glob, sys
from pictor.cli.main import app
for line in sys.argv[1].strip().splitlines():
    words = [found for word in line.split() for found in (sorted(glob.glob(word)) or [word])]
    try:
        app(words, standalone_mode=False)
    except SystemExit as end:
        assert end.code in (0, None), (line, end.code)
"""


def compiled(folder: Path) -> dict[str, int]:
    """Kernels on disk, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.nbc")}


@pytest.mark.stress
def test_commands_compile_nothing_after_installation(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    subprocess.run([sys.executable, "-m", "pictor.cli.warm"], check=True, env=environment)
    before = compiled(tmp_path / "kernels")
    assert len(before) > 50
    command = [sys.executable, "-c", RUN, COMMANDS]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    after = compiled(tmp_path / "kernels")
    assert sorted(name for name in after if after[name] != before.get(name)) == []
