"""Templates to answers: everything is escaped, nothing may come from outside."""

from pathlib import Path
from typing import Any

import jinja2
from litestar import MediaType, Response

from pictor.gateway.pages.formats import FORMATS

FOLDER = Path(__file__).parent.parent

CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'sha256-9xTiqzfwFaL2SGb1rmr8gysEwVVjIvqWAgmZgqFqpEE='; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Scripts and styles only from our own files: a header value that slipped through could not run.

The one inline style allowed, by its hash, is what OpenSeadragon 6.1.1 adds for touch screens.
"""

HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FORMATS)
    return environment


ENVIRONMENT = _environment()


def page(template: str, *, status: int = 200, **values: Any) -> Response[str]:  # noqa: ANN401 - what templates show
    """Render a template into an answer."""
    text = ENVIRONMENT.get_template(template).render(**values)
    return Response(text, status_code=status, media_type=MediaType.HTML, headers=HEADERS)
