"""Promises that would have been made 30, 60 and 90 days before the first one, with their receipts, for a new shop.

They are made by the same rule and the same kind of model from what was known at each moment, and labelled as
back-dated. What can't be known of the past is taken as follows: everybody counts as reachable; a product was on sale
if it still is, or if its record changed since; only the products that sold best at the moment are offered as new.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from pyroaring import BitMap
from sqlalchemy import func, select

from app.domain.money import exponent
from app.domain.rules.names import PAIR_KIND
from app.services import automatic_segments_products, promises, receipts, runs
from app.services.automatic_segments_products import FLOOR
from app.services.prediction_input import purchases
from app.services.promises import HORIZON, Said, base_rates, threshold_of
from app.services.published import latest_history, published
from app.services.reachable import reach
from app.services.segments_statistics import chances, moments, products
from app.store.models.promises import Promise
from app.store.models.shops import Run
from ml.retrospect import retrospects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    import duckdb
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.store.models.shops import Snapshot
    from ml.retrospect import Retrospect

log = structlog.get_logger()

BACK = (3, 2, 1)  # times 30 days, the oldest first: each may learn from the receipts before it
SEED = 20_260_101
KIND: runs.Kind = "look_back"
AS_THEN = """
    CREATE TABLE products AS SELECT * REPLACE (
        CASE WHEN status = 'ACTIVE' OR updated_at >= $moment THEN 'ACTIVE' ELSE status END AS status)
    FROM products_now"""


def wanted(rooms: Rooms, ctx: ShopContext) -> bool:
    """Whether the shop has numbers, no back-dated promise, and a whole history that was not looked back on yet."""
    if published(rooms, ctx) is None:
        return False
    with rooms.store.reading(ctx) as session:
        looked = runs.latest(session, ctx, KIND, "done")
        if looked is None:
            return True
        made = session.scalars(_made(ctx).limit(1)).first()
        whole = select(func.max(Run.as_of)).where(
            Run.shop_id == ctx.shop_id, Run.kind == "import", Run.state == "done", Run.source != "changes"
        )
        newest = session.scalar(whole)
    return made is None and newest is not None and newest > looked.started_at


def look_back(rooms: Rooms, ctx: ShopContext) -> int:
    """Make what is missing of the back-dated promises, with their receipts; returns how many.

    Goes on where a stopped one ended. A shop too young for a moment gets fewer.
    """
    if not wanted(rooms, ctx):
        return 0
    with rooms.store.reading(ctx) as session:
        history = latest_history(session, ctx)
        if history is None:
            return 0
        before = set(session.scalars(_made(ctx)).all())
        stopped = runs.latest(session, ctx, KIND) if before else None
        until = _until(session, ctx, history) if stopped is None else stopped.as_of
    live = runs.begin(rooms, ctx, KIND, KIND, [f"{30 * back} days ago" for back in BACK], until)
    open_moments = {back for back in BACK if live.as_of - back * HORIZON not in before}
    folder = rooms.lake.run_dir(ctx, live.id)
    made = 0
    try:
        for moment in _moments(rooms, ctx, history, live.as_of, open_moments):
            back = round((live.as_of - moment.moment.to_pydatetime()) / HORIZON)
            as_of = live.as_of - back * HORIZON  # to the microsecond, which days as a float are not
            made += _promise(rooms, ctx, history, moment, as_of, live.id, folder)
            receipts.settle(rooms, ctx)
            runs.step(rooms, ctx, live.id, f"{30 * back} days ago", "done", done=made, unit="promises")
        with rooms.store.session(ctx) as session:
            runs.finish(session, rooms, ctx, live.id)
    except Exception as fault:
        runs.fail(rooms, ctx, live.id, str(fault))
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    log.info("looked_back", shop_id=ctx.shop_id, run_id=live.id, promises=made)
    return made


def _made(ctx: ShopContext) -> Select[datetime]:
    """The moments of the back-dated promises there are."""
    return select(Promise.as_of).where(Promise.shop_id == ctx.shop_id, Promise.back_dated).distinct()


def _until(session: Session, ctx: ShopContext, history: Snapshot) -> datetime:
    """Where the past ends: at the first live promise, so that no purchase is counted twice."""
    first = session.scalar(
        select(func.min(Promise.as_of)).where(Promise.shop_id == ctx.shop_id, Promise.back_dated.is_(False))
    )
    return history.watermark if first is None else min(first, history.watermark)


def _moments(
    rooms: Rooms, ctx: ShopContext, history: Snapshot, until: datetime, back: set[int]
) -> Iterator[Retrospect]:
    with closing(rooms.lake.connect(ctx, history.tables)) as connection:
        lines = purchases(connection, until, 10 ** exponent(ctx.currency))
        types = connection.sql("SELECT product_no, product_type FROM products").to_arrow_table().to_pandas()
    floors = {kind: FLOOR[what] for what, kind in PAIR_KIND.items()}
    return retrospects(lines, types, pd.Timestamp(until), HORIZON.days, back, floors, SEED)


def _promise(
    rooms: Rooms, ctx: ShopContext, history: Snapshot, moment: Retrospect, as_of: datetime, run_id: int, folder: Path
) -> int:
    """Choose the product segments of a past moment as a refresh would, and promise for each."""
    for name, frame in (("pairs", moment.pairs), ("base_rates", moment.base_rates)):
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / f"{name}.parquet")
    with rooms.store.reading(ctx) as session:
        everybody = reach(session, ctx).universe
    with closing(rooms.lake.connect(ctx, history.tables, folder)) as connection:
        connection.execute("ALTER VIEW products RENAME TO products_now")
        connection.execute(AS_THEN, {"moment": as_of})
        said = _said(connection, everybody, moment.basis)
    with rooms.store.session(ctx) as session:
        return len(promises.store(session, rooms, ctx, said, run_id=run_id, as_of=as_of, back_dated=True))


def _said(connection: duckdb.DuckDBPyConnection, everybody: BitMap, basis: dict[str, str]) -> list[Said]:
    rates = base_rates(connection)
    found_then = automatic_segments_products.definitions(connection, everybody)
    definitions = [one for one in found_then if one.product_no is not None]  # of types as of then nothing is known
    about = {d.key: (d.key.partition(":")[0], d.product_no) for d in definitions if d.product_no is not None}
    titles = products(connection, sorted({product for _, product in about.values()}))
    found = []
    for definition in definitions:
        what, product_no = about[definition.key]
        threshold, kind = threshold_of(definition.rule), PAIR_KIND[what]
        likely = chances(connection, what, product_no)
        members = BitMap(likely.customers[likely.probability >= threshold]) & everybody
        found.append(
            Said(
                key=definition.key,
                product_no=product_no,
                title=titles[product_no]["title"],
                members=members,
                buyers=moments(likely.of(members)),
                threshold=threshold,
                base_rate=rates.get((product_no, kind)),
                basis=basis[kind],
            )
        )
    return found
