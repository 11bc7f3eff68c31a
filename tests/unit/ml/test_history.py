"""What counts as a purchase, and what a history may see."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from ml_shops import AS_OF, day, lines

from ml.history import build_history


class TestHistory:
    def test_lines_of_one_order_and_product_are_one_purchase(self) -> None:
        h = build_history(lines((1, "a", day(9), 5, 2, 3.0), (1, "a", day(9), 5, 1, 4.0)), None, AS_OF)
        assert h.pair_count.tolist() == [1]
        assert h.quantity.tolist() == [3]
        assert h.order_value.tolist() == [10.0]

    def test_a_line_without_quantity_or_with_a_negative_price_is_no_purchase(self) -> None:
        rows = lines(
            (1, "a", day(9), 5, 0), (1, "b", day(8), 6, -1), (1, "c", day(7), 7, 1, -2.0), (1, "d", day(6), 8, 1, 0.0)
        )
        assert build_history(rows, None, AS_OF).product_no.tolist() == [8]

    def test_the_row_at_as_of_is_already_the_future(self) -> None:
        h = build_history(lines((1, "a", AS_OF, 5), (2, "b", AS_OF - pd.Timedelta(microseconds=1), 5)), None, AS_OF)
        assert h.customer_no.tolist() == [2]

    def test_times_without_a_zone_are_utc(self) -> None:
        rows = lines((1, "a", day(9), 5))
        naive = rows.assign(ordered_at=rows["ordered_at"].dt.tz_localize(None))
        assert (
            build_history(naive, None, AS_OF.tz_localize(None)).day.tolist()
            == build_history(rows, None, AS_OF).day.tolist()
        )

    def test_times_in_another_zone_mean_the_same_moment(self) -> None:
        rows = lines((1, "a", day(9), 5))
        there = rows.assign(ordered_at=rows["ordered_at"].dt.tz_convert("Asia/Tokyo"))
        assert build_history(there, None, AS_OF).day.tolist() == build_history(rows, None, AS_OF).day.tolist()

    def test_an_earlier_view_equals_a_history_built_at_that_moment(self) -> None:
        rows = lines((1, "a", day(30), 5), (2, "b", day(20), 6), (1, "c", day(10), 5), (1, "d", day(5), 6))
        view = build_history(rows, None, AS_OF).before((day(8) - pd.Timestamp(0, tz="UTC")).total_seconds() / 86400)
        built = build_history(rows, None, day(8))
        for name in ("customer", "product", "order", "day", "order_day", "order_value", "pair_count", "pair_last"):
            assert np.array_equal(getattr(view, name), getattr(built, name)), name

    def test_orders_are_numbered_by_customer_and_time_whatever_their_ids(self) -> None:
        h = build_history(lines((1, "z", day(9), 5), (1, "a", day(2), 5), (0, "m", day(1), 5)), None, AS_OF)
        assert h.order_customer.tolist() == [0, 1, 1]
        assert (np.diff(h.order_day[1:]) > 0).all()

    def test_missing_columns_are_named(self) -> None:
        with pytest.raises(ValueError, match=r"\['quantity', 'unit_price'\]"):
            build_history(lines((1, "a", day(9), 5)).drop(columns=["quantity", "unit_price"]), None, AS_OF)

    def test_the_products_table_names_the_type_and_wins_over_the_lines(self) -> None:
        rows = lines((1, "a", day(9), 5), (1, "b", day(8), 6), (1, "c", day(7), 7)).assign(
            product_type=["x", "y", None]
        )
        types = pd.DataFrame({"product_no": [5], "product_type": ["y"]})
        category = build_history(rows, types, AS_OF).category
        assert category[0] == category[1] != category[2]
