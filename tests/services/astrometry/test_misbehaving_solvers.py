"""Solvers that misbehave in every way: each ends with its own reason, leaves nothing behind and reaches nothing."""

import os
import socket
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pictor.astrometry.backends.astap import AstapSolver
from pictor.astrometry.backends.engine import _claim
from pictor.astrometry.backends.external import Ended, result_text, run, workplace
from pictor.astrometry.backends.protocol import Candidate, Failure, Hints, Limits, Reason, SolverInput
from pictor.astrometry.compute import solve
from pictor.imaging.astrometry.projection import Wcs
from tests.services.astrometry.conftest import sample_truth
from tests.services.astrometry.test_external import GOOD_INI, stubs_running

WALL_S = 40.0
"""A quarter of it is the time of one try, and a stub may start slowly on a busy machine."""

BAD_NUMBERS = GOOD_INI.replace("CRVAL1= 1.88E+002", "CRVAL1= 4.00E+002")

MISBEHAVIOURS: dict[str, tuple[str, Reason]] = {
    "sleeps for ever and ignores SIGTERM": (
        "import signal\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(600)", Reason.TIME_LIMIT
    ),
    "leaves children that stay": (
        "for _ in range(5):\n    os.fork() or time.sleep(600)\nsys.exit(0)", Reason.SOLVER_SILENT
    ),
    "spins": ("while True: pass", Reason.TIME_LIMIT),
    "ends well and leaves nothing": ("sys.exit(0)", Reason.SOLVER_SILENT),
    "leaves garbage": ("open('in.ini', 'wb').write(b'PLTSOLVD=T\\n' + os.urandom(100_000))", Reason.SOLVER_GARBAGE),
    "leaves impossible numbers": (f"open('in.ini', 'w').write({BAD_NUMBERS!r})", Reason.SOLVER_GARBAGE),
    "leaves half a result": (f"open('in.ini', 'w').write({GOOD_INI[:120]!r})", Reason.SOLVER_GARBAGE),
    "prints 2 GB": ("for _ in range(2048): print('x' * 2**20)", Reason.SOLVER_OUTPUT),
    "writes a huge file": (
        (
            "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
            "f = open('huge', 'wb')\nfor _ in range(4096): f.write(bytes(2**20))"
        ), Reason.SOLVER_OUTPUT
    ),
    "takes all memory": ("x = [bytearray(2**28) for _ in range(64)]", Reason.SOLVER_CRASH),
    "segfaults": ("import ctypes\nctypes.string_at(0)", Reason.SOLVER_CRASH),
    "leaves a link instead of a result": ("os.symlink('/etc/passwd', 'in.ini')", Reason.SOLVER_SILENT),
    "leaves a pipe instead of a result": ("os.mkfifo('in.ini')", Reason.SOLVER_SILENT),
    "leaves a folder instead of a result": ("os.mkdir('in.ini')", Reason.SOLVER_SILENT),
    "cannot read its picture": ("sys.exit(16)", Reason.UNREADABLE),
    "wants a screen": (
        "print('Gtk-WARNING **: cannot open display: ', file=sys.stderr)\nsys.exit(1)", Reason.SOLVER_UNAVAILABLE
    ),
    "is no program": ("", Reason.SOLVER_UNAVAILABLE),
}  # fmt: skip


@pytest.fixture
def stub(tmp_path: Path) -> Callable[[str], str]:
    """Make a program of a Python body, in a folder of its own."""

    def make(body: str) -> str:
        path = tmp_path / "bin" / "astap_cli"
        path.parent.mkdir()
        path.write_text(f"#!{sys.executable} -S\nimport os, sys, time\n{body}\n" if body else "\0\0\0no program\0")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


@pytest.fixture
def given(tmp_path: Path) -> SolverInput:
    (tmp_path / "stars").mkdir()
    (tmp_path / "stars" / "v17_0101.290").touch()
    (tmp_path / "scratch").mkdir()
    return SolverInput(np.random.default_rng(1).uniform(1, 500, (40, 3)), 500, 500, tmp_path / "scratch")


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_each_misbehaviour_has_its_own_reason_and_leaves_nothing(
    name: str, stub: Callable[[str], str], given: SolverInput, tmp_path: Path
) -> None:
    body, reason = MISBEHAVIOURS[name]
    program = stub(body)
    began = time.monotonic()
    wall_s = 2.0 if reason is Reason.TIME_LIMIT else WALL_S
    found = AstapSolver(tmp_path / "stars", program).solve(given, Hints(314.0, 44.0), Limits(wall_s=wall_s))
    print(f"\n{name}: {time.monotonic() - began:.1f} s, {found}")
    assert isinstance(found, Failure)
    assert found.reason is reason, found.message
    assert found.message.isprintable()
    assert list(given.scratch.iterdir()) == []
    assert stubs_running(program) == 0


