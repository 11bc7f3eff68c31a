"""The shop of the thirty days: four campaigns that overlap, customers who buy at a known pace, a moved clock."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import structlog
from pyroaring import BitMap
from sqlalchemy import select

from app import wiring
from app.domain.context import ShopContext
from app.lake.schemas import TABLES
from app.mail.transport import Delivery
from app.services import campaigns, senders
from app.services.lifts import PRIOR
from app.store.counters import allocate
from app.store.models.segments import Membership, Segment
from app.store.models.senders import Sender
from app.store.models.sending import Message
from app.store.models.shops import Run, Shop, Snapshot
from benchmarks.segments.shop import build_shop, settings
from ml.streams import stream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from app.mail.transport import Envelope
    from app.services.rooms import Rooms

DOMAIN = "actual"  # the simulator draws from another
PRODUCTS = 1_000
MONTH = 30
A_DAY = timedelta(days=1)

BUSIEST = """SELECT product_no FROM pairs WHERE kind = $kind AND probability >= $bar
GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 2"""
MEMBERS = "SELECT customer_no FROM pairs WHERE kind = $kind AND product_no = $product AND probability >= $bar"
WATCHED = """SELECT customer_no, product_no, kind = 'repurchase' AS again, probability FROM pairs
WHERE (kind = 'repurchase' AND product_no IN (SELECT unnest($again::INTEGER[])))
   OR (kind = 'cross_sell' AND product_no IN (SELECT unnest($new::INTEGER[]))) ORDER BY ALL"""
BARS = {"repurchase": 0.1, "cross_sell": 0.01}
TIMINGS: list[dict[str, Any]] = [
    {"frequency": "every", "every_days": 14, "wait_days": 5, "repeats": 3},
    {"frequency": "every", "every_days": 21, "wait_days": 7, "repeats": 2},
    {"frequency": "once", "wait_days": 3, "repeats": 1},
    {"frequency": "every", "every_days": 7, "wait_days": 0, "repeats": 4},
]


class Relay:
    """A transport that takes everything, and notes each message id durably before it says so: what an audit reads."""

    def __init__(self, log: Path) -> None:
        self._file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def deliver(self, envelope: Envelope, still_allowed: Callable[[], bool]) -> Delivery:
        """Take the message."""
        if not still_allowed():
            return Delivery("not_accepted", "too late")
        os.write(self._file, f"{envelope.message_id}\n".encode())
        return Delivery("accepted", "250")

    def deliver_many(self, envelopes: Sequence[Envelope], still_allowed: Callable[[], bool]) -> list[Delivery]:
        """Take them one after the other."""
        return [self.deliver(envelope, still_allowed) for envelope in envelopes]


@dataclass
class DaysShop:
    """The installation, its clock, and what its customers may buy of what is campaigned for.

    watched: customer_no, product_no, again, probability. others: customer_no, rate of other orders a day.
    """

    folder: Path
    rooms: Rooms
    ctx: ShopContext
    begins: datetime
    watched: pd.DataFrame
    others: pd.DataFrame
    campaign_ids: list[str]

    def set_clock(self, at: datetime) -> None:
        """From now on it is this moment, for every process of the installation."""
        offset = (at - datetime.now(UTC)).total_seconds()
        part = self.folder / "clock.part"
        part.write_text(json.dumps({"offset_seconds": offset}))
        part.replace(self.folder / "clock.json")


def open_rooms(folder: Path) -> tuple[Rooms, ShopContext]:
    """The installation as any of its processes opens it: with the moved clock and the relay."""
    encore = wiring.build(
        settings(folder).model_copy(update={"clock_file": folder / "clock.json", "daily_limits": False})
    )
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    rooms = replace(encore.rooms, transport=Relay(folder / "relay.log"))
    with rooms.store.operator_session(writing=False) as session:
        shop = session.scalars(select(Shop)).one()
        return rooms, ShopContext(shop.id, shop.domain, shop.currency, shop.timezone)


def build(folder: Path, customers: int) -> DaysShop:
    """Make the shop below an empty folder; campaigns are drafts."""
    built, ctx = build_shop(folder, customers, PRODUCTS)
    with built.rooms.store.reading(ctx) as session:
        begins = session.scalars(select(Snapshot.watermark)).first()
    assert begins is not None
    built.rooms.store.close()
    shop = DaysShop(folder, built.rooms, ctx, begins, pd.DataFrame(), pd.DataFrame(), [])
    shop.set_clock(begins)
    shop.rooms, shop.ctx = open_rooms(folder)
    run_dir = shop.rooms.lake.run_dir(ctx, 2)
    connection = shop.rooms.lake.connect(ctx, shop.rooms.lake.versions(ctx), run_dir)
    busiest = {
        kind: [row[0] for row in connection.execute(BUSIEST, {"kind": kind, "bar": bar}).fetchall()]
        for kind, bar in BARS.items()
    }
    shop.watched = connection.execute(WATCHED, {"again": busiest["repurchase"], "new": busiest["cross_sell"]}).df()
    chances = connection.execute("SELECT customer_no, p_order_30d FROM customer_values ORDER BY 1").df()
    members = {
        (kind, product): [
            row[0]
            for row in connection.execute(MEMBERS, {"kind": kind, "product": product, "bar": BARS[kind]}).fetchall()
        ]
        for kind, products in busiest.items()
        for product in products
    }
    # Everybody's pace is constant here: no date is expected.
    target = run_dir / "pairs.part"
    connection.execute(
        f"COPY (SELECT * REPLACE (NULL::TIMESTAMPTZ AS expected_at, NULL::TIMESTAMPTZ AS expected_low,"
        f" NULL::TIMESTAMPTZ AS expected_high) FROM read_parquet('{run_dir / 'pairs.parquet'}'))"
        f" TO '{target}' (FORMAT PARQUET, COMPRESSION ZSTD)"
    )
    connection.close()
    target.replace(run_dir / "pairs.parquet")
    rate = -np.log1p(-np.minimum(chances["p_order_30d"].to_numpy(), 0.995)) / MONTH
    mine = np.bincount(shop.watched["customer_no"], _rates(shop.watched), minlength=customers)
    shop.others = pd.DataFrame(
        {"customer_no": chances["customer_no"], "rate": np.maximum(rate - mine[chances["customer_no"]], 0)}
    )
    _sender(shop)
    shop.campaign_ids = [
        _campaign(shop, kind, product, numbers, timing)
        for ((kind, product), numbers), timing in zip(members.items(), TIMINGS, strict=True)
    ]
    return shop


def _rates(watched: pd.DataFrame) -> Any:
    return -np.log1p(-np.minimum(watched["probability"].to_numpy(), 0.995)) / MONTH


def _sender(shop: DaysShop) -> None:
    new = senders.NewSender("Bench", "hello@bench.example", None, "Bench Ltd", "1 High Street\nSpringfield")
    made = senders.create(shop.rooms, shop.ctx, new)
    with shop.rooms.store.session(shop.ctx) as session:
        row = session.get_one(Sender, {"shop_id": shop.ctx.shop_id, "id": int(made.id.removeprefix("snd_"))})
        row.verified_address, row.verified_at = row.from_address, shop.begins


def _campaign(shop: DaysShop, kind: str, product: int, members: list[int], timing: dict[str, Any]) -> str:
    rooms, ctx, now = shop.rooms, shop.ctx, shop.begins
    what = "buy_again" if kind == "repurchase" else "buy_new"
    match = {"predict": what, "product": str(product), "horizon": "30d", "op": "gte", "value": BARS[kind]}
    with rooms.store.session(ctx) as session:
        number, place = allocate(session, ctx.shop_id, "segments"), allocate(session, ctx.shop_id, "memberships")
        session.add(
            Segment(shop_id=ctx.shop_id, id=number, key=f"{what}:{product}", name=f"{kind} {product}", description="",
                    category=kind, source="automatic", state="ready", definition="", product_no=product,
                    membership_id=place, rule_text=orjson.dumps({"v": 1, "match": match}).decode(), created_at=now,
                    updated_at=now)
        )  # fmt: skip
        session.flush()
        session.add(
            Membership(shop_id=ctx.shop_id, id=place, segment_id=number, run_id=2, evaluated_at=now, leaves=[],
                       size=len(members), members=BitMap(members).serialize(), statistics={}, duration_ms=1)
        )  # fmt: skip
    made = campaigns.create(rooms, ctx, segment_id=f"seg_{number}")
    campaigns.change(rooms, ctx, made, {"name": f"{kind} {product}", "timing": timing})
    return made


def buy(shop: DaysShop, day: int) -> int:
    """What customers buy in the day that begins now; e-mails raise the pace of what they recommend by the prior."""
    rng, watched = stream(DOMAIN, day), shop.watched
    sold = watched.get("sold", pd.Series(data=False, index=watched.index)).to_numpy(bool) & ~watched["again"].to_numpy()
    rate = np.where(sold, 0.0, _rates(watched)) * np.where(_mailed(shop), 1 + PRIOR, 1.0)
    bought = rng.exponential(size=len(rate)) < rate
    shop.watched["sold"] = sold | bought
    others = shop.others.loc[rng.exponential(size=len(shop.others)) < shop.others["rate"]]
    rows = pd.concat(
        [watched.loc[bought, ["customer_no", "product_no"]], others[["customer_no"]].assign(product_no=PRODUCTS - 1)]
    )
    after = rng.uniform(0, 0.99, len(rows))
    rows = rows.assign(at=[shop.rooms.clock.now() + float(part) * A_DAY for part in after])
    _import(shop, rows, day)
    return len(rows)


def _mailed(shop: DaysShop) -> Any:
    """(p,) whether the pair's product was recommended within a month."""
    since = shop.rooms.clock.now() - MONTH * A_DAY
    query = select(Message.customer_no, Message.product_no).where(
        Message.shop_id == shop.ctx.shop_id,
        Message.state.in_(("sent", "unknown", "sending")),
        Message.stamped_at > since,
    )
    with shop.rooms.store.reading(shop.ctx) as session:
        keys = {customer * PRODUCTS + product for customer, product in session.execute(query)}
    mine = shop.watched["customer_no"].to_numpy(np.int64) * PRODUCTS + shop.watched["product_no"].to_numpy(np.int64)
    return np.isin(mine, np.fromiter(keys, dtype=np.int64, count=len(keys)))


