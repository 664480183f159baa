"""The matrix of routes and callers, and a gateway in which each caller is somebody."""

import json
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TABLE_BEGINS = "<!-- matrix -->\n"
TABLE_ENDS = "<!-- end of matrix -->\n"
MATRIX = Path(__file__).parents[1] / "services" / "gateway" / "access" / "matrix.toml"


@dataclass(frozen=True)
class Route:
    """One row: a request, and the status each caller gets."""

    method: str
    path: str
    about: str
    expect: dict[str, int]
    case: str = ""
    query: str = ""
    json: Any = None
    form: dict[str, str] = field(default_factory=dict)
    body: str = ""
    file: str = ""
    stream: bool = False

    @property
    def name(self) -> str:
        """Name of the row in test ids and complaints."""
        return f"{self.method} {self.path}" + (f" ({self.case})" if self.case else "")

    @property
    def changes(self) -> bool:
        """Whether a success changes something."""
        return self.method not in {"GET", "HEAD"}

    @property
    def is_api(self) -> bool:
        """Whether programs use it."""
        return self.path.startswith("/api/")

    @property
    def path_has_ids(self) -> bool:
        """Whether the path names a thing that belongs to somebody."""
        return "_id}" in self.path

    @property
    def names_others(self) -> bool:
        """Whether path, query or body names a thing or an observatory that may be another's."""
        return self.path_has_ids or "observatory=" in self.query or "observatory_id" in str(self.json)

    @property
    def served_path(self) -> str:
        """The path as the gateway declares it."""
        return self.path.replace("{own_job_id}", "{job_id}")

    def filled(self, text: str, ids: dict[str, str]) -> str:
        """Put ids into a text."""
        return re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], text)

    def json_of(self, ids: dict[str, str]) -> Any:
        """Return the JSON body with ids."""
        return None if self.json is None else _fill(self.json, ids)


def _fill(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, str) and value.startswith("{") and value[1:-1] in ids:
        return ids[value[1:-1]]
    if isinstance(value, dict):
        return {name: _fill(one, ids) for name, one in value.items()}
    return value


def read_matrix() -> tuple[list[str], list[Route]]:
    """Read the callers and the rows."""
    told = tomllib.loads(MATRIX.read_text(encoding="utf-8"))
    callers: list[str] = told["callers"]
    rows = []
    for row in told["route"]:
        statuses = [int(one) for one in row.pop("expect").split()]
        if len(statuses) != len(callers):
            raise ValueError(f"{row['method']} {row['path']} tells {len(statuses)} statuses of {len(callers)}")
        rows.append(Route(**row, expect=dict(zip(callers, statuses, strict=True))))
    return callers, rows


WORDS = {401: "-", 303: "log in", 403: "no", 404: "hidden", 204: "yes", 409: "yes"}
COLUMNS = {
    "anonymous": "nobody", "plugin": "plugin", "member": "member", "foreign": "foreign admin", "admin": "admin",
    "server": "server admin",
}  # fmt: skip
"""Columns of the documentation: tokens that are dead or narrowed are told in words there."""


def as_table(rows: list[Route]) -> str:
    """Write the matrix as the table of the operator guide."""
    lines = ["| | " + " | ".join(COLUMNS.values()) + " |", "|---|" + ":-:|" * len(COLUMNS)]
    for row in rows:
        if row.path.startswith("/static") or row.path in {"/login", "/logout"} or row.method == "HEAD":
            continue
        cells = ["yes" if row.expect[one] < 300 else WORDS[row.expect[one]] for one in COLUMNS]
        path = row.path.removeprefix("/api/v1").replace("own_job_id", "job_id")
        lines.append(f"| {row.about} <br>`{row.method} {path}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def keys_of(body: str) -> list[str]:
    """Return the paths of all keys of a JSON answer; elements of lists are one."""
    found: set[str] = set()

    def walk(value: object, path: str) -> None:
        if isinstance(value, dict):
            for name, one in value.items():
                found.add(f"{path}.{name}".lstrip("."))
                walk(one, f"{path}.{name}")
        elif isinstance(value, list):
            for one in value:
                walk(one, path + "[]")

    walk(json.loads(body), "")
    return sorted(found)


def main() -> None:
    """Write the table into the operator guide."""
    guide = Path(__file__).parents[2] / "docs" / "operators.md"
    before, _, rest = guide.read_text(encoding="utf-8").partition(TABLE_BEGINS)
    after = rest.partition(TABLE_ENDS)[2]
    table = as_table(read_matrix()[1])
    guide.write_text(before + TABLE_BEGINS + table + TABLE_ENDS + after, encoding="utf-8")


if __name__ == "__main__":
    main()
