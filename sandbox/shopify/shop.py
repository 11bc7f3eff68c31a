"""One shop's records: its SQLite file, the helpers that expressions use, and the one writer at a time."""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from sandbox.clock import SandboxClock
from sandbox.demo_shop.ids import STAMP
from sandbox.shopify.fields import COLUMN, Record
from sandbox.shopify.places import coordinate
from sandbox.shopify.records import RECORDS

# Where an online order is said to have come from. Invented; the research data are of shops with a door.
JOURNEYS = (
    {"source": "direct", "landing": "/", "referrer": None, "utm_source": None, "utm_medium": None},
    {"source": "Google", "landing": "/", "referrer": "https://www.google.com/", "utm_source": None, "utm_medium": None},
    {"source": "an unknown source", "landing": "/collections/all", "referrer": None, "utm_source": "newsletter",
     "utm_medium": "email"},
    {"source": "Facebook", "landing": "/", "referrer": "https://www.facebook.com/", "utm_source": "facebook",
     "utm_medium": "social"},
    {"source": "direct", "landing": "/search", "referrer": None, "utm_source": None, "utm_medium": None},
)  # fmt: skip


@lru_cache(maxsize=200_000)
def money(cents: int) -> str:
    """Cents as Shopify writes a MoneyV2 amount: at least one decimal, "12.5", "10.0"."""
    text = f"{cents / 100:.2f}"
    return text.removesuffix("0")


@lru_cache(maxsize=10_000)
def _listed(text: str) -> tuple[Any, ...]:
    return tuple(json.loads(text))


def listed(text: str) -> list[Any]:
    """A JSON list column as a list. The records in it must not be changed: they are shared."""
    return list(_listed(text)) if text != "[]" else []


def gid(kind: str, number: int | None) -> str | None:
    """Shopify's global id."""
    return None if number is None else f"gid://shopify/{kind}/{number}"


def digest(value: str) -> str:
    """A metafield's compareDigest: it changes when the value does."""
    return hashlib.sha256(value.encode()).hexdigest()


def stamp(moment: datetime) -> str:
    """A time as the records hold it."""
    return moment.astimezone(UTC).strftime(STAMP)


@dataclass(frozen=True)
class Row:
    """A record read whole: its GraphQL type and its columns by name."""

    type: str
    values: Mapping[str, Any]


class Shop:
    """A shop that the stand-in serves. Reading is concurrent, writing is one at a time."""

    def __init__(self, path: Path, clock: SandboxClock) -> None:
        """`path` is a file made by `build_shop`."""
        self.path = path
        self.clock = clock
        self._local = threading.local()
        self._write_lock = threading.Lock()
        with self.reading() as database:
            database.execute("PRAGMA journal_mode = WAL")
            self.meta: dict[str, str] = dict(database.execute("SELECT key, value FROM meta").fetchall())
        self.domain = self.meta["domain"]
        self.currency = self.meta["currency"]

    def connect(self) -> sqlite3.Connection:
        """A new connection, in autocommit; the caller closes it."""
        database = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA synchronous = NORMAL")
        return database

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give this thread's connection."""
        database = getattr(self._local, "database", None)
        if database is None:
            database = self._local.database = self.connect()
        yield database

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; commits at the end, rolls back on an error."""
        with self._write_lock, self.reading() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    def helpers(self) -> dict[str, Any]:
        """The names that field expressions may use."""
        now = self.clock.now()

        @lru_cache(maxsize=10_000)
        def lifetime(created: str) -> str:
            days = (now - datetime.strptime(created, STAMP).replace(tzinfo=UTC)).days
            return f"about {max(days // 30, 1)} months" if days > 45 else f"{max(days, 0)} days"  # noqa: PLR2004

        return {
            "money": money, "listed": listed, "gid": gid, "digest": digest, "lifetime": lifetime,
            "shop": self.domain, "currency": self.currency, "journeys": JOURNEYS,
            "coordinate": coordinate,
        }  # fmt: skip

    def find(self, kind: str, where: str, parameters: Sequence[object], tail: str = "", through: str = "") -> list[Row]:
        """Records of a type, whole. `where`, `tail` and `through` are SQL over table t, never from a request."""
        record = RECORDS[kind]
        extra = "".join(f", {sql} AS {name}" for name, sql in record.extra.items())
        sql = f"SELECT t.*{extra} FROM {record.table} t {record.joins} {through} WHERE {where} {tail}"
        with self.reading() as database:
            cursor = database.execute(sql, tuple(parameters))
            names = [column[0] for column in cursor.description]
            return [Row(kind, dict(zip(names, values, strict=True))) for values in cursor]

    def get(self, kind: str, number: int | None) -> Row | None:
        """One record by its numeric id, or None."""
        found = self.find(kind, "t.id = ?", (number,)) if number is not None else []
        return found[0] if found else None

    def count(self, kind: str, where: str = "1", parameters: Sequence[object] = ()) -> int:
        """How many records of a type match."""
        with self.reading() as database:
            sql = f"SELECT count(*) FROM {RECORDS[kind].table} t WHERE {where}"
            return int(database.execute(sql, tuple(parameters)).fetchone()[0])


@lru_cache(maxsize=4_000)
def compiled(expr: str) -> Callable[[Mapping[str, Any], dict[str, Any]], Any]:
    """An expression as a function of a row's columns and the helpers. Only our own expressions come here."""
    body = COLUMN.sub(lambda match: f"_row[{match.group(1)!r}]", expr)
    code = compile(body, "<field>", "eval")

    def evaluate(row: Mapping[str, Any], helpers: dict[str, Any]) -> Any:
        return eval(code, {**helpers, "_row": row})  # noqa: S307 - see the docstring

    return evaluate


def columns_of(record: Record, names: set[str]) -> list[tuple[str, str]]:
    """(name, SQL) of the columns asked for, in a stable order."""
    return [(name, record.sql(name)) for name in sorted(names)]
