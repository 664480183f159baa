"""Pages of lists: the envelope, its limits, and cursors."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeAlias, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from litestar.params import Parameter
from pydantic import BaseModel, Field

from pictor.gateway.problems import Http, Problem

MAX_LIMIT = 200
Item = TypeVar("Item")

PageNumber: TypeAlias = Annotated[int, Parameter(query="page", ge=1, le=100_000, description="Page, from 1")]
Limit: TypeAlias = Annotated[int, Parameter(ge=1, le=MAX_LIMIT, description="Items per page")]


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    page: int = Field(description="Page number; 1 when a cursor was used")
    limit: int
    total: int
    total_estimated: bool = Field(default=False, description="True when there are more than were counted")
    next: str | None = Field(default=None, description="Address of the next page; null on the last one")


def page_of(
    request: Http, items: list[Item], *, page: int, limit: int, total: int, estimated: bool = False
) -> Page[Item]:
    """Fill the envelope of a numbered page."""
    more = page * limit < total or (estimated and len(items) == limit)
    following = _address(request, {"page": str(page + 1)}) if more else None
    return Page[Item](items=items, page=page, limit=limit, total=total, total_estimated=estimated, next=following)


def aware(name: str, when: datetime | None) -> datetime | None:
    """Return a time a caller asked for; refuse one that does not say whose clock it is of."""
    if when is not None and when.tzinfo is None:
        raise Problem("invalid-value", f"{name} needs a time zone, such as 2026-03-10T22:00:00Z.")
    return when


def cursor_address(request: Http, when: datetime, item_id: UUID) -> str:
    """Return the address of what follows an item."""
    text = base64.urlsafe_b64encode(f"{when.isoformat()}|{item_id}".encode()).decode().rstrip("=")
    return _address(request, {"cursor": text})


def read_cursor(text: str) -> tuple[datetime, UUID]:
    """Read a cursor this gateway made."""
    try:
        when, _, item_id = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition("|")
        return datetime.fromisoformat(when).astimezone(UTC), UUID(item_id)
    except (ValueError, binascii.Error) as error:
        raise Problem("invalid-value", "The cursor is not one this gateway made; begin without one.") from error


def _address(request: Http, changed: dict[str, str]) -> str:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in {"page", "cursor"}]
    return f"{request.scope['path']}?{urlencode([*kept, *changed.items()])}"
