"""The OpenAPI document: as committed, whole, and with bodies a client generator can use."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pictor.gateway.app import openapi

COMMITTED = Path(__file__).parents[3] / "contracts" / "openapi.json"


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield str(value)
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_committed_document_is_the_generated_one() -> None:
    assert json.loads(COMMITTED.read_text()) == json.loads(json.dumps(openapi()))


def test_every_reference_leads_somewhere() -> None:
    document = openapi()
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}  # type: ignore[index]
    assert set(references(document)) <= known


def test_every_operation_has_an_id_a_refusal_and_its_body() -> None:
    paths = openapi()["paths"]
    operations = [
        (method, path, operation)
        for path, item in paths.items()  # type: ignore[attr-defined]
        for method, operation in item.items()
    ]
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(ids) == len(set(ids)) >= 45
    for method, path, operation in operations:
        assert "application/problem+json" in operation["responses"]["default"]["content"], path
        if method in {"put", "patch"}:
            assert operation["requestBody"]["content"], path
    upload = paths["/api/v1/frames/{sha256}"]["put"]  # type: ignore[index]
    assert upload["requestBody"]["content"]["application/octet-stream"]["schema"]["format"] == "binary"
    assert {"200", "201"} <= set(upload["responses"])


def test_the_gateway_imports_no_pixel_library() -> None:
    heavy = "{'numpy', 'astropy', 'scipy', 'numba', 'PIL', 'sep'}"
    code = f"import sys, pictor.gateway.app; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
