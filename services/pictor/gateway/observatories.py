"""Observatories, what their frames pass, and rigs."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID, uuid4

from litestar import Response, get, post, put
from pydantic import BaseModel, ConfigDict, Field

from pictor.contracts.access import Role, Scope
from pictor.contracts.modules import LIGHT_ITINERARY, OPTIONAL_MODULES, Module
from pictor.gateway import trail
from pictor.gateway.auth import changing, permit, require
from pictor.gateway.bodies import body_of
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem, not_found
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.state import observatories
from pictor.state.database import Connection
from pictor.state.observatories import Observatory, Rig

READ = [require()]
ADMIN = [require(Scope.ADMIN, role=Role.OBSERVATORY_ADMIN)]
SERVER = [require(Scope.ADMIN, role=Role.SERVER_ADMIN)]


class Site(BaseModel):
    """Name and place of an observatory."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    latitude_deg: float | None = Field(default=None, ge=-90, le=90)
    longitude_deg: float | None = Field(default=None, ge=-180, le=180, description="East is positive")
    elevation_m: float | None = Field(default=None, ge=-500, le=9000)


class NewObservatory(Site):
    """An observatory to be."""

    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Short name in events and addresses")


class ObservatoryView(View):
    """One observatory."""

    id: UUID
    slug: str
    name: str
    latitude_deg: float | None
    longitude_deg: float | None
    elevation_m: float | None
    modules_off: list[Module]
    created_at: datetime


class ProcessingSettings(BaseModel):
    """Which optional modules new frames pass."""

    model_config = ConfigDict(extra="forbid")

    modules: dict[Module, bool] = Field(description="Module and whether it is on; ingest always is")


class RigFacts(BaseModel):
    """One camera on one telescope; what is set here wins over the header."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    camera: str | None = Field(default=None, max_length=200)
    telescope: str | None = Field(default=None, max_length=200)
    focal_mm: float | None = Field(default=None, gt=0, le=100_000)
    pixel_um: float | None = Field(default=None, gt=0, le=100)
    egain: float | None = Field(default=None, gt=0, le=1000, description="Electrons per ADU")
    read_noise_e: float | None = Field(default=None, ge=0, le=1000, description="Electrons RMS")
    row_order: str | None = Field(default=None, pattern="^(TOP-DOWN|BOTTOM-UP)$")
    mirrored: bool | None = None


class NewRig(RigFacts):
    """A rig to be."""

    observatory_id: UUID | None = Field(default=None, description="The caller's own when left out")


class RigView(View, RigFacts):
    """One rig."""

    model_config = ConfigDict(extra="ignore", from_attributes=True)

    id: UUID
    observatory_id: UUID
    created_at: datetime | None


def _shown(observatory: Observatory) -> ObservatoryView:
    return ObservatoryView.model_validate(observatory, from_attributes=True)


async def own_observatory(
    db: Connection, caller: Principal, observatory_id: UUID, *, role: Role = Role.PLUGIN
) -> Observatory:
    """Return an observatory where the caller has at least a role; one that may not be seen does not exist."""
    seen = caller.role_at(observatory_id) is not None
    found = await observatories.get(db, observatory_id) if seen else None
    if found is None:
        raise not_found("observatory", observatory_id)
    permit(caller, role, observatory_id)
    return found


@get("/observatories", guards=READ, summary="List observatories")
async def list_observatories(runtime: RuntimeDep, caller: Caller) -> list[ObservatoryView]:
    """List the observatories the caller belongs to."""
    async with runtime.pool.acquire() as db:
        return [_shown(one) for one in await observatories.visible(db, caller.observatories)]


@get("/observatories/{observatory_id:uuid}", guards=READ, summary="One observatory")
async def read_observatory(runtime: RuntimeDep, caller: Caller, observatory_id: UUID) -> ObservatoryView:
    """Return one observatory."""
    async with runtime.pool.acquire() as db:
        return _shown(await own_observatory(db, caller, observatory_id))


@post("/observatories", guards=SERVER, opt={"body": NewObservatory}, summary="Found an observatory")
async def make_observatory(request: Http, runtime: RuntimeDep, caller: Caller) -> Response[ObservatoryView]:
    """Found an observatory."""
    wanted = await body_of(request, NewObservatory)
    async with changing(runtime, caller) as db:
        made = await observatories.create(db, uuid4(), **wanted.model_dump())
        if made is None:
            raise Problem("conflict", f"There is an observatory {wanted.slug} already.")
        await trail.record(db, request, caller, "observatory.create", str(made.id), observatory_id=made.id,
                           detail=wanted.model_dump())  # fmt: skip
    return Response(_shown(made))


@put("/observatories/{observatory_id:uuid}", guards=ADMIN, opt={"body": Site}, summary="Change an observatory")
async def change_observatory(
    request: Http, runtime: RuntimeDep, caller: Caller, observatory_id: UUID
) -> ObservatoryView:  # fmt: skip
    """Rename an observatory and place it; its frames' nights follow the longitude from now on."""
    wanted = await body_of(request, Site)
    async with changing(runtime, caller) as db:
        before = await own_observatory(db, caller, observatory_id, role=Role.OBSERVATORY_ADMIN)
        await observatories.set_site(db, observatory_id, **wanted.model_dump())
        await trail.record(db, request, caller, "observatory.change", str(observatory_id),
                           observatory_id=observatory_id,
                           detail=trail.difference(asdict(before), wanted.model_dump()))  # fmt: skip
        return _shown(await own_observatory(db, caller, observatory_id))


