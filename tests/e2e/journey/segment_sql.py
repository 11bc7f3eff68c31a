"""Each automatic segment as SQL written by hand from the sentence that Encore prints, and from nothing else.

The numbers come out of the sentence, the members out of orders, lines, products, customers and, for what is
predicted, the run's predictions. Encore's own features, rules and compiler are not used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable

CENTS = 100


@dataclass(frozen=True)
class Moment:
    """When and where the sentences are read: days are the store's, from midnight to midnight."""

    as_of: datetime
    timezone: str

    def sql(self) -> str:
        """The instant itself."""
        return f"timestamptz '{self.as_of.isoformat()}'"

    def day(self, ago: int) -> str:
        """Midnight of the store's day so many days ago (negative: to come)."""
        local = self.as_of.astimezone(ZoneInfo(self.timezone)).date() - timedelta(days=ago)
        return f"timestamptz '{datetime.combine(local, time.min, ZoneInfo(self.timezone)).isoformat()}'"


def numbers(sentence: str) -> list[float]:
    """All numbers of a sentence in their order: "$4,322" is 4322, "20%" is 0.2."""
    found = re.findall(r"(\d[\d,]*(?:\.\d+)?)(%?)", sentence)
    return [float(digits.replace(",", "")) / (100 if percent else 1) for digits, percent in found]


def prepare(moment: Moment) -> list[str]:
    """Statements that make, per customer: `counted` orders, `habit`, `money`, `rhythm` and what else habits need.

    `live`, `subscribed` and `reachable` are the store's to know: whoever asks for members by consent makes them.
    """
    today = f"CAST(timezone('{moment.timezone}', {moment.sql()}) AS DATE)"
    return [
        f"""CREATE TEMP TABLE counted AS
            SELECT customer_no, order_id, processed_at,
                   CAST(timezone('{moment.timezone}', processed_at) AS DATE) AS day
            FROM orders WHERE counts AND processed_at < {moment.sql()}""",
        """CREATE TEMP TABLE habit AS
            SELECT customer_no, count(*) AS n, min(processed_at) AS first, max(day) AS last_day,
                   sum(CASE WHEN dayname(day) IN ('Saturday', 'Sunday') THEN 1 ELSE 0 END) / count(*) AS weekend
            FROM counted GROUP BY customer_no""",
        f"""CREATE TEMP TABLE money AS
            SELECT c.customer_no, sum(l.net_minor) AS net, sum(l.total_minor) AS paid, sum(l.discount_minor) AS saved,
                   coalesce(sum(CASE WHEN c.processed_at >= {moment.day(89)} THEN l.net_minor END), 0) AS recent,
                   coalesce(sum(CASE WHEN c.processed_at >= {moment.day(179)} AND c.processed_at < {moment.day(89)}
                                     THEN l.net_minor END), 0) AS earlier,
                   sum(CASE WHEN l.counts THEN l.current_quantity ELSE 0 END) AS units
            FROM order_lines l JOIN counted c USING (order_id) WHERE NOT l.is_gift_card GROUP BY c.customer_no""",
        """CREATE TEMP TABLE own_gaps AS
            WITH days AS (SELECT customer_no, day, row_number() OVER (PARTITION BY customer_no ORDER BY day) AS nth
                          FROM (SELECT DISTINCT customer_no, day FROM counted))
            SELECT b.customer_no, median(b.day - a.day) AS gap, count(*) AS n
            FROM days a JOIN days b ON a.customer_no = b.customer_no AND b.nth = a.nth + 1 GROUP BY b.customer_no""",
        # A customer's rhythm is their own median gap, with the shop's usual one counting as two gaps more.
        f"""CREATE TEMP TABLE rhythm AS
            SELECT h.customer_no,
                   (CAST(timezone('{moment.timezone}', {moment.sql()}) AS DATE) - h.last_day)
                   / greatest(1, (coalesce(g.n * g.gap, 0) + 2 * (SELECT median(gap) FROM own_gaps))
                                 / (coalesce(g.n, 0) + 2)) AS silence
            FROM habit h LEFT JOIN own_gaps g USING (customer_no)""",
        """CREATE TEMP TABLE taste AS
            SELECT l.customer_no, count(DISTINCT nullif(p.product_type, '')) AS types
            FROM order_lines l JOIN products p USING (product_no) WHERE l.counts GROUP BY l.customer_no""",
        f"""CREATE TEMP TABLE clock AS
            SELECT customer_no, hour(timezone('{moment.timezone}', processed_at)) AS hour, month(day) AS month
            FROM counted""",
        f"""CREATE TEMP TABLE tenure AS SELECT customer_no, {today} - min(day) AS days FROM counted GROUP BY 1""",
        """CREATE TEMP TABLE bargains AS
            SELECT customer_no, count(*) AS n, count(*) FILTER (WHERE o.discounts_minor > 0 OR order_id IN
                (SELECT order_id FROM order_lines WHERE NOT is_gift_card AND discount_minor > 0)) AS cheap
            FROM counted c JOIN orders o USING (order_id, customer_no) GROUP BY 1""",
        """CREATE TEMP TABLE favourite AS
            SELECT customer_no, arg_min(product_type, (-times, product_type)) AS product_type
            FROM (SELECT l.customer_no, p.product_type, count(*) AS times FROM order_lines l
                  JOIN products p USING (product_no) WHERE l.counts AND p.product_type <> '' GROUP BY ALL)
            GROUP BY 1""",
        # A score counts in fifths how many have less, so equals share it; frequency and spend weigh the same.
        """CREATE TEMP TABLE grid AS
            WITH amounts AS (SELECT customer_no, last_day, n, coalesce(net, 0) AS net
                             FROM habit LEFT JOIN money USING (customer_no)),
            fifths AS (SELECT customer_no,
                   1 + 5 * (count(*) OVER (ORDER BY last_day) - count(*) OVER (PARTITION BY last_day))
                       // count(*) OVER () AS r,
                   1 + 5 * (count(*) OVER (ORDER BY n) - count(*) OVER (PARTITION BY n)) // count(*) OVER () AS f,
                   1 + 5 * (count(*) OVER (ORDER BY net) - count(*) OVER (PARTITION BY net)) // count(*) OVER () AS m
                FROM amounts)
            SELECT customer_no, r, ceil((f + m) / 2) AS fm FROM fifths""",
    ]


