"""Outside programs that misbehave: limited, ended, and never believed."""

import contextlib
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pictor.astrometry.backends.astap import AstapSolver
from pictor.astrometry.backends.external import Ended, run, workplace
from pictor.astrometry.backends.protocol import Candidate, Failure, Hints, Limits, Reason, Solver, SolverInput
from pictor.astrometry.backends.solve_field import SolveFieldSolver
from pictor.astrometry.indexes import sample_folder

Program = Callable[[str], str]
WALL_S = 1.2
GOOD_INI = (
    "PLTSOLVD=T\nCRPIX1= 5.0E+002\nCRPIX2= 4.0E+002\nCRVAL1= 1.88E+002\nCRVAL2= 8.09E+000\n"
    "CD1_1=-7.2E-004\nCD1_2= 1.0E-004\nCD2_1=-1.0E-004\nCD2_2=-7.3E-004\n"
)


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Make a stub program of a Python body."""

    def make(body: str) -> str:
        path = tmp_path / "stub"
        path.write_text(f"#!{sys.executable} -S\nimport os, sys, time\n{body}\n", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


@pytest.fixture
def given(tmp_path: Path) -> SolverInput:
    (tmp_path / "scratch").mkdir()
    stars = np.random.default_rng(1).uniform(1, 500, (40, 3))
    return SolverInput(stars, 500, 500, tmp_path / "scratch")


def astap(path: str, tmp_path: Path) -> Solver:
    (tmp_path / "v17_0101.290").touch()
    return AstapSolver(tmp_path, path)


def solve_field(path: str, tmp_path: Path) -> Solver:
    del tmp_path
    folder = sample_folder()
    assert folder is not None
    return SolveFieldSolver((folder,), path)


def ask(solver: Solver, given: SolverInput, **limits: float) -> Candidate | Failure:
    found = solver.solve(given, Hints(314.0, 44.0, 3.0, 1.0, 2.0), Limits(**{"wall_s": 20.0, **limits}))  # type: ignore[arg-type]
    assert list(given.scratch.iterdir()) == []
    return found


def ini(text: str) -> str:
    return f"open('in.ini', 'w').write({text!r})"


BOTH = pytest.mark.parametrize("make", [astap, solve_field])


@BOTH
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("time.sleep(60)", Reason.TIME_LIMIT),
        ("os.fork() or time.sleep(60); time.sleep(60)", Reason.TIME_LIMIT),
        ("while True: pass", Reason.TIME_LIMIT),
        ("os.kill(os.getpid(), 11)", Reason.SOLVER_CRASH),
        ("print('x' * 100_000_000)", Reason.SOLVER_OUTPUT),
        ("x = bytearray(8 * 1024**3)", Reason.SOLVER_CRASH),
    ],
    ids=["hang", "fork and hang", "spin", "crash", "endless text", "eats memory"],
)
def test_a_program_that_misbehaves_is_a_failure_with_its_class(
    body: str, reason: Reason, make: Callable[..., Solver], program: Program, given: SolverInput
) -> None:
    began = time.monotonic()
    wall_s = WALL_S if reason is Reason.TIME_LIMIT else 20.0
    found = ask(make(program(body), given.scratch.parent), given, wall_s=wall_s)
    assert isinstance(found, Failure)
    assert found.reason is reason
    assert time.monotonic() - began < 10.0


@pytest.mark.parametrize(
    "change",
    [
        ("CRVAL1= 1.88E+002", "CRVAL1= 4.00E+002"),
        ("CRVAL2= 8.09E+000", "CRVAL2= 9.09E+001"),
        ("CD1_1=-7.2E-004", "CD1_1=nan"),
        ("CD2_2=-7.3E-004\n", ""),
        ("CRPIX1= 5.0E+002", "CRPIX1= 5.0E+009"),
        ("CRVAL1= 1.88E+002", "CRVAL1= one hundred"),
        ("CD1_1=-7.2E-004\nCD1_2= 1.0E-004", "CD1_1=0\nCD1_2=0"),
    ],
    ids=["RA 400", "Dec 91", "NaN", "missing", "far pixel", "text", "scale 0"],
)
def test_astaps_success_with_impossible_numbers_is_a_crash(
    change: tuple[str, str], program: Program, given: SolverInput, tmp_path: Path
) -> None:
    found = ask(astap(program(ini(GOOD_INI.replace(*change))), tmp_path), given)
    assert isinstance(found, Failure)
    assert found.reason is Reason.SOLVER_GARBAGE
    assert "cannot be true" in found.message


def test_astaps_good_answer_is_read(program: Program, given: SolverInput, tmp_path: Path) -> None:
    found = ask(astap(program(ini(GOOD_INI)), tmp_path), given)
    assert isinstance(found, Candidate)
    assert found.wcs.crval == (188.0, 8.09)


@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [
        (1, "PLTSOLVD=F\n", Reason.NO_MATCH),
        (1, "PLTSOLVD=F\nERROR=No star database found.\n", Reason.NOT_CONFIGURED),
        (1, "PLTSOLVD=F\nERROR=Not enough stars.\n", Reason.TOO_FEW_STARS),
        (1, "PLTSOLVD=F\nERROR=Error reading image file.\n", Reason.UNREADABLE),
        (2, "PLTSOLVD=F\n", Reason.TOO_FEW_STARS),
        (16, "PLTSOLVD=F\n", Reason.UNREADABLE),
        (32, "PLTSOLVD=F\n", Reason.NOT_CONFIGURED),
        (33, "PLTSOLVD=F\n", Reason.NOT_CONFIGURED),
        (34, "PLTSOLVD=F\n", Reason.SOLVER_CRASH),
    ],
)
def test_astaps_exit_codes_of_both_generations_are_understood(
    code: int, text: str, reason: Reason, program: Program, given: SolverInput
) -> None:
    found = ask(astap(program(ini(text) + f"\nsys.exit({code})"), given.scratch.parent), given)
    assert isinstance(found, Failure)
    assert found.reason is reason


def test_astap_that_leaves_nothing_was_silent(program: Program, given: SolverInput, tmp_path: Path) -> None:
    found = ask(astap(program("sys.exit(0)"), tmp_path), given)
    assert isinstance(found, Failure)
    assert found.reason is Reason.SOLVER_SILENT


def test_solve_fields_exit_0_without_a_solved_file_is_no_match(
    program: Program, given: SolverInput, tmp_path: Path
) -> None:
    found = ask(solve_field(program("sys.exit(0)"), tmp_path), given)
    assert isinstance(found, Failure)
    assert found.reason is Reason.NO_MATCH


def test_solve_fields_garbage_wcs_is_not_believed(program: Program, given: SolverInput, tmp_path: Path) -> None:
    body = "open('in.solved', 'wb').write(b'\\1'); open('in.wcs', 'wb').write(os.urandom(100000))"
    found = ask(solve_field(program(body), tmp_path), given)
    assert isinstance(found, Failure)
    assert found.reason is Reason.SOLVER_GARBAGE


def test_a_huge_result_file_is_stopped(program: Program, given: SolverInput, tmp_path: Path) -> None:
    body = "f = open('in.ini', 'w')\nfor _ in range(1000): f.write('x' * 1024**2)"
    found = ask(astap(program(body), tmp_path), given, file_bytes=1024**2)
    assert isinstance(found, Failure)


def test_the_program_sees_our_file_names_an_empty_input_and_little_environment(
    program: Program, given: SolverInput, tmp_path: Path
) -> None:
    os.environ["PICTOR_TEST_SECRET"] = "do not pass on"
    try:
        body = "print(sorted(os.listdir()), oct(os.stat('.').st_mode), sorted(os.environ), sys.stdin.read())"
        with workplace(given.scratch) as folder:
            found = run([program(body)], folder, Limits(wall_s=5))
    finally:
        del os.environ["PICTOR_TEST_SECRET"]
    assert isinstance(found, Ended)
    assert "0o40700" in found.text
    assert "SECRET" not in found.text


def test_a_missing_program_is_unavailable_with_the_command_that_installs_it(tmp_path: Path) -> None:
    for solver, remedy in (
        (AstapSolver(tmp_path, "/no/such/program"), "astap-cli"),
        (SolveFieldSolver((tmp_path,), "/no/such"), "astrometry.net"),
    ):
        missing = solver.unavailable()
        assert missing is not None
        assert missing.reason is Reason.SOLVER_UNAVAILABLE
        assert f"apt-get install {remedy}" in missing.message


def test_a_program_that_cannot_start_is_unavailable(tmp_path: Path) -> None:
    found = run(["/no/such/program"], tmp_path, Limits(wall_s=5))
    assert isinstance(found, Failure)
    assert found.reason is Reason.SOLVER_UNAVAILABLE


def test_nothing_survives_not_even_what_left_its_group(program: Program, given: SolverInput, tmp_path: Path) -> None:
    stub = program("p = os.fork()\nif not p:\n    try: os.setsid()\n    except OSError: pass\ntime.sleep(60)")
    with workplace(given.scratch) as folder:
        began = time.monotonic()
        found = run([stub], folder, Limits(wall_s=0.5))
    assert isinstance(found, Failure)
    assert time.monotonic() - began < 3.0
    assert stubs_running(stub) == 0


def test_nothing_survives_a_parent_that_is_killed(program: Program, given: SolverInput) -> None:
    stub = program("p = os.fork()\nif not p:\n    try: os.setsid()\n    except OSError: pass\ntime.sleep(60)")
    script = (
        "from pathlib import Path\nfrom pictor.astrometry.backends.external import run\n"
        "from pictor.astrometry.backends.protocol import Limits\n"
        f"run([{stub!r}], Path({str(given.scratch)!r}), Limits(wall_s=60))"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    for _ in range(200):
        if stubs_running(stub) == 2:
            break
        time.sleep(0.05)
    assert stubs_running(stub) == 2
    parent.kill()
    parent.wait()
    for _ in range(100):
        if stubs_running(stub) == 0:
            break
        time.sleep(0.05)
    assert stubs_running(stub) == 0


def stubs_running(stub: str) -> int:
    """Count living processes that run a stub, without its guard."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            lines.append((entry / "cmdline").read_bytes())
    return sum(stub.encode() in line and b"guard.py" not in line and b"import run" not in line for line in lines)
