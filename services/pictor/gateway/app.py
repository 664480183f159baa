"""The gateway as one application; the caller opens and closes what is in the runtime."""

import functools

from litestar import Litestar, Response, Router, get
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp

from pictor.gateway import (
    auditing,
    changes,
    downloads,
    events,
    forms,
    frames,
    health,
    jobs,
    letters,
    me,
    observatories,
    operations,
    quotas,
    tokens,
    uploads,
    users,
)  # fmt: skip
from pictor.gateway.auth import require
from pictor.gateway.calibration import (
    badpixels,
    calibrated,
    deleting,
    details,
    diary,
    explaining,
    files,
    holdings,
    impact,
    library,
    maintenance,
    masters,
    needs,
    premade,
    reviews,
    settings,
    stacks,
    succession,
)
from pictor.gateway.description import described
from pictor.gateway.identity import Access
from pictor.gateway.limits import GatewayLimits
from pictor.gateway.pages.router import pages_router
from pictor.gateway.problems import answer
from pictor.gateway.queries import check_query
from pictor.gateway.replay import replaying
from pictor.gateway.shield import shield
from pictor.gateway.tenants import blindfolded
from pictor.gateway.trail import trail
from pictor.gateway.wiring import DEPENDENCIES
from pictor.runtime.runtime import Runtime

PREFIX = "/api/v1"
MAX_BODY_BYTES = 1_000_000


@get("/openapi.json", guards=[require()], include_in_schema=False)
async def read_openapi() -> Response[dict[str, object]]:
    """Return the description of this API."""
    return Response(openapi())


API: tuple[BaseRouteHandler, ...] = (
    me.ping, me.me, me.change_password,
    uploads.has_frame, uploads.put_frame, forms.upload_form,
    frames.list_frames, frames.read_frame, frames.read_header, frames.read_wcs, frames.read_history,
    downloads.read_preview, downloads.read_thumbnail, downloads.read_corners, downloads.read_tile_index,
    downloads.read_tile, downloads.read_fits, downloads.read_catalog, calibrated.read_calibrated,
    changes.read_grade, changes.change_grade, changes.reprocess, changes.delete_frame,
    jobs.list_jobs, jobs.read_job, jobs.cancel_job,
    events.follow_events,
    library.read_library, holdings.read_summary,
    masters.create_master, premade.upload_master, reviews.review_master, reviews.recall_master,
    succession.reprocess_lights,
    stacks.list_stacks, stacks.retry_stack, stacks.delete_stack,
    maintenance.clear_cache, maintenance.run_expiry_check, maintenance.run_retention,
    maintenance.read_calibration_health,
    settings.read_calibration_settings, settings.change_calibration_settings,
    details.read_calibration_frame, files.download_calibration_frame, files.read_components, files.read_lights,
    impact.read_impact, deleting.delete_calibration_frame,
    diary.read_diary, badpixels.read_bad_pixels, badpixels.change_bad_pixels, badpixels.forget_bad_pixels,
    needs.read_needs, needs.read_plan, needs.try_settings, explaining.explain_frame,
    tokens.make_token, tokens.list_tokens, tokens.rotate_token, tokens.revoke_token,
    users.list_users, users.make_user, users.read_user, users.change_user, users.invite_user,
    users.list_members, users.add_member, users.change_member, users.remove_member,
    auditing.read_audit,
    observatories.list_observatories, observatories.read_observatory, observatories.make_observatory,
    observatories.change_observatory, observatories.read_processing, observatories.change_processing,
    observatories.list_rigs, observatories.make_rig, observatories.change_rig,
    quotas.read_quota, quotas.change_quota,
    operations.read_operations, operations.pause_module, operations.resume_module,
    letters.list_letters, letters.show_letter, letters.requeue_letter, letters.discard_letter,
    letters.requeue_letters, letters.discard_letters,
)  # fmt: skip
"""Every route below ``/api/v1``."""

PROBES: tuple[BaseRouteHandler, ...] = (health.live,)


def create_app(runtime: Runtime) -> Litestar:
    """Gateway on a runtime; nothing is opened here."""
    app = routed(runtime)
    app.asgi_handler = guarded(app.asgi_handler, runtime)
    return app


def routed(runtime: Runtime) -> Litestar:
    """All routes as an application, without what guards them."""
    return Litestar(
        route_handlers=[
            Router(PREFIX, route_handlers=[*API, read_openapi], before_request=check_query),
            *PROBES,
            pages_router(),
        ],
        dependencies=DEPENDENCIES,
        exception_handlers={Exception: answer},
        state=State(known_to(runtime), deep_copy=False),
        openapi_config=None,
        logging_config=None,
        request_max_body_size=MAX_BODY_BYTES,
    )


def known_to(runtime: Runtime) -> dict[str, object]:
    """Return what routes ask for: nobody is known yet, and nothing counted."""
    return {
        "runtime": runtime,
        "access": Access(runtime.pool),
        "limits": GatewayLimits.of(runtime.settings),
        "tile_indexes": {},
    }


def guarded(routes: ASGIApp, runtime: Runtime) -> ASGIApp:
    """Wrap routes into all that looks at a request before them, and at the answer after them."""
    return shield(trail(blindfolded(replaying(routes, runtime)), runtime), runtime.settings)


@functools.cache
def openapi() -> dict[str, object]:
    """Describe the API as OpenAPI 3.1; it takes a second, so it is made once."""
    return described([Router(PREFIX, route_handlers=list(API)), *PROBES])
