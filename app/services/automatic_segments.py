"""The segments that every shop has without asking, as grammar rules with thresholds from the shop's own numbers.

Each has one sentence of definition with its thresholds printed, why it matters, and what to do with it.
More habits: `automatic_segments_habits`. What splits customers without a rest: `automatic_segments_tiers`,
`automatic_segments_rfm`. By the classes that a shop's customers fall into: `automatic_segments_classes`. Products:
`automatic_segments_products`. Fields that the merchant has: `automatic_segments_demographics`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.domain.rules.sentence import money

if TYPE_CHECKING:
    import duckdb

    from app.domain.context import ShopContext

ACTIVE, DUE, AT_RISK, LAPSED = 1, 2, 4, 8  # multiples of the customer's own expected gap
TRENDING = 1.5
FALLING = 0.5
REFUNDED = 0.25
RETURNED_AFTER = 2
WEEKEND = 0.5
WEEKDAY = 0.1
ORDERS_FOR_A_HABIT = 3
LIKELY = 0.5
LIKELY_TO_LAPSE = 0.5
NEW_DAYS = 30
MOST_SAVED_AT_FULL_PRICE = 0.05  # above it the name would not be true, whatever the shop's own numbers


@dataclass(frozen=True)
class Definition:
    """A segment to have. Without a rule it is off, and `reason` says why and what would enable it."""

    key: str
    name: str
    category: str
    definition: str
    why: str
    action: str
    rule: dict[str, Any] | None
    reason: str | None = None
    product_no: int | None = None
    product_type: str | None = None


@dataclass(frozen=True)
class Thresholds:
    """The shop's own numbers that thresholds come from. Money in minor units, gaps in days, shares 0..1."""

    buyers: int
    usual_gap: float
    big_spend: int
    vip_spend: int
    big_basket: int
    usual_basket: int
    many_units: float
    loyal_orders: int
    many_types: int
    discount: float
    full_price: float
    high_value: int


def thresholds(connection: duckdb.DuckDBPyConnection, unit: int) -> Thresholds:
    """Read them off the features. Money is rounded to whole currency so that what is printed is exact."""
    row = connection.execute(
        """SELECT count(*), coalesce(median(expected_gap_days), 0),
                  coalesce(quantile_disc(net_minor, 0.90), 0), coalesce(quantile_disc(net_minor, 0.95), 0),
                  coalesce(quantile_disc(average_order_minor, 0.80), 0),
                  coalesce(quantile_disc(average_order_minor, 0.50), 0),
                  coalesce(quantile_disc(units_per_order, 0.80), 0),
                  coalesce(quantile_disc(orders, 0.75), 0), coalesce(quantile_disc(distinct_types, 0.90), 0),
                  coalesce(quantile_disc(discount_share, 0.80), 0),
                  coalesce(quantile_disc(discount_share, 0.20), 0)
           FROM features"""
    ).fetchall()[0]
    value = connection.execute(
        "SELECT coalesce(quantile_disc(value_12m, 0.90), 0) FROM customer_values WHERE value_12m IS NOT NULL"
    ).fetchall()[0][0]

    def whole(minor: float) -> int:
        return max(unit, round(minor / unit) * unit)

    return Thresholds(
        buyers=row[0],
        usual_gap=float(row[1]),
        big_spend=whole(row[2]),
        vip_spend=whole(row[3]),
        big_basket=whole(row[4]),
        usual_basket=whole(row[5]),
        many_units=max(2.0, round(float(row[6]), 1)),
        loyal_orders=max(4, int(row[7])),
        many_types=max(3, int(row[8])),
        discount=max(0.10, round(float(row[9]), 2)),
        full_price=min(MOST_SAVED_AT_FULL_PRICE, max(0.01, round(float(row[10]), 2))),
        high_value=whole(float(value) * unit),
    )


def definitions(found: Thresholds, ctx: ShopContext) -> list[Definition]:
    """The recency, spending, habit, loyalty and prediction segments of a shop."""
    return [
        *_recency(found),
        *_spending(found, ctx),
        *_habits(found, ctx),
        *_loyalty(found, ctx),
        *_predicted(found, ctx),
    ]


def attr(name: str, op: str, value: Any) -> dict[str, Any]:
    """A condition on an attribute."""
    return {"attr": name, "op": op, "value": value}


def all_of(*nodes: dict[str, Any]) -> dict[str, Any]:
    """A rule whose conditions must all hold."""
    return {"v": 1, "match": {"all": list(nodes)} if len(nodes) > 1 else nodes[0]}


