"""Segments that split customers without a rest: each one who qualifies is in exactly one tier of a ladder.

Cuts in money come from the shop's own quantiles, rounded to whole currency so that what is printed is exact; cuts
in orders, days and chances are fixed, because they mean the same in every shop. A cut belongs to the tier above it.
Where a shop's amounts hardly differ, two cuts can be equal: the tier between them is then empty and says so.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from app.domain.rules.sentence import money
from app.services.automatic_segments import Definition, all_of, attr

if TYPE_CHECKING:
    import duckdb

    from app.domain.context import ShopContext

SPEND_QUANTILES = (0.50, 0.80, 0.95)
BASKET_QUANTILES = (0.30, 0.70)
CHURN_CUTS = (0.25, 0.50, 0.75)
RHYTHM_CUTS = (10, 45, 120)
TENURE_CUTS = (90, 365, 730)
LADDER = ((1, 1), (2, 2), (3, 4), (5, 9), (10, None))
HALF = 0.5
BUYER = attr("orders.count", "gte", 1)

PARTITIONS: dict[str, tuple[str, ...]] = {
    "buyers by recency": ("auto:active", "auto:due", "auto:at_risk", "auto:lapsed", "auto:dormant"),
    "buyers by orders": ("auto:orders_1", "auto:orders_2", "auto:orders_3_4", "auto:orders_5_9", "auto:orders_10"),
    "buyers by spend": ("auto:spend_lower", "auto:spend_middle", "auto:spend_upper", "auto:spend_top"),
    "buyers by basket": ("auto:basket_small", "auto:basket_medium", "auto:basket_large"),
    "buyers by discount": (
        "auto:discount_never", "auto:discount_sometimes", "auto:discount_mostly", "auto:discount_always",
    ),
    "buyers by first order": ("auto:tenure_90", "auto:tenure_365", "auto:tenure_730", "auto:tenure_over"),
    "repeat buyers by rhythm": (
        "auto:rhythm_weekly", "auto:rhythm_monthly", "auto:rhythm_quarterly", "auto:rhythm_rare",
    ),
    "predicted by value": ("auto:value_lower", "auto:value_middle", "auto:value_upper", "auto:value_top"),
    "predicted by churn": ("auto:churn_low", "auto:churn_medium", "auto:churn_high", "auto:churn_very_high"),
    "regular buyers by day": ("auto:weekday", "auto:any_day", "auto:weekend"),
}  # fmt: skip
"""What of whom → keys of the segments that are disjoint and together are all of them. RFM: `automatic_segments_rfm`."""


def definitions(connection: duckdb.DuckDBPyConnection, ctx: ShopContext, unit: int) -> list[Definition]:
    """All tiers of a shop; always all keys of a ladder, so that its parts add up to the whole."""
    return [
        *_ladder(),
        *_spend(connection, ctx, unit),
        *_baskets(connection, ctx, unit),
        *_discounts(),
        *_tenure(),
        *_rhythm(),
        *_value(connection, ctx, unit),
        *_churn(),
    ]


def _cuts(connection: duckdb.DuckDBPyConnection, sql: str, quantiles: tuple[float, ...], unit: int) -> list[int]:
    """Quantiles of a query's `v` in minor units, rounded to whole currency, never below one unit."""
    wanted = ", ".join(f"coalesce(quantile_disc(v, {q}), 0)" for q in quantiles)
    row = connection.execute(f"SELECT {wanted} FROM ({sql}) WHERE v IS NOT NULL").fetchall()[0]
    return [max(unit, round(value / unit) * unit) for value in row]


def _steps(cuts: list[Any]) -> list[tuple[Any, Any]]:
    """(from, below) of each tier, lowest first; None at the ends."""
    return list(pairwise([None, *cuts, None]))


def _span(low: str | None, high: str | None) -> str:
    """What follows an amount: “below $50”, “of at least $50 and below $80”."""
    if low is None:
        return f"below {high}"
    return f"of at least {low}" if high is None else f"of at least {low} and below {high}"


def _within(name: str, low: Any, high: Any) -> list[dict[str, Any]]:
    found = [] if low is None else [attr(name, "gte", low)]
    return found if high is None else [*found, attr(name, "lt", high)]


def _predicted(what: dict[str, Any], low: Any, high: Any) -> list[dict[str, Any]]:
    found = [] if low is None else [{**what, "op": "gte", "value": low}]
    return found if high is None else [*found, {**what, "op": "lt", "value": high}]