def _silence(low: float | None, high: float | None) -> str:
    parts = [f"silence > {low}"] * (low is not None) + [f"silence <= {high}"] * (high is not None)
    return "SELECT customer_no FROM rhythm WHERE " + " AND ".join(parts)


def _habit_and_money(condition: str) -> str:
    return f"SELECT customer_no FROM habit JOIN money USING (customer_no) WHERE {condition}"


def _predicted(condition: str) -> str:
    return f"SELECT customer_no FROM customer_values JOIN habit USING (customer_no) WHERE {condition}"


def _types(condition: str) -> str:
    return f"SELECT customer_no FROM taste JOIN habit USING (customer_no) WHERE {condition}"


def _rising(n: list[float]) -> str:
    # "as much as before" has no answer for who spent nothing before
    return f"earlier > 0 AND recent >= {n[0]} * earlier AND recent >= {n[3] * CENTS}"


def _share(condition: str) -> str:
    return (
        "SELECT customer_no FROM habit JOIN (SELECT customer_no, count(*) AS hits FROM clock"
        f" WHERE {condition} GROUP BY 1) USING (customer_no) WHERE"
    )


def _hours(first: int, last: int) -> Callable[[list[float], Moment], str]:
    return lambda n, _: f"{_share(f'hour BETWEEN {first} AND {last}')} hits >= {n[0]} * n AND n >= {n[1]}"


def _months(months: str) -> Callable[[list[float], Moment], str]:
    return lambda n, _: (
        f"SELECT customer_no FROM ({_share(f'month IN ({months})')} hits >= {n[0]} * n AND n >= {n[1]})"
        f" JOIN tenure USING (customer_no) WHERE days >= {n[2]}"
    )


def _between(table: str, value: str, tier: str, unit: int = 1, skip: int = 0) -> Callable[[list[float], Moment], str]:
    """A tier of a ladder: the lowest ends below the sentence's first number, the highest begins there."""

    def sql(n: list[float], _: Moment) -> str:
        cuts = [number * unit for number in n[skip:]]
        low = f"{value} >= {cuts[0]}" if tier != "lowest" else "true"
        high = f"{value} < {cuts[0 if tier == 'lowest' else 1]}" if tier != "highest" else "true"
        return f"SELECT customer_no FROM {table} WHERE {value} IS NOT NULL AND {low} AND {high}"

    return sql


