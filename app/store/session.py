"""Sessions on SQLite (write-ahead log, durable commits) or PostgreSQL, one shop at a time."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential

from app.store.marks import INFO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.domain.context import ShopContext
    from app.store.marks import Marks

SQLITE_BUSY_SECONDS = 30
SQLITE_CLOCK = text("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")
POSTGRESQL_CLOCK = text("SELECT clock_timestamp()")


def _is_taken(fault: BaseException) -> bool:
    # The low byte: there are several ways of being busy.
    code = getattr(fault, "sqlite_errorcode", 0)
    return isinstance(fault, sqlite3.OperationalError) and code & 0xFF == sqlite3.SQLITE_BUSY


IN_TURN = Retrying(
    retry=retry_if_exception(_is_taken),
    wait=wait_exponential(multiplier=0.001, max=0.01),
    stop=stop_after_delay(SQLITE_BUSY_SECONDS),
    reraise=True,
)


def no_offset() -> timedelta:
    """The clock offset of every installation but a sandboxed one."""
    return timedelta(0)


class Store:
    """The operational store.

    url:          SQLAlchemy URL, `sqlite:///file` or `postgresql+psycopg://...`
    clock_offset: added to the database clock; only a sandbox that lets days pass gives one.
    marks:        what is known outside of how far sending has come; a store without takes itself for whole.
    """

    def __init__(self, url: str, clock_offset: Callable[[], timedelta] = no_offset, marks: Marks | None = None) -> None:
        self.engine = make_engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self.marks = marks
        self._clock_offset = clock_offset

    @contextmanager
    def session(self, ctx: ShopContext) -> Iterator[Session]:
        """One write transaction for one shop; commits at the end, rolls back on an error."""
        with self._transaction(ctx.shop_id, writing=True) as session:
            yield session

    @contextmanager
    def reading(self, ctx: ShopContext) -> Iterator[Session]:
        """One read transaction for one shop; a writer elsewhere does not hold it up."""
        with self._transaction(ctx.shop_id, writing=False) as session:
            yield session

    @contextmanager
    def operator_session(self, *, writing: bool = True) -> Iterator[Session]:
        """One transaction across shops: for install, the scheduler and the command line."""
        with self._transaction(None, writing=writing) as session:
            yield session

    def db_now(self, session: Session) -> datetime:
        """The database's own clock at this moment (not the transaction's start), in UTC.

        The cap and the outbox read only this clock, so that machines with wrong clocks agree.
        """
        if self.is_sqlite:
            raw = session.connection().execute(SQLITE_CLOCK).scalar_one()
            now = datetime.fromisoformat(str(raw)).replace(tzinfo=UTC)
        else:
            now = session.connection().execute(POSTGRESQL_CLOCK).scalar_one().astimezone(UTC)
        return now + self._clock_offset()

    def close(self) -> None:
        """Give all pooled connections back to the operating system."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self, shop_id: int | None, *, writing: bool) -> Iterator[Session]:
        engine = self.engine.execution_options(encore_writing=writing)
        with Session(engine, expire_on_commit=False, info={INFO: self.marks}) as session:
            with session.begin():
                if not self.is_sqlite:
                    scope = "all" if shop_id is None else str(shop_id)
                    session.execute(text("SELECT set_config('app.shop_id', :scope, true)"), {"scope": scope})
                yield session
            if self.marks is not None:
                self.marks.note_pending(session)


def make_engine(url: str) -> Engine:
    """An engine with the durability that the cap needs; see the pragmas."""
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we emit BEGIN ourselves: the driver's implicit one is deferred
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL, not NORMAL: a committed stamp must survive a power cut, or a customer is mailed twice.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA cache_size=-32000")  # KB at most; two megabytes are few for a tick of half a million
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_SECONDS * 1000}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A write transaction takes its lock at the start: upgrading a read lock later can fail at once.
    if not connection.get_execution_options().get("encore_writing", True):
        connection.exec_driver_sql("BEGIN")
        return
    driver = connection.connection.driver_connection
    if driver is None:  # pragma: no cover - it was opened a moment ago
        raise RuntimeError("no connection")
    # SQLite itself asks again after 1, 2, 5, 10, 15, 20, 25, then every 50 and 100 ms: two workers that write in turn
    # would sleep most of the time, and a page that waits for longer would ask ever more seldom.
    driver.execute("PRAGMA busy_timeout=0")
    try:
        IN_TURN(driver.execute, "BEGIN IMMEDIATE")
    except sqlite3.OperationalError as fault:
        raise OperationalError("BEGIN IMMEDIATE", None, fault) from fault
    finally:
        driver.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_SECONDS * 1000}")
