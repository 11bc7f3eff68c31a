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


class TestCountsByHand:
    def test_every_segment_has_the_members_that_sql_finds(self, shop: SmallShop, found: dict[str, Segment]) -> None:
        for key, sql in BY_HAND.items():
            expected = {row[0] for row in shop.sql(sql)}
            assert set(membership(shop.rooms, shop.ctx, key).members) == expected, key

    def test_no_segment_is_left_out_of_the_reckoning(self, shop: SmallShop, found: dict[str, Segment]) -> None:
        evaluated = {key for key, segment in found.items() if segment.state in {"ready", "empty"}}
        assert evaluated == set(BY_HAND)
        assert {key for key, segment in found.items() if segment.state == "ready"} == {
            key for key, sql in BY_HAND.items() if shop.sql(sql)
        }
