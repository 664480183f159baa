"""One gateway for all cells of the matrix, with somebody for every caller and something for every route."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from litestar import Litestar
from nats.js import JetStreamContext

from pictor.contracts.access import DEFAULT_SCOPES, Role, Scope
from pictor.contracts.frames import FrameType, ProductKind
from pictor.contracts.masters import MasterState
from pictor.contracts.modules import Lane, Module
from pictor.contracts.parked import Parked
from pictor.contracts.work import WorkOrder
from pictor.gateway import credentials
from pictor.gateway.app import create_app
from pictor.gateway.limits import Rate
from pictor.gateway.passwords import Passwords
from pictor.imaging.matching.frames import CameraMode
from pictor.imaging.matching.policy import Policy
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.runtime import Runtime
from pictor.runtime.store.file import OBJECT, FileStore
from pictor.state import masters, observatories, parked, products, sessions, tenancy, tokens, users
from pictor.state.database import Connection
from pictor.state.masters import Master
from pictor.state.observatories import Rig
from pictor.state.products import Product
from tests.services.gateway.conftest import client_of, emptied, sha, tiny_frame
from tests.support.individuals import add_individuals
from tests.support.matrix import Route
from tests.support.nights import Place, add_light, add_results

PASSWORD = "correct horse battery"
SHOWN = {
    "width": 8,
    "height": 8,
    "tile_size": 8,
    "levels": 1,
    "row_order": "TOP-DOWN",
    "stretch": "stf",
    "debayered": None,
}

UNTOLD = frozenset({"schema_migration", "audit", "audit_end"})
"""Tables a refusal may change."""


@dataclass
class World:
    """The gateway, who asks, what there is, and a way back to how it was."""

    runtime: Runtime
    app: Litestar
    owner: asyncpg.Connection
    client: httpx.AsyncClient
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    actors: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    foreign_ids: dict[str, str] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    saved: dict[str, str] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)

    async def ask(self, route: Route, caller: str, **changed: Any) -> httpx.Response:
        """Send a row's request as somebody."""
        ids = {**self.ids, **({"file_path": route.file} if route.file else {}), **changed.pop("ids", {})}
        options: dict[str, Any] = {"headers": {**self.headers[caller], **changed.pop("headers", {})}}
        if route.body == "frame":
            frame = tiny_frame(77)
            ids["sha256"] = sha(frame)
            options["content"] = frame
        elif route.body == "form":
            options["files"] = {"file": ("a.fits", tiny_frame(78), "application/octet-stream")}
        elif route.form:
            options["data"] = route.form
        elif route.json is not None:
            options["json"] = route.json_of(ids)
        options.update(changed)
        address = route.filled(route.path, ids) + (f"?{route.query}" if route.query else "")
        if route.stream:
            return await self.begun(address, options["headers"])
        return await self.client.request(route.method, address, **options)

    async def begun(self, address: str, headers: dict[str, str]) -> httpx.Response:
        """Ask for a stream, and hang up after its first words."""
        self.runtime.stopping.set()
        try:
            return await self.client.get(address, headers=headers)
        finally:
            self.runtime.stopping.clear()

    async def digest(self) -> str:
        """Return a digest of every row and every object, but for when tokens were used last."""
        sums = {table: told for table, told in (await self.sums()).items() if table not in UNTOLD}
        return json.dumps([sorted(sums.items()), sorted(self.keys())])

    def keys(self) -> set[str]:
        """Return the keys of all objects."""
        store = self.runtime.store
        assert isinstance(store, FileStore)
        return {str(path.relative_to(store._objects).with_suffix("")) for path in store._objects.rglob(f"*{OBJECT}")}

    async def sums(self) -> dict[str, str]:
        """Return a digest of each table, but for when tokens were used last."""
        parts = " UNION ALL ".join(
            f"SELECT '{table}' AS name, md5(coalesce(string_agg(x, '' ORDER BY x), '')) AS sum FROM "  # noqa: S608
            f"(SELECT (to_jsonb(t) - 'last_used_at')::text AS x FROM {table} t) rows"
            for table in self.tables
        )
        return {row["name"]: row["sum"] for row in await self.owner.fetch(parts)}

    def random_ids(self) -> dict[str, str]:
        """Return ids of nothing, in the form of those there are."""
        made = {name: str(uuid4()) for name in self.ids if name.endswith("_id")}
        return made | {
            "token_id": credentials.make()[1].id, "letter_id": "987654321", "master_id": made["calibration_id"]
        }  # fmt: skip

    async def lines(self, since: int = 0) -> list[asyncpg.Record]:
        """Return the lines of the audit log after a place."""
        return list(await self.owner.fetch("SELECT * FROM audit WHERE id > $1 ORDER BY id", since))

    async def last_line(self) -> int:
        """Return the place of the newest line."""
        return int(await self.owner.fetchval("SELECT coalesce(max(id), 0) FROM audit"))

    async def save(self) -> None:
        """Remember how everything is."""
        rows = await self.owner.fetch(
            """
            SELECT table_name AS name, string_agg(quote_ident(column_name), ', ') AS columns
            FROM information_schema.columns
            WHERE table_schema = 'public' AND table_name <> 'schema_migration' AND is_generated = 'NEVER'
            GROUP BY table_name
            """
        )
        self.tables = {row["name"]: row["columns"] for row in rows}
        await self.owner.execute("DROP SCHEMA IF EXISTS saved CASCADE; CREATE SCHEMA saved")
        for table in self.tables:
            await self.owner.execute(f"CREATE TABLE saved.{table} AS TABLE public.{table}")
        self.saved = await self.sums()

    async def restore(self) -> None:
        """Make everything as it was remembered."""
        changed = [table for table, told in (await self.sums()).items() if told != self.saved[table]]
        for table in changed:
            columns = self.tables[table]
            await self.owner.execute(
                f"DELETE FROM {table}; "  # noqa: S608
                f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM saved.{table}"
            )
        store = self.runtime.store
        there = self.keys()
        for key in there - set(self.objects):
            await store.delete(key)
        for key in set(self.objects) - there:
            await self.keep(key, self.objects[key])
        self.forget()

    async def keep(self, key: str, body: bytes) -> None:
        """Put an object into the store."""

        async def chunks() -> AsyncIterator[bytes]:
            yield body

        await self.runtime.store.put_stream(key, chunks(), len(body), sha256=sha(body))
        self.objects[key] = body

    def forget(self) -> None:
        """Let the gateway look everything up again."""
        access = self.app.state.access
        access.forget()
        access._tokens.forget()

    async def person(self, db: Connection, name: str, caller: str, **facts: Any) -> UUID:
        """Make somebody with a password and a session."""
        places = facts.pop("places", {})
        made = await users.create(db, uuid4(), name, name.title(), server_admin=facts.get("server", False),
                                  created_by="test")  # fmt: skip
        assert made is not None
        await users.set_password(db, made.id, facts["password"])
        for place, can_admin in places.items():
            await users.join(db, made.id, place, can_admin=can_admin, added_by="test")
        await sessions.create_for(db, credentials.digest(f"secret of {name}"), made.id, f"csrf of {name}", hours=1)
        self.headers[caller] = {"Cookie": f"pictor_session=secret of {name}", "X-CSRF-Token": f"csrf of {name}"}
        self.actors[caller] = f"user:{made.id}"
        return made.id

    async def token(self, db: Connection, caller: str, role: Role, place: UUID, **facts: Any) -> str:
        """Make a token for a caller; returns its id."""
        text, credential = credentials.make()
        await tokens.create(
            db, credential.id, credential.secret_sha256, name=caller, role=role,
            scopes=facts.get("scopes", DEFAULT_SCOPES[role]), observatory_id=place, rig_id=facts.get("rig"),
            created_by="test", days=1,
        )  # fmt: skip
        self.headers[caller] = {"Authorization": f"Bearer {text}"}
        self.actors[caller] = f"token:{credential.id}"
        return credential.id