def attempt(stub: Callable[[str], str], given: SolverInput, code: str) -> str:
    """Run a stub that tries something and prints what came of it."""
    program = stub(
        f"import socket\ntry:\n    print('done', {code})\nexcept OSError as error:\n    print('refused', error)"
    )
    with workplace(given.scratch) as folder:
        found = run([program], folder, Limits(wall_s=10))
    assert isinstance(found, Ended), found
    return found.text.strip()


def test_a_solver_cannot_write_outside_its_folder(
    stub: Callable[[str], str], given: SolverInput, tmp_path: Path
) -> None:
    other = given.scratch / "of-another-job"
    other.mkdir()
    for place in (tmp_path / "x", other / "x", tmp_path / "bin" / "x"):
        told = attempt(stub, given, f"open({str(place)!r}, 'w')")
        assert told.startswith("refused"), told
        assert not place.exists()
        (tmp_path / "bin" / "astap_cli").unlink()
        (tmp_path / "bin").rmdir()


def test_a_solver_reads_no_secret_and_sees_none_in_its_environment(
    stub: Callable[[str], str], given: SolverInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICTOR_POSTGRES_PASSWORD", "hidden")
    secret = tmp_path / "postgres.password"
    secret.write_text("hidden")
    code = f"dict(os.environ), [open(p).read() for p in ({str(secret)!r},)]"
    told = attempt(stub, given, code)
    assert told.startswith("refused")
    (tmp_path / "bin" / "astap_cli").unlink()
    (tmp_path / "bin").rmdir()
    assert "hidden" not in attempt(stub, given, "sorted(os.environ.items())")


def test_a_solver_reaches_no_network(stub: Callable[[str], str], given: SolverInput) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        told = attempt(stub, given, f"socket.create_connection(('127.0.0.1', {listener.getsockname()[1]}), 2)")
    assert told.startswith("refused"), told


@pytest.mark.parametrize("parity", [1, -1])
def test_a_position_of_the_wrong_parity_or_place_is_not_believed(
    parity: int, stub: Callable[[str], str], star_file: Callable[..., str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    truth = sample_truth()
    numbers = _cards(truth.wcs, flip=parity)
    body = f"open('in.ini', 'w').write({numbers!r})"
    monkeypatch.setenv("PATH", os.pathsep.join((str(Path(stub(body)).parent), os.environ["PATH"])))
    (tmp_path / "v17_0101.290").touch()
    found = solve(
        star_file(truth), str(tmp_path), position=(314.9, 44.3), scale_arcsec=1.4, solvers=("astap",),
        astap_database=str(tmp_path), wall_s=20.0,
    )  # fmt: skip
    if parity == 1:
        assert found["solution"] is not None, found["message"]
    else:
        assert found["solution"] is None
        assert found["reason"] == "not-verified"


def _cards(wcs: Wcs, *, flip: int) -> str:
    """Write a position for the picture ASTAP is given, which is drawn 1,500 pixels wide; mirrored if asked."""
    shrink = sample_truth().width / 1500
    (cd11, cd12), (cd21, cd22) = wcs.cd
    x, y = ((place - 0.5) / shrink + 0.5 for place in wcs.crpix)
    pairs = {
        "CRVAL1": wcs.crval[0], "CRVAL2": wcs.crval[1], "CRPIX1": x, "CRPIX2": y,
        "CD1_1": flip * cd11 * shrink, "CD1_2": cd12 * shrink, "CD2_1": flip * cd21 * shrink, "CD2_2": cd22 * shrink,
    }  # fmt: skip
    return "PLTSOLVD=T\n" + "".join(f"{key}={value:.12E}\n" for key, value in pairs.items())


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "solved"},
        {"status": "solved", "wcs": [], "log_odds": 30},
        {"status": "solved", "wcs": {"CRVAL1": "far"}, "log_odds": 30},
        {"status": "solved", "wcs": None, "log_odds": None},
    ],
)
def test_an_engine_that_answers_nonsense_is_not_believed(answer: dict[str, object]) -> None:
    found = _claim(answer)
    assert isinstance(found, Failure)
    assert found.reason is Reason.SOLVER_GARBAGE


def test_a_result_is_a_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "in.ini").write_text("PLTSOLVD=T")
    (tmp_path / "link").symlink_to(tmp_path / "in.ini")
    os.mkfifo(tmp_path / "pipe")
    assert result_text(tmp_path / "in.ini") == "PLTSOLVD=T"
    assert [result_text(tmp_path / name) for name in ("link", "pipe", "none", ".")] == [None] * 4


def test_a_good_solver_is_still_believed_inside_the_enclosure(
    stub: Callable[[str], str], given: SolverInput, tmp_path: Path
) -> None:
    program = stub(f"open('in.ini', 'w').write({GOOD_INI!r})")
    found = AstapSolver(tmp_path / "stars", program).solve(given, Hints(188.0, 8.0), Limits(wall_s=WALL_S))
    assert isinstance(found, Candidate)
