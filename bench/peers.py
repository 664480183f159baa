"""Programs and packages ours is compared with: which are here, in which version, and how to get the others."""

import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True, slots=True)
class Peer:
    """A program of a Debian package."""

    program: str
    package: str


PROGRAMS = (
    Peer("siril-cli", "siril"),
    Peer("source-extractor", "source-extractor"),
    Peer("solve-field", "astrometry.net"),
    Peer("astap_cli", "astap-cli"),
    Peer("SWarp", "swarp"),
)
PACKAGES = ("sep", "ccdproc", "photutils", "astropy", "Pillow", "pyvips", "numpy", "numba", "faststream", "nats-py")
OPTIONAL = ("opencv-python-headless",)
"""Packages nothing of ours needs: a row without them has no peer."""


def here(program: str) -> bool:
    """Whether a program is installed."""
    return shutil.which(program) is not None


def missing() -> list[str]:
    """Say which peers are not here and how to install each; the rows that need them have no peer."""
    programs = [
        f"{peer.program} is not installed: apt-get install {peer.package}"
        for peer in PROGRAMS
        if not here(peer.program)
    ]
    return programs + [f"{name} is not installed: pip install {name}" for name in OPTIONAL if _version(name) is None]


def versions() -> dict[str, str]:
    """Versions of every peer that is here and of what ours is built on."""
    found = {}
    for peer in PROGRAMS:
        if here(peer.program):
            found[peer.package] = _package_version(peer.package)
    return found | {name: _version(name) or "not installed" for name in (*PACKAGES, *OPTIONAL)}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _package_version(package: str) -> str:
    if shutil.which("dpkg-query") is None:
        return "unknown"
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
