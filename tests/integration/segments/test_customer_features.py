from __future__ import annotations

import random
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.context import ShopContext
from app.lake.lake import bare_connection
from app.lake.schemas import TABLES
from app.services import customer_features

NEW_YORK = ShopContext(1, "first.myshopify.com", "USD", "America/New_York")
AS_OF = datetime(2026, 11, 20, 15, tzinfo=UTC)  # 10:00 in New York
Row = dict[str, Any]


def order(no: int, order_id: int, at: datetime, *lines: Row, counts: bool = True) -> tuple[Row, list[Row]]:
    head = {"customer_no": no, "order_id": order_id, "processed_at": at, "counts": counts, "discounts_minor": 0}
    base = {"customer_no": no, "order_id": order_id, "ordered_at": at, "quantity": 1, "current_quantity": 1,
            "discount_minor": 0, "is_gift_card": False, "counts": counts}  # fmt: skip
    return head, [{**base, **line} for line in lines]


def line(product: int | None, total: int, net: int | None = None, **more: Any) -> Row:
    return {"product_no": product, "total_minor": total, "net_minor": total if net is None else net, **more}


@pytest.fixture
def features(tmp_path: Path) -> Any:
    def build(*orders: tuple[Row, list[Row]], variants: tuple[Row, ...] = ()) -> dict[int, Row]:
        connection = bare_connection(1)
        products = [{"product_no": no, "product_id": no, "product_type": kind} for no, kind in
                    [(1, "Coffee"), (2, "Tea"), (3, "Coffee"), (4, "")]]  # fmt: skip
        tables = {"orders": [head for head, _ in orders], "order_lines": [x for _, rows in orders for x in rows],
                  "products": products, "variants": variants}  # fmt: skip
        for name, rows in tables.items():
            schema = TABLES[name]
            full = [{column: row.get(column) for column in schema.names} for row in rows]
            connection.register(name, pa.Table.from_pylist(full, schema=schema))
        out = tmp_path / "features.parquet"
        count = customer_features.build(connection, NEW_YORK, AS_OF, out)
        found = pq.read_table(out).to_pylist()
        connection.close()
        assert count == len(found)
        return {row["customer_no"]: row for row in found}

    return build


