"""Fixtures that every test may use: stores on both databases, keys, no network but loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from app.domain.context import ShopContext
from app.store.crypto import Vault
from app.store.models.shops import Shop
from app.store.schema import metadata
from app.store.session import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parent.parent
SHARED = Path(os.environ.get("ENCORE_SHARED", REPOSITORY.parent / "shared"))


@pytest.fixture
def vault() -> Vault:
    return Vault({1: b"k" * 32}, b"pepper-of-the-tests")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this test run's own, on a free port, as its own user."""
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
    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self._folder = binaries, folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        # PostgreSQL refuses to run as root: then it runs as the user that its Debian package made.
        self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []

    def __enter__(self) -> str:
        data = self._folder / "data"
        if self._as:
            shutil.chown(self._folder, "postgres", "postgres")
        self._run("initdb", "-D", str(data), "-U", "encore", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        log = (self._folder.parent / f"{self._folder.name}.log").open("wb")
        self._process = subprocess.Popen(
            [
                *self._as,
                str(self._binaries / "postgres"),
                "-D",
                str(data),
                "-h",
                "127.0.0.1",
                "-p",
                str(self._port),
                "-k",
                str(self._folder),
                "-c",
                # No test cuts the power: processes are killed, and what they wrote is with the system then.
                "fsync=off",
            ],
            stdout=log,
            stderr=log,
        )
        log.close()
        url = f"postgresql+psycopg://encore@127.0.0.1:{self._port}/postgres"
        self._wait(url)
        return url

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([*self._as, str(self._binaries / program), *arguments], check=True, capture_output=True)

    def _wait(self, url: str) -> None:
        engine = create_engine(url)
        for _ in range(150):
            try:
                with engine.connect() as connection:
                    connection.execute(text("SELECT 1"))
            except Exception:  # noqa: BLE001 - any refusal means "not yet"
                time.sleep(0.1)
            else:
                engine.dispose()
                return
        raise RuntimeError("PostgreSQL did not start")


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
    with _postgres_database(base, f" TEMPLATE {request.getfixturevalue('postgres_template')}") as url:
        yield url


@pytest.fixture(params=ON_BOTH)
def empty_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        return
    with _postgres_database(request.getfixturevalue("postgres_url"), "") as url:
        yield url


@contextmanager
def _postgres_database(base: str, template: str) -> Iterator[str]:
    name = f"t{os.getpid()}_{time.monotonic_ns()}"
    _run_sql(base, f"CREATE DATABASE {name}{template}")
    yield _database(base, name)
    _run_sql(base, f"DROP DATABASE {name} WITH (FORCE)")


def _database(base: str, name: str) -> str:
    return f"{base.rsplit('/', 1)[0]}/{name}"


def _run_sql(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


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
