"""What a tick knows of everybody, as columns by customer number: reach, messages, the week, the past, orders, zones."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import select

from app.domain.campaigns import MAX_WAIT_DAYS, Reason
from app.domain.zones import zone_of
from app.services.decision_sheets import PLACE
from app.services.import_customers import survivors
from app.services.instants import NEVER, instants
from app.services.plan_sends_best import CROSS_SELL, POSSIBLE, REPURCHASE, ByProduct, Facts
from app.services.reachable import reach
from app.services.shop_settings import cap_window
from app.store import cap
from app.store.models.customers import Customer
from app.store.models.sending import Cap, Message, is_live
from app.store.models.waits import WaitChoice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    import duckdb
    from pyroaring import BitMap
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.reachable import Reach

HANDED_OVER = ("sending", "sent", "unknown", "held_out")  # held out counts: both arms go through the same steps
SUBSCRIBED_FOR = timedelta(days=60)
"""How long after its last delivery a subscription counts as running: two of the commonest, monthly, intervals. Whether
it was cancelled since is not among what the app may read."""
REACH_SAYS = {
    "no_email": Reason.NO_ADDRESS,
    "invalid_email": Reason.INVALID_ADDRESS,
    "suppressed": Reason.SUPPRESSED,
}
FETCHED = 50_000
AT_MOST = 500  # customers asked about in one statement

Instants = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]


@dataclass
class PastColumns:
    """The messages of one campaign, whatever became of them. All columns (n,); customers by their number after merges.

    stamped: when it was handed over or held out; NEVER if it was not. days: the wait that was drawn with it; 0: none.
    """

    customer_no: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    product_no: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    stamped: Instants = field(default_factory=lambda: np.zeros(0, np.int64))
    days: Ints = field(default_factory=lambda: np.zeros(0, np.int32))

    def last(self) -> tuple[Ints, Instants, Ints]:
        """(customers ascending, when each was handed something last, the wait drawn then)."""
        handed = np.flatnonzero(self.stamped != NEVER)
        order = handed[np.lexsort((self.stamped[handed], self.customer_no[handed]))]
        who = self.customer_no[order]
        newest = np.append(who[1:] != who[:-1], np.ones(min(len(who), 1), bool))
        return who[newest], self.stamped[order][newest], self.days[order][newest]

    def keys(self) -> Instants:
        """(n,) customer and product as one number."""
        return pair_keys(self.customer_no, self.product_no)


@dataclass
class Everybody:
    """Columns over all customer numbers below their length.

    reach: why the customer can't be mailed, as a place of what decisions say. live: the campaign of the message that is
    under way, 0: none. busy: mailed within the week. ordered: the last order of anything. zone: place in `zones`.
    """

    reach: npt.NDArray[np.uint8]
    live: Ints
    busy: npt.NDArray[np.bool_]
    ordered: Instants
    zone: npt.NDArray[np.int16]
    zones: list[ZoneInfo]

    def __len__(self) -> int:
        return len(self.reach)


def numbers(members: BitMap) -> Ints:
    """(n,) the customer numbers of a bitmap, ascending."""
    return np.frombuffer(members.to_array(), dtype=np.uint32).astype(np.int32)


def pair_keys(customer_no: Any, product_no: Any) -> Instants:
    """(n,) customer and product as one number, in the order of customers, then products."""
    return (np.asarray(customer_no, np.int64) << 32) | np.asarray(product_no, np.int64)


def reach_says(everybody: Reach, size: int) -> npt.NDArray[np.uint8]:
    """(size,) why each customer can't be mailed; POSSIBLE who can. Numbers that are no customer's are erased."""
    says = np.full(size, PLACE[Reason.ERASED], np.uint8)
    says[numbers(everybody.universe)] = PLACE[Reason.NOT_SUBSCRIBED]
    for name, members in reversed(everybody.reasons.items()):
        says[numbers(members)] = PLACE[REACH_SAYS.get(name, Reason.NOT_SUBSCRIBED)]
    says[numbers(everybody.reachable)] = POSSIBLE
    return says


def reach_now(session: Session, ctx: ShopContext, some: Ints, size: int) -> npt.NDArray[np.uint8]:
    """(len(some),) as `reach_says`, as of this moment.

    Of a few, asked for by number; of many, everybody is read: that is faster than naming them.
    """
    if len(some) > FETCHED:
        return reach_says(reach(session, ctx), size)[some]
    said = np.full(size, PLACE[Reason.ERASED], np.uint8)
    for start in range(0, len(some), AT_MOST):
        asked = some[start : start + AT_MOST]
        said[asked] = reach_says(reach(session, ctx, asked.tolist()), size)[asked]
    return said[some]


def narrow(connection: duckdb.DuckDBPyConnection, tables: Iterable[str], only: BitMap) -> None:
    """From now on these tables show this connection these customers alone."""
    connection.register("only_these", pa.table({"customer_no": pa.array(numbers(only))}))
    database = connection.execute("SELECT current_database()").fetchone()
    for table in tables:  # what is temporary is found first, and no other connection's
        whole = f'"{database[0] if database else ""}".main.{table}'
        connection.execute(
            f"CREATE TEMP VIEW {table} AS SELECT t.* FROM {whole} t SEMI JOIN only_these USING (customer_no)"
        )


def live(session: Session, ctx: ShopContext, size: int, only: BitMap | None = None) -> Ints:
    """(size,) the campaign whose message to the customer is under way, 0 for none. only: looked at alone."""
    found = np.zeros(size, np.int32)
    query = select(Message.customer_no, Message.campaign_id).where(Message.shop_id == ctx.shop_id, is_live())
    if only is not None and len(only) <= AT_MOST:
        query = query.where(Message.customer_no.in_(list(only)))
    rows = session.execute(query.execution_options(yield_per=FETCHED)).all()
    if rows:
        who, campaign = np.array([tuple(row) for row in rows], dtype=np.int64).T
        inside = who < size
        found[who[inside]] = campaign[inside]
    return found


def busy(
    session: Session, ctx: ShopContext, tick: datetime, size: int, only: BitMap | None = None
) -> npt.NDArray[np.bool_]:
    """(size,) whose week is taken, by either key. For deciding early; the stamp decides for good."""
    found = np.zeros(size, dtype=bool)
    window = cap_window(session, ctx)
    if only is not None and len(only) <= AT_MOST:
        who = _busy_among(session, ctx, tick - window - cap.MARGIN, only)
    else:
        who = cap.busy_customers(session, ctx, tick, window)
    found[who[who < size]] = True
    return found


def _busy_among(session: Session, ctx: ShopContext, since: datetime, only: BitMap) -> Instants:
    people = select(Customer.customer_no, Customer.email_hash).where(
        Customer.shop_id == ctx.shop_id, Customer.customer_no.in_(list(only))
    )
    owner: dict[str, list[int]] = defaultdict(list)
    for number, email_hash in session.execute(people):
        for key in cap.keys_of(number, email_hash or ""):
            owner[key].append(number)
    taken = select(Cap.key).where(Cap.shop_id == ctx.shop_id, Cap.last_at > since, Cap.key.in_(list(owner)))
    return np.array([number for key in session.scalars(taken) for number in owner[key]], dtype=np.int64)


def past_columns(
    session: Session, ctx: ShopContext, campaign_ids: Collection[int], only: BitMap | None = None
) -> dict[int, PastColumns]:
    """Everything that these campaigns ever planned (for these customers), each in columns."""
    if not campaign_ids:
        return {}
    query = (
        select(
            Message.campaign_id, Message.customer_no, Message.product_no, Message.state, Message.stamped_at,
            WaitChoice.days,
        )
        .outerjoin(WaitChoice, (WaitChoice.shop_id == Message.shop_id) & (WaitChoice.message_id == Message.id))
        .where(Message.shop_id == ctx.shop_id, Message.campaign_id.in_(list(campaign_ids)))
    )  # fmt: skip
    into = survivors(session, ctx)
    if only is not None and len(only) <= AT_MOST:
        merged = [loser for loser, survivor in into.items() if survivor in only]
        query = query.where(Message.customer_no.in_([*only, *merged]))
    rows: dict[int, list[tuple[int, int, datetime | None, int]]] = defaultdict(list)
    for campaign, customer, product, state, stamped, days in session.execute(
        query.execution_options(yield_per=FETCHED)
    ):
        handed = stamped if state in HANDED_OVER else None
        rows[campaign].append((into.get(customer, customer), product, handed, days or 0))
    return {campaign: _past(found) for campaign, found in rows.items()}


def _past(rows: Sequence[tuple[int, int, Any, int]]) -> PastColumns:
    customers, products, stamped, days = zip(*rows, strict=True)
    return PastColumns(
        np.array(customers, np.int32), np.array(products, np.int32), instants(stamped), np.array(days, np.int32)
    )


def last_orders(connection: duckdb.DuckDBPyConnection, tick: datetime, size: int) -> Instants:
    """(size,) when each customer ordered last, as far as it is recent enough to make anybody wait; else NEVER."""
    found = np.full(size, NEVER, np.int64)
    rows = connection.execute(
        """SELECT customer_no, epoch_us(max(processed_at)) AS at FROM orders
           WHERE counts AND customer_no < $size AND processed_at > $since GROUP BY customer_no""",
        {"size": size, "since": tick - timedelta(days=MAX_WAIT_DAYS + 1)},
    ).fetchnumpy()
    found[np.asarray(rows["customer_no"])] = rows["at"]
    return found


def bought_when(connection: duckdb.DuckDBPyConnection, customer_no: Ints, product_no: Ints) -> Instants:
    """(n,) when each customer last bought the product beside it; NEVER if never."""
    found = np.full(len(customer_no), NEVER, np.int64)
    if not len(customer_no):
        return found
    asked = {"place": np.arange(len(customer_no)), "customer_no": customer_no, "product_no": product_no}
    connection.register("asked", pa.table({name: pa.array(column) for name, column in asked.items()}))
    rows = connection.execute(
        """SELECT place, epoch_us(max(l.ordered_at)) AS at
           FROM order_lines l JOIN asked a ON a.customer_no = l.customer_no AND a.product_no = l.product_no
           WHERE l.counts GROUP BY place"""
    ).fetchnumpy()
    connection.unregister("asked")
    found[np.asarray(rows["place"])] = rows["at"]
    return found


def used_up(
    connection: duckdb.DuckDBPyConnection, pasts: dict[int, PastColumns], repeats: dict[int, int], size: int
) -> dict[int, ByProduct]:
    """Campaign → who got the e-mail about which product as often as allowed, since they last bought it.

    A cross-sale's product was never bought, so that all times count. repeats: campaign → how often is allowed.
    """
    found: dict[int, ByProduct] = {}
    for campaign, past in pasts.items():
        handed = past.stamped != NEVER
        keys, place, count = np.unique(past.keys()[handed], return_inverse=True, return_counts=True)
        # Who got fewer in all got fewer since any purchase. Numbers beyond all columns are of customers who have gone.
        often = (count >= repeats[campaign]) & (keys >> 32 < size)
        if not often.any():
            continue
        who, product = (keys[often] >> 32).astype(np.int32), (keys[often] & 0xFFFF_FFFF).astype(np.int32)
        bought = np.full(len(keys), NEVER, np.int64)
        bought[often] = bought_when(connection, who, product)
        later = np.bincount(place, weights=past.stamped[handed] > bought[place], minlength=len(keys))
        enough = later[often] >= repeats[campaign]
        if enough.any():
            found[campaign] = ByProduct(product[enough], who[enough])
    return found


def zones(
    connection: duckdb.DuckDBPyConnection, ctx: ShopContext, size: int
) -> tuple[npt.NDArray[np.int16], list[ZoneInfo]]:
    """((size,) place of each customer's zone in the list, the zones): the shop's where the address says none."""
    found, listed = np.zeros(size, np.int16), [ctx.zone]
    for country, province, zone in _addresses(connection):
        if zone != ctx.zone:
            if zone not in listed:
                listed.append(zone)
            rows = connection.execute(
                """SELECT customer_no FROM customers WHERE customer_no < $size AND coalesce(country, '') = $country
                   AND coalesce(province, '') = $province""",
                {"size": size, "country": country, "province": province},
            ).fetchnumpy()
            found[np.asarray(rows["customer_no"])] = listed.index(zone)
    return found, listed


def zones_of(connection: duckdb.DuckDBPyConnection, ctx: ShopContext, customers: Iterable[int]) -> dict[int, ZoneInfo]:
    """The zones of a few customers; who is not in the history lives by the shop's clock and is missing."""
    rows = connection.execute(
        """SELECT customer_no, country, province FROM customers
           WHERE customer_no IN (SELECT unnest($customers::INTEGER[]))""",
        {"customers": sorted(customers)},
    ).fetchall()
    return {number: zone_of(country, province) or ctx.zone for number, country, province in rows}


def _addresses(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, ZoneInfo]]:
    rows = connection.execute(
        "SELECT DISTINCT coalesce(country, ''), coalesce(province, '') FROM customers ORDER BY ALL"
    ).fetchall()
    said = ((country, province, zone_of(country, province)) for country, province in rows)
    return [(country, province, zone) for country, province, zone in said if zone is not None]


