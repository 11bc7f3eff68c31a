"""A PostgreSQL server for a benchmark, with commits as durable as in production."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 60.0
GIVEN = "ENCORE_BENCH_POSTGRES_URL"


@contextmanager
def database() -> Iterator[str | None]:
    """The URL of an empty database: on the server that ENCORE_BENCH_POSTGRES_URL names, else on one of our own.

    None where neither is to be had.
    """
    given = os.environ.get(GIVEN)
    if given:
        yield from _of_server(given)
        return
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="encore-bench-pg-"))
    with _server(found[-1].parent, folder) as url:
        yield from _of_server(url)
    shutil.rmtree(folder, ignore_errors=True)


def _of_server(url: str) -> Iterator[str]:
    name = f"encore_bench_{os.getpid()}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(url).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@contextmanager
def _server(binaries: Path, folder: Path) -> Iterator[str]:
    # PostgreSQL refuses to run as root: then it runs as the user that its Debian package made.
    prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    if prefix:
        shutil.chown(folder, "postgres", "postgres")
    data = str(folder / "data")
    setup = [*prefix, str(binaries / "initdb"), "-D", data, "-U", "encore", "-A", "trust", "-E", "UTF8"]
    subprocess.run(setup, check=True, capture_output=True)  # noqa: S603 - Debian's own program
    command = [*prefix, str(binaries / "postgres"), "-D", data, "-h", "", "-k", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        url = f"postgresql+psycopg://encore@/postgres?host={folder}"
        _wait(url)
        yield url
        process.send_signal(signal.SIGINT)
        process.wait(START_SECONDS)


def _wait(url: str) -> None:
    engine = create_engine(url)
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with engine.connect():
                break
        except OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
    engine.dispose()
