"""What a simulation starts from: campaigns as rules, customers with what they may buy and what they got, as of now.

Reads what a tick reads, but also who is not in a product's segment yet and may come in as time passes. Of a large
shop a share of the customers, drawn by chance.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
from pyroaring import BitMap
from sqlalchemy import select

from app.domain.campaigns import DEFAULT_EVERY_DAYS
from app.domain.rules.names import PAIR_KIND
from app.services import campaigns, simulate_hours, topics
from app.services.automatic_segments_products import FLOOR, TIMES_BASE_RATE
from app.services.campaigns_audience import newest_history, products
from app.services.holdouts import shop_percent
from app.services.plan_sends_best import LIKELY
from app.services.plan_sends_candidates import past
from app.services.plan_sends_facts import SUBSCRIBED_FOR, zones_of
from app.services.plan_sends_verdicts import runners
from app.services.promises import spreads
from app.services.published import open_run
from app.services.reachable import reachable
from app.services.shop_settings import cap_window
from app.store import cap
from app.store.models.segments import Segment
from app.store.models.sending import Cap, Message, is_live
from app.store.models.waits import WaitPolicy
from ml.gaps import DEFAULT_SPREAD, NORMAL_80
from ml.hazards import Pairs, tables
from ml.policy.frequency import ARMS
from ml.simulation import Crowd, Offers, Rules, Slots

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.campaigns import TimingRules
    from app.domain.context import ShopContext
    from app.services.plan_sends_candidates import Past
    from app.services.plan_sends_verdicts import Runner
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms
    from app.store.models.campaigns import Campaign
    from ml.history import Bools, Floats, Ints

MOST_CUSTOMERS = 100_000
MOST_LOOKED_AT = 150_000  # messages that could be, before it is known which may come up
MOST_OFFERS = 8_000  # with a hundred futures of thirty days: a few seconds
EACH = 6  # products of a customer in one campaign; a month holds four mails
SECONDS_A_DAY = 86_400.0

AHEAD = """
SELECT p.customer_no, p.product_no, p.kind = 'repurchase' AS again, p.probability AS chance,
       coalesce(a.lift_shrunk, p.lift) AS lift, p.because_product_no IS NOT NULL AS has_because,
       date_diff('second', $tick, p.expected_at) / 86400.0 AS expected_in,
       date_diff('second', $tick, p.expected_low) / 86400.0 AS low_in,
       date_diff('second', $tick, p.expected_high) / 86400.0 AS high_in, {threshold} AS threshold
