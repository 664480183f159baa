"""Objects made from frames and masters."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pictor.contracts.frames import ProductKind
from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class Product:
    """One object in the store and how it was made."""

    id: UUID
    observatory_id: UUID
    kind: ProductKind
    key: str
    size: int
    sha256: str
    content_type: str
    software: str
    frame_id: UUID | None = None
    master_id: UUID | None = None
    job_id: UUID | None = None
    parameters: dict[str, Any] = field(default_factory=dict)


async def save(db: Connection, product: Product) -> str | None:
    """Record a product; a newer one of the same kind replaces it, and the key of the old one is returned."""
    owner = "frame_id" if product.frame_id else "master_id"
    replaced: str | None = await db.fetchval(
        f"SELECT key FROM product WHERE {owner} = $1 AND kind = $2 AND key <> $3 FOR UPDATE",  # noqa: S608 - as above
        product.frame_id or product.master_id, str(product.kind), product.key,
    )  # fmt: skip
    await db.execute(
        f"""
        INSERT INTO product (id, observatory_id, frame_id, master_id, kind, key, size, sha256, content_type, job_id,
            software, parameters)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT ({owner}, kind) WHERE {owner} IS NOT NULL DO UPDATE SET id = excluded.id, key = excluded.key,
            size = excluded.size, sha256 = excluded.sha256, content_type = excluded.content_type,
            job_id = excluded.job_id, software = excluded.software, parameters = excluded.parameters,
            created_at = now()
        """,  # noqa: S608 - one of two constants
        product.id, product.observatory_id, product.frame_id, product.master_id, str(product.kind), product.key,
        product.size, product.sha256, product.content_type, product.job_id, product.software, product.parameters,
    )  # fmt: skip
    return replaced


def _product(row: Any) -> Product:  # noqa: ANN401 - an asyncpg record
    values = {name: row[name] for name in Product.__dataclass_fields__}
    values["kind"] = ProductKind(row["kind"])
    return Product(**values)


async def of_frame(db: Connection, frame_id: UUID) -> dict[ProductKind, Product]:
    """Return the current products of a frame by kind."""
    rows = await db.fetch("SELECT * FROM product WHERE frame_id = $1", frame_id)
    return {ProductKind(row["kind"]): _product(row) for row in rows}


async def of_master(db: Connection, master_id: UUID) -> dict[ProductKind, Product]:
    """Return the current products of a master by kind."""
    rows = await db.fetch("SELECT * FROM product WHERE master_id = $1", master_id)
    return {ProductKind(row["kind"]): _product(row) for row in rows}


async def known_keys(db: Connection, keys: list[str]) -> set[str]:
    """Return which of these products' keys are still those of a product."""
    rows = await db.fetch("SELECT key FROM product WHERE key = ANY($1)", keys)
    return {row["key"] for row in rows}
