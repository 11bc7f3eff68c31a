"""What the stand-in itself must remember: tokens, bulk operations, deliveries. One SQLite file."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (
  access TEXT PRIMARY KEY, refresh TEXT UNIQUE, shop TEXT, scope TEXT, issued REAL, access_until REAL,
  refresh_until REAL, replaced_by TEXT, used INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS installs (shop TEXT PRIMARY KEY, scope TEXT, at TEXT);
CREATE TABLE IF NOT EXISTS bulk (
  id INTEGER PRIMARY KEY, shop TEXT, query TEXT, status TEXT, error TEXT, created_at TEXT, completed_at TEXT,
  objects INTEGER DEFAULT 0, roots INTEGER DEFAULT 0, size INTEGER, by_type TEXT DEFAULT '{}', detail TEXT);
CREATE TABLE IF NOT EXISTS deliveries (
  id TEXT PRIMARY KEY, event TEXT, shop TEXT, topic TEXT, path TEXT, body BLOB, triggered_at TEXT,
  attempts INTEGER DEFAULT 0, due REAL, state TEXT, status INTEGER, number INTEGER);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries(state, due);
CREATE INDEX IF NOT EXISTS deliveries_number ON deliveries(number);
"""


class Ledger:
    """A small store with one connection per thread and one writer at a time; survives kill -9."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._local = threading.local()
        self._lock = threading.RLock()
        self._database().executescript("PRAGMA journal_mode = WAL;" + SCHEMA)

    def _database(self) -> sqlite3.Connection:
        database = getattr(self._local, "database", None)
        if database is None:
            database = sqlite3.connect(self._path, timeout=30, isolation_level=None)
            database.row_factory = sqlite3.Row
            database.execute("PRAGMA synchronous = NORMAL")
            self._local.database = database
        return database

    def all(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        """Every row of a query."""
        return [dict(row) for row in self._database().execute(sql, parameters)]

    def one(self, sql: str, *parameters: object) -> dict[str, Any] | None:
        """The first row of a query, or None."""
        row = self._database().execute(sql, parameters).fetchone()
        return dict(row) if row is not None else None

    def run(self, sql: str, *parameters: object) -> int:
        """Write; returns how many rows changed."""
        with self._lock:
            return self._database().execute(sql, parameters).rowcount

    def many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Write many rows in one transaction."""
        with self.transaction() as database:
            database.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing."""
        with self._lock:
            database = self._database()
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")
