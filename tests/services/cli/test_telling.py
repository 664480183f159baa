"""What foreign text may do to a terminal: nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pictor.cli.telling import tell, visible


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("M31\x1b[2J\x1b]0;owned\x07", "M31\\x1b[2J\\x1b]0;owned\\x07"), ("a\rb", "a\\rb"), ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"), ("one\ttwo\nthree", "one\ttwo\nthree"), ("Käfer µ 5°", "Käfer µ 5°"),
    ],
)  # fmt: skip
def test_signs_that_steer_a_terminal_are_shown_as_escapes(
    hostile: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert visible(hostile) == shown
    tell(hostile)
    assert capsys.readouterr().out == f"{shown}\n"


def test_a_file_with_a_hostile_name_is_told_without_its_escapes(tmp_path: Path) -> None:
    frame = tmp_path / "light\x1b[31m.fits"
    frame.write_bytes(b"no frame")
    done = subprocess.run(
        [sys.executable, "-m", "pictor.cli", "stars", str(frame), "-o", str(tmp_path)],
        capture_output=True, check=False, env=os.environ, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert b"light\\x1b[31m.fits" in done.stderr
    assert b"\x1b[31m" not in done.stdout + done.stderr
