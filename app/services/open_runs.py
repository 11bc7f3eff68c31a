"""Histories and published runs that this process has open, so that a page does not open a shop's anew.

Opening one reads six tables' logs and every file's end: 30 to 50 ms, of which a preview has none to spare, nor a send
that is handed over in batches. A published run changes in one thing only, the classes of customers; else what was found
out about it stays true: who could be mailed then, whom a condition selects.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from app.services.kept import Kept
from app.services.reachable import from_codes

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping
    from pathlib import Path

    import duckdb

    from app.domain.context import ShopContext
    from app.domain.rules.evaluate import Matched
    from app.lake.lake import Lake
    from app.services.published import PublishedRun
    from app.services.reachable import Codes, Reach

T = TypeVar("T")
MOST_OPEN = 4
MOST_LEAVES = 256
MEMORY = "1GB"
REACH_FILE = "reach.parquet"
DEMOGRAPHICS_FILE = "demographics.parquet"


@dataclass
class OpenRun:
    """One run, open: its database, and what was found out about it.

    leaves: whom conditions select on it, by their canonical text. Nobody may change these bitmaps.
    """

    database: duckdb.DuckDBPyConnection
    reach: Reach | None
    leaves: Kept[Matched] = field(default_factory=lambda: Kept(MOST_LEAVES))


class OpenRuns:
    """The histories and runs that are open, one of each a shop; the newest used stay. Safe between threads."""

    def __init__(self, most: int = MOST_OPEN) -> None:
        self._runs: _Newest[OpenRun] = _Newest(most)
        self._histories: _Newest[duckdb.DuckDBPyConnection] = _Newest(most)
        # Also when the process ends, before Python takes itself apart: DuckDB complains at length of what is open then.
        weakref.finalize(self, _let_go, self._runs, self._histories)

    def get(self, lake: Lake, ctx: ShopContext, run: PublishedRun) -> OpenRun:
        """The run, opened if it is not. An older run of the shop is let go: nobody asks for it again."""

        def opened() -> OpenRun:
            database = lake.connect(ctx, run.versions, run.dir)
            database.execute(f"SET memory_limit = '{MEMORY}'")
            return OpenRun(database, stored_reach(run.dir))

        key = (run.run_id, run.snapshot_id, _written_at(run.dir / DEMOGRAPHICS_FILE))
        return self._runs.get(ctx.shop_id, key, opened)

    def history(
        self, lake: Lake, ctx: ShopContext, snapshot_id: int, versions: Mapping[str, int]
    ) -> duckdb.DuckDBPyConnection:
        """A connection of one's own, to be closed, to the history of an import; what it registers, nobody else sees."""
        key = (snapshot_id, tuple(sorted(versions.items())))
        connection = self._histories.get(ctx.shop_id, key, lambda: lake.connect(ctx, versions)).cursor()
        connection.execute("SET TimeZone = 'UTC'")
        return connection


def _let_go(*all_kept: _Newest[Any]) -> None:
    for kept in all_kept:
        kept.clear()


class _Newest(Generic[T]):
    """What was asked for last, one of each shop, of a bounded number of shops."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[int, tuple[Hashable, T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, shop_id: int, key: Hashable, make: Callable[[], T]) -> T:
        """What is kept of the shop, made if it is not what `key` asks for.

        Two at once may both make it: nobody waits for what is opened for another shop.
        """
        with self._lock:
            kept = self._kept.get(shop_id)
            if kept is not None and kept[0] == key:
                self._kept.move_to_end(shop_id)
                return kept[1]
        made = make()
        with self._lock:
            self._kept[shop_id] = (key, made)
            self._kept.move_to_end(shop_id)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made

    def clear(self) -> None:
        """Keep nothing any more."""
        with self._lock:
            self._kept.clear()


def _written_at(file: Path) -> int:
    """Classes of customers are the one thing of a run that can go: when the merchant turns an estimate off."""
    return file.stat().st_mtime_ns if file.exists() else 0


@contextmanager
def cursor(found: OpenRun) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of one's own to an open run; what it registers, nobody else sees. It must not change views."""
    connection = found.database.cursor()
    connection.execute("SET TimeZone = 'UTC'")
    try:
        yield connection
    finally:
        connection.close()


def keep_reach(folder: Path, codes: Codes) -> None:
    """Write down, beside a run's files, who can be mailed, as `reachable.codes` gives it."""
    part = folder / f"{REACH_FILE}.part"
    pq.write_table(pa.table({"code": codes}), part, compression="zstd")
    part.replace(folder / REACH_FILE)


def stored_reach(folder: Path) -> Reach | None:
    """Who could be mailed when the run's segments were evaluated; None for a run that did not write it down."""
    file = folder / REACH_FILE
    if not file.exists():
        return None
    return from_codes(np.asarray(pq.read_table(file).column("code"), dtype=np.int64))
