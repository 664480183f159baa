"""One installation for all tests of the calibration commands."""

import sys
from collections.abc import AsyncIterator

import numpy as np
import pytest
import structlog

from pictor.cli.web import serve
from pictor.contracts.modules import Module, Service
from pictor.gateway.app import create_app
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.embedded.config import Endpoints
from tests.imaging.calibration.camera import Camera, make_camera
from tests.support.calibration_house import House, exposed, until, write
from tests.support.pocket import open_pocket
from tests.support.servers import make_database

WARM = ("pictor.ingest.compute", "pictor.calibration_stacker.compute")
NEEDED = {Module.INGEST, Module.STACK, Module.CALIBRATE}
SIDE = 192


@pytest.fixture(scope="session")
def camera() -> Camera:
    return make_camera(np.random.default_rng(4), side=SIDE)


@pytest.fixture(scope="session")
async def house(
    database_server: Endpoints, tmp_path_factory: pytest.TempPathFactory, camera: Camera
) -> AsyncIterator[House]:
    """The installation, filled once for all tests of this file."""
    folder = tmp_path_factory.mktemp("calib")
    dsn = await make_database(database_server, "calib")
    logged = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    darks = write(camera, folder, "dark", [camera.expose(60.0) for _ in range(10)], **exposed("DARK", 60.0))
    flats = write(
        camera, folder, "flat", [camera.expose(2.0, 30_000.0) for _ in range(10)], **exposed("FLAT", 2.0, FILTER="R")
    )
    (light,) = write(
        camera, folder, "light", [camera.expose(90.0, 400.0)], **exposed("LIGHT", 90.0, FILTER="R", OBJECT="M 31")
    )
    async with (
        ChildPool(2, warm=WARM) as children,
        open_pocket(dsn, folder / "pocket", children=children) as pocket,
        serve(create_app(pocket.runtime), pocket.runtime.settings.model_copy(update={"port": 0})) as port,
    ):
        left_out = [str(module) for module in Module if module not in NEEDED]
        await pocket.runtime.pool.execute("UPDATE observatory SET modules_off = $1", left_out)
        async with pocket.working(Service.INGEST, Service.CALIBRATION_STACKER):
            for path in (*darks, *flats):
                await pocket.upload(path.read_bytes())
            light_id, _ = await pocket.upload(light.read_bytes())
            await until(pocket, "SELECT EXISTS (SELECT FROM master WHERE state = 'active')")
            await until(pocket, "SELECT EXISTS (SELECT FROM frame WHERE frame_type = 'light' AND state = 'registered')")
            await until(pocket, "SELECT EXISTS (SELECT FROM calibration_note WHERE decision = 'defer')")
            await pocket.idle()
            token = pocket.client.headers["Authorization"].removeprefix("Bearer ")
            yield House(pocket, port, folder, token, darks, flats, light_id)
    structlog.configure(**logged)
