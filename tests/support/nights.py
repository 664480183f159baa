"""A night in the database: frames in every state the pages have to show."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np

from pictor.contracts.frames import ProductKind
from pictor.contracts.jobs import JobKind
from pictor.contracts.modules import LIGHT_ITINERARY, Lane, Module, RunState
from pictor.contracts.parked import Parked
from pictor.contracts.quality import Grade, GradeStatus, Quality
from pictor.contracts.solutions import Solution
from pictor.state import frames, jobs, parked, products, quality, runs, solutions
from pictor.state.database import Connection
from pictor.state.products import Product

NIGHT = date(2026, 11, 20)
FILTERS = ("L", "R", "G", "B", "Ha", "OIII", "SII")
HOSTILE = "<script>alert(1)</script>\" onmouseover='x' {{ 7*7 }}"


@dataclass(frozen=True, slots=True)
class Place:
    """The observatory and rig that frames belong to."""

    observatory_id: UUID
    rig_id: UUID


async def make_place(db: Connection, slug: str = "hill") -> Place:
    """Insert an observatory with one rig."""
    place = Place(uuid4(), uuid4())
    await db.execute("INSERT INTO observatory (id, slug, name) VALUES ($1, $2, 'Hill')", place.observatory_id, slug)
    await db.execute(
        "INSERT INTO rig (id, observatory_id, name) VALUES ($1, $2, 'RC8 + 2600')", place.rig_id, place.observatory_id
    )
    return place


async def add_light(
    db: Connection, place: Place, number: int, *, target: str = "NGC 7331", states: dict[Module, RunState] | None = None
) -> UUID:
    """Insert one described light with a job whose modules are in the given states; the rest completed."""
    frame_id, job_id = uuid4(), uuid4()
    await frames.create(
        db,
        frame_id,
        place.observatory_id,
        rig_id=place.rig_id,
        sha256=f"{number:064x}",
        size=48_394_240,
        name=f"{target}_{number:03d}.fits",
        raw_key=f"raw/{number}",
        uploaded_by="plugin",
        metadata={},
    )
    start = datetime(2026, 11, 20, 18, 5, tzinfo=UTC) + timedelta(seconds=215 * number)
    described: dict[str, Any] = {
        "frame_type": "light",
        "is_master": False,
        "filter": FILTERS[number // 4 % 7],
        "exposure_s": 180.0,
        "ccd_temp_c": -10.0 + 0.05 * number,
        "set_temp_c": -10.0,
        "width": 6248,
        "height": 4176,
        "target_name": target,
        "start_utc": start.isoformat(),
    }
    cards: list[list[Any]] = [
        ["SIMPLE", True, "C# FITS"],
        ["OBJECT", target, "Name of the object of interest"],
        ["GAIN", 100, None],
    ]
    cards += [[f"KEY{n:03d}", 1.5 * n, "a card among many"] for n in range(60)]
    await frames.register(
        db,
        frame_id,
        description=described,
        camera_mode="asi2600 gain 100 offset 50 1x1",
        night=NIGHT,
        cards=cards,
        statistics={},
        geometry={},
        warnings=["ROWORDER is missing: BOTTOM-UP is assumed"] if number % 5 == 0 else [],
    )
    await add_job(db, place, frame_id, job_id, states or {})
    return frame_id


async def add_job(db: Connection, place: Place, frame_id: UUID, job_id: UUID, states: dict[Module, RunState]) -> None:
    """Insert the upload job of a frame."""
    await jobs.create(
        db, job_id, place.observatory_id, frame_id=frame_id, kind=JobKind.UPLOAD, lane=Lane.LIVE, owner="plugin"
    )
    await runs.plan(db, job_id, LIGHT_ITINERARY)
    for position, module in enumerate(LIGHT_ITINERARY):
        state = states.get(module, RunState.COMPLETED)
        message = "only 7 stars were found, 12 are needed: clouds?" if state is RunState.FAILED else None
        await db.execute(
            """
            UPDATE module_run SET state = $3, message = $4, reason = $5, duration_s = $6, attempt = 1,
                ordered_at = now() - interval '90 s', started_at = now(),
                finished_at = CASE WHEN $3 IN ('completed', 'failed') THEN now() END
            WHERE job_id = $1 AND module = $2
            """,
            job_id,
            str(module),
            str(state),
            message,
            "too-few-stars" if message else None,
            None if state in {RunState.PENDING, RunState.RUNNING} else 0.08 + 0.21 * position,
        )
    failed = RunState.FAILED in states.values()
    open_ = {RunState.PENDING, RunState.RUNNING} & set(states.values())
    whole = "running" if open_ else "failed" if failed else "completed"
    reasons = ["astrometry: only 7 stars were found, 12 are needed: clouds?"] if failed else []
    await db.execute(
        "UPDATE job SET state = $2, reasons = $3, started_at = now() WHERE id = $1", job_id, whole, reasons
    )


async def add_results(db: Connection, place: Place, frame_id: UUID, number: int, *, solved: bool = True) -> None:
    """Give a light metrics, a grade, tiles and a position; every eleventh is bad."""
    bad = number % 11 == 10
    await quality.save_quality(db, frame_id, uuid4(), measured(number, bad=bad), {})
    grade = Grade(
        letter="D" if bad else "AAB"[number % 3],
        status=GradeStatus.REJECTED if bad else GradeStatus.ACCEPTED,
        reasons=("FWHM 5.5 px is 71 % above the night's 3.2 px",) if bad else (),
        rules="baseline 1",
    )
    await quality.save_grade(db, frame_id, uuid4(), grade, by=None)
    for kind in (ProductKind.TILES, ProductKind.PROCESSED, ProductKind.PREVIEW):
        await products.save(db, product(place, frame_id, kind))
    if solved:
        await solutions.save_solution(db, frame_id, uuid4(), solution(), healpix=None, cards=[], details={})


def measured(number: int, *, bad: bool) -> Quality:
    """Metrics of the light of a number: a slow wave and some noise."""
    rng = np.random.default_rng(number)
    fwhm = 3.1 + 0.5 * math.sin(number / 9) + rng.normal(0, 0.09) + 2.4 * bad
    return Quality(
        star_count=int((1450 + 220 * math.cos(number / 14) + rng.normal(0, 40)) * (0.3 if bad else 1)),
        fwhm_px=fwhm,
        beta=3.4,
        hfr_px=fwhm * 0.58,
        eccentricity=float(np.clip(0.41 + rng.normal(0, 0.03) + 0.2 * bad, 0, 1)),
        ellipticity=0.09,
        elongation_deg=34.0,
        background_adu=812 + 3.1 * number + rng.normal(0, 6),
        noise_adu=14.2,
        background_e=203.0,
        gradient=0.031,
        saturated_fraction=2.1e-5,
        trail_count=int(number % 7 == 3),
        method="pictor-stars 1",
    )


def product(place: Place, frame_id: UUID, kind: ProductKind) -> Product:
    """A product of a light of the usual camera."""
    return Product(
        uuid4(),
        place.observatory_id,
        kind,
        f"{kind}/{frame_id}",
        3_100_000,
        "0" * 64,
        "application/zip",
        "pictor 0.1.0",
        frame_id=frame_id,
        parameters={
            "width": 6248,
            "height": 4176,
            "tile_size": 512,
            "levels": 14,
            "debayered": None,
            "row_order": "TOP-DOWN",
            "stretch": "stf",
        },
    )


def solution() -> Solution:
    """A position like that of a real frame."""
    return Solution(
        ra_deg=339.26675,
        dec_deg=34.41561,
        scale_arcsec=0.962,
        pa_deg=178.31,
        parity=1,
        width_deg=1.67,
        height_deg=1.116,
        corners=((340.2, 33.8), (338.3, 33.8), (338.3, 34.9), (340.2, 34.9)),
        matched=214,
        rms_arcsec=0.31,
        rms_px=0.32,
        target_offset_arcsec=83.4,
        mount_offset_arcsec=412.0,
        solver="engine 4.3",
        index="tycho2-08",
    )


async def add_parked(db: Connection, job_id: UUID | None, number: int) -> None:
    """Put one order on the desk of dead letters."""
    letter = Parked(
        observatory="hill",
        module=str(Module.PREVIEW),
        subject="pictor.work.preview.live",
        reason="exhausted",
        attempt=3,
        message="The frame crashed the preview three times: the child was killed by the memory limit of 6 GiB.",
        stream_seq=number,
        job_id=job_id,
    )
    await parked.add(db, letter)


async def fill(db: Connection, place: Place, count: int = 96) -> list[UUID]:
    """Insert a whole night: results for most, and the last few still under way or failed."""
    ids = []
    for number in range(count):
        left = count - number
        states: dict[Module, RunState] = {}
        if left == 6:
            states = {Module.ASTROMETRY: RunState.FAILED}
        elif left <= 3:
            waiting = LIGHT_ITINERARY[2 + 3 - left :]
            states = dict.fromkeys(waiting, RunState.PENDING) | {waiting[0]: RunState.RUNNING}
        frame_id = await add_light(db, place, number, states=states)
        if left > 3:
            await add_results(db, place, frame_id, number, solved=left != 6)
        ids.append(frame_id)
    return ids