def _recency(t: Thresholds) -> list[Definition]:
    gap = f"the shop's typical gap is {t.usual_gap:.0f} days"

    def stage(key: str, name: str, low: int | None, high: int | None, why: str, action: str) -> Definition:
        nodes = []
        if low is not None:
            nodes.append(attr("gap.ratio", "gt", low))
        if high is not None:
            nodes.append(attr("gap.ratio", "lte", high))
        if low is None:
            silence = "at most one expected gap"
        elif high is None:
            silence = f"more than {low} expected gaps"
        else:
            silence = f"more than {low} and at most {high} expected gaps"
        definition = f"Ordered before, and the last order is {silence} ago, by the customer's own rhythm ({gap})."
        return Definition(f"auto:{key}", name, "retain", definition, why, action, all_of(*nodes))

    return [
        stage("active", "Active", None, ACTIVE,
              "They buy at their usual pace.", "Introduce something new; no discount is needed."),
        stage("due", "Due", ACTIVE, DUE,
              "Their usual time to order has come.", "Remind them of what they buy; this is the best moment."),
        stage("at_risk", "At risk", DUE, AT_RISK,
              "They are overdue, and each further gap makes a return less likely.",
              "Write now, with a reason to come back."),
        stage("lapsed", "Lapsed", AT_RISK, LAPSED,
              "They have probably changed their habit.", "Win them back with an offer, or ask what was missing."),
        stage("dormant", "Dormant", LAPSED, None,
              "Mail to them earns little and can hurt your sender reputation.",
              "One last offer, then leave them out of regular campaigns."),
    ]  # fmt: skip


def _spending(t: Thresholds, ctx: ShopContext) -> list[Definition]:
    def cash(minor: int) -> str:
        return money(minor, ctx.currency)

    return [
        Definition("auto:big_spenders", "Big spenders", "behavioral",
                   f"Total spend of at least {cash(t.big_spend)}: about the top tenth of buyers.",
                   "A tenth of the buyers often brings a third of the sales.",
                   "Give early access and service instead of discounts.",
                   all_of(attr("spend.net", "gte", t.big_spend))),
        Definition("auto:rising", "Rising", "behavioral",
                   f"Spent at least {TRENDING:g} times as much in the last 90 days as in the 90 days before,"
                   f" and at least {cash(t.usual_basket)}.",
                   "Their interest grows; what they see now shapes the habit.",
                   "Recommend what goes with their recent purchases.",
                   all_of(attr("spend.trend", "gte", TRENDING), attr("spend.90d", "gte", t.usual_basket))),
        Definition("auto:falling", "Falling", "behavioral",
                   f"Spent at most half as much in the last 90 days as in the 90 days before,"
                   f" when it was at least {cash(t.usual_basket)}.",
                   "They slow down before they leave.",
                   "Ask for feedback, or remind them of a favourite.",
                   all_of(attr("spend.trend", "lte", FALLING), attr("spend.previous_90d", "gte", t.usual_basket))),
        Definition("auto:discount_driven", "Discount-driven", "behavioral",
                   f"Saved at least {t.discount:.0%} of the list price over all orders, in two or more orders.",
                   "They wait for offers; full-price mail rarely moves them.",
                   "Send them the clearance, and keep margin elsewhere.",
                   all_of(attr("share.discount", "gte", t.discount), attr("orders.count", "gte", 2))),
        Definition("auto:full_price", "Full-price", "behavioral",
                   f"Saved at most {t.full_price:.0%} of the list price over all orders, in two or more orders.",
                   "They buy without offers; a discount to them is money given away.",
                   "Leave them out of discount campaigns.",
                   all_of(attr("share.discount", "lte", t.full_price), attr("orders.count", "gte", 2))),
        Definition("auto:high_refund", "High refund", "behavioral",
                   f"At least {REFUNDED:.0%} of what they paid was refunded.",
                   "Their sales look better than they are.",
                   "Help with size and choice before the next order; leave them out of lookalike audiences.",
                   all_of(attr("share.refund", "gte", REFUNDED))),
        Definition("auto:big_baskets", "Big baskets", "behavioral",
                   f"Average order of at least {cash(t.big_basket)}: about the top fifth of buyers.",
                   "Few orders, much each: shipping costs you least here.",
                   "Offer bundles and bulk sizes.",
                   all_of(attr("order.average", "gte", t.big_basket))),
        Definition("auto:stock_up", "Stock-up shoppers", "behavioral",
                   f"At least {t.many_units:g} units per order on average, in {ORDERS_FOR_A_HABIT} or more orders.",
                   "They buy for a while ahead, so their next need comes later and is bigger.",
                   "Offer multipacks and subscriptions.",
                   all_of(attr("units.per_order", "gte", t.many_units),
                        attr("orders.count", "gte", ORDERS_FOR_A_HABIT))),
    ]  # fmt: skip


