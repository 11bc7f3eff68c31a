"""Refresh: history → features → predictions → segments and memberships → recommendations, then publish.

Every stage but the last writes nothing but files of its run, and may be repeated. A stage whose files exist is
not computed again when a stopped refresh goes on. One transaction then writes memberships and recommendations and
publishes the run: lists, syncs, campaigns and figures change together or not at all.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from app.domain.money import exponent
from app.domain.rules.tree import Duration
from app.domain.rules.windows import start_of_last
from app.errors import NotFound, Unavailable
from app.lake.lake import BOUGHT_SINCE_FILE
from app.services import (
    customer_features,
    demographics,
    demographics_classify,
    evaluate_segments,
    measure_campaigns,
    model_cards,
    prediction_input,
    promises,
    recommendations,
    reevaluate_segments,
    runs,
)
from app.services.processes import workers
from app.services.published import PublishedRun, latest_history, open_run, published
from app.services.send_due_events import write_events
from app.store.counters import allocate
from app.store.models.shops import Run, Snapshot
from ml.api import predict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import duckdb

    from app.domain.context import ShopContext
    from app.services.evaluate_segments import Evaluated
    from app.services.rooms import Rooms

log = structlog.get_logger()

STEPS = ["features", "predictions", "segments", "recommendations"]
HORIZON_DAYS = 30
MONTH = Duration(30, "d")  # in store days, as rules count them, so that no order leaves within a day
SEED = 20_260_101  # fixed: two refreshes of one snapshot give the same numbers
PREDICTIONS_GOOD_FOR = timedelta(hours=20)
PREDICTION_FILES = ("pairs", "associations", "customer_values", "base_rates", "type_pairs", "type_base_rates")
PAIR_FILES = ("pairs", "type_pairs")

PRODUCTS = "SELECT product_no, product_type, status = 'ACTIVE' AND NOT is_gift_card AS active FROM products"

SORTED_BY = {"pairs": "product_no", "type_pairs": "product_type"}
SORT = """
COPY (SELECT * FROM read_parquet({source}) ORDER BY {column}, customer_no)
TO {target} (FORMAT PARQUET, COMPRESSION ZSTD)"""
BOUGHT_SINCE = """
COPY (
    {earlier}
    SELECT DISTINCT l.customer_no, l.product_no, p.product_type
    FROM order_lines l JOIN orders o USING (order_id) LEFT JOIN products p ON p.product_no = l.product_no
    WHERE l.counts AND l.customer_no IS NOT NULL AND l.ordered_at < $as_of AND (
        o.updated_at >= $since OR l.customer_no IN (SELECT customer_no FROM customers WHERE updated_at >= $since))
) TO {target} (FORMAT PARQUET)"""
MEMORY = "700MB"  # for features and sorting: what does not fit goes to disk
PROGRESS_SECONDS = 1.0
OVERLAP = timedelta(minutes=10)  # a change may be stamped before a history's end and reach us after it


def refresh(rooms: Rooms, ctx: ShopContext, as_of: datetime | None = None, *, force: bool = True) -> PublishedRun:
    """Compute everything anew from the newest history and publish it.

    as_of: later history is invisible; default now.
    force: predict anew; otherwise predictions of less than 20 hours ago serve again, because a model
           learns little from a few orders while segments must be right within minutes.

    Raises Unavailable before the first import.
    """
    with rooms.store.reading(ctx) as session:
        history = latest_history(session, ctx)
    if history is None:
        raise Unavailable("Nothing was imported yet.")
    live = runs.begin(rooms, ctx, "refresh", "refresh", STEPS, as_of)
    write_events(rooms, ctx)
    versions = {**history.tables, **_events(rooms, ctx)}
    folder = rooms.lake.run_dir(ctx, live.id)
    run = PublishedRun(live.id, live.as_of, versions, history.watermark, folder)
    try:
        with _step(rooms, ctx, run, "features") as done:
            on = demographics.enabled(rooms, ctx)
            demographics_classify.classify(rooms, ctx, run, published(rooms, ctx), on)
            done(_features(rooms, ctx, run))
        with _step(rooms, ctx, run, "predictions") as done:
            done(_predictions(rooms, ctx, run, force=force))
        with _step(rooms, ctx, run, "segments") as done:
            evaluated = _segments(rooms, ctx, run)
            done(evaluated.filled)
        runs.step(rooms, ctx, run.run_id, "recommendations", "running")
        snapshot_id, changed, predicted = _publish(rooms, ctx, run, evaluated)
    except Exception as fault:
        runs.fail(rooms, ctx, live.id, str(fault))
        raise
    _catch_up(rooms, ctx, changed)
    if predicted:
        rooms.jobs.enqueue(ctx, "backtest")
    rooms.jobs.enqueue(ctx, "receipts")
    rooms.jobs.enqueue(ctx, measure_campaigns.JOB)
    log.info("refresh_done", shop_id=ctx.shop_id, run_id=live.id)
    return PublishedRun(run.run_id, run.as_of, run.versions, run.watermark, run.dir, snapshot_id)


@contextmanager
def _step(rooms: Rooms, ctx: ShopContext, run: PublishedRun, name: str) -> Iterator[Callable[[int], None]]:
    counts = [0]
    runs.step(rooms, ctx, run.run_id, name, "running")
    yield counts.append
    runs.step(rooms, ctx, run.run_id, name, "done", done=counts[-1], total=counts[-1], unit=name)


def _events(rooms: Rooms, ctx: ShopContext) -> dict[str, int]:
    version = rooms.lake.version(ctx, "events")
    return {} if version is None else {"events": version}


def _features(rooms: Rooms, ctx: ShopContext, run: PublishedRun) -> int:
    target = run.dir / "features.parquet"
    if not target.exists():
        part = target.with_suffix(".part")
        before = published(rooms, ctx)
        earlier = before.dir if before is not None and _can_be_followed(rooms, ctx, before, run) else None
        with _working(rooms, ctx, run) as connection:
            customer_features.build(connection, ctx, run.as_of, part, earlier)
        part.replace(target)
    return int(pq.read_metadata(target).num_rows)


def _predictions(rooms: Rooms, ctx: ShopContext, run: PublishedRun, *, force: bool) -> int:
    if not _complete(run.dir):
        before = None if force else published(rooms, ctx)
        made_at = _made_at(before.dir) if before else None
        fresh = made_at is not None and run.as_of - made_at < PREDICTIONS_GOOD_FOR
        reusable = before is not None and fresh and _complete(before.dir)
        if before is not None and reusable and _can_be_followed(rooms, ctx, before, run):
            _reuse(rooms, ctx, before, run)
        else:
            _predict(rooms, ctx, run)
    return int(pq.read_metadata(run.dir / "pairs.parquet").num_rows)


def _complete(folder: Path) -> bool:
    return all((folder / f"{name}.parquet").exists() for name in PREDICTION_FILES)


def purchases(rooms: Rooms, ctx: ShopContext, run: PublishedRun) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Order lines that count and products, as `ml` takes them, at the run's lake versions."""
    connection = rooms.lake.connect(ctx, run.versions)
    try:
        lines = prediction_input.purchases(connection, run.as_of, 10 ** exponent(ctx.currency))
        products = connection.sql(PRODUCTS).to_arrow_table().to_pandas()
    finally:
        connection.close()
    return lines, products