class TestBuild:
    def test_money_orders_and_days_of_one_customer(self, features: Any) -> None:
        row = features(
            order(1, 1, AS_OF - timedelta(days=100), line(1, 1000, discount_minor=250)),
            order(1, 2, AS_OF - timedelta(days=40), line(1, 3000), line(2, 1000, 0, current_quantity=0, counts=False)),
            order(1, 3, AS_OF - timedelta(days=20), line(3, 2000)),
        )[1]
        assert (row["orders"], row["lines"], row["orders_365d"]) == (3, 3, 3)
        assert (row["gross_minor"], row["net_minor"], row["average_order_minor"]) == (7000, 6000, 2000)
        assert (row["net_90d_minor"], row["net_previous_90d_minor"], row["trend"]) == (5000, 1000, 5.0)
        assert (row["days_since_order"], row["tenure_days"], row["median_gap_days"]) == (20, 100, 40)
        assert row["discount_share"] == pytest.approx(250 / 7250)
        assert row["refund_share"] == pytest.approx(1000 / 7000)
        assert row["discounted_order_share"] == pytest.approx(1 / 3)
        assert (row["distinct_products"], row["distinct_types"], row["favourite_type"]) == (2, 1, "Coffee")

    def test_gift_cards_cancelled_orders_and_the_future_bring_no_money(self, features: Any) -> None:
        row = features(
            order(1, 1, AS_OF - timedelta(days=5), line(1, 1000), line(None, 5000, is_gift_card=True, counts=False)),
            order(1, 2, AS_OF - timedelta(days=4), line(1, 1000), counts=False),
            order(1, 3, AS_OF, line(1, 1000)),
        )[1]
        assert (row["orders"], row["net_minor"], row["days_since_order"]) == (1, 1000, 5)

    def test_a_line_of_no_product_is_money_and_no_purchase(self, features: Any) -> None:
        row = features(order(1, 1, AS_OF - timedelta(days=5), line(None, 700, counts=False)))[1]
        assert (row["net_minor"], row["lines"], row["distinct_products"]) == (700, 0, 0)

    def test_days_are_the_shops(self, features: Any) -> None:
        late = datetime(2026, 11, 19, 3, tzinfo=UTC)  # the 18th, 22:00 in New York
        assert features(order(1, 1, late, line(1, 1000)))[1]["days_since_order"] == 2

    def test_two_orders_on_one_day_are_no_gap(self, features: Any) -> None:
        day = AS_OF - timedelta(days=10)
        row = features(order(1, 1, day, line(1, 1000)), order(1, 2, day + timedelta(hours=2), line(1, 1000)))[1]
        assert (row["orders"], row["median_gap_days"]) == (2, None)

    def test_a_short_history_leans_on_the_shops_gap_and_a_long_one_on_its_own(self, features: Any) -> None:
        every = [order(1, k, AS_OF - timedelta(days=10 * k), line(1, 1000)) for k in range(1, 12)]
        twice = [order(2, 100 + k, AS_OF - timedelta(days=60 * k), line(1, 1000)) for k in (1, 2)]
        once = [order(3, 200, AS_OF - timedelta(days=35), line(1, 1000))]
        found = features(*every, *twice, *once)
        # The shop's gap is the median of its customers' own ones: 10 and 60.
        assert found[3]["expected_gap_days"] == 35
        assert found[3]["gap_ratio"] == 1
        assert found[2]["expected_gap_days"] == pytest.approx((1 * 60 + 2 * 35) / 3)
        assert found[1]["expected_gap_days"] == pytest.approx((10 * 10 + 2 * 35) / 12)

    def test_weekend_is_saturday_and_sunday_in_the_shops_zone(self, features: Any) -> None:
        row = features(
            order(1, 1, datetime(2026, 11, 16, 3, tzinfo=UTC), line(1, 100)),  # Sunday evening
            order(1, 2, datetime(2026, 11, 14, 3, tzinfo=UTC), line(1, 100)),  # Friday evening
        )[1]
        assert row["weekend_share"] == 0.5

    def test_products_without_a_type_have_no_favourite(self, features: Any) -> None:
        row = features(order(1, 1, AS_OF - timedelta(days=1), line(4, 100)))[1]
        assert (row["distinct_products"], row["distinct_types"], row["favourite_type"]) == (1, 0, None)

    def test_shares_by_season_and_time_of_day_follow_the_shops_clock(self, features: Any) -> None:
        row = features(
            order(1, 1, datetime(2026, 3, 1, 3, tzinfo=UTC), line(1, 100)),  # still February, 10 pm
            order(1, 2, datetime(2026, 6, 1, 12, tzinfo=UTC), line(1, 100)),  # 8 am in summer time
            order(1, 3, datetime(2026, 8, 31, 16, tzinfo=UTC), line(1, 100)),  # noon
            order(1, 4, datetime(2026, 9, 1, 4, tzinfo=UTC), line(1, 100)),  # midnight
        )[1]
        seasons = [row[f"{name}_share"] for name in ("mar_may", "jun_aug", "sep_nov", "dec_feb")]
        assert seasons == [0, 0.5, 0.25, 0.25]
        parts = [row[f"{name}_share"] for name in ("night", "morning", "afternoon", "evening")]
        assert parts == [0.25, 0.25, 0.25, 0.25]

    def test_scores_are_fifths_and_equals_share_the_lower_one(self, features: Any) -> None:
        found = features(
            *(order(no, no, AS_OF - timedelta(days=60 - no), line(1, 100 * no)) for no in range(1, 10)),
            order(10, 10, AS_OF - timedelta(days=59), line(1, 900)),
            order(10, 11, AS_OF - timedelta(days=5), line(1, 900)),
        )
        assert [found[no]["rfm_recency"] for no in range(1, 11)] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
        assert [found[no]["rfm_monetary"] for no in range(1, 11)] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
        assert [found[no]["rfm_frequency"] for no in range(1, 11)] == [1] * 9 + [5]
        assert [found[no]["rfm_worth"] for no in (1, 5, 9, 10)] == [1, 2, 3, 5]

    def test_cost_counts_units_kept_of_variants_whose_cost_is_known(self, features: Any) -> None:
        row = features(
            order(1, 1, AS_OF - timedelta(days=5),
                  line(1, 3000, 2000, variant_id=11, quantity=3, current_quantity=2),
                  line(2, 500, variant_id=12), line(3, 700)),
            order(1, 2, AS_OF - timedelta(days=4), line(1, 1000, variant_id=11), counts=False),
            variants=({"variant_id": 11, "product_no": 1, "cost_minor": 400},
                      {"variant_id": 12, "product_no": 2, "cost_minor": None}),
        )[1]  # fmt: skip
        assert (row["net_minor"], row["costed_net_minor"], row["cost_minor"]) == (3200, 2000, 800)