def _habits(t: Thresholds, _ctx: ShopContext) -> list[Definition]:
    enough = attr("orders.count", "gte", ORDERS_FOR_A_HABIT)
    return [
        Definition("auto:weekend", "Weekend shoppers", "behavioral",
                   f"At least {WEEKEND:.0%} of {ORDERS_FOR_A_HABIT} or more orders on a Saturday or Sunday,"
                   " store time.",
                   "They shop when they are free.", "Send to them on Friday evening or Saturday.",
                   all_of(attr("share.weekend", "gte", WEEKEND), enough)),
        Definition("auto:weekday", "Weekday shoppers", "behavioral",
                   f"At most {WEEKDAY:.0%} of {ORDERS_FOR_A_HABIT} or more orders on a Saturday or Sunday,"
                   " store time.",
                   "They shop between Monday and Friday.", "Send to them from Monday to Thursday.",
                   all_of(attr("share.weekend", "lte", WEEKDAY), enough)),
        Definition("auto:explorers", "Explorers", "behavioral",
                   f"Bought at least {t.many_types} different product types: about the top tenth of buyers.",
                   "They try things; new products find their first buyers here.",
                   "Show them what is new.",
                   all_of(attr("types.count", "gte", t.many_types))),
        Definition("auto:specialists", "One-type shoppers", "behavioral",
                   f"Bought a single product type in {ORDERS_FOR_A_HABIT} or more orders.",
                   "You are one thing to them; a second would make them stay.",
                   "Recommend one well-chosen addition.",
                   all_of(attr("types.count", "is", 1), enough)),
    ]  # fmt: skip


def _loyalty(t: Thresholds, ctx: ShopContext) -> list[Definition]:
    return [
        Definition("auto:new", "New", "behavioral",
                   f"First order within the last {NEW_DAYS} days.",
                   "The second order decides whether a customer stays.",
                   "Welcome them and show what others bought next.",
                   all_of({"attr": "order.first", "during": {"last": f"{NEW_DAYS}d"}})),
        Definition("auto:one_time", "One-time, not returned", "behavioral",
                   f"One order, more than {RETURNED_AFTER} expected gaps ago"
                   f" (about {RETURNED_AFTER * t.usual_gap:.0f} days).",
                   "They paid for the first visit and got no habit.",
                   "Ask for the second order with what goes with the first.",
                   all_of(attr("orders.count", "is", 1), attr("gap.ratio", "gt", RETURNED_AFTER))),
        Definition("auto:repeat", "Repeat", "behavioral",
                   f"2 to {t.loyal_orders - 1} orders.",
                   "They came back; a few more orders make them loyal.",
                   "Thank them, and recommend by what they bought.",
                   all_of(attr("orders.count", "between", [2, t.loyal_orders - 1]))),
        Definition("auto:loyal", "Loyal", "behavioral",
                   f"At least {t.loyal_orders} orders: about the top quarter of buyers.",
                   "They carry the shop.", "Ask for reviews and referrals; give them first choice.",
                   all_of(attr("orders.count", "gte", t.loyal_orders))),
        Definition("auto:vip", "VIP", "behavioral",
                   f"Total spend of at least {money(t.vip_spend, ctx.currency)}, at least {t.loyal_orders} orders,"
                   f" and the last one at most {DUE} expected gaps ago.",
                   "Your best customers, and still there.",
                   "Treat them personally; never let a complaint wait.",
                   all_of(attr("spend.net", "gte", t.vip_spend), attr("orders.count", "gte", t.loyal_orders),
                        attr("gap.ratio", "lte", DUE))),
    ]  # fmt: skip


def _predicted(t: Thresholds, ctx: ShopContext) -> list[Definition]:
    return [
        Definition("auto:high_value", "High predicted value", "behavioral",
                   f"Expected spend in the next 12 months of at least {money(t.high_value, ctx.currency)}:"
                   " about the top tenth.",
                   "Where the next year's sales come from.",
                   "Good source for lookalike audiences.",
                   all_of({"predict": "value", "op": "gte", "value": t.high_value})),
        Definition("auto:likely_30d", "Likely to order within 30 days", "retain",
                   f"Chance of at least {LIKELY:.0%} to order within 30 days.",
                   "They will probably order anyway.", "Save the discount; recommend an addition.",
                   all_of({"predict": "lapse", "horizon": "30d", "op": "lte", "value": 1 - LIKELY})),
        Definition("auto:due_this_week", "Next order due this week", "retain",
                   "Next order expected within the next 7 days.",
                   "A reminder is most welcome just before the need.", "Send a reminder now.",
                   all_of({"predict": "next_order", "during": {"next": "7d"}})),
        Definition("auto:churn_risk", "High churn risk", "retain",
                   f"Two or more orders, and a chance of at least {LIKELY_TO_LAPSE:.0%} to place none in the next"
                   " 90 days.",
                   "They had a habit and are about to lose it.", "Act before they are gone: a personal offer.",
                   all_of(attr("orders.count", "gte", 2),
                        {"predict": "lapse", "horizon": "90d", "op": "gte", "value": LIKELY_TO_LAPSE})),
    ]  # fmt: skip
