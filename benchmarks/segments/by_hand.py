"""The yardstick: SQL written by hand for the same questions, in DuckDB and, where it is installed, in PostgreSQL.

DuckDB reads the very files that Encore reads; PostgreSQL gets the lines, orders and features as tables with the index
that each question wants. Answers are compared with Encore's own, so a fast wrong one is no yardstick.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.domain.rules.tree import Duration
from app.domain.rules.windows import start_of_last
from app.services.published import published
from app.services.segments_preview import preview
from benchmarks.segments.figures import RULES
from benchmarks.segments.shop import FIRST_PRODUCT_ID, open_shop

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.domain.context import ShopContext

REPEATS = 15
ROWS = 200_000
USUAL = """
SELECT count(*) FROM features f JOIN customers c USING (customer_no)
WHERE f.net_minor >= {spend} AND lower(c.country) IN ('us', '{country}')
  AND EXISTS (SELECT 1 FROM order_lines l WHERE l.customer_no = f.customer_no AND l.counts
              AND l.product_no = {product} AND l.ordered_at >= '{since}')"""
POPULAR = """
SELECT count(*) FROM features f JOIN (
    SELECT customer_no FROM order_lines WHERE counts AND product_no = 0 AND ordered_at >= '{since}'
    GROUP BY customer_no HAVING count(DISTINCT order_id) >= {times}) b USING (customer_no)
WHERE f.net_minor >= {spend}"""


def usual(ctx: ShopContext, as_of: datetime, rule: dict[str, Any]) -> str:
    """The usual rule as a merchant's analyst would write it."""
    ordered, spent, lives = rule["all"]
    return USUAL.format(
        **_bought(ctx, as_of, ordered), spend=spent["value"], country=lives["value"][1].lower()
    )  # fmt: skip


def popular(ctx: ShopContext, as_of: datetime, rule: dict[str, Any]) -> str:
    """The rule about the best seller."""
    ordered, spent = rule["all"]
    return POPULAR.format(**_bought(ctx, as_of, ordered), spend=spent["value"], times=ordered["count"]["n"])


def _bought(ctx: ShopContext, as_of: datetime, leaf: dict[str, Any]) -> dict[str, Any]:
    days = int(leaf["during"]["last"].rstrip("d"))
    since = start_of_last(Duration(days, "d"), as_of, ctx.zone)
    return {"product": int(leaf["where"][0]["value"]) - FIRST_PRODUCT_ID, "since": since.isoformat()}


QUESTIONS = {"usual": usual, "popular product": popular}


def main() -> None:
    """Measure the hand-written SQL on the shop below a folder."""
    folder = Path(sys.argv[1])
    encore, ctx = open_shop(folder)
    run = published(encore.rooms, ctx)
    if run is None:
        raise SystemExit("the shop has no published run")
    connection = encore.rooms.lake.connect(ctx, run.versions, run.dir)
    asked: dict[str, list[str]] = {}
    right: dict[str, list[int]] = {}
    for name, write in QUESTIONS.items():
        draw = random.Random(name)  # noqa: S311 - the same rules as `figures` asks
        rules = [RULES[name](draw) for _ in range(REPEATS)]
        asked[name] = [write(ctx, run.as_of, rule) for rule in rules]
        right[name] = [preview(encore.rooms, ctx, {"v": 1, "match": rule}, 0)["count"] for rule in rules]
    found = _measure("DuckDB", lambda sql: connection.execute(sql).fetchall()[0][0], asked, right)
    with _Postgres() as postgres:
        if postgres is not None:
            found["PostgreSQL, loading, s"] = postgres.load(connection)
            found |= _measure("PostgreSQL", postgres.ask, asked, right)
    (folder / "by_hand.json").write_text(json.dumps(found))


def _measure(
    engine: str, ask: Callable[[str], int], asked: dict[str, list[str]], right: dict[str, list[int]]
) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, statements in asked.items():
        times = []
        for sql, count in zip(statements, right[name], strict=True):
            started = time.perf_counter()
            answer = ask(sql)
            times.append((time.perf_counter() - started) * 1_000)
            if answer != count:
                raise SystemExit(f"{engine} counts {answer} where Encore counts {count}: {sql}")
        found[f"by hand in {engine}, {name}, p50"] = float(np.median(times))
    return found


class _Postgres:
    """A PostgreSQL of one's own on a socket, or None where none is installed."""

    def __enter__(self) -> _Postgres | None:
        binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if not binaries:
            return None
        self._folder = Path(tempfile.mkdtemp(prefix="encore-pg-"))
        # PostgreSQL refuses to run as root.
        self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if self._as:
            shutil.chown(self._folder, "postgres", "postgres")
        data = self._folder / "data"
        initdb = [*self._as, str(binaries[-1] / "initdb"), "-D", str(data), "-U", "encore", "-A", "trust"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - Debian's own
        options = ["-c", "listen_addresses=", "-c", "shared_buffers=512MB", "-c", "work_mem=256MB"]
        serve = [*self._as, str(binaries[-1] / "postgres"), "-D", str(data), "-k", str(self._folder), *options]
        self._server = subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        self._connection = self._connect()
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_server"):
            self._connection.close()
            self._server.terminate()
            self._server.wait()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _connect(self) -> Any:
        import psycopg  # noqa: PLC0415 - only where there is a PostgreSQL

        until = time.monotonic() + timedelta(minutes=1).total_seconds()
        while True:
            try:
                return psycopg.connect(f"host={self._folder} user=encore dbname=postgres", autocommit=True)
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def load(self, source: Any) -> float:
        """Copy what the questions read, and index it; returns seconds."""
        started = time.perf_counter()
        tables = {
            "order_lines": "customer_no int, order_id bigint, ordered_at timestamptz, product_no int, counts boolean",
            "features": "customer_no int, net_minor bigint",
            "customers": "customer_no int, country text",
        }
        with self._connection.cursor() as cursor:
            for name, columns in tables.items():
                cursor.execute(f"CREATE TABLE {name} ({columns})")
                names = ", ".join(column.split()[0] for column in columns.split(", "))
                with cursor.copy(f"COPY {name} ({names}) FROM STDIN") as copy:
                    rows = source.execute(f"SELECT {names} FROM {name}")
                    while bite := rows.fetchmany(ROWS):
                        for row in bite:
                            copy.write_row(row)
            cursor.execute(
                "CREATE INDEX ON order_lines (product_no, ordered_at) INCLUDE (customer_no, order_id, counts)"
            )
            cursor.execute("CREATE INDEX ON features (customer_no) INCLUDE (net_minor)")
            cursor.execute("CREATE INDEX ON customers (customer_no) INCLUDE (country)")
            cursor.execute("VACUUM ANALYZE")
        return time.perf_counter() - started

    def ask(self, sql: str) -> int:
        """The one number that a statement answers."""
        return int(self._connection.execute(sql).fetchone()[0])


if __name__ == "__main__":
    main()
