"""Which numbers are on screen: the newest snapshot, the run that computed from it, and its files."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from app.services.open_runs import cursor
from app.store.models.shops import Run, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

# The number of `latest_history`, for rowset.ask.
NEWEST_HISTORY = """SELECT max(s.id) FROM snapshots s JOIN runs r ON r.shop_id = s.shop_id AND r.id = s.run_id
WHERE s.shop_id = :shop AND r.kind = 'import'"""


@dataclass(frozen=True)
class PublishedRun:
    """One refresh: the lake versions it read, the instant it computed as of, the folder of its files.

    snapshot_id is None while the refresh still runs.
    """

    run_id: int
    as_of: datetime
    versions: dict[str, int]
    watermark: datetime
    dir: Path
    snapshot_id: int | None = None


def latest_history(session: Session, ctx: ShopContext) -> Snapshot | None:
    """The newest snapshot of an import: the history that a new refresh starts from."""
    query = (
        select(Snapshot)
        .join(Run, (Run.shop_id == Snapshot.shop_id) & (Run.id == Snapshot.run_id))
        .where(Snapshot.shop_id == ctx.shop_id, Run.kind == "import")
        .order_by(Snapshot.id.desc())
        .limit(1)
    )
    return session.scalars(query).first()


def published(rooms: Rooms, ctx: ShopContext) -> PublishedRun | None:
    """The newest finished refresh, or None before the first one."""
    query = (
        select(Snapshot, Run)
        .join(Run, (Run.shop_id == Snapshot.shop_id) & (Run.id == Snapshot.run_id))
        .where(Snapshot.shop_id == ctx.shop_id, Run.kind == "refresh", Run.state == "done")
        .order_by(Snapshot.id.desc())
        .limit(1)
    )
    with rooms.store.reading(ctx) as session:
        row = session.execute(query).first()
    if row is None:
        return None
    snapshot, run = row
    return PublishedRun(
        run_id=run.id,
        as_of=run.as_of,
        versions=dict(snapshot.tables),
        watermark=snapshot.watermark,
        dir=rooms.lake.run_dir(ctx, run.id),
        snapshot_id=snapshot.id,
    )


@contextmanager
def open_run(rooms: Rooms, ctx: ShopContext, run: PublishedRun) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection with the lake at the run's versions and the run's files as views; closed at the end.

    A published run stays open between calls: what reads it must not change its views.
    """
    if run.snapshot_id is not None:
        with cursor(rooms.runs.get(rooms.lake, ctx, run)) as connection:
            yield connection
        return
    connection = rooms.lake.connect(ctx, run.versions, run.dir)
    try:
        yield connection
    finally:
        connection.close()