def _ladder() -> list[Definition]:
    texts = {
        1: ("One order", "The step to the second order loses more customers than any other.",
            "Ask for the second order with what goes with the first."),
        2: ("Two orders", "Twice is not yet a habit, but close to one.", "Recommend by what both orders had."),
        3: ("3 to 4 orders", "A habit is forming.", "Thank them, and show a second product type."),
        5: ("5 to 9 orders", "They know your shop well.", "Ask for a review or a referral."),
        10: ("10 orders or more", "The core of your sales.", "Treat them as regulars; no discount is needed."),
    }  # fmt: skip
    made = []
    for low, high in LADDER:
        name, why, action = texts[low]
        if low == high:
            key, condition = f"auto:orders_{low}", attr("orders.count", "is", low)
            definition = f"Exactly {low} order{'' if low == 1 else 's'} that count{'s' if low == 1 else ''}."
        elif high is None:
            key, condition = f"auto:orders_{low}", attr("orders.count", "gte", low)
            definition = f"At least {low} orders that count."
        else:
            key, condition = f"auto:orders_{low}_{high}", attr("orders.count", "between", [low, high])
            definition = f"{low} to {high} orders that count."
        made.append(Definition(key, name, "behavioral", definition, why, action, all_of(condition)))
    return made


def _spend(connection: duckdb.DuckDBPyConnection, ctx: ShopContext, unit: int) -> list[Definition]:
    texts = [
        ("lower", "Half of the buyers, and a small part of the sales.", "Keep them warm with little effort."),
        ("middle", "They buy now and then; one more order lifts them.", "Recommend the next product."),
        ("upper", "They spend well, and could join the top.", "Offer bundles, and first choice of what is new."),
        ("top", "Few buyers, and much of the sales.", "Service before discounts; notice when one goes quiet."),
    ]
    cuts = _cuts(connection, "SELECT net_minor AS v FROM features", SPEND_QUANTILES, unit)
    return [
        Definition(f"auto:spend_{key}", f"Total spend: {key}", "behavioral",
                   f"At least one order, and a total spend {_cash(low, high, ctx)}.", why, action,
                   all_of(*_within("spend.net", low, high), BUYER))
        for (key, why, action), (low, high) in zip(texts, _steps(cuts), strict=True)
    ]  # fmt: skip


def _baskets(connection: duckdb.DuckDBPyConnection, ctx: ShopContext, unit: int) -> list[Definition]:
    texts = [
        ("small", "Shipping eats much of these orders.", "Suggest an addition, or free shipping from a higher amount."),
        ("medium", "The usual order of your shop.", "Recommend one product that goes with it."),
        ("large", "Each order brings much at little cost.", "Offer bundles and bulk sizes."),
    ]
    cuts = _cuts(connection, "SELECT average_order_minor AS v FROM features", BASKET_QUANTILES, unit)
    return [
        Definition(f"auto:basket_{key}", f"Basket size: {key}", "behavioral",
                   f"An average order {_cash(low, high, ctx)}.", why, action,
                   all_of(*_within("order.average", low, high)))
        for (key, why, action), (low, high) in zip(texts, _steps(cuts), strict=True)
    ]  # fmt: skip


def _discounts() -> list[Definition]:
    share = "share.discounted_orders"
    often = f"{HALF:.0%}"
    return [
        Definition("auto:discount_never", "Never on discount", "behavioral",
                   "0% of their orders had a discount.",
                   "They pay the full price; a discount only trains them to wait.",
                   "Leave them out of discount campaigns.", all_of(attr(share, "lte", 0))),
        Definition("auto:discount_sometimes", "Sometimes on discount", "behavioral",
                   f"More than 0% and less than {often} of their orders had a discount.",
                   "An offer moves them now and then.", "Keep offers for when they go quiet.",
                   all_of(attr(share, "gt", 0), attr(share, "lt", HALF))),
        Definition("auto:discount_mostly", "Mostly on discount", "behavioral",
                   f"At least {often} and less than 100% of their orders had a discount.",
                   "Most of their orders cost you margin.", "Try smaller discounts, and see who still comes.",
                   all_of(attr(share, "gte", HALF), attr(share, "lt", 1))),
        Definition("auto:discount_always", "Always on discount", "behavioral",
                   "100% of their orders had a discount.",
                   "They may never come without one.", "Send them the clearance, not the new collection.",
                   all_of(attr(share, "gte", 1))),
    ]  # fmt: skip


