"""The calls of the calibration guide run as they stand there."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

PAGE = Path(__file__).resolve().parents[2] / "docs" / "calibration.md"


def test_the_python_of_the_guide_makes_a_master_and_calibrates_with_it(
    rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(10):
        dark = np.rint(rng.normal(500, 5, (64, 64))).astype(np.uint16)
        fits.writeto(tmp_path / f"dark60_{i}.fits", dark, fits.Header({"EXPTIME": 60.0}))
    light = np.rint(rng.normal(900, 20, (64, 64))).astype(np.uint16)
    fits.writeto(tmp_path / "light1.fits", light, fits.Header({"EXPTIME": 60.0}))
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calls.py").write_text(code, encoding="utf-8")
    runpy.run_path("calls.py")
    assert capsys.readouterr().out == "{}\n"
    made = fits.getdata(tmp_path / "light1_calibrated.fits")
    assert abs(float(np.median(made)) - 400) < 3
