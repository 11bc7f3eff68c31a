"""Fixtures that every test may use: stores on both databases, keys, no network but loopback."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import structlog
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.util import LRUCache
from xdist.scheduler import LoadScopeScheduling

from app.domain.context import ShopContext
from app.store import session as store_session
from app.store.crypto import Vault
from app.store.models.shops import Shop
from app.store.schema import metadata
from app.store.session import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Dialect, Engine

REPOSITORY = Path(__file__).parent.parent
START_SECONDS = 120.0  # PostgreSQL's, on a machine that is busy with other tests
PREPARE_SQLITE = store_session._prepare_sqlite
# Files of half a minute and more. Begun last, one of them would keep one process busy while the others have ended.
LONGEST_FIRST = (
    "integration/sending/test_kill.py",
    "integration/simulate/test_proof.py",
    "unit/sending/test_cap_state_machine.py",
    "integration/sending/test_oracle.py",
    "integration/sending/test_scanners.py",
    "integration/shopify/test_import.py",
    "unit/rules/test_explain.py",
    "unit/rules/test_brute.py",
    "unit/benchmarks/test_segments.py",
)
SHARED = Path(os.environ.get("ENCORE_SHARED", REPOSITORY.parent / "shared"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; all else stays in its order."""
    place = {REPOSITORY / "tests" / name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


def pytest_collection_finish() -> None:
    """Have Python's collector pass over thousands of tests and modules: looking at them was a tenth of the time."""
    gc.collect()
    gc.freeze()


class _ByDemo(LoadScopeScheduling):
    """All that use the one demo run in one process, so that it is started once; others file by file.

    By the ids that tests have. Marks of xdist's own become part of an id, which pytest 9.2 no longer lets it change:
    each test was a group of its own, and both processes started the demo.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "demo" if file.startswith("tests/e2e/journey/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """For `--dist loadgroup`, as the browser tests are run."""
    return _ByDemo(config, log) if config.getvalue("dist") == "loadgroup" else None


def _prepare_unsynced(connection: Any, record: Any) -> None:
    """SQLite as Encore opens it, without waiting for the disk: no test cuts the power."""
    PREPARE_SQLITE(connection, record)
    connection.execute("PRAGMA synchronous=OFF")


COMPILED: dict[str, tuple[Dialect, LRUCache[Any, Any]]] = {}
"""By the database's name: the dialect that tests share, and the statements that it was asked to put in its words."""


def _engine(url: str, **options: Any) -> Engine:
    """An engine that has the statements of earlier ones: each test has its own, and each would compile them anew."""
    engine = create_engine(url, **options)
    name = engine.dialect.name

    def share(*_: object) -> None:
        # Only now: the first connection tells a dialect what the database can do.
        COMPILED.setdefault(name, (engine.dialect, LRUCache(5_000)))

    if name in COMPILED:
        engine.dialect, engine._compiled_cache = COMPILED[name]
    else:
        event.listen(engine, "first_connect", share)
    return engine


store_session._prepare_sqlite = _prepare_unsynced
store_session.create_engine = _engine


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command under test sets the form of logs for its process, onto the stderr of that test alone."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def vault() -> Vault:
    return Vault({1: b"k" * 32}, b"pepper-of-the-tests")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this test run's own, on a socket in its own folder, as its own user."""
    given = os.environ.get("ENCORE_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    binaries = _postgres_binaries()
    if binaries is None:
        message = "PostgreSQL is not installed: apt-get install postgresql"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    folder = Path(tempfile.mkdtemp(prefix="encore-pg-"))
    with _server(binaries, folder) as url:
        yield url
    shutil.rmtree(folder, ignore_errors=True)


def _postgres_binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


class _server:  # noqa: N801 - used as a context manager only
    """A server without TCP: a port found free now may be another run's by the time this server is up."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self._folder = binaries, folder
        # PostgreSQL refuses to run as root: then it runs as the user that its Debian package made.
        self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []

    def __enter__(self) -> str:
        data = self._folder / "data"
        if self._as:
            shutil.chown(self._folder, "postgres", "postgres")
        self._run("initdb", "-D", str(data), "-U", "encore", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        # No test cuts the power: processes are killed, and what they wrote is with the system then.
        options = ["-D", str(data), "-h", "", "-k", str(self._folder), "-c", "fsync=off"]
        self._log = self._folder.parent / f"{self._folder.name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._as, str(self._binaries / "postgres"), *options], stdout=log, stderr=log
            )
        url = f"postgresql+psycopg://encore@/postgres?host={self._folder}"
        self._wait(url)
        return url

    def __exit__(self, *_: object) -> None:
        # SIGTERM would wait until every client has gone, and a test that failed may hold one.
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([*self._as, str(self._binaries / program), *arguments], check=True, capture_output=True)

    def _wait(self, url: str) -> None:
        engine = create_engine(url)
        end = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < end:
            try:
                with engine.connect() as connection:
                    connection.execute(text("SELECT 1"))
            except OperationalError:
                time.sleep(0.1)
            else:
                engine.dispose()
                return
        self._process.kill()
        raise RuntimeError(f"PostgreSQL did not start:\n{self._log.read_text(errors='replace')}")


STRANGERS = """SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
# Everything that a test may do to a database besides writing rows.
MADE = """WITH tables AS (SELECT * FROM pg_class WHERE relnamespace = 'public'::regnamespace)
SELECT md5(string_agg(part, ' ' ORDER BY part)) FROM (
    SELECT concat('r', oid, relkind, relrowsecurity, relforcerowsecurity, relacl::text) AS part FROM tables
    UNION ALL SELECT concat('c', attrelid, attname, atttypid, attnotnull, attisdropped) FROM pg_attribute
        WHERE attrelid IN (SELECT oid FROM tables)
    UNION ALL SELECT concat('t', oid, tgenabled) FROM pg_trigger
    UNION ALL SELECT concat('k', oid, convalidated) FROM pg_constraint
    UNION ALL SELECT concat('p', oid) FROM pg_policy
    UNION ALL SELECT concat('f', oid, prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat('n', oid) FROM pg_namespace WHERE nspname NOT LIKE 'pg_%'
    UNION ALL SELECT concat('s', setconfig::text) FROM pg_db_role_setting
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
) parts"""
EMPTY = """DO $$ DECLARE one text; filled boolean; BEGIN
    SET LOCAL session_replication_role = replica;
    FOR one IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', one) INTO filled;
        IF filled THEN EXECUTE format('DELETE FROM %I', one); END IF;
    END LOOP;
    PERFORM setval(format('%I', sequencename)::regclass, start_value, false) FROM pg_sequences
        WHERE schemaname = 'public' AND last_value IS NOT NULL;
END $$"""
ON_BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables, to be copied: making forty tables for each test costs more than the test."""
    file = tmp_path_factory.mktemp("template") / "encore.sqlite3"
    opened = Store(f"sqlite:///{file}")
    metadata().create_all(opened.engine)
    opened.close()
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> str:
    """The name of a database with all tables, to be copied."""
    name = f"template_{os.getpid()}"
    _run_sql(postgres_url, f"CREATE DATABASE {name}")
    opened = Store(_database(postgres_url, name))
    metadata().create_all(opened.engine)
    opened.close()
    return name


@pytest.fixture(params=ON_BOTH)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of the test's own with all tables and no rows, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        file = tmp_path / "encore.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    base: str = request.getfixturevalue("postgres_url")
    spare: dict[str, str] = request.getfixturevalue("postgres_spare")
    if spare:
        name, made = spare.popitem()
    else:
        name = _new_name()
        _run_sql(base, f"CREATE DATABASE {name} TEMPLATE {request.getfixturevalue('postgres_template')}")
        made = str(_run_sql(_database(base, name), MADE))
    url = _database(base, name)
    yield url
    if _emptied(url, made):
        spare[name] = made
    else:
        _run_sql(base, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_spare(postgres_url: str) -> dict[str, str]:
    """Databases with all tables and no rows that wait for a test, and how each was made."""
    return {}


@pytest.fixture(params=ON_BOTH)
def empty_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        return
    with _postgres_database(request.getfixturevalue("postgres_url")) as url:
        yield url


def _emptied(url: str, made: str) -> bool:
    """Take all rows out of a database, which costs a tenth of making one; False if it must not serve again.

    It must not while somebody is still connected, nor after a test that changed more than rows.
    """
    if _run_sql(url, STRANGERS) or str(_run_sql(url, MADE)) != made:
        return False
    _run_sql(url, EMPTY)
    return True


def _new_name() -> str:
    return f"t{os.getpid()}_{time.monotonic_ns()}"


@contextmanager
def _postgres_database(base: str) -> Iterator[str]:
    name = _new_name()
    _run_sql(base, f"CREATE DATABASE {name}")
    yield _database(base, name)
    _run_sql(base, f"DROP DATABASE {name} WITH (FORCE)")


def _database(base: str, name: str) -> str:
    return make_url(base).set(database=name).render_as_string(hide_password=False)


def _run_sql(url: str, statement: str) -> object:
    """The first value of a statement's answer, if it has one."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        answer = connection.execute(statement.encode())
        row = answer.fetchone() if answer.description else None
    return row[0] if row else None


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store with all tables."""
    opened = Store(store_url)
    yield opened
    opened.close()


@pytest.fixture
def ctx(store: Store) -> ShopContext:
    """A shop in that store: US dollars, New York."""
    return add_shop(store, 1, "first.myshopify.com")


def add_shop(store: Store, shop_id: int, domain: str) -> ShopContext:
    """Put a shop row into the store."""
    with store.operator_session() as session:
        session.add(
            Shop(
                id=shop_id,
                domain=domain,
                name=domain,
                currency="USD",
                timezone="America/New_York",
                source="shopify",
                installed_at=datetime(2026, 1, 1, tzinfo=UTC),
            )
        )
    return ShopContext(shop_id, domain, "USD", "America/New_York")
