"""Segments by habit and moment beside the best known ones, and of those who never ordered or can't be mailed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.rules.sentence import money
from app.services.automatic_segments import (
    LIKELY_TO_LAPSE,
    ORDERS_FOR_A_HABIT,
    WEEKDAY,
    WEEKEND,
    Definition,
    all_of,
    attr,
)

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.services.automatic_segments import Thresholds

SAME_TIME = 0.5
FULL_YEAR = 365
SOON_AGAIN = (0.5, 1.5)  # expected gaps after the first order between which the second usually comes


def definitions(found: Thresholds, ctx: ShopContext) -> list[Definition]:
    """The habits, the moments to write, and who is outside of both."""
    enough = attr("orders.count", "gte", ORDERS_FOR_A_HABIT)
    return [*_habits(enough), *_day_parts(enough), *_seasons(enough), *_moments(found, ctx), *_outside()]


def _habits(enough: dict[str, Any]) -> list[Definition]:
    return [
        Definition("auto:any_day", "Any-day shoppers", "behavioral",
                   f"More than {WEEKDAY:.0%} and less than {WEEKEND:.0%} of {ORDERS_FOR_A_HABIT} or more orders on a"
                   " Saturday or Sunday, store time.",
                   "No day of the week stands out.", "Send to them when the rest of the week is full.",
                   all_of(attr("share.weekend", "gt", WEEKDAY), attr("share.weekend", "lt", WEEKEND), enough)),
        Definition("auto:never_refunded", "Never refunded", "behavioral",
                   f"{ORDERS_FOR_A_HABIT} or more orders, and 0% of what they paid was refunded.",
                   "They know what suits them, and cost no returns.",
                   "Good first buyers of what is often sent back elsewhere.",
                   all_of(attr("share.refund", "lte", 0), enough)),
    ]  # fmt: skip


def _day_parts(enough: dict[str, Any]) -> list[Definition]:
    parts = [
        ("morning", "Morning", "6 am and noon"),
        ("afternoon", "Afternoon", "noon and 6 pm"),
        ("evening", "Evening", "6 pm and midnight"),
        ("night", "Night", "midnight and 6 am"),
    ]
    return [
        Definition(f"auto:{part}", f"{name} shoppers", "behavioral",
                   f"At least {SAME_TIME:.0%} of {ORDERS_FOR_A_HABIT} or more orders between {hours}, store time.",
                   "People read shop mail when they shop.", "Let campaigns to them arrive shortly before.",
                   all_of(attr(f"share.{part}", "gte", SAME_TIME), enough))
        for part, name, hours in parts
    ]  # fmt: skip


def _seasons(enough: dict[str, Any]) -> list[Definition]:
    seasons = [
        ("mar_may", "March to May", "March, April or May"),
        ("jun_aug", "June to August", "June, July or August"),
        ("sep_nov", "September to November", "September, October or November"),
        ("dec_feb", "December to February", "December, January or February"),
    ]
    return [
        Definition(f"auto:season_{key}", f"{name} shoppers", "behavioral",
                   f"At least {SAME_TIME:.0%} of {ORDERS_FOR_A_HABIT} or more orders in {months}; the first at least"
                   f" {FULL_YEAR} days ago, so that every season had its turn.",
                   "They come back with the season rather than with the need.",
                   "Write in the weeks before the season, and show what belongs to it.",
                   all_of(attr(f"share.{key}", "gte", SAME_TIME), enough, attr("tenure.days", "gte", FULL_YEAR)))
        for key, name, months in seasons
    ]  # fmt: skip


def _moments(t: Thresholds, ctx: ShopContext) -> list[Definition]:
    return [
        Definition("auto:second_order_due", "Second order due", "retain",
                   f"One order, more than {SOON_AGAIN[0]:g} and at most {SOON_AGAIN[1]:g} expected gaps ago.",
                   "Whoever orders a second time now usually stays.",
                   "Recommend what others bought second; this is the moment.",
                   all_of(attr("orders.count", "is", 1), attr("gap.ratio", "gt", SOON_AGAIN[0]),
                          attr("gap.ratio", "lte", SOON_AGAIN[1]))),
        Definition("auto:due_next_week", "Next order due next week", "retain",
                   "Next order expected within the next 14 days, but not within the next 7 days.",
                   "There is time to prepare what they will want.", "Plan a reminder for next week.",
                   all_of({"predict": "next_order", "during": {"next": "14d"}},
                          {"none": [{"predict": "next_order", "during": {"next": "7d"}}]})),
        Definition("auto:valuable_slipping", "High value, about to leave", "retain",
                   f"Expected spend in the next 12 months of at least {money(t.high_value, ctx.currency)}, and a chance"
                   f" of at least {LIKELY_TO_LAPSE:.0%} to place no order in the next 90 days.",
                   "Losing one of them costs as much as losing many others.",
                   "Write to them personally, before any other campaign.",
                   all_of({"predict": "value", "op": "gte", "value": t.high_value},
                          {"predict": "lapse", "horizon": "90d", "op": "gte", "value": LIKELY_TO_LAPSE})),
    ]  # fmt: skip


def _outside() -> list[Definition]:
    never, subscribed = attr("orders.count", "is", 0), {"consent": "email", "is": "yes"}
    return [
        Definition("auto:never_ordered", "No order yet", "behavioral",
                   "Known to your shop, with 0 orders that count.",
                   "They came close enough to leave their details.",
                   "Show them what most customers buy first.", all_of(never)),
        Definition("auto:subscribed_never_ordered", "Subscribed, no order yet", "behavioral",
                   "Allows e-mail, with 0 orders that count.",
                   "They asked to hear from you; the first order is one good reason away.",
                   "Welcome them with your best sellers and, if you give one, a first-order offer.",
                   all_of(subscribed, never)),
        Definition("auto:unreachable_buyers", "Buyers you can't e-mail", "behavioral",
                   "At least one order, and not reachable by e-mail.",
                   "Mail misses them, whatever they are worth.",
                   "Reach them by ads or a parcel insert, and ask for consent at the next order.",
                   all_of(attr("orders.count", "gte", 1), {"none": [{"reachable": "email"}]})),
    ]  # fmt: skip
