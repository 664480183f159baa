"""What goes into the audit log: changes in their own transaction, refusals once the answer is on its way.

A refusal is written after the answer, so that the time of an answer does not tell whether somebody else's row is there.
"""

from typing import cast
from uuid import UUID

import structlog
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from pictor.contracts.access import redacted
from pictor.gateway import credentials
from pictor.gateway.auth import SAFE, Connection, address_of
from pictor.gateway.identity import Dead
from pictor.gateway.limits import Rate
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem, trace_of
from pictor.runtime.outages import OUTAGE
from pictor.runtime.runtime import Runtime
from pictor.state import audit, ownership, tenancy
from pictor.state.database import Connection as Database

log = structlog.get_logger()

REFUSED = "refused"
LINES_PER_MINUTE = 120
"""Refusals written down per caller; more are counted in the metrics and the log only: nobody fills the audit log."""

Detail = dict[str, object]


async def record(
    db: Database, request: Connection, caller: Principal | str, action: str, what: str, *,
    observatory_id: UUID | None = None, outcome: str = "ok", detail: Detail | None = None,
) -> None:  # fmt: skip
    """Write down who changed what from where, in the transaction of the change."""
    known = detail or {}
    if isinstance(caller, Principal) and caller.session is not None:
        known = {**known, "session": True}
    await audit.record(
        db, caller if isinstance(caller, str) else caller.actor, action, what, observatory_id=observatory_id,
        address=address_of(request), outcome=outcome, detail={**known, "trace": trace_of(cast("Http", request))},
    )  # fmt: skip


def difference(before: Detail, after: Detail) -> Detail:
    """Tell each field that changes, with what it was and what it is from now on."""
    return {name: {"was": before.get(name), "is": now} for name, now in after.items() if before.get(name) != now}


def trail(app: ASGIApp, runtime: Runtime) -> ASGIApp:
    """Wrap an application: no tokens in addresses, no questions about methods, and a line for each refusal."""
    lines = Rate(LINES_PER_MINUTE)

    async def followed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        if credentials.exposed(scope["query_string"]):
            raise Problem(
                "unauthenticated", "A token stood in the address, where logs keep it: revoke it, and send tokens as "
                "'Authorization: Bearer ...' only.",
            )  # fmt: skip
        if scope["method"] == "OPTIONS":
            raise Problem("method-not-allowed", "This address does not take this method.")
        await app(scope, receive, send)
        await _refusal(runtime, scope, lines)

    return followed


async def _refusal(runtime: Runtime, scope: HTTPScope, lines: Rate) -> None:
    """Write down what was refused to whom, when it is worth a line."""
    state = scope["state"]
    problem: Problem | None = state.get("refusal")
    caller: Principal | None = state.get("principal")
    dead: Dead | None = state.get("dead")
    request: Http = Request(scope)
    if dead is None and (problem is None or caller is None or not _told(request, problem)):
        return
    try:
        lines.take(caller.key if caller else dead.token_id if dead else "")
        with tenancy.seeing_everything():
            await _write(runtime, request, caller, dead)
    except (Problem, *OUTAGE) as error:
        log.warning("refusal not in the audit log", reason=repr(error), trace=trace_of(request))


def _told(request: Http, problem: Problem) -> bool:
    """Whether a refusal may be an attempt at something: changes not allowed, and ids of others."""
    changed = problem.code in {"forbidden", "csrf"} and request.method not in SAFE
    return changed or problem.sought is not None or "upload" in request.scope["state"]


async def _write(runtime: Runtime, request: Http, caller: Principal | None, dead: Dead | None) -> None:
    problem: Problem | None = request.scope["state"].get("refusal")
    action = f"{request.method} {redacted(request.scope['path'])}"
    async with runtime.pool.acquire() as db:
        if caller is None:
            if dead is not None:
                await record(
                    db, request, f"token:{dead.token_id}", "token.deny", f"token:{dead.token_id}",
                    observatory_id=dead.observatory_id, outcome=REFUSED, detail={"request": action},
                )  # fmt: skip
            return
        if problem is None:
            return
        if problem.sought is None:
            await record(
                db, request, caller, request.scope["state"].get("upload", "access.refused"), request.scope["path"],
                outcome=REFUSED,
                observatory_id=caller.observatory_id, detail={"request": action, "code": problem.code},
            )  # fmt: skip
            return
        what, sought = problem.sought
        owner = await ownership.owner(db, what, sought)
        if owner is not None and caller.role_at(owner) is None:
            await record(
                db, request, caller, "access.foreign", f"{what} {sought}", observatory_id=owner, outcome=REFUSED,
                detail={"request": action},
            )  # fmt: skip