@pytest.fixture(scope="module")
async def world(gateway_runtime: tuple[Runtime, JetStreamContext], database_server: Endpoints) -> AsyncIterator[World]:
    """The world of the matrix."""
    runtime, js = gateway_runtime
    dsn = urlsplit(database_server.postgres_dsns["postgres"])._replace(path="/gateway").geturl()
    owner = await asyncpg.connect(dsn)
    with tenancy.seeing_everything():
        await emptied(owner, runtime, js)
        app = create_app(runtime)
        app.state.limits.refusals = app.state.limits.logins = app.state.limits.names = Rate(1_000_000)
        async with client_of(app) as client:
            made = World(runtime, app, owner, client)
            await _fill(made)
            await owner.execute("SET session_replication_role = replica")
            await made.save()
            yield made
        await owner.execute("DROP SCHEMA saved CASCADE")
    await owner.close()


async def _fill(world: World) -> None:
    password = await Passwords().hashed(PASSWORD)
    async with world.runtime.pool.acquire() as db:
        home, hill = await _place(db, "home"), await _place(db, "hill")
        second = uuid4()
        await observatories.create_rig(db, Rig(id=second, observatory_id=home.observatory_id, name="second"))
        await _people(world, db, home.observatory_id, hill.observatory_id, password)
        await _tokens(world, db, home, second)
        for place, ids in ((home, world.ids), (hill, world.foreign_ids)):
            ids |= {"observatory_id": str(place.observatory_id), "rig_id": str(place.rig_id)}
            await _things(world, db, place, ids)
    world.ids |= {"module": str(Module.QUALITY), "z": "0", "xy": "0_0", "sha256": sha(tiny_frame(1))}