class TestALaterRunOfTheSameDay:
    """Sums of customers whose orders did not change are taken over; the features are those of a whole computation."""

    @staticmethod
    def connection(orders: list[tuple[Row, list[Row]]], kind: str = "Coffee") -> Any:
        made = bare_connection(1)
        tables = {"orders": [head for head, _ in orders], "order_lines": [x for _, rows in orders for x in rows],
                  "products": [{"product_no": no, "product_id": no, "product_type": kind if no == 1 else "Tea"}
                               for no in (1, 2)], "variants": []}  # fmt: skip
        for name, rows in tables.items():
            full = [{column: row.get(column) for column in TABLES[name].names} for row in rows]
            made.register(name, pa.Table.from_pylist(full, schema=TABLES[name]))
        return made

    def built(self, folder: Path, orders: list[tuple[Row, list[Row]]], at: datetime, **more: Any) -> list[Row]:
        kind, earlier = more.get("kind", "Coffee"), more.get("earlier")
        folder.mkdir()
        with closing(self.connection(orders, kind)) as made:
            customer_features.build(made, NEW_YORK, at, folder / "features.parquet", earlier)
        return pq.read_table(folder / "features.parquet").to_pylist()

    @settings(max_examples=25, deadline=None)
    @given(st.data())
    def test_has_the_features_of_a_whole_computation(self, data: st.DataObject) -> None:
        r = random.Random(data.draw(st.integers(0, 10**9)))
        later = AS_OF + timedelta(hours=r.randint(0, 12))
        before = [self.random_order(r, number) for number in range(30)]
        after = [self.changed(r, one) if r.random() < 0.2 else one for one in before if r.random() < 0.9]
        after += [self.random_order(r, 100 + number, later) for number in range(r.randint(0, 5))]
        with TemporaryDirectory() as name:
            folder = Path(name)
            self.built(folder / "before", before, AS_OF)
            whole = self.built(folder / "whole", after, later)
            assert self.built(folder / "later", after, later, earlier=folder / "before") == whole

    def test_takes_over_the_sums_of_whoever_ordered_nothing_new(self, tmp_path: Path) -> None:
        first, second = (order(no, no, AS_OF - timedelta(days=9), line(1, 500)) for no in (1, 2))
        self.built(tmp_path / "before", [first, second], AS_OF)
        sums = tmp_path / "before" / customer_features.SUMS_FILE
        marked = pq.read_table(sums)
        column = pa.array([row["gross_minor"] + 7 for row in marked.to_pylist()], pa.int64())
        place = marked.column_names.index("gross_minor")
        pq.write_table(marked.set_column(place, "gross_minor", column), sums)
        news = order(2, 3, AS_OF, line(2, 300))
        later = self.built(tmp_path / "later", [first, second, news], AS_OF + timedelta(hours=1), earlier=sums.parent)
        assert [row["gross_minor"] for row in later] == [507, 800]

    @pytest.mark.parametrize(("hours", "kind"), [(24, "Coffee"), (1, "Espresso")])
    def test_is_computed_whole_on_another_day_or_with_other_product_types(
        self, tmp_path: Path, hours: int, kind: str
    ) -> None:
        orders = [order(1, 1, AS_OF - timedelta(days=9), line(1, 500))]
        self.built(tmp_path / "before", orders, AS_OF)
        at, earlier = AS_OF + timedelta(hours=hours), tmp_path / "before"
        later = self.built(tmp_path / "later", orders, at, kind=kind, earlier=earlier)
        assert (later[0]["favourite_type"], later[0]["days_since_order"]) == (kind, 9 + hours // 24)

    @staticmethod
    def random_order(r: random.Random, number: int, at: datetime | None = None) -> tuple[Row, list[Row]]:
        placed = (at or AS_OF) - timedelta(hours=r.randint(1, 24 * 200))
        lines = [
            line(r.choice([1, 2, None]), 100 * r.randint(1, 9), line_id=10 * number + k) for k in range(r.randint(1, 3))
        ]
        head, rows = order(r.randint(1, 8), number, placed, *lines, counts=r.random() < 0.8)
        return {**head, "updated_at": placed}, rows

    @staticmethod
    def changed(r: random.Random, one: tuple[Row, list[Row]]) -> tuple[Row, list[Row]]:
        """The order as it is after a return, a cancellation or a merge of its customer into another."""
        head, rows = one
        no, counts = r.choice([head["customer_no"], r.randint(1, 9)]), r.random() < 0.5
        head = {**head, "customer_no": no, "counts": counts, "updated_at": AS_OF}
        return head, [{**row, "customer_no": no, "counts": counts, "net_minor": row["net_minor"] // 2} for row in rows]