def _tenure() -> list[Definition]:
    texts = [
        ("tenure_90", "Customer for under 90 days", "Habits form in this time, or never.",
         "Make the second and third order easy."),
        ("tenure_365", "Customer for under a year", "They have not seen all your seasons yet.",
         "Show what the coming season brings."),
        ("tenure_730", "Customer for one to two years", "They stayed; what keeps them shows in their orders.",
         "Recommend by their history, and mark the anniversary."),
        ("tenure_over", "Customer for over two years", "They have seen your shop change, and some came along.",
         "Thank the active ones; clean up the quiet ones."),
    ]  # fmt: skip
    return [
        Definition(f"auto:{key}", name, "behavioral", f"First order {_days_ago(low, high)}.", why, action,
                   all_of(*_within("tenure.days", low, high)))
        for (key, name, why, action), (low, high) in zip(texts, _steps(list(TENURE_CUTS)), strict=True)
    ]  # fmt: skip


def _days_ago(low: int | None, high: int | None) -> str:
    if low is None:
        return f"less than {high} days ago"
    return f"at least {low} days ago" if high is None else f"at least {low} and less than {high} days ago"


def _rhythm() -> list[Definition]:
    texts = [
        ("weekly", "every week or so", "They run through what you sell; a missed week means something.",
         "Offer a subscription or a multipack."),
        ("monthly", "about every month", "A monthly rhythm fits a monthly mail.",
         "Send one reminder when the month is over."),
        ("quarterly", "about every quarter", "Mail in every week would only tire them.",
         "Write when their next need is near."),
        ("rare", "now and then", "Long pauses are normal here, and no sign of leaving.",
         "Write rarely, at the season or occasion that brought them before."),
    ]  # fmt: skip
    return [
        Definition(f"auto:rhythm_{key}", f"Order {name}", "retain",
                   f"Usual time between orders {_span(_days(low), _days(high))}.", why, action,
                   all_of(*_within("gap.own", low, high)))
        for (key, name, why, action), (low, high) in zip(texts, _steps(list(RHYTHM_CUTS)), strict=True)
    ]  # fmt: skip


def _days(days: int | None) -> str | None:
    return None if days is None else f"{days} days"


def _value(connection: duckdb.DuckDBPyConnection, ctx: ShopContext, unit: int) -> list[Definition]:
    texts = [
        ("lower", "Little is to be expected here in the next year.", "Spend little on them, and watch who moves up."),
        ("middle", "Steady sales, without much growth.", "Recommend what would make a habit."),
        ("upper", "Worth the effort of a good campaign.", "Give them your best recommendations."),
        ("top", "Where much of next year's sales comes from.", "Personal service; a source for lookalike audiences."),
    ]
    cuts = _cuts(connection, f"SELECT value_12m * {unit:d} AS v FROM customer_values", SPEND_QUANTILES, unit)
    return [
        Definition(f"auto:value_{key}", f"Predicted value: {key}", "behavioral",
                   f"Expected spend in the next 12 months {_cash(low, high, ctx)}.", why, action,
                   all_of(*_predicted({"predict": "value"}, low, high)))
        for (key, why, action), (low, high) in zip(texts, _steps(cuts), strict=True)
    ]  # fmt: skip


def _churn() -> list[Definition]:
    texts = [
        ("low", "below 25%", "They will most likely be back by themselves.", "No win-back offer; it would be wasted."),
        ("medium", "25% to 50%", "More likely to return than not.", "A reminder is enough."),
        ("high", "50% to 75%", "More likely gone than not, and often still within reach.",
         "A good reason to return pays most here."),
        ("very_high", "75% or more", "Few of them will order again by themselves.",
         "One last offer, then leave them out of regular campaigns."),
    ]  # fmt: skip
    return [
        Definition(f"auto:churn_{key}", f"Churn risk {name}", "retain",
                   f"A chance {_span(_percent(low), _percent(high))} to place no order in the next 90 days.",
                   why, action, all_of(*_predicted({"predict": "lapse", "horizon": "90d"}, low, high)))
        for (key, name, why, action), (low, high) in zip(texts, _steps(list(CHURN_CUTS)), strict=True)
    ]  # fmt: skip


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.0%}"


def _cash(low: int | None, high: int | None, ctx: ShopContext) -> str:
    return _span(*(None if minor is None else money(minor, ctx.currency) for minor in (low, high)))
