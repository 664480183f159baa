"""All pages, and the files they need."""

from litestar import Router
from litestar.datastructures import CacheControlHeader
from litestar.di import Provide
from litestar.static_files import create_static_files_router

from pictor.gateway.pages.admin import show_account, show_admin, show_audit
from pictor.gateway.pages.calibration import show_calibration
from pictor.gateway.pages.calibration_master import show_components, show_master, show_picture, show_succession
from pictor.gateway.pages.calibration_rooms import show_health
from pictor.gateway.pages.door import show_login, sign_in, sign_out
from pictor.gateway.pages.frame import show_calibration_of, show_frame, show_timeline
from pictor.gateway.pages.night import front, provide_choice, show_night, show_row
from pictor.gateway.pages.rendering import FOLDER
from pictor.gateway.pages.visitors import NotSignedInError, let_in, provide_visitor, show_door, show_problem
from pictor.gateway.pages.work import show_jobs, show_operations

FRESH = CacheControlHeader(no_cache=True)
"""Our own files change with every version."""

FOR_EVER = CacheControlHeader(public=True, max_age=365 * 24 * 3600, immutable=True)
"""Vendored files carry their version in their name."""


def pages_router() -> Router:
    """Pages on ``/`` and their files on ``/static``; ``app.state.access`` knows tokens and sessions."""
    rooms = Router(
        "/",
        route_handlers=[
            front,
            show_night,
            show_row,
            show_frame,
            show_timeline,
            show_calibration_of,
            show_jobs,
            show_operations,
            show_admin,
            show_audit,
            show_account,
            show_calibration,
            show_master,
            show_components,
            show_picture,
            show_succession,
            show_health,
        ],
        guards=[let_in],
        dependencies={
            "visitor": Provide(provide_visitor, sync_to_thread=False),
            "choice": Provide(provide_choice, sync_to_thread=False),
        },
        exception_handlers={NotSignedInError: show_door, Exception: show_problem},
    )
    door = Router(
        "/",
        route_handlers=[show_login, sign_in],
        exception_handlers={Exception: show_problem},
    )
    return Router(
        "/", route_handlers=[door, rooms, sign_out, _files("/static", FRESH), _files("/static/vendor", FOR_EVER)]
    )


def _files(path: str, cache: CacheControlHeader) -> Router:
    folder = FOLDER / path.removeprefix("/")
    return create_static_files_router(path, [folder], cache_control=cache, include_in_schema=False, name=path)