def _predict(rooms: Rooms, ctx: ShopContext, run: PublishedRun) -> None:
    lines, products = purchases(rooms, ctx, run)
    part, type_part = ((run.dir / f"{name}.parquet").with_suffix(".part") for name in PAIR_FILES)
    with ParquetSink(part) as pairs, ParquetSink(type_part) as type_pairs:
        found = predict(
            lines,
            products,
            None,
            pd.Timestamp(run.as_of),
            HORIZON_DAYS,
            None,
            SEED,
            workers=workers(),
            sink=pairs.add,
            type_sink=type_pairs.add,
        )
        for sink, nothing in ((pairs, found.pairs), (type_pairs, found.type_pairs)):
            if not sink.rows:
                sink.add(nothing)
    card = model_cards.complete(rooms, ctx, run, _with_left_out(rooms, ctx, run, found.card))
    (run.dir / "card.json").write_bytes(orjson.dumps(card))
    frames = {
        "associations": found.associations,
        "customer_values": found.customers,
        "base_rates": found.base_rates,
        "type_base_rates": found.type_base_rates,
    }
    for name, frame in frames.items():
        _write(frame, run.dir / f"{name}.parquet")
    _sort_pairs(rooms, ctx, run, "type_pairs", type_part)
    _sort_pairs(rooms, ctx, run, "pairs", part)  # last: the stage is done when it is there


