"""The audit log, for those who answer for an observatory or for the server."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import get
from litestar.params import Parameter

from pictor.contracts.access import Role, Scope
from pictor.gateway.auth import require
from pictor.gateway.paging import Limit, Page, PageNumber, aware, page_of
from pictor.gateway.problems import Http
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.state import audit


class AuditLine(View):
    """One line: who did what to what, when, from where, and how it ended."""

    id: int
    at: datetime
    actor: str
    address: str | None
    action: str
    object: str
    observatory_id: UUID | None
    outcome: str
    detail: dict[str, Any]


@get("/audit", guards=[require(Scope.ADMIN, role=Role.OBSERVATORY_ADMIN)], summary="Audit log")
async def read_audit(
    request: Http, runtime: RuntimeDep, caller: Caller, *, page: PageNumber = 1, limit: Limit = 50,
    what: Annotated[str | None, Parameter(query="object", max_length=200, description="Lines about one thing")] = None,
    action: Annotated[str | None, Parameter(max_length=200, description="user.role, or user for all of them")] = None,
    actor: Annotated[str | None, Parameter(max_length=200, description="user:... or token:...")] = None,
    outcome: Annotated[str | None, Parameter(max_length=200, description="ok or refused")] = None,
    since: Annotated[datetime | None, Parameter(description="Not before this time")] = None,
    until: Annotated[datetime | None, Parameter(description="Before this time")] = None,
) -> Page[AuditLine]:  # fmt: skip
    """List what was done and what was refused, newest first: of the caller's observatories, or all of the server."""
    sought = audit.Sought(what, action, actor, outcome, aware("since", since), aware("until", until))
    async with runtime.pool.acquire() as db:
        found, total = await audit.page(db, caller.administered, sought, limit=limit, offset=(page - 1) * limit)
    return page_of(request, [AuditLine.model_validate(one) for one in found], page=page, limit=limit, total=total)
