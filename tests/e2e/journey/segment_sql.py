"""Each automatic segment as SQL written by hand from the sentence that Encore prints, and from nothing else.

The numbers come out of the sentence, the members out of orders, lines, products, customers and, for what is
predicted, the run's predictions. Encore's own features, rules and compiler are not used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING
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
    """Statements that make, per customer: `counted` orders, `habit`, `money`, `rhythm`."""
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
}


def members_sql(key: str, sentence: str, moment: Moment) -> str:
    """The members of one automatic segment that is not about a product. KeyError if no one wrote its SQL."""
    field = re.fullmatch(r"Your customer field (\S+) is (?:“(.+)”|(empty))\.", sentence)
    if field:
        holds = "IS NULL" if field[3] else f"= '{field[2]}'"
        return f"SELECT customer_no FROM customers WHERE metafields['{field[1]}'] {holds}"
    return BY_KEY[key.removeprefix("auto:")](numbers(sentence), moment)