def _import(shop: DaysShop, rows: pd.DataFrame, day: int) -> None:
    """Put the orders into the lake, one line each, and publish the history as an import does."""
    rooms, ctx, size = shop.rooms, shop.ctx, len(rows)
    first = 1_000_000_000 + day * 1_000_000
    common = {"customer_no": rows["customer_no"], "bucket": np.zeros(size), "order_id": first + np.arange(size)}
    order = {**common, "processed_at": rows["at"], "created_at": rows["at"], "updated_at": rows["at"]}
    one = np.ones(size)
    line = {**common, "line_id": first + np.arange(size), "ordered_at": rows["at"], "product_no": rows["product_no"]}
    line |= {"quantity": one, "current_quantity": one, "net_minor": 2_000 * one}
    for table, columns in (("orders", order), ("order_lines", line)):
        schema = TABLES[table]
        filled = columns | {"counts": np.ones(size, dtype=bool)}
        arrays = [
            pa.array(np.asarray(filled[name]) if name not in {"processed_at", "created_at", "updated_at", "ordered_at"}
                     else filled[name].tolist()).cast(schema.field(name).type)
            if name in filled else pa.nulls(size, schema.field(name).type)
            for name in schema.names
        ]  # fmt: skip
        rooms.lake.append(ctx, table, pa.Table.from_arrays(arrays, schema=schema))
    at = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        run_id = allocate(session, ctx.shop_id, "runs")
        session.add(
            Run(shop_id=ctx.shop_id, id=run_id, kind="import", state="done", as_of=at, started_at=at, finished_at=at,
                source="changes", steps=[], detail={}, error=None)
        )  # fmt: skip
        session.flush()
        session.add(
            Snapshot(shop_id=ctx.shop_id, id=allocate(session, ctx.shop_id, "snapshots"), run_id=run_id, created_at=at,
                     watermark=at, tables=rooms.lake.versions(ctx))
        )  # fmt: skip
