"""Install star indexes: from what is present, from Debian packages without root, or from the internet."""

import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from pictor.astrometry.indexes import damage_of, installed

PRESENT = (
    Path("/usr/share/astrometry"),
    Path("/usr/local/astrometry/data"),
    Path("/usr/local/share/astrometry"),
    Path.home() / ".local/share/astrometry",
)
"""Where packages and programs put index files."""
DEBIAN = {name: f"astrometry-data-tycho2-{name}-littleendian" for name in ("07", "08", "09", "10-19")}
"""Debian packages by pattern size; 07 is for fields of 25 arcmin and more, 10-19 for more than 1 degree."""
DEBIAN_DEFAULT = ("07", "10-19")
"""Fields from 25 arcmin up in 110 MB of downloads."""
SERIES = {
    **{f"41{scale:02d}": f"4100/index-41{scale:02d}.fits" for scale in range(7, 20)},
    **{
        f"52{scale:02d}-{tile:02d}": f"5200/index-52{scale:02d}-{tile:02d}.fits"
        for scale in range(7)
        for tile in range(48)
    },
}
"""Files of data.astrometry.net by name: 4107 to 4119 for fields over 25 arcmin, 5200-00 to 5206-47 for smaller ones."""
HOST = "http://data.astrometry.net"
_TIMEOUT_S = 60.0
_APT_TIMEOUT_S = 1800.0
_CHUNK = 1024**2

Progress = Callable[[str, int, int | None], None]


class InstallError(Exception):
    """Indexes could not be installed; the message says why and what to do."""


def install(
    folder: Path, names: Iterable[str] = (), *, source: str = "debian", progress: Progress | None = None
) -> list[Path]:
    """Install star indexes into a folder.

    Parameters
    ----------
    folder
        Where they go; made when missing.
    names
        What to install: sizes of Debian packages (see ``DEBIAN``), or names of
        ``SERIES``. Nothing means a sensible choice.
    source
        ``present`` links what other programs installed, ``debian`` unpacks packages,
        ``internet`` downloads from data.astrometry.net.
    progress
        Called with a name, bytes so far and bytes in all (None when unknown).

    Returns
    -------
    list
        The files that are in the folder now and were not before.

    Raises
    ------
    InstallError
        With a sentence when nothing could be installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = {index.path for index in installed([folder])}
    chosen, tell = list(names), progress or _silent
    if source == "present":
        link_present(folder)
    elif source == "debian":
        unpack_debian(folder, chosen or list(DEBIAN_DEFAULT), tell)
    elif source == "internet":
        download(folder, chosen or [name for name in SERIES if name.startswith("41")], tell)
    else:
        raise InstallError(f"unknown source {source}; it must be present, debian or internet")
    return [index.path for index in installed([folder]) if index.path not in before]


def link_present(folder: Path, places: Iterable[Path] = PRESENT) -> None:
    """Link index files that other programs installed.

    Raises
    ------
    InstallError
        If there are none.
    """
    found = installed([place for place in places if place != folder])
    if not found:
        raise InstallError("no index files of other programs were found; try the source debian or internet")
    for index in found:
        link = folder / index.path.name
        if not link.exists():
            link.symlink_to(index.path)


def unpack_debian(folder: Path, names: Iterable[str], progress: Progress) -> None:
    """Download and unpack Debian packages; needs apt-get and dpkg-deb, but neither root nor installation.

    Raises
    ------
    InstallError
        If the tools are missing, a name is unknown, or a package cannot be fetched.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise InstallError(f"{tool} is not on this machine; try the source internet")
    with TemporaryDirectory(dir=folder) as work:
        for name in names:
            package = DEBIAN.get(name, name)
            if package not in DEBIAN.values():
                raise InstallError(f"unknown package {name}; known are {', '.join(DEBIAN)}")
            progress(package, 0, None)
            _apt_download(package, Path(work))
        for archive in Path(work).glob("*.deb"):
            _run(["dpkg-deb", "-x", archive.name, "unpacked"], Path(work), f"{archive.name} could not be unpacked")
        for path in Path(work).glob("unpacked/**/*.fits"):
            _keep(path, folder / path.name)
            progress(path.name, path.stat().st_size if path.exists() else 0, None)


def _apt_download(package: str, work: Path) -> None:
    """Download a package; a machine whose package lists were never fetched gets private ones, without root."""
    problem = f"package {package} could not be downloaded"
    try:
        _run(["apt-get", "download", package], work, problem)
    except InstallError:
        for part in ("lists/partial", "cache/archives/partial"):
            (work / part).mkdir(parents=True, exist_ok=True)
        private = ["-o", f"Dir::State::Lists={work / 'lists'}", "-o", f"Dir::Cache={work / 'cache'}"]
        _run(["apt-get", *private, "update"], work, "the package lists could not be fetched")
        _run(["apt-get", *private, "download", package], work, problem)


def download(folder: Path, names: Iterable[str], progress: Progress, *, host: str = HOST) -> None:
    """Download index files; a file counts only when whole and readable.

    Raises
    ------
    InstallError
        If a name is unknown, the host cannot be reached, or a file is damaged.
    """
    for name in names:
        if name not in SERIES:
            raise InstallError(f"unknown index {name}; known are 4107 to 4119 and 5200-00 to 5206-47")
        path = folder / Path(SERIES[name]).name
        if not path.exists():
            _fetch(f"{host}/{SERIES[name]}", path, progress)


def _fetch(address: str, path: Path, progress: Progress) -> None:
    part, done = path.with_suffix(".part"), 0
    try:
        with httpx.stream("GET", address, timeout=_TIMEOUT_S, follow_redirects=True) as answer, part.open("wb") as file:
            answer.raise_for_status()
            expected = int(answer.headers["content-length"]) if "content-length" in answer.headers else None
            for chunk in answer.iter_bytes(_CHUNK):
                done += file.write(chunk)
                progress(path.name, done, expected)
    except httpx.HTTPError as error:
        part.unlink(missing_ok=True)
        raise InstallError(f"{address} could not be downloaded ({error}); check the network") from error
    if expected is not None and done != expected:
        part.unlink()
        raise InstallError(f"{path.name} is cut short: {done} of {expected} bytes came")
    _keep(part, path)


def _keep(path: Path, place: Path) -> None:
    """Move a file to its place once every table in it can be read."""
    damage = damage_of(path)
    if damage is not None:
        path.unlink()
        raise InstallError(f"{place.name} is damaged: {damage}")
    shutil.move(path, place)


def _run(command: list[str], folder: Path, problem: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_APT_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"{problem} ({error})") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InstallError(f"{problem}: {last}")


def _silent(name: str, done: int, total: int | None) -> None:
    """Report nothing."""
