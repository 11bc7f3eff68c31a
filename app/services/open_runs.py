"""Published runs that this process has open, so that a page does not open a shop's history anew.

Opening one reads six tables' logs and every file's end: 50 ms, of which a preview has none to spare. A published run
changes in one thing only, the classes of customers; else what was found out about it stays true: who could be mailed
then, whom a condition selects.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from app.services.kept import Kept
from app.services.reachable import from_codes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

    from app.domain.context import ShopContext
    from app.domain.rules.evaluate import Matched
    from app.lake.lake import Lake
    from app.services.published import PublishedRun
    from app.services.reachable import Codes, Reach

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
    """The runs that are open, of all shops; the newest used stay. Safe between threads."""

    def __init__(self, most: int = MOST_OPEN) -> None:
        self._most = most
        self._open: OrderedDict[tuple[int, int, int | None, int], OpenRun] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, lake: Lake, ctx: ShopContext, run: PublishedRun) -> OpenRun:
        """The run, opened if it is not. An older run of the shop is let go: nobody asks for it again."""
        key = (ctx.shop_id, run.run_id, run.snapshot_id, _written_at(run.dir / DEMOGRAPHICS_FILE))
        with self._lock:
            found = self._open.get(key)
            if found is None:
                database = lake.connect(ctx, run.versions, run.dir)
                database.execute(f"SET memory_limit = '{MEMORY}'")
                found = OpenRun(database, stored_reach(run.dir))
                for older in [other for other in self._open if other[0] == ctx.shop_id]:
                    del self._open[older]
                self._open[key] = found
            self._open.move_to_end(key)
            while len(self._open) > self._most:
                self._open.popitem(last=False)
            return found


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
