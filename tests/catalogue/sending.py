"""Send files of the catalogue as a careless client would, and tell what came of them."""

import hashlib
import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.catalogue.cases import Body, Case
from tests.support.installation import Installation

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said."""

    status: int
    kind: str
    body: dict[str, Any]


def send(flow: Installation, case: Case) -> Answer:
    """Send a file with its right digest and length; an answer that comes before the body is over is taken."""
    body = case.make()
    digest = hashlib.sha256()
    if body.fill < 200_000_000:
        for chunk in body.chunks():
            digest.update(chunk)
    name = f"row-{case.row.number}.fits" if case.name is None else case.name
    headers = {
        "Authorization": f"Bearer {flow.token}",
        "Content-Length": str(body.size),
        "X-Frame-Metadata": json.dumps({"name": name}),
    }
    connection = http.client.HTTPConnection(urlsplit(flow.url).netloc, timeout=TIMEOUT_S)
    try:
        connection.putrequest("PUT", f"/api/v1/frames/{digest.hexdigest()}")
        for key, value in headers.items():
            connection.putheader(key, value)
        connection.endheaders()
        _pour(connection, body)
        response = connection.getresponse()
        return Answer(response.status, response.headers.get_content_type(), json.loads(response.read()))
    finally:
        connection.close()


def _pour(connection: http.client.HTTPConnection, body: Body) -> None:
    try:
        for chunk in body.chunks():
            connection.send(chunk)
    except (BrokenPipeError, ConnectionResetError):
        return
