"""Ready-made masters sent to a gateway and judged by the stacker, for tests of uploads."""

import io
from collections.abc import AsyncIterator
from uuid import UUID

import numpy as np
from astropy.io import fits

from pictor.calibration_stacker.handlers import stack
from pictor.contracts.masters import MasterState
from pictor.contracts.work import WorkOrder
from pictor.runtime.runtime import Runtime
from pictor.state import masters
from pictor.state.masters import Master
from tests.services.gateway.conftest import Api, sha
from tests.support.foreign import Detector, individual
from tests.support.individuals import add_individuals

UPLOAD = "/api/v1/calibration/masters/upload"
SHAPE = (64, 64)
CARDS = {
    "INSTRUME": "a camera", "GAIN": 100, "OFFSET": 30, "XBINNING": 1, "YBINNING": 1, "SET-TEMP": -10.0,
    "CCD-TEMP": -10.0, "DATE-OBS": "2026-01-01T20:00:00",
}  # fmt: skip


def fits_of(pixels: np.ndarray, **cards: object) -> bytes:
    """Write a one-plane FITS file; a card that is None is left out."""
    header = fits.Header()
    for name, value in {**CARDS, **{name.replace("_", "-"): value for name, value in cards.items()}}.items():
        if value is not None:
            header[name] = value
    out = io.BytesIO()
    fits.PrimaryHDU(pixels, header).writeto(out)
    return out.getvalue()


def dark(seed: int = 1, *, level: float = 500.0, **cards: object) -> bytes:
    pixels = np.random.default_rng(seed).normal(level, 2.0, SHAPE).astype(np.float32)
    return fits_of(pixels, **{"IMAGETYP": "Master Dark", "EXPTIME": 300.0, "NCOMBINE": 20, "DARKBIAS": True, **cards})


async def send(api: Api, body: bytes, token: str | None = None, **said: object) -> dict[str, object]:
    answer = await api.request("POST", UPLOAD, token, content=body, params={"observatory": "home", **said})
    assert answer.status_code in {200, 201}, answer.text
    return dict(answer.json())


async def judged(api: Api, stacker: Runtime, told: dict[str, object]) -> tuple[Master | None, str]:
    """Let the stacker judge an upload; return the master and why its job failed, if it did."""
    pool = api.runtime.pool
    body = await pool.fetchval("SELECT order_body FROM module_run WHERE job_id = $1", UUID(str(told["job_id"])))
    await stack(WorkOrder.model_validate(body), stacker)
    found = await pool.fetchval(
        "SELECT id FROM master WHERE statistics->'upload'->>'job_id' = $1", str(told["job_id"])
    )  # fmt: skip
    reasons = await pool.fetchval("SELECT reasons FROM job WHERE id = $1", UUID(str(told["job_id"])))
    return (None if found is None else await masters.get(pool, found)), "; ".join(reasons)


async def in_use(api: Api, stacker: Runtime, body: bytes, **said: object) -> Master:
    """Upload a master nothing vouches for, and accept it as a person."""
    master, reasons = await judged(api, stacker, await send(api, body, **said))
    assert master is not None, reasons
    assert master.state is MasterState.NEEDS_REVIEW, reasons
    accepted = await api.post(
        f"/api/v1/calibration/masters/{master.id}/review", json={"decision": "accept", "because": "our own"}
    )
    assert accepted.is_success, accepted.text
    found = await masters.get(api.runtime.pool, master.id)
    assert found is not None
    return found


async def add_exposures(api: Api, detector: Detector, kind: str, count: int) -> list[UUID]:
    """Register individual frames whose pixels are in the store."""
    ids = await add_individuals(api.runtime.pool, api.home.id, count, kind=kind)
    for number, frame_id in enumerate(ids):
        body = individual(detector, kind, number)
        key = await api.runtime.pool.fetchval(
            """
            UPDATE frame SET sha256 = $2, width = 128, height = 96, statistics = $3,
                description = description || '{"width": 128, "height": 96, "row_order": "TOP-DOWN"}'
            WHERE id = $1 RETURNING raw_key
            """,
            frame_id, sha(body), {"median": float(np.median(detector.exposure(kind, number)))},
        )  # fmt: skip
        await api.runtime.store.put_stream(key, _once(body), len(body))
    return ids


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