@get("/observatories/{observatory_id:uuid}/processing-settings", guards=READ, summary="Modules on and off")
async def read_processing(runtime: RuntimeDep, caller: Caller, observatory_id: UUID) -> ProcessingSettings:
    """Say which modules new frames of an observatory pass."""
    async with runtime.pool.acquire() as db:
        return _processing(await own_observatory(db, caller, observatory_id))


@put(
    "/observatories/{observatory_id:uuid}/processing-settings",
    guards=ADMIN,
    opt={"body": ProcessingSettings},
    summary="Switch modules on and off",
)
async def change_processing(
    request: Http, runtime: RuntimeDep, caller: Caller, observatory_id: UUID
) -> ProcessingSettings:
    """Switch optional modules on and off; modules not named stay as they are."""
    wanted = await body_of(request, ProcessingSettings)
    fixed = [str(module) for module, on in wanted.modules.items() if module not in OPTIONAL_MODULES and not on]
    if fixed:
        raise Problem("invalid-value", f"{', '.join(fixed)} cannot be switched off.")
    async with changing(runtime, caller) as db:
        before = await own_observatory(db, caller, observatory_id, role=Role.OBSERVATORY_ADMIN)
        switches = _processing(before).modules | wanted.modules
        off = tuple(module for module in LIGHT_ITINERARY if not switches.get(module, True))
        await observatories.switch_modules(db, observatory_id, off)
        await trail.record(db, request, caller, "observatory.processing", str(observatory_id),
                           observatory_id=observatory_id,
                           detail=trail.difference(asdict(before), {"modules_off": off}))  # fmt: skip
        return _processing(await own_observatory(db, caller, observatory_id))


def _processing(observatory: Observatory) -> ProcessingSettings:
    return ProcessingSettings(modules={module: module not in observatory.modules_off for module in LIGHT_ITINERARY})


@get("/rigs", guards=READ, summary="List rigs")
async def list_rigs(runtime: RuntimeDep, caller: Caller) -> list[RigView]:
    """List the rigs of the caller's observatories."""
    async with runtime.pool.acquire() as db:
        return [RigView.model_validate(rig) for rig in await observatories.rigs(db, caller.observatories)]


@post("/rigs", guards=ADMIN, opt={"body": NewRig}, summary="Add a rig")
async def make_rig(request: Http, runtime: RuntimeDep, caller: Caller) -> Response[RigView]:
    """Add a rig to an observatory."""
    wanted = await body_of(request, NewRig)
    place = wanted.observatory_id or caller.observatory_id
    if place is None:
        raise Problem("invalid-value", "Name the observatory of the rig.")
    async with changing(runtime, caller) as db:
        await own_observatory(db, caller, place, role=Role.OBSERVATORY_ADMIN)
        facts = wanted.model_dump(exclude={"observatory_id"})
        made = await observatories.create_rig(db, Rig(id=uuid4(), observatory_id=place, **facts))
        if made is None:
            raise Problem("conflict", f"The observatory has a rig {wanted.name} already.")
        await trail.record(db, request, caller, "rig.create", str(made.id), observatory_id=place, detail=facts)
    return Response(RigView.model_validate(made))


@put("/rigs/{rig_id:uuid}", guards=ADMIN, opt={"body": RigFacts}, summary="Change a rig")
async def change_rig(request: Http, runtime: RuntimeDep, caller: Caller, rig_id: UUID) -> RigView:
    """Replace what is known about a rig."""
    wanted = await body_of(request, RigFacts)
    async with changing(runtime, caller) as db:
        before = await observatories.rig(db, rig_id)
        if before is None or caller.role_at(before.observatory_id) is None:
            raise not_found("rig", rig_id)
        permit(caller, Role.OBSERVATORY_ADMIN, before.observatory_id)
        changed = Rig(id=rig_id, observatory_id=before.observatory_id, created_at=before.created_at,
                      **wanted.model_dump())  # fmt: skip
        if not await observatories.replace_rig(db, changed):
            raise Problem("conflict", f"Another rig is named {wanted.name}.")
        await trail.record(db, request, caller, "rig.change", str(rig_id), observatory_id=before.observatory_id,
                           detail=trail.difference(asdict(before), wanted.model_dump()))  # fmt: skip
    return RigView.model_validate(changed)
