"""What must not grow with the frame does not: the header service and the gateway, as processes of their own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.support.installation import Installation, installation

SMALL, LARGE = (1760, 2328), (6388, 9576)
"""Rows and columns of a 4 MP and a 61 MP camera."""

HEADER_GROWTH_MIB = 8.0
"""One part of 5 MiB may be held once more when memory is fragmented; the frames differ by 114 MiB."""

GATEWAY_GROWTH_MIB = 24.0
"""A few parts of 5 MiB may be on their way to the store at once."""

SETTLED_AFTER = 3
"""Small frames until buffers and arenas have the size they keep."""

ENDS_WITHIN_S = 120.0

RESET_PEAK = "5"
"""Tells Linux to forget the highest resident memory of a process so far (proc_pid_clear_refs)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory, in MiB, of the gateway, the header service and its pixel child."""

    gateway: float
    header: float
    child: float


@dataclass(frozen=True, slots=True)
class Growth:
    """Memory after frames of 4 MP, and its highest while one of 61 MP passed."""

    before: Memory
    peak: Memory
    died: list[str]


@pytest.fixture(scope="module")
def growth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Growth]:
    """Pass small frames and then a large one through ingest and both header modules."""
    folder = tmp_path_factory.mktemp("memory")
    with installation(folder / "data", "--separate") as flow:
        _only_header_modules(flow)
        for number in range(SETTLED_AFTER):
            _process(flow, _light(folder / f"small-{number}.fits", SMALL, number))
        before = _memory(flow, "VmRSS")
        for pid in _pids(flow):
            Path(f"/proc/{pid}/clear_refs").write_text(RESET_PEAK)
        _process(flow, _light(folder / "large.fits", LARGE, 99))
        log = (flow.data / "logs" / "pictor.log").read_text().splitlines()
        yield Growth(before, _memory(flow, "VmHWM"), [line for line in log if "service died" in line])


def test_the_memory_of_the_header_service_does_not_grow_with_the_frame(growth: Growth) -> None:
    service, child = growth.peak.header - growth.before.header, growth.peak.child - growth.before.child
    print(f"header service {growth.before.header:.0f} MiB, grown by {service:.1f} MiB over a 61 MP frame")
    print(f"its child {growth.before.child:.0f} MiB, grown by {child:.1f} MiB")
    assert service < HEADER_GROWTH_MIB
    assert child < HEADER_GROWTH_MIB


def test_the_memory_of_the_gateway_is_bounded_during_an_upload(growth: Growth) -> None:
    grown = growth.peak.gateway - growth.before.gateway
    print(f"gateway {growth.before.gateway:.0f} MiB, grown by {grown:.1f} MiB over an upload of 117 MiB")
    assert grown < GATEWAY_GROWTH_MIB


def test_no_service_died_over_the_large_frame(growth: Growth) -> None:
    assert growth.died == []


def _only_header_modules(flow: Installation) -> None:
    home = flow.get("/observatories")[0]["id"]
    switches = {"modules": dict.fromkeys(("preview", "quality", "astrometry"), False)}
    flow.client.put(f"/observatories/{home}/processing-settings", json=switches).raise_for_status()


def _light(path: Path, shape: tuple[int, int], number: int) -> Path:
    strip = np.random.default_rng(number).integers(900, 1100, (64, shape[1]), dtype=np.uint16)
    header = fits.Header(
        {"IMAGETYP": "LIGHT", "EXPTIME": 60.0, "DATE-OBS": "2026-11-19T21:00:00", "INSTRUME": "Camera"}
    )
    fits.PrimaryHDU(np.resize(strip, shape), header).writeto(path)
    return path


def _process(flow: Installation, path: Path) -> None:
    sent = flow.upload(path)
    job = flow.ended(sent["job_id"], within_s=ENDS_WITHIN_S)
    assert [run["state"] for run in job["timeline"]] == ["completed"] * 3, job["timeline"]
    made = [product["size"] for product in flow.frame(sent["frame_id"])["products"] if product["kind"] == "processed"]
    assert made[0] >= sent["size"]


def _pids(flow: Installation) -> tuple[int, int, int]:
    header = flow.pid("header")
    (child,) = Path(f"/proc/{header}/task/{header}/children").read_text().split()
    return flow.pid("gateway"), header, int(child)


def _memory(flow: Installation, figure: str) -> Memory:
    return Memory(*(_figure(pid, figure) for pid in _pids(flow)))


def _figure(pid: int, figure: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(figure))