FROM pairs p
JOIN members m USING (customer_no)
LEFT JOIN associations a ON a.a = p.because_product_no AND a.b = p.product_no
LEFT JOIN base_rates b ON b.product_no = p.product_no AND b.kind = p.kind
WHERE {which}
QUALIFY row_number() OVER (PARTITION BY p.customer_no ORDER BY again DESC, chance DESC, p.product_no) <= $each
"""
# A repurchase becomes likelier as its date comes near; a first purchase stays as likely as it is.
# A month before it is expected, it is likely already; the chance is of thirty days.
MAY_COME = "(chance >= threshold OR (again AND expected_in <= $until + 60))"
LAST_ORDERS = """
SELECT customer_no, date_diff('second', $tick, max(processed_at)) / 86400.0 AS at FROM orders
WHERE counts AND customer_no IN (SELECT customer_no FROM wanted) GROUP BY customer_no"""
LAST_BOUGHT = """
SELECT customer_no, product_no, date_diff('second', $tick, max(ordered_at)) / 86400.0 AS at
FROM order_lines JOIN (SELECT DISTINCT customer_no, product_no FROM wanted) USING (customer_no, product_no)
WHERE counts GROUP BY ALL"""
DELIVERED = """
SELECT customer_no, product_no, date_diff('second', $tick, max(ordered_at)) / 86400.0 + $days AS subscribed
FROM order_lines JOIN (SELECT DISTINCT customer_no, product_no FROM wanted) USING (customer_no, product_no)
WHERE counts AND by_subscription GROUP BY ALL"""
RATES = """
SELECT customer_no, -ln(1 - least(p_order_30d, 0.995)) / 30 AS rate FROM customer_values
WHERE customer_no IN (SELECT customer_no FROM wanted) AND isfinite(p_order_30d)"""


@dataclass(frozen=True)
class Start:
    """Everything that a simulation takes, and what its numbers have to be multiplied by.

    campaign_ids: of the rules, in their order. customer_nos: (n,) of the crowd. kinds: (k,) per campaign, the kinds of
    e-mail it may send. customers: who could be looked at; share: of them that were.
    prices: (p,) minor units of the pairs' products. cap_days: between two e-mails to one customer. shop_holdout:
    share of customers whom no campaign mails.
    """

    crowd: Crowd
    pairs: Pairs
    slots: Slots
    offers: Offers
    rules: list[Rules]
    campaign_ids: list[int]
    customer_nos: Ints
    kinds: list[list[str]]
    customers: int
    share: float
    prices: Floats
    spread: tuple[float, float]
    cap_days: float = 7.0
    shop_holdout: float = 0.0


def start(
    rooms: Rooms,
    ctx: ShopContext,
    run: PublishedRun,
    rows: list[Campaign],
    timings: Mapping[int, TimingRules],
    at: datetime,
    days: int,
    rng: np.random.Generator,
    late: frozenset[int] = frozenset(),
) -> Start:
    """Gather what these campaigns start from at this moment. timings: instead of what the campaigns say, by id.

    late: customers whose message in line is decided anew, because too many are before it.
    """
    rows = sorted(rows, key=lambda row: (row.created_at, row.id))
    with rooms.store.reading(ctx) as session:
        found = runners(session, ctx, rows)
        bars = {number: _bar(session, ctx, runner) for number, runner in found.items()}
        able, some = _some(reachable(session, ctx), rng)
        window = cap_window(session, ctx) + cap.MARGIN
        mailed = _mailed(session, ctx, at, window, late)
        of_shop = shop_percent(session, ctx) / 100
        before = past(session, ctx, found)
        spread = spreads(session, ctx, at)
        declined = _declined(session, ctx)
        timed = [timings.get(row.id) or campaigns.timing_of(row) for row in rows]
        rules = [_rules(session, ctx, row, timing, of_shop) for row, timing in zip(rows, timed, strict=True)]
    with open_run(rooms, ctx, run) as connection:
        given = {"tick": at, "until": days, "each": EACH}
        parts = [_offers(connection, found[row.id], bars[row.id], able, given) for row in rows]
        table = pd.concat([part.assign(campaign=k) for k, part in enumerate(parts)], ignore_index=True)
        for again, who in declined.items():
            table = table.loc[(table["again"] != again) | ~table["customer_no"].isin(who)]
        table, _, share = _drawn(table, MOST_LOOKED_AT, rng)
        rates = _asked(connection, RATES, table, {})
    table = _with_history(rooms, ctx, table, at)
    table = _that_come_up(table, days)
    table, left, more = _drawn(table, MOST_OFFERS, rng)
    share *= some
    made = _arrays(table, rules, rows, before, mailed, rates, at, round(left / share), share * more, spread)
    made = _with_hours(rooms, ctx, made, timed, at, days)
    return replace(made, cap_days=window.total_seconds() / SECONDS_A_DAY, shop_holdout=of_shop)


def _declined(session: Session, ctx: ShopContext) -> dict[bool, list[int]]:
    """Of repurchase e-mails (True) and cross-sell ones (False), who does not want them."""
    found: dict[bool, list[int]] = defaultdict(list)
    for customer, topic in topics.declined(session, ctx):
        found[topic == PAIR_KIND["buy_again"]].append(customer)
    return found


def _with_hours(
    rooms: Rooms, ctx: ShopContext, made: Start, timings: list[TimingRules], at: datetime, days: int
) -> Start:
    """With hours, weekdays and last days of the campaigns that have any, by each customer's clock."""
    history = None if all(simulate_hours.always(one) for one in timings) else newest_history(rooms, ctx)
    if history is None:
        return made
    numbers = made.customer_nos.tolist()
    lives = zones_of(history[1], ctx, numbers)
    history[1].close()
    zones = list(dict.fromkeys([ctx.zone, *lives.values()]))
    where = np.array([zones.index(lives.get(number, ctx.zone)) for number in numbers], dtype=np.int64)
    rules = list(made.rules)
    for place, timing in enumerate(timings):
        if not simulate_hours.always(timing):
            opens, closes = simulate_hours.hours(timing, zones, ctx.zone, at, days)
            rules[place] = replace(rules[place], opens=opens, closes=closes)
    return replace(made, rules=rules, crowd=replace(made.crowd, zone=where))


