"""The API described as OpenAPI 3.1, with the bodies and errors that signatures do not show."""

from collections.abc import Sequence
from typing import cast

from litestar import Litestar, Router
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pictor.contracts.frames import UploadMetadata
from pictor.gateway.problems import CODES, ProblemDetails
from pictor.gateway.wiring import DEPENDENCIES
from pictor.runtime.version import VERSION

Schema = dict[str, object]

REF = "#/components/schemas/{model}"
IDEMPOTENCY: Schema = {
    "name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "maxLength": 255},
    "description": "The same request under the same key is done once and answered alike, for a day.",
}  # fmt: skip
BINARY: Schema = {"type": "string", "format": "binary"}

ABOUT = (
    "Frames in; previews, quality, solutions and masters out. Send the token as `Authorization: Bearer ...`. Every "
    "refusal is problem+json (RFC 9457); unknown fields in answers are to be ignored, times are UTC."
)


def described(routes: Sequence[BaseRouteHandler | Router]) -> Schema:
    """Describe some routes; operation ids are the names of their functions."""
    app = Litestar(
        route_handlers=list(routes),
        dependencies=DEPENDENCIES,
        openapi_config=OpenAPIConfig(title="Pictor", version=VERSION, description=ABOUT, use_handler_docstrings=True),
        logging_config=None,
    )
    document = cast("Schema", app.openapi_schema.to_schema())
    models: dict[str, type[BaseModel]] = {"ProblemDetails": ProblemDetails, "UploadMetadata": UploadMetadata}
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler) and handler.resolve_include_in_schema():
                _complete(document, route.path_format, handler, models)
    _components(document, models)
    return document


def _complete(document: Schema, path: str, handler: HTTPRouteHandler, models: dict[str, type[BaseModel]]) -> None:
    operations = _at(document, "paths", path)
    for method in handler.http_methods - {"OPTIONS"}:
        operation = _at(operations, method.lower())
        operation["operationId"] = str(handler.handler_name).rsplit(".", maxsplit=1)[-1]
        body = handler.opt.get("body")
        if body is not None:
            models[body.__name__] = body
            reference: Schema = {"$ref": REF.format(model=body.__name__)}
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
        if handler.opt.get("raw_body"):
            _raw(operation)
        elif method == "POST" and not handler.opt.get("form_body"):
            cast("list[object]", operation.setdefault("parameters", [])).append(IDEMPOTENCY)
        if handler.opt.get("form_body"):
            operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": _form()}}}
        _answers(operation, handler)


def _raw(operation: Schema) -> None:
    operation["requestBody"] = {"required": True, "content": {"application/octet-stream": {"schema": BINARY}}}
    header = {
        "name": "X-Frame-Metadata", "in": "header", "required": False,
        "description": "What only the capture program knows, as JSON.",
        "content": {"application/json": {"schema": {"$ref": REF.format(model="UploadMetadata")}}},
    }  # fmt: skip
    cast("list[object]", operation.setdefault("parameters", [])).append(header)
    responses = _at(operation, "responses")
    responses["200"] = {**cast("Schema", responses["201"]), "description": "These bytes were there already"}


def _form() -> Schema:
    return {
        "type": "object",
        "required": ["file"],
        "properties": {
            "file": BINARY,
            "metadata": {"type": "string", "description": "JSON of UploadMetadata"},
            "sha256": {"type": "string", "description": "Checked when sent"},
            "name": {"type": "string"},
        },
    }


def _answers(operation: Schema, handler: HTTPRouteHandler) -> None:
    responses = _at(operation, "responses")
    for status in [name for name in responses if name.startswith(("4", "5"))]:
        del responses[status]
    if handler.opt.get("produces_file"):
        responses["200"] = {"description": "The file", "content": {"application/octet-stream": {"schema": BINARY}}}
    if handler.opt.get("sse"):
        text: Schema = {"schema": {"type": "string"}}
        responses["200"] = {"description": "The events", "content": {"text/event-stream": text}}
    problem: Schema = {"application/problem+json": {"schema": {"$ref": REF.format(model="ProblemDetails")}}}
    responses["default"] = {"description": "Refused, and why", "content": problem}
    if not handler.opt.get("public"):
        operation["security"] = [{"token": []}]


def _components(document: Schema, models: dict[str, type[BaseModel]]) -> None:
    components = _at(document, "components")
    _, schemas = models_json_schema([(model, "validation") for model in models.values()], ref_template=REF)
    known = _at(components, "schemas")
    for name, schema in cast("dict[str, Schema]", schemas["$defs"]).items():
        known.setdefault(name, schema)
    _at(known, "ProblemDetails", "properties", "code")["enum"] = sorted(CODES)
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "pictor token"}}


def _at(schema: Schema, *path: str) -> Schema:
    for name in path:
        schema = cast("Schema", schema.setdefault(name, {}))
    return schema
