"""What the store holds against what the database refers to, compared on disk: memory does not grow with either."""

import sqlite3
from collections.abc import AsyncIterable, Iterable, Iterator
from pathlib import Path
from typing import Self

from pictor.runtime.store.protocol import StoredObject
from pictor.state.invariants import StoredThing

ROWS = 5000
"""Rows written or read at a time."""


class Inventory:
    """Two lists of keys and sizes in a temporary file.

    Parameters
    ----------
    folder
        Where the file is made; the caller removes the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "inventory.sqlite", isolation_level=None)
        for pragma in ("journal_mode = off", "synchronous = off", "cache_size = -16384"):
            self._db.execute(f"PRAGMA {pragma}")
        for table in ("stored", "wanted"):
            self._db.execute(f"CREATE TABLE {table} (key TEXT PRIMARY KEY, size INT, modified REAL) WITHOUT ROWID")
        self.stored = self.wanted = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    async def add_stored(self, objects: AsyncIterable[StoredObject]) -> None:
        """Take in the listing of the store."""
        rows = []
        async for one in objects:
            rows.append((one.key, one.size, one.modified.timestamp() if one.modified else None))
            if len(rows) == ROWS:
                self.stored += self._insert("stored", rows)
                rows = []
        self.stored += self._insert("stored", rows)

    async def add_wanted(self, things: AsyncIterable[StoredThing]) -> None:
        """Take in what the database refers to."""
        rows = []
        async for one in things:
            rows.append((one.key, one.size, None))
            if len(rows) == ROWS:
                self.wanted += self._insert("wanted", rows)
                rows = []
        self.wanted += self._insert("wanted", rows)

    def _insert(self, table: str, rows: Iterable[tuple[str, int, float | None]]) -> int:
        self._db.execute("BEGIN")
        done = self._db.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", rows).rowcount  # noqa: S608
        self._db.execute("COMMIT")
        return max(done, 0)

    def missing(self) -> Iterator[list[str]]:
        """Return keys that are wanted, but not stored at their size, in batches."""
        found = self._db.execute(
            "SELECT w.key FROM wanted w LEFT JOIN stored s ON s.key = w.key WHERE s.key IS NULL OR s.size <> w.size"
        )
        yield from ([row[0] for row in batch] for batch in batched_rows(found))

    def orphans(self, *, before: float) -> Iterator[list[tuple[str, int]]]:
        """Return (key, size) of what is stored since before a time, but not wanted, in batches."""
        found = self._db.execute(
            "SELECT s.key, s.size FROM stored s LEFT JOIN wanted w ON w.key = s.key "
            "WHERE w.key IS NULL AND s.modified < ?", (before,)
        )  # fmt: skip
        yield from batched_rows(found)


def batched_rows(cursor: sqlite3.Cursor) -> Iterator[list[tuple[str, int]]]:
    """Read a cursor some hundred rows at a time."""
    while rows := cursor.fetchmany(500):
        yield rows