async def _place(db: Connection, slug: str) -> Place:
    place = Place(uuid4(), uuid4())
    await observatories.create(db, place.observatory_id, slug, slug.title())
    await observatories.create_rig(db, Rig(id=place.rig_id, observatory_id=place.observatory_id, name="main"))
    return place


async def _people(world: World, db: Connection, home: UUID, hill: UUID, password: str) -> None:
    await world.person(db, "ben", "member", places={home: False}, password=password)
    await world.person(db, "anna", "admin", places={home: True}, password=password)
    await world.person(db, "carl", "foreign", places={hill: True}, password=password)
    await world.person(db, "dora", "server", server=True, password=password)
    world.ids["user_id"] = str(await world.person(db, "eve", "eve", places={home: False}, password=password))
    world.headers["anonymous"] = {}
    world.actors["anonymous"] = "anonymous"


async def _tokens(world: World, db: Connection, home: Place, second: UUID) -> None:
    where, admin = home.observatory_id, Role.OBSERVATORY_ADMIN
    await world.token(db, "plugin", Role.PLUGIN, where, rig=home.rig_id)
    await world.token(db, "other-rig", Role.PLUGIN, where, rig=second)
    await world.token(db, "reduced", admin, where, scopes=frozenset({Scope.FRAMES_READ}))
    await world.token(db, "spare", Role.PLUGIN, where)
    world.ids["token_id"] = world.actors["spare"].removeprefix("token:")
    expired = await world.token(db, "expired", admin, where)
    await db.execute("UPDATE token SET expires_at = now() - $2::interval WHERE id = $1", expired, timedelta(hours=1))
    await tokens.revoke(db, await world.token(db, "revoked", admin, where))


async def _things(world: World, db: Connection, place: Place, ids: dict[str, str]) -> None:
    """Make one of everything that routes ask for, at an observatory."""
    frame = await add_light(db, place, len(world.foreign_ids), states={})
    ids["frame_id"] = str(frame)
    await add_results(db, place, frame, 1)
    await db.execute("UPDATE frame_solution SET cards = '[[\"CRVAL1\", 1.0, null]]' WHERE frame_id = $1", frame)
    await db.execute("DELETE FROM product WHERE frame_id = $1", frame)
    home = "job_id" not in world.ids
    raw = tiny_frame(1 if home else 2)
    key = f"raw/{place.observatory_id}/{sha(raw)}"
    await world.keep(key, raw)
    await db.execute(
        "UPDATE frame SET sha256 = $2, size = $3, raw_key = $4 WHERE id = $1", frame, sha(raw), len(raw), key
    )
    await _products(world, db, place, frame)
    owners = (world.actors["plugin"], world.actors["member"]) if home else ("token:theirs", world.actors["foreign"])
    for name, owner in zip(("job_id", "own_job_id"), owners, strict=True):
        job, lane = uuid4(), Lane.LIVE
        await db.execute(
            "INSERT INTO job (id, observatory_id, frame_id, kind, lane, owner) VALUES ($1, $2, $3, 'upload', $4, $5)",
            job, place.observatory_id, frame, str(lane), owner,
        )  # fmt: skip
        ids[name] = str(job)
    ids["calibration_id"] = ids["master_id"] = str(await _master(world, db, place, frame))
    ids["stack_id"] = str(await _failed_stack(db, place))
    if home:
        await _letter(world, db, place, frame)