def product_facts(
    run: duckdb.DuckDBPyConnection,
    history: duckdb.DuckDBPyConnection,
    tick: datetime,
    size: int,
    products: Sequence[int] | None,
) -> Facts:
    """What is known of products; purchases only of those listed, or of all.

    run: the predictions with what they rest on. history: the newest import, which knows later orders and stock.
    """
    facts = Facts()
    for number, on_sale, in_stock in history.execute(
        """SELECT product_no, status = 'ACTIVE' AND NOT is_gift_card, total_inventory IS NULL OR total_inventory > 0
           FROM products"""
    ).fetchall():
        missing = Reason.OUT_OF_STOCK if on_sale else Reason.PRODUCT_INACTIVE
        facts.status[number] = int(POSSIBLE) if on_sale and in_stock else PLACE[missing]
    for number, kind, rate in run.execute("SELECT product_no, kind, base_rate FROM base_rates").fetchall():
        known = rate is not None and rate == rate  # noqa: PLR0124 - not a number is not itself
        facts.base_rate[CROSS_SELL if kind == "cross_sell" else REPURCHASE, number] = rate if known else 0.0
    rows = run.execute(
        """SELECT a, b, coalesce(nullif(lift_shrunk, 'nan'::DOUBLE), '-0.0'::DOUBLE) AS lift FROM associations
           WHERE lift_shrunk IS NOT NULL ORDER BY b, a"""
    ).fetchnumpy()
    targets, starts = np.unique(rows["b"], return_index=True)
    for target, start, end in zip(targets.tolist(), starts, [*starts, len(rows["b"])][1:], strict=True):
        facts.lifts[target] = (np.asarray(rows["a"][start:end], np.int32), np.asarray(rows["lift"][start:end]))
    shown = "" if products is None else "AND product_no IN (SELECT unnest($products::INTEGER[]))"
    given: dict[str, Any] = {"size": size} | ({} if products is None else {"products": list(products)})
    lines = "SELECT product_no, customer_no FROM order_lines WHERE counts AND customer_no < $size AND product_no >= 0"
    facts.bought = _by_product(history, f"{lines} {shown}", given)
    running = given | {"since": tick - SUBSCRIBED_FOR}
    facts.subscribed = _by_product(history, f"{lines} AND by_subscription AND ordered_at > $since {shown}", running)
    return facts


def _by_product(connection: duckdb.DuckDBPyConnection, query: str, given: dict[str, Any]) -> ByProduct:
    rows = connection.execute(query, given).fetchnumpy()
    return ByProduct(np.asarray(rows["product_no"], np.int32), np.asarray(rows["customer_no"], np.int32))
