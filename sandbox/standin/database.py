"""SQLite as the memory of a stand-in: what was written survives the process, `kill -9` included."""

import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's, as in ULIDs
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"


class Database:
    """One connection behind one lock: a stand-in serves one demo, not a crowd."""

    def __init__(self, file: Path, schema: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._lock = threading.RLock()
        self._depth = 0
        # Losing the last moments in a power cut is fine for a sandbox; a killed process loses nothing.
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.executescript(schema)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction; everything in it happens or nothing. May be nested."""
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self._connection
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("COMMIT")

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        found = self.rows(sql, *values)
        return found[0] if found else None

    def number(self, sql: str, *values: object) -> int:
        """The one number of a query."""
        row = self.row(sql, *values)
        return int(row[0]) if row is not None and row[0] is not None else 0

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def ulid(kind: str, number: int) -> str:
    """A 26-character id that looks like a vendor's and is the same on every run."""
    digest = int.from_bytes(hashlib.sha256(f"{kind}:{number}".encode()).digest())
    return "01" + "".join(_ALPHABET[(digest >> (5 * i)) & 31] for i in range(24))


def short_id(kind: str, number: int, length: int = 6) -> str:
    """A short id such as Y6nRLr, the same on every run."""
    digest = int.from_bytes(hashlib.sha256(f"{kind}:{number}".encode()).digest())
    letters = []
    for _ in range(length):
        digest, index = divmod(digest, len(_LETTERS))
        letters.append(_LETTERS[index])
    return "".join(letters)