def _ladder(table: str, value: str, keys: str, unit: int = 1, skip: int = 0) -> dict[str, Any]:
    first, *middle, last = keys.split()
    tiers = [(first, "lowest"), *((key, "middle") for key in middle), (last, "highest")]
    return {key: _between(table, value, tier, unit, skip) for key, tier in tiers}


def _bargains(condition: str) -> str:
    return f"SELECT customer_no FROM bargains WHERE {condition}"


EACH_ORDER = "habit JOIN money USING (customer_no)"
BY_KEY: dict[str, Callable[[list[float], Moment], str]] = {
    "active": lambda _, __: _silence(None, 1),
    "due": lambda n, _: _silence(n[0], n[1]),
    "at_risk": lambda n, _: _silence(n[0], n[1]),
    "lapsed": lambda n, _: _silence(n[0], n[1]),
    "dormant": lambda n, _: _silence(n[0], None),
    "big_spenders": lambda n, _: _habit_and_money(f"net >= {n[0] * CENTS}"),
    "rising": lambda n, _: _habit_and_money(_rising(n)),
    "falling": lambda n, _: _habit_and_money(f"recent <= 0.5 * earlier AND earlier >= {n[2] * CENTS}"),
    "discount_driven": lambda n, _: _habit_and_money(f"saved >= {n[0]} * (paid + saved) AND n >= 2"),
    "full_price": lambda n, _: _habit_and_money(f"saved <= {n[0]} * (paid + saved) AND n >= 2"),
    "high_refund": lambda n, _: _habit_and_money(f"paid > 0 AND paid - net >= {n[0]} * paid"),
    "big_baskets": lambda n, _: _habit_and_money(f"round(net / n) >= {n[0] * CENTS}"),
    "stock_up": lambda n, _: _habit_and_money(f"units >= {n[0]} * n AND n >= {n[1]}"),
    "weekend": lambda n, _: _habit_and_money(f"weekend >= {n[0]} AND n >= {n[1]}"),
    "weekday": lambda n, _: _habit_and_money(f"weekend <= {n[0]} AND n >= {n[1]}"),
    "explorers": lambda n, _: _types(f"types >= {n[0]}"),
    "specialists": lambda n, _: _types(f"types = 1 AND n >= {n[0]}"),
    "new": lambda n, at: f"SELECT customer_no FROM habit WHERE first >= {at.day(int(n[0]) - 1)}",
    "one_time": lambda n, _: (
        f"SELECT customer_no FROM habit JOIN rhythm USING (customer_no) WHERE n = 1 AND silence > {n[0]}"
    ),
    "repeat": lambda n, _: f"SELECT customer_no FROM habit WHERE n BETWEEN {n[0]} AND {n[1]}",
    "loyal": lambda n, _: f"SELECT customer_no FROM habit WHERE n >= {n[0]}",
    "vip": lambda n, _: (
        f"""SELECT customer_no FROM habit JOIN money USING (customer_no) JOIN rhythm USING (customer_no)
        WHERE net >= {n[0] * CENTS} AND n >= {n[1]} AND silence <= {n[2]}"""
    ),
    "high_value": lambda n, _: _predicted(f"value_12m >= {n[1]}"),
    "likely_30d": lambda n, _: _predicted(f"p_order_30d >= {n[0]}"),
    "due_this_week": lambda n, at: _predicted(f"next_order_at >= {at.sql()} AND next_order_at < {at.day(-int(n[0]))}"),
    "churn_risk": lambda n, _: _predicted(f"n >= 2 AND 1 - p_order_90d >= {n[0]}"),
    "due_next_week": lambda n, at: _predicted(
        f"next_order_at >= {at.day(-int(n[1]))} AND next_order_at < {at.day(-int(n[0]))}"
    ),
    "valuable_slipping": lambda n, _: _predicted(f"value_12m >= {n[1]} AND 1 - p_order_90d >= {n[2]}"),
    "never_refunded": lambda n, _: _habit_and_money(f"paid > 0 AND paid <= net AND n >= {n[0]}"),
    "any_day": lambda n, _: _habit_and_money(f"weekend > {n[0]} AND weekend < {n[1]} AND n >= {n[2]}"),
    "morning": _hours(6, 11),
    "afternoon": _hours(12, 17),
    "evening": _hours(18, 23),
    "night": _hours(0, 5),
    "season_mar_may": _months("3, 4, 5"),
    "season_jun_aug": _months("6, 7, 8"),
    "season_sep_nov": _months("9, 10, 11"),
    "season_dec_feb": _months("12, 1, 2"),
    "second_order_due": lambda n, _: (
        "SELECT customer_no FROM habit JOIN rhythm USING (customer_no)"
        f" WHERE n = 1 AND silence > {n[0]} AND silence <= {n[1]}"
    ),
    "never_ordered": lambda _, __: "SELECT customer_no FROM live ANTI JOIN habit USING (customer_no)",
    "subscribed_never_ordered": lambda _, __: "SELECT customer_no FROM subscribed ANTI JOIN habit USING (customer_no)",
    "unreachable_buyers": lambda _, __: (
        "SELECT customer_no FROM live SEMI JOIN habit USING (customer_no) ANTI JOIN reachable USING (customer_no)"
    ),
    "orders_1": lambda n, _: f"SELECT customer_no FROM habit WHERE n = {n[0]}",
    "orders_2": lambda n, _: f"SELECT customer_no FROM habit WHERE n = {n[0]}",
    "orders_3_4": lambda n, _: f"SELECT customer_no FROM habit WHERE n BETWEEN {n[0]} AND {n[1]}",
    "orders_5_9": lambda n, _: f"SELECT customer_no FROM habit WHERE n BETWEEN {n[0]} AND {n[1]}",
    "orders_10": lambda n, _: f"SELECT customer_no FROM habit WHERE n >= {n[0]}",
    "discount_never": lambda _, __: _bargains("cheap = 0"),
    "discount_sometimes": lambda n, _: _bargains(f"cheap > 0 AND cheap < {n[1]} * n"),
    "discount_mostly": lambda n, _: _bargains(f"cheap >= {n[0]} * n AND cheap < n"),
    "discount_always": lambda _, __: _bargains("cheap = n"),
    **_ladder("money", "net", "spend_lower spend_middle spend_upper spend_top", CENTS),
    **_ladder(
        "habit JOIN money USING (customer_no)", "round(net / n)", "basket_small basket_medium basket_large", CENTS
    ),
    **_ladder("tenure", "days", "tenure_90 tenure_365 tenure_730 tenure_over"),
    **_ladder("own_gaps", "gap", "rhythm_weekly rhythm_monthly rhythm_quarterly rhythm_rare"),
    **_ladder("customer_values", "value_12m", "value_lower value_middle value_upper value_top", skip=1),
    **_ladder("customer_values", "1 - p_order_90d", "churn_low churn_medium churn_high churn_very_high"),
}
TEXTS = {
    r"Your customer field (\S+) is (?:“(.+)”|empty)\.": lambda found: (
        f"SELECT customer_no FROM customers WHERE metafields['{found[1]}'] "
        + ("IS NULL" if found[2] is None else f"= '{found[2]}'")
    ),
    r"Lives in (?:“([^”]+)”, )??(?:“([^”]+)”, )?“([^”]+)”, by the default address\.": lambda found: (
        "SELECT customer_no FROM customers WHERE "
        + " AND ".join(
            f"lower({column}) = lower('{value}')"
            for column, value in zip(("city", "province", "country"), found.groups(), strict=True)
            if value
        )
    ),
    r"The customer's language at your shop is “(.+)”\.": lambda found: (
        f"SELECT customer_no FROM customers WHERE language = '{found[1]}'"
    ),
    r"At least (\d+) orders, and “(.+)” is the product type they bought most often\.": lambda found: (
        "SELECT customer_no FROM favourite JOIN habit USING (customer_no)"
        f" WHERE product_type = '{found[2]}' AND n >= {found[1]}"
    ),
    r"Recency score (\d)(?: to (\d))?(?: \(.+\))?, frequency and spend score (\d)(?: to (\d))?, each of 5\.": lambda found: (  # noqa: E501
        f"SELECT customer_no FROM grid WHERE r BETWEEN {found[1]} AND {found[2] or found[1]}"
        f" AND fm BETWEEN {found[3]} AND {found[4] or found[3]}"
    ),
}
"""Sentences that name something in words."""


def members_sql(key: str, sentence: str, moment: Moment) -> str:
    """The members of one automatic segment that is not about a product. KeyError if no one wrote its SQL."""
    for pattern, sql in TEXTS.items():
        found = re.fullmatch(pattern, sentence)
        if found:
            return sql(found)
    return BY_KEY[key.removeprefix("auto:")](numbers(sentence), moment)