def _sort_pairs(rooms: Rooms, ctx: ShopContext, run: PublishedRun, name: str, unsorted: Path) -> None:
    """Pairs come by customer and are asked for by product: of fifty million a rule then reads one place."""
    part = run.dir / f"{name}.sorted"
    with _working(rooms, ctx, run) as connection:
        connection.execute("SET preserve_insertion_order = true")
        sql = SORT.format(source=_quoted(unsorted), column=SORTED_BY[name], target=_quoted(part))
        connection.execute(sql)
    unsorted.unlink()
    part.replace(run.dir / f"{name}.parquet")


def _with_left_out(rooms: Rooms, ctx: ShopContext, run: PublishedRun, card: dict[str, Any]) -> dict[str, Any]:
    connection = rooms.lake.connect(ctx, run.versions)
    try:
        return prediction_input.with_left_out(connection, run.as_of, card)
    finally:
        connection.close()


class ParquetSink:
    """Writes one Parquet file from frames with the same columns, as they come, so that a giant shop's pairs fit."""

    def __init__(self, target: Path) -> None:
        """`target` is overwritten."""
        self._target = target
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0

    def __enter__(self) -> Self:
        """Open with the first frame, which names the columns."""
        return self

    def add(self, frame: pd.DataFrame) -> None:
        """Append the frame's rows."""
        table = pa.Table.from_pandas(frame, preserve_index=False)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._target, table.schema, compression="zstd")
        self._writer.write_table(table)
        self.rows += len(frame)

    def __exit__(self, *_: object) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()


def _write(frame: pd.DataFrame, target: Path) -> None:
    part = target.with_suffix(".part")
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), part, compression="zstd")
    part.replace(target)


def _made_at(folder: Path) -> datetime | None:
    card = read_card(folder)
    return pd.Timestamp(card["made_at"]).to_pydatetime() if card else None


def read_card(folder: Path) -> dict[str, Any] | None:
    """The model card of a run, or None if the run made none."""
    file = folder / "card.json"
    if not file.exists():
        return None
    card: dict[str, Any] = orjson.loads(file.read_bytes())
    return card


def _reuse(rooms: Rooms, ctx: ShopContext, before: PublishedRun, run: PublishedRun) -> None:
    """Take over earlier predictions; what was bought since goes beside them, and whoever reads pairs leaves it out.

    Who has bought a product, or any of a type, meanwhile can't buy it for the first time any more: neither its
    segment nor a campaign may say so until everything is predicted anew. A changed order says when it changed, and a
    merge changes the customer.
    """
    for name in ("card.json", *(f"{name}.parquet" for name in PREDICTION_FILES)):
        (run.dir / name).unlink(missing_ok=True)
        (run.dir / name).hardlink_to(before.dir / name)
    chosen = before.dir / evaluate_segments.CHOSEN_FILE
    if chosen.exists():
        (run.dir / chosen.name).unlink(missing_ok=True)
        (run.dir / chosen.name).hardlink_to(chosen)
    earlier = before.dir / BOUGHT_SINCE_FILE
    union = f"SELECT * FROM read_parquet({_quoted(earlier)}) UNION" if earlier.exists() else ""
    part = run.dir / f"{BOUGHT_SINCE_FILE}.part"
    with _working(rooms, ctx, run) as connection:
        connection.execute(
            BOUGHT_SINCE.format(earlier=union, target=_quoted(part)),
            {"as_of": run.as_of, "since": before.watermark - OVERLAP},
        )
    part.replace(run.dir / BOUGHT_SINCE_FILE)


def _can_be_followed(rooms: Rooms, ctx: ShopContext, before: PublishedRun, run: PublishedRun) -> bool:
    """Whether it can be known what was bought since an earlier run: a merchant's file does not say what it changed."""
    if all(before.versions.get(table) == run.versions.get(table) for table in ("orders", "order_lines", "customers")):
        return True
    with rooms.store.reading(ctx) as session:
        history = latest_history(session, ctx)
        return history is not None and session.get_one(Run, (ctx.shop_id, history.run_id)).source != "csv"