def _some(able: BitMap, rng: np.random.Generator) -> tuple[BitMap, float]:
    """Not more customers than are worth reading, and which share of all they are."""
    if len(able) <= MOST_CUSTOMERS:
        return able, 1.0
    chosen = rng.choice(np.array(able, dtype=np.int64), MOST_CUSTOMERS, replace=False)
    return BitMap(chosen), MOST_CUSTOMERS / len(able)


def _bar(session: Session, ctx: ShopContext, runner: Runner) -> float | None:
    """From which chance on a product's segment takes a customer; None for what has no such rule."""
    segment_id = runner.campaign.segment_id
    if runner.product_no is None or segment_id is None:
        return None
    rule = session.get_one(Segment, {"shop_id": ctx.shop_id, "id": segment_id}).rule_text
    match = orjson.loads(rule)["match"] if rule else {}
    return float(match["value"]) if match.get("predict") in PAIR_KIND and match.get("op") == "gte" else None


def _mailed(
    session: Session, ctx: ShopContext, at: datetime, window: timedelta, late: frozenset[int]
) -> dict[int, float]:
    """Customer → days since their week began, negative; what waits in line goes out now, or when it may."""
    query = select(Cap.key, Cap.last_at).where(
        Cap.shop_id == ctx.shop_id, Cap.last_at > at - window, Cap.key.startswith("c:")
    )
    found = {int(key[2:]): (last - at).total_seconds() / SECONDS_A_DAY for key, last in session.execute(query)}
    live = select(Message.customer_no, Message.not_before).where(Message.shop_id == ctx.shop_id, is_live())
    return found | {who: max(_days(opens, at), 0.0) for who, opens in session.execute(live) if who not in late}


def held_out(percent: int, of_shop: float) -> float:
    """The share of customers that either coin holds out. of_shop: the share that the shop's coin takes."""
    return 1 - (1 - percent / 100) * (1 - of_shop)


def _rules(session: Session, ctx: ShopContext, row: Campaign, timing: TimingRules, of_shop: float) -> Rules:
    waits: tuple[float, ...] = ()
    chances: tuple[float, ...] = ()
    if timing.frequency == "optimise":
        policy = session.get(WaitPolicy, ctx.shop_id)
        mean = np.mean(policy.chances, axis=0) if policy else np.full(len(ARMS), 1 / len(ARMS))
        waits, chances = tuple(policy.days if policy else ARMS), tuple((mean / mean.sum()).tolist())
    every = {"once": None, "every": float(timing.every_days)}.get(timing.frequency, float(DEFAULT_EVERY_DAYS))
    return Rules(every, float(timing.wait_days), timing.repeats, held_out(row.holdout_percent, of_shop), waits, chances)


def _offers(
    connection: duckdb.DuckDBPyConnection, runner: Runner, bar: float | None, able: BitMap, given: dict[str, Any]
) -> pd.DataFrame:
    """The pairs that a campaign may come to offer; columns as AHEAD has them, threshold 0 for who is in for good."""
    may_enter = bar is not None or runner.members is None
    looked_at = able if may_enter or runner.members is None else able & runner.members
    numbers = np.fromiter(looked_at, dtype=np.int32, count=len(looked_at))
    connection.register("members", {"customer_no": numbers})
    if runner.product_no is not None:
        which = "p.product_no = $product_no AND p.kind = $kind"
        threshold, more = "$bar::DOUBLE", {"product_no": runner.product_no, "kind": runner.kind, "bar": bar or 0.0}
    elif runner.product_type is not None:
        which = "p.kind = $kind AND p.product_no IN (SELECT product_no FROM products WHERE product_type = $type)"
        threshold, more = "0::DOUBLE", {"kind": runner.kind, "type": runner.product_type}
    else:
        which, threshold = MAY_COME, LIKELY
        more = {"again": FLOOR["buy_again"], "new": FLOOR["buy_new"], "times": TIMES_BASE_RATE}
    query = AHEAD.format(threshold=threshold, which=f"({which}) AND {MAY_COME}")
    found = connection.execute(query, given | more).df()
    connection.unregister("members")
    if runner.members is not None and bar is not None:
        inside = np.isin(found["customer_no"], np.array(list(runner.members), dtype=np.int32))
        over = found["chance"] >= found["threshold"]
        # In without being likely: pinned in. Likely without being in: pinned out, or not asked yet.
        found = found.assign(threshold=np.where(inside & ~over, 0.0, found["threshold"])).loc[inside | ~over]
    if runner.needs_purchase:
        found = found.loc[found["again"] | found["has_because"]]
    return found.reset_index(drop=True)


