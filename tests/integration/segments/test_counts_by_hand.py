"""Every automatic segment's members against SQL written by hand over orders and lines, knowing no feature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.services.evaluate_segments import membership
from app.store.models.segments import Segment
from tests.integration.segments.conftest import refresh_segments

if TYPE_CHECKING:
    from tests.integration.segments.conftest import SmallShop

NOW = "timestamptz '2026-11-20 15:30+00'"
ORDERS = """(SELECT customer_no, count(*) AS n, min(processed_at) AS first, max(processed_at) AS last,
    avg(CASE WHEN dayofweek(timezone('America/New_York', processed_at)) IN (0, 6) THEN 1.0 ELSE 0 END) AS weekend
    FROM orders WHERE counts GROUP BY customer_no)"""
# Everybody who came back did so after 14 days, so that is each one's gap and the shop's.
SILENCE = f"""(SELECT customer_no, date_diff('day', CAST(timezone('America/New_York', last) AS DATE),
    DATE '2026-11-20') / 14.0 AS gaps FROM {ORDERS})"""
MONEY = """(SELECT l.customer_no, sum(l.net_minor) AS net, sum(l.total_minor) AS gross, sum(l.discount_minor) AS saved,
    sum(l.net_minor) / count(DISTINCT l.order_id) AS average,
    sum(l.net_minor) FILTER (WHERE l.ordered_at >= timestamptz '2026-08-23 04:00+00') AS recent,
    sum(l.net_minor) FILTER (WHERE l.ordered_at < timestamptz '2026-08-23 04:00+00'
                               AND l.ordered_at >= timestamptz '2026-05-25 04:00+00') AS before
    FROM order_lines l JOIN orders o USING (order_id) WHERE o.counts GROUP BY l.customer_no)"""
INCOME = "SELECT customer_no FROM customers WHERE metafields['custom.income']"
PAIRS = "SELECT customer_no FROM pairs WHERE"

# A fifth by counting who has less: no window function, and no order of rows.
FIFTH = "1 + 5 * (SELECT count(*) FROM {0} b WHERE b.{1} < a.{1}) // (SELECT count(*) FROM {0})"
BUYERS = f"""(SELECT customer_no, n, net, CAST(timezone('America/New_York', last) AS DATE) AS day
    FROM {ORDERS} JOIN {MONEY} USING (customer_no))"""
SCORES = f"""(SELECT a.customer_no, {FIFTH.format(BUYERS, "day")} AS r, {FIFTH.format(BUYERS, "n")} AS f,
    {FIFTH.format(BUYERS, "net")} AS m FROM {BUYERS} a)"""
GRID = f"SELECT customer_no FROM (SELECT *, round((f + m) / 2.0) AS fm FROM {SCORES}) WHERE"
DISCOUNTED = """(SELECT o.customer_no, count(*) AS n, sum(CASE WHEN EXISTS (SELECT 1 FROM order_lines l
    WHERE l.order_id = o.order_id AND l.discount_minor > 0) THEN 1 ELSE 0 END) AS cheap
    FROM orders o WHERE o.counts GROUP BY 1)"""
TENURE = f"""(SELECT customer_no, date_diff('day', CAST(timezone('America/New_York', first) AS DATE),
    DATE '2026-11-20') AS days FROM {ORDERS})"""
CLOCK = f"""(SELECT customer_no, n, hour(timezone('America/New_York', processed_at)) AS h,
    month(timezone('America/New_York', processed_at)) AS month
    FROM orders JOIN {ORDERS} USING (customer_no) WHERE counts AND n >= 3)"""
NO_ORDER = "SELECT customer_no FROM customers WHERE customer_no NOT IN (SELECT customer_no FROM orders WHERE counts)"


def at_least_half(condition: str) -> str:
    return f"SELECT customer_no FROM {CLOCK} GROUP BY 1, n HAVING count(*) FILTER (WHERE {condition}) * 2 >= n"


def season(months: str) -> str:
    return f"""SELECT customer_no FROM ({at_least_half(f"month IN {months}")}) JOIN {TENURE} USING (customer_no)
        WHERE days >= 365"""


def favourite(kind: str) -> str:
    return f"""SELECT customer_no FROM (SELECT customer_no, product_type, count(*) AS times FROM order_lines
        JOIN products USING (product_no) WHERE counts GROUP BY ALL) JOIN {ORDERS} USING (customer_no) WHERE n >= 2
        GROUP BY customer_no HAVING max_by(product_type, times * 1000 - ascii(product_type)) = '{kind}'"""


CHURN = "SELECT customer_no FROM customer_values WHERE 1 - p_order_90d"
VALUE = "SELECT customer_no FROM customer_values WHERE value_12m"

BY_HAND = {
    "auto:active": f"SELECT customer_no FROM {SILENCE} WHERE gaps <= 1",
    "auto:due": f"SELECT customer_no FROM {SILENCE} WHERE gaps > 1 AND gaps <= 2",
    "auto:at_risk": f"SELECT customer_no FROM {SILENCE} WHERE gaps > 2 AND gaps <= 4",
    "auto:lapsed": f"SELECT customer_no FROM {SILENCE} WHERE gaps > 4 AND gaps <= 8",
    "auto:dormant": f"SELECT customer_no FROM {SILENCE} WHERE gaps > 8",
    "auto:big_spenders": f"SELECT customer_no FROM {MONEY} WHERE net >= 12400",
    "auto:rising": f"SELECT customer_no FROM {MONEY} WHERE recent >= 1.5 * before AND before > 0 AND recent >= 1600",
    "auto:falling": f"SELECT customer_no FROM {MONEY} WHERE recent <= 0.5 * before AND before >= 1600",
    "auto:discount_driven": f"""SELECT customer_no FROM {MONEY} JOIN {ORDERS} USING (customer_no)
        WHERE saved >= 0.1 * (gross + saved) AND n >= 2""",
    "auto:full_price": f"""SELECT customer_no FROM {MONEY} JOIN {ORDERS} USING (customer_no)
        WHERE saved <= 0.01 * (gross + saved) AND n >= 2""",
    "auto:high_refund": f"SELECT customer_no FROM {MONEY} WHERE gross - net >= 0.25 * gross",
    "auto:big_baskets": f"SELECT customer_no FROM {MONEY} WHERE round(average) >= 2000",
    "auto:stock_up": """SELECT l.customer_no FROM order_lines l JOIN orders o USING (order_id) WHERE o.counts
        GROUP BY 1 HAVING sum(l.current_quantity) / count(DISTINCT o.order_id) >= 2
        AND count(DISTINCT o.order_id) >= 3""",
    "auto:weekend": f"SELECT customer_no FROM {ORDERS} WHERE weekend >= 0.5 AND n >= 3",
    "auto:weekday": f"SELECT customer_no FROM {ORDERS} WHERE weekend <= 0.1 AND n >= 3",
    "auto:explorers": """SELECT customer_no FROM order_lines JOIN products USING (product_no) WHERE counts
        GROUP BY 1 HAVING count(DISTINCT product_type) >= 3""",
    "auto:specialists": f"""SELECT customer_no FROM order_lines JOIN products USING (product_no)
        JOIN {ORDERS} USING (customer_no) WHERE counts AND n >= 3 GROUP BY 1 HAVING count(DISTINCT product_type) = 1""",
    "auto:new": f"SELECT customer_no FROM {ORDERS} WHERE first >= timestamptz '2026-10-22 04:00+00'",
    "auto:one_time": f"SELECT customer_no FROM {ORDERS} JOIN {SILENCE} USING (customer_no) WHERE n = 1 AND gaps > 2",
    "auto:repeat": f"SELECT customer_no FROM {ORDERS} WHERE n BETWEEN 2 AND 5",
    "auto:vip": f"""SELECT customer_no FROM {MONEY} JOIN {ORDERS} USING (customer_no) JOIN {SILENCE} USING (customer_no)
        WHERE net >= 15500 AND n >= 6 AND gaps <= 2""",
    "auto:high_value": "SELECT customer_no FROM customer_values WHERE value_12m >= 45",
    "auto:likely_30d": "SELECT customer_no FROM customer_values WHERE p_order_30d >= 0.5",
    "auto:due_this_week": f"""SELECT customer_no FROM customer_values WHERE next_order_at >= {NOW}
        AND next_order_at < timestamptz '2026-11-27 05:00+00'""",
    "auto:churn_risk": f"""SELECT customer_no FROM customer_values JOIN {ORDERS} USING (customer_no)
        WHERE n >= 2 AND 1 - p_order_90d >= 0.5""",
    "auto:loyal": f"SELECT customer_no FROM {ORDERS} WHERE n >= 6",
    "auto:never_refunded": f"""SELECT customer_no FROM {MONEY} JOIN {ORDERS} USING (customer_no)
        WHERE net = gross AND n >= 3""",
    "auto:any_day": f"SELECT customer_no FROM {ORDERS} WHERE weekend > 0.1 AND weekend < 0.5 AND n >= 3",
    "auto:morning": at_least_half("h BETWEEN 6 AND 11"),
    "auto:afternoon": at_least_half("h BETWEEN 12 AND 17"),
    "auto:evening": at_least_half("h BETWEEN 18 AND 23"),
    "auto:night": at_least_half("h BETWEEN 0 AND 5"),
    "auto:season_mar_may": season("(3, 4, 5)"),
    "auto:season_jun_aug": season("(6, 7, 8)"),
    "auto:season_sep_nov": season("(9, 10, 11)"),
    "auto:season_dec_feb": season("(12, 1, 2)"),
    "auto:second_order_due": f"""SELECT customer_no FROM {ORDERS} JOIN {SILENCE} USING (customer_no)
        WHERE n = 1 AND gaps > 0.5 AND gaps <= 1.5""",
    "auto:due_next_week": """SELECT customer_no FROM customer_values WHERE
        next_order_at >= timestamptz '2026-11-27 05:00+00' AND next_order_at < timestamptz '2026-12-04 05:00+00'""",
    "auto:valuable_slipping": f"{VALUE} >= 45 AND 1 - p_order_90d >= 0.5",
    "auto:never_ordered": NO_ORDER,
    "auto:subscribed_never_ordered": NO_ORDER,  # of the ten without an order all are subscribed
    # Unsubscribed, pending, an address that can't be, none, never subscribed: see `add_customers`.
    "auto:unreachable_buyers": "SELECT unnest([1, 2, 4, 6, 8])",
    "auto:rfm_champions": f"{GRID} r = 5 AND fm >= 4",
    "auto:rfm_loyal": f"{GRID} r IN (3, 4) AND fm >= 4",
    "auto:rfm_potential": f"{GRID} r >= 4 AND fm IN (2, 3)",
    "auto:rfm_new": f"{GRID} r = 5 AND fm = 1",
    "auto:rfm_promising": f"{GRID} r = 4 AND fm = 1",
    "auto:rfm_attention": f"{GRID} r = 3 AND fm IN (2, 3)",
    "auto:rfm_sleepy": f"{GRID} r = 3 AND fm = 1",
    "auto:rfm_at_risk": f"{GRID} r <= 2 AND fm IN (3, 4)",
    "auto:rfm_cant_lose": f"{GRID} r <= 2 AND fm = 5",
    "auto:rfm_hibernating": f"{GRID} r = 2 AND fm <= 2",
    "auto:rfm_lost": f"{GRID} r = 1 AND fm <= 2",
    "auto:orders_1": f"SELECT customer_no FROM {ORDERS} WHERE n = 1",
    "auto:orders_2": f"SELECT customer_no FROM {ORDERS} WHERE n = 2",
    "auto:orders_3_4": f"SELECT customer_no FROM {ORDERS} WHERE n IN (3, 4)",
    "auto:orders_5_9": f"SELECT customer_no FROM {ORDERS} WHERE n BETWEEN 5 AND 9",
    "auto:orders_10": f"SELECT customer_no FROM {ORDERS} WHERE n > 9",
    "auto:spend_lower": f"SELECT customer_no FROM {MONEY} WHERE net < 6800",
    "auto:spend_middle": f"SELECT customer_no FROM {MONEY} WHERE net >= 6800 AND net < 10400",
    "auto:spend_upper": f"SELECT customer_no FROM {MONEY} WHERE net >= 10400 AND net < 15500",
    "auto:spend_top": f"SELECT customer_no FROM {MONEY} WHERE net >= 15500",
    "auto:basket_small": f"SELECT customer_no FROM {MONEY} WHERE round(average) < 1500",
    "auto:basket_medium": f"SELECT customer_no FROM {MONEY} WHERE round(average) BETWEEN 1500 AND 1899",
    "auto:basket_large": f"SELECT customer_no FROM {MONEY} WHERE round(average) >= 1900",
    "auto:discount_never": f"SELECT customer_no FROM {DISCOUNTED} WHERE cheap = 0",
    "auto:discount_sometimes": f"SELECT customer_no FROM {DISCOUNTED} WHERE cheap > 0 AND cheap * 2 < n",
    "auto:discount_mostly": f"SELECT customer_no FROM {DISCOUNTED} WHERE cheap * 2 >= n AND cheap < n",
    "auto:discount_always": f"SELECT customer_no FROM {DISCOUNTED} WHERE cheap = n",
    "auto:tenure_90": f"SELECT customer_no FROM {TENURE} WHERE days < 90",
    "auto:tenure_365": f"SELECT customer_no FROM {TENURE} WHERE days BETWEEN 90 AND 364",
    "auto:tenure_730": f"SELECT customer_no FROM {TENURE} WHERE days BETWEEN 365 AND 729",
    "auto:tenure_over": f"SELECT customer_no FROM {TENURE} WHERE days >= 730",
    # Whoever came back did so after 14 days.
    "auto:rhythm_weekly": "SELECT 1 WHERE false",
    "auto:rhythm_monthly": f"SELECT customer_no FROM {ORDERS} WHERE n > 1",
    "auto:rhythm_quarterly": "SELECT 1 WHERE false",
    "auto:rhythm_rare": "SELECT 1 WHERE false",
    "auto:value_lower": f"{VALUE} < 25",
    "auto:value_middle": f"{VALUE} >= 25 AND value_12m < 40",
    "auto:value_upper": f"{VALUE} >= 40 AND value_12m < 48",
    "auto:value_top": f"{VALUE} >= 48",
    "auto:churn_low": f"{CHURN} < 0.25",
    "auto:churn_medium": f"{CHURN} >= 0.25 AND 1 - p_order_90d < 0.5",
    "auto:churn_high": f"{CHURN} >= 0.5 AND 1 - p_order_90d < 0.75",
    "auto:churn_very_high": f"{CHURN} >= 0.75",
    "auto:favourite_type_coffee_3bd0e8be": favourite("Coffee"),
    "auto:favourite_type_tea_29f64936": favourite("Tea"),
    "auto:income_50_74k_de6cf54f": f"{INCOME} = '50-74K'",
    "auto:income_under_15k_598b0b9d": f"{INCOME} = 'Under 15K'",
    "auto:income_unknown_109ef775": f"{INCOME} IS NULL",
    "buy_again:1001": f"{PAIRS} product_no = 1 AND kind = 'repurchase' AND probability >= 0.1",
    "buy_new:1003": f"{PAIRS} product_no = 3 AND kind = 'cross_sell' AND probability >= 0.018",
}


@pytest.fixture
def found(shop: SmallShop) -> dict[str, Segment]:
    refresh_segments(shop)
    with shop.rooms.store.reading(shop.ctx) as session:
        return {segment.key: segment for segment in session.scalars(select(Segment)) if segment.key}


@pytest.fixture
def by_hand(shop: SmallShop) -> dict[str, set[int]]:
    """What the SQL above finds; over one connection, because opening the lake costs more than a query."""
    connection = shop.rooms.lake.connect(shop.ctx, shop.run.versions, shop.run.dir)
    rows = {key: {row[0] for row in connection.execute(sql).fetchall()} for key, sql in BY_HAND.items()}
    connection.close()
    return rows


class TestCountsByHand:
    def test_every_segment_has_the_members_that_sql_finds(
        self, shop: SmallShop, found: dict[str, Segment], by_hand: dict[str, set[int]]
    ) -> None:
        for key, expected in by_hand.items():
            assert set(membership(shop.rooms, shop.ctx, key).members) == expected, key

    def test_no_segment_is_left_out_of_the_reckoning(
        self, found: dict[str, Segment], by_hand: dict[str, set[int]]
    ) -> None:
        evaluated = {key for key, segment in found.items() if segment.state in {"ready", "merged", "empty"}}
        assert evaluated == set(BY_HAND)
        assert {key for key, segment in found.items() if segment.state in {"ready", "merged"}} == {
            key for key, rows in by_hand.items() if rows
        }
