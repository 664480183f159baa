"""Installing star indexes, from a loopback server, from folders, and what can go wrong."""

import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pictor.astrometry import installing
from pictor.astrometry.indexes import installed, sample_folder
from pictor.astrometry.installing import InstallError, download, install, link_present


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the loopback address that serves it."""
    folder = tmp_path / "served"
    (folder / "4100").mkdir(parents=True)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def index_bytes() -> bytes:
    folder = sample_folder()
    assert folder is not None
    return (folder / "index-sample-05.fits").read_bytes()


def silent(name: str, done: int, total: int | None) -> None:
    del name, done, total


def test_a_downloaded_index_is_usable(served: tuple[Path, str], tmp_path: Path) -> None:
    (served[0] / "4100" / "index-4119.fits").write_bytes(index_bytes())
    seen: list[tuple[str, int, int | None]] = []
    download(tmp_path, ["4119"], lambda *what: seen.append(what), host=served[1])
    assert [index.path.name for index in installed([tmp_path])] == ["index-4119.fits"]
    assert seen[-1] == ("index-4119.fits", len(index_bytes()), len(index_bytes()))


def test_a_damaged_download_is_refused_and_removed(served: tuple[Path, str], tmp_path: Path) -> None:
    (served[0] / "4100" / "index-4119.fits").write_bytes(index_bytes()[:100_000])
    with pytest.raises(InstallError, match="damaged"):
        download(tmp_path, ["4119"], silent, host=served[1])
    assert not list(tmp_path.glob("*.fits")) + list(tmp_path.glob("*.part"))


def test_a_file_the_host_does_not_have_is_an_error_with_its_address(served: tuple[Path, str], tmp_path: Path) -> None:
    with pytest.raises(InstallError, match=r"index-4118.fits could not be downloaded.*404"):
        download(tmp_path, ["4118"], silent, host=served[1])
    assert not list(tmp_path.glob("*.part"))


def test_being_offline_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="check the network"):
        download(tmp_path, ["4119"], silent, host="http://127.0.0.1:9")


def test_unknown_names_and_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="4107 to 4119"):
        download(tmp_path, ["../../etc/passwd"], silent)
    with pytest.raises(InstallError, match="unknown source"):
        install(tmp_path, source="carrier-pigeon")
    with pytest.raises(InstallError, match="unknown package"):
        install(tmp_path, ["--help"], source="debian")


def test_indexes_of_other_programs_are_linked(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    (there / "index-x.fits").write_bytes(index_bytes())
    link_present(here, [there])
    link_present(here, [there])
    assert (here / "index-x.fits").is_symlink()
    assert len(installed([here])) == 1
    with pytest.raises(InstallError, match="no index files of other programs"):
        link_present(here, [tmp_path / "nowhere"])


def test_packages_are_unpacked_with_the_tools_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins for apt-get and dpkg-deb show that nothing else is needed, and that root is not."""
    tools, folder = tmp_path / "tools", tmp_path / "indexes"
    tools.mkdir()
    sample = sample_folder()
    assert sample is not None
    stubs = {
        "apt-get": '#!/bin/sh\necho "$2" > "$2_1_all.deb"\n',
        "dpkg-deb": f'#!/bin/sh\nmkdir -p "$3/usr/share"\ncp {sample}/index-sample-05.fits "$3/usr/share/"\n',
    }
    for name, text in stubs.items():
        (tools / name).write_text(text, encoding="utf-8")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    assert [path.name for path in install(folder, ["07"])] == ["index-sample-05.fits"]
    assert sorted(path.name for path in folder.iterdir()) == ["index-sample-05.fits"]
    (tools / "apt-get").write_text("#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n", encoding="utf-8")
    with pytest.raises(InstallError, match=r"package lists could not be fetched: E: Unable to locate"):
        install(folder, ["08"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallError, match="apt-get is not on this machine"):
        install(folder, ["08"])


def test_a_machine_without_package_lists_gets_private_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for apt-get that knows packages only after an update of lists below our own folder."""
    tools, folder = tmp_path / "tools", tmp_path / "indexes"
    tools.mkdir()
    apt = """#!/bin/sh
lists=${2#Dir::State::Lists=}
case "$5" in
  update) touch "$lists/fetched" ;;
  download) test -e "$lists/fetched" && echo deb > "$6_1_all.deb" ;;
  *) echo 'E: Unable to locate package' >&2; exit 100 ;;
esac
"""
    dpkg = f'#!/bin/sh\nmkdir -p "$3/usr/share"\ncp {sample_folder()}/index-sample-05.fits "$3/usr/share/"\n'
    for name, text in {"apt-get": apt, "dpkg-deb": dpkg}.items():
        (tools / name).write_text(text, encoding="utf-8")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    assert [path.name for path in install(folder, ["07"])] == ["index-sample-05.fits"]


def test_the_default_packages_are_known() -> None:
    assert set(installing.DEBIAN_DEFAULT) <= set(installing.DEBIAN)
    assert shutil.which("sh")
