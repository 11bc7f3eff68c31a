"""Many rows as one bound value, so that a statement for fifty messages costs what a statement for one does.

Both databases open a JSON text as a table. The statements are plain text, made once: building and compiling
an expression for every batch would cost more than the database does.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from sqlalchemy import Row as Found
from sqlalchemy import TextClause, bindparam, text

from app.store.base import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session
    from sqlalchemy.sql.expression import TextualSelect

    from app.domain.context import ShopContext

Row = TypeVar("Row")
NEARBY = re.compile(r"{nearby (\w+\.(\w+))}")
AMONG = re.compile(r"IN \(SELECT (r\.\w+) FROM {rows}\)")
FROM_ROWS = re.compile(r"\s*FROM {rows}")
OF_ROW = re.compile(r"\br\.(\w+)|:(\w+)")
ROWS_PER_STATEMENT = 5_000  # a few megabytes of text at most


def is_sqlite(session: Session) -> bool:
    """Which of the two databases this session talks to."""
    return session.get_bind().dialect.name == "sqlite"


def statement(session: Session, sql: str, **columns: str) -> TextClause:
    """`sql` with `{rows}` replaced by a table `r` of the bound value `rows`, typed as `columns` says.

    PostgreSQL takes any such table for a hundred rows, and to join those it rather reads a table of some ten thousand
    whole. Of an array it knows that an index serves it: so there `IN (SELECT r.id FROM {rows})` asks for one, and
    `{nearby t.id}` adds to a join by `t.id = r.id` that it's one of these.

    columns: name → PostgreSQL's type; `timestamptz` and `jsonb` are read as SQLite keeps them there.
    Binds named `now`, `edge` and `expiry` are instants.
    """
    return _statement(sql, tuple(columns.items()), is_sqlite(session))


def reader(session: Session, sql: str, found: tuple[ColumnElement[Any], ...], **columns: str) -> TextualSelect:
    """As `statement`, for a SELECT or RETURNING whose columns are `found`, in order, with their types."""
    return _reader(sql, found, tuple(columns.items()), is_sqlite(session))


def write(
    session: Session,
    sql: str,
    columns: Mapping[str, str],
    rows: Iterable[Mapping[str, Any]],
    given: Mapping[str, Any],
) -> None:
    """Execute `sql`, a statement as `statement` takes it that gives nothing back, for any number of rows.

    SQLite executes it prepared, once for each row, which takes half as long: an UPDATE from a table would first make
    another table of all columns. So what it says of one row must not depend on the others.
    """
    coming = iter(rows)
    while part := list(islice(coming, ROWS_PER_STATEMENT)):
        if is_sqlite(session):
            said, names = _each(sql)
            bound = ({**given, **row} for row in part)
            session.connection().exec_driver_sql(said, [tuple([_plain(row[name]) for name in names]) for row in bound])
        else:
            session.execute(statement(session, sql, **columns), {**given, "rows": packed(session, part)})


def _plain(value: object) -> object:
    """As SQLite keeps it: instants and JSON as text."""
    if isinstance(value, datetime):
        return _as_sqlite_keeps_it(value)
    return orjson.dumps(value).decode() if isinstance(value, dict) else value


@cache
def _each(sql: str) -> tuple[str, tuple[str, ...]]:
    """(the statement for one row, what its question marks stand for)."""
    one = FROM_ROWS.sub("", NEARBY.sub("", sql))
    return OF_ROW.sub("?", one), tuple(row or other for row, other in OF_ROW.findall(one))


@cache
def _reader(
    sql: str,
    found: tuple[ColumnElement[Any], ...],
    columns: tuple[tuple[str, str], ...],
    sqlite: bool,  # noqa: FBT001 - a cache key
) -> TextualSelect:
    return _statement(sql, columns, sqlite).columns(*found)


@cache
def _statement(sql: str, columns: tuple[tuple[str, str], ...], sqlite: bool) -> TextClause:  # noqa: FBT001 - a cache key
    if sqlite:
        names = ", ".join(f"value ->> '{name}' AS {name}" for name, _ in columns)
        # The limit takes nothing away: it keeps SQLite from walking the whole table beside these few rows.
        rows = f"(SELECT {names} FROM json_each(:rows) LIMIT -1) AS r" if columns else ""
    else:
        names = ", ".join(f"{name} {kind}" for name, kind in columns)
        rows = f"json_to_recordset(CAST(:rows AS json)) AS r({names})" if columns else ""
        sql = NEARBY.sub(r" AND \1 IN (SELECT r.\2 FROM {rows})", sql)
        sql = AMONG.sub(r"= ANY(ARRAY(SELECT \1 FROM {rows}))", sql)
    made = text(NEARBY.sub("", sql).replace("{rows}", rows))
    instants = [bindparam(name, type_=UtcDateTime()) for name in ("now", "edge", "expiry") if f":{name}" in sql]
    return made.bindparams(*instants)


def packed(session: Session, rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as the bound value; instants in the form in which the database compares them."""
    if is_sqlite(session):
        return orjson.dumps(rows, option=orjson.OPT_PASSTHROUGH_DATETIME, default=_as_sqlite_keeps_it).decode()
    return orjson.dumps(rows).decode()


def locked(session: Session, sql: str, how: str = "FOR SHARE") -> str:
    """`sql`, a SELECT, so that its rows stay as they are until the transaction ends. SQLite has one writer anyway."""
    return sql if is_sqlite(session) else f"{sql} {how}"


def ask(session: Session, ctx: ShopContext, **questions: str) -> Found[Any]:
    """The answers to several questions in one statement, by name.

    questions: name → a SELECT of at most one row and one column, of numbers or texts, in which `:shop` is the shop.
    """
    asked = _questions(tuple(questions.items()))
    answers: Found[Any] = session.connection().execute(asked, {"shop": ctx.shop_id}).one()
    return answers


@cache
def _questions(questions: tuple[tuple[str, str], ...]) -> TextClause:
    return text("SELECT " + ", ".join(f"({sql}) AS {name}" for name, sql in questions))


def chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows in slices that one statement takes."""
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        yield rows[start : start + ROWS_PER_STATEMENT]


@lru_cache(maxsize=64)  # a batch says the same few instants over and over
def _as_sqlite_keeps_it(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
    raise TypeError(type(value).__name__)