async def _products(world: World, db: Connection, place: Place, frame: UUID) -> None:
    index = json.dumps({"width": 8, "height": 8, "tile_size": 8, "levels": 1, "tiles": {"0/0_0": [0, 4]}}).encode()
    for kind in ProductKind:
        body = index if kind is ProductKind.TILE_INDEX else f"bytes of {kind} {frame}".encode()
        key = f"products/{place.observatory_id}/{frame}/{kind}"
        await world.keep(key, body)
        made = Product(uuid4(), place.observatory_id, kind, key, len(body), sha(body), "image/png", "test",
                       frame_id=frame, parameters=SHOWN)  # fmt: skip
        await products.save(db, made)


async def _master(world: World, db: Connection, place: Place, light: UUID) -> UUID:
    """Make an active master bias with a file, a source that was deleted since, and a light that used it."""
    made = Master(
        id=uuid4(), observatory_id=place.observatory_id, rig_id=place.rig_id, job_id=None, state=MasterState.ACTIVE,
        frame_type=FrameType.BIAS, group_key="bias/-10C/abc", camera_mode="mode", ncombine=1, policy=asdict(Policy()),
        facts={"mode": asdict(CameraMode(str(place.rig_id), 8, 8)), "frame_type": "bias", "exposure_s": None,
               "filter": None, "rotator_deg": None, "temp_c": -10.0},
        statistics={"checks": {}}, reasons=(), taken_at=datetime(2026, 11, 20, 17, tzinfo=UTC), camera_name="ASI",
    )  # fmt: skip
    await masters.save(db, made, [(uuid4(), "a" * 64)])
    await masters.save_use(db, light, uuid4(), {"bias": made.id}, weak=False, explanation={})
    body = f"bytes of master {made.id}".encode()
    key = f"products/{place.observatory_id}/{made.id}/master"
    await world.keep(key, body)
    await products.save(db, Product(uuid4(), place.observatory_id, ProductKind.MASTER, key, len(body), sha(body),
                                    "application/fits", "test", master_id=made.id))  # fmt: skip
    return made.id


async def _failed_stack(db: Connection, place: Place) -> UUID:
    """Make two darks that could be stacked, and a stack of others that failed."""
    await add_individuals(db, place.observatory_id, 2)
    job = uuid4()
    await db.execute(
        """
        INSERT INTO job (id, observatory_id, kind, lane, state, owner)
        VALUES ($1, $2, 'stack', 'live', 'failed', 'calibration-stacker')
        """,
        job, place.observatory_id,
    )  # fmt: skip
    order = WorkOrder(observatory="home", job_id=job, observatory_id=place.observatory_id, module=Module.STACK)
    await db.execute(
        """
        INSERT INTO module_run (job_id, module, position, state, order_body, ordered_at)
        VALUES ($1, 'stack', 0, 'failed', $2, now())
        """,
        job, order.model_dump(mode="json"),
    )  # fmt: skip
    await db.execute(
        """
        INSERT INTO stack_request (job_id, observatory_id, group_key, frame_type, frame_ids, facts, policy, open)
        VALUES ($1, $2, 'flat/L/abc', 'flat', '{}', '{}', '{}', false)
        """,
        job, place.observatory_id,
    )  # fmt: skip
    return job


async def _letter(world: World, db: Connection, place: Place, frame: UUID) -> None:
    job = uuid4()
    await db.execute(
        """
        INSERT INTO job (id, observatory_id, frame_id, kind, lane, state)
        VALUES ($1, $2, $3, 'upload', 'live', 'failed')
        """,
        job, place.observatory_id, frame,
    )  # fmt: skip
    order = WorkOrder(observatory="home", job_id=job, observatory_id=place.observatory_id, frame_id=frame,
                      module=Module.PREVIEW, lane=Lane.LIVE, itinerary=())  # fmt: skip
    await db.execute(
        "INSERT INTO module_run (job_id, module, position, state) VALUES ($1, 'preview', 0, 'failed')", job
    )
    letter = Parked(observatory="home", module="preview", subject="pictor.work.preview.live", reason="exhausted",
                    attempt=3, message="It failed three times.", stream_seq=1, job_id=job,
                    body=order.model_dump_json())  # fmt: skip
    await parked.add(db, letter)
    world.ids["letter_id"] = str(await db.fetchval("SELECT id FROM parked"))