def _drawn(table: pd.DataFrame, most: int, rng: np.random.Generator) -> tuple[pd.DataFrame, int, float]:
    """(rows of as many customers as `most` rows allow, customers in all, share of them that is left)."""
    numbers = table["customer_no"].unique()
    if len(table) <= most:
        return table, len(numbers), 1.0
    kept = max(1, len(numbers) * most // len(table))
    chosen = rng.choice(np.sort(numbers), kept, replace=False)
    return table.loc[table["customer_no"].isin(chosen)], len(numbers), kept / len(numbers)


def _asked(connection: duckdb.DuckDBPyConnection, query: str, table: pd.DataFrame, given: dict[str, Any]) -> Any:
    wanted = table[["customer_no", "product_no"]]
    connection.register("wanted", pa.Table.from_pandas(wanted, preserve_index=False))
    found = connection.execute(query, given).df()
    connection.unregister("wanted")
    return found


def _with_history(rooms: Rooms, ctx: ShopContext, table: pd.DataFrame, at: datetime) -> pd.DataFrame:
    """Without products that can't be bought; with ordered, bought (days, negative) and price (minor units)."""
    history = newest_history(rooms, ctx)
    if history is None:
        return table.iloc[:0].assign(ordered=0.0, bought=0.0, price=0.0, subscribed=0.0)
    connection = history[1]
    try:
        numbers = [int(number) for number in table["product_no"].unique()]
        offered = [
            one.product_no for one in products(connection, ctx, numbers).values() if one.on_sale and one.in_stock
        ]
        table = table.loc[table["product_no"].isin(offered)]
        ordered = _asked(connection, LAST_ORDERS, table, {"tick": at}).rename(columns={"at": "ordered"})
        bought = _asked(connection, LAST_BOUGHT, table, {"tick": at}).rename(columns={"at": "bought"})
        running = _asked(connection, DELIVERED, table, {"tick": at, "days": SUBSCRIBED_FOR.days})
        prices = connection.execute("SELECT product_no, price_minor::DOUBLE AS price FROM products").df()
    finally:
        connection.close()
    table = table.merge(ordered, how="left", on="customer_no")
    for of_both in (bought, running):
        table = table.merge(of_both, how="left", on=["customer_no", "product_no"])
    table = table.merge(prices.drop_duplicates("product_no"), how="left", on="product_no")
    # A first purchase that was made since is none any more.
    return table.loc[table["again"] | table["bought"].isna()]


def _that_come_up(table: pd.DataFrame, days: int) -> pd.DataFrame:
    """Rows whose chance reaches their threshold on some day, if nothing is bought before."""
    pairs = _pairs(table, np.zeros(len(table), dtype=np.int64))
    best = tables(pairs, days).chance[:, : days + 1].max(axis=1) if len(table) else np.zeros(0)
    return table.loc[best >= table["threshold"].to_numpy()]


def _pairs(table: pd.DataFrame, customer: Ints) -> Pairs:
    bought, expected = table["bought"].to_numpy(float), table["expected_in"].to_numpy(float)
    idle, gap = -bought, expected - bought
    with np.errstate(all="ignore"):
        wide = np.log((table["high_in"].to_numpy(float) - bought) / (table["low_in"].to_numpy(float) - bought))
    spread = np.where(np.isfinite(wide) & (wide > 0), wide / 2 / NORMAL_80, DEFAULT_SPREAD)
    # Of cross-sell, the higher lift first, then the likelier.
    both = np.column_stack([np.nan_to_num(table["lift"].to_numpy(float)), table["chance"].to_numpy(float)])
    rank = np.unique(both, axis=0, return_inverse=True)[1].reshape(-1) / max(len(both), 1)
    # A subscription speaks against reminding of what it brings, not against something new.
    until = np.where(table["again"], np.nan_to_num(table["subscribed"].to_numpy(float), nan=-1.0), -1.0)
    return Pairs(
        customer=customer,
        again=table["again"].to_numpy(bool),
        chance=table["chance"].to_numpy(float),
        idle=idle,
        gap=np.where(gap > 0, gap, np.nan),
        spread=spread,
        preference=rank,
        cost=np.zeros(len(table)),
        subscribed=until if (until > 0).any() else None,
    )


def _arrays(
    table: pd.DataFrame,
    rules: list[Rules],
    rows: list[Campaign],
    before: Past,
    mailed: dict[int, float],
    rates: pd.DataFrame,
    at: datetime,
    customers: int,
    share: float,
    spread: dict[str, float],
) -> Start:
    table = table.sort_values(["customer_no", "product_no", "again", "campaign"], ignore_index=True)
    numbers, customer = np.unique(table["customer_no"].to_numpy(np.int64), return_inverse=True)
    first = ~table.duplicated(["customer_no", "product_no", "again"]).to_numpy()
    each = table.loc[first]
    pairs = _pairs(each, customer[first])
    by_slot = customer * max(len(rules), 1) + table["campaign"].to_numpy(np.int64)
    known, slot = np.unique(by_slot, return_inverse=True)
    slot_customer, slot_campaign = np.divmod(known, max(len(rules), 1))
    ids = [row.id for row in rows]
    keys = [(ids[k], int(numbers[c])) for c, k in zip(slot_customer.tolist(), slot_campaign.tolist(), strict=True)]
    total = dict(zip(rates["customer_no"].tolist(), rates["rate"].tolist(), strict=True))
    shown = np.bincount(pairs.customer, -np.log1p(-np.minimum(pairs.chance, 0.995)) / 30, minlength=len(numbers))
    rate = np.array([total.get(int(number), 0.0) for number in numbers])
    ordered = each.groupby(pairs.customer)["ordered"].first().reindex(range(len(numbers))).to_numpy(float)
    return Start(
        crowd=Crowd(
            last_order=np.where(np.isnan(ordered), -np.inf, ordered),
            last_mail=np.array([mailed.get(int(number), -np.inf) for number in numbers]),
            order_rate=np.maximum(rate - shown, 0.0),
        ),
        pairs=pairs,
        slots=Slots(
            customer=slot_customer,
            campaign=slot_campaign,
            last=np.array([_days(before.last.get(key), at) for key in keys]),
            drawn=np.array([float(before.waits.get(key, np.nan)) for key in keys]),
        ),
        offers=Offers(
            pair=np.cumsum(first) - 1,
            slot=slot,
            threshold=table["threshold"].to_numpy(float),
            given=_given(table, ids, before, at),
        ),
        rules=rules,
        campaign_ids=ids,
        customer_nos=numbers,
        kinds=[
            sorted({PAIR_KIND["buy_again"] if again else PAIR_KIND["buy_new"] for again in table.loc[mine, "again"]})
            for mine in (table["campaign"] == k for k in range(len(rules)))
        ],
        customers=customers,
        share=share,
        prices=np.nan_to_num(each["price"].to_numpy(float)),
        spread=(spread[PAIR_KIND["buy_new"]], spread[PAIR_KIND["buy_again"]]),
    )


def _given(table: pd.DataFrame, ids: list[int], before: Past, at: datetime) -> Ints:
    """(m,) how often each was handed over, of repurchase since the last purchase."""
    result = np.zeros(len(table), dtype=np.int64)
    if not before.times:
        return result
    columns = ("campaign", "customer_no", "product_no", "again", "bought")
    for place, (k, customer, product, again, bought) in enumerate(table[list(columns)].itertuples(index=False)):
        times = before.times.get((ids[k], customer, product))
        if times:
            since = at + timedelta(days=bought) if again and bought == bought else None  # noqa: PLR0124 - not a number
            result[place] = sum(since is None or one > since for one in times)
    return result


def _days(moment: datetime | None, at: datetime) -> float:
    return -np.inf if moment is None else (moment - at).total_seconds() / SECONDS_A_DAY


def cost(start_: Start, percent: float, amount: float, ceiling: float | None) -> Floats:
    """(p,) minor units that a discount takes off one order of each pair: percent of the price, or an amount."""
    off = start_.prices * percent / 100 + amount
    most: Bools | Floats = np.minimum(start_.prices, ceiling if ceiling is not None else np.inf)
    result: Floats = np.minimum(off, most)
    return result