@contextmanager
def _working(rooms: Rooms, ctx: ShopContext, run: PublishedRun) -> Iterator[duckdb.DuckDBPyConnection]:
    """The history at the run's versions, for work that would take all memory of a giant shop if it could."""
    with TemporaryDirectory(dir=run.dir, prefix="spill-") as spill:
        connection = rooms.lake.connect(ctx, run.versions)
        try:
            connection.execute(f"SET memory_limit = '{MEMORY}'")
            connection.execute(f"SET temp_directory = {_quoted(Path(spill))}")
            connection.execute("SET preserve_insertion_order = false")
            yield connection
        finally:
            connection.close()


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _segments(rooms: Rooms, ctx: ShopContext, run: PublishedRun) -> Evaluated:
    said_at = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= PROGRESS_SECONDS:
            said_at = time.monotonic()
            runs.step(rooms, ctx, run.run_id, "segments", "running", done=done, total=total, unit="segments")

    return evaluate_segments.evaluate_all(rooms, ctx, run, progress)


def _publish(rooms: Rooms, ctx: ShopContext, run: PublishedRun, evaluated: Evaluated) -> tuple[int, list[int], bool]:
    """Everything of the run that readers see, in one transaction.

    Answers the snapshot, what `_catch_up` has left to do, and whether this run predicted anew.
    """
    summary = _summary(rooms, ctx, run, evaluated.reachable)
    with rooms.store.session(ctx) as session:
        changed = evaluate_segments.publish(session, rooms, ctx, evaluated)
        changed += demographics.settle(session, rooms, ctx, run)
        promises.make(session, rooms, ctx, run, evaluated, read_card(run.dir))
        recommendations.refresh(session, rooms, ctx, run)
        predicted = model_cards.keep(session, rooms, ctx, run, read_card(run.dir))
        snapshot = Snapshot(
            shop_id=ctx.shop_id,
            id=allocate(session, ctx.shop_id, "snapshots"),
            run_id=run.run_id,
            created_at=rooms.clock.now(),
            watermark=run.watermark,
            tables=dict(run.versions),
        )
        session.add(snapshot)
        runs.finish(session, rooms, ctx, run.run_id, summary=summary)
        return snapshot.id, changed, predicted


def _catch_up(rooms: Rooms, ctx: ShopContext, changed: list[int]) -> None:
    """Bring segments that merchants changed while the run was computed to the run, now that it is published."""
    for segment_id in changed:
        try:
            reevaluate_segments.evaluate_one(rooms, ctx, segment_id)
        except NotFound:
            log.info("segment_deleted_meanwhile", shop_id=ctx.shop_id, segment=segment_id)


def _summary(rooms: Rooms, ctx: ShopContext, run: PublishedRun, can_be_mailed: int) -> dict[str, Any]:
    """The shop's key numbers at this run; the dashboard reads them, it never computes."""
    with open_run(rooms, ctx, run) as connection:
        buyers = _one(connection, "SELECT count(*) FROM features")
        customers = _one(connection, "SELECT count(*) FROM customers")
        since = start_of_last(MONTH, run.as_of, ctx.zone)
        net, orders = _row(
            connection,
            # Net sales as segments count them: lines after discounts and returns, without gift cards, tax, shipping.
            """SELECT coalesce(sum(l.net_minor) FILTER (WHERE NOT l.is_gift_card), 0), count(DISTINCT o.order_id)
               FROM orders o LEFT JOIN order_lines l USING (order_id)
               WHERE o.counts AND o.processed_at >= $since AND o.processed_at < $as_of""",
            {"since": since, "as_of": run.as_of},
        )
        likely = _one(connection, "SELECT coalesce(sum(p_order_30d), 0) FROM customer_values")
    return {
        "reachable": can_be_mailed,
        "customers": int(customers),
        "buyers": int(buyers),
        "net_sales_30d_minor": int(net),
        "orders_30d": int(orders),
        "expected_buyers_30d": round(float(likely), 1),
    }


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    return _row(connection, query, {})[0]


def _row(connection: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any]) -> tuple[Any, ...]:
    row = connection.execute(query, parameters).fetchone() if parameters else connection.execute(query).fetchone()
    if row is None:
        raise LookupError("an aggregate always has a row")
    return tuple(row)
