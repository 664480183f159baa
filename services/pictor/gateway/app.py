"""The gateway as one application; the caller opens and closes what is in the runtime."""

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig

from pictor.gateway import health, uploads
from pictor.gateway.auth import Access
from pictor.gateway.limits import GatewayLimits
from pictor.gateway.pages.router import pages_router
from pictor.gateway.problems import answer
from pictor.gateway.shield import shield
from pictor.gateway.wiring import DEPENDENCIES
from pictor.runtime.runtime import Runtime

PREFIX = "/api/v1"

API = (
    uploads.has_frame,
    uploads.put_frame,
)

PUBLIC = (health.live, health.ready, health.metrics)


def create_app(runtime: Runtime) -> Litestar:
    """Gateway on a runtime; nothing is opened here."""
    app = _litestar(
        State(
            {
                "runtime": runtime,
                "access": Access(runtime.pool),
                "limits": GatewayLimits(),
            }
        ),
        None,
    )
    app.asgi_handler = shield(app.asgi_handler, runtime.settings)
    return app


def _litestar(state: State, config: OpenAPIConfig | None) -> Litestar:
    return Litestar(
        route_handlers=[Router(PREFIX, route_handlers=API), *PUBLIC, pages_router()],
        dependencies=DEPENDENCIES,
        exception_handlers={Exception: answer},
        state=state,
        openapi_config=config,
        logging_config=None,
        request_max_body_size=1_000_000,
    )
